"""Whiteness of the residuals at a sample of a run's voxels, from their series and the maps of the fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from firstlevel.arrays import BoolArray, Float32Array, FloatArray
from firstlevel.glm import dependence
from firstlevel.quality.whiteness import Whiteness, measure_whiteness, whitened


class Residuals(NamedTuple):
    """Whiteness of the residuals as ordinary least squares leaves them, and as the fit has whitened them."""

    before: Whiteness
    after: Whiteness


def of_sample(
    series: Float32Array,
    design: FloatArray,
    beta: FloatArray,
    rho: FloatArray,
    kept: BoolArray,
    lags: int,
    scaling: float | Literal["voxel"],
) -> Residuals:
    """Whiteness at each of k voxels.

    Parameters
    ----------
    series : (n, k), as read.
    design : (n, p); `beta` (p, k) and `rho` (k,) of its fit.
    kept : (n,), scans that are not censored.
    scaling : factor from the data to what was fitted, or that it is each voxel's own.
    """
    basis, y = dependence.factorise(design).basis, series.astype(np.float64)
    size = np.einsum("tv,tv->v", y, y)
    before = measure_whiteness(y - basis @ (basis.T @ y), kept, lags, size)
    factor = 100.0 / np.maximum(y.mean(axis=0), 1.0) if scaling == "voxel" else scaling
    scaled = factor * y - (100.0 if scaling == "voxel" else 0.0)
    left = whitened(scaled - design @ beta, rho)
    return Residuals(before, measure_whiteness(left, kept, lags, factor**2 * size))


def scaling(fitted: Mapping[str, Any]) -> float | Literal["voxel"]:
    """Factor from the data to what was fitted, by the sidecar of the fit, or that it is each voxel's own."""
    if fitted["SignalScaling"] == "voxel":
        return "voxel"
    return 100.0 / float(fitted["GrandMean"]) if "GrandMean" in fitted else 1.0
