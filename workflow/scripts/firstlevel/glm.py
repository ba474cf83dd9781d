"""Fit y = X b + e voxel by voxel, with white or AR(1) noise, from sums over time.

Whitening an AR(1) series, y_t - rho y_{t-1}, is linear. So everything that the fit needs of the data
are a few sums over time, taken once per block of voxels; no whitened copy of the data is made, however
many values rho takes. Knows arrays only: no files, no config.

Symbols: n scans, p regressors, v voxels. X (n, p) design, Y (n, v) data.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
NoiseModel = Literal["ols", "ar1", "ar1_corrected"]

CHUNK = 512
"""Voxels whose data a processor's cache holds while they are summed up in three ways."""
NEAR_DEPENDENCE = 1e-9
"""Singular value, relative to the largest, below which the rank of a design is looked at."""
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
    sigma2 : (v,), residual variance of the whitened model, in squared units of the scaled data.
    ar1 : (v,), dimensionless, 0 for white noise.
    rsquared : (v,), explained share of the variance of the whitened data, 0 to 1.
    """

    beta: FloatArray
    sigma2: FloatArray
    ar1: FloatArray
    rsquared: FloatArray


@dataclass(frozen=True)
class CrossProducts:
    """Sums over time of one block of voxels.

    Attributes
    ----------
    xy : (p, v), sum of x_t y_t.
    lagged : (p, v), sum of x_t y_{t-1} + x_{t-1} y_t.
    yy, y1 : (v,), sum of y_t^2, and of y_t y_{t-1}.
    total : (v,), sum of y_t.
    last : (v,), y_t of the last scan: sums without the last scan follow.
    """

    xy: FloatArray
    lagged: FloatArray
    yy: FloatArray
    y1: FloatArray
    total: FloatArray
    last: FloatArray


def percent_signal_change(data: FloatArray) -> FloatArray:
    """Scale each voxel to percent of its mean over time: 100 (y / max(mean, 1) - 1), shape (n, v)."""
    mean: FloatArray = np.maximum(data.mean(axis=0), 1.0)
    return 100.0 * (data / mean - 1.0)


def whiten(series: FloatArray, rho: float) -> FloatArray:
    """AR(1) whitening along the first axis, y_t - rho y_{t-1}; the first sample stays as it is."""
    white = series.copy()
    white[1:] -= rho * series[:-1]
    return white


def unscaled_covariance(design: FloatArray, rho: float) -> FloatArray:
    """(Xw'Xw)^-1 of the whitened design, (p, p): times sigma2, the covariance of the betas.

    The pseudo-inverse where X has not full rank; only estimable contrasts of it are then meaningful. As many
    directions count as X has rank, since those that rounding left (or nilearn's design, which lifts them to
    1e-15) would make noise of every beta.
    """
    left, values, right = np.linalg.svd(whiten(design, rho), full_matrices=False)
    n_kept = len(values)
    if values[-1] <= NEAR_DEPENDENCE * values[0]:
        n_kept = int(np.linalg.matrix_rank(design))
    inverse = np.zeros_like(values)
    inverse[:n_kept] = 1.0 / values[:n_kept]
    half = right.T @ (inverse[:, np.newaxis] * left.T)
    covariance: FloatArray = half @ half.T
    return covariance


def cached_covariance(design: FloatArray) -> Callable[[float], FloatArray]:
    """Return :func:`unscaled_covariance` of one design as a function of rho, computed once for each."""
    return functools.cache(functools.partial(unscaled_covariance, design))


def cross_products(design: FloatArray, data: FloatArray) -> CrossProducts:
    """Sums over time that stand in for the data. `design` is (n, p), `data` is (n, v)."""
    neighbours = np.zeros_like(design)
    neighbours[:-1] += design[1:]
    neighbours[1:] += design[:-1]
    regressors = np.column_stack([design, neighbours, np.ones(len(design))]).T.copy()
    products = np.empty((len(regressors), data.shape[1]))
    yy, y1 = np.empty((2, data.shape[1]))
    for start in range(0, data.shape[1], CHUNK):
        chunk = slice(start, start + CHUNK)
        y = data[:, chunk]
        products[:, chunk] = regressors @ y
        np.einsum("tv,tv->v", y, y, out=yy[chunk])
        np.einsum("tv,tv->v", y[1:], y[:-1], out=y1[chunk])
    p = design.shape[1]
    return CrossProducts(products[:p], products[p:-1], yy, y1, total=products[-1], last=data[-1])


def ar1_coefficients(design: FloatArray, sums: CrossProducts, beta: FloatArray) -> FloatArray:
    """Lag-1 autocorrelation of the OLS residuals of each voxel, truncated toward zero to 0.01.

    Parameters
    ----------
    design : (n, p).
    sums : of the same block of voxels.
    beta : (p, v), OLS estimates.

    Returns
    -------
    (v,), dimensionless. 0 where there is no residual variance.

    Notes
    -----
    Yule-Walker of order 1, (sum e_t e_{t-1} / (n - 1)) / (sum e_t^2 / n), the estimator of nilearn's
    ``run_glm`` after Worsley et al. 2002, NeuroImage 15:1-15. Both sums follow from the cross-products.
    """
    n_scans = len(design)
    squares, products = _residual_sums(design, sums, beta)
    variance, covariance = squares / n_scans, products / (n_scans - 1)
    rho = np.zeros_like(variance)
    np.divide(covariance, variance, out=rho, where=variance > 0)
    steps = round(1 / AR1_STEP)
    truncated: FloatArray = np.trunc(rho * steps) / steps
    return truncated


def expected_autocorrelation(design: FloatArray) -> FloatArray:
    """Lag-1 autocorrelation that the OLS residuals of AR(1) noise have on average, one for each of RHOS.

    Lower than rho: the fit takes slow noise for drift and responses. `design` is (n, p).

    Notes
    -----
    Residuals e = R y, R = I - QQ' with an orthonormal basis Q of the design, have E[e'e] = tr(R V) and
    E[sum e_t e_{t-1}] = tr(R D R V), with D = (L + L') / 2 of the lag L and V_st = rho^|s-t|: the equations
    of Worsley et al. 2002, NeuroImage 15:1-15, with V whole rather than to its first lag. A trace with V is a
    sum over diagonals. As R D R = D - QH' - HQ' with H = DQ - Q (Q'DQ) / 2, these are correlations of
    columns, by FFT: no (n, n) matrix is made.
    """
    n_scans = len(design)
    left, _, _ = np.linalg.svd(design, full_matrices=False)
    basis = left[:, : len(design) - degrees_of_freedom(design)]
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


def corrected_ar1_coefficients(
    design: FloatArray, sums: CrossProducts, beta: FloatArray, expected: FloatArray
) -> FloatArray:
    """AR(1) coefficient of the noise whose residuals have, on average, the autocorrelation of each voxel's.

    `expected` is :func:`expected_autocorrelation` of the design, the rest as in :func:`ar1_coefficients`.
    Rounded to the nearest of RHOS, (v,), 0 where there is no residual variance.
    """
    squares, products = _residual_sums(design, sums, beta)
    observed = np.zeros_like(squares)
    np.divide(products, squares, out=observed, where=squares > 0)
    middle = len(RHOS) // 2
    falls = np.flatnonzero(np.diff(expected) <= 0)  # a design of very few degrees of freedom, far from 0
    low = max(falls[falls < middle] + 1, default=0)
    high = min(falls[falls >= middle], default=len(RHOS) - 1)
    branch = slice(low, high + 1)
    rho = np.interp(observed, expected[branch], RHOS[branch])
    rounded: FloatArray = np.where(squares > 0, np.round(rho * 100) / 100, 0.0)
    return rounded


def _residual_sums(
    design: FloatArray, sums: CrossProducts, beta: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Sum of e_t^2 and of e_t e_{t-1} of the residuals of `beta`, from the cross-products; both (v,)."""
    lag1 = design[1:].T @ design[:-1]
    squares = sums.yy - _dot(beta, sums.xy)
    return squares, sums.y1 - _dot(beta, sums.lagged) + _dot(beta, lag1 @ beta)


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
    design: FloatArray,
    noise_model: NoiseModel,
    covariance: Callable[[float], FloatArray] | None = None,
    expected: FloatArray | None = None,
) -> Estimates:
    """Fit one block of voxels.

    Parameters
    ----------
    data : (n, v), scaled data.
    design : (n, p).
    noise_model : "ols" for white noise, "ar1" for one AR(1) coefficient per voxel, "ar1_corrected" for one
        that is corrected for what the design removes.
    covariance : :func:`unscaled_covariance` of this design by rho; the cached one where blocks share it.
    expected : :func:`expected_autocorrelation` of this design, likewise; only "ar1_corrected" needs it.

    Returns
    -------
    Estimates, of the whitened model where the noise model is not "ols".

    Raises
    ------
    ValueError : where no degrees of freedom are left.
    """
    dof = degrees_of_freedom(design)
    if dof < 1:
        raise ValueError(f"{len(design)} scans leave no degrees of freedom to {design.shape[1]} regressors")
    covariance = covariance or cached_covariance(design)
    sums = cross_products(design, data)
    rho = np.zeros(data.shape[1])
    if noise_model == "ar1":
        rho = ar1_coefficients(design, sums, covariance(0.0) @ sums.xy)
    elif noise_model == "ar1_corrected":
        expected = expected_autocorrelation(design) if expected is None else expected
        rho = corrected_ar1_coefficients(design, sums, covariance(0.0) @ sums.xy, expected)
    xy = (1 + rho**2) * sums.xy - rho * sums.lagged - rho**2 * np.outer(design[-1], sums.last)
    beta = np.empty_like(xy)
    for value, voxels in groups(rho):
        beta[:, voxels] = covariance(value) @ xy[:, voxels]
    yy = sums.yy - 2 * rho * sums.y1 + rho**2 * (sums.yy - sums.last**2)
    explained = _dot(beta, xy)
    rsquared = _share_of_variance(design, sums, rho, beta, explained, yy)
    return Estimates(beta=beta, sigma2=np.maximum(yy - explained, 0.0) / dof, ar1=rho, rsquared=rsquared)


def _share_of_variance(
    design: FloatArray,
    sums: CrossProducts,
    rho: FloatArray,
    beta: FloatArray,
    explained: FloatArray,
    yy: FloatArray,
) -> FloatArray:
    """Variance over time of the fitted whitened series, as a share of that of the whitened data, (v,)."""
    n_scans = len(design)
    fitted = design.sum(axis=0) @ beta - rho * (design[:-1].sum(axis=0) @ beta)
    data = sums.total - rho * (sums.total - sums.last)
    variance = yy / n_scans - (data / n_scans) ** 2
    share = np.zeros_like(variance)
    np.divide(explained / n_scans - (fitted / n_scans) ** 2, variance, out=share, where=variance > 0)
    return share


def degrees_of_freedom(design: FloatArray) -> int:
    """Scans minus the rank of the design."""
    return len(design) - int(np.linalg.matrix_rank(design))


def groups(rho: FloatArray) -> list[tuple[float, npt.NDArray[np.intp]]]:
    """Each distinct value of `rho` (v,) with the indices of its voxels."""
    order = np.argsort(rho, kind="stable")
    values, starts = np.unique(rho[order], return_index=True)
    return [(float(value), voxels) for value, voxels in zip(values, np.split(order, starts[1:]), strict=True)]


def _dot(a: FloatArray, b: FloatArray) -> FloatArray:
    """Inner product of matching columns, (p, v) and (p, v) to (v,)."""
    product: FloatArray = np.einsum("pv,pv->v", a, b)
    return product
