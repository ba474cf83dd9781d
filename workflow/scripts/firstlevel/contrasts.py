"""t and F contrasts of the fits of several runs, combined as fixed effects.

Works from what a fit keeps (betas, residual variance, AR(1) coefficients) and the design; the data are
not needed. Knows arrays only. R runs, p regressors, v voxels, q rows of a contrast.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from firstlevel import glm
from firstlevel.glm import FloatArray

RunWeights = Literal["equal", "precision"]

BLOCK = 8192
"""Voxels whose covariances, (v, q, q), are in memory at a time."""
ESTIMABLE_RTOL = 1e-6
"""Largest part of a contrast that may lie outside the row space of the design, relative to its norm."""


@dataclass(frozen=True)
class RunFit:
    """One run: the design (n, p), the estimates of its fit, and its residual degrees of freedom."""

    design: FloatArray
    estimates: glm.Estimates
    dof: int


@dataclass(frozen=True)
class Statistic:
    """A contrast tested at each voxel.

    Attributes
    ----------
    effect : (q, v), in units of the betas (approximate F: in units of the noise, see :func:`f_over_runs`).
    variance : (v,), of the effect (approximate F: the residual variance that the effect is compared with;
        exact F: (q, v), of each row of the effect).
    stat : (v,), t or F.
    p : (v,), one-sided p of a larger statistic than `stat`.
    z : (v,), the normal quantile of the same p.
    dof : residual degrees of freedom, summed over runs.
    """

    effect: FloatArray
    variance: FloatArray
    stat: FloatArray
    p: FloatArray
    z: FloatArray
    dof: int


def is_estimable(design: FloatArray, weights: FloatArray) -> bool:
    """Whether every row of `weights` (q, p) lies in the row space of `design` (n, p)."""
    norms = np.linalg.norm(design, axis=0)
    norms[norms == 0] = 1  # a regressor of zeros stays one
    design, weights = design / norms, weights / norms
    # what numpy's matrix_rank takes for nothing is nothing here, too
    inverse = np.linalg.pinv(design, rcond=max(design.shape) * np.finfo(np.float64).eps)
    outside = np.linalg.norm(weights - weights @ inverse @ design, axis=1)
    return bool(np.all(outside <= ESTIMABLE_RTOL * np.linalg.norm(weights, axis=1)))


def t_over_runs(
    runs: Sequence[RunFit], weights: Sequence[FloatArray], run_weights: RunWeights = "equal"
) -> Statistic:
    """Test c'b against 0, with the mean over runs as effect.

    Parameters
    ----------
    runs : R fits of the same voxels.
    weights : for each run, c as (1, p).
    run_weights : "equal" for the mean, "precision" for the mean weighted by inverse variance.

    Notes
    -----
    With v = sigma2 c'(Xw'Xw)^-1 c of each run, degrees of freedom are summed, and

    - equal: effect = sum(c'b) / R, variance = sum(v) / R^2, as nilearn's ``compute_fixed_effect_contrast``;
    - precision: effect = sum(c'b / v) / sum(1 / v), variance = 1 / sum(1 / v), as nilearn's
      ``compute_fixed_effects(precision_weighted=True)``. Where a run has no variance nothing is claimed.
    """
    n_voxels = runs[0].estimates.sigma2.size
    effect, variance = np.zeros((1, n_voxels)), np.zeros(n_voxels)
    precision, known = np.zeros(n_voxels), np.ones(n_voxels, dtype=bool)
    for run, c in zip(runs, weights, strict=True):
        of_run = np.empty(n_voxels)
        for rho, voxels in glm.groups(run.estimates.ar1):
            scale = (c @ glm.unscaled_covariance(run.design, rho) @ c.T).item()
            of_run[voxels] = scale * run.estimates.sigma2[voxels]
        if run_weights == "equal":
            effect += c @ run.estimates.beta / len(runs)
            variance += of_run / len(runs) ** 2
        else:
            known &= of_run > 0
            share = np.divide(1.0, of_run, out=np.zeros(n_voxels), where=of_run > 0)
            effect += c @ run.estimates.beta * share
            precision += share
    if run_weights == "precision":
        np.divide(1.0, precision, out=variance, where=known)
        effect *= variance
    dof = sum(run.dof for run in runs)
    stat = np.zeros_like(variance)
    np.divide(effect[0], np.sqrt(variance), out=stat, where=variance > 0)
    upper, lower = special.stdtr(dof, -stat), special.stdtr(dof, stat)
    return Statistic(effect, variance, stat, _clip(upper), z_from_p(upper, lower), dof)


def f_over_runs(runs: Sequence[RunFit], weights: Sequence[FloatArray]) -> Statistic:
    """Test C b = 0 jointly, by the approximate fixed effects of nilearn.

    Parameters
    ----------
    runs : R fits of the same voxels.
    weights : for each run, C as (q, p), of rank q.

    Notes
    -----
    The effect of a run is (C V C')^-1/2 C b with V = (Xw'Xw)^-1, the symmetric root: q independent
    numbers of variance sigma2 each. Effects are averaged over runs, variances summed over R^2, and
    F = sum(effect^2) / (q variance), with q and the summed degrees of freedom. Exact for one run.
    """
    q, n_voxels = len(weights[0]), runs[0].estimates.sigma2.size
    effect, variance = np.zeros((q, n_voxels)), np.zeros(n_voxels)
    for run, c in zip(runs, weights, strict=True):
        variance += run.estimates.sigma2 / len(runs) ** 2
        for rho, voxels in glm.groups(run.estimates.ar1):
            root = _inverse_root(c @ glm.unscaled_covariance(run.design, rho) @ c.T)
            effect[:, voxels] += root @ c @ run.estimates.beta[:, voxels] / len(runs)
    stat = np.zeros(n_voxels)
    np.divide(np.sum(effect**2, axis=0) / q, variance, out=stat, where=variance > 0)
    return _f_statistic(effect, variance, stat, runs)


def exact_f_over_runs(
    runs: Sequence[RunFit], weights: Sequence[FloatArray], run_weights: RunWeights = "equal"
) -> Statistic:
    """Test C b = 0 jointly, from the combined effects and their whole covariance at each voxel.

    Parameters
    ----------
    runs : R fits of the same voxels.
    weights : for each run, C as (q, p), of rank q.
    run_weights : "equal" for the mean over runs, "precision" for generalised least squares.

    Notes
    -----
    With e_r = C b and V_r = sigma2 C (Xw'Xw)^-1 C' of each run,

    - equal: e = sum(e_r) / R, V = sum(V_r) / R^2;
    - precision: V = sum(V_r^-1)^-1, e = V sum(V_r^-1 e_r);

    and F = e' V^-1 e / q, with q and the summed degrees of freedom. It tests that the mean over runs is
    0, and does not change where rows are recombined; the approximate F does. With one variance for all
    runs it is the F test of the stacked model (Searle 1971, Linear Models, section 3.6). Where a run has
    no variance (equal: where no run has) nothing is claimed.
    """
    q, n_voxels = len(weights[0]), runs[0].estimates.sigma2.size
    effect, variance, stat = np.zeros((q, n_voxels)), np.zeros((q, n_voxels)), np.zeros(n_voxels)
    unscaled = [_cached_unscaled(run, c) for run, c in zip(runs, weights, strict=True)]
    for start in range(0, n_voxels, BLOCK):
        block = slice(start, min(start + BLOCK, n_voxels))
        combined, whole = _combined(list(_rows_of_block(runs, weights, unscaled, block)), run_weights)
        known = np.einsum("vii->vi", whole).min(axis=1) > 0
        whole[~known] = np.eye(q)
        combined[~known] = 0.0
        solved = np.linalg.solve(whole, combined[..., np.newaxis])[..., 0]
        stat[block] = np.maximum(np.einsum("vq,vq->v", combined, solved), 0.0) / q
        effect[:, block] = combined.T
        variance[:, block] = np.einsum("vii->iv", whole) * known
    return _f_statistic(effect, variance, stat, runs)


def _cached_unscaled(run: RunFit, c: FloatArray) -> dict[float, FloatArray]:
    """C (Xw'Xw)^-1 C', (q, q), of each AR(1) coefficient of a run."""
    return {
        rho: c @ glm.unscaled_covariance(run.design, rho) @ c.T
        for rho in np.unique(run.estimates.ar1).tolist()
    }


def _rows_of_block(
    runs: Sequence[RunFit],
    weights: Sequence[FloatArray],
    unscaled: Sequence[dict[float, FloatArray]],
    block: slice,
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Effect (v, q) and covariance (v, q, q) of each run, for one block of v voxels."""
    for run, c, of_rho in zip(runs, weights, unscaled, strict=True):
        sigma2 = run.estimates.sigma2[block]
        covariance = np.empty((sigma2.size, len(c), len(c)))
        for rho, voxels in glm.groups(run.estimates.ar1[block]):
            covariance[voxels] = sigma2[voxels, np.newaxis, np.newaxis] * of_rho[rho]
        yield (c @ run.estimates.beta[:, block]).T, covariance


def _combined(
    of_runs: Sequence[tuple[FloatArray, FloatArray]], run_weights: RunWeights
) -> tuple[FloatArray, FloatArray]:
    """Effect (v, q) over runs and its covariance (v, q, q), zero where nothing can be said."""
    effect, covariance = np.zeros_like(of_runs[0][0]), np.zeros_like(of_runs[0][1])
    if run_weights == "equal" or len(of_runs) == 1:
        for e, v in of_runs:
            effect += e / len(of_runs)
            covariance += v / len(of_runs) ** 2
        return effect, covariance
    known = np.all([np.einsum("vii->vi", v).min(axis=1) > 0 for _, v in of_runs], axis=0)
    for e, v in of_runs:
        precision = np.linalg.inv(v[known])
        covariance[known] += precision
        effect[known] += np.einsum("vij,vj->vi", precision, e[known])
    covariance[known] = np.linalg.inv(covariance[known])
    effect[known] = np.einsum("vij,vj->vi", covariance[known], effect[known])
    return effect, covariance


def _f_statistic(
    effect: FloatArray, variance: FloatArray, stat: FloatArray, runs: Sequence[RunFit]
) -> Statistic:
    """F with q and the summed degrees of freedom."""
    q, dof = len(effect), sum(run.dof for run in runs)
    upper, lower = special.fdtrc(q, dof, stat), special.fdtr(q, dof, stat)
    return Statistic(effect, variance, stat, _clip(upper), z_from_p(upper, lower), dof)


def z_from_p(upper: FloatArray, lower: FloatArray) -> FloatArray:
    """Normal quantile with the same tail: from p of the upper tail where z > 0, of the lower where z < 0.

    Both tails are clipped to [1e-300, 1 - 1e-16], so that z stays finite (within 37.0).
    """
    z = -special.ndtri(_clip(upper))
    signed: FloatArray = np.where(z < 0, special.ndtri(_clip(lower)), z)
    return signed


def _clip(p: FloatArray) -> FloatArray:
    return np.clip(p, 1e-300, 1 - 1e-16)


def _inverse_root(matrix: FloatArray) -> FloatArray:
    """Symmetric inverse square root of a positive definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    root: FloatArray = (vectors / np.sqrt(values)) @ vectors.T
    return root
