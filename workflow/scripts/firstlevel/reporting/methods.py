"""What was done, as the methods section of a paper: sentences from the config and the saved sidecars.

A sentence cites by keys of :data:`REFERENCES`. Standard library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from firstlevel.glm import noise

REFERENCES = {
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
    "mmfaces": "Henson RN, Goshen-Gottstein Y, Ganel T, Otten LJ, Quayle A, Rugg MD (2003). "
    "Electrophysiological and haemodynamic correlates of face perception, recognition and "
    "priming. Cerebral Cortex 13:793-805. https://doi.org/10.1093/cercor/13.7.793",
    "nilearn": "Nilearn contributors. nilearn. https://doi.org/10.5281/zenodo.8397156",
    "numpy": "Harris CR, Millman KJ, van der Walt SJ, et al. (2020). Array programming with NumPy. "
    "Nature 585:357-362. https://doi.org/10.1038/s41586-020-2649-2",
    "scipy": "Virtanen P, Gommers R, Oliphant TE, et al. (2020). SciPy 1.0: fundamental algorithms for "
    "scientific computing in Python. Nature Methods 17:261-272. "
    "https://doi.org/10.1038/s41592-019-0686-2",
    "snakemake": "Mölder F, Jablonski KP, Letcher B, et al. (2021). Sustainable data analysis with "
    "Snakemake. F1000Research 10:33. https://doi.org/10.12688/f1000research.29032.2",
}

RESPONSES = {
    "spm": "SPM's canonical haemodynamic response",
    "glover": "Glover's haemodynamic response",
    "fir": "a finite impulse response",
}
SAMPLINGS = {
    "nilearn": ", as nilearn does in {bins} bins per repetition time",
    "exact": " by its integral",
    "spm": ", as SPM12 does in {bins} bins per repetition time",
}
DERIVATIVES = {"derivative": "time derivative", "dispersion": "dispersion derivative"}


STRATEGIES = {
    "motion": "{motion} of motion",
    "wm_csf": "{wm_csf} of white matter and CSF",
    "global_signal": "{global_signal} of the global signal",
    "compcor": "CompCor ({compcor}; {n_compcor})",
}
"""Strategies of load_confounds that add regressors other than cosines and censored scans."""
OVER_T1W = "Maps are drawn over the preprocessed T1w image of the subject in the same space."


class Sentence(NamedTuple):
    """One sentence of the methods section, and the keys of what it cites."""

    text: str
    cites: tuple[str, ...] = ()


class Run(NamedTuple):
    """What the sidecars of a run tell: scans, repetition time (s), motion regressors, censored scans.

    `start_time` is the moment of a volume (s) at which the model is sampled, `start_source` where it is from,
    `modulators` what the sidecar of the design says of them. `n_drift` counts regressors of the drift model
    (None: not known), `n_cosines` confounds that are cosines, `n_copied` volumes that needed no resampling;
    `displacement_from` tells what censoring by motion rests on. `given` is the form of a ready-made design,
    `given_notes` what was done to it; `n_columns` counts the regressors of the run.
    """

    n_scans: int
    repetition_time: float
    n_motion: int
    n_confounds: int
    n_censored: int
    start_time: float = 0.0
    start_source: str = ""
    equal_steps: bool = True
    modulators: Sequence[Mapping[str, Any]] = ()
    has_events: bool = True
    n_drift: int | None = None
    n_cosines: int = 0
    n_copied: int | None = None
    displacement_from: str = ""
    given: str = ""
    given_notes: Sequence[str] = ()
    n_columns: int = 0


def sentences(
    config: Mapping[str, Any],
    runs: Sequence[Run],
    versions: Mapping[str, str],
    preprocessed_by: Sequence[str] | None = None,
    *,
    over_t1w: bool = False,
) -> list[Sentence]:
    """Methods of one subject and task.

    Parameters
    ----------
    config : with all defaults filled in.
    runs : the runs that were fitted.
    versions : of the packages to be named, by package.
    preprocessed_by : names with versions of what made the images; None where they are not preprocessed.
    over_t1w : whether maps are drawn over the subject's preprocessed T1w.
    """
    return [
        *_data(config, runs),
        *_preprocessing(config, preprocessed_by),
        *_images(config, runs),
        *_design(config, runs),
        *_fit(config, len(runs)),
        *_inference(config["inference"]),
        *([Sentence(OVER_T1W)] if over_t1w else []),
        _software(versions),
    ]


def cited(text: Iterable[Sentence]) -> list[tuple[str, list[int]]]:
    """Texts with the numbers of what they cite, in order of first use (:func:`reference_list`)."""
    text = list(text)
    numbers = {key: number for number, key in enumerate(_keys(text), 1)}
    return [(sentence.text, [numbers[key] for key in sentence.cites]) for sentence in text]


def reference_list(text: Iterable[Sentence]) -> list[str]:
    """References in order of first use."""
    return [REFERENCES[key] for key in _keys(text)]


def _keys(text: Iterable[Sentence]) -> list[str]:
    return list(dict.fromkeys(key for sentence in text for key in sentence.cites))


def is_cosine(name: str) -> bool:
    """Whether a confound is one of fMRIPrep's cosines, which model drift."""
    return re.fullmatch(r"cosine_?\d+", name, re.IGNORECASE) is not None


def _data(config: Mapping[str, Any], runs: Sequence[Run]) -> list[Sentence]:
    scans = _range([run.n_scans for run in runs])
    times = _range([round(run.repetition_time, 3) for run in runs])
    plural = "s" if len(runs) > 1 else ""
    steps = "" if all(run.equal_steps for run in runs) else " in the median, in unequal steps"
    text = (
        f"{len(runs)} run{plural} of {scans} volumes (repetition time {times} s{steps}) entered the analysis."
    )
    known = config["study"]["source"] == "spm_multimodal"
    origin = {
        "simulated": "The data are simulated: activation and noise are known, no one was scanned.",
        "spm_multimodal": "The data are SPM's multimodal faces.",
    }.get(config["study"]["source"])
    return [Sentence(text), *([Sentence(origin, ("mmfaces",) if known else ())] if origin else [])]


def _preprocessing(config: Mapping[str, Any], preprocessed_by: Sequence[str] | None) -> list[Sentence]:
    """What made the images, and the space in which they are."""
    if preprocessed_by is None:
        return []
    of_bids = config["study"]["bids"]
    named = " and ".join(preprocessed_by)
    made = f"were preprocessed with {named}" if named else "had been preprocessed"
    space = f" in the space {of_bids['space']}" if of_bids["space"] else " in their own space"
    cites = ("fmriprep",) if "fmriprep" in named.lower() else ()
    return [Sentence(f"Images {made} and analysed{space}.", cites)]


def _images(config: Mapping[str, Any], runs: Sequence[Run]) -> list[Sentence]:
    resample = config["resample"]
    how = {
        "sequential": "each volume to the grid of its run's first volume, then each run to the first run's",
        "direct": "each volume to the grid of the first run's first volume, in one interpolation",
    }[resample["strategy"]]
    text = (
        f"Volumes whose headers place them elsewhere were resampled by cubic B-splines, {how}; "
        "volumes that share the grid were copied."
    )
    if all(run.n_copied == run.n_scans for run in runs):
        text = "All volumes share one grid and were not resampled."
    found = [Sentence(text)]
    if resample["smoothing_fwhm"]:
        found.append(
            Sentence(f"Volumes were smoothed with a Gaussian of {resample['smoothing_fwhm']:g} mm (FWHM).")
        )
    mask = {
        "epi": "The brain mask was computed from the mean image of each run, as nilearn does for EPI images",
        "derivatives": "The brain mask is of voxels in the preprocessing's masks of more than half the runs",
    }.get(config["mask"], "The brain mask was given")
    only = "; runs are without the voxels that some volume of theirs does not cover" * (
        resample["field_of_view"] == "masked"
    )
    return [*found, Sentence(f"{mask}{only}.", ("nilearn",) if config["mask"] == "epi" else ())]


def _design(config: Mapping[str, Any], runs: Sequence[Run]) -> list[Sentence]:
    given, made = [run for run in runs if run.given], [run for run in runs if not run.given]
    return [*_given(given, len(runs)), *(_made(config, made) if made else [])]


def _given(runs: Sequence[Run], n_runs: int) -> list[Sentence]:
    """Which designs were given ready-made, and what was done to them."""
    if not runs:
        return []
    forms = " or ".join(dict.fromkeys(run.given for run in runs))
    whose = "each run" if len(runs) == n_runs else f"{len(runs)} of {n_runs} runs"
    columns = _range([run.n_columns for run in runs])
    told = "; ".join(dict.fromkeys(note for run in runs for note in run.given_notes))
    text = f"The design matrix of {whose} was given ({forms}; {columns} regressors) and taken as it was"
    return [Sentence(f"{text} ({told})." if told else f"{text}.")]


def _made(config: Mapping[str, Any], runs: Sequence[Run]) -> list[Sentence]:
    """How the designs of the runs were made; of the config's keys and the sidecars."""
    design = config["design"]
    model, *derivatives = design["hrf_model"].split(" + ")
    response = RESPONSES[model]
    if model == "fir":
        delays = ", ".join(f"{delay:.12g}" for delay in design["fir_delays"])
        response += f" at delays of {delays} {design['fir_unit']}"
    if model == "spm" and design["undershoot_ratio"] is not None:
        response += f", undershoot {design['undershoot_ratio']:.3g} of the peak,"
    if derivatives:
        response += f" with its {' and '.join(DERIVATIVES[name] for name in derivatives)}"
    if "derivative" in derivatives and design["derivative_step"] is not None:
        response += f" (a difference of {design['derivative_step']:g} s)"
    how = "" if model == "fir" else SAMPLINGS[design["sampling"]].format(bins=design["oversampling"])
    found = [
        Sentence(
            f"Events were convolved with {response}{how}; {_sampled(runs)}.",
            (("glover",) if model == "glover" else ())
            + (("nilearn",) if how and design["sampling"] == "nilearn" else ()),
        ),
        *_modulators(runs),
        Sentence(_drift(design, runs)),
    ]
    if not any(run.has_events for run in runs):
        found = [Sentence("No events were modelled."), Sentence(_drift(design, runs))]
    if n_motion := max(run.n_motion for run in runs):
        cites = ("friston24",) if n_motion > 6 else ()
        found.append(
            Sentence(f"{n_motion} motion regressors, read from the volumes' headers, were added.", cites)
        )
    return [*found, *_confounds(design, runs), *_censoring(design, runs)]


def _drift(design: Mapping[str, Any], runs: Sequence[Run]) -> str:
    """How slow drifts were modelled: by the design's own model, and by cosines among the confounds."""
    how = {
        "cosine": [f"cosines below {design['high_pass']:g} Hz"],
        "polynomial": [f"polynomials up to order {design['drift_order']}"],
        "none": [],
    }[design["drift_model"]]
    short = "" if any(run.n_drift != 0 for run in runs) else f" (too few scans for {' '.join(how)})"
    if short:
        how = []
    if any(run.n_cosines for run in runs):
        how.append(f"{_range([run.n_cosines for run in runs])} cosines of the table of confounds")
    if not how:
        return f"Drifts were not modelled{short if design['drift_model'] != 'none' else ''}."
    return f"Slow drifts were modelled by {' and '.join(how)}."


def _confounds(design: Mapping[str, Any], runs: Sequence[Run]) -> list[Sentence]:
    """Which confounds were added, but for cosines, which are drift."""
    counts = [run.n_confounds - run.n_cosines for run in runs]
    if not any(counts):
        return []
    options = design["fmriprep_confounds"]
    kinds = [
        STRATEGIES[name].format(**_spelled(options)) for name in options["strategy"] if name in STRATEGIES
    ]
    named = [f"columns of the table of confounds: {', '.join(design['confounds'])}"] * bool(
        design["confounds"]
    )
    named += [f"fMRIPrep's, as nilearn's load_confounds takes them: {', '.join(kinds)}"] * bool(kinds)
    told = f" ({'; '.join(named)})" if named else ""
    per_run = " per run" if len(runs) > 1 else ""
    return [
        Sentence(f"{_range(counts)} confounds{per_run} were added{told}.", ("nilearn",) if kinds else ()),
    ]


def _spelled(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the strategies as numbers and words."""
    number = options["n_compcor"]
    return {
        "motion": {"basic": 6, "power2": 12, "derivatives": 12, "full": 24}[options["motion"]],
        "wm_csf": {"basic": 2, "power2": 4, "derivatives": 4, "full": 8}[options["wm_csf"]],
        "global_signal": {"basic": 1, "power2": 2, "derivatives": 2, "full": 4}[options["global_signal"]],
        "compcor": options["compcor"].replace("_", ", "),
        "n_compcor": "all components" if number == "all" else f"up to {number} components per mask",
    }


def _censoring(design: Mapping[str, Any], runs: Sequence[Run]) -> list[Sentence]:
    """How many volumes were censored, and by which limits."""
    censor, options = design["censor"], design["fmriprep_confounds"]
    why, limit = [], censor["framewise_displacement"]
    if limit is not None:
        sources = {run.displacement_from for run in runs}
        where = "" if sources == {""} else " by the table of confounds"
        where = " by the volumes' affines" if sources == {"the affines"} else where
        why.append(f"framewise displacement above {limit:g} mm{where}")
    if censor["column"] is not None:
        why.append(f"marked in the column {censor['column']}")
    scrubbed = "scrub" in options["strategy"]
    if scrubbed:
        told = f"framewise displacement above {options['fd_threshold']:g} mm or standardised DVARS above "
        told += f"{options['std_dvars_threshold']:g} by the table of confounds"
        least = options["scrub"]
        why.append(told + (f", or fewer than {least} volumes between such ones" if least else ""))
    if options["strategy"]:
        why.append("not yet in a steady state, as fMRIPrep finds")
    counts = [run.n_censored for run in runs]
    if not (why or any(counts)):
        return []
    cites = ("fd",) if limit is not None or scrubbed else ()
    told = f" ({'; '.join(why)})" if why else ""
    if not any(counts):
        return [Sentence(f"No volume was to be censored{told}.", cites)]
    per_run = " per run" if len(runs) > 1 else ""
    if set(counts) == {1}:
        return [Sentence(f"1 volume{per_run} was censored, with one regressor{told}.", cites)]
    text = f"{_range(counts)} volumes{per_run} were censored, one regressor each{told}."
    return [Sentence(text, cites)]


def _modulators(runs: Sequence[Run]) -> list[Sentence]:
    """What modulated events and how, over all runs, and how many events had no value."""
    every = [one for run in runs for one in run.modulators]
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for one in every:
        by_name.setdefault(one["name"], []).append(one)
    said = []
    alike: dict[tuple[str, ...], list[str]] = {}
    for name, own in by_name.items():
        first = own[0]
        if name == first["condition"]:
            said.append(f"each event of {name} was as high as its value of {first['column']}")
            continue
        parts = ["less its mean over the events of the run"] if first["centre"] == "run" else []
        if first["orthogonalised"]:
            parts = ["made orthogonal to the events and the modulators before it"]
        how = parts[0] if parts else "as it stands"
        missing = sum(one["missing"] for one in own)
        lacking = f" ({missing} events without a value got the mean)" if missing else ""
        alone = name if missing else ""  # its count is of it alone
        alike.setdefault((how, first["condition"], lacking, alone), []).append(first["column"])
    for (how, condition, lacking, _), columns in alike.items():
        *others, last = columns
        listed, each = (f"{', '.join(others)} and {last}", "each ") if others else (last, "")
        said.append(f"{listed}, {each}{how}, modulated {condition}{lacking}")
    text = "; ".join(said)
    return [Sentence(f"Parametric modulation: {text}.")] if said else []


def _sampled(runs: Sequence[Run]) -> str:
    """At which moment of a volume the model was sampled, and why there."""
    times = _range([round(run.start_time, 3) for run in runs])
    when = "at the start of each volume" if times == "0" else f"{times} s after the start of each volume"
    sources = "; ".join(dict.fromkeys(run.start_source for run in runs if run.start_source))
    return f"the regressors were sampled {when}" + (f" ({sources})" if sources else "")


def _fit(config: Mapping[str, Any], n_runs: int) -> list[Sentence]:
    glm, fixed = config["glm"], config["fixed_effects"]
    scaling = {
        "voxel": "in percent of each voxel's mean",
        "grand_mean": "in percent of the mean over the run and the mask",
        "spm_global": "in percent of SPM's global mean over the run",
        "none": "in the units of the images",
    }[glm["signal_scaling"]]
    model = noise.MODELS[glm["noise_model"]]
    found = [
        Sentence(
            f"A general linear model was fitted to each run and voxel, {scaling}, with {model.sentence}.",
            ("glm", "ar1") if model.whitens else ("glm",),
        )
    ]
    if n_runs > 1:
        weights = {"equal": "with equal weights", "precision": "weighted by their precision"}[
            fixed["weights"]
        ]
        voxels = {
            "any": "each voxel over the runs that cover it",
            "all": "at voxels that all runs cover",
        }[fixed["coverage"]]
        found.append(Sentence(f"Runs were combined as fixed effects, {weights}, {voxels}."))
    if any(not isinstance(expression, str) for expression in config["contrasts"].values()):
        test = {
            "approximate": "from standardised effects averaged over runs",
            "exact": "from the combined effects and their covariance",
        }[fixed["f_test"]]
        found.append(Sentence(f"F contrasts were tested {test}."))
    return found


def _inference(inference: Mapping[str, Any]) -> list[Sentence]:
    sides = "two-sided for t contrasts" if inference["two_sided"] else "one-sided"
    extent, level = inference["cluster_extent"], inference["alpha"]
    shared = {6: "faces", 18: "faces or edges", 26: "faces, edges or corners"}[inference["connectivity"]]
    clusters = f" Clusters are of voxels that share {shared}."
    if extent:
        clusters += f" Those of fewer than {extent} voxels were left out."
    return [
        Sentence(
            f"z maps are shown at p < {inference['p']:g} uncorrected, at a false discovery rate of {level:g} "
            f"and at a family-wise error rate of {level:g} (Bonferroni), {sides}.{clusters}",
            ("fdr",),
        ),
        Sentence(
            "Lower bounds of the share of active voxels per cluster are from all-resolution inference "
            f"(confidence {1 - level:.0%}).",
            ("ari",),
        ),
    ]


def _software(versions: Mapping[str, str]) -> Sentence:
    named = ", ".join(f"{package} {version}" for package, version in versions.items())
    cites = tuple(key for key in ("snakemake", "nilearn", "numpy", "scipy") if key in versions)
    return Sentence(f"Computed with {named}.", cites)


def _range(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
