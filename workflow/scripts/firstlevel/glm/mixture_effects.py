"""Covariance of an effect of one run whose noise is a mixture of processes, from what is saved of its fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import matmul_toeplitz

from firstlevel.arrays import FloatArray
from firstlevel.glm.mixture import Weighted

BLOCK = 1024
"""Voxels whose covariances under each process are in memory at a time."""


@dataclass(frozen=True)
class Uncertain:
    """Covariance of an effect of one run, which depends on the process that the noise of a voxel is.

    Attributes
    ----------
    covariance : (v, k, k), mean over the posterior; it holds what the effects of the processes differ by.
    spread : (v,), variance over the posterior of the variance relative to its mean: 0 where the process is
        known. Of k rows, of the mean over them in units of the covariance.
    dof : n - r, degrees of freedom of the residuals.
    """

    covariance: FloatArray
    spread: FloatArray
    dof: int

    @property
    def variance(self) -> FloatArray:
        """Of the first row, (v,)."""
        return self.covariance[:, 0, 0]


@dataclass(frozen=True)
class Rows:
    """Rows of a contrast, C b, in one run: what does not depend on the voxel, and so is computed once.

    Attributes
    ----------
    weighted : the design under each process.
    unscaled : by :func:`unscaled_covariances`.
    between : by :func:`products_of_differences`.
    """

    weighted: Weighted
    unscaled: FloatArray
    between: FloatArray

    @classmethod
    def of(cls, weighted: Weighted, c: FloatArray) -> Rows:
        """Take the rows `c`, C (k, r), on the basis."""
        return cls(weighted, unscaled_covariances(weighted, c), products_of_differences(weighted, c))

    @property
    def n(self) -> int:
        """Number of rows, k."""
        return len(self.between)


def of_effect(rows: Rows, sigma2: FloatArray, posterior: FloatArray) -> Uncertain:
    """Covariance of C b at each voxel.

    Parameters
    ----------
    sigma2 : (v,), as saved.
    posterior : (G, v), as saved.
    """
    weighted, unscaled, between = rows.weighted, rows.unscaled, rows.between
    n_rows, n_voxels = rows.n, sigma2.size
    covariance, spread = np.empty((n_voxels, n_rows, n_rows)), np.zeros(n_voxels)
    for start in range(0, n_voxels, BLOCK):
        block = slice(start, min(start + BLOCK, n_voxels))
        w = posterior[:, block]
        scales = relative_sigma2(weighted, w)
        differing = covariance_of_differences(between, w, scales)
        mean = np.einsum("gv,gij->vij", w * scales, unscaled) + differing
        covariance[block] = sigma2[block, np.newaxis, np.newaxis] * mean
        inverse = np.linalg.inv(mean)
        # tr(mean^-1 V_g) / k of each process, less 1, its mean: what differs between processes is in both
        own = scales * np.einsum("vij,gji->gv", inverse, unscaled) / n_rows
        own += np.einsum("vij,vji->v", inverse, differing) / n_rows - 1
        spread[block] = np.einsum("gv,gv->v", w, own**2)
    return Uncertain(covariance, spread, weighted.dof)


def unscaled_covariances(weighted: Weighted, c: FloatArray) -> FloatArray:
    """C (Q' V^-1 Q)^-1 C' of each process, (G, k, k)."""
    half = np.linalg.solve(weighted.roots, c.T)
    product: FloatArray = half.transpose(0, 2, 1) @ half
    return product


def products_of_differences(weighted: Weighted, c: FloatArray) -> FloatArray:
    """Expected products of what the effects of the processes differ by, (k, k, G, G, G).

    Of rows i, j and processes g, h, with noise of each process (the last index) whose innovations have the
    variance 1.

    Notes
    -----
    C b of a process is A_g y, A_g = C (Q' V_g^-1 Q)^-1 Q' V_g^-1: with noise of the covariance U, A_g U A_h'.
    All A_g give the same of what the design explains, so their mean is taken off first.
    """
    mixture, n_scans = weighted.mixture, len(weighted.basis)
    half = np.linalg.solve(weighted.roots, c.T)
    a = half.transpose(2, 0, 1)[:, :, np.newaxis, :] @ weighted.whitened
    a = a[:, :, 0] - np.einsum("g,kgn->kn", mixture.shares, a[:, :, 0])[:, np.newaxis]
    covariances = mixture.processes.autocorrelations(n_scans - 1) * mixture.processes.variance[:, np.newaxis]
    flat = a.reshape(-1, n_scans)
    products = np.array([flat @ matmul_toeplitz(of_process, flat.T) for of_process in covariances])
    return products.reshape(-1, *a.shape[:2], *a.shape[:2]).transpose(1, 3, 2, 4, 0).copy()


def covariance_of_differences(between: FloatArray, w: FloatArray, scales: FloatArray) -> FloatArray:
    """Covariance over the posterior of what the effects of the processes differ by, (v, k, k).

    Parameters
    ----------
    between : by :func:`products_of_differences`.
    w : posterior, (G, v).
    scales : sigma2 of each process, (G, v): the noise is that of the posterior.
    """
    n_rows, noise = len(between), w * scales
    differing = np.empty((w.shape[1], n_rows, n_rows))
    for i, j in np.ndindex(n_rows, n_rows):
        products = (between[i, j].reshape(-1, len(w)) @ noise).reshape(len(w), len(w), -1)
        own = np.einsum("ggv->gv", products)
        differing[:, i, j] = np.einsum("gv,gv->v", w, own) - np.einsum("gv,gv->v", w, _mean(w, products))
    return (differing + differing.transpose(0, 2, 1)) / 2


def _mean(w: FloatArray, products: FloatArray) -> FloatArray:
    mean: FloatArray = np.einsum("ghv,hv->gv", products, w)
    return mean


def relative_sigma2(weighted: Weighted, w: FloatArray) -> FloatArray:
    """sigma2 of each process relative to its mean over the posterior `w`, (G, v); 0 where `w` is 0.

    Notes
    -----
    w_g is proportional to prior_g |V|^-1/2 |Q' V^-1 Q|^-1/2 sigma2_g^-(n - r)/2. The prior is taken to be the
    shares. That of a voxel's neighbours is not saved: its logarithm counts little beside (n - r) / 2, and z
    changes by less than 0.01 at 99 % of the voxels, 0.02 with about 25 degrees of freedom.
    """
    shares = weighted.mixture.shares[:, np.newaxis]
    known = (w > 0) & (shares > 0)
    logarithm = np.full(w.shape, -np.inf)
    constants = np.broadcast_to(
        weighted.constants[:, np.newaxis] + np.log(np.maximum(shares, 1e-300)), w.shape
    )
    logarithm[known] = (constants[known] - np.log(w[known])) * 2 / weighted.dof
    relative: FloatArray = np.exp(logarithm - logarithm.max(axis=0))
    relative /= np.einsum("gv,gv->v", w, relative)
    return relative
