"""The noise models of other programs, and an oracle that knows the noise, as references. Arrays only.

Written from what the programs document, without their code: SPM12's AR(1) (one covariance for all voxels,
by ReML from those of a large F) and 3dREMLfit's ARMA(1,1) (the best of a grid for each voxel, by ReML). That
they are these programs to the last digit is not claimed.

Symbols: n scans, p regressors, v voxels.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.special
from noises import Array, RandomDesign


@dataclass(frozen=True)
class Tested:
    """Effect, its variance and degrees of freedom, each (v,), of one contrast."""

    effect: Array
    variance: Array
    dof: Array

    def p(self, shift: Array | float = 0.0) -> Array:
        """Two-sided p of t, with `shift` added to the effect: of an effect that the design spans."""
        p: Array = 2 * scipy.special.stdtr(self.dof, -np.abs(self.effect + shift) / np.sqrt(self.variance))
        return p

    def z(self) -> Array:
        """The normal quantile of t."""
        t = self.effect / np.sqrt(self.variance)
        z: Array = -np.sign(t) * scipy.special.ndtri(scipy.special.stdtr(self.dof, -np.abs(t)))
        return z


def ordinary(matrix: Array, data: Array, c: Array, dof: float) -> Tested:
    """Least squares of data (n, v) on a design (n, p) of full rank."""
    basis, upper = np.linalg.qr(matrix)
    coefficients = basis.T @ data
    weights = scipy.linalg.solve_triangular(upper, c, trans="T")
    sigma2 = (np.einsum("tv,tv->v", data, data) - np.einsum("pv,pv->v", coefficients, coefficients)) / dof
    return Tested(weights @ coefficients, weights @ weights * sigma2, np.full(data.shape[1], float(dof)))


def oracle(design: RandomDesign, data: Array, lower: Array) -> tuple[Tested, float]:
    """Generalised least squares with the Cholesky factor of the true covariance, and the true error."""
    white, of_data = (
        scipy.linalg.solve_triangular(lower, columns, lower=True) for columns in (design.matrix, data)
    )
    tested = ordinary(white, of_data, design.t[0], data.shape[0] - design.matrix.shape[1])
    upper = np.linalg.qr(white, mode="r")
    weights = scipy.linalg.solve_triangular(upper, design.t[0], trans="T")
    return tested, float(np.sqrt(weights @ weights))


def oracle_of_varied(design: RandomDesign, data: Array, of_voxel: Array) -> tuple[Tested, Array]:
    """The same for AR(1) + white, with coefficient and share of each voxel (2, v): it is an ARMA(1,1)."""
    n, p = design.matrix.shape
    a, share = of_voxel
    # of x_t - a x_{t-1}: variance and covariance at lag 1, which are those of a moving average
    variance = share * (1 - a**2) + (1 - share) * (1 + a**2)
    covariance = -a * (1 - share)
    ratio = covariance / variance
    b = (1 - np.sqrt(1 - 4 * ratio**2)) / (2 * ratio)
    joined = np.concatenate(
        [np.repeat(design.matrix[:, :, np.newaxis], a.size, axis=2), data[:, np.newaxis]], 1
    )
    white, _ = innovations(joined, a, b)
    x, y = white[:, :p], white[:, p]
    cross = np.einsum("tiv,tjv->vij", x, x)
    towards = np.einsum("tiv,tv->vi", x, y)
    solved = np.linalg.solve(cross, np.stack([towards, np.broadcast_to(design.t[0], towards.shape)], axis=2))
    sigma2 = (np.einsum("tv,tv->v", y, y) - np.einsum("vi,vi->v", towards, solved[..., 0])) / (n - p)
    unscaled = solved[..., 1] @ design.t[0]
    # innovations are in units of their variance; the series has a variance of 1
    lag1 = (1 + a * b) * (a + b) / (1 + 2 * a * b + b**2)
    innovation = 1 / (1 + (a + b) ** 2 / (1 - a**2))
    assert np.allclose(lag1, a * share)
    tested = Tested(solved[..., 0] @ design.t[0], unscaled * sigma2, np.full(a.size, float(n - p)))
    return tested, np.sqrt(unscaled * innovation)


def innovations(columns: Array, a: Array | float, b: Array | float) -> tuple[Array, Array | float]:
    """One-step errors of ARMA(1,1), x_t = a x_{t-1} + e_t + b e_{t-1}, in units of their standard deviation.

    `columns` (n, ...); a and b are scalars or of the last axis. Also half of log|V|, V the covariance for
    innovations of variance 1. The recursion is that of Brockwell and Davis 1991, Time Series, section 5.3.
    """
    white = np.empty_like(columns)
    error_variance = 1 + (a + b) ** 2 / (1 - a**2)
    expected = np.zeros_like(columns[0])
    log_determinant = 0.0
    for t in range(len(columns)):
        error = columns[t] - expected
        log_determinant = log_determinant + np.log(error_variance) / 2
        white[t] = error / np.sqrt(error_variance)
        expected = a * columns[t] + (b / error_variance) * error
        error_variance = 1 + b**2 - b**2 / error_variance
    return white, log_determinant


DIVISIONS, LARGEST = 8, 0.8
"""3dREMLfit's -Grid 3, -MAXa and -MAXb, its defaults: steps of 0.1."""


def arma_grid() -> list[tuple[float, float]]:
    """White noise, and all (a, b) whose autocorrelation is positive: 3dREMLfit's default -POScor."""
    steps = np.arange(-DIVISIONS, DIVISIONS + 1) * LARGEST / DIVISIONS
    pairs = [(float(a), float(b)) for a in steps[DIVISIONS:] for b in steps if a + b > 1e-9]
    return [(0.0, 0.0), *pairs]


def arma11(design: RandomDesign, data: Array) -> Tested:
    """Of each voxel the ARMA(1,1) of the grid with the largest restricted likelihood; t on n - p."""
    n, p = design.matrix.shape
    v = data.shape[1]
    best, chosen = np.full(v, -np.inf), np.zeros((3, v))
    joined = np.concatenate([design.matrix, data], axis=1)
    for a, b in arma_grid():
        white, half_log = innovations(joined, a, b)
        basis, upper = np.linalg.qr(white[:, :p])
        y = white[:, p:]
        coefficients = basis.T @ y
        left = np.einsum("tv,tv->v", y, y) - np.einsum("pv,pv->v", coefficients, coefficients)
        likelihood = -half_log - np.log(np.abs(np.diag(upper))).sum() - (n - p) / 2 * np.log(left)
        weights = scipy.linalg.solve_triangular(upper, design.t[0], trans="T")
        better = likelihood > best
        best[better] = likelihood[better]
        found = np.stack([weights @ coefficients, weights @ weights * left / (n - p), np.full(v, a)])
        chosen[:, better] = found[:, better]
    return Tested(chosen[0], chosen[1], np.full(v, float(n - p)))


EXPANDED_AT = 0.2
"""Coefficient of SPM's AR(1), about which the covariance is linear."""
SELECTED = 0.001
"""p of the F of all columns of interest below which a voxel counts (SPM's stats.fmri.ufp)."""


def spm_ar1(design: RandomDesign, data: Array) -> Tested:
    """SPM12's AR(1): one covariance for the whole mask, ReML of a^k and k a^k on voxels of a large F.

    The data are whitened by its inverse root, then cosines are taken off data and design; t on n - p. SPM
    stops where no voxel has such an F; here all voxels are taken then.
    """
    n, p = design.matrix.shape
    cosines = design.matrix[:, design.is_drift]
    columns = design.matrix[:, ~design.is_drift]
    covariance = pooled_covariance(columns, cosines, selected(design, data, cosines))
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors / np.sqrt(values)) @ vectors.T
    white, of_data = filtered(root @ columns, cosines), filtered(root @ data, cosines)
    return ordinary(white, of_data, design.t[0][~design.is_drift], n - p)


def filtered(columns: Array, cosines: Array) -> Array:
    """Without cosines, which are orthonormal (n, k)."""
    left: Array = columns - cosines @ (cosines.T @ columns)
    return left


def selected(design: RandomDesign, data: Array, cosines: Array) -> Array:
    """Voxels of a large F of all columns but cosines and constant, in units of their residuals."""
    n, p = design.matrix.shape
    of_interest = np.array([name != "constant" for name in design.names]) & ~design.is_drift
    whole, _ = np.linalg.qr(filtered(design.matrix[:, ~design.is_drift], cosines))
    rest, _ = np.linalg.qr(filtered(design.matrix[:, ~of_interest & ~design.is_drift], cosines))
    y = filtered(data, cosines)
    squares = [np.einsum("tv,tv->v", y, y) - ((basis.T @ y) ** 2).sum(axis=0) for basis in (whole, rest)]
    k = int(of_interest.sum())
    f = (squares[1] - squares[0]) / k / (squares[0] / (n - p))
    chosen = f > scipy.special.fdtri(k, n - p, 1 - SELECTED)
    if not chosen.any():
        chosen[:] = True
    scaled: Array = data[:, chosen] * np.sqrt((n - p) / squares[0][chosen])
    return scaled


def pooled_covariance(columns: Array, cosines: Array, data: Array, steps: int = 32) -> Array:
    """ReML of V = h_1 (Q - a dQ/da) + h_2 (Q + a dQ/da), Q = a^|lag|, by Fisher scoring; trace n.

    Where V is not positive definite the step is halved.
    """
    n = len(data)
    lag = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    q, change = EXPANDED_AT**lag, lag * EXPANDED_AT**lag
    parts = (q - change, q + change)
    basis, _ = np.linalg.qr(np.column_stack([columns, cosines]))
    sample = data @ data.T / data.shape[1]
    h = np.array([0.5, 0.5])
    for _ in range(steps):
        inverse = np.linalg.inv(h[0] * parts[0] + h[1] * parts[1])
        towards = inverse @ basis
        projector = inverse - towards @ np.linalg.solve(basis.T @ towards, towards.T)
        of_part = [projector @ part for part in parts]
        gradient = np.array([np.vdot(x.T, projector @ sample) - np.trace(x) for x in of_part])
        information = np.array([[np.vdot(x.T, y) for y in of_part] for x in of_part])
        step = np.linalg.solve(information, gradient)
        while np.linalg.eigvalsh((h + step)[0] * parts[0] + (h + step)[1] * parts[1])[0] <= 0:
            step /= 2
        h = h + step
        if np.abs(step).max() < CONVERGED * np.abs(h).max():
            break
    covariance: Array = h[0] * parts[0] + h[1] * parts[1]
    return covariance * n / np.trace(covariance)


CONVERGED = 1e-5
