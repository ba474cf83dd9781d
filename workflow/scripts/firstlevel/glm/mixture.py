"""Fit y = X b + e where the noise of each voxel is one of a few autoregressive processes, which one unknown.

Arrays only. Symbols: n scans, r rank of the design, Q (n, r) its orthonormal basis, v voxels, G processes of
order q.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import FloatArray, UInt8Array
from firstlevel.glm.autoregression import Processes

N_SAMPLED = 4096
"""The noise is learnt from at most so many voxels."""


@dataclass(frozen=True)
class Mixture:
    """What the noise of a run was found to be.

    Attributes
    ----------
    processes : G of them.
    shares : (G,), of the voxels; they sum to 1.
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
    constants : (G,), -(log|V| + log|Q' V^-1 Q|) / 2.
    """

    mixture: Mixture
    basis: FloatArray
    roots: FloatArray
    whitened: FloatArray
    constants: FloatArray

    @classmethod
    def of(cls, mixture: Mixture, basis: FloatArray) -> Weighted:
        """Whiten a `basis` (n, r) by each process."""
        raise NotImplementedError

    @property
    def dof(self) -> int:
        """Degrees of freedom of the residuals, n - r."""
        return self.basis.shape[0] - self.basis.shape[1]

    def fit(
        self, data: FloatArray, prior: FloatArray | None = None, *, with_likelihood: bool = False
    ) -> Fitted:
        """Fit a block of voxels.

        Parameters
        ----------
        data : (n, v).
        prior : (G, v), probability of each process before the data are seen; the mixture's shares where None.
        with_likelihood : whether to keep the log likelihoods, (G, v).
        """
        raise NotImplementedError


def learn(series: FloatArray, basis: FloatArray) -> Mixture:
    """Find the processes and their shares from the `series` (n, s) of a sample of voxels."""
    raise NotImplementedError


def sampled(n_voxels: int) -> npt.NDArray[np.intp]:
    """Positions of the voxels to learn from: every ceil(V / 4096)-th."""
    return np.arange(0, n_voxels, max(1, -(-n_voxels // N_SAMPLED)))


def to_bytes(posterior: FloatArray) -> UInt8Array:
    """Posterior (G, v) in 255ths, rounded."""
    raise NotImplementedError


def from_bytes(saved: UInt8Array) -> FloatArray:
    """Posterior (G, v) from 255ths; sums to 1 at each voxel, equal where all are 0."""
    raise NotImplementedError
