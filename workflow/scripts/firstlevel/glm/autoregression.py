"""Gaussian autoregressive processes: autocorrelations, determinant and inverse of their covariance, exactly.

x_t = a_1 x_{t-1} + ... + a_q x_{t-q} + innovation, with innovations of variance 1, stationary. Arrays only.
Symbols: G processes, q their order, n scans, k columns; phi = (1, -a_1, ..., -a_q).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from firstlevel.arrays import FloatArray


@dataclass(frozen=True)
class Processes:
    """G processes of order q.

    Attributes
    ----------
    coefficients : a, (G, q).
    """

    coefficients: FloatArray

    @classmethod
    def of_autocorrelations(cls, acf: FloatArray) -> Processes:
        """Processes with the autocorrelations (or autocovariances) `acf` (G, q + 1), by Levinson's recursion."""
        raise NotImplementedError

    @property
    def n(self) -> int:
        """Number of processes."""
        return len(self.coefficients)

    @property
    def order(self) -> int:
        """Order q."""
        return int(self.coefficients.shape[1])

    @cached_property
    def partial(self) -> FloatArray:
        """Partial autocorrelations, (G, q), by Levinson's recursion backwards."""
        raise NotImplementedError

    def autocorrelations(self, n_lags: int) -> FloatArray:
        """Autocorrelations at the lags 0 to `n_lags`, (G, n_lags + 1)."""
        raise NotImplementedError

    @cached_property
    def variance(self) -> FloatArray:
        """Variance of the process, (G,), where that of the innovations is 1."""
        raise NotImplementedError

    def log_determinant(self, n_scans: int) -> FloatArray:
        """Logarithm of the determinant of the covariance of n scans, (G,)."""
        raise NotImplementedError

    def spectra(self, frequencies: FloatArray) -> FloatArray:
        """Power at `frequencies` (f,), in cycles per scan, (G, f); the mean from 0 to 1/2 is the variance."""
        raise NotImplementedError

    @cached_property
    def lag_weights(self) -> FloatArray:
        """g, (G, q + 1): the inverse covariance has g_d where its indices differ by d, but at both ends."""
        raise NotImplementedError

    @cached_property
    def corner(self) -> FloatArray:
        """K, (G, q, q): what the inverse covariance has less at its start; mirrored, at its end."""
        raise NotImplementedError

    def times_inverse(self, columns: FloatArray) -> FloatArray:
        """V^-1 times `columns` (n, k), (G, n, k)."""
        raise NotImplementedError
