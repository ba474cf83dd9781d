"""Fit with ARMA(1,1) noise, its two coefficients chosen per voxel by restricted likelihood, as AFNI does.

All pairs of the grid (:mod:`firstlevel.glm.arma_process`) are looked at, as in AFNI's 3dREMLfit without its
median filter.

Arrays only. Symbols: n scans, r rank of the design, Q (n, r) its orthonormal basis, v voxels; V covariance
for innovations of variance 1, W'W = V^-1; e (n, v) residuals of least squares, y data.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import FloatArray
from firstlevel.glm.arma_process import GRID, Precision, beside, lag1
from firstlevel.glm.residual_sums import of_lagged_sums, residuals, squared_spectrum
from firstlevel.glm.sums import dot

CHUNK = 512
"""Voxels that are fitted together."""


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
class PairsOfB:
    """Fits with k pairs of one b: they share T and U of V^-1, so that each costs little.

    Attributes
    ----------
    numbers : of the pairs in the grid, (k,).
    across : Q'T, and U, (r + 2, n).
    toeplitz : weights of the squared spectrum of x in x'(own I + beside T) x, (k, f).
    less : (k, r + 2, r + 2), times `across` e: numbers whose squares are taken off that, which are what the
        design explains of We, and (ends U) e.
    roots : C with C C' = (Q' V^-1 Q)^-1, (k, r, r).
    levels : V^-1 1 / sqrt(1'V^-1 1), (k, n), for a constant.
    determinants : log|V| + log|Q' V^-1 Q|, (k,).
    """

    numbers: npt.NDArray[np.intp]
    across: FloatArray
    toeplitz: FloatArray
    less: FloatArray
    roots: FloatArray
    levels: FloatArray
    determinants: FloatArray

    @classmethod
    def of(cls, b: float, basis: FloatArray) -> PairsOfB:
        """All pairs of this b."""
        (n_scans, rank), numbers = basis.shape, np.flatnonzero(GRID[:, 1] == b)
        powers = (-b) ** np.arange(n_scans)
        u, x = np.array([powers, powers[::-1]]), np.column_stack([basis, np.ones(n_scans)])
        beside_x = beside(x, -b)
        found: list[tuple[FloatArray, ...]] = []
        for form in (Precision.of(number, n_scans) for number in numbers.tolist()):
            toeplitz = of_lagged_sums(np.concatenate([[form.own], 2 * form.beside * powers[:-1]]))
            at_ends = form.ends @ u @ basis
            weighted = form.times(x, beside_x)
            information, one = weighted[:, :rank].T @ basis, weighted[:, rank]
            root = np.linalg.cholesky(np.linalg.inv(information))
            # as Q'e = 0, Q'V^-1 e = beside Q'Te - (ends U Q)'(ends U) e
            towards = np.hstack([form.beside * np.eye(rank), -at_ends.T @ form.ends])
            less = np.vstack([root.T @ towards, np.hstack([np.zeros((2, rank)), form.ends])])
            determinants = form.log_determinant + np.linalg.slogdet(information)[1]
            found.append((toeplitz, less, root, one / np.sqrt(one.sum()), determinants))
        across = np.vstack([beside_x[:, :rank].T, u])
        return cls(numbers, across, *(np.array(of_pairs) for of_pairs in zip(*found, strict=True)))

    def likelihoods(self, e: FloatArray, spectrum: FloatArray) -> FloatArray:
        """Restricted log likelihoods up to a constant, (k, v), from e and its squared spectrum (f, v)."""
        (n_scans, rank), less = (len(e), len(self.across) - 2), self.less @ (self.across @ e)
        squares = self.toeplitz @ spectrum - np.einsum("kpv,kpv->kv", less, less)
        logs: FloatArray = np.log(np.maximum(squares, np.finfo(np.float64).tiny))
        return -(self.determinants[:, np.newaxis] + (n_scans - rank) * logs) / 2

    def fit(self, k: int, e: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """What the k-th pair adds to the coefficients of least squares, (r, v), and squares of whitened data.

        Those of the residuals and those of the data about a constant, (v,); of the data `y` (n, v), any
        constant may be taken off.
        """
        rank, less = len(self.across) - 2, self.less[k] @ (self.across @ e)
        left = self.toeplitz[k] @ squared_spectrum(e) - dot(less, less)
        at_ends = self.less[k, rank:, rank:] @ (self.across[rank:] @ y)
        about = self.toeplitz[k] @ squared_spectrum(y) - dot(at_ends, at_ends) - (self.levels[k] @ y) ** 2
        return self.roots[k] @ less[:rank], left, about


@dataclass(frozen=True)
class Search:
    """Choice of a pair for each voxel of a run: one object for all blocks, which keeps long products."""

    basis: FloatArray
    _by_b: dict[float, PairsOfB] = field(default_factory=dict, repr=False, compare=False)

    @property
    def dof(self) -> int:
        """Degrees of freedom of the residuals, n - r."""
        n_scans, rank = self.basis.shape
        return int(n_scans - rank)

    def inverse(self, number: int) -> FloatArray:
        """(Q' V^-1 Q)^-1 of a pair, (r, r)."""
        pairs, k = self._pair(number)
        inverse: FloatArray = pairs.roots[k] @ pairs.roots[k].T
        return inverse

    def likelihoods(self, e: FloatArray) -> FloatArray:
        """Restricted log likelihoods up to a constant of residuals of least squares, all pairs: (109, v)."""
        found, spectrum = np.empty((len(GRID), e.shape[1])), squared_spectrum(e)
        for b in np.unique(GRID[:, 1]).tolist():
            pairs = self._pairs(b)
            found[pairs.numbers] = pairs.likelihoods(e, spectrum)
        return found

    def fit(self, data: FloatArray) -> Fitted:
        """Fit a block of voxels (n, v) at the pair of largest restricted likelihood.

        Of pairs as likely the first one in the grid counts, white noise before all.
        """
        n_voxels, rank = data.shape[1], self.basis.shape[1]
        a, b, sigma2, ar1, rsquared = np.zeros((5, n_voxels))
        fitted = Fitted(a, b, np.empty((rank, n_voxels)), sigma2, ar1, rsquared)
        for start in range(0, n_voxels, CHUNK):
            y = data[:, start : start + CHUNK]
            g, e, noisy = residuals(self.basis, y)
            # of data far from 0, rounding leaves some of the design in e
            e -= self.basis @ (self.basis.T @ e)
            fitted.coefficients[:, start : start + CHUNK] = g
            y = y - y.mean(axis=0)
            best = self.likelihoods(e).argmax(axis=0)
            for number in np.unique(best[noisy]).tolist():
                at = np.flatnonzero(noisy & (best == number))
                self._store(fitted, start + at, number, e[:, at], y[:, at])
        return fitted

    def _store(
        self, fitted: Fitted, at: npt.NDArray[np.intp], number: int, e: FloatArray, y: FloatArray
    ) -> None:
        pairs, k = self._pair(number)
        change, left, about = pairs.fit(k, e, y)
        explained = np.maximum(about - left, 0.0)
        fitted.a[at], fitted.b[at] = GRID[number]
        fitted.ar1[at] = lag1(*GRID[number])
        fitted.coefficients[:, at] += change
        fitted.sigma2[at] = left / self.dof
        fitted.rsquared[at] = explained / (explained + left)

    def _pair(self, number: int) -> tuple[PairsOfB, int]:
        pairs = self._pairs(float(GRID[number, 1]))
        return pairs, int(np.searchsorted(pairs.numbers, number))

    def _pairs(self, b: float) -> PairsOfB:
        if b not in self._by_b:
            self._by_b[b] = PairsOfB.of(b, self.basis)
        return self._by_b[b]
