"""t and F contrasts of the fits of several runs with AR(1) or white noise, combined as fixed effects.

Works from what a fit keeps (betas, residual variance, AR(1) coefficients) and the design; the data are
not needed. A run has a voxel where its residual variance there is above 0; each voxel is combined over the
runs that have it. Knows arrays only. R runs, p regressors, v voxels, q rows of a contrast.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from firstlevel.arrays import FloatArray
from firstlevel.glm import fit as glm
from firstlevel.inference.tails import f_to_z, t_to_z

RunWeights = Literal["equal", "precision"]
Coverage = Literal["all", "any"]
Test = Literal["t", "approximate", "exact"]

BLOCK = 8192
"""Voxels whose covariances, (v, q, q), are in memory at a time."""


@dataclass(frozen=True)
class RunFit:
    """One run: its design and the estimates of its fit."""

    design: glm.Design
    estimates: glm.Estimates

    @property
    def kinds(self) -> FloatArray:
        """What the noise of each voxel is, (v,): its AR(1) coefficient."""
        return self.estimates.ar1

    def covariance(self, kind: float) -> FloatArray:
        """Covariance of the betas, (p, p), of voxels of this kind of noise, where sigma is 1."""
        return self.design.covariance(kind)

    @property
    def has(self) -> npt.NDArray[np.bool_]:
        """Voxels that the run has, (v,): covered, and not constant over time."""
        return self.estimates.sigma2 > 0


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
    z : (v,), the normal quantile of the same p; 0 where nothing was tested.
    dof : (v,), residual degrees of freedom, summed over the runs that have the voxel.
    n_runs : (v,), number of these runs; 0 where nothing was tested.
    """

    effect: FloatArray
    variance: FloatArray
    stat: FloatArray
    p: FloatArray
    z: FloatArray
    dof: FloatArray
    n_runs: npt.NDArray[np.int64]

    def margin(self, confidence: float) -> FloatArray:
        """Half of the width of the interval about the effect, (v,), by t; 0 where nothing was tested."""
        known = np.where(self.dof > 0, self.dof, 1.0)  # below 1 where little is known of learnt noise
        quantile = special.stdtrit(known, (1 + confidence) / 2)
        width: FloatArray = quantile * np.sqrt(self.variance)
        return width

    @classmethod
    def missing(cls, n_voxels: int) -> Statistic:
        """NaN at every voxel: no run can estimate the contrast."""
        of_row, of_voxel = np.full((1, n_voxels), np.nan), np.full(n_voxels, np.nan)
        n_runs = np.zeros(n_voxels, dtype=np.int64)
        return cls(of_row, of_voxel, of_voxel, of_voxel, of_voxel, np.zeros(n_voxels), n_runs)


def over_runs(
    runs: Sequence[RunFit],
    vectors: Sequence[FloatArray],
    test: Test,
    weights: RunWeights,
    coverage: Coverage,
) -> Statistic:
    """Test a contrast over runs by t, or by the approximate or exact F."""
    if test == "t":
        return t_over_runs(runs, vectors, weights, coverage)
    if test == "exact":
        return exact_f_over_runs(runs, vectors, weights, coverage)
    return f_over_runs(runs, vectors, coverage)


def t_over_runs(
    runs: Sequence[RunFit],
    weights: Sequence[FloatArray],
    run_weights: RunWeights = "equal",
    coverage: Coverage = "any",
) -> Statistic:
    """Test c'b against 0, with the mean over runs as effect.

    Parameters
    ----------
    runs : R fits of the same voxels.
    weights : for each run, c as (1, p).
    run_weights : "equal" for the mean, "precision" for the mean weighted by inverse variance.
    coverage : "any" combines each voxel over the runs that have it, "all" tests only voxels that all have.

    Notes
    -----
    With v = sigma2 c'(Xw'Xw)^-1 c of each of the R runs that have the voxel, degrees of freedom are summed,

    - equal: effect = sum(c'b) / R, variance = sum(v) / R^2, as nilearn's ``compute_fixed_effect_contrast``;
    - precision: effect = sum(c'b / v) / sum(1 / v), variance = 1 / sum(1 / v), as nilearn's
      ``compute_fixed_effects(precision_weighted=True)``.
    """
    n_runs, dof = runs_of_voxels(runs, coverage)
    effect, total = np.zeros((1, n_runs.size)), np.zeros(n_runs.size)
    for run, c in zip(runs, weights, strict=True):
        tested = run.has & (n_runs > 0)
        of_run = np.empty(n_runs.size)
        for rho, voxels in glm.groups(run.kinds):
            of_run[voxels] = (c @ run.covariance(rho) @ c.T).item() * run.estimates.sigma2[voxels]
        share = np.where(tested, 1.0, 0.0)
        if run_weights == "precision":
            np.divide(1.0, of_run, out=share, where=tested)
        effect += c @ run.estimates.beta * share
        total += np.where(tested, of_run, 0.0) if run_weights == "equal" else share
    variance = np.zeros_like(total)
    if run_weights == "equal":
        effect /= np.maximum(n_runs, 1)
        np.divide(total, n_runs**2, out=variance, where=n_runs > 0)
    else:
        np.divide(1.0, total, out=variance, where=n_runs > 0)
        effect *= variance
    stat = np.zeros_like(variance)
    np.divide(effect[0], np.sqrt(variance), out=stat, where=variance > 0)
    p, z = t_to_z(stat, np.maximum(dof, 1.0))  # where nothing is tested t is 0, and so is z
    return Statistic(effect, variance, stat, p, z, dof, n_runs)


def runs_of_voxels(runs: Sequence[RunFit], coverage: Coverage) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Number of runs that each voxel is combined over, and the sum of their degrees of freedom, both (v,)."""
    has = np.array([run.has for run in runs])
    if coverage == "all":
        has &= has.all(axis=0)
    dof: FloatArray = has.T.astype(np.float64) @ [run.design.dof for run in runs]
    return has.sum(axis=0), dof


def f_over_runs(
    runs: Sequence[RunFit], weights: Sequence[FloatArray], coverage: Coverage = "any"
) -> Statistic:
    """Test C b = 0 jointly, by the approximate fixed effects of nilearn.

    Parameters
    ----------
    runs : R fits of the same voxels.
    weights : for each run, C as (q, p), of rank q.
    coverage : see :func:`t_over_runs`.

    Notes
    -----
    The effect of a run is (C V C')^-1/2 C b with V = (Xw'Xw)^-1, the symmetric root: q independent
    numbers of variance sigma2 each. Effects are averaged over the R runs that have the voxel, variances
    summed over R^2, and F = sum(effect^2) / (q variance), with q and the summed degrees of freedom. Exact
    for one run.
    """
    q = len(weights[0])
    n_runs, dof = runs_of_voxels(runs, coverage)
    effect, variance = np.zeros((q, n_runs.size)), np.zeros(n_runs.size)
    for run, c in zip(runs, weights, strict=True):
        tested = run.has & (n_runs > 0)
        variance += np.where(tested, run.estimates.sigma2, 0.0)
        for rho, alike in glm.groups(run.kinds):
            voxels = alike[tested[alike]]
            root = _inverse_root(c @ run.covariance(rho) @ c.T)
            effect[:, voxels] += root @ c @ run.estimates.beta[:, voxels]
    effect /= np.maximum(n_runs, 1)
    variance /= np.maximum(n_runs, 1) ** 2
    stat = np.zeros(n_runs.size)
    np.divide(np.sum(effect**2, axis=0) / q, variance, out=stat, where=variance > 0)
    return _f_statistic(effect, variance, stat, dof, n_runs)


def exact_f_over_runs(
    runs: Sequence[RunFit],
    weights: Sequence[FloatArray],
    run_weights: RunWeights = "equal",
    coverage: Coverage = "any",
) -> Statistic:
    """Test C b = 0 jointly, from the combined effects and their whole covariance at each voxel.

    Parameters
    ----------
    runs : R fits of the same voxels.
    weights : for each run, C as (q, p), of rank q.
    run_weights : "equal" for the mean over runs, "precision" for generalised least squares.
    coverage : see :func:`t_over_runs`.

    Notes
    -----
    With e_r = C b and V_r = sigma2 C (Xw'Xw)^-1 C' of each run that has the voxel, R of them,

    - equal: e = sum(e_r) / R, V = sum(V_r) / R^2;
    - precision: V = sum(V_r^-1)^-1, e = V sum(V_r^-1 e_r);

    and F = e' V^-1 e / q, with q and the summed degrees of freedom. It tests that the mean over runs is
    0, and does not change where rows are recombined; the approximate F does. With one variance for all
    runs it is the F test of the stacked model (Searle 1971, Linear Models, section 3.6).
    """
    q = len(weights[0])
    n_runs, dof = runs_of_voxels(runs, coverage)
    effect, variance, stat = np.zeros((q, n_runs.size)), np.zeros((q, n_runs.size)), np.zeros(n_runs.size)
    unscaled = [
        {rho: c @ run.covariance(rho) @ c.T for rho in np.unique(run.kinds).tolist()}
        for run, c in zip(runs, weights, strict=True)
    ]
    for start in range(0, n_runs.size, BLOCK):
        block = slice(start, min(start + BLOCK, n_runs.size))
        of_runs = _of_block(runs, weights, unscaled, block, n_runs[block] > 0)
        effect_of_block, whole = combined(of_runs, n_runs[block], run_weights)
        known = n_runs[block] > 0
        whole[~known] = np.eye(q)
        solved = np.linalg.solve(whole, effect_of_block[..., np.newaxis])[..., 0]
        stat[block] = np.maximum(np.einsum("vq,vq->v", effect_of_block, solved), 0.0) / q
        effect[:, block] = effect_of_block.T
        variance[:, block] = np.einsum("vii->iv", whole) * known
    return _f_statistic(effect, variance, stat, dof, n_runs)


def _of_block(
    runs: Sequence[RunFit],
    weights: Sequence[FloatArray],
    unscaled: Sequence[dict[float, FloatArray]],
    block: slice,
    tested: npt.NDArray[np.bool_],
) -> Iterator[tuple[npt.NDArray[np.bool_], FloatArray, FloatArray]]:
    """Of each run, the voxels of one block that it has, with their effect (v, q) and covariance (v, q, q)."""
    for run, c, of_rho in zip(runs, weights, unscaled, strict=True):
        has = run.has[block] & tested
        sigma2 = run.estimates.sigma2[block]
        covariance = np.empty((sigma2.size, len(c), len(c)))
        for rho, voxels in glm.groups(run.kinds[block]):
            covariance[voxels] = sigma2[voxels, np.newaxis, np.newaxis] * of_rho[rho]
        yield has, (c @ run.estimates.beta[:, block]).T[has], covariance[has]


def combined(
    of_runs: Iterator[tuple[npt.NDArray[np.bool_], FloatArray, FloatArray]],
    n_runs: npt.NDArray[np.int64],
    run_weights: RunWeights,
) -> tuple[FloatArray, FloatArray]:
    """Effect (v, q) over runs and its covariance (v, q, q), zero where no run has the voxel."""
    sums: tuple[FloatArray, FloatArray] | None = None
    for has, effect, covariance in of_runs:
        if sums is None:
            q = effect.shape[1]
            sums = np.zeros((n_runs.size, q)), np.zeros((n_runs.size, q, q))
        if run_weights == "precision":
            precision = np.linalg.inv(covariance)
            sums[0][has] += np.einsum("vij,vj->vi", precision, effect)
            sums[1][has] += precision
        else:
            sums[0][has] += effect
            sums[1][has] += covariance
    assert sums is not None
    known = n_runs > 0
    if run_weights == "precision":
        sums[1][known] = np.linalg.inv(sums[1][known])
        sums[0][known] = np.einsum("vij,vj->vi", sums[1][known], sums[0][known])
        return sums
    divisor = np.maximum(n_runs, 1)
    return sums[0] / divisor[:, np.newaxis], sums[1] / divisor[:, np.newaxis, np.newaxis] ** 2


def _f_statistic(
    effect: FloatArray,
    variance: FloatArray,
    stat: FloatArray,
    dof: FloatArray,
    n_runs: npt.NDArray[np.int64],
) -> Statistic:
    """F with q and the summed degrees of freedom."""
    p, z = f_to_z(stat, len(effect), np.maximum(dof, 1.0))
    return Statistic(effect, variance, stat, p, np.where(n_runs > 0, z, 0.0), dof, n_runs)


def _inverse_root(matrix: FloatArray) -> FloatArray:
    """Symmetric inverse square root of a positive definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    root: FloatArray = (vectors / np.sqrt(values)) @ vectors.T
    return root
