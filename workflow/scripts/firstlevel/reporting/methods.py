"""What was done, as the methods section of a paper: sentences from the model and the saved sidecars.

A sentence cites by keys of :data:`REFERENCES`. Standard library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from firstlevel.glm import noise
from firstlevel.reporting.methods_design import design_sentences
from firstlevel.reporting.references import Sentence
from firstlevel.reporting.run_facts import Run, value_range

OVER_T1W = "Maps are drawn over the preprocessed T1w image of the subject in the same space."


def sentences(
    model: Mapping[str, Any],
    runs: Sequence[Run],
    versions: Mapping[str, str],
    preprocessed_by: Sequence[str] | None = None,
    *,
    over_t1w: bool = False,
) -> list[Sentence]:
    """Methods of one subject and task.

    Parameters
    ----------
    model : content of ``model.json``.
    runs : the runs that were fitted.
    versions : of the packages to be named, by package.
    preprocessed_by : names with versions of what made the images; None where they are not preprocessed.
    over_t1w : whether maps are drawn over the subject's preprocessed T1w.
    """
    of_run, of_subject = model["Nodes"]
    return [
        *_data(model["Data"], runs),
        *_preprocessing(model["Data"], preprocessed_by),
        *_images(model, runs),
        *design_sentences(of_run, runs),
        *_fit(of_run, of_subject, len(runs)),
        *_single_trials(of_run),
        *_inference(model["Inference"]),
        *([Sentence(OVER_T1W)] if over_t1w else []),
        _software(versions),
    ]


def _data(data: Mapping[str, Any], runs: Sequence[Run]) -> list[Sentence]:
    scans = value_range([run.n_scans for run in runs])
    times = value_range([round(run.repetition_time, 3) for run in runs])
    plural = "s" if len(runs) > 1 else ""
    steps = "" if all(run.equal_steps for run in runs) else " in the median, in unequal steps"
    text = (
        f"{len(runs)} run{plural} of {scans} volumes (repetition time {times} s{steps}) entered the analysis."
    )
    known = data["Source"] == "spm_multimodal"
    origin = {
        "simulated": "The data are simulated: activation and noise are known, no one was scanned.",
        "spm_multimodal": "The data are SPM's multimodal faces.",
    }.get(data["Source"])
    return [Sentence(text), *([Sentence(origin, ("mmfaces",) if known else ())] if origin else [])]


def _preprocessing(data: Mapping[str, Any], preprocessed_by: Sequence[str] | None) -> list[Sentence]:
    """What made the images, and the space in which they are."""
    if preprocessed_by is None:
        return []
    named = " and ".join(preprocessed_by)
    made = f"were preprocessed with {named}" if named else "had been preprocessed"
    space = f" in the space {data['Space']}" if data["Space"] else " in their own space"
    cites = ("fmriprep",) if "fmriprep" in named.lower() else ()
    return [Sentence(f"Images {made} and analysed{space}.", cites)]


def _images(model: Mapping[str, Any], runs: Sequence[Run]) -> list[Sentence]:
    resampling = model["Resampling"]
    steps = {
        "sequential": "each volume to the grid of its run's first volume, then each run to the first run's",
        "direct": "each volume to the grid of the first run's first volume, in one interpolation",
    }.get(resampling["Strategy"], "")
    text = (
        f"Volumes on other grids were resampled with cubic B-splines, {steps}; "
        "volumes on the same grid were copied."
    )
    if resampling["Strategy"] == "none" or all(run.n_copied == run.n_scans for run in runs):
        text = "All volumes share one grid and were not resampled."
    sentences = [Sentence(text)]
    if resampling["SmoothingFwhm"]:
        sentences.append(
            Sentence(f"Volumes were smoothed with a Gaussian of {resampling['SmoothingFwhm']:g} mm (FWHM).")
        )
    mask = {
        "epi": "The brain mask was computed from the mean image of each run, as nilearn does for EPI images",
        "derivatives": "The brain mask holds voxels in the preprocessing's masks of more than half the runs",
    }.get(model["Mask"], "The brain mask was given")
    only = "; voxels that some volume of a run does not cover were left out of that run" * (
        resampling["FieldOfView"] == "masked"
    )
    return [*sentences, Sentence(f"{mask}{only}.", ("nilearn",) if model["Mask"] == "epi" else ())]


def _fit(of_run: Mapping[str, Any], of_subject: Mapping[str, Any], n_runs: int) -> list[Sentence]:
    scaling = {
        "voxel": "in percent of each voxel's mean",
        "grand_mean": "in percent of the mean over the run and the mask",
        "spm_global": "in percent of SPM's global mean over the run",
        "none": "in the units of the images",
    }[of_run["SignalScaling"]]
    fitted = noise.MODELS[of_run["Noise"]]
    sentences = [
        Sentence(
            f"A general linear model was fitted to each run and voxel, {scaling}, with {fitted.sentence}.",
            ("glm", *fitted.cites),
        )
    ]
    if n_runs > 1:
        weighting = {"equal": "with equal weights", "precision": "weighted by their precision"}[
            of_subject["Weights"]
        ]
        voxels = {
            "any": "each voxel over the runs that cover it",
            "all": "at voxels that all runs cover",
        }[of_subject["Coverage"]]
        sentences.append(Sentence(f"Runs were combined as fixed effects, {weighting}, {voxels}."))
    if any(contrast["Test"] == "F" for contrast in of_run["Contrasts"]):
        test = {
            "approximate": "from standardised effects averaged over runs",
            "exact": "from the combined effects and their covariance",
        }[of_subject["FTest"]]
        sentences.append(Sentence(f"F contrasts were tested {test}."))
    return sentences


def _single_trials(of_run: Mapping[str, Any]) -> list[Sentence]:
    """How trials were told apart, where they were."""
    asked = of_run.get("SingleTrials")
    if not asked:
        return []
    listed = asked["Conditions"]
    whose = f" of {', '.join(listed)}" if listed else ""
    how, cites = {
        "lsa": ("with a regressor for each trial in one model (least squares all)", ("lsa",)),
        "lss": (
            "in a model of its own with one regressor for all other trials of its condition and one for each "
            "other condition (least squares separate)",
            ("lss", "turner"),
        ),
    }[asked["Model"]]
    model = noise.MODELS[asked["NoiseModel"]]
    whose_noise = "the noise that the fit of the run found" if model.needs_series else model.sentence
    text = f"The response to each single trial{whose} was estimated {how}, with {whose_noise}"
    return [Sentence(f"{text}.", cites)]


def _inference(inference: Mapping[str, Any]) -> list[Sentence]:
    sides = "two-sided for t contrasts" if inference["TwoSided"] else "one-sided"
    extent, level = inference["ClusterThreshold"], inference["Alpha"]
    shared = {6: "faces", 18: "faces or edges", 26: "faces, edges or corners"}[inference["Connectivity"]]
    clusters = f" Clusters consist of voxels that share {shared}."
    if extent:
        clusters += f" Those of fewer than {extent} voxels were left out."
    return [
        Sentence(
            f"z maps are shown at p < {inference['P']:g} uncorrected, at a false discovery rate of {level:g} "
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
