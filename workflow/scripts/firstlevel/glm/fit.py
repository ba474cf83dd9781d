"""Fit y = X b + e voxel by voxel, with white or AR(1) noise, from sums over time.

The design is replaced by an orthonormal basis of what its columns span (``firstlevel.glm.dependence``): rank,
residuals and covariance then do not depend on the units of the regressors. The data are projected on it once,
and the residuals are what is left, not a difference of sums. Whitening an AR(1) series, y_t - rho y_{t-1}, is
linear, so all that the whitened fit needs are a few sums over time of the residuals, however many values rho
takes. Knows arrays only: no files, no config.

Symbols: n scans, p regressors, r the rank, v voxels. X (n, p) design, Q (n, r) its basis, Y (n, v) data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from firstlevel.glm.dependence import Factorisation, factorise

FloatArray = npt.NDArray[np.float64]
NoiseModel = Literal["ols", "ar1", "ar1_corrected"]

CHUNK = 512
"""Voxels whose data a processor's cache holds while they are summed up in three ways."""
NO_NOISE = 1e-26
"""Share of a sum of squares below which what is left of the data is rounding, not noise: sqrt is 1e-13."""
AR1_STEP = 0.01
"""AR(1) coefficients are truncated toward zero to this step, as nilearn's ``run_glm`` does."""
RHOS = np.arange(-99, 100) / 100
"""Values of a corrected AR(1) coefficient. Its standard error, sqrt((1 - rho^2) / n), is far above a step."""


@dataclass(frozen=True)
class Estimates:
    """What is kept of a fit: all that a contrast needs, besides the design.

    Attributes
    ----------
    beta : (p, v), in units of the scaled data.
    sigma2 : (v,), residual variance of the whitened model, in squared units of the scaled data; 0 where the
        data hold no noise: nothing can be tested there.
    ar1 : (v,), dimensionless, 0 for white noise.
    rsquared : (v,), explained share of the variance of the whitened data, 0 to 1.
    """

    beta: FloatArray
    sigma2: FloatArray
    ar1: FloatArray
    rsquared: FloatArray


@dataclass(frozen=True)
class Sums:
    """Sums over time of one block of voxels: coefficients on the basis, and what is left, e = y - Q g.

    Attributes
    ----------
    coefficients : g = Q'y, (r, v).
    lagged : (r, v), sum of q_t e_{t-1} + q_{t-1} e_t.
    squares, products : (v,), sum of e_t^2, and of e_t e_{t-1}.
    total : (v,), sum of e_t.
    last : (v,), e_t of the last scan: sums without the last scan follow.
    """

    coefficients: FloatArray
    lagged: FloatArray
    squares: FloatArray
    products: FloatArray
    total: FloatArray
    last: FloatArray


@dataclass(frozen=True)
class Design:
    """A design X (n, p), factorised, with what is computed once for each AR(1) coefficient.

    Attributes
    ----------
    matrix : X (n, p).
    factors : :func:`firstlevel.glm.dependence.factorise` of it.
    """

    matrix: FloatArray
    factors: Factorisation
    _inverses: dict[float, FloatArray] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, matrix: FloatArray) -> Design:
        """Factorise a design matrix (n, p)."""
        return cls(matrix, factorise(matrix))

    @property
    def dof(self) -> int:
        """Degrees of freedom of the residuals: scans minus the rank."""
        return self.factors.dof

    def inverse(self, rho: float) -> FloatArray:
        """(Qw'Qw)^-1 of the whitened basis, (r, r); the identity for white noise.

        Whitening keeps the rank and hardly hurts the condition, so that nothing is decided anew for any rho.
        """
        if rho not in self._inverses:
            white = whiten(self.factors.basis, rho)
            self._inverses[rho] = np.asarray(np.linalg.inv(white.T @ white), dtype=np.float64)
        return self._inverses[rho]

    def covariance(self, rho: float) -> FloatArray:
        """(Xw'Xw)^- of the whitened design, (p, p): times sigma2, the covariance of the betas.

        The inverse where X has full rank; else a generalised one, meaningful for estimable contrasts.
        """
        unscaled: FloatArray = self.factors.transform @ self.inverse(rho) @ self.factors.transform.T
        return unscaled


def percent_signal_change(data: FloatArray) -> FloatArray:
    """Scale each voxel to percent of its mean over time: 100 (y / max(mean, 1) - 1), shape (n, v)."""
    mean: FloatArray = np.maximum(data.mean(axis=0), 1.0)
    return 100.0 * (data / mean - 1.0)


def whiten(series: FloatArray, rho: float) -> FloatArray:
    """AR(1) whitening along the first axis, y_t - rho y_{t-1}; the first sample stays as it is."""
    white = series.copy()
    white[1:] -= rho * series[:-1]
    return white


def sums_over_time(basis: FloatArray, data: FloatArray) -> Sums:
    """Sums that stand in for the data, from an orthonormal `basis` (n, r) and `data` (n, v)."""
    neighbours = np.zeros_like(basis)
    neighbours[:-1] += basis[1:]
    neighbours[1:] += basis[:-1]
    across = basis.T.copy()
    beside = np.column_stack([neighbours, np.ones(len(basis))]).T.copy()
    coefficients = np.empty((basis.shape[1], data.shape[1]))
    of_rest = np.empty((basis.shape[1] + 1, data.shape[1]))
    squares, products, last = np.empty((3, data.shape[1]))
    for start in range(0, data.shape[1], CHUNK):
        chunk = slice(start, start + CHUNK)
        y = data[:, chunk]
        coefficients[:, chunk] = across @ y
        e = y - basis @ coefficients[:, chunk]
        of_rest[:, chunk] = beside @ e
        squares[chunk] = np.einsum("tv,tv->v", e, e)
        products[chunk] = np.einsum("tv,tv->v", e[1:], e[:-1])
        last[chunk] = e[-1]
    rounding = squares <= NO_NOISE * _dot(coefficients, coefficients)
    for sums in (of_rest, squares, products, last):
        sums[..., rounding] = 0.0
    return Sums(coefficients, of_rest[:-1], squares, products, of_rest[-1], last)


def ar1_coefficients(n_scans: int, sums: Sums) -> FloatArray:
    """Lag-1 autocorrelation of the OLS residuals of each voxel, truncated toward zero to 0.01.

    (v,), dimensionless. 0 where there is no residual variance.

    Notes
    -----
    Yule-Walker of order 1, (sum e_t e_{t-1} / (n - 1)) / (sum e_t^2 / n), the estimator of nilearn's
    ``run_glm`` after Worsley et al. 2002, NeuroImage 15:1-15.
    """
    variance, covariance = sums.squares / n_scans, sums.products / (n_scans - 1)
    rho = np.zeros_like(variance)
    np.divide(covariance, variance, out=rho, where=variance > 0)
    steps = round(1 / AR1_STEP)
    truncated: FloatArray = np.trunc(rho * steps) / steps
    return truncated


def expected_autocorrelation(basis: FloatArray) -> FloatArray:
    """Lag-1 autocorrelation that the OLS residuals of AR(1) noise have on average, one for each of RHOS.

    Lower than rho: the fit takes slow noise for drift and responses. `basis` is the design's, (n, r).

    Notes
    -----
    Residuals e = R y, R = I - QQ' with an orthonormal basis Q of the design, have E[e'e] = tr(R V) and
    E[sum e_t e_{t-1}] = tr(R D R V), with D = (L + L') / 2 of the lag L and V_st = rho^|s-t|: the equations
    of Worsley et al. 2002, NeuroImage 15:1-15, with V whole rather than to its first lag. A trace with V is a
    sum over diagonals. As R D R = D - QH' - HQ' with H = DQ - Q (Q'DQ) / 2, these are correlations of
    columns, by FFT: no (n, n) matrix is made.
    """
    n_scans = len(basis)
    neighbours = np.zeros_like(basis)
    neighbours[:-1] += basis[1:] / 2
    neighbours[1:] += basis[:-1] / 2
    other = neighbours - basis @ (basis.T @ neighbours) / 2
    squares = -_lagged_sums(basis, basis)
    products = -_lagged_sums(basis, other) - _lagged_sums(other, basis)
    squares[0] += n_scans
    products[1] += (n_scans - 1) / 2
    powers = RHOS[:, None] ** np.arange(n_scans)
    powers[:, 1:] *= 2  # either side of the diagonal
    expected: FloatArray = (powers @ products) / (powers @ squares)
    return expected


def corrected_ar1_coefficients(sums: Sums, expected: FloatArray) -> FloatArray:
    """AR(1) coefficient of the noise whose residuals have, on average, the autocorrelation of each voxel's.

    `expected` is :func:`expected_autocorrelation` of the design. Rounded to the nearest of RHOS, (v,), 0
    where there is no residual variance.
    """
    observed = np.zeros_like(sums.squares)
    np.divide(sums.products, sums.squares, out=observed, where=sums.squares > 0)
    middle = len(RHOS) // 2
    falls = np.flatnonzero(np.diff(expected) <= 0)  # a design of very few degrees of freedom, far from 0
    low = max(falls[falls < middle] + 1, default=0)
    high = min(falls[falls >= middle], default=len(RHOS) - 1)
    branch = slice(low, high + 1)
    rho = np.interp(observed, expected[branch], RHOS[branch])
    rounded: FloatArray = np.where(sums.squares > 0, np.round(rho * 100) / 100, 0.0)
    return rounded


def _lagged_sums(a: FloatArray, b: FloatArray) -> FloatArray:
    """Sum of a_t b_{t+k} over time and columns, for each lag k from 0 to n - 1."""
    n_scans = len(a)
    spectrum = np.sum(
        np.conj(np.fft.rfft(a, 2 * n_scans, axis=0)) * np.fft.rfft(b, 2 * n_scans, axis=0), axis=1
    )
    sums: FloatArray = np.fft.irfft(spectrum, 2 * n_scans)[:n_scans]
    return sums


def fit(
    data: FloatArray,
    design: Design,
    noise_model: NoiseModel,
    expected: FloatArray | None = None,
) -> Estimates:
    """Fit one block of voxels.

    Parameters
    ----------
    data : (n, v), scaled data.
    design : of the run; one object for all blocks, which keeps what depends on rho alone.
    noise_model : "ols" for white noise, "ar1" for one AR(1) coefficient per voxel, "ar1_corrected" for one
        that is corrected for what the design removes.
    expected : :func:`expected_autocorrelation` of this design; only "ar1_corrected" needs it, and computes it
        where it is not given.

    Returns
    -------
    Estimates, of the whitened model where the noise model is not "ols".

    Raises
    ------
    ValueError : where no degrees of freedom are left.

    Notes
    -----
    The whitened residuals ew of the OLS fit have the products Qw'ew = -rho l - rho^2 q_n e_n, with l the
    lagged sums and n the last scan. So the whitened fit differs from OLS by d = (Qw'Qw)^-1 Qw'ew, its
    residual sum of squares is ew'ew - d'Qw'ew, a small correction, and the betas are T (g + d).
    """
    if design.dof < 1:
        n_scans, n_regressors = design.matrix.shape
        raise ValueError(f"{n_scans} scans leave no degrees of freedom to {n_regressors} regressors")
    basis = design.factors.basis
    sums = sums_over_time(basis, data)
    rho = np.zeros(data.shape[1])
    if noise_model == "ar1":
        rho = ar1_coefficients(len(data), sums)
    elif noise_model == "ar1_corrected":
        expected = expected_autocorrelation(basis) if expected is None else expected
        rho = corrected_ar1_coefficients(sums, expected)
    alike = groups(rho)
    left = sums.squares - 2 * rho * sums.products + rho**2 * (sums.squares - sums.last**2)
    towards = -rho * sums.lagged - rho**2 * np.outer(basis[-1], sums.last)
    change = np.empty_like(towards)
    for value, voxels in alike:
        change[:, voxels] = design.inverse(value) @ towards[:, voxels]
    left = np.maximum(left - _dot(change, towards), 0.0)
    coefficients = sums.coefficients + change
    rsquared = _share_of_variance(basis, sums, alike, coefficients, change, left)
    return Estimates(design.factors.transform @ coefficients, left / design.dof, rho, rsquared)


def _share_of_variance(
    basis: FloatArray,
    sums: Sums,
    alike: list[tuple[float, npt.NDArray[np.intp]]],
    coefficients: FloatArray,
    change: FloatArray,
    left: FloatArray,
) -> FloatArray:
    """Variance over time of the fitted whitened series, as a share of that of the whitened data, (v,).

    Residuals and fit are orthogonal, but their means need not be 0 once they are whitened.
    """
    n_scans = len(basis)
    fitted, over_all = np.empty((2, len(left)))
    for value, voxels in alike:
        white = whiten(basis, value)
        mean = white.mean(axis=0)
        spread = (white - mean).T @ (white - mean) / n_scans
        fitted[voxels] = _dot(coefficients[:, voxels], spread @ coefficients[:, voxels])
        of_residuals = (1 - value) * sums.total[voxels] + value * sums.last[voxels]
        of_residuals = of_residuals / n_scans - mean @ change[:, voxels]
        of_fit = mean @ coefficients[:, voxels]
        over_all[voxels] = left[voxels] / n_scans - of_residuals * (of_residuals + 2 * of_fit)
    variance = fitted + over_all
    share = np.zeros_like(variance)
    np.divide(fitted, variance, out=share, where=(variance > 0) & (left > 0))
    return share


def spm_global(volume: npt.NDArray[np.floating]) -> float:
    """Mean of the voxels of a whole volume that lie above an eighth of its mean, in units of the image.

    SPM's ``spm_global``, whose average over a run is the grand mean that SPM scales to 100. `volume` has any
    shape; voxels that are not finite do not count. 0 of a volume without a voxel.
    """
    finite = volume[np.isfinite(volume)]
    if not finite.size:
        return 0.0
    above = finite[finite > finite.mean(dtype=np.float64) / 8]
    return float(above.mean(dtype=np.float64)) if above.size else 0.0


def groups(rho: FloatArray) -> list[tuple[float, npt.NDArray[np.intp]]]:
    """Each distinct value of `rho` (v,) with the indices of its voxels."""
    order = np.argsort(rho, kind="stable")
    values, starts = np.unique(rho[order], return_index=True)
    return [(float(value), voxels) for value, voxels in zip(values, np.split(order, starts[1:]), strict=True)]


def _dot(a: FloatArray, b: FloatArray) -> FloatArray:
    """Inner product of matching columns, (p, v) and (p, v) to (v,)."""
    product: FloatArray = np.einsum("pv,pv->v", a, b)
    return product
