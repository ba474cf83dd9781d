"""Contrasts of fits with a mixture of noise processes, from what is saved of them; no data are needed.

The noise of a voxel being process g, with the posterior probability w_g, an effect has the covariance
V_g = sigma2_g C (Q' V^-1 Q)^-1 C' and is a t or F on n - r degrees of freedom. The residual variance sigma2_g
of each process is not saved: it follows from the posterior, whose likelihood is a power of it.

Arrays only. Symbols as in :mod:`firstlevel.glm.mixture`; R runs, k rows of a contrast. Contrasts are given on
the basis of the design: for weights C (k, p) of the regressors these are C T, with T the transform of
:class:`firstlevel.glm.dependence.Factorisation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from firstlevel.arrays import BoolArray, FloatArray
from firstlevel.glm.mixture_effects import (
    BLOCK,
    Rows,
    Uncertain,
    covariance_of_differences,
    relative_sigma2,
)
from firstlevel.inference.tails import LARGEST_P, SMALLEST_P, f_to_z

FEW = 4.5
"""Degrees of freedom up to which the fourth moment of a t, infinite up to 4, is not matched."""
RunWeights = Literal["equal", "precision"]


@dataclass(frozen=True)
class Combined:
    """One effect over runs.

    Attributes
    ----------
    shares : (R, v), weight of each run in the effect, 0 where it does not count.
    variance : (v,), of the effect: effect / sqrt(variance) is a t. 0 where no run counts.
    dof : (v,), degrees of freedom of that t; 0 where no run counts.
    """

    shares: FloatArray
    variance: FloatArray
    dof: FloatArray


def over_runs(runs: Sequence[Uncertain], has: BoolArray, weights: RunWeights = "equal") -> Combined:
    """Combine an effect of one row over runs.

    Parameters
    ----------
    runs : R.
    has : (R, v), runs that count at a voxel.
    weights : of the runs: "equal", or "precision" for those of the inverse variance.

    Notes
    -----
    The variance of sum(p_r e_r) is V = sum(p_r^2 V_r). Its degrees of freedom as an estimate are
    Satterthwaite's, V^2 / sum(p_r^4 V_r^2 / (n_r - r_r)), the sum of those of the runs where all are alike;
    its spread over the posteriors, which are independent, sum(p_r^4 V_r^2 spread_r) / V^2. See
    :func:`matched` for what both are to a t. Weights of precision come from the estimates themselves: runs
    that seem less noisy than they are weigh more. V is larger for it, by :func:`_chosen`.
    """
    variance = np.array([run.variance for run in runs])
    counts = has & (variance > 0)
    shares = counts.astype(np.float64)
    if weights == "precision":
        np.divide(1.0, variance, out=shares, where=counts)
    total = shares.sum(axis=0)
    np.divide(shares, total, out=shares, where=total > 0)
    return Combined(shares, *_of_parts(runs, shares**2 * variance, weights))


def _of_parts(
    runs: Sequence[Uncertain], parts: FloatArray, weights: RunWeights
) -> tuple[FloatArray, FloatArray]:
    """Variance and degrees of freedom, (v,), of a sum of independent parts of such variances, (R, v)."""
    whole = parts.sum(axis=0)
    tested = whole > 0
    parts = np.divide(parts, whole, out=np.zeros_like(parts), where=tested)
    if weights == "precision":
        whole = whole * _chosen(runs, parts)
    spread = np.einsum("rv,rv->v", parts**2, np.array([run.spread for run in runs]))
    inverse = np.einsum("rv,r->v", parts**2, np.array([1 / run.dof for run in runs]))
    dof = np.divide(1.0, inverse, out=np.ones_like(whole), where=tested)
    factor, dof = matched(spread, dof)
    return whole * factor, np.where(tested, dof, 0.0)


def _chosen(runs: Sequence[Uncertain], parts: FloatArray) -> FloatArray:
    """Factor of the variance of a mean with estimated weights, of which each run has such a part, (v,).

    1 + 4 sum(part (1 - part) / nu), nu the degrees of freedom of each run's own t (Meier 1953, Biometrics
    9:59-73).
    """
    factor = np.ones(parts.shape[1])
    for run, part in zip(runs, parts, strict=True):
        _, dof = matched(run.spread, np.full(part.size, float(run.dof)))
        factor += 4 * part * (1 - part) / dof
    return factor


def matched(spread: FloatArray, dof: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Factor of the variance and degrees of freedom of the t that is nearest to a mixture of t, both (v,).

    Parameters
    ----------
    spread : (v,), of the variance relative to its mean.
    dof : (v,), of its estimate.

    Notes
    -----
    x is normal of a variance S dof / chi2, S of mean 1 and variance `spread`. Its second and fourth moment
    are those of a t: with the excess kurtosis k = 3 (dof - 2) / (dof - 4) (1 + spread) - 3, on nu = 4 + 6 / k
    degrees of freedom. Up to `FEW` the mean and variance of the logarithm of that variance are matched, S
    taken as log-normal: trigamma(nu / 2) = trigamma(dof / 2) + log(1 + spread). That makes small p larger.
    """
    few = dof <= FEW
    many = np.where(few, FEW + 1, dof)
    nu = 4 + 2 * (many - 4) / (2 + (many - 2) * spread)  # 4 + 6 / k, without the difference
    factor = many / (many - 2) * (nu - 2) / nu
    if few.any():
        less, wide = dof[few], np.log1p(spread[few])
        fewer = 2 * inverse_trigamma(special.polygamma(1, less / 2) + wide)
        logarithm = -wide / 2 + np.log(less / fewer) - special.psi(less / 2) + special.psi(fewer / 2)
        nu[few], factor[few] = fewer, np.exp(logarithm)
    return factor, nu


def f_of_run(
    rows: Rows, effect: FloatArray, sigma2: FloatArray, posterior: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """F, p and z of C b = 0 in one run, each (v,): p is the mean over the posterior of that of each process.

    Parameters
    ----------
    rows : C, of rank k.
    effect : C b, (k, v).
    sigma2, posterior : as in :func:`of_effect`.

    Notes
    -----
    F is that of the mean covariance, for the eye: p and z are not functions of it alone. Where there is no
    noise, F is 0, as z is. Both tails are averaged: p near 1 says nothing of where z is. p has the limits of
    :func:`firstlevel.inference.tails.f_to_z`, and z is finite.
    """
    weighted, unscaled, n_rows, n_voxels = rows.weighted, rows.unscaled, rows.n, sigma2.size
    stat, z = np.zeros((2, n_voxels))
    p = np.ones(n_voxels)
    for start in range(0, n_voxels, BLOCK):
        block = np.flatnonzero(sigma2[start : start + BLOCK] > 0) + start
        w, e = posterior[:, block], effect[:, block].T / np.sqrt(sigma2[block, np.newaxis])
        scales = relative_sigma2(weighted, w)
        differing = covariance_of_differences(rows.between, w, scales)
        mean = np.einsum("gv,gij->vij", w * scales, unscaled) + differing
        stat[block] = _quadratic(e, mean) / n_rows
        upper, lower = np.full((2, *w.shape), -np.inf)
        for g, of_process in enumerate(unscaled):
            at = w[g] > 0
            covariance = scales[g, at, np.newaxis, np.newaxis] * of_process + differing[at]
            _, of_each = f_to_z(_quadratic(e[at], covariance) / n_rows, n_rows, weighted.dof)
            upper[g, at] = np.log(w[g, at]) + special.log_ndtr(-of_each)
            lower[g, at] = np.log(w[g, at]) + special.log_ndtr(of_each)
        above, below = _log_of_sum(upper), _log_of_sum(lower)
        p[block] = np.clip(np.exp(above), SMALLEST_P, LARGEST_P)
        z[block] = np.where(above < below, -special.ndtri_exp(above), special.ndtri_exp(below))
    return stat, p, z


def _log_of_sum(logarithms: FloatArray) -> FloatArray:
    """Logarithm of the sum of the probabilities (G, v) with these logarithms, (v,), at most 0."""
    largest = logarithms.max(axis=0)
    found: FloatArray = np.minimum(largest + np.log(np.exp(logarithms - largest).sum(axis=0)), 0.0)
    return found


def f_over_runs(
    runs: Sequence[Uncertain],
    effects: FloatArray,
    has: BoolArray,
    weights: RunWeights = "equal",
) -> tuple[FloatArray, FloatArray]:
    """F of C b = 0 over runs and its degrees of freedom, both (v,), from whole covariances.

    Parameters
    ----------
    runs : R, of k rows.
    effects : (R, k, v), C b of each run.
    has, weights : as in :func:`over_runs`.

    Notes
    -----
    The exact F of :func:`firstlevel.glm.contrasts.exact_f_over_runs`, with mean covariances; degrees of
    freedom and spread as in :func:`over_runs`, a run's part being its share in the trace of V^-1 V. F is
    divided by the factor of :func:`matched`.
    """
    n_rows, n_voxels = effects.shape[1:]
    stat, parts = np.zeros(n_voxels), np.zeros((len(runs), n_voxels))
    for start in range(0, n_voxels, BLOCK):
        block = slice(start, min(start + BLOCK, n_voxels))
        stat[block], parts[:, block] = _f_of_block(runs, effects, has, weights, block)
    factor, dof = _of_parts(runs, parts, weights)
    np.divide(stat, n_rows * factor, out=stat, where=factor > 0)
    return stat, dof


def _f_of_block(
    runs: Sequence[Uncertain], effects: FloatArray, has: BoolArray, weights: RunWeights, block: slice
) -> tuple[FloatArray, FloatArray]:
    """The quadratic form e' V^-1 e of a block of voxels, and the part of each run in V, (R, v)."""
    covariances = np.array([run.covariance[block] for run in runs])
    counts: BoolArray = np.logical_and(has[:, block], covariances[..., 0, 0] > 0)
    tested = np.asarray(counts.any(axis=0))
    unit = np.eye(effects.shape[1])
    precisions = np.linalg.inv(np.where(counts[..., np.newaxis, np.newaxis], covariances, unit))
    n_runs = np.maximum(counts.sum(axis=0), 1)[:, np.newaxis, np.newaxis]
    if weights == "precision":
        precision = np.einsum("rv,rvij->vij", counts, precisions)
        whole = np.linalg.inv(np.where(tested[:, np.newaxis, np.newaxis], precision, unit))
        shares = whole @ precisions
    else:
        whole = np.einsum("rv,rvij->vij", counts, covariances) / n_runs**2
        whole = np.where(tested[:, np.newaxis, np.newaxis], whole, unit)
        precision, shares = np.linalg.inv(whole), np.broadcast_to(unit / n_runs, precisions.shape)
    effect = np.einsum("rv,rvij,rjv->vi", counts, shares, effects[:, :, block], optimize=True)
    owned = shares @ covariances @ shares.transpose(0, 1, 3, 2)
    parts = np.einsum("rv,vij,rvji->rv", counts, precision, owned, optimize=True) / len(unit)
    return np.maximum(np.einsum("vi,vij,vj->v", effect, precision, effect), 0.0) * tested, parts


def _quadratic(e: FloatArray, covariance: FloatArray) -> FloatArray:
    """Quadratic form e' V^-1 e, (v,), of e (v, k) and V (v, k, k)."""
    solved = np.linalg.solve(covariance, e[..., np.newaxis])[..., 0]
    product: FloatArray = np.maximum(np.einsum("vk,vk->v", e, solved), 0.0)
    return product


def inverse_trigamma(value: FloatArray) -> FloatArray:
    """The x with trigamma(x) = value > 0, by Newton's steps from below (Smyth 2004)."""
    x = 0.5 + 1 / value
    for _ in range(8):
        trigamma = special.polygamma(1, x)
        x = x + trigamma * (1 - trigamma / value) / special.polygamma(2, x)
    found: FloatArray = x
    return found
