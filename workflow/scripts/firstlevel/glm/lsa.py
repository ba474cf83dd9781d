"""Least squares all (LSA): one model with regressors for each trial. Knows arrays only.

Symbols: n scans, v voxels, m trials, k regressors of a trial, r the rank of the design.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from firstlevel.arrays import FloatArray
from firstlevel.glm import dependence
from firstlevel.glm.dependence import factorise
from firstlevel.glm.fit import groups
from firstlevel.glm.sums import Sums, dot, sums_over_time
from firstlevel.glm.trial_columns import TrialColumns
from firstlevel.glm.trial_models import Facts, Moments, TooManyError, own_variance, t_values
from firstlevel.glm.whitened import WhitenedBasis


@dataclass(frozen=True)
class Lsa:
    """LSA: one model with regressors for each trial.

    Attributes
    ----------
    base : basis of the whole design.
    on_base : (m, r), weights of the coefficients on the basis in each trial's beta.
    added, on_added : nothing is added to it for a trial, (0, n, m) and (0, m).
    facts : of the trials.
    """

    base: WhitenedBasis
    on_base: FloatArray
    added: FloatArray
    on_added: FloatArray
    facts: Facts
    n_models: int = 1

    @classmethod
    def of(cls, columns: TrialColumns) -> Lsa:
        """Model of the trials of a run."""
        n_scans, n_trials, n_own = columns.sampled.shape
        sampled = columns.sampled.copy()
        sampled[:, list(columns.empty)] = 0.0  # as in the design: what is left of them would take from others
        design = np.hstack([sampled.reshape(n_scans, -1), columns.others])
        factors = factorise(design)
        if factors.dof < 1:
            raise TooManyError(f"{n_scans} scans for {design.shape[1]} regressors of rank {factors.rank}")
        kept = np.zeros((n_trials, design.shape[1]))
        for place in range(n_trials):
            kept[place, n_own * place : n_own * (place + 1)] = columns.kept[place]
        basis = WhitenedBasis.of(factors.basis)
        weights = (kept @ factors.transform) @ (factors.basis.T @ basis.basis)
        reasons = columns.reasons
        is_full = factors.rank == design.shape[1]
        for place in range(n_trials):
            if not (is_full or place in reasons or factors.is_estimable(kept[[place]])):
                reasons[place] = _follows_from(columns, factors, place)
        inflation = np.sum(weights**2, axis=1) / own_variance(columns)
        added, on_added = np.empty((0, n_scans, n_trials)), np.empty((0, n_trials))
        return cls(basis, weights, added, on_added, Facts(np.full(n_trials, factors.dof), inflation, reasons))

    def basis_of(self, place: int) -> FloatArray:
        """Orthonormal basis of the model."""
        return self.base.basis

    def sums(self, data: FloatArray, *, is_white: bool = False) -> Sums:
        """Sums over time of a block of voxels, (n, v), whatever the noise."""
        return sums_over_time(self.base.basis, data)

    def moments(self, sums: Sums) -> Moments:
        """Moments of the residuals, (v, 1)."""
        return Moments(sums.squares[:, np.newaxis], sums.products[:, np.newaxis])

    def estimates(self, sums: Sums, rho: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Beta and t, (m, v) each, with coefficients `rho` (v, 1)."""
        rho = rho[:, 0]
        towards = self.base.towards(sums.lagged, sums.last, rho)
        change = self.base.solve(towards, rho)
        left = sums.squares - 2 * rho * sums.products + rho**2 * (sums.squares - sums.last**2)
        left -= dot(change, towards)
        beta = self.on_base @ (sums.coefficients + change)
        variance = np.empty_like(beta)
        for value, voxels in groups(rho):
            variance[:, voxels] = self.base.quadratic(self.on_base, value)[:, np.newaxis]
        variance /= self.facts.dof[:, np.newaxis]
        variance *= left
        return beta, t_values(beta, variance)


def _follows_from(columns: TrialColumns, factors: dependence.Factorisation, place: int) -> str:
    """Regressors and trials that a trial cannot be told apart from."""
    n_own = columns.n_own
    own = slice(n_own * place, n_own * (place + 1))
    concerned = np.flatnonzero(np.any(factors.outside[own] != 0, axis=0))
    n_trials = len(columns.events)
    rows = dict.fromkeys(columns.rows[k // n_own] for k in concerned if k < n_own * n_trials)
    rows.pop(columns.rows[place], None)
    names = [columns.names[k - n_own * n_trials] for k in concerned if k >= n_own * n_trials]
    trials = [f"the trials in rows {', '.join(map(str, rows))}"] if rows else []
    return f"its regressors follow from {' and '.join([*trials, *names]) or 'others'}"
