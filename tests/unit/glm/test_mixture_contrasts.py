"""Contrasts from what is saved of a mixture fit, against the fit itself, statsmodels, and other contrasts."""

import numpy as np
import pytest
import scipy
from statsmodels.regression.linear_model import GLS
from two_conditions import matrix_of

from firstlevel.glm import contrasts, mixture, mixture_contrasts, mixture_effects, mixture_learning
from firstlevel.glm import design as designs
from firstlevel.glm import fit as glm
from firstlevel.glm.autoregression import Processes
from firstlevel.glm.dependence import factorise
from firstlevel.glm.mixture_effects import Rows
from firstlevel.inference.tails import t_to_z
from firstlevel.io.event_table import Event

SAME_ARITHMETIC = 1e-9
"""Relative: the same formula by dense matrices, in double precision."""
N_SCANS = 200


def noise_of(coefficients, n_scans, n_voxels, rng):
    innovations = rng.standard_normal((n_scans + 500, n_voxels))
    return scipy.signal.lfilter([1.0], np.r_[1.0, -np.asarray(coefficients)], innovations, axis=0)[500:]


def single(coefficients):
    return mixture.Mixture(Processes(np.array([coefficients])), np.ones(1))


def of_files(fitted):
    """What is left of a posterior that was saved."""
    return mixture.from_bytes(mixture.to_bytes(fitted.posterior))


@pytest.fixture(scope="module")
def factors():
    return factorise(matrix_of(N_SCANS))


def test_t_and_f_of_one_process_are_those_of_statsmodels(factors):
    """Variance, t, degrees of freedom, F and p of GLS with the covariance of the process."""
    matrix, rng = matrix_of(N_SCANS), np.random.default_rng(0)
    weighted = mixture.Weighted.of(single([0.5, 0.2]), factors.basis)
    data = noise_of([0.5, 0.2], N_SCANS, 4, rng) + 0.8 * matrix[:, :1]
    fitted = weighted.fit(data)
    acf = weighted.mixture.processes.autocorrelations(N_SCANS - 1)[0]
    c = np.zeros((2, matrix.shape[1]))
    c[0, 0], c[1, 2] = 1.0, -1.0
    on_basis = c @ factors.transform
    effect = on_basis @ fitted.coefficients
    of_t = mixture_effects.of_effect(Rows.of(weighted, on_basis[:1]), fitted.sigma2, of_files(fitted))
    found = mixture_contrasts.over_runs([of_t], np.ones((1, 4), dtype=bool))
    stat, p, z = mixture_contrasts.f_of_run(
        Rows.of(weighted, on_basis), effect, fitted.sigma2, of_files(fitted)
    )
    np.testing.assert_allclose(found.dof, weighted.dof, rtol=1e-12, atol=0)
    for voxel in range(4):
        theirs = GLS(data[:, voxel], matrix, sigma=scipy.linalg.toeplitz(acf)).fit()
        t, f = theirs.t_test(c[0]), theirs.f_test(c)
        np.testing.assert_allclose(found.variance[voxel], t.sd.item() ** 2, rtol=SAME_ARITHMETIC, atol=0)
        mine = effect[0, voxel] / np.sqrt(found.variance[voxel])
        np.testing.assert_allclose(mine, t.tvalue.item(), rtol=SAME_ARITHMETIC, atol=0)
        np.testing.assert_allclose(stat[voxel], f.fvalue, rtol=SAME_ARITHMETIC, atol=0)
        np.testing.assert_allclose(p[voxel], f.pvalue, rtol=1e-7, atol=0)
        np.testing.assert_allclose(z[voxel], scipy.stats.norm.isf(f.pvalue), rtol=1e-7, atol=1e-9)


def brain(factors, seed, n_voxels=500):
    """Learnt and fitted: noise of five kinds."""
    rng = np.random.default_rng(seed)
    kinds = ([0.0], [0.3], [0.6], [0.4, 0.3], [0.7, 0.1, 0.1])
    data = np.hstack([noise_of(a, len(factors.basis), n_voxels, rng) for a in kinds])
    weighted = mixture.Weighted.of(mixture_learning.learn(data, factors.basis), factors.basis)
    return data, weighted, weighted.fit(data)


def under_each_process(data, weighted, c):
    """Effect and its variance (G, v) of each process, of dense matrices."""
    processes, basis = weighted.mixture.processes, weighted.basis
    effects, variances = [], []
    acf = processes.autocorrelations(len(basis) - 1) * processes.variance[:, np.newaxis]
    for g in range(processes.n):
        inverse = np.linalg.inv(scipy.linalg.toeplitz(acf[g]))
        information = np.linalg.inv(basis.T @ inverse @ basis)
        gamma = information @ basis.T @ inverse @ data
        rest = data - basis @ gamma
        effects.append(c @ gamma)
        variances.append((c @ information @ c) * np.sum(rest * (inverse @ rest), axis=0) / weighted.dof)
    return np.array(effects), np.array(variances)


N_NEAR = 25
"""Neighbours of a voxel, of as many as the kernel of the local prior weighs."""
NEAR = 0.01
"""In z, what the docstring of relative_sigma2 claims."""
CLOSE, AT_LEAST = 0.03, 0.99
"""In z, at so many voxels: bytes, and what the effects of the processes differ by at a voxel, on average."""


def test_t_from_files_is_near_that_of_the_fit(factors):
    """Against the t with the moments of the mixture, all known, and against the mixture of t itself."""
    data, weighted, fitted = brain(factors, 1, 1000)
    c = np.zeros(matrix_of(N_SCANS).shape[1])
    c[0] = 1.0
    on_basis = c @ factors.transform
    effect, variance = under_each_process(data, weighted, on_basis)
    w, nu = fitted.posterior, float(weighted.dof)
    mean = np.sum(w * effect, axis=0)
    np.testing.assert_allclose(mean, on_basis @ fitted.coefficients, rtol=0, atol=1e-9)
    saved = fitted.sigma2.astype(np.float32).astype(np.float64)
    of_t = mixture_effects.of_effect(Rows.of(weighted, on_basis[np.newaxis]), saved, of_files(fitted))
    found = mixture_contrasts.over_runs([of_t], np.ones((1, mean.size), dtype=bool))
    z = t_to_z(mean / np.sqrt(found.variance), found.dof)[1]
    # moments of the mixture, with the effects of each process
    apart = (effect - mean) ** 2
    second = np.sum(w * (nu / (nu - 2) * variance + apart), axis=0)
    of_t4 = 3 * nu**2 / ((nu - 2) * (nu - 4)) * variance**2
    fourth = np.sum(w * (of_t4 + 6 * nu / (nu - 2) * variance * apart + apart**2), axis=0)
    dof = 4 + 6 / np.maximum(fourth / second**2 - 3, 1e-9)
    direct = t_to_z(mean / np.sqrt(second * (dof - 2) / dof), dof)[1]
    print("z from files and of moments:", np.quantile(np.abs(z - direct), [0.5, 0.99, 1]))
    assert (np.abs(z - direct) < CLOSE).mean() >= AT_LEAST
    upper = np.sum(w * scipy.special.stdtr(nu, -effect / np.sqrt(variance)), axis=0)
    of_mixture = -scipy.special.ndtri(upper)
    print("z from files and of the mixture of t:", np.quantile(np.abs(z - of_mixture), [0.5, 0.99, 1]))
    assert (np.abs(z - of_mixture) < 0.1).mean() >= AT_LEAST


def test_f_of_one_row_is_the_square_of_t_and_near_the_mixture(factors):
    """The p of F with one row is the two-sided p of the t."""
    _, weighted, fitted = brain(factors, 2, 200)
    c = np.zeros((1, matrix_of(N_SCANS).shape[1]))
    c[0, 2] = 1.0
    on_basis = c @ factors.transform
    effect = on_basis @ fitted.coefficients
    of_t = mixture_effects.of_effect(Rows.of(weighted, on_basis), fitted.sigma2, of_files(fitted))
    found = mixture_contrasts.over_runs([of_t], np.ones((1, effect.size), dtype=bool))
    two_sided = 2 * t_to_z(np.abs(effect[0]) / np.sqrt(found.variance), found.dof)[0]
    stat, p, _ = mixture_contrasts.f_of_run(
        Rows.of(weighted, on_basis), effect, fitted.sigma2, of_files(fitted)
    )
    np.testing.assert_allclose(stat, effect[0] ** 2 / of_t.variance, rtol=1e-9, atol=0)
    assert np.quantile(np.abs(p - two_sided), 0.99) < 0.005
    matched, dof = mixture_contrasts.f_over_runs(
        [of_t], effect[np.newaxis], np.ones((1, effect.size), dtype=bool)
    )
    np.testing.assert_allclose(matched, effect[0] ** 2 / found.variance, rtol=1e-9, atol=0)
    np.testing.assert_allclose(dof, found.dof, rtol=1e-9, atol=0)


TAILS = 1e-6
"""Relative, in z: two processes of the test below, by F distributions of scipy."""


def test_f_of_next_to_no_effect_has_the_z_of_its_lower_tail(factors):
    """As many rows as the design allows, from no effect, where the upper tail is 1, to a large one."""
    two = mixture.Mixture(Processes(np.array([[0.5, 0.0], [0.1, 0.1]])), np.array([0.6, 0.4]))
    weighted = mixture.Weighted.of(two, factors.basis)
    rng = np.random.default_rng(8)
    n_rows, sizes = factors.rank, np.array([0.0, 1e-6, 1e-3, 0.01, 1.0, 1e3, 1e30])
    on_basis = rng.standard_normal((n_rows, n_rows))
    effect = rng.standard_normal((n_rows, 1)) * sizes
    one, w = np.ones(sizes.size), np.tile([[0.6], [0.4]], sizes.size)
    stat, p, z = mixture_contrasts.f_of_run(Rows.of(weighted, on_basis), effect, one, w)
    assert np.isfinite(z).all()
    assert (np.diff(z) > 0).all()
    assert (p >= 1e-300).all()
    assert (p < 1).all()
    assert stat[0] == 0
    # where both processes fit alike, the mean covariance is that of each, and F of both the same
    same = mixture.Weighted.of(
        mixture.Mixture(Processes(np.array([[0.5], [0.5]])), np.array([0.6, 0.4])), factors.basis
    )
    stat, _, z = mixture_contrasts.f_of_run(Rows.of(same, on_basis), effect, one, w)
    lower = scipy.stats.f.logcdf(stat[1:4], n_rows, same.dof)
    np.testing.assert_allclose(z[1:4], scipy.special.ndtri_exp(lower), rtol=TAILS, atol=0)
    np.testing.assert_allclose(z[4], scipy.stats.norm.isf(scipy.stats.f.sf(stat[4], n_rows, same.dof)))


def ar1_run(rho, matrix, n_voxels, rng):
    """One run in both forms: fitted with AR(1) of one coefficient, and with a mixture of that one process."""
    data = noise_of([rho], len(matrix), n_voxels, rng)
    design = glm.Design.of(matrix)
    weighted = mixture.Weighted.of(single([rho]), design.factors.basis)
    fitted = weighted.fit(data)
    estimates = glm.Estimates(
        design.factors.transform @ fitted.coefficients,
        fitted.sigma2,
        np.full(n_voxels, rho),
        fitted.rsquared,
    )
    return contrasts.RunFit(design, estimates), weighted, fitted


@pytest.mark.parametrize("weights", ["equal", "precision"])
def test_runs_of_white_noise_combine_as_those_of_least_squares(weights):
    """Effects, variances and F equal those of the other noise models; dof is Satterthwaite's.

    But for what estimated weights add to the variance, by Meier's formula.
    """
    rng, matrices = np.random.default_rng(4), [matrix_of(100), matrix_of(150), matrix_of(120)]
    runs = [ar1_run(0.0, matrix, 30, rng) for matrix in matrices]
    runs[1][0].estimates.sigma2[:5] = 0.0  # this run has not the first voxels
    c = [np.zeros((2, matrix.shape[1])) for matrix in matrices]
    for of_run in c:
        of_run[0, 0], of_run[1, 2] = 1.0, 1.0
    has = np.array([run.has for run, _, _ in runs])
    of_t, of_f, effects = [], [], []
    for (run, weighted, fitted), of_run in zip(runs, c, strict=True):
        on_basis = of_run @ run.design.factors.transform
        args = run.estimates.sigma2, of_files(fitted)
        of_t.append(mixture_effects.of_effect(Rows.of(weighted, on_basis[:1]), *args))
        of_f.append(mixture_effects.of_effect(Rows.of(weighted, on_basis), *args))
        effects.append(on_basis @ fitted.coefficients)
    fits = [run for run, _, _ in runs]
    theirs = contrasts.t_over_runs(fits, [of_run[:1] for of_run in c], weights)
    found = mixture_contrasts.over_runs(of_t, has, weights)
    mine = np.einsum("rv,rv->v", found.shares, np.array(effects)[:, 0])
    np.testing.assert_allclose(mine, theirs.effect[0], rtol=1e-9, atol=1e-12)
    dof = np.array([run.design.dof for run in fits])[:, np.newaxis]
    parts = found.shares**2 * np.array([run.variance for run in of_t])
    part = parts / parts.sum(axis=0)
    chosen = 1 + 4 * np.sum(part * (1 - part) / dof, axis=0) if weights == "precision" else 1.0
    np.testing.assert_allclose(found.variance, theirs.variance * chosen, rtol=1e-9, atol=0)
    expected = parts.sum(axis=0) ** 2 / (parts**2 / dof).sum(axis=0)
    np.testing.assert_allclose(found.dof, expected, rtol=1e-9, atol=0)
    assert (found.dof <= theirs.dof * (1 + 1e-9)).all()
    assert (found.dof > 0.7 * theirs.dof).all()
    exact = contrasts.exact_f_over_runs(fits, c, weights)
    stat, dof = mixture_contrasts.f_over_runs(of_f, np.array(effects), has, weights)
    larger = exact.stat / stat
    if weights == "equal":
        np.testing.assert_allclose(larger, 1.0, rtol=1e-8, atol=0)
    else:
        assert ((larger > 1) & (larger < 1.04)).all()
    assert (dof <= exact.dof * (1 + 1e-9)).all()
    assert (dof > 0.7 * exact.dof).all()


def test_voxels_that_no_run_has_are_zero(factors):
    """No variance, no degrees of freedom, nothing NaN."""
    _, weighted, fitted = brain(factors, 3, 20)
    c = np.zeros((2, matrix_of(N_SCANS).shape[1]))
    c[0, 0], c[1, 2] = 1.0, 1.0
    on_basis = c @ factors.transform
    sigma2 = fitted.sigma2.copy()
    sigma2[:3] = 0.0
    of_f = mixture_effects.of_effect(Rows.of(weighted, on_basis), sigma2, of_files(fitted))
    has = np.ones((1, sigma2.size), dtype=bool)
    found = mixture_contrasts.over_runs([of_f], has)
    effect = on_basis @ fitted.coefficients
    one = mixture_contrasts.f_of_run(Rows.of(weighted, on_basis), effect, sigma2, of_files(fitted))
    several = mixture_contrasts.f_over_runs([of_f], effect[np.newaxis], has)
    for values in (found.variance, found.dof, one[0], one[2], *several):
        np.testing.assert_array_equal(values[:3], 0.0)
        assert np.isfinite(values).all()
    np.testing.assert_array_equal(one[1][:3], 1.0)


@pytest.mark.parametrize("dof", [1.0, 2.0, 3.5, 4.5, 4.51, 12.0, 100.0, 1e4])
def test_t_matched_to_a_mixture(dof):
    """The same t where nothing is uncertain; near the mixture of two variances where it is."""
    factor, nu = mixture_contrasts.matched(np.zeros(2), np.full(2, dof))
    np.testing.assert_allclose(factor, 1.0, rtol=1e-8, atol=0)
    np.testing.assert_allclose(nu, dof, rtol=1e-6, atol=0)
    if dof > mixture_contrasts.FEW:
        np.testing.assert_array_equal(nu, dof)  # whole numbers stay whole
    ratio = np.array([0.8, 1.4])  # times the mean, with shares of 2/3 and 1/3
    spread = np.array([2, 1]) / 3 @ (ratio - 1) ** 2
    factor, nu = mixture_contrasts.matched(np.array([spread]), np.array([dof]))
    for level in (0.2, 0.05, 0.01, 0.001):

        def excess(t, level=level):
            tails = scipy.special.stdtr(dof, -t / np.sqrt(ratio))
            return np.log(np.maximum(2 * np.array([2, 1]) / 3 @ tails, 1e-300)) - np.log(level)

        t = scipy.optimize.brentq(excess, 0.0, 1e5)
        found = 2 * scipy.special.stdtr(nu[0], -t / np.sqrt(factor[0]))
        beyond = found / level - 1
        assert -0.06 < beyond < (0.06 if dof > mixture_contrasts.FEW or level > 0.01 else 0.3), (level, found)


def test_inverse_of_trigamma():
    """Back and forth, from a fiftieth of a degree of freedom on."""
    x = 10.0 ** np.linspace(-2, 8, 25)
    values = scipy.special.polygamma(1, x)
    np.testing.assert_allclose(mixture_contrasts.inverse_trigamma(values), x, rtol=1e-5, atol=0)


LEVELS = {0.05: (0.045, 0.055), 0.01: (0.0078, 0.0122), 0.001: (0.0004, 0.0019)}
"""Of p, with what may be found: of 25,000 voxels in 5 brains, 3.5 standard errors, of brains at 0.05."""


def test_p_keeps_its_level_where_noise_is_of_several_kinds():
    """Five brains of blocks, each with five kinds of noise: shares of p below a level."""
    matrix, hits, of_least_squares = matrix_of_blocks(200), [], []
    design = glm.Design.of(matrix)
    factors = design.factors
    c = np.eye(1, matrix.shape[1]) @ factors.transform
    for seed in range(5):
        data, weighted, fitted = brain(factors, seed, 1000)
        of_t = mixture_effects.of_effect(Rows.of(weighted, c), fitted.sigma2, of_files(fitted))
        found = mixture_contrasts.over_runs([of_t], np.ones((1, fitted.sigma2.size), dtype=bool))
        t = (c @ fitted.coefficients)[0] / np.sqrt(found.variance)
        hits.append(2 * t_to_z(np.abs(t), found.dof)[0])
        plain = glm.fit(data, design, "ols")
        t = plain.beta[0] / np.sqrt(design.covariance(0.0)[0, 0] * plain.sigma2)
        of_least_squares.append(2 * t_to_z(np.abs(t), weighted.dof)[0])
    for level, (low, high) in LEVELS.items():
        shares = [(p < level).mean() for p in hits]
        print(level, np.round(shares, 4), np.mean(shares), (np.array(of_least_squares) < level).mean())
        assert low < np.mean(shares) < high
    assert (np.array(of_least_squares) < 0.05).mean() > 0.1


def matrix_of_blocks(n_scans):
    """Blocks of 20 s and rest, drift and constant."""
    times = designs.frame_times(n_scans, 2.0, 0.0)
    events = [Event(40.0 * k, 20.0, "a") for k in range(10)]
    options = designs.DesignOptions("spm + derivative", "cosine", 0.01, -24, 50)
    return designs.design_matrix(times, events, options)[1]


def test_residual_variance_of_each_process_follows_from_the_posterior(factors):
    """The posterior is a power of it: from dense matrices."""
    data, weighted, fitted = brain(factors, 5, 4)
    c = np.eye(1, weighted.basis.shape[1])
    unscaled = np.einsum("gr,gr->g", *2 * [np.linalg.solve(weighted.roots, c.T)[..., 0]])
    _, variance = under_each_process(data, weighted, c[0])
    relative = mixture_contrasts.relative_sigma2(weighted, fitted.posterior)
    each = relative * fitted.sigma2 * unscaled[:, np.newaxis]
    np.testing.assert_allclose(each, variance, rtol=1e-8, atol=0)


def test_a_prior_of_the_voxel_hardly_changes_z(factors):
    """That of its neighbours is not known where contrasts are made: z with the shares, against z with it."""
    data, weighted, first = brain(factors, 6, 400)
    shares = weighted.mixture.shares[:, np.newaxis]
    near = first.posterior.reshape(len(shares), -1, N_NEAR).mean(axis=2)  # of voxels of one kind of noise
    prior = 0.1 * shares + 0.9 * np.repeat(near, N_NEAR, axis=1)
    fitted, c = weighted.fit(data, prior), np.eye(1, weighted.basis.shape[1])
    effect, variance = under_each_process(data, weighted, c[0])
    w, nu = fitted.posterior, weighted.dof
    of_t = mixture_effects.of_effect(Rows.of(weighted, c), fitted.sigma2, w)
    unscaled = mixture_effects.unscaled_covariances(weighted, c)[:, 0, 0]
    sigma2 = variance / unscaled[:, np.newaxis]
    differing = mixture_effects.covariance_of_differences(
        mixture_effects.products_of_differences(weighted, c), w, sigma2 / fitted.sigma2
    )[:, 0, 0]
    known = np.sum(w * variance, axis=0) + fitted.sigma2 * differing
    t = np.sum(w * effect, axis=0)
    z = [t_to_z(t / np.sqrt(v), np.full(t.size, float(nu)))[1] for v in (of_t.variance, known)]
    assert np.quantile(np.abs(z[0] - z[1]), 0.99) < NEAR
