"""Fit y = X b + e where the noise of each voxel is one of a few autoregressive processes, unknown which.

Processes and their shares are learnt from a sample of voxels. With them as prior, each voxel has a posterior
over the processes, and what is tested is averaged over it: not one process is chosen, so that its choice need
not be paid for. The noise e is sigma times a process with innovations of variance 1.

Arrays only. Symbols: n scans, r rank of the design, Q (n, r) its orthonormal basis, v voxels, G processes of
order q, V (n, n) covariance of one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from firstlevel.arrays import Float32Array, FloatArray, UInt8Array
from firstlevel.glm.autoregression import Processes
from firstlevel.glm.residual_sums import residuals, squared_features
from firstlevel.glm.sums import dot

CHUNK = 256
"""Voxels whose data a processor's cache holds."""


@dataclass(frozen=True)
class Mixture:
    """What the noise of a run was found to be.

    Attributes
    ----------
    processes : G of them.
    shares : (G,), of the voxels, the largest first; they sum to 1.
    """

    processes: Processes
    shares: FloatArray


@dataclass(frozen=True)
class Fitted:
    """Fit of a block of voxels.

    Attributes
    ----------
    coefficients : (r, v), on the basis of the design: mean over the posterior; the betas are T times it.
    sigma2 : (v,), variance of the innovations, mean over the posterior; 0 where the data hold no noise.
    posterior : (G, v), probability of each process; sums to 1 (the prior where the data hold no noise).
    ar1 : (v,), lag-1 autocorrelation of the noise, mean over the posterior; 0 where there is none.
    rsquared : (v,), explained share of the variance of the whitened data, 0 to 1.
    log_likelihood : (G, v), restricted, but for a constant of the voxel; None where not asked for.
    """

    coefficients: FloatArray
    sigma2: FloatArray
    posterior: FloatArray
    ar1: FloatArray
    rsquared: FloatArray
    log_likelihood: FloatArray | None = None


@dataclass(frozen=True)
class Weighted:
    """A design under each process of a mixture: what is computed once per run.

    Attributes
    ----------
    mixture : G processes and their shares.
    basis : Q, (n, r).
    roots : L, (G, r, r), lower triangular: Q' V^-1 Q = L L'.
    whitened : (G, r, n), L^-1 Q' V^-1.
    level : (G, n), 1' V^-1 at the length at which its product with 1 is 1' V^-1 1 to the power of 1/2.
    constants : (G,), -(log|V| + log|Q' V^-1 Q|) / 2.
    """

    mixture: Mixture
    basis: FloatArray
    roots: FloatArray
    whitened: FloatArray
    level: FloatArray
    constants: FloatArray

    @classmethod
    def of(cls, mixture: Mixture, basis: FloatArray) -> Weighted:
        """Whiten a `basis` (n, r) by each process."""
        processes, (n_scans, rank) = mixture.processes, basis.shape
        across = processes.times_inverse(np.column_stack([basis, np.ones(n_scans)]))
        of_basis = across[:, :, :rank]
        roots = np.asarray(np.linalg.cholesky(basis.T @ of_basis), dtype=np.float64)
        determinants = 2 * np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1)
        of_one = across[:, :, rank]
        return cls(
            mixture=mixture,
            basis=basis,
            roots=roots,
            whitened=np.asarray(np.linalg.solve(roots, of_basis.transpose(0, 2, 1)), dtype=np.float64),
            level=of_one / np.sqrt(of_one.sum(axis=1, keepdims=True)),
            constants=-(processes.log_determinant(n_scans) + determinants) / 2,
        )

    @property
    def dof(self) -> int:
        """Degrees of freedom of the residuals, n - r."""
        n_scans, rank = self.basis.shape
        return int(n_scans - rank)

    def fit(
        self, data: FloatArray, prior: FloatArray | None = None, *, with_likelihood: bool = False
    ) -> Fitted:
        """Fit a block of voxels.

        Parameters
        ----------
        data : (n, v).
        prior : (G, v), probability of each process before the data are seen; the mixture's shares where None.
        with_likelihood : whether to keep the log likelihoods, (G, v).

        Notes
        -----
        With e = y - Q g the residuals of least squares, g = Q'y, the fit of each process differs from g by
        L'^-1 z, z = L^-1 Q'V^-1 e, and leaves RSS = e'V^-1 e - z'z. With sigma integrated out, a process has
        the restricted likelihood |V|^-1/2 |Q'V^-1 Q|^-1/2 RSS^-(n - r)/2 (Harville 1974, Biometrika 61:383).
        The explained share of a process is 1 - RSS / TSS, TSS the squares about a constant, all whitened.
        Voxels are taken `CHUNK` at a time from the first on, so that blocks of multiples of it give the same.
        """
        n_processes, rank, n_voxels = self.mixture.processes.n, self.basis.shape[1], data.shape[1]
        fitted = Fitted(
            coefficients=np.empty((rank, n_voxels)),
            sigma2=np.empty(n_voxels),
            posterior=np.empty((n_processes, n_voxels)),
            ar1=np.empty(n_voxels),
            rsquared=np.empty(n_voxels),
            log_likelihood=np.empty((n_processes, n_voxels)) if with_likelihood else None,
        )
        back = np.hstack(list(np.linalg.inv(self.roots).transpose(0, 2, 1)))
        forth = self.roots.transpose(0, 2, 1).reshape(n_processes * rank, rank)
        whitened = self.whitened.reshape(n_processes * rank, -1)
        of_level = self.level @ self.basis
        lag1 = self.mixture.processes.autocorrelations(1)[:, 1]
        shares = self.mixture.shares[:, np.newaxis]
        for start in range(0, n_voxels, CHUNK):
            chunk = slice(start, min(start + CHUNK, n_voxels))
            g, e, noisy = residuals(self.basis, data[:, chunk])
            z = (whitened @ e).reshape(n_processes, rank, -1)
            left, likelihood = self._left(squared_features(e, self.mixture.processes.order), z)
            if fitted.log_likelihood is not None:
                fitted.log_likelihood[:, chunk] = likelihood
            weights = _posterior(likelihood, shares if prior is None else prior[:, chunk])
            weights[:, ~noisy] = shares if prior is None else prior[:, chunk][:, ~noisy]
            h = (forth @ g).reshape(z.shape)
            h += z
            explained = np.einsum("grv,grv->gv", h, h) - (self.level @ e + of_level @ g) ** 2
            np.maximum(explained, 0.0, out=explained)
            explained /= explained + left
            z *= weights[:, np.newaxis]
            fitted.coefficients[:, chunk] = g + back @ z.reshape(n_processes * rank, -1)
            fitted.posterior[:, chunk] = weights
            fitted.sigma2[chunk] = noisy * dot(weights, left) / self.dof
            fitted.ar1[chunk] = noisy * (lag1 @ weights)
            fitted.rsquared[chunk] = noisy * dot(weights, explained)
        return fitted

    def posterior(self, data: FloatArray) -> FloatArray:
        """Posterior (G, v) of a block of voxels (n, v), as :meth:`fit` gives it, without the fit."""
        shares = self.mixture.shares[:, np.newaxis]
        found = np.empty((self.mixture.processes.n, data.shape[1]))
        for start in range(0, data.shape[1], CHUNK):
            chunk = slice(start, start + CHUNK)
            _, e, noisy = residuals(self.basis, data[:, chunk])
            _, likelihood = self.left(e, squared_features(e, self.mixture.processes.order))
            found[:, chunk] = np.where(noisy, _posterior(likelihood, shares), shares)
        return found

    def left(self, e: FloatArray | Float32Array, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Residual sums of squares and log likelihoods, both (G, v).

        Parameters
        ----------
        e : (n, v), residuals of least squares, in the precision in which they are whitened.
        features : of them, by :func:`firstlevel.glm.residual_sums.squared_features`.
        """
        z = np.matmul(self.whitened.reshape(-1, len(e)), e, dtype=e.dtype, casting="same_kind")
        return self._left(features, z.reshape(*self.whitened.shape[:2], -1))

    def _left(self, features: FloatArray, z: FloatArray | Float32Array) -> tuple[FloatArray, FloatArray]:
        left = self.mixture.processes.square_weights @ features
        left -= np.einsum("grv,grv->gv", z, z)
        np.maximum(left, np.finfo(np.float64).tiny, out=left)  # of a voxel without noise
        return left, self.constants[:, np.newaxis] - self.dof / 2 * np.log(left)


def _posterior(likelihood: FloatArray, prior: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore"):
        joint: FloatArray = likelihood + np.log(prior)
    joint -= joint.max(axis=0)
    np.exp(joint, out=joint)
    joint /= joint.sum(axis=0)
    return joint


def to_bytes(posterior: FloatArray) -> UInt8Array:
    """Posterior (G, v) in 255ths, rounded."""
    return np.rint(255 * posterior).astype(np.uint8)


def from_bytes(saved: UInt8Array) -> FloatArray:
    """Posterior (G, v) from 255ths; sums to 1 at each voxel, equal where all are 0."""
    total = saved.sum(axis=0, dtype=np.float64)
    posterior: FloatArray = np.where(total > 0, saved, 1.0) / np.where(total > 0, total, len(saved))
    return posterior
