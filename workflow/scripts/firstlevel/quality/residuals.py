"""Whiteness of the residuals of a run, at a sample of its voxels, before and after whitening. Arrays only."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from firstlevel.arrays import BoolArray, Float32Array, FloatArray
from firstlevel.glm import dependence, noise
from firstlevel.glm.baseline import Scaling
from firstlevel.quality.whiteness import (
    EDGES,
    LEVEL,
    Whiteness,
    histogram,
    measure_whiteness,
    summary,
    white_noise_through,
)
from firstlevel.quality.whitening import Whitening

Factor = float | Literal["voxel"]
"""Factor from the data to what was fitted, or that it is each voxel's own: to percent of its mean."""


class Residuals(NamedTuple):
    """Whiteness of the residuals as ordinary least squares leaves them, and as the fit has whitened them."""

    before: Whiteness
    after: Whiteness


def of_sample(
    series: Float32Array,
    design: FloatArray,
    beta: FloatArray,
    whitening: Whitening,
    kept: BoolArray,
    lags: int,
    factor: Factor,
    has: BoolArray,
) -> Residuals:
    """Whiteness at each of k voxels, not known where the run has not the voxel, which is not fitted there.

    Parameters
    ----------
    series : (n, k), as read.
    design : (n, p); `beta` (p, k) and `whitening` of its fit.
    kept : (n,), scans that are not censored.
    factor : as :func:`factor` gives it.
    has : (k,), voxels that the run has.
    """
    basis, y = dependence.factorise(design).basis, series.astype(np.float64)
    size = np.einsum("tv,tv->v", y, y)
    size[~has] = np.inf  # so that whatever is left is rounding
    scale = 100.0 / np.maximum(y.mean(axis=0), 1.0) if factor == "voxel" else factor
    before = measure_whiteness(_less(y, basis @ (basis.T @ y)), kept, lags, size)
    y *= scale  # in their place: series of long runs are most of the memory of a fit
    y -= 100.0 if factor == "voxel" else 0.0
    y -= design @ beta
    after = whitening.of_series(y)
    return Residuals(before, measure_whiteness(after, kept, lags, scale**2 * size))


def _less(series: FloatArray, fitted: FloatArray) -> FloatArray:
    """Residuals, in the memory of what was fitted."""
    return np.subtract(series, fitted, out=fitted)


def factor(scaling: Scaling, grand_mean: float | None) -> Factor:
    """Factor from the data to what was fitted; `grand_mean` is what became 100, None where nothing did."""
    if scaling == "voxel":
        return "voxel"
    return 1.0 if grand_mean is None else 100.0 / grand_mean


def content(
    residuals: Residuals,
    design: FloatArray,
    whitening: Whitening,
    kept: BoolArray,
    lags: int,
    noise_model: str,
) -> dict[str, Any]:
    """What a sidecar says of residuals, beside what white noise shows after the same design (n, p)."""
    is_whitened = noise.MODELS[noise_model].whitens
    parts = {"Before": (residuals.before, [(design, 1.0)])}
    if is_whitened:
        parts["After"] = (residuals.after, whitening.of_design(design))
    return {
        "NoiseModel": noise_model,
        "Whitened": is_whitened,
        "Lags": lags,
        "Level": LEVEL,
        "SampledVoxels": residuals.before.lag1.size,
        "HistogramEdges": EDGES.round(6).tolist(),
    } | {
        part: {
            **summary(whiteness),
            "OfWhiteNoise": summary(white_noise_through(designs, kept, lags)),
            "Histogram": histogram(whiteness),
        }
        for part, (whiteness, designs) in parts.items()
    }
