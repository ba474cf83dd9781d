"""ARMA(1,1) noise of the grid against dense matrices of statsmodels' autocovariances."""

import numpy as np
import pytest
import scipy
from statsmodels.tsa.arima_process import ArmaProcess

from firstlevel.glm import arma_process
from firstlevel.glm.arma_process import GRID

SAME_ARITHMETIC = 1e-10
"""Of inverses with entries up to 9, and of logarithms of determinants: the expected ones are dense."""
FAR = [(0.0, 0.0), (0.8, 0.8), (0.8, -0.7), (0.1, 0.8), (0.0, 0.1), (0.8, 0.0), (0.4, 0.8), (0.3, -0.2)]
"""White noise, the ends of the grid, and b = 0."""


def number_of(a, b):
    return int(arma_process.numbers(np.array([[a], [b]]))[0])


def dense_covariance(number, n_scans):
    a, b = GRID[number]
    return scipy.linalg.toeplitz(ArmaProcess([1.0, -a], [1.0, b]).acovf(n_scans))


@pytest.mark.parametrize(("n_scans", "pairs"), [(2, GRID), (3, GRID), (10, GRID), (60, GRID), (300, FAR)])
def test_inverse_of_the_covariance_has_a_closed_form(n_scans, pairs):
    """V^-1 and log|V|, all pairs, from two scans to hundreds."""
    for a, b in pairs:
        covariance = dense_covariance(number_of(a, b), n_scans)
        form = arma_process.Precision.of(number_of(a, b), n_scans)
        inverse = form.times(np.eye(n_scans))
        np.testing.assert_allclose(inverse, np.linalg.inv(covariance), rtol=0, atol=SAME_ARITHMETIC)
        expected = np.linalg.slogdet(covariance)[1]
        np.testing.assert_allclose(form.log_determinant, expected, rtol=0, atol=SAME_ARITHMETIC)


@pytest.mark.parametrize(("a", "b"), FAR)
def test_lag1_is_that_of_the_covariance(a, b):
    """Of the autocovariance."""
    covariance = dense_covariance(number_of(a, b), 2)
    expected = covariance[0, 1] / covariance[0, 0]
    np.testing.assert_allclose(arma_process.lag1(a, b), expected, rtol=0, atol=1e-12)


def test_grid_is_that_of_the_defaults():
    """White noise first, then all of nine values of a and 17 of b of which the correlations are positive."""
    tenths = [(a, b) for a in range(9) for b in range(-8, 9) if arma_process.lag1(a / 10, b / 10) > 1e-12]
    assert len(GRID) == 109
    assert not GRID[0].any()
    assert sorted(tenths) == sorted(map(tuple, np.rint(10 * GRID[1:]).astype(int).tolist()))
    np.testing.assert_allclose(GRID * 10, np.rint(GRID * 10), rtol=0, atol=1e-14)


def test_pairs_are_known_again_from_maps():
    """Numbers of all pairs in single precision; a pair beside the grid has none."""
    pairs = GRID.T.astype(np.float32).astype(np.float64)
    np.testing.assert_array_equal(arma_process.numbers(pairs), np.arange(len(GRID)))
    assert number_of(0.1, -0.3) == len(GRID)
