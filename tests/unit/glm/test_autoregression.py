"""Autoregressive processes against dense matrices and scipy's Toeplitz solver."""

import numpy as np
import pytest
import scipy
from two_conditions import matrix_of

from firstlevel.glm.autoregression import Processes, levinson
from firstlevel.glm.dependence import factorise
from firstlevel.glm.residual_autocovariance import expected_sums, noise_processes

SAME_ARITHMETIC = 1e-10
"""Relative to the largest entry: the same quantity from dense matrices, in double precision."""
REPEATED = 5e-4
"""Of lags beyond q, found from those within in eight repetitions."""


def some(order, n_processes=5, largest=0.9, seed=0):
    """Random stationary processes, made from partial autocorrelations by plain recursion."""
    rng = np.random.default_rng([seed, order])
    all_coefficients = []
    for _ in range(n_processes):
        a = np.zeros(0)
        for partial in rng.uniform(-largest, largest, order) / np.sqrt(np.arange(1, order + 1)):
            a = np.r_[a - partial * a[::-1], partial]
        all_coefficients.append(a)
    return Processes(np.array(all_coefficients))


def dense_covariance(coefficients, n_scans):
    """Covariance of n scans from the moving-average form: no formula of the module."""
    impulse = scipy.signal.lfilter([1.0], np.r_[1.0, -coefficients], np.r_[1.0, np.zeros(20_000)])
    gamma = [impulse[: len(impulse) - lag] @ impulse[lag:] for lag in range(n_scans)]
    return scipy.linalg.toeplitz(gamma)


@pytest.mark.parametrize("order", [1, 2, 3, 7, 20])
def test_levinson_is_scipys_toeplitz_solution(order):
    """Coefficients solve the equations of Yule and Walker, whatever the scale of the autocovariances."""
    processes = some(order)
    for g, a in enumerate(processes.coefficients):
        gamma = dense_covariance(a, order + 1)[0]
        solved = scipy.linalg.solve_toeplitz(gamma[:-1], gamma[1:])
        found = Processes.of_autocorrelations(7.0 * gamma[np.newaxis]).coefficients[0]
        np.testing.assert_allclose(found, solved, rtol=0, atol=SAME_ARITHMETIC)
        np.testing.assert_allclose(found, a, rtol=0, atol=SAME_ARITHMETIC)
        _, partial = levinson(gamma[np.newaxis])
        np.testing.assert_allclose(partial[0], processes.partial[g], rtol=0, atol=SAME_ARITHMETIC)


@pytest.mark.parametrize(
    ("order", "n_scans"), [(1, 1), (1, 2), (2, 3), (3, 4), (7, 7), (7, 9), (20, 60), (12, 128)]
)
def test_covariance_is_that_of_dense_matrices(order, n_scans):
    """Autocorrelations, variance, determinant and inverse, also where both ends of the run meet."""
    processes, rng = some(order), np.random.default_rng(1)
    columns = rng.standard_normal((n_scans, 3))
    product = processes.times_inverse(columns)
    for g, a in enumerate(processes.coefficients):
        whole = dense_covariance(a, n_scans + 30)
        np.testing.assert_allclose(processes.variance[g], whole[0, 0], rtol=SAME_ARITHMETIC, atol=0)
        acf = processes.autocorrelations(n_scans + 29)[g]
        np.testing.assert_allclose(acf, whole[0] / whole[0, 0], rtol=0, atol=SAME_ARITHMETIC)
        np.testing.assert_allclose(processes.autocorrelations(1)[g], acf[:2], rtol=0, atol=SAME_ARITHMETIC)
        covariance = whole[:n_scans, :n_scans]
        determinant = np.linalg.slogdet(covariance)[1]
        np.testing.assert_allclose(
            processes.log_determinant(n_scans)[g], determinant, rtol=SAME_ARITHMETIC, atol=SAME_ARITHMETIC
        )
        dense = np.linalg.solve(covariance, columns)
        np.testing.assert_allclose(product[g], dense, rtol=0, atol=SAME_ARITHMETIC * np.abs(dense).max())


def test_spectrum_is_the_transform_of_the_autocovariance():
    """At some frequencies, against the cosine series; its mean is the variance."""
    processes = some(3, largest=0.7)
    frequencies = np.array([0.0, 0.1, 0.37, 0.5])
    for g, a in enumerate(processes.coefficients):
        gamma = dense_covariance(a, 2000)[0]
        lags = np.arange(1, 2000)
        cosines = gamma[0] + 2 * np.cos(2 * np.pi * np.outer(frequencies, lags)) @ gamma[1:]
        np.testing.assert_allclose(processes.spectra(frequencies)[g], cosines, rtol=1e-8, atol=0)
    middle = (np.arange(4000) + 0.5) / 8000
    np.testing.assert_allclose(processes.spectra(middle).mean(axis=1), processes.variance, rtol=1e-8, atol=0)


def test_white_noise_is_a_process():
    """All coefficients 0, and order 0."""
    for order in (0, 4):
        white = Processes(np.zeros((1, order)))
        columns = np.arange(12.0).reshape(6, 2)
        np.testing.assert_array_equal(white.times_inverse(columns)[0], columns)
        np.testing.assert_array_equal(white.autocorrelations(8)[0], np.eye(9)[0])
        assert white.log_determinant(6) == 0
        assert white.variance == 1


def test_what_no_process_has_is_refused():
    """Autocorrelations that are not positive definite, or not finite; fewer scans than coefficients."""
    for acf in ([1.0, 0.9, 0.0], [1.0, 1.1, 1.0], [0.0, 0.0, 0.0], [1.0, np.nan, 0.0]):
        with pytest.raises(ValueError, match="positive definite"):
            Processes.of_autocorrelations(np.array([acf]))
    _, partial = levinson(np.array([[1.0, 0.9, 0.0, 0.5]]), 0.95)
    assert np.abs(partial).max() == 0.95
    with pytest.raises(ValueError, match="2 scans for processes of order 3"):
        some(3).times_inverse(np.ones((2, 1)))


@pytest.mark.parametrize(("n_scans", "n_lags"), [(120, 12), (60, 2), (40, 20)])
def test_expected_sums_are_traces_of_dense_matrices(n_scans, n_lags):
    """M_kl = tr(R D_k R C_l) of matrices made in plain sight."""
    basis = factorise(matrix_of(n_scans)).basis
    rest = np.eye(n_scans) - basis @ basis.T
    found = expected_sums(basis, n_lags)
    for k in range(n_lags + 1):
        shift = (np.eye(n_scans, k=k) + np.eye(n_scans, k=-k)) / 2
        left = rest @ shift @ rest
        for lag in range(n_scans):
            both = np.eye(n_scans, k=lag) + (np.eye(n_scans, k=-lag) if lag else 0)
            assert abs(found[k, lag] - np.trace(left @ both)) < SAME_ARITHMETIC * n_scans


def test_noise_is_recovered_from_what_its_residuals_have_on_average():
    """With expected sums from dense matrices in, the processes come out that the residuals are of."""
    n_scans, order = 150, 4
    basis = factorise(matrix_of(n_scans)).basis
    rest = np.eye(n_scans) - basis @ basis.T
    processes = some(order, largest=0.6)
    sums = np.empty((processes.n, order + 1))
    for g, a in enumerate(processes.coefficients):
        of_residuals = rest @ dense_covariance(a, n_scans) @ rest
        sums[g] = [np.trace(of_residuals, lag) for lag in range(order + 1)]
    coefficients, partial = noise_processes(sums, expected_sums(basis, order))
    np.testing.assert_allclose(coefficients, processes.coefficients, rtol=0, atol=REPEATED)
    np.testing.assert_allclose(partial, processes.partial, rtol=0, atol=REPEATED)


def test_noise_is_unknown_where_nothing_is_left():
    """One degree of freedom does not tell three autocovariances."""
    basis = factorise(np.random.default_rng(0).standard_normal((10, 9))).basis
    coefficients, _ = noise_processes(np.ones((1, 3)), expected_sums(basis, 2))
    assert np.isnan(coefficients).all()
