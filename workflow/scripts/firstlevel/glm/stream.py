"""The fit of a whole run from its sums over time. Knows arrays only.

A voxel whose residuals are a tiny share of its sum of squares is read again, and fitted from its series.

A run has the voxels that all its volumes cover and that change over time; estimates are 0 at all others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import BoolArray, Float32Array, FloatArray
from firstlevel.glm import fit as glm
from firstlevel.glm import noise
from firstlevel.glm.run_sums import NO_ONE, RunSums
from firstlevel.glm.sums import Sums, sums_over_time

SOLVED = 8192
"""Voxels that are fitted together: with more, those of one AR(1) coefficient share more."""
NO_VARIANCE = 1e-12
"""Share of a sum of squares below which residuals are rounding: data are in single precision."""

Again = Callable[[npt.NDArray[np.intp]], Iterator[tuple[npt.NDArray[np.intp], Float32Array]]]
"""Reads some voxels (k,) of the run again: yields some of them at a time, and their series (n, k)."""


@dataclass(frozen=True)
class RunEstimates:
    """Fit of all voxels of a run.

    Attributes
    ----------
    maps : estimates of each voxel.
    tsnr : (v,), mean over the standard deviation of the residuals; 0 where nothing is left, and where the
        run has not the voxel.
    mean : of the data over scans and the voxels that the run has; NaN where it has none.
    n_missing : voxels that the run has not.
    n_constant : voxels that never change over time.
    centred : share of voxels without a mean to be a percentage of.
    """

    maps: glm.Estimates
    tsnr: FloatArray
    mean: float
    n_missing: int
    n_constant: int
    centred: float


def fit_run(
    sums: RunSums, model: glm.Design, noise_model: str, covered: BoolArray, again: Again, *, in_percent: bool
) -> RunEstimates:
    """Fit a run from its sums, in whose memory the betas are put.

    Parameters
    ----------
    covered : (v,), voxels that all volumes cover.
    again : reads those voxels again that need it.
    in_percent : whether each voxel is scaled to percent of its mean.
    """
    n_voxels, n_columns = covered.size, model.matrix.shape[1]
    constant = sums.squares == 0
    has = covered & ~constant
    basis = model.factors.basis
    run = noise.prepare(noise_model, basis, lambda: mean_autocorrelation(sums, has, again))
    mean = sums.mean
    maps = glm.Estimates(
        beta=(sums.rows if n_columns <= len(sums.rows) else np.empty((n_columns, n_voxels)))[:n_columns],
        sigma2=np.empty(n_voxels),
        ar1=np.empty(n_voxels),
        rsquared=np.empty(n_voxels),
    )
    tsnr, pending = np.zeros(n_voxels), np.zeros(n_voxels, dtype=bool)
    for low in range(0, n_voxels, SOLVED):
        part = slice(low, min(low + SOLVED, n_voxels))
        base, factor = scaling_of(mean[part], in_percent=in_percent)
        scaled, inexact = sums.of_scaled(part, factor, sums.reference[part] - base)
        pending[part] = inexact & ~constant[part]
        tsnr[part] = signal_to_noise(sums.mean_of_kept[part], mean[part], scaled, factor, model)
        store(maps, part, glm.estimates(scaled, model, noise_model, run), has[part])
    if pending.any():
        logging.info("%d voxels with residuals near 0 are read again", int(pending.sum()))
        for voxels, raw in again(np.flatnonzero(pending)):
            block = raw.astype(np.float64)
            data = glm.percent_signal_change(block) if in_percent else block
            found, own = sums_over_time(basis, data), block.mean(axis=0)
            store(maps, voxels, glm.estimates(found, model, noise_model, run), has[voxels])
            factor = 100.0 / np.maximum(own, 1.0) if in_percent else np.ones_like(own)
            tsnr[voxels] = signal_to_noise(block[sums.kept].mean(axis=0), own, found, factor, model)
    deviation = np.sqrt(np.maximum(sums.squares / sums.n_scans - (mean - sums.reference) ** 2, 0.0))
    centred = mean < np.maximum(deviation, 1.0 if in_percent else 0.0)
    return RunEstimates(
        maps=maps,
        tsnr=np.where(has, tsnr, 0.0),
        mean=float(mean[has].mean()) if has.any() else float("nan"),
        n_missing=int((maps.sigma2 == 0).sum()),
        n_constant=int(constant.sum()),
        centred=float(centred[has].mean()) if has.any() else 0.0,
    )


def scaling_of(mean: FloatArray, *, in_percent: bool) -> tuple[FloatArray, FloatArray]:
    """Base and factor of voxels with this mean, all (v,): data are fitted as factor (y - base)."""
    base = np.maximum(mean, 1.0) if in_percent else np.zeros_like(mean)
    return base, 100.0 / base if in_percent else np.ones_like(base)


def store(
    maps: glm.Estimates, at: slice | npt.NDArray[np.intp], fitted: glm.Estimates, has: BoolArray
) -> None:
    """Put the fit of some voxels into the maps of the run; 0 at those that it has not."""
    maps.beta[:, at] = fitted.beta * has
    maps.sigma2[at] = fitted.sigma2 * has
    maps.ar1[at] = fitted.ar1 * has
    maps.rsquared[at] = fitted.rsquared * has


def signal_to_noise(
    signal: FloatArray, mean: FloatArray, sums: Sums, factor: FloatArray, model: glm.Design
) -> FloatArray:
    """Mean over the standard deviation of the OLS residuals about their mean, (v,), as AFNI defines tSNR.

    The deviation has the degrees of freedom of the residuals. 0 where what is left is rounding.

    Parameters
    ----------
    signal : (v,), mean over the scans that count.
    mean : (v,), over all scans.
    sums : of the data, which `factor` has scaled.
    """
    n_scans, has_constant = len(model.matrix), _holds_constant(model.factors.basis)
    squares = (sums.squares - sums.total**2 / n_scans) / factor**2
    deviation = np.sqrt(np.maximum(squares, 0.0) / max(model.dof - (not has_constant), 1))
    ratio: FloatArray = np.zeros_like(signal)
    np.divide(signal, deviation, out=ratio, where=squares > NO_VARIANCE * n_scans * mean**2)
    return ratio


def _holds_constant(basis: FloatArray) -> bool:
    left = 1 - basis @ basis.sum(axis=0)
    return bool(left @ left < NO_ONE * len(basis))


def mean_autocorrelation(sums: RunSums, has: BoolArray, again: Again) -> float:
    """Mean over the voxels that the run `has` of the lag-1 autocorrelation of their residuals."""
    observed, pending = np.zeros((2, has.size))
    for low in range(0, has.size, SOLVED):
        part = slice(low, min(low + SOLVED, has.size))
        plain, inexact = sums.of_scaled(part, np.ones(has[part].size), sums.reference[part])
        observed[part], pending[part] = noise.observed_autocorrelation(plain), inexact & has[part]
    if pending.any():
        for voxels, raw in again(np.flatnonzero(pending)):
            exact = sums_over_time(sums.basis, raw.astype(np.float64))
            observed[voxels] = noise.observed_autocorrelation(exact)
    return float(observed[has].mean()) if has.any() else 0.0


def scaled_by(maps: glm.Estimates, factor: float) -> glm.Estimates:
    """Estimates of the data times a factor: the fit is linear in them."""
    maps.beta[:] *= factor
    return replace(maps, sigma2=factor**2 * maps.sigma2)
