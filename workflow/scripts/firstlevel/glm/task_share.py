"""How much of what drift and confounds leave over the task explains. Knows arrays only.

Symbols as in :mod:`firstlevel.glm.fit`: n scans, p regressors, r the rank, v voxels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import FloatArray
from firstlevel.glm import arma, arma_process
from firstlevel.glm import fit as glm
from firstlevel.glm.dependence import SMALLEST
from firstlevel.glm.learnt import LearntNoise
from firstlevel.glm.mixture import from_bytes
from firstlevel.glm.sums import dot

SOLVED = 8192
"""Voxels whose coefficients are in memory at a time."""


Voxels = slice | npt.NDArray[np.intp]


def partial_rsquared(
    design: glm.Design,
    maps: glm.Estimates,
    others: Sequence[int],
    learnt: LearntNoise | None = None,
    pairs: FloatArray | None = None,
) -> FloatArray:
    """Share of the variance without the columns `others` that the remaining columns explain, (v,), 0 to 1.

    The variance is of the data whitened as they were fitted: with each voxel's AR(1) coefficient, or its
    ARMA(1,1) `pairs`, (2, v); where noise is `learnt` by each of its processes, and the mean over the
    posterior is taken. 0 where nothing is left.

    Notes
    -----
    1 - RSS / RSS_others, of the whole model and of the one of these columns alone. With coefficients g on
    the whitened basis and P the projection on what the other columns span there, the difference of the two
    is |(1 - P) Qw g|^2. Of a process, Qw may be L', with Q' V^-1 Q = L L'.
    """
    on_basis = design.factors.basis.T @ design.matrix
    explained = np.zeros_like(maps.sigma2)
    for shares, voxels, quadratic in _by_noise(design, maps, others, learnt, pairs):
        coefficients = on_basis @ maps.beta[:, voxels]
        explained[voxels] += shares * np.maximum(dot(coefficients, quadratic @ coefficients), 0.0)
    left = maps.sigma2 * design.dof
    total = explained + left
    share = np.zeros_like(total)
    np.divide(explained, total, out=share, where=left > 0)
    return share


def _by_noise(
    design: glm.Design,
    maps: glm.Estimates,
    others: Sequence[int],
    learnt: LearntNoise | None,
    pairs: FloatArray | None,
) -> Iterator[tuple[FloatArray | float, Voxels, FloatArray]]:
    """Kinds of noise: its share in some voxels, these, and what |(1 - P) Qw g|^2 is the quadratic form of."""
    basis, spanned = design.factors.basis, design.matrix[:, others] / design.factors.lengths[others]
    of_others = basis.T @ spanned
    if learnt:
        roots = learnt.weighted.roots.transpose(0, 2, 1)
        of_processes = [_quadratic(root, root @ of_others) for root in roots]
        for start in range(0, maps.sigma2.size, SOLVED):
            part = slice(start, start + SOLVED)
            for w, quadratic in zip(from_bytes(learnt.posterior[:, part]), of_processes, strict=True):
                yield w, part, quadratic
    elif pairs is not None:
        search = arma.Search(basis)
        for number, voxels in glm.groups(arma_process.numbers(pairs).astype(np.float64)):
            root = np.linalg.cholesky(np.linalg.inv(search.inverse(round(number)))).T
            yield 1.0, voxels, _quadratic(root, root @ of_others)
    else:
        for rho, voxels in glm.groups(maps.ar1):
            yield 1.0, voxels, _quadratic(glm.whiten(basis, rho), glm.whiten(spanned, rho))


def _quadratic(white: FloatArray, spanned: FloatArray) -> FloatArray:
    """Qw' (1 - P) Qw, (r, r), of a whitened basis and of whitened columns, if any."""
    if spanned.size:
        directions, values, _ = np.linalg.svd(spanned, full_matrices=False)
        kept = directions[:, values > SMALLEST * values[0]]
        white = white - kept @ (kept.T @ white)
    quadratic: FloatArray = white.T @ white
    return quadratic
