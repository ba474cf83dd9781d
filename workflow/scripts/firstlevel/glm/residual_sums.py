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


def squared_spectrum(e: FloatArray) -> FloatArray:
    """Squares of the spectrum (f, v) of series that go on as zeros, so that no lag comes round the end."""
    spectrum = np.fft.rfft(np.ascontiguousarray(e.T), padded_length(len(e)))
    squares: FloatArray = np.square(spectrum.real)
    squares += np.square(spectrum.imag)
    return squares.T


def of_lagged_sums(weights: FloatArray) -> FloatArray:
    """Weights of the squared spectrum, (f,), for the sums over time of e_t e_{t+k} by `weights` (n,)."""
    length = padded_length(len(weights))
    found: FloatArray = np.fft.rfft(weights, length).real / length
    found[1:-1] *= 2  # frequencies that stand for their negatives, too
    return found


def padded_length(n_scans: int) -> int:
    """Power of two from which on no lag of series, which go on as zeros, comes round the end."""
    return 1 << (2 * n_scans - 1).bit_length()


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
