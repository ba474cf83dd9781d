"""The fit against nilearn and statsmodels."""

import numpy as np
import pytest
import scipy
from nilearn.glm.first_level.first_level import mean_scaling, run_glm
from statsmodels.regression.linear_model import OLS
from two_conditions import matrix_of

from firstlevel.glm import design as designs
from firstlevel.glm import fit as glm
from firstlevel.glm import noise
from firstlevel.glm.dependence import factorise
from firstlevel.io.event_table import Event

SAME_ARITHMETIC = 1e-8
"""Relative to the noise: the same formula in another order of double-precision operations."""
N_SCANS, N_VOXELS = 120, 300


@pytest.fixture(scope="module")
def matrix():
    return matrix_of(N_SCANS)


@pytest.fixture(scope="module")
def raw(matrix):
    """Voxels with a mean of 850, activation, and AR(1) noise from -0.4 to 0.8."""
    rng = np.random.default_rng(1)
    rho = np.linspace(-0.4, 0.8, N_VOXELS)
    noise = np.empty((N_SCANS, N_VOXELS))
    noise[0] = rng.standard_normal(N_VOXELS)
    for scan in range(1, N_SCANS):
        noise[scan] = rho * noise[scan - 1] + rng.standard_normal(N_VOXELS)
    return 850.0 + 8.0 * noise + 12.0 * matrix[:, :4] @ rng.standard_normal((4, N_VOXELS))


def nilearn_fit(data, matrix, noise_model):
    labels, results = run_glm(data, matrix, noise_model=noise_model)
    beta, sigma2 = np.empty((matrix.shape[1], data.shape[1])), np.empty(data.shape[1])
    rsquared = np.empty(data.shape[1])
    for label, result in results.items():
        at = labels == label
        beta[:, at], sigma2[at], rsquared[at] = result.theta, result.dispersion, result.r_square
    return labels.astype(float), beta, sigma2, rsquared


@pytest.mark.parametrize("noise_model", ["ols", "ar1"])
@pytest.mark.parametrize("scaled", [True, False])
def test_fit_matches_nilearn_where_the_design_has_full_rank(matrix, raw, noise_model, scaled):
    """Betas, residual variance, AR(1) and R2 equal those of nilearn's run_glm."""
    data = glm.percent_signal_change(raw) if scaled else raw
    ours = glm.fit(data, glm.Design.of(matrix), noise_model)
    rho, beta, sigma2, rsquared = nilearn_fit(data, matrix, noise_model)
    sigma = np.sqrt(sigma2)
    np.testing.assert_allclose(ours.ar1, rho, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.beta / sigma, beta / sigma, rtol=0, atol=SAME_ARITHMETIC)
    np.testing.assert_allclose(ours.sigma2, sigma2, rtol=SAME_ARITHMETIC, atol=0)
    np.testing.assert_allclose(ours.rsquared, rsquared, rtol=0, atol=SAME_ARITHMETIC)


def test_ols_matches_statsmodels(matrix, raw):
    """OLS of each voxel equals statsmodels' OLS."""
    ours = glm.fit(raw, glm.Design.of(matrix), "ols")
    for voxel in range(0, N_VOXELS, 37):
        theirs = OLS(raw[:, voxel], matrix).fit()
        np.testing.assert_allclose(ours.beta[:, voxel], theirs.params, rtol=1e-7, atol=1e-7)
        np.testing.assert_allclose(ours.sigma2[voxel], theirs.scale, rtol=SAME_ARITHMETIC, atol=0)


def test_ar1_matches_statsmodels_ols_of_the_whitened_model(matrix, raw):
    """The AR(1) fit equals statsmodels' OLS of series whitened in plain sight, with the same rho."""
    ours = glm.fit(raw, glm.Design.of(matrix), "ar1")
    for voxel in range(0, N_VOXELS, 37):
        series, rho = raw[:, voxel], ours.ar1[voxel]
        residuals = OLS(series, matrix).fit().resid
        plain = (residuals[1:] @ residuals[:-1] / (N_SCANS - 1)) / (residuals @ residuals / N_SCANS)
        assert rho == np.trunc(plain * 100) / 100
        white_y = np.r_[series[0], series[1:] - rho * series[:-1]]
        white_x = np.vstack([matrix[:1], matrix[1:] - rho * matrix[:-1]])
        theirs = OLS(white_y, white_x).fit()
        np.testing.assert_allclose(ours.beta[:, voxel], theirs.params, rtol=1e-7, atol=1e-7)
        np.testing.assert_allclose(ours.sigma2[voxel], theirs.scale, rtol=SAME_ARITHMETIC, atol=0)
        covariance = theirs.normalized_cov_params
        np.testing.assert_allclose(glm.Design.of(matrix).covariance(rho), covariance, rtol=1e-6, atol=1e-10)


def dense_expectation(matrix, rho):
    """Lag-1 autocorrelation of OLS residuals of AR(1) noise, from traces of (n, n) matrices."""
    n_scans = len(matrix)
    residual = np.eye(n_scans) - matrix @ np.linalg.pinv(matrix)
    covariance = scipy.linalg.toeplitz(rho ** np.arange(n_scans))
    lag = np.eye(n_scans, k=-1)
    of_residuals = residual @ covariance @ residual
    return np.trace(lag @ of_residuals) / np.trace(of_residuals)


def test_expected_autocorrelation_is_the_ratio_of_traces(matrix):
    """E[e_t e_{t-1}] / E[e_t^2] = tr(R D R V) / tr(R V), also where regressors repeat."""
    for design in (matrix, np.hstack([matrix, matrix[:, :2]])):
        expected = [dense_expectation(matrix, rho) for rho in noise.RHOS]
        found = noise.expected_autocorrelation(factorise(design).basis)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    # without regressors nothing is lost but what the ends of the run leave out
    bare = noise.expected_autocorrelation(factorise(np.zeros((N_SCANS, 1))).basis)
    np.testing.assert_allclose(bare, noise.RHOS * (N_SCANS - 1) / N_SCANS, rtol=0, atol=1e-12)


def test_corrected_ar1_is_the_rho_that_explains_the_residuals(matrix, raw):
    """Found by bisection on dense matrices, from statsmodels' residuals; Worsley's first order is near."""
    ours = glm.fit(raw, glm.Design.of(matrix), "ar1_corrected")
    plain = glm.fit(raw, glm.Design.of(matrix), "ar1")
    residual = np.eye(N_SCANS) - matrix @ np.linalg.pinv(matrix)
    lag = np.eye(N_SCANS, k=-1)
    both = lag + lag.T
    first_order = np.array(
        [
            [np.trace(residual), np.trace(residual @ both)],
            [np.trace(residual @ lag), np.trace(residual @ lag @ residual @ both)],
        ]
    )
    for voxel in range(0, N_VOXELS, 37):
        e = OLS(raw[:, voxel], matrix).fit().resid
        sums = [e @ e, e[1:] @ e[:-1]]
        rho = scipy.optimize.brentq(
            lambda rho, sums=sums: dense_expectation(matrix, rho) - sums[1] / sums[0], -0.98, 0.98
        )
        assert abs(ours.ar1[voxel] - rho) < 0.0051, (ours.ar1[voxel], rho)
        worsley = np.linalg.solve(first_order, sums)
        if abs(rho) < 0.3:
            assert abs(worsley[1] / worsley[0] - rho) < 0.02
    truth = np.linspace(-0.4, 0.8, N_VOXELS)
    assert abs((ours.ar1 - truth).mean()) < 0.02 < 0.05 < -(plain.ar1 - truth).mean()


def test_pooled_ar1_is_the_rho_that_explains_the_mean_autocorrelation(matrix, raw):
    """One coefficient for all voxels, found by bisection on dense matrices; blocks have that of all."""
    residuals = raw - matrix @ np.linalg.pinv(matrix) @ raw
    observed = np.mean(np.sum(residuals[1:] * residuals[:-1], axis=0) / np.sum(residuals**2, axis=0))
    rho = scipy.optimize.brentq(lambda rho: dense_expectation(matrix, rho) - observed, -0.98, 0.98)
    model = glm.Design.of(matrix)
    whole = glm.fit(raw, model, "ar1_pooled")
    assert len(set(whole.ar1)) == 1
    assert abs(whole.ar1[0] - rho) < 0.0051
    run = noise.prepare("ar1_pooled", model.factors.basis, lambda: observed)
    part = glm.fit(raw[:, :7], model, "ar1_pooled", run)
    np.testing.assert_allclose(part.beta, whole.beta[:, :7], rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="whole mask"):
        noise.prepare("ar1_pooled", model.factors.basis)


@pytest.mark.parametrize("name", [name for name, one in noise.MODELS.items() if not one.needs_series])
def test_every_noise_model_whitens_by_its_coefficient(matrix, raw, name):
    """With its rho, betas, residual variance and R2 are those of series whitened in plain sight."""
    ours = glm.fit(raw, glm.Design.of(matrix), name)
    assert (ours.ar1 != 0).any() == noise.MODELS[name].whitens
    for voxel in range(0, N_VOXELS, 37):
        series, rho = raw[:, voxel], ours.ar1[voxel]
        white_y = np.r_[series[0], series[1:] - rho * series[:-1]]
        theirs = OLS(white_y, np.vstack([matrix[:1], matrix[1:] - rho * matrix[:-1]])).fit()
        np.testing.assert_allclose(ours.beta[:, voxel], theirs.params, rtol=1e-7, atol=1e-7)
        np.testing.assert_allclose(ours.sigma2[voxel], theirs.scale, rtol=SAME_ARITHMETIC, atol=0)
        share = theirs.fittedvalues.var() / white_y.var()
        np.testing.assert_allclose(ours.rsquared[voxel], share, rtol=0, atol=SAME_ARITHMETIC)


@pytest.mark.parametrize("dof", [1, 2, 3, 10])
def test_corrected_ar1_rises_with_what_is_observed_where_little_freedom_is_left(dof):
    """Where the expectation turns back for strong noise, its branch around 0 counts; never NaN."""
    rng, turns = np.random.default_rng(0), 0
    for n_scans in range(dof + 4, dof + 40, 12):
        design = np.column_stack([rng.standard_normal((n_scans, n_scans - 1 - dof)), np.ones(n_scans)])
        data = rng.standard_normal((n_scans, 200))
        rho = glm.fit(data, glm.Design.of(design), "ar1_corrected").ar1
        e = data - design @ np.linalg.pinv(design) @ data
        observed = np.sum(e[1:] * e[:-1], axis=0) / np.sum(e**2, axis=0)
        expected = np.array([dense_expectation(design, value) for value in noise.RHOS])
        turns += (np.diff(expected) < 0).any()
        assert np.abs(rho).max() <= 0.99
        if dof > 1:  # with one, all residuals have the same shape
            assert (np.diff(rho[np.argsort(observed)]) >= 0).all()
            within = (observed > expected[80]) & (observed < expected[118])
            nearest = np.interp(observed[within], expected[80:119], noise.RHOS[80:119])
            np.testing.assert_allclose(rho[within], nearest, rtol=0, atol=0.0051)
    assert turns


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6])
def test_corrected_noise_model_keeps_its_false_positive_rate(rho):
    """Blocks of 20 s with AR(1) noise and no response, 128 scans, 20,000 voxels: share of p < 0.05, 0.001.

    rho   ols              ar1              ar1_corrected    mean of ar1, ar1_corrected
    0.0    5.0 %  0.10 %    6.2 %  0.21 %    5.1 %  0.13 %   -0.06   0.00
    0.3   11.4 %  1.08 %    7.4 %  0.34 %    5.4 %  0.19 %    0.20   0.30
    0.6   19.2 %  4.86 %    9.2 %  0.69 %    5.9 %  0.22 %    0.47   0.59
    """
    rng, n_scans, n_voxels = np.random.default_rng(2), 128, 20_000
    events = [Event(20.0 + 40.0 * k, 20.0, "a") for k in range(5)]
    options = designs.DesignOptions("spm + derivative", "cosine", 0.01, -24, 50)
    design = designs.design_matrix(designs.frame_times(n_scans, 2.0, 0.0), events, options)[1]
    noise = rng.standard_normal((n_scans, n_voxels))
    noise[1:] *= np.sqrt(1 - rho**2)
    noise = scipy.signal.lfilter([1.0], [1.0, -rho], noise, axis=0)
    rates, means, lags = {}, {}, {}
    for model in ("ols", "ar1", "ar1_corrected"):
        fitted = glm.fit(850 + noise, glm.Design.of(design), model)
        scale = np.empty(n_voxels)
        for value, voxels in glm.groups(fitted.ar1):
            scale[voxels] = glm.Design.of(design).covariance(value)[0, 0]
        t = fitted.beta[0] / np.sqrt(scale * fitted.sigma2)
        p = scipy.stats.t.sf(t, glm.Design.of(design).dof)
        rates[model], means[model] = [(p < 0.05).mean(), (p < 0.001).mean()], fitted.ar1.mean()
        error = 850 + noise - design @ fitted.beta
        error[1:] -= fitted.ar1 * error[:-1]
        lags[model] = (np.sum(error[1:] * error[:-1], axis=0) / np.sum(error**2, axis=0)).mean()
        print(f"rho {rho} {model:14}", *(f"{100 * rate:6.2f} %" for rate in rates[model]), end=" ")
        print(f"mean rho {means[model]:6.3f}, lag-1 autocorrelation of residuals {lags[model]:6.3f}")
    assert 0.045 < rates["ar1_corrected"][0] < (0.057 if rho < 0.5 else 0.063)
    assert rates["ar1_corrected"][1] < 0.0035
    assert abs(means["ar1_corrected"] - rho) < 0.015
    assert rates["ar1"][0] > rates["ar1_corrected"][0] + 0.007
    assert means["ar1"] < rho - 0.05
    # residuals of white noise are not white: rho is right where residuals look as those of white noise do
    of_white = dense_expectation(design, 0.0)
    assert abs(lags["ar1_corrected"] - of_white) < 0.02
    assert lags["ar1"] - of_white > 0.05


def test_scaling_matches_nilearn_even_where_the_mean_is_below_one(raw):
    """Percent signal change equals nilearn's mean_scaling, with its floor of 1 for the mean."""
    raw = raw.copy()
    raw[:, :3] *= [1e-4, -1.0, 0.0]
    np.testing.assert_allclose(glm.percent_signal_change(raw), mean_scaling(raw)[0], rtol=1e-12, atol=1e-12)


def test_rank_deficient_design_keeps_fitted_values(matrix, raw):
    """A regressor that repeats changes neither the residual variance nor the degrees of freedom."""
    doubled = np.hstack([matrix, matrix[:, :1]])
    assert glm.Design.of(doubled).dof == glm.Design.of(matrix).dof
    for noise_model in ("ols", "ar1"):
        once, twice = (glm.fit(raw, glm.Design.of(design), noise_model) for design in (matrix, doubled))
        np.testing.assert_allclose(twice.sigma2, once.sigma2, rtol=1e-7, atol=0)


def test_constant_voxel_gives_zeros_not_nan(matrix):
    """A voxel without variance has no autocorrelation and no residual variance, and nothing is NaN."""
    for noise_model in ("ar1", "ar1_corrected"):
        fitted = glm.fit(np.zeros((N_SCANS, 2)), glm.Design.of(matrix), noise_model)
        for values in (fitted.beta, fitted.sigma2, fitted.ar1, fitted.rsquared):
            np.testing.assert_array_equal(values, 0.0)


def test_no_degrees_of_freedom_is_an_error(matrix):
    """As many regressors as scans cannot be fitted."""
    with pytest.raises(ValueError, match="no degrees of freedom"):
        glm.fit(np.zeros((5, 1)), glm.Design.of(matrix[:5]), "ols")


def test_groups_hold_every_voxel_once():
    """Each voxel is in the group of its own value."""
    rho = np.array([0.3, -0.1, 0.3, 0.0])
    found = {value: sorted(voxels) for value, voxels in glm.groups(rho)}
    assert found == {-0.1: [1], 0.0: [3], 0.3: [0, 2]}


@pytest.mark.filterwarnings("ignore:Matrix is singular")
@pytest.mark.parametrize("noise_model", ["ols", "ar1"])
def test_regressor_that_repeats_changes_no_estimable_number(raw, matrix, noise_model):
    """With a condition twice, as nilearn's design makes it, the sum of both is the one condition's beta."""
    from nilearn.glm.first_level.design_matrix import full_rank

    repeated, _ = full_rank(np.column_stack([matrix, matrix[:, 0]]))
    data = glm.percent_signal_change(raw)
    once, twice = (glm.fit(data, glm.Design.of(design), noise_model) for design in (matrix, repeated))
    np.testing.assert_allclose(twice.beta[0] + twice.beta[-1], once.beta[0], rtol=0, atol=SAME_ARITHMETIC)
    np.testing.assert_allclose(twice.beta[1:-1], once.beta[1:], rtol=0, atol=SAME_ARITHMETIC)
    np.testing.assert_allclose(twice.sigma2, once.sigma2, rtol=SAME_ARITHMETIC, atol=0)
    for rho in (0.0, 0.9):
        np.testing.assert_allclose(
            glm.Design.of(repeated).covariance(rho)[1:-1, 1:-1],
            glm.Design.of(matrix).covariance(rho)[1:, 1:],
            rtol=1e-6,
            atol=1e-9,
        )


def test_covariance_of_full_rank_is_numpys_pseudo_inverse(matrix):
    """And the inverse of Xw'Xw."""
    white = glm.whiten(matrix, 0.37)
    half = np.linalg.pinv(white)
    covariance = glm.Design.of(matrix).covariance(0.37)
    np.testing.assert_allclose(covariance, half @ half.T, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(covariance @ (white.T @ white), np.eye(len(half)), rtol=0, atol=1e-8)
