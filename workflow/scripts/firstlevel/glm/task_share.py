"""How much of what drift and confounds leave over the task explains. Knows arrays only.

Symbols as in :mod:`firstlevel.glm.fit`: n scans, p regressors, r the rank, v voxels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from firstlevel.arrays import FloatArray
from firstlevel.glm import fit as glm
from firstlevel.glm.dependence import SMALLEST
from firstlevel.glm.sums import dot


def partial_rsquared(design: glm.Design, maps: glm.Estimates, others: Sequence[int]) -> FloatArray:
    """Share of the variance without the columns `others` that the remaining columns explain, (v,), 0 to 1.

    The variance is of the data whitened with each voxel's AR(1) coefficient, of learnt noise with the lag-1
    autocorrelation of it; 0 where nothing is left.

    Notes
    -----
    1 - RSS / RSS_others, of the whole model and of the one of these columns alone. With coefficients g on
    the whitened basis and P the projection on what the other columns span there, the difference of the two
    is |(1 - P) Qw g|^2.
    """
    basis = design.factors.basis
    on_basis = basis.T @ design.matrix
    left, explained = maps.sigma2 * design.dof, np.zeros_like(maps.sigma2)
    for rho, voxels in glm.groups(maps.ar1):
        white = glm.whiten(basis, rho)
        if others:
            spanned = glm.whiten(design.matrix[:, others] / design.factors.lengths[others], rho)
            directions, values, _ = np.linalg.svd(spanned, full_matrices=False)
            kept = directions[:, values > SMALLEST * values[0]]
            white = white - kept @ (kept.T @ white)
        coefficients = on_basis @ maps.beta[:, voxels]
        explained[voxels] = np.maximum(dot(coefficients, white.T @ white @ coefficients), 0.0)
    total = explained + left
    share = np.zeros_like(total)
    np.divide(explained, total, out=share, where=left > 0)
    return share
