"""Fit y = X b + e voxel by voxel, with white or AR(1) noise, from sums over time.

The design is replaced by an orthonormal basis of what its columns span (``firstlevel.glm.dependence``): rank,
residuals and covariance then do not depend on the units of the regressors. The data are projected on it once,
and the residuals are what is left, not a difference of sums. Whitening an AR(1) series, y_t - rho y_{t-1}, is
linear, so all that the whitened fit needs are a few sums over time of the residuals, however many values rho
takes. Knows arrays only: no files, no config.

Symbols: n scans, p regressors, r the rank, v voxels. X (n, p) design, Q (n, r) its basis, Y (n, v) data.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import FloatArray
from firstlevel.glm import noise
from firstlevel.glm.dependence import Factorisation, factorise
from firstlevel.glm.sums import Sums, dot, sums_over_time


@dataclass(frozen=True)
class Estimates:
    """What is kept of a fit: all that a contrast needs, besides the design.

    Attributes
    ----------
    beta : (p, v), in units of the scaled data.
    sigma2 : (v,), residual variance of the whitened model, in squared units of the scaled data; 0 where the
        data hold no noise: nothing can be tested there.
    ar1 : (v,), dimensionless, 0 for white noise.
    rsquared : (v,), explained share of the variance of the whitened data, 0 to 1.
    """

    beta: FloatArray
    sigma2: FloatArray
    ar1: FloatArray
    rsquared: FloatArray


@dataclass(frozen=True)
class Design:
    """A design X (n, p), factorised, with what is computed once for each AR(1) coefficient.

    Attributes
    ----------
    matrix : X (n, p).
    factors : :func:`firstlevel.glm.dependence.factorise` of it.
    """

    matrix: FloatArray
    factors: Factorisation
    _inverses: dict[float, FloatArray] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, matrix: FloatArray) -> Design:
        """Factorise a design matrix (n, p)."""
        return cls(matrix, factorise(matrix))

    @property
    def dof(self) -> int:
        """Degrees of freedom of the residuals: scans minus the rank."""
        return self.factors.dof

    def inverse(self, rho: float) -> FloatArray:
        """(Qw'Qw)^-1 of the whitened basis, (r, r); the identity for white noise.

        Whitening keeps the rank and hardly hurts the condition, so that nothing is decided anew for any rho.
        """
        if rho not in self._inverses:
            white = whiten(self.factors.basis, rho)
            self._inverses[rho] = np.asarray(np.linalg.inv(white.T @ white), dtype=np.float64)
        return self._inverses[rho]

    def covariance(self, rho: float) -> FloatArray:
        """(Xw'Xw)^- of the whitened design, (p, p): times sigma2, the covariance of the betas.

        The inverse where X has full rank; else a generalised one, meaningful for estimable contrasts.
        """
        unscaled: FloatArray = self.factors.transform @ self.inverse(rho) @ self.factors.transform.T
        return unscaled


def percent_signal_change(data: FloatArray) -> FloatArray:
    """Scale each voxel to percent of its mean over time: 100 (y / max(mean, 1) - 1), shape (n, v)."""
    mean: FloatArray = np.maximum(data.mean(axis=0), 1.0)
    return 100.0 * (data / mean - 1.0)


def whiten(series: FloatArray, rho: float | FloatArray) -> FloatArray:
    """AR(1) whitening along the first axis, y_t - rho y_{t-1}; the first sample stays as it is.

    `rho` is one coefficient, or (v,), one for each column.
    """
    white = series.copy()
    white[1:] -= rho * series[:-1]
    return white


def fit(data: FloatArray, design: Design, model: str, run: noise.Run | None = None) -> Estimates:
    """Fit one block of voxels.

    Parameters
    ----------
    data : (n, v), scaled data.
    design : of the run; one object for all blocks, which keeps what depends on rho alone.
    model : name of the noise model, one of :data:`firstlevel.glm.noise.MODELS`.
    run : :func:`firstlevel.glm.noise.prepare` of this design and model, the same for all blocks; computed
        here where it is not given.

    Returns
    -------
    Estimates, of the whitened model where the noise model whitens.

    Raises
    ------
    ValueError : where no degrees of freedom are left.
    """
    _check_dof(design)
    basis = design.factors.basis
    sums = sums_over_time(basis, data)
    if run is None:
        run = noise.prepare(model, basis, lambda: float(noise.observed_autocorrelation(sums).mean()))
    return estimates(sums, design, model, run)


def estimates(sums: Sums, design: Design, model: str, run: noise.Run) -> Estimates:
    """Estimates of voxels from their sums over time; the rest as in :func:`fit`.

    Notes
    -----
    The whitened residuals ew of the OLS fit have the products Qw'ew = -rho l - rho^2 q_n e_n, with l the
    lagged sums and n the last scan. So the whitened fit differs from OLS by d = (Qw'Qw)^-1 Qw'ew, its
    residual sum of squares is ew'ew - d'Qw'ew, a small correction, and the betas are T (g + d).
    """
    _check_dof(design)
    basis, coefficients_of = design.factors.basis, noise.MODELS[model].coefficients
    if coefficients_of is None:
        raise ValueError(f"{model} needs the series of a whole run")
    rho = coefficients_of(sums, run)
    alike = groups(rho)
    left = sums.squares - 2 * rho * sums.products + rho**2 * (sums.squares - sums.last**2)
    towards = -rho * sums.lagged - rho**2 * np.outer(basis[-1], sums.last)
    change = np.empty_like(towards)
    for value, voxels in alike:
        change[:, voxels] = design.inverse(value) @ towards[:, voxels]
    left = np.maximum(left - dot(change, towards), 0.0)
    coefficients = sums.coefficients + change
    rsquared = _share_of_variance(basis, sums, alike, coefficients, change, left)
    return Estimates(design.factors.transform @ coefficients, left / design.dof, rho, rsquared)


def _check_dof(design: Design) -> None:
    if design.dof < 1:
        n_scans, n_regressors = design.matrix.shape
        raise ValueError(f"{n_scans} scans leave no degrees of freedom to {n_regressors} regressors")


def _share_of_variance(
    basis: FloatArray,
    sums: Sums,
    alike: list[tuple[float, npt.NDArray[np.intp]]],
    coefficients: FloatArray,
    change: FloatArray,
    left: FloatArray,
) -> FloatArray:
    """Variance over time of the fitted whitened series, as a share of that of the whitened data, (v,).

    Residuals and fit are orthogonal, but their means need not be 0 once they are whitened.
    """
    n_scans = len(basis)
    fitted, over_all = np.empty((2, len(left)))
    for value, voxels in alike:
        white = whiten(basis, value)
        mean = white.mean(axis=0)
        spread = (white - mean).T @ (white - mean) / n_scans
        fitted[voxels] = dot(coefficients[:, voxels], spread @ coefficients[:, voxels])
        of_residuals = (1 - value) * sums.total[voxels] + value * sums.last[voxels]
        of_residuals = of_residuals / n_scans - mean @ change[:, voxels]
        of_fit = mean @ coefficients[:, voxels]
        over_all[voxels] = left[voxels] / n_scans - of_residuals * (of_residuals + 2 * of_fit)
    variance = fitted + over_all
    share = np.zeros_like(variance)
    np.divide(fitted, variance, out=share, where=(variance > 0) & (left > 0))
    return share


def spm_global(volume: npt.NDArray[np.floating]) -> float:
    """Mean of the voxels of a whole volume that lie above an eighth of its mean, in units of the image.

    SPM's ``spm_global``, whose average over a run is the grand mean that SPM scales to 100. `volume` has any
    shape; voxels that are not finite do not count. 0 of a volume without a voxel.
    """
    finite = volume[np.isfinite(volume)]
    if not finite.size:
        return 0.0
    above = finite[finite > finite.mean(dtype=np.float64) / 8]
    return float(above.mean(dtype=np.float64)) if above.size else 0.0


def groups(rho: FloatArray) -> list[tuple[float, npt.NDArray[np.intp]]]:
    """Each distinct value of `rho` (v,) with the indices of its voxels."""
    order = np.argsort(rho, kind="stable")
    values, starts = np.unique(rho[order], return_index=True)
    return [(float(value), voxels) for value, voxels in zip(values, np.split(order, starts[1:]), strict=True)]
