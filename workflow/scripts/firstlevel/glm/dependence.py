"""What the columns of a design span: rank, estimable contrasts, columns that follow from others.

All of it comes from one factorisation of the design with its columns at unit length, so that neither the
units of a regressor nor its size decide anything. Knows arrays only. n scans, p regressors, rank r.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from firstlevel.arrays import FloatArray

SMALLEST = 1e-8
"""Singular value of the columns at unit length, relative to the largest, up to which a direction is none.

Confounds that are rounded copies of other columns lie below it (10 decimals: 1e-10); a regressor whose
own part is a hundred-millionth of it could not be estimated from data of single precision.
"""
SHARE = 1e-6
"""Least part of a column, at unit length, that makes another column one of its sources."""
UNCONCERNED = 1e-7
"""Entry of the projection on the dropped directions that is rounding: the column has no part in them."""
NOT_OUTSIDE = 1e-6
"""Largest part of a contrast that may lie along dropped directions, relative to its parts that cancel."""
LEVERAGE = 0.5
"""A later column is named, not an earlier one, where its share in a dependence is at least half as large."""


@dataclass(frozen=True)
class Factorisation:
    """A design X (n, p) of rank r, factorised with its columns at unit length.

    Attributes
    ----------
    basis : Q (n, r), orthonormal, of all that the columns span.
    transform : T (p, r), X T = Q. With coefficients g on the basis, the betas are T g, the shortest ones of
        all that fit equally well, each beta in units of its column's length.
    lengths : (p,), of the columns; 1 of an empty one.
    outside : (p, p), projection on the directions that were dropped, in the space of the scaled columns.
    singular_values : of the scaled design, the largest first.
    """

    basis: FloatArray
    transform: FloatArray
    lengths: FloatArray
    outside: FloatArray
    singular_values: FloatArray

    @property
    def rank(self) -> int:
        """Directions that the columns span."""
        return int(self.basis.shape[1])

    @property
    def dof(self) -> int:
        """Scans minus the rank."""
        return len(self.basis) - self.rank

    @property
    def condition_number(self) -> float:
        """Largest over smallest singular value of the columns at unit length; infinite below full rank.

        Whatever the units of the regressors (Belsley, Kuh and Welsch 1980, Regression Diagnostics,
        section 3.2).
        """
        if self.rank < len(self.lengths):
            return float("inf")
        return float(self.singular_values[0] / self.singular_values[-1])

    def is_estimable(self, weights: FloatArray) -> bool:
        """Whether the design determines every row of `weights` (q, p).

        A row is determined where it has no part along a dropped direction. What cancels is compared with
        its own parts, column by column, so that a large weight elsewhere hides nothing.
        """
        parts = (weights / self.lengths)[:, :, np.newaxis] * self.outside
        return bool(np.all(np.abs(parts.sum(axis=1)) <= NOT_OUTSIDE * np.abs(parts).sum(axis=1)))

    def dependent_columns(self) -> dict[int, list[int]]:
        """Columns to drop for full rank, each with the columns that it is a weighted sum of.

        p - r columns, in the order of the design; an empty column follows from none. Of columns that share
        a dependence evenly the last is named.
        """
        n_dropped = len(self.lengths) - self.rank
        if not n_dropped:
            return {}
        # eigenvectors of the projection to 1: an orthonormal basis (p, p - r) of the dropped directions
        null = np.linalg.eigh(self.outside)[1][:, -n_dropped:]
        rest, chosen = null.copy(), []
        for _ in range(n_dropped):
            shares = np.linalg.norm(rest, axis=1)
            last = int(np.flatnonzero(shares >= LEVERAGE * shares.max())[-1])
            direction = rest[last] / shares[last]
            rest -= np.outer(rest @ direction, direction)
            chosen.append(last)
        weights = np.abs(null @ np.linalg.inv(null[chosen]))
        sources = {
            column: [int(k) for k in np.flatnonzero(weights[:, number] > SHARE) if k not in chosen]
            for number, column in enumerate(chosen)
        }
        return dict(sorted(sources.items()))


def factorise(design: FloatArray) -> Factorisation:
    """Singular value decomposition of a design (n, p), no NaN, its columns divided by their lengths.

    Directions with a singular value of at most SMALLEST times the largest are dropped: of columns that differ
    by less only the sum is known. Source: Golub and Van Loan, Matrix Computations, sections 5.5.1 and 5.5.8.
    """
    lengths = column_lengths(design)
    left, values, right = np.linalg.svd(design / lengths, full_matrices=False)
    rank = int(np.count_nonzero(values > SMALLEST * values[0])) if values.size else 0
    kept = right[:rank]
    outside = np.eye(design.shape[1]) - kept.T @ kept
    outside[np.abs(outside) < UNCONCERNED] = 0.0
    transform = (kept.T / values[:rank]) / lengths[:, np.newaxis]
    return Factorisation(left[:, :rank], transform, lengths, outside, values)


def column_lengths(design: FloatArray) -> FloatArray:
    """Length of each column, (p,), 1 of an empty one; squares may neither overflow nor vanish."""
    largest = np.abs(design).max(axis=0, initial=0.0)
    safe = np.where(largest > 0, largest, 1.0)
    lengths: FloatArray = np.where(largest > 0, safe * np.linalg.norm(design / safe, axis=0), 1.0)
    return lengths


def described(sources: dict[int, list[int]], columns: Sequence[str]) -> str:
    """Say of each column what it follows from: ``again (follows from a), c (empty)``."""
    return ", ".join(
        f"{columns[column]} ({'follows from ' + ' + '.join(columns[k] for k in of) if of else 'empty'})"
        for column, of in sources.items()
    )
