"""Series whitened as a fit with ARMA(1,1) noise has whitened them, against dense matrices."""

import numpy as np
import pytest
import scipy
from statsmodels.tsa.arima_process import ArmaProcess

from firstlevel.quality.whitening import ByPair

SAME_ARITHMETIC = 1e-12
"""Of numbers near 1, by recursion and by a Cholesky factor."""
PAIRS = np.array([[0.0, 0.8, 0.0, 0.4, 0.6, 0.8], [0.0, -0.7, 0.5, 0.8, 0.0, -0.7]])
N_SCANS = 40


def dense_white(series, a, b):
    covariance = scipy.linalg.toeplitz(ArmaProcess([1.0, -a], [1.0, b]).acovf(N_SCANS))
    return scipy.linalg.solve_triangular(np.linalg.cholesky(covariance), series, lower=True)


def test_series_of_a_pair_each_are_white_by_its_cholesky_factor():
    """Which is the one causal whitening; white noise stays as it is."""
    series = np.random.default_rng(0).standard_normal((N_SCANS, PAIRS.shape[1]))
    white = ByPair(PAIRS, np.ones(PAIRS.shape[1], dtype=bool)).of_series(series)
    for k, (a, b) in enumerate(PAIRS.T):
        expected = dense_white(series[:, k], a, b)
        np.testing.assert_allclose(white[:, k], expected, rtol=0, atol=SAME_ARITHMETIC)
    np.testing.assert_array_equal(white[:, 0], series[:, 0])


def test_design_is_white_by_each_pair_with_its_share():
    """Pairs that are there twice count twice."""
    design = np.random.default_rng(1).standard_normal((N_SCANS, 3))
    found = ByPair(PAIRS, np.ones(PAIRS.shape[1], dtype=bool)).of_design(design)
    assert sum(share for _, share in found) == pytest.approx(1.0)
    for (white, share), (a, b) in zip(found, np.unique(PAIRS.T, axis=0), strict=True):
        assert share == pytest.approx((1 + ((a, b) == (0.8, -0.7))) / 6)
        np.testing.assert_allclose(white, dense_white(design, a, b), rtol=0, atol=SAME_ARITHMETIC)
