"""Fit with ARMA(1,1) noise, its two coefficients chosen per voxel by restricted likelihood, as AFNI does.

The definitions are those of the help of AFNI's 3dREMLfit with its defaults: a from 0 to 0.8 and b from -0.8
to 0.8 in steps of 0.1 (-MAXa, -MAXb, -Grid 3), positive correlations only (no -NEGcor), no median filter.
Where AFNI sets correlations below a cutoff to zero (-CORcut), the covariance is exact here. The help says
that the grid is scanned, not how; here every second value of a and b is, then the neighbours of the three
best of them: of the best alone, a tenth of the voxels of simulated noise end elsewhere than at the maximum.

Arrays only. Symbols: n scans, r rank of the design, Q (n, r) its orthonormal basis, v voxels, V covariance.
x_t = a x_{t-1} + innovation_t + b innovation_{t-1}, with autocorrelation lambda a^(k-1) at lag k.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import FloatArray
from firstlevel.glm.residual_sums import residuals
from firstlevel.glm.sums import dot

CHUNK = 1024
"""Voxels that are whitened together."""
LARGEST, DIVISIONS = 0.8, 8
"""Of a and b, and steps from 0 to it."""

STEPS = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
"""From a pair to its neighbours."""

N_REFINED = 3
"""Best pairs of the coarse scan whose neighbours are looked at."""
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
class Whitening:
    """W with W'W = V^-1, for innovations of variance 1: of all series (k = 1), or of each of k.

    Attributes
    ----------
    a : (k,).
    carried : (n, k), what goes over from the scan before: b / s_{t-1}.
    scales : (n, k), sqrt(s_t).

    Notes
    -----
    The innovations algorithm (Brockwell and Davis 1991, Time Series, section 5.3): what is new in a scan is
    u_t = x_t - a x_{t-1} - (b / s_{t-1}) u_{t-1}, of variance s_t = 1 + b^2 - b^2 / s_{t-1}, and s_0 is that
    of the process; u_t / sqrt(s_t) are white.
    """

    a: FloatArray
    carried: FloatArray
    scales: FloatArray

    @classmethod
    @cache
    def of(cls, pair: Pair, n_scans: int) -> Whitening:
        """By one pair."""
        a, b = value(pair)
        variances = [(1 + 2 * a * b + b * b) / (1 - a * a)]
        for _ in range(n_scans - 1):
            variances.append(1 + b * b - b * b / variances[-1])
        s = np.array(variances)[:, np.newaxis]
        return cls(np.array([a]), np.vstack([[0.0], b / s[:-1]]), np.sqrt(s))

    @classmethod
    def of_each(cls, pairs: npt.NDArray[np.intp], n_scans: int) -> Whitening:
        """By the pair of each series, (k, 2)."""
        values, which = np.unique(pairs, axis=0, return_inverse=True)
        some = [cls.of((int(a), int(b)), n_scans) for a, b in values]
        a, carried, scales = (
            np.hstack([getattr(one, name) for one in some])[..., which.ravel()]
            for name in ("a", "carried", "scales")
        )
        return cls(a, carried, scales)

    @property
    def log_determinant(self) -> float:
        """Logarithm of |V|, of the first pair."""
        return float(2 * np.log(self.scales[:, 0]).sum())

    def of_series(self, series: FloatArray) -> FloatArray:
        """W times `series`, (n, k)."""
        new, carried = np.empty_like(series), np.empty(series.shape[1])
        new[0] = series[0]
        np.multiply(series[:-1], -self.a, out=new[1:])
        new[1:] += series[1:]
        if self.carried.any():
            for t in range(1, len(series)):
                np.multiply(new[t - 1], self.carried[t], out=carried)
                new[t] -= carried
        new /= self.scales
        return new


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
            whitening = Whitening.of(pair, len(self.basis))
            white = whitening.of_series(np.column_stack([self.basis, np.ones(len(self.basis))]))
            basis, one = white[:, :rank], white[:, rank]
            information = basis.T @ basis
            self._whitened[pair] = Whitened(
                basis=basis,
                level=one / np.linalg.norm(one),
                inverse=np.asarray(np.linalg.inv(information), dtype=np.float64),
                constant=-float(whitening.log_determinant + np.linalg.slogdet(information)[1]) / 2,
            )
        return self._whitened[pair]

    def fit(self, data: FloatArray) -> Fitted:
        """Fit a block of voxels (n, v) at the pair of largest restricted likelihood.

        Notes
        -----
        Of pairs as likely the first one looked at counts, white noise before all. The fit differs from that
        of least squares, with the residuals e, by (Q' V^-1 Q)^-1 (WQ)' We.
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
        coarse = np.array(coarse_pairs())
        likelihood = np.array(
            [
                self._likelihood(
                    np.broadcast_to(pair, (e.shape[1], 2)), Whitening.of((pair[0], pair[1]), len(e)), e
                )
                for pair in coarse.tolist()
            ]
        )
        order = np.argsort(-likelihood, axis=0, kind="stable")[:N_REFINED]
        found, best = coarse[order[0]], likelihood[order[0], np.arange(e.shape[1])]
        for ranked in order:
            for step in STEPS:
                pairs = coarse[ranked] + step
                allowed = [[is_allowed((a, b))] for a, b in pairs.tolist()]
                pairs = np.where(allowed, pairs, coarse[ranked])
                of_pairs = self._likelihood(pairs, Whitening.of_each(pairs, len(e)), e)
                better = of_pairs > best
                best[better], found[better] = of_pairs[better], pairs[better]
        return _alike(found)

    def _likelihood(self, pairs: npt.NDArray[np.intp], whitening: Whitening, e: FloatArray) -> FloatArray:
        """Restricted log likelihood of the residuals of each voxel with its pair, (v,)."""
        white = whitening.of_series(e)
        left, constants = dot(white, white), np.empty(e.shape[1])
        for pair, voxels in _alike(pairs).items():
            design = self.whitened(pair)
            towards = design.basis.T @ (white if voxels.size == left.size else white[:, voxels])
            left[voxels] -= dot(towards, design.inverse @ towards)
            constants[voxels] = design.constant
        return constants - self.dof / 2 * np.log(np.maximum(left, np.finfo(np.float64).tiny))

    def _store(
        self, fitted: Fitted, at: npt.NDArray[np.intp], pair: Pair, g: FloatArray, e: FloatArray
    ) -> None:
        (a, b), design = value(pair), self.whitened(pair)
        white = Whitening.of(pair, len(e)).of_series(e)
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


def _alike(pairs: npt.NDArray[np.intp]) -> dict[Pair, npt.NDArray[np.intp]]:
    """Voxels of each of the pairs (v, 2)."""
    values, which = np.unique(pairs, axis=0, return_inverse=True)
    return {(int(a), int(b)): np.flatnonzero(which.ravel() == k) for k, (a, b) in enumerate(values)}
