"""An orthonormal basis in which AR(1) whitening costs a few numbers per regressor. Knows arrays only.

Symbols: n scans, r the rank, v voxels, Q (n, r) a basis; rho the AR(1) coefficient of a voxel. Whitened, the
basis has the products

    Qw'Qw = (1 + rho^2) I - rho (K + K') - rho^2 q q',    K = Q[1:]'Q[:-1],    q = Q[-1],

so a basis that diagonalises K + K' leaves a diagonal matrix less one of rank 1, for any rho. Equations are
then solved by division (Sherman and Morrison), whatever the number of regressors: no matrix per rho.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from firstlevel.arrays import FloatArray
from firstlevel.glm.sums import dot


@dataclass(frozen=True)
class WhitenedBasis:
    """A basis that diagonalises K + K'.

    Attributes
    ----------
    basis : Q (n, r), orthonormal; spans what it was made of.
    neighbouring : (r,), diagonal of K + K'.
    last : q (r,), of the last scan.
    """

    basis: FloatArray
    neighbouring: FloatArray
    last: FloatArray

    @classmethod
    def of(cls, basis: FloatArray) -> WhitenedBasis:
        """Turn an orthonormal basis (n, r)."""
        shifted = basis[1:].T @ basis[:-1]
        values, vectors = np.linalg.eigh(shifted + shifted.T)
        turned = basis @ vectors
        return cls(turned, values, turned[-1].copy())

    def solve(self, towards: FloatArray, rho: FloatArray | float) -> FloatArray:
        """(Qw'Qw)^-1 of the columns of `towards` (r, v), each with its `rho` (v,)."""
        rho = np.asarray(rho, dtype=np.float64)
        diagonal = 1.0 + rho**2 - np.multiply.outer(self.neighbouring, rho)
        if diagonal.ndim == 1:
            diagonal = diagonal[:, np.newaxis]
        scaled = towards / diagonal
        of_last = self.last[:, np.newaxis] / diagonal
        factor = rho**2 * (self.last @ scaled) / (1.0 - rho**2 * (self.last @ of_last))
        solved: FloatArray = scaled + of_last * factor
        return solved

    def quadratic(self, weights: FloatArray, rho: float) -> FloatArray:
        """w'(Qw'Qw)^-1 w of the rows of `weights` (k, r), (k,)."""
        return dot(weights.T, self.solve(weights.T, rho))

    def towards(self, lagged: FloatArray, last: FloatArray, rho: FloatArray | float) -> FloatArray:
        """Qw'ew of residuals e with Q'e = 0, (r, v).

        Parameters
        ----------
        lagged : (r, v), sum of q_t e_{t-1} + q_{t-1} e_t.
        last : (v,), e of the last scan.
        """
        rho = np.asarray(rho, dtype=np.float64)
        products: FloatArray = -rho * lagged - self.last[:, np.newaxis] * (rho**2 * last)
        return products
