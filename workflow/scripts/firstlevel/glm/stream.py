"""Sums over time of a whole run, scan by scan in one reading, and its fit from them. Knows arrays only.

Symbols: n scans, v voxels; Q (n, r) orthonormal basis of the design, N(Q) the sum of its neighbours in time,
q_{t-1} + q_{t+1}. The memory is that of (2r + 8) numbers per voxel, whatever the number of scans.

Sums of squares of what is left after a fit come out of differences. So a reference near the data is taken
off each voxel first: the mean of the first scans, which one scan before the steady state hardly moves. A
voxel whose residuals are still a tiny share of its sum of squares is read again, and fitted from its series.

A run has the voxels that all its volumes cover and that change over time; estimates are 0 at all others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import BoolArray, Float32Array, FloatArray
from firstlevel.glm import fit as glm
from firstlevel.glm import noise
from firstlevel.glm.sums import Sums, dot, sums_over_time

CHUNK = 16
"""Scans that are summed up together."""
STRIP = 2048
"""Voxels whose sums a processor's cache holds meanwhile."""
SOLVED = 8192
"""Voxels that are fitted together: with more, those of one AR(1) coefficient share more."""
LEAST = 1e-4
"""Share of the sum of squares below which residuals lose too much in a difference: 1e-12 of them at most."""
NO_ONE = 1e-18
"""Squared length of what a basis leaves of a constant, per scan, below which it is rounding."""
NO_VARIANCE = 1e-12
"""Share of a sum of squares below which residuals are rounding: data are in single precision."""

Again = Callable[[npt.NDArray[np.intp]], Iterator[tuple[npt.NDArray[np.intp], Float32Array]]]
"""Reads some voxels (k,) of the run again: yields some of them at a time, and their series (n, k)."""


@dataclass(frozen=True)
class RunSums:
    """Sums over time of all voxels of a run, of the data y less a reference.

    Attributes
    ----------
    basis : Q (n, r).
    kept : (n,), scans that are not censored.
    reference : (v,), what was taken off each voxel.
    rows : (2r + 2, v), products over time with Q, with N(Q), with 1, and with `kept`.
    squares, products : (v,), sum of y_t^2, and of y_t y_{t-1}.
    first, last : (v,), these scans.
    signal : (n,), mean over the voxels of each scan, nothing taken off.
    change : (n,), root mean square over the voxels of the change from the scan before; 0 of the first.
    """

    basis: FloatArray
    kept: BoolArray
    reference: FloatArray
    rows: FloatArray
    squares: FloatArray
    products: FloatArray
    first: FloatArray
    last: FloatArray
    signal: FloatArray
    change: FloatArray

    @classmethod
    def of(cls, scans: Iterable[Float32Array], basis: FloatArray, kept: BoolArray, n_voxels: int) -> RunSums:
        """Sum up the `scans`, n arrays of (v,)."""
        (n_scans, rank), one = basis.shape, np.ones(len(basis))
        weights = np.column_stack([basis, neighbours(basis), one, kept]).T.copy()
        found = cls(
            basis=basis,
            kept=kept,
            reference=np.zeros(n_voxels),
            rows=np.zeros((2 * rank + 2, n_voxels)),
            squares=np.zeros(n_voxels),
            products=np.zeros(n_voxels),
            first=np.zeros(n_voxels),
            last=np.zeros(n_voxels),
            signal=np.zeros(n_scans),
            change=np.zeros(n_scans),
        )
        chunk, n_read = np.empty((CHUNK, n_voxels)), 0
        for scan in scans:
            chunk[n_read % CHUNK] = scan
            n_read += 1
            if n_read % CHUNK == 0 or n_read == n_scans:
                start = (n_read - 1) // CHUNK * CHUNK
                found._add(chunk[: n_read - start], start, weights)
        if n_read != n_scans:
            raise ValueError(f"{n_read} scans of {n_scans}")
        found.signal[:] /= n_voxels
        found.change[:] = np.sqrt(found.change / n_voxels)
        return found

    def _add(self, chunk: FloatArray, start: int, weights: FloatArray) -> None:
        """Add the scans (c, v) from the number `start` on; spoils them."""
        scans = slice(start, start + len(chunk))
        for low in range(0, self.squares.size, STRIP):
            strip = slice(low, low + STRIP)
            y = chunk[:, strip]
            self.signal[scans] += y.sum(axis=1)
            if start == 0:
                self.reference[strip] = y.mean(axis=0)
            y -= self.reference[strip]
            self.rows[:, strip] += weights[:, scans] @ y
            self.squares[strip] += dot(y, y)
            self.products[strip] += dot(y[1:], y[:-1])
            steps = np.diff(y, axis=0)
            self.change[start + 1 : scans.stop] += np.einsum("tv,tv->t", steps, steps)
            if start == 0:
                self.first[strip] = y[0]
            else:
                self.products[strip] += y[0] * self.last[strip]
                self.change[start] += float(((y[0] - self.last[strip]) ** 2).sum())
            self.last[strip] = y[-1]

    @property
    def n_scans(self) -> int:
        """Number of scans."""
        return len(self.basis)

    def mean(self, voxels: slice = slice(None)) -> FloatArray:
        """Mean over all scans of some voxels."""
        average: FloatArray = self.reference[voxels] + self.rows[-2, voxels] / self.n_scans
        return average

    def mean_of_kept(self, voxels: slice = slice(None)) -> FloatArray:
        """Mean over the scans that are not censored of some voxels."""
        average: FloatArray = self.reference[voxels] + self.rows[-1, voxels] / max(self.kept.sum(), 1)
        return average

    def of_scaled(self, voxels: slice, factor: FloatArray, offset: FloatArray) -> tuple[Sums, BoolArray]:
        """Sums of factor (y + offset), y less its reference, and the voxels for which they are too inexact.

        Notes
        -----
        With c = Q'y, the residuals u = y - Q c have the squares y'y - c'c, the lagged sums L - (K + K') c and
        the products p - c'L + c'Kc, where L = N(Q)'y, K = Q[1:]'Q[:-1] and p is that of y. What the basis
        leaves of the offset, w = 1 - Q (Q'1), is 0 where the design holds a constant; else the residuals are
        u + offset w, and with u'w = u'1 all sums follow.
        """
        basis, (n_scans, rank) = self.basis, self.basis.shape
        c, across = self.rows[:rank, voxels], self.rows[rank : 2 * rank, voxels]
        k = basis[1:].T @ basis[:-1]
        squares = self.squares[voxels] - dot(c, c)
        inexact = squares < LEAST * self.squares[voxels]
        lagged = across - (k + k.T) @ c
        products = self.products[voxels] - dot(c, across) + dot(c, k @ c)
        last = self.last[voxels] - basis[-1] @ c
        of_one = basis.sum(axis=0)
        total = self.rows[-2, voxels] - of_one @ c
        w = 1 - basis @ of_one
        if w @ w < NO_ONE * n_scans:
            total = np.zeros_like(total)
        else:
            ends = self.first[voxels] - basis[0] @ c + last
            beside = neighbours(w[:, None])[:, 0]
            # N(w)'u = N(1)'u, less what is Q'u = 0 but for N(Q)'u
            products += offset * (2 * total - ends - of_one @ lagged) + offset**2 * float(w[1:] @ w[:-1])
            squares += 2 * offset * total + offset**2 * float(w @ w)
            lagged += np.outer(basis.T @ beside, offset)
            last += offset * w[-1]
            total += offset * w.sum()
        coefficients = factor * (c + np.outer(of_one, offset))
        scaled = (factor * lagged, factor**2 * np.maximum(squares, 0.0), factor**2 * products)
        return Sums(coefficients, *scaled, factor * total, factor * last), inexact


@dataclass(frozen=True)
class RunEstimates:
    """Fit of all voxels of a run.

    Attributes
    ----------
    maps : estimates of each voxel.
    tsnr : (v,), mean over the standard deviation of the residuals; 0 where nothing is left.
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
    mean = sums.mean()
    maps = glm.Estimates(
        beta=(sums.rows if n_columns <= len(sums.rows) else np.empty((n_columns, n_voxels)))[:n_columns],
        sigma2=np.empty(n_voxels),
        ar1=np.empty(n_voxels),
        rsquared=np.empty(n_voxels),
    )
    tsnr, pending = np.zeros(n_voxels), np.zeros(n_voxels, dtype=bool)
    for low in range(0, n_voxels, SOLVED):
        part = slice(low, min(low + SOLVED, n_voxels))
        base = np.maximum(mean[part], 1.0) if in_percent else np.zeros_like(mean[part])
        factor = 100.0 / base if in_percent else np.ones_like(base)
        scaled, inexact = sums.of_scaled(part, factor, sums.reference[part] - base)
        pending[part] = inexact & ~constant[part]
        tsnr[part] = signal_to_noise(sums.mean_of_kept(part), mean[part], scaled, factor, model)
        _store(maps, part, glm.estimates(scaled, model, noise_model, run), has[part])
    if pending.any():
        logging.info("%d voxels, nearly without residuals, are read again", int(pending.sum()))
        for voxels, raw in again(np.flatnonzero(pending)):
            block = raw.astype(np.float64)
            data = glm.percent_signal_change(block) if in_percent else block
            found, own = sums_over_time(basis, data), block.mean(axis=0)
            _store(maps, voxels, glm.estimates(found, model, noise_model, run), has[voxels])
            factor = 100.0 / np.maximum(own, 1.0) if in_percent else np.ones_like(own)
            tsnr[voxels] = signal_to_noise(block[sums.kept].mean(axis=0), own, found, factor, model)
    deviation = np.sqrt(np.maximum(sums.squares / sums.n_scans - (mean - sums.reference) ** 2, 0.0))
    centred = mean < np.maximum(deviation, 1.0 if in_percent else 0.0)
    return RunEstimates(
        maps=maps,
        tsnr=np.where(constant, 0.0, tsnr),
        mean=float(mean[has].mean()) if has.any() else float("nan"),
        n_missing=int((maps.sigma2 == 0).sum()),
        n_constant=int(constant.sum()),
        centred=float(centred[has].mean()) if has.any() else 0.0,
    )


def _store(
    maps: glm.Estimates, at: slice | npt.NDArray[np.intp], fitted: glm.Estimates, has: BoolArray
) -> None:
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


def neighbours(columns: FloatArray) -> FloatArray:
    """Sum of the values before and after, of columns (n, k)."""
    beside = np.zeros_like(columns)
    beside[:-1] += columns[1:]
    beside[1:] += columns[:-1]
    return beside
