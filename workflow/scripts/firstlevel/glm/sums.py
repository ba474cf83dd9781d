"""Sums over time that stand in for the data of a block of voxels, whatever the noise model.

Arrays only. Symbols: n scans, r the rank of the design, v voxels; Q (n, r) its orthonormal basis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from firstlevel.arrays import FloatArray

CHUNK = 512
"""Voxels whose data a processor's cache holds while they are summed up in three ways."""
NO_NOISE = 1e-26
"""Share of a sum of squares below which what is left of the data is rounding, not noise: sqrt is 1e-13."""


@dataclass(frozen=True)
class Sums:
    """Sums over time of one block of voxels: coefficients on the basis, and what is left, e = y - Q g.

    Attributes
    ----------
    coefficients : g = Q'y, (r, v).
    lagged : (r, v), sum of q_t e_{t-1} + q_{t-1} e_t.
    squares, products : (v,), sum of e_t^2, and of e_t e_{t-1}.
    total : (v,), sum of e_t.
    last : (v,), e_t of the last scan: sums without the last scan follow.
    """

    coefficients: FloatArray
    lagged: FloatArray
    squares: FloatArray
    products: FloatArray
    total: FloatArray
    last: FloatArray


def sums_over_time(basis: FloatArray, data: FloatArray) -> Sums:
    """Sums that stand in for the data, from an orthonormal `basis` (n, r) and `data` (n, v)."""
    neighbours = np.zeros_like(basis)
    neighbours[:-1] += basis[1:]
    neighbours[1:] += basis[:-1]
    across = basis.T.copy()
    beside = np.column_stack([neighbours, np.ones(len(basis))]).T.copy()
    coefficients = np.empty((basis.shape[1], data.shape[1]))
    of_rest = np.empty((basis.shape[1] + 1, data.shape[1]))
    squares, products, last = np.empty((3, data.shape[1]))
    for start in range(0, data.shape[1], CHUNK):
        chunk = slice(start, start + CHUNK)
        y = data[:, chunk]
        coefficients[:, chunk] = across @ y
        e = y - basis @ coefficients[:, chunk]
        of_rest[:, chunk] = beside @ e
        squares[chunk] = np.einsum("tv,tv->v", e, e)
        products[chunk] = np.einsum("tv,tv->v", e[1:], e[:-1])
        last[chunk] = e[-1]
    rounding = squares <= NO_NOISE * dot(coefficients, coefficients)
    for sums in (of_rest, squares, products, last):
        sums[..., rounding] = 0.0
    return Sums(coefficients, of_rest[:-1], squares, products, of_rest[-1], last)


def dot(a: FloatArray, b: FloatArray) -> FloatArray:
    """Inner product of matching columns, (p, v) and (p, v) to (v,)."""
    product: FloatArray = np.einsum("pv,pv->v", a, b)
    return product
