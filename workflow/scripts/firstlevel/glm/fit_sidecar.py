"""What the sidecar of a fit tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from firstlevel.glm import baseline
from firstlevel.glm import fit as glm
from firstlevel.glm.whole_run import WholeRun


def content(
    names: Sequence[str], model: glm.Design, fitted: WholeRun, noise_model: str, scaling: baseline.Scaling
) -> dict[str, Any]:
    """Fields on the design, with regressors of these `names`, the voxels and the model of a run."""
    fields: dict[str, Any] = {
        "Columns": list(names),
        "DegreesOfFreedom": model.dof,
        "Rank": model.factors.rank,
        "NumberOfVolumes": len(model.matrix),
        "NumberOfVoxels": fitted.estimates.tsnr.size,
        "MissingVoxels": fitted.estimates.n_missing,
        "NoiseModel": noise_model,
        "SignalScaling": scaling,
    }
    if fitted.grand_mean is not None:
        fields["GrandMean"] = fitted.grand_mean
    if fitted.learnt:
        processes = fitted.learnt.mixture.processes
        fields |= {"NoiseProcesses": processes.n, "NoiseOrder": processes.order}
        fields["NoiseVoxels"] = fitted.learnt.n_sampled
    return fields
