"""ARMA(1,1) noise against dense matrices, statsmodels, and a brute-force search over the whole grid."""

import numpy as np
import pytest
import scipy
from statsmodels.regression.linear_model import GLS
from statsmodels.tsa.arima_process import ArmaProcess
from two_conditions import matrix_of

from firstlevel.glm import arma
from firstlevel.glm.dependence import factorise

SAME_ARITHMETIC = 1e-10
"""Relative: the same quantity from dense matrices, in double precision."""
N_SCANS = 150


def dense_covariance(a, b, n_scans):
    return scipy.linalg.toeplitz(ArmaProcess([1.0, -a], [1.0, b]).acovf(n_scans))


@pytest.mark.parametrize("pair", [(0, 0), (8, -7), (0, 5), (4, 8), (6, 0)])
def test_whitening_is_exact(pair):
    """W'W is the inverse of statsmodels' autocovariance, with its determinant and lag-1 autocorrelation."""
    covariance = dense_covariance(*arma.value(pair), 40)
    whitening = arma.Whitening.of(pair, 40)
    white = whitening.of_series(np.eye(40))
    np.testing.assert_allclose(white.T @ white, np.linalg.inv(covariance), rtol=0, atol=SAME_ARITHMETIC)
    each = arma.Whitening.of_each(np.array([[3, -2], pair, [1, 1]]), 40).of_series(np.eye(40)[:, :3])
    np.testing.assert_allclose(each[:, 1], white[:, 1], rtol=0, atol=1e-14)
    expected = np.linalg.slogdet(covariance)[1]
    found = whitening.log_determinant
    np.testing.assert_allclose(found, expected, rtol=SAME_ARITHMETIC, atol=SAME_ARITHMETIC)
    lag1 = covariance[0, 1] / covariance[0, 0]
    np.testing.assert_allclose(arma.lag1(*arma.value(pair)), lag1, rtol=0, atol=1e-12)


def test_grid_is_that_of_the_defaults():
    """Nine values of a, 17 of b, of which 108 have positive correlations, and white noise."""
    every = [(a, b) for a in range(-9, 10) for b in range(-9, 10)]
    allowed = [pair for pair in every if arma.is_allowed(pair)]
    assert len(allowed) == 109
    assert {arma.value(pair)[0] for pair in allowed} == {k * 0.8 / 8 for k in range(9)}
    assert all(arma.lag1(*arma.value(pair)) > 0 for pair in allowed if pair != (0, 0))
    reached = set(arma.coarse_pairs()) | {
        (a + i, b + j) for a, b in arma.coarse_pairs() for i, j in arma.STEPS
    }
    assert reached >= set(allowed)


@pytest.fixture(scope="module")
def fitted():
    """Twenty voxels of five kinds of noise, fitted."""
    rng, kinds = np.random.default_rng(0), [(0.0, 0.0), (0.5, 0.0), (0.8, -0.5), (0.7, 0.2), (0.0, 0.4)]
    noise = [
        scipy.signal.lfilter([1, b], [1, -a], rng.standard_normal((N_SCANS + 200, 4)), axis=0)[200:]
        for a, b in kinds
    ]
    data = 3.0 + 2.0 * np.hstack(noise) + matrix_of(N_SCANS)[:, :1]
    search = arma.Search(factorise(matrix_of(N_SCANS)).basis)
    return data, search, search.fit(data)


def test_pair_is_the_best_of_the_whole_grid(fitted):
    """Restricted likelihoods of dense matrices at all 109 pairs."""
    data, search, found = fitted
    basis, dof = search.basis, search.dof
    pairs = [(a, b) for a in range(9) for b in range(-8, 9) if arma.is_allowed((a, b))]
    likelihood = np.empty((len(pairs), data.shape[1]))
    for k, pair in enumerate(pairs):
        covariance = dense_covariance(*arma.value(pair), N_SCANS)
        inverse = np.linalg.inv(covariance)
        information = basis.T @ inverse @ basis
        rest = data - basis @ np.linalg.solve(information, basis.T @ inverse @ data)
        squares = np.sum(rest * (inverse @ rest), axis=0)
        logs = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(information)[1]
        likelihood[k] = -(logs + dof * np.log(squares)) / 2
    values = np.array([arma.value(pair) for pair in pairs])
    best = values[likelihood.argmax(axis=0)]
    chosen = np.column_stack([found.a, found.b])
    at = np.abs(values[:, np.newaxis] - chosen).sum(axis=2).argmin(axis=0)
    missed = likelihood.max(axis=0) - likelihood[at, np.arange(len(at))]
    print("missed by", missed.max(), "at", (np.abs(chosen - best) > 1e-9).any(axis=1).sum(), "voxels")
    assert missed.max() < 1e-8


def test_fit_is_statsmodels_gls_with_the_chosen_pair(fitted):
    """Betas, residual variance and R2."""
    data, search, found = fitted
    for voxel in range(data.shape[1]):
        covariance = dense_covariance(found.a[voxel], found.b[voxel], N_SCANS)
        theirs = GLS(data[:, voxel], search.basis, sigma=covariance).fit()
        difference = (found.coefficients[:, voxel] - theirs.params) / theirs.bse
        np.testing.assert_allclose(difference, 0, rtol=0, atol=1e-9)
        np.testing.assert_allclose(found.sigma2[voxel], theirs.scale, rtol=SAME_ARITHMETIC, atol=0)
        level = GLS(data[:, voxel], np.ones(N_SCANS), sigma=covariance).fit().ssr
        np.testing.assert_allclose(found.rsquared[voxel], 1 - theirs.ssr / level, rtol=0, atol=1e-9)
        inverse = search.whitened((round(10 * found.a[voxel]), round(10 * found.b[voxel]))).inverse
        np.testing.assert_allclose(inverse * found.sigma2[voxel], theirs.cov_params(), rtol=1e-7, atol=1e-10)


def test_voxels_without_noise_have_no_variance():
    """Constant and empty voxels: zeros, nothing NaN; blocks change nothing."""
    basis = factorise(matrix_of(60)).basis
    data = np.random.default_rng(0).standard_normal((60, 700))
    data[:, 3], data[:, 5] = 0.0, 850.0
    search = arma.Search(basis)
    found, part = search.fit(data), arma.Search(basis).fit(data[:, :512])
    for values in (found.a, found.b, found.sigma2, found.ar1, found.rsquared):
        assert np.isfinite(values).all()
        np.testing.assert_array_equal(values[[3, 5]], 0.0)
    np.testing.assert_allclose(found.sigma2[:512], part.sigma2, rtol=1e-12, atol=0)
    np.testing.assert_array_equal(found.a[:512], part.a)
