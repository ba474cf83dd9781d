"""Which noise processes a sample of voxels needs, and their shares, from likelihoods. Knows arrays only.

Symbols: G processes of order q, s voxels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import FloatArray
from firstlevel.glm.autoregression import Processes

AT_A_TIME = 0.15
"""Share of the processes that are dropped together, until so many are left."""
NEARLY_SURE = 1 - 1e-12
"""Largest probability that the need for a process is measured by: what it loses stays finite."""
DECAYS, SHARES = (0.2, 0.4, 0.6, 0.75, 0.85, 0.92, 0.97), (0.1, 0.25, 0.4, 0.6, 0.8, 1.0)
"""Of the processes to begin with, AR(1) and white noise added: autocorrelation share x decay^lag."""
EVENLY_SHARED = 10.0
"""Voxels, beside those of the sample, that belong to all processes evenly: a few voxels rule none out."""
N_STEPS = 20
"""Of expectation and maximisation."""


def start_processes(order: int) -> Processes:
    """43 processes to begin with: white noise, and AR(1) with white noise added."""
    lags = np.arange(order + 1)
    acf = [np.where(lags == 0, 1.0, 0.0)]
    acf += [np.where(lags == 0, 1.0, share * decay**lags) for decay in DECAYS for share in SHARES]
    return Processes.of_autocorrelations(np.array(acf))


def shares_of(
    likelihood: FloatArray, shares: FloatArray | None = None, n_steps: int = N_STEPS
) -> tuple[FloatArray, FloatArray]:
    """Shares (G,) and posterior (G, s), by expectation and maximisation from `shares`, or equal ones.

    `EVENLY_SHARED` voxels stand for a Dirichlet prior of the shares.
    """
    n_processes, n_voxels = likelihood.shape
    relative = likelihood - likelihood.max(axis=0)
    np.exp(relative, out=relative)
    shares = np.full(n_processes, 1 / n_processes) if shares is None else shares / shares.sum()
    for _ in range(n_steps):
        shares = shares * (relative @ (1 / (shares @ relative)))
        shares = (shares + EVENLY_SHARED / n_processes) / (n_voxels + EVENLY_SHARED)
    shares = shares / shares.sum()
    relative *= shares[:, np.newaxis]
    relative /= relative.sum(axis=0)
    return shares, relative


def needed(
    likelihood: FloatArray, shares: FloatArray, n_kept: int
) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """Positions of the processes that are kept, at most so many, and their shares.

    Without a process the log likelihood of a voxel loses -log(1 - w), w its posterior there: much in voxels
    that nothing else fits, little where others are alike, however large the share. The least needed go, some
    at a time, with steps for the shares in between.
    """
    kept = np.arange(len(shares))
    shares, posterior = shares_of(likelihood, shares)
    while len(kept) > n_kept:
        loss = -np.log1p(-np.minimum(posterior, NEARLY_SURE)).sum(axis=1)
        n_left = max(n_kept, int((1 - AT_A_TIME) * len(kept)))
        staying = np.sort(np.argsort(-loss, kind="stable")[:n_left])
        kept = kept[staying]
        shares, posterior = shares_of(likelihood[kept], shares[staying])
    return kept, shares
