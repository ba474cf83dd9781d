"""t and F contrasts of the fits of several runs, combined as fixed effects.

Works from what a fit keeps (betas, residual variance, AR(1) coefficients) and the design; the data are
not needed. Knows arrays only. R runs, p regressors, v voxels, q rows of a contrast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from firstlevel import glm
from firstlevel.glm import FloatArray

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
    effect : (q, v), in units of the betas (F: in units of the noise, see :func:`f_over_runs`).
    variance : (v,), of the effect (F: the residual variance that the effect is compared with).
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
    inside = weights @ np.linalg.pinv(design) @ design
    outside = np.linalg.norm(weights - inside, axis=1)
    return bool(np.all(outside <= ESTIMABLE_RTOL * np.linalg.norm(weights, axis=1)))


def t_over_runs(runs: Sequence[RunFit], weights: Sequence[FloatArray]) -> Statistic:
    """Test c'b against 0, with the mean over runs as effect.

    Parameters
    ----------
    runs : R fits of the same voxels.
    weights : for each run, c as (1, p).

    Notes
    -----
    effect = sum(c'b) / R and variance = sum(sigma2 c'(Xw'Xw)^-1 c) / R^2, degrees of freedom summed:
    equal weights, as in nilearn's ``compute_fixed_effect_contrast``.
    """
    n_voxels = runs[0].estimates.sigma2.size
    effect, variance = np.zeros((1, n_voxels)), np.zeros(n_voxels)
    for run, c in zip(runs, weights, strict=True):
        effect += c @ run.estimates.beta / len(runs)
        for rho, voxels in glm.groups(run.estimates.ar1):
            scale = (c @ glm.unscaled_covariance(run.design, rho) @ c.T).item()
            variance[voxels] += scale * run.estimates.sigma2[voxels] / len(runs) ** 2
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
    dof = sum(run.dof for run in runs)
    stat = np.zeros(n_voxels)
    np.divide(np.sum(effect**2, axis=0) / q, variance, out=stat, where=variance > 0)
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
