"""Fit with ARMA(1,1) noise, its two coefficients chosen per voxel by restricted likelihood, as AFNI does.

The definitions are those of the help of AFNI's 3dREMLfit with its defaults: a from 0 to 0.8 and b from -0.8
to 0.8 in steps of 0.1 (-MAXa, -MAXb, -Grid 3), positive correlations only (no -NEGcor), no median filter.
Where AFNI sets correlations below a cutoff to zero (-CORcut), the covariance is exact here. The help says
that the grid is scanned, not how; here every second value of a and b is, then the neighbours of the best.

Arrays only. Symbols: n scans, r rank of the design, Q (n, r) its orthonormal basis, v voxels, V covariance.
x_t = a x_{t-1} + innovation_t + b innovation_{t-1}, with autocorrelation lambda a^(k-1) at lag k.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_banded

from firstlevel.arrays import FloatArray
from firstlevel.glm.mixture import residuals
from firstlevel.glm.sums import dot

CHUNK = 512
"""Voxels that are whitened together."""
LARGEST, DIVISIONS = 0.8, 8
"""Of a and b, and steps from 0 to it."""

Pair = tuple[int, int]
"""a and b, in steps."""


@dataclass(frozen=True)
class Fitted:
    """Fit of a block of voxels.

    Attributes
    ----------
    a, b : (v,), coefficients; both 0 for white noise, and where there is none.
    coefficients : (r, v), on the basis of the design.
    sigma2 : (v,), variance of the innovations; 0 where the data hold no noise.
    ar1 : (v,), lag-1 autocorrelation lambda of the noise.
    rsquared : (v,), explained share of the squares of the whitened data about a whitened constant.
    """

    a: FloatArray
    b: FloatArray
    coefficients: FloatArray
    sigma2: FloatArray
    ar1: FloatArray
    rsquared: FloatArray


@dataclass(frozen=True)
class Whitened:
    """A design whitened by one pair: W Q, with W'W = V^-1 for innovations of variance 1.

    Attributes
    ----------
    basis : (n, r).
    level : (n,), a constant, whitened and at unit length.
    inverse : (Q' V^-1 Q)^-1, (r, r).
    constant : -(log|V| + log|Q' V^-1 Q|) / 2.
    """

    basis: FloatArray
    level: FloatArray
    inverse: FloatArray
    constant: float


@dataclass(frozen=True)
class Search:
    """Choice of a pair for each voxel of a run: one object for all blocks, which keeps whitened designs."""

    basis: FloatArray
    _whitened: dict[Pair, Whitened] = field(default_factory=dict, repr=False, compare=False)

    @property
    def dof(self) -> int:
        """Degrees of freedom of the residuals, n - r."""
        n_scans, rank = self.basis.shape
        return int(n_scans - rank)

    def whitened(self, pair: Pair) -> Whitened:
        """The design whitened by a pair."""
        if pair not in self._whitened:
            rank = self.basis.shape[1]
            white, determinant = whiten(np.column_stack([self.basis, np.ones(len(self.basis))]), *value(pair))
            basis, one = white[:, :rank], white[:, rank]
            information = basis.T @ basis
            self._whitened[pair] = Whitened(
                basis=basis,
                level=one / np.linalg.norm(one),
                inverse=np.asarray(np.linalg.inv(information), dtype=np.float64),
                constant=-(determinant + float(np.linalg.slogdet(information)[1])) / 2,
            )
        return self._whitened[pair]

    def fit(self, data: FloatArray) -> Fitted:
        """Fit a block of voxels (n, v) at the pair of largest restricted likelihood.

        Notes
        -----
        Of pairs as likely the first one looked at counts, white noise before all. The fit differs from that of
        least squares, with the residuals e, by (Q' V^-1 Q)^-1 (WQ)' We.
        """
        n_voxels, rank = data.shape[1], self.basis.shape[1]
        a, b, sigma2, ar1, rsquared = np.zeros((5, n_voxels))
        fitted = Fitted(a, b, np.empty((rank, n_voxels)), sigma2, ar1, rsquared)
        for start in range(0, n_voxels, CHUNK):
            chunk = slice(start, min(start + CHUNK, n_voxels))
            g, e, noisy = residuals(self.basis, data[:, chunk])
            fitted.coefficients[:, chunk] = g
            for pair, voxels in self._chosen(e[:, noisy]).items():
                at = np.flatnonzero(noisy)[voxels]
                self._store(fitted, start + at, pair, g[:, at], e[:, at])
        return fitted

    def _chosen(self, e: FloatArray) -> dict[Pair, npt.NDArray[np.intp]]:
        """The voxels of each pair that is best for some."""
        best = np.full(e.shape[1], -np.inf)
        found = np.zeros((e.shape[1], 2), dtype=np.intp)
        everyone = np.arange(e.shape[1])
        for pair in coarse_pairs():
            self._improve(best, found, pair, e, everyone)
        for pair, voxels in _alike(found).items():
            for neighbour in neighbours(pair):
                self._improve(best, found, neighbour, e, voxels)
        return _alike(found)

    def _improve(
        self,
        best: FloatArray,
        found: npt.NDArray[np.intp],
        pair: Pair,
        e: FloatArray,
        voxels: npt.NDArray[np.intp],
    ) -> None:
        if not voxels.size:
            return
        design = self.whitened(pair)
        white, _ = whiten(e[:, voxels], *value(pair))
        towards = design.basis.T @ white
        left = dot(white, white) - dot(towards, design.inverse @ towards)
        likelihood = design.constant - self.dof / 2 * np.log(np.maximum(left, np.finfo(np.float64).tiny))
        better = likelihood > best[voxels]
        best[voxels[better]], found[voxels[better]] = likelihood[better], pair

    def _store(
        self, fitted: Fitted, at: npt.NDArray[np.intp], pair: Pair, g: FloatArray, e: FloatArray
    ) -> None:
        (a, b), design = value(pair), self.whitened(pair)
        white, _ = whiten(e, a, b)
        change = design.inverse @ (design.basis.T @ white)
        left = white - design.basis @ change
        squares, fit = dot(left, left), design.basis @ (g + change)
        explained = np.maximum(dot(fit, fit) - (design.level @ (fit + left)) ** 2, 0.0)
        fitted.a[at], fitted.b[at], fitted.ar1[at] = a, b, lag1(a, b)
        fitted.coefficients[:, at] = g + change
        fitted.sigma2[at] = squares / self.dof
        fitted.rsquared[at] = explained / (explained + squares)


def value(pair: Pair) -> tuple[float, float]:
    """Coefficients a and b of a pair."""
    return pair[0] * LARGEST / DIVISIONS, pair[1] * LARGEST / DIVISIONS


def lag1(a: float, b: float) -> float:
    """Lag-1 autocorrelation, lambda = (a + b) (1 + a b) / (1 + 2 a b + b^2)."""
    return (a + b) * (1 + a * b) / (1 + 2 * a * b + b * b)


def is_allowed(pair: Pair) -> bool:
    """Whether a pair is on the grid and its correlations are positive, or all 0 with a and b."""
    a, b = pair
    return (0 <= a <= DIVISIONS and abs(b) <= DIVISIONS and a + b > 0) or pair == (0, 0)


def coarse_pairs() -> list[Pair]:
    """White noise, and every second value of a and b."""
    even = [(a, b) for a in range(0, DIVISIONS + 1, 2) for b in range(-DIVISIONS, DIVISIONS + 1, 2)]
    return [(0, 0), *(pair for pair in even if is_allowed(pair) and pair != (0, 0))]


def neighbours(pair: Pair) -> list[Pair]:
    """Pairs one step away, in a, in b or in both."""
    around = [(pair[0] + i, pair[1] + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return [other for other in around if is_allowed(other) and other != pair]


def whiten(series: FloatArray, a: float, b: float) -> tuple[FloatArray, float]:
    """W times `series` (n, k), and log|V|, where W'W = V^-1 for innovations of variance 1.

    Notes
    -----
    The innovations algorithm (Brockwell and Davis 1991, Time Series, section 5.3): what is new in a scan is
    u_t = x_t - a x_{t-1} - (b / s_{t-1}) u_{t-1}, of variance s_t = 1 + b^2 - b^2 / s_{t-1}, and s_0 is that
    of the process; u_t / sqrt(s_t) are white.
    """
    n_scans = len(series)
    variances = np.empty(n_scans)
    variances[0] = (1 + 2 * a * b + b * b) / (1 - a * a)
    for t in range(1, n_scans):
        variances[t] = 1 + b * b - b * b / variances[t - 1]
    new = series.copy()
    new[1:] -= a * series[:-1]
    if b:
        bands = np.ones((2, n_scans))
        bands[1] = b / variances
        new = solve_banded((1, 0), bands, new, overwrite_b=True, check_finite=False)
    new /= np.sqrt(variances)[:, np.newaxis]
    return new, float(np.log(variances).sum())


def _alike(pairs: npt.NDArray[np.intp]) -> dict[Pair, npt.NDArray[np.intp]]:
    """Voxels of each of the pairs (v, 2)."""
    values, which = np.unique(pairs, axis=0, return_inverse=True)
    return {(int(a), int(b)): np.flatnonzero(which.ravel() == k) for k, (a, b) in enumerate(values)}
