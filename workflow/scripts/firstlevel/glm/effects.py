"""What the effect of a contrast is of, in words: its unit, the weights and responses of each run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import FloatArray
from firstlevel.glm import expressions
from firstlevel.glm.contrast_options import ContrastOptions
from firstlevel.glm.contrasts import Statistic
from firstlevel.glm.estimable import RunDesign

APPROXIMATE_UNIT = "standard deviations of the noise, averaged over runs; not percent signal change"
SCALED = {
    "voxel": "percent of each voxel's mean",
    "grand_mean": "percent of the mean over the mask",
    "spm_global": "percent of SPM's global mean",
    "none": "units of the images",
}
"""Unit of the data by glm.signal_scaling."""


def described(
    contrast: ContrastOptions,
    fits: Sequence[str],
    designs: Sequence[RunDesign],
    tested: Statistic,
    scaling: str,
) -> dict[str, Any]:
    """Fields of the sidecar on what was tested over the runs that can estimate the contrast.

    Parameters
    ----------
    fits, designs : names of the sidecars of their fits, and their designs.
    tested : of each voxel.
    scaling : glm.signal_scaling.
    """
    dof, of_voxels = _degrees_of_freedom(designs, tested)
    is_standardised = contrast.test == "approximate"
    return {
        "DegreesOfFreedom": dof if contrast.statistic == "t" else [len(contrast.rows), dof],
        "EffectUnit": unit(designs, contrast.rows, scaling, is_standardised=is_standardised),
        "Coverage": contrast.coverage,
        **of_voxels,
        "VoxelsByNumberOfRuns": _voxels_by_number_of_runs(tested.n_runs, len(designs)),
        "Runs": [
            {
                "Fit": fit,
                "Weights": weights_by_name(design, design.vectors(contrast.rows)),
                "DegreesOfFreedom": design.model.dof,
                "Responses": responses(design, contrast.rows),
            }
            for fit, design in zip(fits, designs, strict=True)
        ],
    }


def _degrees_of_freedom(designs: Sequence[RunDesign], tested: Statistic) -> tuple[float, dict[str, Any]]:
    """Degrees of freedom where all runs have a voxel; else their median, and their range.

    They are no whole numbers where the noise was learnt.
    """
    dof = tested.dof[tested.dof > 0]
    if not (dof % 1).any():
        return sum(design.model.dof for design in designs), {}
    low, median, high = np.quantile(dof, [0, 0.5, 1]).tolist()
    return median, {"DegreesOfFreedomOfVoxels": {"Median": median, "Range": [low, high]}}


def _voxels_by_number_of_runs(n_runs: npt.NDArray[np.int64], n_most: int) -> dict[str, int]:
    """How many voxels were combined over 0, 1 ... `n_most` runs; the log tells where some lack a run."""
    counts = np.bincount(n_runs, minlength=n_most + 1).tolist()
    if fewer := sum(counts[:-1]):
        logging.warning(
            "%d of %d voxels are not in all %d runs: %s",
            *(fewer, sum(counts), n_most),
            ", ".join(f"{count} in {n}" for n, count in enumerate(counts) if count),
        )
    return {str(n): count for n, count in enumerate(counts)}


def unit(designs: Sequence[RunDesign], rows: Sequence[str], scaling: str, *, is_standardised: bool) -> str:
    """What 1 in the map of the effect means; of modulators, for one unit of their columns.

    Parameters
    ----------
    designs : of the runs that the contrast is of.
    scaling : glm.signal_scaling.
    is_standardised : of the approximate F.
    """
    if is_standardised:
        return APPROXIMATE_UNIT
    are_given = [design.saved.is_given for design in designs]
    if all(are_given):
        return f"{SCALED[scaling]}, for one unit of the regressors that were given"
    of_given = ", in runs of a given design for one unit of its regressors" if any(are_given) else ""
    columns = modulators(designs, rows)
    per = f", for one unit of {' and of '.join(columns)}" if columns else ""
    peak = "(times Peak: at the peak of one event)"
    return f"{SCALED[scaling]}{per}, at the plateau of a sustained response{of_given} {peak}"


def modulators(designs: Sequence[RunDesign], rows: Sequence[str]) -> list[str]:
    """Columns of the events that modulate a condition, of those regressors that the contrast names."""
    return list(
        dict.fromkeys(
            column
            for design in designs
            for name, column in design.saved.modulated_by.items()
            if name in responses(design, rows)
        )
    )


def responses(design: RunDesign, rows: Sequence[str]) -> dict[str, Any]:
    """Of the conditions that the contrast names, the duration of an event and the peak of its response."""
    named = expressions.names(rows)
    return {
        condition: response
        for condition, response in design.saved.responses.items()
        if any(name == condition or name.startswith(f"{condition}_delay_") for name in named)
    }


def weights_by_name(design: RunDesign, vectors: FloatArray) -> list[dict[str, float]]:
    """Non-zero weights of each row of a contrast (q, p) by column."""
    names = design.saved.names
    return [{name: x for name, x in zip(names, row, strict=True) if x} for row in vectors.tolist()]


def unlike_times(designs: Sequence[RunDesign], label: str) -> dict[str, Any]:
    """Repetition times in s, where those of the runs of a contrast differ by 1 ms or more; the log tells."""
    of_runs = [time for design in designs if (time := design.saved.repetition_time) is not None]
    times = sorted({round(time, 3) for time in of_runs})
    if len(times) < 2:
        return {}
    listed = ", ".join(f"{time:g} s" for time in times)
    logging.warning("the runs of the contrast %s have different repetition times: %s", label, listed)
    return {"RepetitionTimes": times}
