"""Columns of a design that follow from its other columns. Knows arrays only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

SHARE = 1e-6
"""Least part of a column, relative to its norm, that makes another column one of its sources."""


def dependent_columns(design: FloatArray) -> dict[int, list[int]]:
    """Columns to drop for full rank, each with the columns that it is a weighted sum of.

    Parameters
    ----------
    design : (n, p), no NaN.

    Returns
    -------
    p - rank columns, in the order of the design; an empty column follows from none.

    Notes
    -----
    Pivoted QR, X P = Q [R1 R2]: the columns behind the rank are Q R1 times R1^-1 R2 (Golub and Van Loan,
    Matrix Computations, section 5.4.2). Of two equal columns the pivoting chooses.
    The rank is numpy's.
    """
    from scipy.linalg import qr, solve_triangular

    rank = int(np.linalg.matrix_rank(design))
    if rank == design.shape[1]:
        return {}
    triangle, order = qr(design, mode="r", pivoting=True)
    kept, dropped = order[:rank], order[rank:]
    shares = np.abs(solve_triangular(triangle[:rank, :rank], triangle[:rank, rank:]))
    shares *= np.linalg.norm(design[:, kept], axis=0)[:, np.newaxis]
    norms = np.linalg.norm(design[:, dropped], axis=0)
    sources = {
        int(column): sorted(int(k) for k in kept[(share > SHARE * norm) & (norm > 0)])
        for column, share, norm in zip(dropped, shares.T, norms, strict=True)
    }
    return dict(sorted(sources.items()))


def described(sources: dict[int, list[int]], columns: Sequence[str]) -> str:
    """Say of each column what it follows from: ``again (follows from a), c (empty)``."""
    return ", ".join(
        f"{columns[column]} ({'follows from ' + ' + '.join(columns[k] for k in of) if of else 'empty'})"
        for column, of in sources.items()
    )
