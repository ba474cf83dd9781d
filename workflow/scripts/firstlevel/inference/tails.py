"""p and z of t and F, far out in their tails, too. Knows arrays only.

z is the normal quantile with the same tail: of the upper one where z > 0, of the lower one where z < 0. Its
logarithm says where z lies when p itself is too small for a number, so that strong effects differ in z.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from firstlevel.arrays import FloatArray

SMALLEST_P = 1e-300
LARGEST_P = 1 - 1e-16
"""p is clipped to these two, as by nilearn; z is not."""
FAR = 1e-200
"""Smaller tails are computed as logarithms; scipy's of F lose digits from 1e-256 on (q = 73)."""
LARGEST = np.finfo(np.float64).max
"""Infinite statistics count as this: z is finite, and in order."""
N_TERMS = 20
"""Of the continued fraction. Of tails below `FAR`, 5 suffice for 1e-14 (q to 1000, dof 1 to 1e6)."""


def t_to_z(t: npt.ArrayLike, dof: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """One-sided p of a larger t, and z with the same tail.

    Parameters
    ----------
    t : (v,), 0 has z = 0.
    dof : degrees of freedom above 0, of all voxels or (v,).

    Returns
    -------
    p, (v,), within `SMALLEST_P` and `LARGEST_P`; z, (v,), finite. Both NaN where t or dof is.

    Notes
    -----
    A tail of Student's distribution is half of I_x(dof / 2, 1 / 2), the regularised incomplete beta function,
    at x = dof / (dof + t^2) (Abramowitz and Stegun 1964, 26.7.1).
    """
    stat, nu = np.broadcast_arrays(np.asarray(t, np.float64), np.asarray(dof, np.float64))
    size = np.minimum(np.abs(stat), LARGEST)
    tail = special.stdtr(nu, -size)
    logarithm = _logarithm(tail)
    far = tail < FAR
    if far.any():
        ratio = 2 * np.log(size[far]) - np.log(nu[far])
        logarithm[far] = _log_beta_tail(ratio, nu[far] / 2, np.full(ratio.shape, 0.5)) - np.log(2)
    p = np.where(stat > 0, tail, special.stdtr(nu, size))
    z = -np.sign(stat) * special.ndtri_exp(logarithm) + 0.0  # no minus zero
    return np.clip(p, SMALLEST_P, LARGEST_P), z


def f_to_z(f: npt.ArrayLike, q: npt.ArrayLike, dof: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Probability p of a larger F, and z with the same tail: below 0 where F is less than its median.

    Parameters
    ----------
    f : (v,), at least 0.
    q, dof : degrees of freedom above 0 of effect and residuals, of all voxels or (v,).

    Returns
    -------
    p, (v,), within `SMALLEST_P` and `LARGEST_P`; z, (v,), finite. Both NaN where f, q or dof is. The lower
    tail ends at `SMALLEST_P`: F = 0 has z = -37.04.

    Notes
    -----
    The upper tail is I_x(dof / 2, q / 2) at x = dof / (dof + q F) (Abramowitz and Stegun 1964, 26.6.2).
    """
    stat, rows, nu = np.broadcast_arrays(*(np.asarray(values, np.float64) for values in (f, q, dof)))
    size = np.minimum(stat, LARGEST)
    upper, lower = np.asarray(special.fdtrc(rows, nu, size)), special.fdtr(rows, nu, size)
    logarithm = _logarithm(upper)
    far = upper < FAR
    if far.any():
        ratio = np.log(size[far]) + np.log(rows[far]) - np.log(nu[far])
        logarithm[far] = _log_beta_tail(ratio, nu[far] / 2, rows[far] / 2)
        upper[far] = np.exp(logarithm[far])
    z = -special.ndtri_exp(logarithm)
    z = np.where(z < 0, special.ndtri_exp(np.log(np.maximum(lower, SMALLEST_P))), z)
    return np.clip(upper, SMALLEST_P, LARGEST_P), z


def _logarithm(tail: FloatArray) -> FloatArray:
    """Logarithm of tails, -infinity of 0."""
    with np.errstate(divide="ignore"):
        logarithm: FloatArray = np.asarray(np.log(tail))
    return logarithm


def _log_beta_tail(ratio: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    """Logarithm of I_x(a, b), regularised incomplete beta function, well below its mean: x < a / (a + b).

    Parameters
    ----------
    ratio : (v,), log((1 - x) / x): neither a large x nor a large 1 - x is rounded to 1.
    a, b : (v,), above 0.

    Notes
    -----
    I_x(a, b) = x^a (1 - x)^b / B(a, b) / (beta_0 + alpha_1 / (beta_1 + alpha_2 / (beta_2 + ...))), the
    fraction of Didonato and Morris (1992, ACM Trans Math Softw 18:360-373, equation 9): no terms cancel.
    """
    log_x, log_rest = -np.logaddexp(0, ratio), -np.logaddexp(0, -ratio)
    x, rest = np.exp(log_x), np.exp(log_rest)
    fraction = np.full_like(x, np.inf)
    for m in range(N_TERMS, -1, -1):
        alpha = (m + 1) * (a + m) * (a + b + m) * (b - m - 1) * (x / (a + 2 * m + 1)) ** 2
        beta = m + m * (b - m) * x / (a + 2 * m - 1) if m else 0.0
        beta += (a + m) * (a * rest - b * x + 1 + m * (1 + rest)) / (a + 2 * m + 1)
        fraction = beta + alpha / fraction
    return a * log_x + b * log_rest - _log_beta(a, b) - np.log(fraction)


def _log_beta(a: FloatArray, b: FloatArray) -> FloatArray:
    """Logarithm of B(a, b); of a large a without a difference of two gamma functions, nearly equal and large.

    log G(a + b) - log G(a) is (a - 1/2) log(1 + b / a) + b log(a + b) - b and Stirling's series of each
    (Abramowitz and Stegun 1964, 6.1.41), whose next term is below 1e-16 from 30 on.
    """
    whole = a + b
    stirling = (a - 0.5) * np.log1p(b / a) + b * np.log(whole) - b + _series(whole) - _series(a)
    difference = np.where(a > 30, stirling, special.gammaln(whole) - special.gammaln(a))
    logarithm: FloatArray = special.gammaln(b) - difference
    return logarithm


def _series(a: FloatArray) -> FloatArray:
    """Stirling's series without its leading terms."""
    return (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / a**2) / a**2) / a**2) / a
