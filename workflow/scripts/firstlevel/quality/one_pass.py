"""What one reading of a run gives: its signal and changes over time, and of each voxel tSNR and whiteness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from firstlevel.arrays import BoolArray, Float32Array, FloatArray
from firstlevel.glm import dependence
from firstlevel.io import masked
from firstlevel.quality.temporal import tsnr
from firstlevel.quality.whiteness import CHUNK, Whiteness, measure_whiteness, whitened


@dataclass
class Gathered:
    """What one reading of the run fills: per scan (n,) and per voxel (v,)."""

    total: FloatArray
    changed: FloatArray
    tsnr: FloatArray
    constant: BoolArray
    before: Whiteness
    after: Whiteness


def gather(
    bold: Path,
    inside: BoolArray,
    design: FloatArray,
    beta: FloatArray,
    rho: FloatArray,
    unfitted: FloatArray,
    kept: BoolArray,
    lags: int,
    scaling: float | Literal["voxel"],
) -> Gathered:
    """Read the run once, a chunk of voxels in memory at a time."""
    n_voxels = int(inside.sum())
    basis = dependence.factorise(design).basis
    total, changed = np.zeros((2, len(design)))
    ratio, *of_residuals = np.empty((5, n_voxels))
    constant = np.zeros(n_voxels, dtype=bool)
    before, after = Whiteness(*of_residuals[:2]), Whiteness(*of_residuals[2:])
    for voxels, block in masked.blocks(bold, inside):
        for start in range(voxels.start, voxels.stop, CHUNK):
            chunk = slice(start, min(start + CHUNK, voxels.stop))
            raw: Float32Array = block[:, chunk.start - voxels.start : chunk.stop - voxels.start]
            y = raw.astype(np.float64)
            total += y.sum(axis=1)
            change = y[1:] - y[:-1]
            changed[1:] += np.einsum("tv,tv->t", change, change)
            constant[chunk] = np.ptp(raw[kept], axis=0) == 0
            ratio[chunk] = tsnr(y, unfitted, kept)
            size = np.einsum("tv,tv->v", y, y)
            _store(before, chunk, measure_whiteness(y - basis @ (basis.T @ y), kept, lags, size))
            factor = 100.0 / np.maximum(y.mean(axis=0), 1.0) if scaling == "voxel" else scaling
            scaled = factor * y - (100.0 if scaling == "voxel" else 0.0)
            residuals = whitened(scaled - design @ beta[:, chunk], rho[chunk])
            _store(after, chunk, measure_whiteness(residuals, kept, lags, factor**2 * size))
    return Gathered(total, changed, ratio, constant, before, after)


def _store(into: Whiteness, chunk: slice, found: Whiteness) -> None:
    into.lag1[chunk], into.p[chunk] = found.lag1, found.p


def scaling(fitted: Mapping[str, Any]) -> float | Literal["voxel"]:
    """Factor from the data to what was fitted, by the sidecar of the fit, or that it is each voxel's own."""
    if fitted["SignalScaling"] == "voxel":
        return "voxel"
    return 100.0 / float(fitted["GrandMean"]) if "GrandMean" in fitted else 1.0
