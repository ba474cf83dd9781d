"""Fit with ARMA(1,1) noise, its two coefficients chosen per voxel by restricted likelihood, as AFNI does.

All pairs of the grid (:mod:`firstlevel.glm.arma_process`) are looked at, as in AFNI's 3dREMLfit without its
median filter.

Arrays only. Symbols: n scans, r rank of the design, Q (n, r) its orthonormal basis, v voxels; V covariance
for innovations of variance 1, W'W = V^-1; e (n, v) residuals of least squares.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import FloatArray
from firstlevel.glm.arma_process import GRID, Precision, Whitening, lag1
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
class Whitened:
    """A design whitened by one pair.

    Attributes
    ----------
    basis : W Q, (n, r).
    level : (n,), a constant, whitened and at unit length.
    inverse : (Q' V^-1 Q)^-1, (r, r).
    """

    basis: FloatArray
    level: FloatArray
    inverse: FloatArray


@dataclass(frozen=True)
class PairsOfB:
    """Restricted likelihoods with pairs of one b: they share T and U of V^-1, so that each costs little.

    Attributes
    ----------
    across : Q'T, and U, (r + 2, n).
    toeplitz : weights of the squared spectrum of e in e'(own I + beside T) e, (k, f).
    less : (k, r + 2, r + 2), times `across` e: numbers whose squares are taken off that, which are what the
        design explains of We, and (ends U) e.
    determinants : log|V| + log|Q' V^-1 Q|, (k, 1).
    """

    across: FloatArray
    toeplitz: FloatArray
    less: FloatArray
    determinants: FloatArray

    @classmethod
    def of(cls, forms: list[Precision], inverses: list[FloatArray], b: float, basis: FloatArray) -> PairsOfB:
        """Of k pairs, with (Q' V^-1 Q)^-1 of each."""
        rank, powers = basis.shape[1], (-b) ** np.arange(len(basis))
        u, toeplitz, less, determinants = np.array([powers, powers[::-1]]), [], [], []
        for form, inverse in zip(forms, inverses, strict=True):
            lagged = np.concatenate([[form.own], 2 * form.beside * powers[:-1]])
            toeplitz.append(of_lagged_sums(lagged))
            # as Q'e = 0, Q'V^-1 e = beside Q'Te - (ends U Q)'(ends U) e
            towards = np.hstack([form.beside * np.eye(rank), -(form.ends @ u @ basis).T @ form.ends])
            ends = np.hstack([np.zeros((2, rank)), form.ends])
            less.append(np.vstack([np.linalg.cholesky(inverse).T @ towards, ends]))
            determinants.append([form.log_determinant - np.linalg.slogdet(inverse)[1]])
        return cls(
            across=np.vstack([(_faded(basis, -b) + _faded(basis[::-1], -b)[::-1]).T, u]),
            toeplitz=np.array(toeplitz),
            less=np.array(less),
            determinants=np.array(determinants),
        )

    def likelihoods(self, e: FloatArray, spectrum: FloatArray) -> FloatArray:
        """Restricted log likelihoods up to a constant, (k, v), from e and its squared spectrum (f, v)."""
        (n_scans, rank), less = (len(e), len(self.across) - 2), self.less @ (self.across @ e)
        squares = self.toeplitz @ spectrum - np.einsum("kpv,kpv->kv", less, less)
        logs: FloatArray = np.log(np.maximum(squares, np.finfo(np.float64).tiny))
        return -(self.determinants + (n_scans - rank) * logs) / 2


@dataclass(frozen=True)
class Search:
    """Choice of a pair for each voxel of a run: one object for all blocks, which keeps whitened designs."""

    basis: FloatArray
    _whitened: dict[int, Whitened] = field(default_factory=dict, repr=False, compare=False)

    @property
    def dof(self) -> int:
        """Degrees of freedom of the residuals, n - r."""
        n_scans, rank = self.basis.shape
        return int(n_scans - rank)

    def whitened(self, number: int) -> Whitened:
        """The design whitened by a pair of the grid."""
        if number not in self._whitened:
            n_scans, rank = self.basis.shape
            white = Whitening.of(number, n_scans).of_series(np.column_stack([self.basis, np.ones(n_scans)]))
            basis, one = white[:, :rank], white[:, rank]
            self._whitened[number] = Whitened(
                basis=basis,
                level=one / np.linalg.norm(one),
                inverse=np.asarray(np.linalg.inv(basis.T @ basis), dtype=np.float64),
            )
        return self._whitened[number]

    @cached_property
    def _by_b(self) -> list[tuple[npt.NDArray[np.intp], PairsOfB]]:
        """The grid by b: numbers of the pairs of each."""
        found = []
        for b in np.unique(GRID[:, 1]).tolist():
            numbers = np.flatnonzero(GRID[:, 1] == b)
            forms = [Precision.of(number, len(self.basis)) for number in numbers.tolist()]
            inverses = [self.whitened(number).inverse for number in numbers.tolist()]
            found.append((numbers, PairsOfB.of(forms, inverses, b, self.basis)))
        return found

    def likelihoods(self, e: FloatArray) -> FloatArray:
        """Restricted log likelihoods up to a constant of residuals of least squares, all pairs: (109, v)."""
        found, spectrum = np.empty((len(GRID), e.shape[1])), squared_spectrum(e)
        for numbers, pairs in self._by_b:
            found[numbers] = pairs.likelihoods(e, spectrum)
        return found

    def fit(self, data: FloatArray) -> Fitted:
        """Fit a block of voxels (n, v) at the pair of largest restricted likelihood.

        Notes
        -----
        Of pairs as likely the first one in the grid counts, white noise before all. The fit differs from that
        of least squares by (Q' V^-1 Q)^-1 (WQ)' We.
        """
        n_voxels, rank = data.shape[1], self.basis.shape[1]
        a, b, sigma2, ar1, rsquared = np.zeros((5, n_voxels))
        fitted = Fitted(a, b, np.empty((rank, n_voxels)), sigma2, ar1, rsquared)
        for start in range(0, n_voxels, CHUNK):
            chunk = slice(start, min(start + CHUNK, n_voxels))
            g, e, noisy = residuals(self.basis, data[:, chunk])
            fitted.coefficients[:, chunk] = g
            best = self.likelihoods(e).argmax(axis=0)
            white = Whitening.of_each(best, len(e)).of_series(e)
            for number in np.unique(best[noisy]).tolist():
                at = np.flatnonzero(noisy & (best == number))
                self._store(fitted, start + at, number, g[:, at], white[:, at])
        return fitted

    def _store(
        self, fitted: Fitted, at: npt.NDArray[np.intp], number: int, g: FloatArray, white: FloatArray
    ) -> None:
        (a, b), design = GRID[number], self.whitened(number)
        change = design.inverse @ (design.basis.T @ white)
        left = white - design.basis @ change
        squares, fit = dot(left, left), design.basis @ (g + change)
        explained = np.maximum(dot(fit, fit) - (design.level @ (fit + left)) ** 2, 0.0)
        fitted.a[at], fitted.b[at], fitted.ar1[at] = a, b, lag1(a, b)
        fitted.coefficients[:, at] = g + change
        fitted.sigma2[at] = squares / self.dof
        fitted.rsquared[at] = explained / (explained + squares)


def _faded(x: FloatArray, c: float) -> FloatArray:
    """Sum over s < t of c^(t-s-1) x_s at each t, (n, r)."""
    faded = np.zeros_like(x)
    for t in range(1, len(x)):
        faded[t] = x[t - 1] + c * faded[t - 1]
    return faded
