"""Least squares separate (LSS): a model for each trial, of which none reads the data. Knows arrays only.

A trial and the others of its condition span what the trial and the whole condition span. So all models
share a base, the design of the conditions, and each adds to it a few regressors, made orthogonal to the base.
With e what the base leaves of the data and A all that is added, A'e and the sums of A's neighbours in time
with e hold all that any model needs: the autocorrelation of its residuals, and its whitened fit with a
coefficient of its own.

Symbols: n scans, v voxels, m trials, k regressors of a trial; Q (n, r) basis of the base; A (k, n, m), A_i
those of a trial; M = [Q, A_i]'V^-1 [Q, A_i] of a trial's model, whitened with the AR(1) coefficient rho.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import FloatArray
from firstlevel.glm import dependence, noise
from firstlevel.glm.dependence import SMALLEST, factorise
from firstlevel.glm.run_sums import neighbours
from firstlevel.glm.sums import dot
from firstlevel.glm.trial_columns import TrialColumns
from firstlevel.glm.trial_models import Facts, Moments, TooManyError, own_variance, t_values
from firstlevel.glm.whitened import WhitenedBasis


class BaseSums(NamedTuple):
    """Sums over time of a block of voxels, of what the base leaves of the data, e.

    `coefficients` on the base and `lagged` are (r, v), `squares`, `products` and `last` (v,); `own` is A'e
    and `beside` the same of A's neighbours, (k, v, m); of white noise it is not needed.
    """

    coefficients: FloatArray
    lagged: FloatArray
    squares: FloatArray
    products: FloatArray
    last: FloatArray
    own: FloatArray
    beside: FloatArray | None


class Whitened(NamedTuple):
    """Of all trials' models at one rho, in blocks of M.

    Attributes
    ----------
    across : (k, r + 1, m), of Q and A_i, and last what the last scan's residual takes.
    roots : (k, k, m), R with R'R = S^-1; S is what is left of A_i once Q is taken off, a Schur complement.
    weights : (k, m), of R times what is left of A_i'V^-1 e, in the beta.
    variance : (m,), of the beta over the noise's.
    """

    across: FloatArray
    roots: FloatArray
    weights: FloatArray
    variance: FloatArray


@dataclass(frozen=True)
class Lss:
    """LSS: a model for each trial, all on one base.

    Attributes
    ----------
    base : basis of the design of the conditions.
    added : A, (k, n, m), orthonormal within a trial and orthogonal to the base; 0 where a trial adds less.
    beside : neighbours in time of A.
    shifted : (k, k, m), A_i[1:]'A_i[:-1].
    on_base : (m, r), weights of the coefficients on the base in each trial's beta.
    on_added : (k, m), and of those on A.
    facts : of the trials.
    """

    base: WhitenedBasis
    added: FloatArray
    beside: FloatArray
    shifted: FloatArray
    on_base: FloatArray
    on_added: FloatArray
    facts: Facts
    _whitened: dict[float, Whitened] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, columns: TrialColumns) -> Lss:
        """Models of the trials of a run."""
        n_scans, n_trials, n_own = columns.sampled.shape
        conditions = columns.sums()
        base = factorise(np.hstack([conditions.reshape(n_scans, -1), columns.others]))
        if base.dof < n_own + 1:
            raise TooManyError(f"{n_scans} scans for {base.rank + n_own} regressors of one trial's model")
        basis = WhitenedBasis.of(base.basis)
        q = basis.basis
        added = np.zeros((n_own, n_scans, n_trials))
        on_base, on_added = np.zeros((n_trials, base.rank)), np.zeros((n_own, n_trials))
        others_on_base = q.T @ columns.others
        reasons, variance = columns.reasons, np.full(n_trials, np.inf)
        for place in range(n_trials):
            own, mine = columns.sampled[:, place], int(columns.condition_of[place])
            a = _beyond(q, own)
            added[: a.shape[1], :, place] = a.T
            both = np.hstack([q, a])
            of_conditions = conditions.copy()
            of_conditions[:, mine] -= own
            small = both.T @ np.hstack([own, of_conditions.reshape(n_scans, -1)])
            rest = np.vstack([others_on_base, np.zeros((a.shape[1], others_on_base.shape[1]))])
            factors = factorise(np.hstack([small, rest]))
            kept = np.zeros((1, factors.transform.shape[0]))
            kept[0, :n_own] = columns.kept[place]
            weights = factors.basis @ (kept[0] @ factors.transform)
            on_base[place] = weights[: base.rank]
            on_added[: a.shape[1], place] = weights[base.rank :]
            variance[place] = weights @ weights
            if place not in reasons and not factors.is_estimable(kept):
                reasons[place] = "its regressors follow from those of the conditions and of no interest"
        n_added = np.count_nonzero(added.any(axis=1), axis=0)
        return cls(
            base=basis,
            added=added,
            beside=np.array([neighbours(each) for each in added]),
            shifted=np.einsum("knm,lnm->klm", added[:, 1:], added[:, :-1]),
            on_base=on_base,
            on_added=on_added,
            facts=Facts(base.dof - n_added, variance / own_variance(columns), reasons),
        )

    @property
    def n_models(self) -> int:
        """One for each trial."""
        return int(self.added.shape[2])

    def basis_of(self, place: int) -> FloatArray:
        """Orthonormal basis of the model of a trial."""
        own = self.added[:, :, place].T
        return np.hstack([self.base.basis, own[:, own.any(axis=0)]])

    def sums(self, data: FloatArray, *, is_white: bool = False) -> BaseSums:
        """Sums over time of a block of voxels, (n, v)."""
        q = self.base.basis
        coefficients = q.T @ data
        e = data - q @ coefficients
        across = e.T.copy()
        return BaseSums(
            coefficients=coefficients,
            lagged=neighbours(q).T @ e,
            squares=dot(e, e),
            products=dot(e[1:], e[:-1]),
            last=e[-1].copy(),
            own=across @ self.added,
            beside=None if is_white else across @ self.beside,
        )

    def moments(self, sums: BaseSums) -> Moments:
        """Moments of the residuals of each model: those of the base, less what A_i takes, (v, m)."""
        assert sums.beside is not None
        squares = np.repeat(sums.squares[:, np.newaxis], self.n_models, axis=1)
        products = np.repeat(sums.products[:, np.newaxis], self.n_models, axis=1)
        for own, beside, shifted in zip(sums.own, sums.beside, self.shifted, strict=True):
            squares -= own**2
            left = -beside
            for other, of_both in zip(sums.own, shifted, strict=True):
                left += of_both * other
            products += own * left
        return Moments(np.maximum(squares, 0.0), products)

    def estimates(self, sums: BaseSums, rho: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Beta and t, (m, v) each, with the coefficients `rho` (v, m).

        Notes
        -----
        With u the whitened base's answer to e, and d what is left of A_i'V^-1 e, the coefficients of A_i are
        S^-1 d with the Schur complement S, the residual sum of squares is that of the base less d'S^-1 d, and
        the beta is the base's less what its own regressors explain. Each step is taken for all trials of the
        voxels in which some trial has that rho.
        """
        bins = np.rint(rho / noise.AR1_STEP).astype(np.int16)
        lowest, highest = bins.min(axis=1), bins.max(axis=1)
        first, last = int(lowest.min()), int(highest.max())
        if first == last:  # as with white noise
            beta, t = self._at(sums, slice(None), first * noise.AR1_STEP)
            return beta.T, t.T
        beta, t = np.empty_like(rho), np.empty_like(rho)
        for one in range(first, last + 1):
            voxels = np.flatnonzero((lowest <= one) & (one <= highest))
            here = bins[voxels] == one
            some = here.any(axis=1)
            if not some.any():
                continue
            if not some.all():
                voxels, here = voxels[some], here[some]
            for values, target in zip(self._at(sums, voxels, one * noise.AR1_STEP), (beta, t), strict=True):
                rows = target[voxels]
                np.copyto(rows, values, where=here)
                target[voxels] = rows
        return beta.T, t.T

    def _at(
        self, sums: BaseSums, voxels: slice | npt.NDArray[np.intp], rho: float
    ) -> tuple[FloatArray, FloatArray]:
        """Beta and t of some voxels, (v, m), as if the coefficient of all were `rho`."""
        models = self._models(rho)
        last, coefficients = sums.last[voxels], sums.coefficients[:, voxels]
        left = sums.squares[voxels]
        d = sums.own[:, voxels]
        if rho and sums.beside is not None:
            left = left - 2 * rho * sums.products[voxels] + rho**2 * (left - last**2)
            towards = self.base.towards(sums.lagged[:, voxels], last, rho)
            change = self.base.solve(towards, rho)
            coefficients, left = coefficients + change, left - dot(change, towards)
            d = (1 + rho**2) * d
            d -= rho * sums.beside[:, voxels]  # A_i'V^-1 e, but for the last scan
            d -= np.vstack([change, last]).T @ models.across
        beta = coefficients.T @ self.on_base.T
        rest = np.repeat(left[:, np.newaxis], self.n_models, axis=1)
        for place, (roots, weights) in enumerate(zip(models.roots, models.weights, strict=True)):
            h = roots[0] * d[0]
            for other in range(1, place + 1):
                h += roots[other] * d[other]
            beta += weights * h
            h *= h
            rest -= h
        rest *= models.variance / self.facts.dof
        return beta, t_values(beta, rest)

    def _models(self, rho: float) -> Whitened:
        """Blocks of M of all trials at one rho, kept for the next voxels."""
        if rho not in self._whitened:
            a, last = self.added, self.added[:, -1]
            across = -rho * (self.base.basis.T @ self.beside)
            across -= rho**2 * self.base.last[:, np.newaxis] * last[:, np.newaxis]
            solved = np.array([self.base.solve(each, rho) for each in across])
            own = (1 + rho**2) * np.einsum("knm,lnm->mkl", a, a)
            own -= rho * (self.shifted + self.shifted.transpose(1, 0, 2)).transpose(2, 0, 1)
            own -= rho**2 * np.einsum("km,lm->mkl", last, last)
            own -= np.einsum("krm,lrm->mkl", across, solved)
            own += np.einsum("km,kl->mkl", ~a.any(axis=1), np.eye(len(a)))  # of none added: d is 0
            roots = np.linalg.inv(np.linalg.cholesky(own)).transpose(1, 2, 0).copy()
            weights = self.on_added - np.einsum("mr,krm->km", self.on_base, solved)
            rooted = np.einsum("klm,lm->km", roots, weights)
            variance = self.base.quadratic(self.on_base, rho) + np.sum(rooted**2, axis=0)
            of_last = rho**2 * last[:, np.newaxis]
            self._whitened[rho] = Whitened(np.hstack([across, of_last]), roots, rooted, variance)
        return self._whitened[rho]


def _beyond(basis: FloatArray, columns: FloatArray) -> FloatArray:
    """Orthonormal basis of what columns (n, k) add to a basis (n, r); of no column where that is rounding."""
    units = columns / dependence.column_lengths(columns)
    left = units - basis @ (basis.T @ units)
    vectors, values, _ = np.linalg.svd(left, full_matrices=False)
    found = vectors[:, values > SMALLEST]
    found = found - basis @ (basis.T @ found)  # once more: the first leaves rounding of the basis's size
    orthonormal: FloatArray = np.linalg.qr(found)[0]
    return orthonormal
