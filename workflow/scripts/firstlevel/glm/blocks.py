"""Fit a run block of voxels by block, so that memory does not grow with its size. Knows arrays only.

A run has the voxels that all its volumes cover and that change over time; estimates are 0 at all others.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from firstlevel.arrays import BoolArray, Float32Array, FloatArray
from firstlevel.glm import fit as glm
from firstlevel.glm import noise
from firstlevel.glm.sums import sums_over_time

Blocks = Iterable[tuple[slice, Float32Array]]
"""Voxels of each block among all, and their data (n, v) as read."""
LOOKED_AT = 5000
"""Voxels, evenly taken from all, that tell whether the data have a mean to be a percentage of."""


@dataclass(frozen=True)
class RunEstimates:
    """Fit of all voxels of a run.

    Attributes
    ----------
    maps : estimates of each voxel.
    mean : of the data over scans and the voxels that the run has; NaN where it has none.
    n_missing : voxels that the run has not.
    n_constant : voxels that never change over time.
    centred : share of voxels without a mean to be a percentage of.
    """

    maps: glm.Estimates
    mean: float
    n_missing: int
    n_constant: int
    centred: float


def fit_blocks(
    blocks: Blocks,
    model: glm.Design,
    noise_model: str,
    run: noise.Run,
    covered: BoolArray,
    *,
    in_percent: bool,
) -> RunEstimates:
    """Fit a run.

    Parameters
    ----------
    run : what :func:`firstlevel.glm.noise.prepare` has made of it.
    covered : (v,), voxels that all volumes cover.
    in_percent : whether each voxel is scaled to percent of its mean.
    """
    n_voxels, n_columns = covered.size, model.matrix.shape[1]
    maps = glm.Estimates(
        beta=np.empty((n_columns, n_voxels)),
        sigma2=np.empty(n_voxels),
        ar1=np.empty(n_voxels),
        rsquared=np.empty(n_voxels),
    )
    total, n_had, n_constant, centred = 0.0, 0, 0, np.zeros(0, dtype=bool)
    for voxels, raw in blocks:
        block = raw.astype(np.float64)
        scaled = glm.percent_signal_change(block) if in_percent else block
        fitted = glm.fit(scaled, model, noise_model, run)
        constant = is_constant(raw)
        has = covered[voxels] & ~constant
        maps.beta[:, voxels] = fitted.beta * has
        maps.sigma2[voxels] = fitted.sigma2 * has
        maps.ar1[voxels] = fitted.ar1 * has
        maps.rsquared[voxels] = fitted.rsquared * has
        n_constant += int(constant.sum())
        n_had += int(has.sum())
        total += float(block.sum(axis=0)[has].sum())
        some = block[:, has][:, :: 1 + n_voxels // LOOKED_AT]
        centred = np.append(centred, is_centred(some, 1.0 if in_percent else 0.0))
        logging.info("%d of %d voxels fitted", voxels.stop, n_voxels)
    return RunEstimates(
        maps=maps,
        mean=total / (n_had * len(model.matrix)) if n_had else float("nan"),
        n_missing=int((maps.sigma2 == 0).sum()),
        n_constant=n_constant,
        centred=float(centred.mean()) if centred.size else 0.0,
    )


def mean_autocorrelation(blocks: Blocks, covered: BoolArray, basis: FloatArray) -> float:
    """Mean over the voxels that the run has of the lag-1 autocorrelation of their residuals."""
    total, count = 0.0, 0
    for voxels, raw in blocks:
        has = covered[voxels] & ~is_constant(raw)
        observed = noise.observed_autocorrelation(sums_over_time(basis, raw[:, has].astype(np.float64)))
        total, count = total + float(observed.sum()), count + observed.size
    return total / max(count, 1)


def is_constant(block: Float32Array) -> BoolArray:
    """Voxels of a block (n, v) that never change; three scans rule most of them out."""
    alike: BoolArray = (block[0] == block[-1]) & (block[0] == block[len(block) // 2])
    alike[alike] = np.ptp(block[:, alike], axis=0) == 0
    return alike


def is_centred(block: FloatArray, least: float) -> BoolArray:
    """Voxels of a block (n, v) whose mean is below their deviation over time, or below `least`."""
    mean = block.mean(axis=0)
    below: BoolArray = mean < np.maximum(block.std(axis=0), least)
    return below
