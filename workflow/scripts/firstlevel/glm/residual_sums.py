"""What restricted likelihoods are made of: residuals of least squares, and sums of their products.

Arrays only. Symbols: n scans, r rank of the design, Q (n, r) its orthonormal basis, v voxels, q order.
"""

from __future__ import annotations

import numpy as np

from firstlevel.arrays import BoolArray, FloatArray
from firstlevel.glm.sums import NO_NOISE, dot


def residuals(basis: FloatArray, data: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Q'y (r, v), y - Q Q'y (n, v), and whether more than rounding is left, (v,)."""
    g = basis.T @ data
    e = data - basis @ g
    noisy = dot(e, e) > NO_NOISE * dot(g, g)
    return g, e, noisy


def lagged_sums(e: FloatArray) -> FloatArray:
    """Sums over time of e_t e_{t+k} at all lags k from 0, (n, v), by FFT."""
    n_scans = len(e)
    length = 1 << (2 * n_scans - 1).bit_length()
    spectrum = np.fft.rfft(np.ascontiguousarray(e.T), length)
    return np.fft.irfft(spectrum.real**2 + spectrum.imag**2, length)[:, :n_scans].T


def squared_features(e: FloatArray, order: int) -> FloatArray:
    """What e'V^-1 e is a weighted sum of: lagged sums, and products among the first and the last q scans.

    ((q + 1) (q + 2) / 2, v): q + 1 sums of e_t e_{t+k}, and for s <= t < q, e_s e_t + e_{n-1-s} e_{n-1-t}.
    """
    features = np.empty(((order + 1) * (order + 2) // 2, e.shape[1]))
    series = np.ascontiguousarray(e.T)
    for k in range(order + 1):
        np.vecdot(series[:, k:], series[:, : len(e) - k], out=features[k])
    start, end, row = e[:order], e[::-1][:order], order + 1
    for s in range(order):
        rows = features[row : row + order - s]
        np.multiply(start[s], start[s:], out=rows)
        rows += end[s] * end[s:]
        row += order - s
    return features
