"""What the sidecar of a fit tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from firstlevel.glm import baseline
from firstlevel.glm import fit as glm
from firstlevel.glm.learnt import LearntNoise
from firstlevel.glm.stream import RunEstimates


def content(
    names: Sequence[str],
    model: glm.Design,
    fitted: RunEstimates,
    noise_model: str,
    scaling: baseline.Scaling,
    grand_mean: float | None,
) -> dict[str, Any]:
    """Fields on the design, the voxels and the model of a run.

    Parameters
    ----------
    names : of the regressors.
    grand_mean : what became 100, in units of the images; None where nothing did.
    """
    fields: dict[str, Any] = {
        "Columns": list(names),
        "DegreesOfFreedom": model.dof,
        "Rank": model.factors.rank,
        "NumberOfVolumes": len(model.matrix),
        "NumberOfVoxels": fitted.tsnr.size,
        "MissingVoxels": fitted.n_missing,
        "NoiseModel": noise_model,
        "SignalScaling": scaling,
    }
    if grand_mean is not None:
        fields["GrandMean"] = grand_mean
    return fields


def of_learnt(found: LearntNoise | None) -> dict[str, Any]:
    """Fields on noise that was learnt; none where it was not."""
    if found is None:
        return {}
    return {
        "NoiseProcesses": found.mixture.processes.n,
        "NoiseOrder": found.mixture.processes.order,
        "NoiseVoxels": found.n_sampled,
    }
