"""The share of the task against two fits of whitened data, one without the task."""

import numpy as np
import pytest
import scipy.linalg

from firstlevel.glm import arma_process, mixture, task_share
from firstlevel.glm import fit as glm
from firstlevel.glm.autoregression import Processes
from firstlevel.glm.learnt import LearntNoise
from firstlevel.glm.task_share import partial_rsquared

N_SCANS, N_VOXELS = 60, 12
SAME = 1e-9
"""Least squares by two ways, in double precision."""


def residual_squares(design, series):
    return np.sum((series - design @ np.linalg.lstsq(design, series, rcond=None)[0]) ** 2)


def example(kind):
    rng = np.random.default_rng(7)
    design = rng.standard_normal((N_SCANS, 6))
    design[:, 5] = 1.0
    if kind == "dependent":  # a condition that confounds tell, a confound twice
        design[:, 1] = design[:, 2] - design[:, 3]
        design[:, 4] = 3 * design[:, 3]
    data = (
        50 + np.cumsum(rng.standard_normal((N_SCANS, N_VOXELS)), axis=0) + design[:, :1] * np.arange(N_VOXELS)
    )
    return design, data


@pytest.mark.parametrize("noise_model", ["ols", "ar1", "ar1_corrected"])
@pytest.mark.parametrize("kind", ["of full rank", "dependent"])
def test_share_is_one_less_the_ratio_of_two_fits(kind, noise_model):
    """Each voxel whitened with its own coefficient; units of the columns do not matter."""
    design, data = example(kind)
    model = glm.Design.of(design * [1, 1e6, 1, 1e-4, 1, 1])
    maps = glm.fit(data, model, noise_model)
    share = partial_rsquared(model, maps, [2, 3, 4, 5])
    for voxel in range(N_VOXELS):
        rho = maps.ar1[voxel]
        series, columns = glm.whiten(data[:, voxel], rho), glm.whiten(design, rho)
        expected = 1 - residual_squares(columns, series) / residual_squares(columns[:, 2:], series)
        np.testing.assert_allclose(share[voxel], expected, rtol=0, atol=SAME)


PROCESSES = np.array([[0.2, -0.6], [0.4, 0.3], [0.4, 0.3]])
"""A pseudocycle, and slow noise twice: lag-1 autocorrelations tell neither."""


@pytest.mark.parametrize("others", [[2, 3, 4, 5], []])
@pytest.mark.parametrize("kind", ["of full rank", "dependent"])
def test_share_of_learnt_noise_is_that_of_its_processes(kind, others, monkeypatch):
    """Each voxel whitened by the covariance of its process; of two that are the same the mean is that."""
    monkeypatch.setattr(task_share, "SOLVED", 5)
    design, data = example(kind)
    model = glm.Design.of(design * [1, 1e6, 1, 1e-4, 1, 1])
    found = mixture.Mixture(Processes(PROCESSES), np.array([0.5, 0.3, 0.2]))
    weighted = mixture.Weighted.of(found, model.factors.basis)
    of_voxel = np.arange(N_VOXELS) % 2
    posterior = np.where(of_voxel == 0, np.array([[1.0], [0.0], [0.0]]), np.array([[0.0], [0.4], [0.6]]))
    fitted = weighted.fit(data, posterior)
    beta = model.factors.transform @ fitted.coefficients
    maps = glm.Estimates(beta, fitted.sigma2, fitted.ar1, fitted.rsquared)
    noise = LearntNoise(weighted, mixture.to_bytes(posterior), N_VOXELS)
    share = partial_rsquared(model, maps, others, noise)
    acf = found.processes.autocorrelations(N_SCANS - 1)
    for voxel in range(N_VOXELS):
        root = np.linalg.cholesky(scipy.linalg.toeplitz(acf[of_voxel[voxel]]))
        series, columns = np.linalg.solve(root, data[:, voxel]), np.linalg.solve(root, design)
        expected = 1 - residual_squares(columns, series) / residual_squares(columns[:, others], series)
        np.testing.assert_allclose(share[voxel], expected, rtol=0, atol=SAME)


PAIRS = np.array([[6, 5], [7, -4]])
"""Of the grid of AFNI, in tenths of a and b."""


@pytest.mark.parametrize("others", [[2, 3, 4, 5], []])
@pytest.mark.parametrize("kind", ["of full rank", "dependent"])
def test_share_of_arma_noise_is_that_of_its_pair(kind, others):
    """Each voxel whitened by the covariance of its own pair, of dense matrices."""
    design, data = example(kind)
    model = glm.Design.of(design * [1, 1e6, 1, 1e-4, 1, 1])
    pairs = 0.1 * PAIRS[np.arange(N_VOXELS) % 2].T
    beta, sigma2, roots = np.empty((6, N_VOXELS)), np.empty(N_VOXELS), []
    for voxel, (a, b) in enumerate(pairs.T):
        acf = arma_process.lag1(a, b) * a ** (np.arange(N_SCANS) - 1.0)
        acf[0] = 1.0
        innovations = (1 - a * a) / (1 + 2 * a * b + b * b)
        roots.append(np.linalg.cholesky(scipy.linalg.toeplitz(acf) / innovations))
        white = np.linalg.solve(roots[-1], np.column_stack([model.matrix, data[:, voxel]]))
        beta[:, voxel] = np.linalg.lstsq(white[:, :6] / model.factors.lengths, white[:, 6], rcond=1e-9)[0]
        beta[:, voxel] /= model.factors.lengths
        sigma2[voxel] = residual_squares(white[:, :6] / model.factors.lengths, white[:, 6]) / model.dof
    maps = glm.Estimates(beta, sigma2, arma_process.lag1(*pairs), np.zeros(N_VOXELS))
    share = partial_rsquared(model, maps, others, pairs=pairs)
    for voxel, root in enumerate(roots):
        series, columns = np.linalg.solve(root, data[:, voxel]), np.linalg.solve(root, design)
        expected = 1 - residual_squares(columns, series) / residual_squares(columns[:, others], series)
        np.testing.assert_allclose(share[voxel], expected, rtol=0, atol=SAME)


def test_without_other_columns_it_is_the_share_of_all_squares():
    """Nothing to leave out: what is explained of the sum of squares; nothing where a voxel is constant."""
    design, data = example("of full rank")
    data[:, 0] = 0.0
    model = glm.Design.of(design)
    share = partial_rsquared(model, glm.fit(data, model, "ols"), [])
    assert share[0] == 0
    for voxel in range(1, N_VOXELS):
        expected = 1 - residual_squares(design, data[:, voxel]) / np.sum(data[:, voxel] ** 2)
        np.testing.assert_allclose(share[voxel], expected, rtol=0, atol=SAME)


def test_task_that_follows_from_confounds_explains_nothing():
    """All of it is theirs."""
    design, data = example("of full rank")
    design[:, 0], design[:, 1] = design[:, 2], design[:, 3] + design[:, 5]
    model = glm.Design.of(design)
    share = partial_rsquared(model, glm.fit(data, model, "ar1"), [2, 3, 4, 5])
    assert share.max() < SAME
