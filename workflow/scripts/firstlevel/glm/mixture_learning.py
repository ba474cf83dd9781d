"""Learn the noise processes of a run, and their shares, from the series of a sample of its voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from firstlevel import spread
from firstlevel.arrays import Float32Array, FloatArray
from firstlevel.glm.autoregression import Processes
from firstlevel.glm.mixture import CHUNK, Mixture, Weighted
from firstlevel.glm.process_shares import needed, shares_of, start_processes
from firstlevel.glm.residual_autocovariance import expected_sums, noise_processes
from firstlevel.glm.residual_sums import residuals, squared_features
from firstlevel.glm.sums import dot

N_SAMPLED = 4096
"""The noise is learnt from at most so many voxels."""
TOGETHER = 22
"""Processes whose whitened designs are in memory at a time; half of those to begin with."""
HIGHEST_ORDER, SCANS_PER_LAG = 20, 6
"""Order of the processes: a sixth of the degrees of freedom, at most 20."""
FEWEST_KEPT, MOST_KEPT, SCANS_PER_KEPT = 12, 16, 32
"""Processes that are kept: 12, and one per 32 scans from 416 on, up to 16. Longer runs tell more apart."""
N_ROUNDS, N_LAST = 3, 100
"""Of new processes from residuals; of steps for the shares at the end."""
ENOUGH_VOXELS = 10.0
"""Voxels that a process must hold to give a new one."""
STRONGEST = 0.985
"""Largest partial autocorrelation of a new process."""


def order_for(n_scans: int, rank: int) -> int:
    """Order of the processes for a design of that rank."""
    order = min(HIGHEST_ORDER, (n_scans - rank) // SCANS_PER_LAG)
    return min(max(2, order), n_scans - 1)


def most_for(n_scans: int) -> int:
    """How many processes are kept."""
    return min(MOST_KEPT, max(FEWEST_KEPT, n_scans // SCANS_PER_KEPT))


def sampled(n_voxels: int, places: Sequence[npt.NDArray[np.intp]] = ()) -> npt.NDArray[np.intp]:
    """Positions of the voxels to learn from: every ceil(V / 4096)-th.

    Parameters
    ----------
    places : coordinates (V,) of the voxels along each axis; steps are longer where these would lie in few
        planes, see :mod:`firstlevel.spread`.
    """
    step = max(1, -(-n_voxels // N_SAMPLED))
    evenly = (np.arange(0, n_voxels, longer) for longer in range(step, step + spread.N_TRIED))
    return spread.first_spread(evenly, places)


def learn(series: FloatArray | Float32Array, basis: FloatArray) -> Mixture:
    """Find the processes and their shares.

    Parameters
    ----------
    series : (n, s), of a sample of voxels. Those without noise do not count.
    basis : Q, (n, r), with r < n.

    Returns
    -------
    Mixture, white noise alone where no voxel counts. Nothing is drawn at random.

    Notes
    -----
    Begins with 43 processes, white noise and AR(1) + white noise, whose shares are found by expectation and
    maximisation (20 steps from equal ones). Three times, each process that holds more than 10 voxels gives a
    new one: from the autocovariance of the residuals of its voxels, weighted by the posterior, corrected for
    what the design takes out of it; those to begin with stay. Then those go that others can stand in for, by
    :func:`firstlevel.glm.process_shares.needed`, until :func:`most_for` are left, and 100 more steps find the
    shares of these.
    """
    n_scans, rank = basis.shape
    order = order_for(n_scans, rank)
    beginning = start_processes(order)
    sample = _Sample.of(series, basis, order)
    if not sample.chunks:
        return Mixture(Processes(np.zeros((1, order))), np.ones(1))
    expected = expected_sums(basis, order)
    lagged = np.hstack([features[: order + 1] for _, features in sample.chunks]).T
    of_beginning = sample.left(beginning)
    processes, (left, likelihood) = beginning, of_beginning
    shares, posterior = shares_of(likelihood)
    for _ in range(N_ROUNDS):
        holding = shares * len(lagged) > ENOUGH_VOXELS
        weights = posterior[holding] / left[holding]
        pooled = weights @ lagged / posterior[holding].sum(axis=1, keepdims=True)
        coefficients, partial = noise_processes(pooled, expected)
        valid = (np.abs(partial) < STRONGEST).all(axis=1)  # nor NaN
        if not valid.any():
            break
        new = Processes(coefficients[valid])
        found = sample.left(new)
        processes = Processes(np.concatenate([beginning.coefficients, new.coefficients]))
        left = np.concatenate([of_beginning[0], found[0]])
        likelihood = np.concatenate([of_beginning[1], found[1]])
        del found, posterior, weights
        shares, posterior = shares_of(likelihood)
    del left, posterior
    kept, shares = needed(likelihood, shares, most_for(n_scans))
    shares, _ = shares_of(likelihood[kept], shares, N_LAST)
    by_share = np.argsort(-shares, kind="stable")
    return Mixture(Processes(processes.coefficients[kept[by_share]]), shares[by_share])


@dataclass(frozen=True)
class _Sample:
    """Residuals of the voxels to learn from, at unit length, in chunks, with their features.

    The residuals are in single precision: likelihoods are then right to 1e-3, at half the time.
    """

    basis: FloatArray
    chunks: list[tuple[Float32Array, FloatArray]]

    @classmethod
    def of(cls, series: FloatArray | Float32Array, basis: FloatArray, order: int) -> _Sample:
        chunks = []
        for start in range(0, series.shape[1], CHUNK):
            _, e, noisy = residuals(basis, series[:, start : start + CHUNK].astype(np.float64))
            if noisy.any():
                e = e[:, noisy]
                e /= np.sqrt(dot(e, e))
                chunks.append((e.astype(np.float32), squared_features(e, order)))
        return cls(basis, chunks)

    def left(self, processes: Processes) -> tuple[Float32Array, FloatArray]:
        """Residual sums of squares and log likelihoods, (G, s), a few processes at a time."""
        squares, likelihoods = [], []
        for start in range(0, processes.n, TOGETHER):
            some = Processes(processes.coefficients[start : start + TOGETHER])
            weighted = Weighted.of(Mixture(some, np.full(some.n, 1 / some.n)), self.basis)
            of_chunks = [weighted.left(*chunk) for chunk in self.chunks]
            left = np.hstack([left for left, _ in of_chunks])
            squares.append(np.maximum(left, np.finfo(np.float32).tiny).astype(np.float32))
            likelihoods.append(np.hstack([likelihood for _, likelihood in of_chunks]))
        return np.concatenate(squares), np.concatenate(likelihoods)
