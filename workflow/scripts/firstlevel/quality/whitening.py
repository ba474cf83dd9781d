"""How a fit has whitened its series: by an AR(1) coefficient of each voxel, or by a process of the run.

Arrays only. Symbols: n scans, v voxels, G processes of order q.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import BoolArray, FloatArray
from firstlevel.glm import fit as glm
from firstlevel.glm.mixture import Mixture


class Whitening(Protocol):
    """Filters of the voxels of a sample, and those that stand for them."""

    def of_series(self, series: FloatArray) -> FloatArray:
        """White series of the sample, (n, v)."""

    def of_design(self, design: FloatArray) -> list[tuple[FloatArray, float]]:
        """White columns (n, p), one for each filter that stands for the voxels, with the share of these."""


@dataclass(frozen=True)
class ByCoefficient:
    """AR(1) coefficients: y_t - rho y_{t-1}, the first sample as it is.

    Attributes
    ----------
    rho : (v,), of the sample; `typical` stands for all voxels.
    """

    rho: FloatArray
    typical: float

    @classmethod
    def of(cls, rho: FloatArray, sampled: npt.NDArray[np.intp], has: BoolArray) -> ByCoefficient:
        """Take the sample of coefficients of all voxels; typical is the median of those the run `has`."""
        return cls(rho[sampled], float(np.median(rho[has])) if has.any() else 0.0)

    def of_series(self, series: FloatArray) -> FloatArray:
        """White series of the sample, (n, v)."""
        return glm.whiten(series, self.rho)

    def of_design(self, design: FloatArray) -> list[tuple[FloatArray, float]]:
        """Columns (n, p), white by the typical coefficient."""
        return [(glm.whiten(design, self.typical), 1.0)]


@dataclass(frozen=True)
class ByProcess:
    """Processes of a run: what a scan differs by from its best prediction, in standard deviations of that.

    Attributes
    ----------
    found : G processes and their shares.
    of_voxel : (v,), the most probable one of each voxel of the sample.
    """

    found: Mixture
    of_voxel: npt.NDArray[np.intp]

    def of_series(self, series: FloatArray) -> FloatArray:
        """White series of the sample, (n, v)."""
        white = np.empty_like(series)
        for g in range(self.found.processes.n):
            voxels = self.of_voxel == g
            white[:, voxels] = innovations(series[:, voxels], self.found, g)
        return white

    def of_design(self, design: FloatArray) -> list[tuple[FloatArray, float]]:
        """Columns (n, p), white by each process."""
        return [
            (innovations(design, self.found, g), float(share)) for g, share in enumerate(self.found.shares)
        ]


@dataclass(frozen=True)
class ByPair:
    """ARMA(1,1) noise: coefficients a and b of the sample, (2, v), and which of it the run has, (v,)."""

    pairs: FloatArray
    has: BoolArray

    def of_series(self, series: FloatArray) -> FloatArray:
        """White series of the sample, (n, v)."""
        return arma_innovations(series, self.pairs)

    def of_design(self, design: FloatArray) -> list[tuple[FloatArray, float]]:
        """Columns (n, p), white by each pair of the sample."""
        pairs, counts = np.unique(self.pairs[:, self.has], axis=1, return_counts=True)
        shares = counts / max(counts.sum(), 1)
        return [
            (arma_innovations(design, pair), float(share))
            for pair, share in zip(pairs.T, shares, strict=True)
        ]


def arma_innovations(series: FloatArray, pairs: FloatArray) -> FloatArray:
    """Innovations of series (n, v) of ARMA(1,1) noise, of variance 1 and independent.

    Parameters
    ----------
    pairs : coefficients a and b of all series, (2,), or of each, (2, v).

    Notes
    -----
    The innovations algorithm (Brockwell and Davis 1991, Time Series, section 5.3): what is new in a scan is
    u_t = x_t - a x_{t-1} - (b / s_{t-1}) u_{t-1}, of variance s_t = 1 + b^2 - b^2 / s_{t-1}, and s_0 is that
    of the process.
    """
    a, b = pairs
    white, new, variance = np.empty_like(series), series[0], (1 + 2 * a * b + b * b) / (1 - a * a)
    white[0] = new / np.sqrt(variance)
    for t in range(1, len(series)):
        new = series[t] - a * series[t - 1] - b / variance * new
        variance = 1 + b * b - b * b / variance
        white[t] = new / np.sqrt(variance)
    return white


def innovations(series: FloatArray, found: Mixture, g: int) -> FloatArray:
    """Innovations of series (n, v) of process `g`: of variance 1 and independent, the first ones too.

    Notes
    -----
    The inverse of the Cholesky factor of the covariance times the series: of the first q scans by that factor
    of theirs, and from then on x_t - a_1 x_{t-1} - ... - a_q x_{t-q}.
    """
    processes = found.processes
    order = min(processes.order, len(series))
    white = series.copy()
    for lag in range(1, order + 1):
        white[order:] -= processes.coefficients[g, lag - 1] * series[order - lag : len(series) - lag]
    acf = processes.autocorrelations(processes.order)[g] * processes.variance[g]
    lags = np.abs(np.subtract.outer(np.arange(order), np.arange(order)))
    white[:order] = np.linalg.solve(np.linalg.cholesky(acf[lags]), series[:order])
    return white
