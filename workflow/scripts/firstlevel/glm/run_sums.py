"""Sums over time of all voxels of a run, taken scan by scan in one reading. Knows arrays only.

Symbols: n scans, v voxels; Q (n, r) orthonormal basis of the design, N(Q) the sum of its neighbours in time,
q_{t-1} + q_{t+1}; R (n, m) orthonormal basis of what N(Q) has beyond Q and the ends of the run. Of a cosine
N is a multiple, but at the ends: so m is small where a long run has many columns, which are of drift. The
memory is that of (r + m + 10) numbers per voxel, whatever the number of scans.

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
ROUNDING = 1e-12
"""Length, of columns of length 1, of what is no direction of its own."""
NEARLY_KNOWN = 0.1
"""Singular value below which directions are not told apart: coefficients would be large, and inexact."""
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
    rows : (r + m, v), products over time with Q and with R.
    expansion : (r + m + 2, r + 2), what gives those with N(Q), 1 and `kept`, from `rows`, `first` and `last`.
    squares, products : (v,), sum of y_t^2, and of y_t y_{t-1}.
    first, last : (v,), these scans.
    has_zero : (v,), voxels that are exactly 0 in some scan.
    signal : (n,), mean over the voxels of each scan, nothing taken off.
    change : (n,), root mean square over the voxels of the change from the scan before; 0 of the first.
    mean, mean_of_kept : (v,), over all scans, and over those that are kept.
    """

    basis: FloatArray
    kept: BoolArray
    reference: FloatArray
    rows: FloatArray
    expansion: FloatArray
    squares: FloatArray
    products: FloatArray
    first: FloatArray
    last: FloatArray
    has_zero: BoolArray
    signal: FloatArray
    change: FloatArray
    mean: FloatArray
    mean_of_kept: FloatArray

    @classmethod
    def of(cls, scans: Iterable[Float32Array], basis: FloatArray, kept: BoolArray, n_voxels: int) -> RunSums:
        """Sum up the `scans`, n arrays of (v,)."""
        n_scans = len(basis)
        more, expansion = beyond(basis, np.column_stack([neighbours(basis), np.ones(n_scans), kept]))
        weights = np.column_stack([basis, more]).T.copy()
        found = cls(
            basis=basis,
            kept=kept,
            reference=np.zeros(n_voxels),
            rows=np.zeros((len(weights), n_voxels)),
            expansion=expansion,
            squares=np.zeros(n_voxels),
            products=np.zeros(n_voxels),
            first=np.zeros(n_voxels),
            last=np.zeros(n_voxels),
            has_zero=np.zeros(n_voxels, dtype=bool),
            signal=np.zeros(n_scans),
            change=np.zeros(n_scans),
            mean=np.zeros(n_voxels),
            mean_of_kept=np.zeros(n_voxels),
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
        with np.errstate(invalid="ignore"):  # data that are not finite show in `signal`
            total, of_kept = found._beside(np.s_[-2:], np.s_[:])
        found.mean[:] = found.reference + total / n_scans
        found.mean_of_kept[:] = found.reference + of_kept / max(kept.sum(), 1)
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

    def _beside(self, columns: slice, voxels: slice) -> FloatArray:
        """Products over time with some columns of N(Q), 1 and `kept`, of some voxels."""
        of_rows, of_ends = self.expansion[:-2, columns], self.expansion[-2:, columns]
        ends = np.stack([self.first[voxels], self.last[voxels]])
        products: FloatArray = of_rows.T @ self.rows[:, voxels] + of_ends.T @ ends
        return products

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
        c, beside = self.rows[:rank, voxels], self._beside(np.s_[:-1], voxels)
        across, total = beside[:rank], beside[rank]
        k = basis[1:].T @ basis[:-1]
        squares = self.squares[voxels] - dot(c, c)
        inexact = squares < LEAST * self.squares[voxels]
        lagged = across - (k + k.T) @ c
        products = self.products[voxels] - dot(c, across) + dot(c, k @ c)
        last = self.last[voxels] - basis[-1] @ c
        of_one = basis.sum(axis=0)
        total = total - of_one @ c
        w = 1 - basis @ of_one
        if w @ w < NO_ONE * n_scans:
            total = np.zeros_like(total)
        else:
            ends = self.first[voxels] - basis[0] @ c + last
            around = neighbours(w[:, None])[:, 0]
            # N(w)'u = N(1)'u, less what is Q'u = 0 but for N(Q)'u
            products += offset * (2 * total - ends - of_one @ lagged) + offset**2 * float(w[1:] @ w[:-1])
            squares += 2 * offset * total + offset**2 * float(w @ w)
            lagged += np.outer(basis.T @ around, offset)
            last += offset * w[-1]
            total += offset * w.sum()
        coefficients = factor * (c + np.outer(of_one, offset))
        scaled = (factor * lagged, factor**2 * np.maximum(squares, 0.0), factor**2 * products)
        return Sums(coefficients, *scaled, factor * total, factor * last), inexact


def beyond(basis: FloatArray, columns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What columns (n, k) have beyond an orthonormal basis (n, r) and the first and the last scan.

    Returns an orthonormal basis of that, (n, m), and the coefficients (r + m + 2, k) of the columns on all.
    """
    ends = np.zeros((len(basis), 2))
    ends[0, 0] = ends[-1, 1] = 1.0
    known, rank = np.column_stack([basis, ends]), basis.shape[1]
    lengths = np.maximum(np.linalg.norm(columns, axis=0), ROUNDING)  # no scan may be kept
    coefficients = np.linalg.lstsq(known, columns, rcond=NEARLY_KNOWN)[0]
    u, s, vt = np.linalg.svd((columns - known @ coefficients) / lengths, full_matrices=False)
    own = s > ROUNDING
    of_own = s[own, None] * vt[own] * lengths
    return u[:, own], np.concatenate([coefficients[:rank], of_own, coefficients[rank:]])


def neighbours(columns: FloatArray) -> FloatArray:
    """Sum of the values before and after, of columns (n, k)."""
    beside = np.zeros_like(columns)
    beside[:-1] += columns[1:]
    beside[1:] += columns[:-1]
    return beside
