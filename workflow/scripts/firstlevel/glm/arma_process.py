"""ARMA(1,1) noise: the pairs of coefficients of AFNI's grid, and the inverse of their covariance.

The grid is that of the help of AFNI's 3dREMLfit with its defaults: a from 0 to 0.8 and b from -0.8 to 0.8 in
steps of 0.1 (-MAXa, -MAXb, -Grid 3), positive correlations only (no -NEGcor). Where AFNI sets correlations
below a cutoff to zero (-CORcut), the covariance is exact here.

Arrays only. Symbols: n scans, V covariance for innovations of variance 1. A pair is known by its number in
the grid. x_t = a x_{t-1} + innovation_t + b innovation_{t-1}, of autocorrelation lambda a^(k-1) at lag k.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import FloatArray

LARGEST, DIVISIONS = 0.8, 8
"""Of a and b, and steps from 0 to it."""
_STEPS = np.array(
    [(0, 0)] + [(a, b) for a in range(DIVISIONS + 1) for b in range(-DIVISIONS, DIVISIONS + 1) if a + b > 0],
    dtype=np.intp,
)
GRID: FloatArray = _STEPS * LARGEST / DIVISIONS
"""(109, 2), a and b: white noise, and the pairs whose correlations are positive."""
_NUMBERS = np.full((DIVISIONS + 1, 2 * DIVISIONS + 1), len(GRID))
_NUMBERS[_STEPS[:, 0], _STEPS[:, 1] + DIVISIONS] = np.arange(len(GRID))


def numbers(pairs: FloatArray) -> npt.NDArray[np.intp]:
    """Places in the grid of pairs (2, v), which may have been in single precision: (v,)."""
    a, b = np.rint(pairs * DIVISIONS / LARGEST).astype(np.intp)
    found: npt.NDArray[np.intp] = _NUMBERS[a, b + DIVISIONS]
    return found


def lag1(a: FloatArray, b: FloatArray) -> FloatArray:
    """Lag-1 autocorrelation, lambda = (a + b) (1 + a b) / (1 + 2 a b + b^2)."""
    return (a + b) * (1 + a * b) / (1 + 2 * a * b + b * b)


@dataclass(frozen=True)
class Precision:
    """V^-1 = own I + beside T - (ends U)'(ends U).

    T (n, n) is c^(|s-t|-1) off its diagonal and 0 on it, with c = -b; U (2, n) is c^t and c^(n-1-t).

    Attributes
    ----------
    c : -b.
    ends : (2, 2).
    log_determinant : log|V|.

    Notes
    -----
    Let xi = a x_{-1} + b innovation_{-1}, of variance d = (a + b)^2 / (1 - a^2), be what the past adds to the
    first scan, and u_t = c^t. The innovations are Px - u xi, P being lower triangular and Toeplitz: 1, then
    (c - a) c^(k-1) at lag k. With xi integrated out, x'V^-1 x = |Px|^2 - (u'Px)^2 d / (1 + d u'u), and |V| =
    1 + d u'u. |Px|^2 is that of the series continued by zeros, whose matrix is Toeplitz, less what comes
    after the last scan: (c - a)^2 / (1 - c^2) times the square of the sum of c^(n-1-t) x_t.
    """

    c: float
    own: float
    beside: float
    ends: FloatArray
    log_determinant: float

    @classmethod
    def of(cls, number: int, n_scans: int) -> Precision:
        """By one pair."""
        a, b = GRID[number].tolist()
        c, rest, past = -b, 1 - b * b, (a + b) ** 2 / (1 - a * a)
        determinant = 1 + past * (1 - c ** (2 * n_scans)) / rest
        first = np.array([1 - a * c, (a - c) * c**n_scans]) * np.sqrt(past / determinant) / rest
        return cls(
            c=c,
            own=(1 - 2 * a * c + a * a) / rest,
            beside=(c - a) * (1 - a * c) / rest,
            ends=np.array([first, [0.0, (c - a) / np.sqrt(rest)]]),
            log_determinant=float(np.log(determinant)),
        )

    def times(self, x: FloatArray, beside_x: FloatArray | None = None) -> FloatArray:
        """V^-1 x of columns (n, k), of which T x may be known: pairs of one b share it."""
        powers = self.c ** np.arange(len(x))
        at_ends = self.ends @ np.array([powers, powers[::-1]])
        beside_x = beside(x, self.c) if beside_x is None else beside_x
        product: FloatArray = self.own * x + self.beside * beside_x - at_ends.T @ (at_ends @ x)
        return product


def beside(x: FloatArray, c: float) -> FloatArray:
    """T x of columns (n, k)."""
    return _faded(x, c) + _faded(x[::-1], c)[::-1]


def _faded(x: FloatArray, c: float) -> FloatArray:
    """Sum over s < t of c^(t-s-1) x_s at each t, (n, k)."""
    faded = np.zeros_like(x)
    for t in range(1, len(x)):
        faded[t] = x[t - 1] + c * faded[t - 1]
    return faded
