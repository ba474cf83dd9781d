"""Contrasts of fits with a mixture of noise processes, from what is saved of them; no data are needed.

Arrays only. Symbols as in :mod:`firstlevel.glm.mixture`; R runs, k rows of a contrast. Contrasts are given on
the basis of the design: of weights C (k, p) of the regressors, C T (k, r), with T the transform of
:class:`firstlevel.glm.dependence.Factorisation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from firstlevel.arrays import BoolArray, FloatArray
from firstlevel.glm.mixture import Weighted


@dataclass(frozen=True)
class Uncertain:
    """Variance of an effect of one run, which depends on the process that the noise of a voxel is.

    Attributes
    ----------
    variance : (v,), mean over the posterior; for k rows the covariance, (v, k, k).
    spread : (v,), variance over the posterior of the variance relative to its mean: 0 where the process is known.
    dof : n - r, degrees of freedom of the residuals.
    """

    variance: FloatArray
    spread: FloatArray
    dof: int


@dataclass(frozen=True)
class Combined:
    """Runs combined into one effect.

    Attributes
    ----------
    shares : (R, v), weight of each run in the effect, 0 where it has not the voxel.
    variance : (v,), of the effect, for a t; 0 where no run has the voxel.
    dof : (v,), degrees of freedom of that t; 0 where no run has the voxel.
    """

    shares: FloatArray
    variance: FloatArray
    dof: FloatArray


def of_effect(weighted: Weighted, c: FloatArray, sigma2: FloatArray, posterior: FloatArray) -> Uncertain:
    """Variance of c'b at each voxel.

    Parameters
    ----------
    c : (r,), on the basis.
    sigma2 : (v,), as saved.
    posterior : (G, v), as saved.
    """
    raise NotImplementedError


def over_runs(runs: Sequence[Uncertain], has: BoolArray, weights: Literal["equal", "precision"]) -> Combined:
    """Combine one effect over runs.

    Parameters
    ----------
    runs : R.
    has : (R, v), runs that count at a voxel.
    weights : of the runs, "equal" or "precision" for the inverse variance.
    """
    raise NotImplementedError


def f_of_run(
    weighted: Weighted, c: FloatArray, effect: FloatArray, sigma2: FloatArray, posterior: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """F, p and z of C b = 0 in one run: p is the mean over the posterior of that of each process.

    Parameters
    ----------
    c : C, (k, r), on the basis, of rank k.
    effect : (k, v), C b.
    """
    raise NotImplementedError
