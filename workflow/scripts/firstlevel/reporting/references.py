"""Sentences that cite, and the list of what they cite. Standard library."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

REFERENCES = {
    "afni": "Cox RW (1996). AFNI: software for analysis and visualization of functional magnetic resonance "
    "neuroimages. Computers and Biomedical Research 29:162-173. https://doi.org/10.1006/cbmr.1996.0014",
    "ari": "Rosenblatt JD, Finos L, Weeda WD, Solari A, Goeman JJ (2018). All-resolutions inference "
    "for brain imaging. NeuroImage 181:786-796. "
    "https://doi.org/10.1016/j.neuroimage.2018.07.060",
    "ar1": "Worsley KJ, Liao CH, Aston J, et al. (2002). A general statistical analysis for fMRI "
    "data. NeuroImage 15:1-15. https://doi.org/10.1006/nimg.2001.0933",
    "fd": "Power JD, Barnes KA, Snyder AZ, Schlaggar BL, Petersen SE (2012). Spurious but "
    "systematic correlations in functional connectivity MRI networks arise from subject "
    "motion. NeuroImage 59:2142-2154. https://doi.org/10.1016/j.neuroimage.2011.10.018",
    "fdr": "Benjamini Y, Hochberg Y (1995). Controlling the false discovery rate. Journal of the "
    "Royal Statistical Society B 57:289-300. "
    "https://doi.org/10.1111/j.2517-6161.1995.tb02031.x",
    "fmriprep": "Esteban O, Markiewicz CJ, Blair RW, et al. (2019). fMRIPrep: a robust preprocessing "
    "pipeline for functional MRI. Nature Methods 16:111-116. "
    "https://doi.org/10.1038/s41592-018-0235-4",
    "friston24": "Friston KJ, Williams S, Howard R, Frackowiak RSJ, Turner R (1996). Movement-related "
    "effects in fMRI time-series. Magnetic Resonance in Medicine 35:346-355. "
    "https://doi.org/10.1002/mrm.1910350312",
    "glm": "Friston KJ, Holmes AP, Worsley KJ, et al. (1994). Statistical parametric maps in "
    "functional imaging: a general linear approach. Human Brain Mapping 2:189-210. "
    "https://doi.org/10.1002/hbm.460020402",
    "glover": "Glover GH (1999). Deconvolution of impulse response in event-related BOLD fMRI. "
    "NeuroImage 9:416-429. https://doi.org/10.1006/nimg.1998.0419",
    "ljung": "Ljung GM, Box GEP (1978). On a measure of lack of fit in time series models. Biometrika "
    "65:297-303. https://doi.org/10.1093/biomet/65.2.297",
    "lss": "Mumford JA, Turner BO, Ashby FG, Poldrack RA (2012). Deconvolving BOLD activation in "
    "event-related designs for multivoxel pattern classification analyses. NeuroImage 59:2636-2643. "
    "https://doi.org/10.1016/j.neuroimage.2011.08.076",
    "turner": "Turner BO, Mumford JA, Poldrack RA, Ashby FG (2012). Spatiotemporal activity estimation "
    "for multivoxel pattern analysis with rapid event-related designs. NeuroImage 62:1429-1438. "
    "https://doi.org/10.1016/j.neuroimage.2012.05.057",
    "lsa": "Rissman J, Gazzaley A, D'Esposito M (2004). Measuring functional connectivity during distinct "
    "stages of a cognitive task. NeuroImage 23:752-763. https://doi.org/10.1016/j.neuroimage.2004.06.035",
    "mmfaces": "Henson RN, Goshen-Gottstein Y, Ganel T, Otten LJ, Quayle A, Rugg MD (2003). "
    "Electrophysiological and haemodynamic correlates of face perception, recognition and "
    "priming. Cerebral Cortex 13:793-805. https://doi.org/10.1093/cercor/13.7.793",
    "nilearn": "Nilearn contributors. nilearn. https://doi.org/10.5281/zenodo.8397156",
    "numpy": "Harris CR, Millman KJ, van der Walt SJ, et al. (2020). Array programming with NumPy. "
    "Nature 585:357-362. https://doi.org/10.1038/s41586-020-2649-2",
    "reml": "Harville DA (1974). Bayesian inference for variance components using only error contrasts. "
    "Biometrika 61:383-385. https://doi.org/10.1093/biomet/61.2.383",
    "scipy": "Virtanen P, Gommers R, Oliphant TE, et al. (2020). SciPy 1.0: fundamental algorithms for "
    "scientific computing in Python. Nature Methods 17:261-272. "
    "https://doi.org/10.1038/s41592-019-0686-2",
    "snakemake": "Mölder F, Jablonski KP, Letcher B, et al. (2021). Sustainable data analysis with "
    "Snakemake. F1000Research 10:33. https://doi.org/10.12688/f1000research.29032.2",
}


class Sentence(NamedTuple):
    """One sentence of the methods section, and the keys of what it cites."""

    text: str
    cites: tuple[str, ...] = ()


def cited(text: Iterable[Sentence]) -> list[tuple[str, list[int]]]:
    """Texts with the numbers of what they cite, in order of first use (:func:`reference_list`)."""
    text = list(text)
    numbers = {key: number for number, key in enumerate(_keys(text), 1)}
    return [(sentence.text, [numbers[key] for key in sentence.cites]) for sentence in text]


def reference_list(text: Iterable[Sentence]) -> list[str]:
    """References in order of first use."""
    return [REFERENCES[key] for key in _keys(text)]


def with_address(reference: str) -> tuple[str, str]:
    """Text of a reference, and the address that it ends with; nothing where it has none."""
    text, separator, doi = reference.rpartition("https://doi.org/")
    return (text, separator + doi) if separator else (reference, "")


def _keys(text: Iterable[Sentence]) -> list[str]:
    return list(dict.fromkeys(key for sentence in text for key in sentence.cites))
