"""What is measured of a run and its fit, as the sidecar of quality has it."""

from __future__ import annotations

from typing import Any

import numpy as np

from firstlevel.arrays import BoolArray, FloatArray
from firstlevel.image.motion import Motion
from firstlevel.quality.temporal import dvars_scores
from firstlevel.quality.volumes import Volumes


def content(
    volumes: Volumes,
    motion: Motion,
    kept: BoolArray,
    covered: BoolArray,
    tsnr: FloatArray,
    rsquared: FloatArray,
) -> dict[str, Any]:
    """Measures of a run of n volumes at the v voxels of its mask; None where one is not known.

    Parameters
    ----------
    motion : what is known of the run's motion, and where it is from.
    kept : (n,), scans that are not censored.
    covered : (v,), voxels that lie inside the field of view of all volumes.
    tsnr, rsquared : (v,), maps of the fit; tsnr is 0 where a voxel does not vary.
    """
    varies = tsnr != 0
    median, deviation, _ = dvars_scores(volumes.dvars, kept)
    return {
        "NumberOfVolumes": len(kept),
        "CensoredVolumes": int((~kept).sum()),
        "NumberOfVoxels": len(tsnr),
        "ConstantVoxels": int((~varies).sum()),
        "OutsideFieldOfView": float(1 - covered.mean()),
        "MedianTsnr": _quantile(tsnr[varies], 0.5),
        "RSquared": {
            "Median": _quantile(rsquared[varies], 0.5),
            "Q95": _quantile(rsquared[varies], 0.95),
        },
        "MotionSource": motion.source,
        "MotionFrom": motion.origin,
        "Displacement": _mean_and_largest(volumes.displacement),
        "FramewiseDisplacement": _mean_and_largest(volumes.framewise_displacement),
        "Rotation": _mean_and_largest(volumes.rotation),
        "Dvars": {**_mean_and_largest(volumes.dvars), "Median": median, "RobustDeviation": deviation},
    }


def _mean_and_largest(values: FloatArray) -> dict[str, float | None]:
    """Of the values that are finite."""
    finite = values[np.isfinite(values)]
    return {
        "Mean": float(finite.mean()) if finite.size else None,
        "Largest": float(finite.max()) if finite.size else None,
    }


def _quantile(values: FloatArray, share: float) -> float | None:
    """Value below which a share of all lies; None of none."""
    return float(np.quantile(values, share)) if values.size else None
