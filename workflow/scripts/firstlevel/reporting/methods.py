"""What was done, as the methods section of a paper: sentences from the config and the saved sidecars.

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
        *design_sentences(config, runs),
        *_fit(config, len(runs)),
        *_inference(config["inference"]),
        *([Sentence(OVER_T1W)] if over_t1w else []),
        _software(versions),
    ]


def _data(config: Mapping[str, Any], runs: Sequence[Run]) -> list[Sentence]:
    scans = value_range([run.n_scans for run in runs])
    times = value_range([round(run.repetition_time, 3) for run in runs])
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
    steps = {
        "sequential": "each volume to the grid of its run's first volume, then each run to the first run's",
        "direct": "each volume to the grid of the first run's first volume, in one interpolation",
    }.get(resample["strategy"] or "sequential", "")
    text = (
        f"Volumes whose headers place them elsewhere were resampled by cubic B-splines, {steps}; "
        "volumes that share the grid were copied."
    )
    if resample["strategy"] == "none" or all(run.n_copied == run.n_scans for run in runs):
        text = "All volumes share one grid and were not resampled."
    sentences = [Sentence(text)]
    if resample["smoothing_fwhm"]:
        sentences.append(
            Sentence(f"Volumes were smoothed with a Gaussian of {resample['smoothing_fwhm']:g} mm (FWHM).")
        )
    mask = {
        "epi": "The brain mask was computed from the mean image of each run, as nilearn does for EPI images",
        "derivatives": "The brain mask is of voxels in the preprocessing's masks of more than half the runs",
    }.get(config["mask"], "The brain mask was given")
    only = "; runs are without the voxels that some volume of theirs does not cover" * (
        resample["field_of_view"] == "masked"
    )
    return [*sentences, Sentence(f"{mask}{only}.", ("nilearn",) if config["mask"] == "epi" else ())]


def _fit(config: Mapping[str, Any], n_runs: int) -> list[Sentence]:
    glm, fixed = config["glm"], config["fixed_effects"]
    scaling = {
        "voxel": "in percent of each voxel's mean",
        "grand_mean": "in percent of the mean over the run and the mask",
        "spm_global": "in percent of SPM's global mean over the run",
        "none": "in the units of the images",
    }[glm["signal_scaling"]]
    model = noise.MODELS[glm["noise_model"]]
    sentences = [
        Sentence(
            f"A general linear model was fitted to each run and voxel, {scaling}, with {model.sentence}.",
            ("glm", "ar1") if model.whitens else ("glm",),
        )
    ]
    if n_runs > 1:
        weighting = {"equal": "with equal weights", "precision": "weighted by their precision"}[
            fixed["weights"]
        ]
        voxels = {
            "any": "each voxel over the runs that cover it",
            "all": "at voxels that all runs cover",
        }[fixed["coverage"]]
        sentences.append(Sentence(f"Runs were combined as fixed effects, {weighting}, {voxels}."))
    if any(not isinstance(expression, str) for expression in config["contrasts"].values()):
        test = {
            "approximate": "from standardised effects averaged over runs",
            "exact": "from the combined effects and their covariance",
        }[fixed["f_test"]]
        sentences.append(Sentence(f"F contrasts were tested {test}."))
    return sentences


def _inference(inference: Mapping[str, Any]) -> list[Sentence]:
    sides = "two-sided for t contrasts" if inference["two_sided"] else "one-sided"
    extent, level = inference["cluster_threshold"], inference["alpha"]
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
