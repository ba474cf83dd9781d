"""t and F contrasts of fits whose noise was learnt, over runs as fixed effects.

The variance of an effect depends on the noise process, of which a voxel has a posterior: variance and degrees
of freedom differ from voxel to voxel. See :mod:`firstlevel.glm.mixture_contrasts` for the arithmetic, and
:mod:`firstlevel.glm.contrasts` for fits with an AR(1) coefficient. Knows arrays only; symbols as there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from firstlevel.arrays import BoolArray, FloatArray, UInt8Array
from firstlevel.glm import mixture_contrasts, mixture_effects
from firstlevel.glm.contrasts import Coverage, RunFit, RunWeights, Statistic, Test, combined, runs_of_voxels
from firstlevel.glm.fit import Estimates
from firstlevel.glm.mixture import Weighted, from_bytes
from firstlevel.glm.mixture_effects import Rows
from firstlevel.inference.tails import f_to_z, t_to_z

BLOCK = 8192
"""Voxels whose t are in memory at a time; of F so many fewer, that their covariances take no more."""


@dataclass(frozen=True)
class LearntFit(RunFit):
    """One run whose noise was learnt: the design under each process, and the posterior (G, v) in 255ths."""

    weighted: Weighted
    posterior: UInt8Array

    def part(self, voxels: slice) -> LearntFit:
        """Return the fit of some voxels."""
        whole = self.estimates
        some = Estimates(
            whole.beta[:, voxels], whole.sigma2[voxels], whole.ar1[voxels], whole.rsquared[voxels]
        )
        return LearntFit(self.design, some, self.weighted, self.posterior[:, voxels])

    def rows(self, c: FloatArray) -> Rows:
        """Rows of a contrast of weights C (q, p) of the regressors."""
        return Rows.of(self.weighted, c @ self.design.factors.transform)

    def uncertain(self, rows: Rows) -> mixture_effects.Uncertain:
        """Covariance of C b at each voxel."""
        return mixture_effects.of_effect(rows, self.estimates.sigma2, from_bytes(self.posterior))


def over_runs(
    runs: Sequence[LearntFit],
    vectors: Sequence[FloatArray],
    test: Test,
    weights: RunWeights,
    coverage: Coverage,
) -> Statistic:
    """Test a contrast over runs by t or by the exact F.

    Raises
    ------
    ValueError : for the approximate F, which takes the variance of an effect for known but for a factor.

    Notes
    -----
    The effect is the mean over the runs that have the voxel, or the mean weighted by inverse variance. The t
    has the degrees of freedom of the t that is nearest to what the effect is, a mixture of them. F of one run
    has the mean over the posterior of the p of each process; over more runs it has such degrees of freedom.
    """
    if test == "approximate":
        raise ValueError("noise that is learnt has no approximate F")
    n_voxels = runs[0].estimates.sigma2.size
    step = max(1, BLOCK // len(vectors[0]) ** 2)
    rows = [run.rows(c) for run, c in zip(runs, vectors, strict=True)]
    parts = [
        _of_block(
            [run.part(slice(start, start + step)) for run in runs], vectors, rows, test, weights, coverage
        )
        for start in range(0, n_voxels, step)
    ]
    return Statistic(
        *(np.concatenate(of_parts, axis=-1) for of_parts in zip(*map(_fields, parts), strict=True))
    )


def _fields(statistic: Statistic) -> list[FloatArray]:
    return [getattr(statistic, field.name) for field in fields(statistic)]


def _of_block(
    runs: Sequence[LearntFit],
    vectors: Sequence[FloatArray],
    rows: Sequence[Rows],
    test: Test,
    weights: RunWeights,
    coverage: Coverage,
) -> Statistic:
    n_runs, _ = runs_of_voxels(runs, coverage)
    has: BoolArray = np.array([run.has & (n_runs > 0) for run in runs])
    effects = np.array([c @ run.estimates.beta for run, c in zip(runs, vectors, strict=True)])
    uncertain = [run.uncertain(of_run) for run, of_run in zip(runs, rows, strict=True)]
    if test == "t":
        found = mixture_contrasts.over_runs(uncertain, has, weights)
        effect = np.einsum("rv,rkv->kv", found.shares, effects)
        stat = np.zeros_like(found.variance)
        np.divide(effect[0], np.sqrt(found.variance), out=stat, where=found.variance > 0)
        p, z = t_to_z(stat, np.where(found.dof > 0, found.dof, 1.0))
        return Statistic(effect, found.variance, stat, p, z, found.dof, n_runs)
    of_runs = (
        (there, of_run.T[there], one.covariance[there])
        for there, of_run, one in zip(has, effects, uncertain, strict=True)
    )
    effect, covariance = combined(of_runs, n_runs, weights)
    variance = np.einsum("vii->iv", covariance)
    if len(runs) == 1:
        [run] = runs
        stat, p, z = mixture_contrasts.f_of_run(
            rows[0], effects[0], run.estimates.sigma2, from_bytes(run.posterior)
        )
        return Statistic(effect.T, variance, stat, p, z, np.where(n_runs > 0, run.design.dof, 0.0), n_runs)
    stat, dof = mixture_contrasts.f_over_runs(uncertain, effects, has, weights)
    p, z = f_to_z(stat, len(vectors[0]), np.where(dof > 0, dof, 1.0))
    return Statistic(effect.T, variance, stat, p, np.where(n_runs > 0, z, 0.0), dof, n_runs)
