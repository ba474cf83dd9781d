"""What the two models of single trials have in common. Knows arrays only.

Symbols: n scans, v voxels, m trials.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import FloatArray
from firstlevel.glm.dependence import SMALLEST
from firstlevel.glm.trial_columns import TrialColumns
from firstlevel.glm.whitened import WhitenedBasis

NOTHING = 1e-12
"""Share of a regressor's length that is rounding once its constant part is taken off."""


class TooManyError(ValueError):
    """The regressors leave no degree of freedom."""


class Facts(NamedTuple):
    """What is known of trials before any data.

    Attributes
    ----------
    dof : degrees of freedom of each trial's model, (m,).
    inflation : by how much the other regressors inflate the variance of each trial's beta, (m,).
    reasons : why a trial is not estimable, by its place.
    """

    dof: npt.NDArray[np.intp]
    inflation: FloatArray
    reasons: dict[int, str]


class Moments(NamedTuple):
    """Of the OLS residuals of each model, (v, models): sum of squares, and of products of neighbours."""

    squares: FloatArray
    products: FloatArray


class TrialModel(Protocol):
    """One model of all trials, or one of each; data come in blocks of voxels.

    All models share a base, to which that of a trial may add k regressors, orthonormal and orthogonal to it.
    """

    @property
    def facts(self) -> Facts:
        """What is known of the trials."""

    @property
    def base(self) -> WhitenedBasis:
        """Basis of the base, (n, r)."""

    @property
    def added(self) -> FloatArray:
        """Regressors that are added, (k, n, m); 0 where a trial adds fewer."""

    @property
    def on_base(self) -> FloatArray:
        """Weights of the coefficients on the base in each trial's beta, (m, r)."""

    @property
    def on_added(self) -> FloatArray:
        """And of those on what is added, (k, m)."""

    @property
    def n_models(self) -> int:
        """How many models there are."""

    def basis_of(self, place: int) -> FloatArray:
        """Orthonormal basis of a model, (n, r)."""

    def sums(self, data: FloatArray, *, is_white: bool) -> Any:
        """All that is needed of the data, (n, v); less where the noise is white."""

    def moments(self, sums: Any) -> Moments:
        """Moments of the residuals."""

    def estimates(self, sums: Any, rho: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Beta and t of each trial, (m, v) each, with AR(1) coefficients `rho` (v, models)."""


def t_values(beta: FloatArray, variance: FloatArray) -> FloatArray:
    """Beta over the root of its `variance`, which is overwritten; 0 where there is none."""
    deviation = np.sqrt(np.maximum(variance, 0.0, out=variance), out=variance)
    t = np.zeros_like(beta)
    np.divide(beta, deviation, out=t, where=deviation > 0)
    return t


def own_variance(columns: TrialColumns) -> FloatArray:
    """Variance of each trial's beta over the noise's, were there but the trial and a constant, (m,).

    In the scans that are not censored. With one regressor per trial, the variance in a model over this one is
    the variance inflation factor, 1 / (1 - R^2).
    """
    kept = np.delete(columns.sampled, columns.censored, axis=0)
    centred = kept - kept.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=0)
    varies = lengths > NOTHING * np.linalg.norm(kept, axis=0)
    scale = np.where(varies, lengths, 1.0)
    units = np.where(varies, centred / scale, 0.0)
    inverse = np.linalg.pinv(np.einsum("nmk,nml->mkl", units, units), rcond=SMALLEST, hermitian=True)
    weights = columns.kept / scale
    variance = np.einsum("mk,mkl,ml->m", weights, inverse, weights)
    return np.where(varies[:, 0] & (variance > 0), variance, np.inf)
