"""How well a design tells its regressors apart. Arrays only: n scans, p regressors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from firstlevel.arrays import FloatArray
from firstlevel.glm import dependence


def unit_columns(design: FloatArray) -> FloatArray:
    """Columns of a design divided by their lengths; a column of zeros stays one."""
    scaled: FloatArray = design / dependence.column_lengths(design)
    return scaled


def largest_correlation(design: FloatArray, columns: list[int]) -> tuple[float, int, int] | None:
    """Correlation of largest absolute value between two of the columns, and which they are; None of fewer.

    A column that does not vary correlates with none.
    """
    if len(columns) < 2:
        return None
    centred = unit_columns(design[:, columns] - design[:, columns].mean(axis=0))
    correlation = centred.T @ centred
    i, j = np.triu_indices(len(columns), 1)
    k = int(np.abs(correlation[i, j]).argmax())
    return float(correlation[i[k], j[k]]), columns[int(i[k])], columns[int(j[k])]


def variance_inflation(design: FloatArray, column: int) -> float:
    """By how much the other columns inflate the variance of a column's beta; inf if they span it.

    Notes
    -----
    1 / (1 - R^2) of the column on all others, R^2 about the mean; the others hold a constant (Mumford et al.
    2015, PLoS ONE 10:e0126255, on what it says of fMRI designs). The mean of a column costs it nothing.
    """
    others = dependence.factorise(np.delete(design, column, axis=1)).basis
    x = design[:, column]
    centred = x - x.mean()
    rest = x - others @ (others.T @ x)
    unexplained, total = float(rest @ rest), float(centred @ centred)
    # rounding leaves 1e-30; 1e-12 is a correlation of 0.999999999999 with the others
    return total / unexplained if unexplained > 1e-12 * float(x @ x) else float("inf")


def efficiency(covariance: FloatArray, contrast: FloatArray) -> float:
    """1 / trace(C (X'X)^-1 C') of a `contrast` (q, p), in squared units of the noise over the beta.

    `covariance` is (X'X)^-1, (p, p) (Dale 1999, Hum Brain Mapp 8:109-114).
    """
    return float(1.0 / np.trace(contrast @ covariance @ contrast.T))


def condition_of_interest(design: FloatArray, of_interest: Sequence[int]) -> float:
    """Condition number of a design (n, p), its columns of no interest made orthogonal to each other.

    The betas of interest and their variances are the same for any columns that span it: 24 parameters of
    motion and their like may nearly follow from each other, at no cost. Columns are of unit length.
    """
    others = np.delete(design, list(of_interest), axis=1)
    basis = dependence.factorise(others).basis
    return dependence.factorise(np.hstack([design[:, list(of_interest)], basis])).condition_number
