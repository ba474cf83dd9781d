"""Gaussian autoregressive processes: autocorrelations, determinant and inverse of their covariance, exactly.

x_t = a_1 x_{t-1} + ... + a_q x_{t-q} + innovation, with innovations of variance 1, stationary. Arrays only.
Symbols: G processes, q their order, n scans, k columns, V (n, n) covariance; phi = (1, -a_1, ..., -a_q).
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
        """Processes that have the autocorrelations `acf`, or autocovariances, (G, q + 1).

        Raises
        ------
        ValueError : where no stationary process has them.
        """
        coefficients, partial = levinson(acf)
        if not (np.abs(partial) < 1).all():  # nor NaN
            raise ValueError("autocorrelations that are not positive definite")
        return cls(coefficients)

    @property
    def n(self) -> int:
        """Number of processes."""
        return len(self.coefficients)

    @property
    def order(self) -> int:
        """Order q."""
        return int(self.coefficients.shape[1])

    @cached_property
    def _of_lower_orders(self) -> list[FloatArray]:
        """Coefficients of the best predictors from 0 to q past values, (G, m) of m: Levinson backwards."""
        a, orders = self.coefficients, [self.coefficients]
        for m in range(self.order, 0, -1):
            last = a[:, m - 1 : m]
            a = (a[:, : m - 1] + last * a[:, m - 2 :: -1][:, : m - 1]) / (1 - last**2)
            orders.append(a)
        return orders[::-1]

    @cached_property
    def partial(self) -> FloatArray:
        """Partial autocorrelations, (G, q): of each order's predictor the last coefficient."""
        found = np.empty_like(self.coefficients)
        for m, a in enumerate(self._of_lower_orders[1:]):
            found[:, m] = a[:, m]
        return found

    @cached_property
    def variance(self) -> FloatArray:
        """Variance of the process, (G,), where that of the innovations is 1."""
        variance: FloatArray = 1 / np.prod(1 - self.partial**2, axis=1)
        return variance

    def autocorrelations(self, n_lags: int) -> FloatArray:
        """Autocorrelations at the lags 0 to `n_lags`, (G, n_lags + 1).

        Notes
        -----
        Levinson's recursion gives those to lag q. Beyond, q at a time follow from the q before them:
        with x_s = sum_i a_i x_{s-i}, the terms within the new ones are brought to the left side.
        """
        q = self.order
        acf = np.zeros((self.n, max(n_lags, q) + 1))
        acf[:, 0], error = 1.0, np.ones(self.n)
        for m, a in enumerate(self._of_lower_orders[:-1]):
            last = self.partial[:, m]
            acf[:, m + 1] = last * error + np.einsum("gi,gi->g", a, acf[:, m:0:-1])
            error *= 1 - last**2
        if n_lags > q > 0:
            within, before = np.zeros((2, self.n, q, q))
            for s in range(q):
                within[:, s, :s] = self.coefficients[:, :s][:, ::-1]
                before[:, s, s:] = self.coefficients[:, s:][:, ::-1]
            step = np.linalg.solve(np.eye(q) - within, before)
            for start in range(q + 1, n_lags + 1, q):
                new = np.einsum("gij,gj->gi", step, acf[:, start - q : start])
                acf[:, start : start + q] = new[:, : n_lags + 1 - start]
        return acf[:, : n_lags + 1]

    def log_determinant(self, n_scans: int) -> FloatArray:
        """Logarithm of the determinant of V, (G,).

        Notes
        -----
        The product of the variances of each scan about its best prediction from those before it.
        """
        orders = np.minimum(np.arange(1, self.order + 1), n_scans)
        logarithm: FloatArray = -np.log1p(-(self.partial**2)) @ orders.astype(np.float64)
        return logarithm

    def spectra(self, frequencies: FloatArray) -> FloatArray:
        """Power at `frequencies` (f,), in cycles per scan, (G, f); its mean from 0 to 1/2 is the variance."""
        waves = np.exp(-2j * np.pi * np.outer(np.arange(self.order + 1), frequencies))
        power: FloatArray = 1 / np.abs(self._phi @ waves) ** 2
        return power

    @cached_property
    def _phi(self) -> FloatArray:
        return np.column_stack([np.ones(self.n), -self.coefficients])

    @cached_property
    def lag_weights(self) -> FloatArray:
        """g, (G, q + 1): V^-1 has g_d where its indices differ by d, but for both ends."""
        phi, q = self._phi, self.order
        return np.column_stack([np.einsum("gi,gi->g", phi[:, : q + 1 - d], phi[:, d:]) for d in range(q + 1)])

    @cached_property
    def corner(self) -> FloatArray:
        """K, (G, q, q): by so much the first q rows and columns of V^-1 are less; mirrored, its last ones.

        Notes
        -----
        The formula of Gohberg and Semencul: V^-1 = A A' - B B', where A and B are lower triangular Toeplitz
        matrices of (phi_0, ..., phi_q, 0, ...) and (0, ..., phi_q, ..., phi_1). Valid for n >= q.
        """
        phi, q = self._phi, self.order
        hankel = np.zeros((self.n, q, q))
        for s in range(q):
            hankel[:, s, : q - s] = phi[:, s + 1 :]
        product: FloatArray = hankel @ hankel.transpose(0, 2, 1)
        return product

    @cached_property
    def square_weights(self) -> FloatArray:
        """Weights of :func:`firstlevel.glm.residual_sums.squared_features` in e' V^-1 e, (G, features)."""
        first, second = np.triu_indices(self.order)
        corner = self.corner[:, first, second] * np.where(first == second, 1, 2)
        lags = self.lag_weights * np.r_[1.0, np.full(self.order, 2.0)]
        return np.column_stack([lags, -corner])

    def times_inverse(self, columns: FloatArray) -> FloatArray:
        """V^-1 times `columns` (n, k), (G, n, k).

        Raises
        ------
        ValueError : where there are fewer scans than coefficients.
        """
        g, q = self.lag_weights[:, :, np.newaxis, np.newaxis], self.order
        if len(columns) < q:
            raise ValueError(f"{len(columns)} scans for processes of order {q}")
        product: FloatArray = g[:, 0] * columns
        for d in range(1, min(q, len(columns) - 1) + 1):
            product[:, :-d] += g[:, d] * columns[d:]
            product[:, d:] += g[:, d] * columns[:-d]
        if q:
            product[:, :q] -= self.corner @ columns[:q]
            product[:, ::-1][:, :q] -= self.corner @ columns[::-1][:q]
        return product


def levinson(acf: FloatArray, limit: float | None = None) -> tuple[FloatArray, FloatArray]:
    """Coefficients and partial autocorrelations, both (G, q), from autocovariances `acf` (G, q + 1).

    Where no process has them, a partial autocorrelation is outside of -1 to 1; with a `limit` below 1 all are
    brought within it. Source: Levinson's recursion, as in Brockwell and Davis 1991, Time Series, section 5.2.
    """
    n, q = acf.shape[0], acf.shape[1] - 1
    a, partial = np.zeros((n, q)), np.zeros((n, q))
    error = acf[:, 0].copy()
    for m in range(q):
        left = acf[:, m + 1] - np.einsum("gi,gi->g", a[:, :m], acf[:, m:0:-1])
        last = np.full(n, np.inf)
        np.divide(left, error, out=last, where=error > 0)
        if limit is not None:
            last = np.clip(last, -limit, limit)
        partial[:, m] = last
        inside = np.where(np.abs(last) < 1, last, 0.0)[:, np.newaxis]  # an infinite one ends the recursion
        a[:, :m] -= inside * a[:, :m][:, ::-1]
        a[:, m] = inside[:, 0]
        error *= 1 - inside[:, 0] ** 2
    return a, partial
