"""Fits with ARMA(1,1) noise against dense matrices, statsmodels, and brute force over the whole grid."""

import numpy as np
import pytest
import scipy
from statsmodels.regression.linear_model import GLS
from statsmodels.tsa.arima_process import ArmaProcess
from two_conditions import matrix_of

from firstlevel.glm import arma
from firstlevel.glm.arma_process import GRID, numbers
from firstlevel.glm.dependence import factorise
from firstlevel.glm.residual_sums import of_lagged_sums, squared_spectrum

SAME_ARITHMETIC = 1e-10
"""Relative: the same quantity from dense matrices, in double precision."""
SAME_LIKELIHOOD = 1e-9
"""Of hundreds: half of some hundred scans times a logarithm that is as exact as that."""
AS_ROUNDED = 1e-8
"""In units of the noise: data that are rounded to 1.5e-11."""
N_SCANS = 150


def dense_covariance(a, b, n_scans):
    return scipy.linalg.toeplitz(ArmaProcess([1.0, -a], [1.0, b]).acovf(n_scans))


def dense_likelihoods(basis, data):
    """Restricted log likelihoods up to a constant, (109, v)."""
    n_scans, rank = basis.shape
    found = np.empty((len(GRID), data.shape[1]))
    for k, (a, b) in enumerate(GRID):
        covariance = dense_covariance(a, b, n_scans)
        inverse = np.linalg.inv(covariance)
        information = basis.T @ inverse @ basis
        rest = data - basis @ np.linalg.solve(information, basis.T @ inverse @ data)
        squares = np.sum(rest * (inverse @ rest), axis=0)
        logs = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(information)[1]
        found[k] = -(logs + (n_scans - rank) * np.log(squares)) / 2
    return found


@pytest.mark.parametrize(("n_scans", "has_constant"), [(10, True), (42, False), (157, True), (256, False)])
def test_likelihoods_are_those_of_dense_matrices(n_scans, has_constant):
    """All pairs; white, slow and alternating series, and pulses at either end, with a mean."""
    rng, times = np.random.default_rng(n_scans), np.arange(n_scans)
    data = [rng.standard_normal(n_scans), rng.standard_normal(n_scans).cumsum(), (-1.0) ** times]
    data += [np.cos(np.pi * (times + 0.5) / n_scans), (times < 2) * 1.0, (times > n_scans - 2) * 1.0]
    design = rng.standard_normal((n_scans, 3))
    basis = np.linalg.qr(np.column_stack([np.ones(n_scans), design]) if has_constant else design)[0]
    data = 3.0 * has_constant + np.array(data).T
    found = arma.Search(basis).likelihoods(data - basis @ (basis.T @ data))
    expected = dense_likelihoods(basis, data)
    np.testing.assert_allclose(found - found[0], expected - expected[0], rtol=0, atol=SAME_LIKELIHOOD)


def test_lagged_sums_are_those_of_a_loop():
    """Each lag by itself, from the spectrum: an odd and an even number of scans, and a power of two."""
    for n_scans in (1, 2, 33, 64):
        e = np.random.default_rng(n_scans).standard_normal((n_scans, 3))
        spectrum = squared_spectrum(e)
        for k in range(n_scans):
            found = of_lagged_sums((np.arange(n_scans) == k) * 1.0) @ spectrum
            expected = np.sum(e[: n_scans - k] * e[k:], axis=0)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


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
    likelihood = dense_likelihoods(search.basis, data)
    chosen = numbers(np.array([found.a, found.b]))
    assert np.unique(chosen).size > 5
    missed = likelihood.max(axis=0) - likelihood[chosen, np.arange(len(chosen))]
    assert missed.max() < SAME_LIKELIHOOD


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
        number = numbers(np.array([found.a, found.b])[:, voxel : voxel + 1])[0]
        inverse = search.inverse(int(number))
        np.testing.assert_allclose(inverse * found.sigma2[voxel], theirs.cov_params(), rtol=1e-7, atol=1e-10)


def test_data_far_from_zero_are_fitted_as_well(fitted):
    """A mean of 1e5 with noise of 2, as of data that are not scaled: it is the constant's, and no more."""
    data, search, _ = fitted
    smooth = scipy.ndimage.gaussian_filter1d(data, 2.0, axis=0)
    near, far = search.fit(smooth), search.fit(smooth + 1e5)
    of_mean = 1e5 * search.basis.sum(axis=0)[:, np.newaxis]
    difference = (far.coefficients - of_mean - near.coefficients) / np.sqrt(near.sigma2)
    np.testing.assert_allclose(difference, 0, rtol=0, atol=AS_ROUNDED)
    for name in ("a", "b", "sigma2", "rsquared"):
        np.testing.assert_allclose(getattr(far, name), getattr(near, name), rtol=AS_ROUNDED, atol=0)


def test_design_that_is_worse_than_a_constant_explains_nothing():
    """A design without one, and data with a mean: a share of 0."""
    rng = np.random.default_rng(0)
    found = arma.Search(factorise(rng.standard_normal((60, 2))).basis).fit(9 + rng.standard_normal((60, 20)))
    np.testing.assert_array_equal(found.rsquared, 0.0)
    assert (found.sigma2 > 0).all()


def test_voxels_without_noise_have_no_variance():
    """Constant and empty voxels, and thousands in a row: zeros, nothing NaN; blocks change nothing."""
    basis = factorise(matrix_of(60)).basis
    data = np.random.default_rng(0).standard_normal((60, 700))
    # some of the pair that is the best one where there is nothing
    a, b = GRID[arma.Search(basis).likelihoods(np.zeros((60, 1))).argmax()]
    data[:, 10:110] = scipy.signal.lfilter([1, b], [1, -a], data[:, 10:110], axis=0)
    data[:, 3], data[:, 5] = 0.0, 850.0
    search = arma.Search(basis)
    found, part = search.fit(data), arma.Search(basis).fit(data[:, :512])
    empty = search.fit(np.hstack([np.zeros((60, 2 * arma.CHUNK)), data]))
    for name in ("a", "b", "sigma2", "ar1", "rsquared"):
        values, of_empty = getattr(found, name), getattr(empty, name)
        assert np.isfinite(values).all()
        np.testing.assert_array_equal(values[[3, 5]], 0.0)
        np.testing.assert_array_equal(of_empty[: 2 * arma.CHUNK], 0.0)
        np.testing.assert_allclose(of_empty[2 * arma.CHUNK :], values, rtol=1e-12, atol=0)
    np.testing.assert_allclose(found.sigma2[:512], part.sigma2, rtol=1e-12, atol=0)
    np.testing.assert_array_equal(found.a[:512], part.a)
    assert search.fit(data[:, :0]).sigma2.size == 0
