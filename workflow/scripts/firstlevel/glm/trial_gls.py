"""Single trials by generalised least squares, with the noise that the fit of the run has found.

Each covariance V that a voxel may have gives each trial a beta, whose variance is u sigma2, with sigma2 =
RSS / dof of the trial's own model. Both are averaged over the probabilities w of the covariances; what the
betas differ by is added to the variance, as the law of total variance has it:

    beta = sum w_g beta_g,    variance = sum w_g u_g sigma2_g + sum w_g (beta_g - beta)^2

The models share a base, the basis Q, to which that of a trial adds A_i (least squares separate; nothing in
least squares all). Whitened, what A_i adds is made orthogonal to Q and within itself: rows H_i, so that the
residual sum of squares is that of the base less |H_i e|^2. So all models follow from one product of the data
per covariance, and none is fitted by itself.

Knows arrays only. Symbols: n scans, v voxels, m trials, r rank of the base, k regressors of a trial.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import FloatArray
from firstlevel.glm.mixture_learning import MOST_KEPT
from firstlevel.glm.residual_sums import residuals
from firstlevel.glm.saved_noise import Part, SavedNoise
from firstlevel.glm.trial_models import TrialModel, t_values


@dataclass(frozen=True)
class Solved:
    """All trials' models under one covariance.

    Attributes
    ----------
    rows : (n, r + k m), what the residuals of least squares are multiplied with: L^-1 Q'V^-1 of the base,
        with Q'V^-1 Q = L L', and H.
    on_base : (m, r), weights of the products with the base in each trial's beta.
    on_added : (k, m), and of those with H.
    variance : u, (m,), of the beta over that of the innovations.
    """

    rows: FloatArray
    on_base: FloatArray
    on_added: FloatArray
    variance: FloatArray

    @classmethod
    def of(cls, model: TrialModel, noise: SavedNoise, place: int) -> Solved:
        """Solve them for the noise of this number.

        Notes
        -----
        In blocks: with B = L^-1 Q'V^-1 A_i, what is left of A_i has the products S = A_i'V^-1 A_i - B'B (a
        Schur complement), and R'R = S^-1. The coefficients are R'h of A_i, h = H_i e, and L'^-1 (z - B R'h)
        of the base, z = L^-1 Q'V^-1 e.
        """
        q, added = model.base.basis, model.added
        n_own, n_scans, n_trials = added.shape
        rank = q.shape[1]
        both = np.hstack([q, *added])
        weighted = noise.times_inverse(place, both)
        of_added = weighted[:, rank:].reshape(n_scans, n_own, n_trials)
        root = np.linalg.cholesky(weighted[:, :rank].T @ q)
        of_base = np.linalg.solve(root, weighted[:, :rank].T)
        across = (of_base @ both[:, rank:]).reshape(rank, n_own, n_trials)
        schur = np.einsum("nkm,lnm->mkl", of_added, added)
        schur -= np.einsum("rkm,rlm->mkl", across, across)
        schur += np.einsum("km,kl->mkl", ~added.any(axis=1), np.eye(n_own))  # of none added: H is 0
        roots = np.linalg.inv(np.linalg.cholesky(schur))
        beyond = of_added - np.einsum("rn,rkm->nkm", of_base, across, optimize=True)
        rows = np.einsum("mkl,nlm->nkm", roots, beyond).reshape(n_scans, -1)
        on_base = np.linalg.solve(root, model.on_base.T).T
        rest = model.on_added - np.einsum("mr,rkm->km", on_base, across)
        on_added = np.einsum("mkl,lm->km", roots, rest)
        variance = np.sum(on_base**2, axis=1) + np.sum(on_added**2, axis=0)
        return cls(np.hstack([of_base.T, rows]), on_base, on_added, variance)

    def estimates(self, part: Part, dof: npt.NDArray[np.intp]) -> tuple[FloatArray, FloatArray]:
        """By how much each beta differs from that of the coefficients of least squares, its variance; (k, m).

        Of the voxels of a part; `dof` (m,) are those of the trials' models.
        """
        n_trials, rank = self.on_base.shape
        products = part.series @ self.rows
        z = products[:, :rank]
        change = z @ self.on_base.T
        left = part.squares - np.einsum("vr,vr->v", z, z)
        rest = np.repeat(left[:, np.newaxis], n_trials, axis=1)
        for k, weights in enumerate(self.on_added):
            start = rank + k * n_trials
            h = products[:, start : start + n_trials]
            change += weights * h
            h *= h
            rest -= h
        np.maximum(rest, 0.0, out=rest)
        rest *= self.variance / dof
        return change, rest


def fit(
    model: TrialModel, blocks: Iterable[tuple[slice, FloatArray]], noise: SavedNoise
) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
    """Yield beta and t of each block of voxels, (m, v) each, as :func:`firstlevel.glm.single_trials.fit`.

    `noise` is that of all voxels of the blocks, in their order, which is best one of `SavedNoise.alike`.
    """
    # as many as noise that is learnt has; pairs of ARMA noise follow each other
    solved = lru_cache(maxsize=MOST_KEPT)(lambda place: Solved.of(model, noise, place))
    n_trials = len(model.on_base)
    for voxels, data in blocks:
        g, e, noisy = residuals(model.base.basis, data)
        e[:, ~noisy] = 0.0  # as of a voxel that has no noise, t is 0
        mean, squares, variance = np.zeros((3, data.shape[1], n_trials))
        for part in noise.parts(voxels, e):
            change, own = solved(part.place).estimates(part, model.facts.dof)
            weights = part.weights[:, np.newaxis]
            own *= weights
            variance[part.voxels] += own
            weighted = np.multiply(weights, change, out=own)
            mean[part.voxels] += weighted
            weighted *= change
            squares[part.voxels] += weighted
        squares -= mean**2
        variance += np.maximum(squares, 0.0, out=squares)
        beta = mean + g.T @ model.on_base.T
        yield voxels, beta.T, t_values(beta, variance).T
