"""The fit with a mixture of noise processes against statsmodels' GLS, and what is learnt from a sample."""

import numpy as np
import pytest
import scipy
from statsmodels.regression.linear_model import GLS
from two_conditions import matrix_of

from firstlevel.glm import mixture, mixture_contrasts, mixture_effects, mixture_learning
from firstlevel.glm.autoregression import Processes
from firstlevel.glm.dependence import factorise
from firstlevel.glm.mixture_effects import Rows

SAME_ARITHMETIC = 1e-10
"""Relative to the noise: the same formula by dense matrices, in double precision."""
N_SCANS = 120


@pytest.fixture(scope="module")
def matrix():
    return matrix_of(N_SCANS)


@pytest.fixture(scope="module")
def basis(matrix):
    return factorise(matrix).basis


def three_processes():
    """White noise, AR(1) and an AR(3), with their shares."""
    coefficients = np.array([[0.0, 0.0, 0.0], [0.6, 0.0, 0.0], [0.5, -0.2, 0.3]])
    return mixture.Mixture(Processes(coefficients), np.array([0.5, 0.3, 0.2]))


def noise_of(coefficients, n_scans, n_voxels, rng):
    """Stationary AR noise with innovations of variance 1, (n, v), after 500 scans that are thrown away."""
    innovations = rng.standard_normal((n_scans + 500, n_voxels))
    return scipy.signal.lfilter([1.0], np.r_[1.0, -np.asarray(coefficients)], innovations, axis=0)[500:]


def series_of(mixed, n_scans, n_voxels, seed=0):
    """Noise of each process, `n_voxels` each, one after the other."""
    rng = np.random.default_rng(seed)
    return np.hstack([noise_of(a, n_scans, n_voxels, rng) for a in mixed.processes.coefficients])


def statsmodels_gls(series, matrix, processes, g):
    acf = processes.autocorrelations(len(matrix) - 1)[g] * processes.variance[g]
    return GLS(series, matrix, sigma=scipy.linalg.toeplitz(acf)).fit()


@pytest.mark.parametrize("g", range(3))
def test_one_process_is_statsmodels_gls(matrix, g):
    """Betas, sigma2, t and R2 equal those of GLS with the covariance of the process."""
    whole, factors = three_processes(), factorise(matrix)
    one = mixture.Mixture(Processes(whole.processes.coefficients[g : g + 1]), np.ones(1))
    data = 7.0 + 3.0 * series_of(whole, N_SCANS, 3) + 2.0 * matrix[:, :1]
    weighted = mixture.Weighted.of(one, factors.basis)
    fitted = weighted.fit(data)
    beta = factors.transform @ fitted.coefficients
    half = np.linalg.solve(weighted.roots[0], factors.transform.T)
    for voxel in range(data.shape[1]):
        theirs = statsmodels_gls(data[:, voxel], matrix, one.processes, 0)
        se = np.sqrt(fitted.sigma2[voxel] * np.einsum("rp,rp->p", half, half))
        np.testing.assert_allclose(fitted.sigma2[voxel], theirs.scale, rtol=SAME_ARITHMETIC, atol=0)
        difference = (beta[:, voxel] - theirs.params) / theirs.bse
        np.testing.assert_allclose(difference, 0, rtol=0, atol=SAME_ARITHMETIC)
        np.testing.assert_allclose(beta[:, voxel] / se, theirs.tvalues, rtol=SAME_ARITHMETIC, atol=1e-9)
        np.testing.assert_allclose(fitted.rsquared[voxel], theirs.rsquared, rtol=0, atol=SAME_ARITHMETIC)
    np.testing.assert_array_equal(fitted.posterior, 1.0)


def test_posterior_weighs_restricted_likelihoods(matrix, basis):
    """Likelihoods, posterior and averages equal those of dense matrices, voxel by voxel."""
    mixed, weighted = three_processes(), mixture.Weighted.of(three_processes(), basis)
    data = series_of(mixed, N_SCANS, 4) + 5.0
    prior = np.random.default_rng(3).dirichlet(np.ones(3), data.shape[1]).T
    for own in (None, prior):
        fitted = weighted.fit(data, own, with_likelihood=True)
        for voxel in range(data.shape[1]):
            (likelihood, scale, rsquared), gamma = np.empty((3, 3)), np.empty((3, basis.shape[1]))
            for g in range(3):
                acf = mixed.processes.autocorrelations(N_SCANS - 1)[g] * mixed.processes.variance[g]
                covariance = scipy.linalg.toeplitz(acf)
                theirs = GLS(data[:, voxel], basis, sigma=covariance, hasconst=True).fit()
                information = basis.T @ np.linalg.solve(covariance, basis)
                left = theirs.scale * weighted.dof
                logs = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(information)[1]
                likelihood[g] = -(logs + weighted.dof * np.log(left)) / 2
                scale[g], gamma[g] = theirs.scale, theirs.params
                one = np.ones(N_SCANS)
                level = GLS(data[:, voxel], one, sigma=covariance).fit().ssr
                rsquared[g] = 1 - left / level
            shares = mixed.shares if own is None else own[:, voxel]
            w = shares * np.exp(likelihood - likelihood.max())
            w /= w.sum()
            np.testing.assert_allclose(fitted.log_likelihood[:, voxel], likelihood, rtol=1e-10, atol=1e-8)
            np.testing.assert_allclose(fitted.posterior[:, voxel], w, rtol=1e-8, atol=1e-12)
            np.testing.assert_allclose(fitted.sigma2[voxel], w @ scale, rtol=1e-9, atol=0)
            np.testing.assert_allclose(fitted.coefficients[:, voxel], w @ gamma, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(fitted.rsquared[voxel], w @ rsquared, rtol=0, atol=1e-9)
            lag1 = [0.0, 0.6, mixed.processes.autocorrelations(1)[2, 1]]
            np.testing.assert_allclose(fitted.ar1[voxel], w @ lag1, rtol=1e-9, atol=1e-12)


def test_rsquared_without_a_constant_in_the_design(matrix):
    """The level that the squares are about is a constant even where the design has none."""
    bare = matrix[:, :3] - matrix[:, :3].mean(axis=0)
    mixed, factors = three_processes(), factorise(bare)
    data = 4.0 + series_of(mixed, N_SCANS, 1) + 3 * bare[:, :1]
    one = mixture.Mixture(Processes(mixed.processes.coefficients[1:2]), np.ones(1))
    fitted = mixture.Weighted.of(one, factors.basis).fit(data)
    covariance = scipy.linalg.toeplitz(0.6 ** np.arange(N_SCANS))
    for voxel in range(data.shape[1]):
        theirs = GLS(data[:, voxel], bare, sigma=covariance).fit()
        white = np.linalg.cholesky(np.linalg.inv(covariance)).T
        level = white @ np.ones(N_SCANS) / np.linalg.norm(white @ np.ones(N_SCANS))
        explained = np.sum(theirs.fittedvalues * (np.linalg.solve(covariance, theirs.fittedvalues)))
        about = explained - (level @ white @ data[:, voxel]) ** 2
        share = max(about, 0.0) / (max(about, 0.0) + theirs.ssr)
        np.testing.assert_allclose(fitted.rsquared[voxel], share, rtol=0, atol=1e-9)


def test_blocks_and_order_of_voxels_change_nothing(basis):
    """One block, blocks of the chunk's size, and other neighbours: the same up to rounding."""
    mixed, weighted = three_processes(), mixture.Weighted.of(three_processes(), basis)
    data = series_of(mixed, N_SCANS, 400) + 5.0
    whole = weighted.fit(data)
    parts = [weighted.fit(data[:, :1024]), weighted.fit(data[:, 1024:])]
    turned = weighted.fit(data[:, ::-1].copy())
    for name in ("coefficients", "sigma2", "posterior", "ar1", "rsquared"):
        of_parts = np.concatenate([getattr(part, name) for part in parts], axis=-1)
        np.testing.assert_array_equal(of_parts, getattr(whole, name))
        backwards = getattr(turned, name)[..., ::-1]
        np.testing.assert_allclose(backwards, getattr(whole, name), rtol=1e-9, atol=1e-11)


def test_data_in_other_units_scale_the_fit(basis):
    """Ten thousand times the data: the same posterior, squares 1e8 times as large."""
    mixed, weighted = three_processes(), mixture.Weighted.of(three_processes(), basis)
    data = series_of(mixed, N_SCANS, 20)
    small, large = weighted.fit(1e-3 * data), weighted.fit(10.0 * data)
    np.testing.assert_allclose(large.posterior, small.posterior, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(large.sigma2, 1e8 * small.sigma2, rtol=1e-9, atol=0)
    np.testing.assert_allclose(large.rsquared, small.rsquared, rtol=0, atol=1e-9)


def test_voxels_without_noise_have_the_prior_and_no_variance(basis, matrix):
    """Constant, empty or a sum of regressors: no residual variance, nothing NaN, in fit and learning."""
    mixed, weighted = three_processes(), mixture.Weighted.of(three_processes(), basis)
    silent = np.column_stack([np.zeros(N_SCANS), np.full(N_SCANS, 850.0), 3 * matrix[:, 0] + 7])
    data = np.column_stack([silent, series_of(mixed, N_SCANS, 2)])
    fitted = weighted.fit(data)
    for values in (fitted.sigma2, fitted.ar1, fitted.rsquared):
        np.testing.assert_array_equal(values[:3], 0.0)
        assert np.isfinite(values).all()
    np.testing.assert_array_equal(fitted.posterior[:, :3], np.repeat(mixed.shares[:, np.newaxis], 3, axis=1))
    np.testing.assert_allclose(fitted.coefficients[:, :3], basis.T @ silent, rtol=0, atol=1e-9)
    alone, with_them = mixture_learning.learn(data[:, 3:], basis), mixture_learning.learn(data, basis)
    np.testing.assert_allclose(with_them.shares, alone.shares, rtol=1e-9, atol=0)
    only = mixture_learning.learn(silent, basis)
    assert only.processes.n == 1
    np.testing.assert_array_equal(only.processes.coefficients, 0.0)


@pytest.mark.parametrize(("n_scans", "kept"), [(42, 12), (415, 12), (416, 13), (512, 16), (2000, 16)])
def test_longer_runs_keep_more_processes(n_scans, kept):
    """As many as a posterior of so many scans can tell apart, and files can hold."""
    assert mixture_learning.most_for(n_scans) == kept


@pytest.mark.parametrize(
    ("n_scans", "rank", "order"), [(42, 12, 5), (10, 7, 2), (3, 2, 2), (2, 1, 1), (390, 20, 20)]
)
@pytest.mark.parametrize("n_voxels", [1, 10, 100])
def test_learning_and_fit_need_few_scans_and_voxels(n_scans, rank, order, n_voxels):
    """Every number is finite, shares and posteriors sum to 1."""
    rng = np.random.default_rng(n_scans)
    basis = factorise(np.column_stack([rng.standard_normal((n_scans, rank - 1)), np.ones(n_scans)])).basis
    data = noise_of([0.5], n_scans, n_voxels, rng)
    found = mixture_learning.learn(data, basis)
    assert found.processes.order == order == mixture_learning.order_for(n_scans, rank)
    assert 1 <= found.processes.n <= mixture_learning.most_for(n_scans)
    assert (np.diff(found.shares) <= 0).all()
    np.testing.assert_allclose(found.shares.sum(), 1.0, rtol=1e-12, atol=0)
    fitted = mixture.Weighted.of(found, basis).fit(data)
    for values in (fitted.coefficients, fitted.sigma2, fitted.posterior, fitted.ar1, fitted.rsquared):
        assert np.isfinite(values).all()
    np.testing.assert_allclose(fitted.posterior.sum(axis=0), 1.0, rtol=1e-12, atol=0)
    assert (fitted.sigma2 > 0).all()
    assert (fitted.rsquared >= 0).all()
    assert (fitted.rsquared <= 1).all()


def test_learning_finds_spectra_that_it_did_not_begin_with():
    """An oscillation of which no process to begin with is near: power at its peak within a tenth."""
    n_scans, coefficients = 300, [0.0, -0.8]
    basis = factorise(matrix_of(n_scans)).basis
    data = noise_of(coefficients, n_scans, 2000, np.random.default_rng(0))
    found = mixture_learning.learn(data, basis)
    frequencies = np.array([0.05, 0.25, 0.45])
    of_each = found.processes.spectra(frequencies) / found.processes.variance[:, np.newaxis]
    truth = Processes(np.array([coefficients]))
    expected = truth.spectra(frequencies)[0] / truth.variance[0]
    np.testing.assert_allclose(found.shares @ of_each, expected, rtol=0.1, atol=0)
    again = mixture_learning.learn(data, basis)
    np.testing.assert_array_equal(again.shares, found.shares)
    np.testing.assert_array_equal(again.processes.coefficients, found.processes.coefficients)


def test_posterior_in_bytes():
    """Within half a 255th, sums to 1 again; a voxel of none has all processes equally."""
    posterior = np.random.default_rng(0).dirichlet(0.2 * np.ones(5), 200).T
    saved = mixture.to_bytes(posterior)
    assert saved.dtype == np.uint8
    back = mixture.from_bytes(saved)
    np.testing.assert_allclose(back.sum(axis=0), 1.0, rtol=1e-12, atol=0)
    assert np.abs(back - posterior).max() < 3.5 / 255
    np.testing.assert_array_equal(mixture.from_bytes(np.zeros((4, 2), dtype=np.uint8)), 0.25)


@pytest.mark.parametrize(
    ("n_voxels", "n_sampled"), [(0, 0), (1, 1), (4096, 4096), (4097, 2049), (50_000, 3847)]
)
def test_sample_is_evenly_spaced(n_voxels, n_sampled):
    """Every ceil(V / 4096)-th voxel."""
    positions = mixture_learning.sampled(n_voxels)
    assert len(positions) == n_sampled
    assert len(set(np.diff(positions))) <= 1
    assert (positions < n_voxels).all()


@pytest.mark.parametrize("shape", [(64, 64, 64), (64, 64, 32), (64, 32, 8), (36, 128, 128), (91, 61, 61)])
def test_sample_of_a_box_is_of_all_its_planes(shape):
    """Where the step would be a multiple of an axis; voxels of a mask are in the order of its last axis."""
    places = np.nonzero(np.ones(shape, dtype=bool))
    positions = mixture_learning.sampled(places[0].size, places)
    assert len(set(np.diff(positions))) == 1
    assert mixture_learning.N_SAMPLED / 3 < len(positions) <= mixture_learning.N_SAMPLED
    for along, n_planes in zip(places, shape, strict=True):
        assert 2 * np.unique(along[positions]).size >= n_planes


def test_sample_of_a_brain_is_every_so_many_voxels():
    """As without the places of its voxels."""
    x, y, z = np.mgrid[-1:1:40j, -1:1:48j, -1:1:40j]
    places = np.nonzero(x**2 + y**2 + z**2 < 1)
    np.testing.assert_array_equal(
        mixture_learning.sampled(places[0].size, places), mixture_learning.sampled(places[0].size)
    )


def hostile():
    """Series that are not what the model is of, by name."""
    rng, scans = np.random.default_rng(0), np.arange(N_SCANS)
    white = rng.standard_normal((N_SCANS, 40))
    return {
        "random walk": np.cumsum(white, axis=0),
        "alternating": 0.01 * white + np.outer((-1.0) ** scans, white[0]),
        "waves": np.sin(np.outer(scans, rng.uniform(0.1, 3, 40))) + 1e-6 * white,
        "single precision": (850 + white).astype(np.float32),
        "tiny": 1e-30 * white,
        "huge": 1e60 * white,
        "one scan": np.eye(N_SCANS)[:, :40],
        "whole numbers": rng.integers(0, 2, (N_SCANS, 40)).astype(np.float64),
        "all voxels alike": np.repeat(white[:, :1], 40, axis=1),
    }


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", hostile())
def test_no_series_gives_what_is_not_finite(basis, name):
    """Nor a warning, neither in the learning, nor in the fit, nor in contrasts from what is saved."""
    data = hostile()[name]
    weighted = mixture.Weighted.of(mixture_learning.learn(data, basis), basis)
    fitted = weighted.fit(data.astype(np.float64))
    saved = mixture.from_bytes(mixture.to_bytes(fitted.posterior))
    c = np.eye(2, basis.shape[1])
    found = mixture_effects.of_effect(Rows.of(weighted, c), fitted.sigma2, saved)
    combined = mixture_contrasts.over_runs([found, found], np.array([fitted.sigma2 > 0] * 2), "precision")
    tested = mixture_contrasts.f_of_run(Rows.of(weighted, c), c @ fitted.coefficients, fitted.sigma2, saved)
    for values in (
        *(fitted.coefficients, fitted.sigma2, fitted.posterior, fitted.ar1, fitted.rsquared),
        *(found.covariance, found.spread, combined.variance, combined.dof, *tested),
    ):
        assert np.isfinite(values).all()
    np.testing.assert_allclose(fitted.posterior.sum(axis=0), 1.0, rtol=1e-12, atol=0)
    assert (combined.dof <= 2 * weighted.dof * (1 + 1e-9)).all()
