"""What is judged of a run and of a contrast: what the sidecar says of it, and the verdicts. No files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from firstlevel.arrays import BoolArray, FloatArray
from firstlevel.io.designs import Design
from firstlevel.io.sidecars import camel
from firstlevel.quality import contrast_verdicts, design_quality, run_verdicts
from firstlevel.quality.temporal import dvars_scores
from firstlevel.quality.used_runs import ContrastInRun
from firstlevel.quality.verdicts import CHECK, PASS, UNKNOWN, Limits, Verdict
from firstlevel.quality.z_spread import centre_and_width


class Judged(NamedTuple):
    """What the sidecar says of a run or a contrast, and the verdicts on it."""

    content: dict[str, Any]
    verdicts: list[Verdict]


def of_run(
    run: str,
    measured: Mapping[str, Any],
    framewise: FloatArray,
    dvars: FloatArray,
    design: Design,
    in_run: Sequence[ContrastInRun],
    contrasts: Mapping[str, Any],
    limits: Limits,
) -> Judged:
    """Judge one run of n volumes.

    Parameters
    ----------
    run : beginning of the names of the run's files.
    measured : what ``fit_glm`` has measured of it; `framewise` (mm) and `dvars` (percent), (n,), are
        columns of its table, NaN where nothing is known.
    in_run : the contrasts of the subject in this run.
    contrasts : expressions of each, by label.
    """
    estimable = [each.contrast for each in in_run if each.estimable]
    n_above = count_above(framewise, limits["fd_threshold"])
    spikes, score = find_spikes(dvars, design.kept, limits["dvars"])
    content = {
        **design_quality.of_design(design, {label: contrasts[label] for label in estimable}, contrasts),
        "EstimableContrasts": estimable,
        "VolumesAboveFramewiseDisplacement": n_above,
        "DvarsSpikes": spikes,
        "LargestDvarsScore": score,
    }
    verdicts = run_verdicts.of_run(run, measured, n_above, content, limits)
    return Judged(content, verdicts + [contrast_verdicts.of_contrast_in_run(each) for each in in_run])


def count_above(framewise: FloatArray, limit: float) -> int | None:
    """Volumes of a framewise displacement above the limit; None where nothing is known of motion."""
    finite = framewise[np.isfinite(framewise)]
    return int((finite > limit).sum()) if finite.size else None


def find_spikes(dvars: FloatArray, kept: BoolArray, limit: float) -> tuple[list[int], float | None]:
    """Volumes, counted from 0, whose DVARS is beyond the limit, and the largest score; None of none.

    `kept` (n,) says which scans count in the fit.
    """
    *_, scores = dvars_scores(dvars, kept)
    finite = scores[np.isfinite(scores)]
    beyond = [int(scan) for scan in np.flatnonzero(np.nan_to_num(scores, nan=-np.inf) > limit)]
    return beyond, float(finite.max()) if finite.size else None


def of_contrast(contrast: str, z: FloatArray, combined: Mapping[str, Any], limits: Limits) -> Judged:
    """Judge the z values (v,) of a contrast, and how many runs its voxels are in, by its sidecar."""
    spread = centre_and_width(z)
    median, width = spread or (None, None)
    by_runs, coverage = combined["VoxelsByNumberOfRuns"], combined["Coverage"]
    return Judged(
        {"Median": median, "Width": width},
        [
            contrast_verdicts.of_contrast(contrast, spread, limits),
            contrast_verdicts.of_centre(contrast, spread, limits["z_centre"]),
            contrast_verdicts.of_coverage(contrast, by_runs, coverage, limits["missing"]),
        ],
    )


def of_subject(
    runs: Mapping[str, Judged], contrasts: Mapping[str, Judged], limits: Limits
) -> tuple[dict[str, Any], list[Verdict]]:
    """Content of the sidecar of a subject, and all verdicts: runs, efficiencies beside each other, contrasts.

    `runs` and `contrasts` are those that were judged, by label.
    """
    efficiencies = {run: judged.content["Efficiency"] for run, judged in runs.items()}
    verdicts = [
        *(verdict for judged in runs.values() for verdict in judged.verdicts),
        *contrast_verdicts.of_efficiencies(efficiencies, limits["efficiency"]),
        *(verdict for judged in contrasts.values() for verdict in judged.verdicts),
    ]
    words = [verdict.verdict for verdict in verdicts]
    content = {
        "Runs": {run: judged.content for run, judged in runs.items()},
        "Contrasts": {label: judged.content for label, judged in contrasts.items()},
        "Limits": camel(limits),
        "Verdicts": {
            "Pass": words.count(PASS),
            "Check": words.count(CHECK),
            "Unknown": words.count(UNKNOWN),
        },
    }
    return content, verdicts
