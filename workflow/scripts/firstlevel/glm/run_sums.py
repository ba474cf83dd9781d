"""Sums over time of all voxels of a run, taken scan by scan in one reading. Knows arrays only.

Symbols: n scans, v voxels; Q (n, r) orthonormal basis of the design, N(Q) the sum of its neighbours in time,
q_{t-1} + q_{t+1}. The memory is that of (2r + 8) numbers per voxel, whatever the number of scans.

Sums of squares of what is left after a fit come out of differences. So a reference near the data is taken
off each voxel first: the mean of the first scans, which one scan before the steady state hardly moves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from firstlevel.arrays import BoolArray, Float32Array, FloatArray
from firstlevel.glm.sums import Sums, dot

CHUNK = 16
"""Scans that are summed up together."""
STRIP = 2048
"""Voxels whose sums a processor's cache holds meanwhile."""
LEAST = 1e-4
"""Share of the sum of squares below which residuals lose too much in a difference: 1e-12 of them at most."""
NO_ONE = 1e-18
"""Squared length of what a basis leaves of a constant, per scan, below which it is rounding."""


@dataclass(frozen=True)
class RunSums:
    """Sums over time of all voxels of a run, of the data y less a reference.

    Attributes
    ----------
    basis : Q (n, r).
    kept : (n,), scans that are not censored.
    reference : (v,), what was taken off each voxel.
    rows : (2r + 2, v), products over time with Q, with N(Q), with 1, and with `kept`.
    squares, products : (v,), sum of y_t^2, and of y_t y_{t-1}.
    first, last : (v,), these scans.
    has_zero : (v,), voxels that are exactly 0 in some scan.
    signal : (n,), mean over the voxels of each scan, nothing taken off.
    change : (n,), root mean square over the voxels of the change from the scan before; 0 of the first.
    """

    basis: FloatArray
    kept: BoolArray
    reference: FloatArray
    rows: FloatArray
    squares: FloatArray
    products: FloatArray
    first: FloatArray
    last: FloatArray
    has_zero: BoolArray
    signal: FloatArray
    change: FloatArray

    @classmethod
    def of(cls, scans: Iterable[Float32Array], basis: FloatArray, kept: BoolArray, n_voxels: int) -> RunSums:
        """Sum up the `scans`, n arrays of (v,)."""
        (n_scans, rank), one = basis.shape, np.ones(len(basis))
        weights = np.column_stack([basis, neighbours(basis), one, kept]).T.copy()
        found = cls(
            basis=basis,
            kept=kept,
            reference=np.zeros(n_voxels),
            rows=np.zeros((2 * rank + 2, n_voxels)),
            squares=np.zeros(n_voxels),
            products=np.zeros(n_voxels),
            first=np.zeros(n_voxels),
            last=np.zeros(n_voxels),
            has_zero=np.zeros(n_voxels, dtype=bool),
            signal=np.zeros(n_scans),
            change=np.zeros(n_scans),
        )
        chunk, n_read = np.empty((CHUNK, n_voxels), dtype=np.float32), 0
        for scan in scans:
            chunk[n_read % CHUNK] = scan
            n_read += 1
            if n_read % CHUNK == 0 or n_read == n_scans:
                start = (n_read - 1) // CHUNK * CHUNK
                found._add(chunk[: n_read - start], start, weights)
        if n_read != n_scans:
            raise ValueError(f"{n_read} scans of {n_scans}")
        found.signal[:] /= n_voxels
        found.change[:] = np.sqrt(found.change / n_voxels)
        return found

    def _add(self, chunk: Float32Array, start: int, weights: FloatArray) -> None:
        """Add the scans (c, v) from the number `start` on."""
        scans = slice(start, start + len(chunk))
        for low in range(0, self.squares.size, STRIP):
            strip = slice(low, low + STRIP)
            y = chunk[:, strip].astype(np.float64)
            self.signal[scans] += y.sum(axis=1)
            self.has_zero[strip] |= (y == 0).any(axis=0)
            if start == 0:
                self.reference[strip] = y.mean(axis=0)
            y -= self.reference[strip]
            self.rows[:, strip] += weights[:, scans] @ y
            self.squares[strip] += dot(y, y)
            self.products[strip] += dot(y[1:], y[:-1])
            steps = np.diff(y, axis=0)
            self.change[start + 1 : scans.stop] += np.einsum("tv,tv->t", steps, steps)
            if start == 0:
                self.first[strip] = y[0]
            else:
                self.products[strip] += y[0] * self.last[strip]
                self.change[start] += float(((y[0] - self.last[strip]) ** 2).sum())
            self.last[strip] = y[-1]

    @property
    def n_scans(self) -> int:
        """Number of scans."""
        return len(self.basis)

    def mean(self, voxels: slice = slice(None)) -> FloatArray:
        """Mean over all scans of some voxels."""
        average: FloatArray = self.reference[voxels] + self.rows[-2, voxels] / self.n_scans
        return average

    def mean_of_kept(self, voxels: slice = slice(None)) -> FloatArray:
        """Mean over the scans that are not censored of some voxels."""
        average: FloatArray = self.reference[voxels] + self.rows[-1, voxels] / max(self.kept.sum(), 1)
        return average

    def of_scaled(self, voxels: slice, factor: FloatArray, offset: FloatArray) -> tuple[Sums, BoolArray]:
        """Sums of factor (y + offset), y less its reference, and the voxels for which they are too inexact.

        Notes
        -----
        With c = Q'y, the residuals u = y - Q c have the squares y'y - c'c, the lagged sums L - (K + K') c and
        the products p - c'L + c'Kc, where L = N(Q)'y, K = Q[1:]'Q[:-1] and p is that of y. What the basis
        leaves of the offset, w = 1 - Q (Q'1), is 0 where the design holds a constant; else the residuals are
        u + offset w, and with u'w = u'1 all sums follow.
        """
        basis, (n_scans, rank) = self.basis, self.basis.shape
        c, across = self.rows[:rank, voxels], self.rows[rank : 2 * rank, voxels]
        k = basis[1:].T @ basis[:-1]
        squares = self.squares[voxels] - dot(c, c)
        inexact = squares < LEAST * self.squares[voxels]
        lagged = across - (k + k.T) @ c
        products = self.products[voxels] - dot(c, across) + dot(c, k @ c)
        last = self.last[voxels] - basis[-1] @ c
        of_one = basis.sum(axis=0)
        total = self.rows[-2, voxels] - of_one @ c
        w = 1 - basis @ of_one
        if w @ w < NO_ONE * n_scans:
            total = np.zeros_like(total)
        else:
            ends = self.first[voxels] - basis[0] @ c + last
            beside = neighbours(w[:, None])[:, 0]
            # N(w)'u = N(1)'u, less what is Q'u = 0 but for N(Q)'u
            products += offset * (2 * total - ends - of_one @ lagged) + offset**2 * float(w[1:] @ w[:-1])
            squares += 2 * offset * total + offset**2 * float(w @ w)
            lagged += np.outer(basis.T @ beside, offset)
            last += offset * w[-1]
            total += offset * w.sum()
        coefficients = factor * (c + np.outer(of_one, offset))
        scaled = (factor * lagged, factor**2 * np.maximum(squares, 0.0), factor**2 * products)
        return Sums(coefficients, *scaled, factor * total, factor * last), inexact


def neighbours(columns: FloatArray) -> FloatArray:
    """Sum of the values before and after, of columns (n, k)."""
    beside = np.zeros_like(columns)
    beside[:-1] += columns[1:]
    beside[1:] += columns[:-1]
    return beside
