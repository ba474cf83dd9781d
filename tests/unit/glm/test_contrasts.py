"""Contrasts over runs against nilearn, statsmodels and scipy.stats."""

import nibabel as nib
import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import statsmodels.api as sm
from nilearn.glm.contrasts import compute_fixed_effect_contrast, compute_fixed_effects
from nilearn.glm.first_level.design_matrix import full_rank
from nilearn.glm.first_level.first_level import run_glm

from firstlevel.glm import contrasts
from firstlevel.glm import fit as glm
from firstlevel.glm.dependence import factorise

SAME_ARITHMETIC = 1e-8
SAME_SOLUTION = 1e-7
"""Two ways to the same linear system: conditions of the designs times double precision."""
N_SCANS, N_VOXELS, N_REGRESSORS = 90, 200, 5


@pytest.fixture(scope="module", params=[1, 2, 3])
def runs(request):
    """One to three runs of different length, with true effects from none to strong."""
    rng = np.random.default_rng(request.param)
    strength = np.linspace(-4, 4, N_VOXELS)
    made = []
    for number in range(request.param):
        design = rng.standard_normal((N_SCANS + 10 * number, N_REGRESSORS))
        design[:, -1] = 1.0
        data = design[:, :1] * strength + rng.standard_normal((len(design), N_VOXELS))
        made.append((data, design))
    return made


def ours(runs, c):
    fits = fits_of(runs)
    over_runs = contrasts.t_over_runs if len(c) == 1 else contrasts.f_over_runs
    return over_runs(fits, [c] * len(fits))


def nilearn(runs, c):
    fits = [run_glm(y, x, noise_model="ar1") for y, x in runs]
    c = c[0] if len(c) == 1 else c
    return compute_fixed_effect_contrast([f[0] for f in fits], [f[1] for f in fits], [c] * len(fits))


C_T = np.array([[1.0, -0.5, 0.0, 0.0, 0.0]])
C_F = np.array([[1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.5, 0.0, 0.0]])


@pytest.mark.filterwarnings("ignore:Running approximate")
@pytest.mark.parametrize("c", [C_T, C_F], ids=["t", "F"])
def test_contrast_matches_nilearn(runs, c):
    """Effect, variance, statistic, p, z and degrees of freedom equal nilearn's fixed effects."""
    mine, theirs = ours(runs, c), nilearn(runs, c)
    assert set(mine.dof) == {theirs.dof}
    np.testing.assert_allclose(mine.effect, np.atleast_2d(theirs.effect), rtol=1e-7, atol=SAME_ARITHMETIC)
    np.testing.assert_allclose(mine.variance, theirs.variance, rtol=SAME_ARITHMETIC, atol=0)
    np.testing.assert_allclose(mine.stat, theirs.stat(), rtol=1e-7, atol=SAME_ARITHMETIC)
    np.testing.assert_allclose(np.clip(mine.z, -37.04, 37.04), theirs.z_score(), rtol=1e-5, atol=1e-6)
    # nilearn clips p where it turns it into z, we where we save it
    np.testing.assert_allclose(mine.p, np.clip(theirs.p_value(), 1e-300, 1 - 1e-16), rtol=1e-6, atol=0)


def test_p_and_z_match_scipy_stats(runs):
    """P is the survival function of t and F, z its normal quantile."""
    for c, distribution in ((C_T, scipy.stats.t), (C_F, scipy.stats.f)):
        result = ours(runs, c)
        dofs = (result.dof[0],) if len(c) == 1 else (len(c), result.dof[0])
        p = distribution.sf(result.stat, *dofs)
        moderate = (p > 1e-200) & (p < 0.5)
        np.testing.assert_allclose(result.p[moderate], p[moderate], rtol=1e-9, atol=0)
        np.testing.assert_allclose(result.z[moderate], scipy.stats.norm.isf(p[moderate]), rtol=0, atol=1e-9)


def test_margin_is_that_of_the_interval_of_statsmodels():
    """95 % interval about the effect of one run, white noise."""
    rng = np.random.default_rng(3)
    design, data = rng.standard_normal((30, N_REGRESSORS)), rng.standard_normal((30, 4))
    model = glm.Design.of(design)
    run = contrasts.RunFit(model, glm.fit(data, model, "ols"))
    tested = contrasts.t_over_runs([run], [C_T])
    for voxel in range(4):
        low, high = sm.OLS(data[:, voxel], design).fit().t_test(C_T).conf_int(alpha=0.05)[0]
        np.testing.assert_allclose(tested.effect[0, voxel], (low + high) / 2, rtol=SAME_ARITHMETIC)
        np.testing.assert_allclose(tested.margin(0.95)[voxel], (high - low) / 2, rtol=SAME_ARITHMETIC)


def test_margin_is_that_of_few_degrees_of_freedom_too():
    """Below 1, as learnt noise may have; 0 where nothing was tested."""
    dof, variance = np.array([0.8, 0.97, 3.2, 0.0]), np.array([4.0, 1.0, 2.0, 0.0])
    nothing = np.zeros(4)
    tested = contrasts.Statistic(
        np.zeros((1, 4)), variance, nothing, nothing, nothing, dof, (dof > 0).astype(int)
    )
    expected = scipy.stats.t.isf(0.025, dof[:3]) * np.sqrt(variance[:3])
    np.testing.assert_allclose(tested.margin(0.95)[:3], expected, rtol=SAME_ARITHMETIC)
    assert tested.margin(0.95)[3] == 0


def test_z_is_odd_and_finite_at_any_strength(runs):
    """The opposite contrast has the opposite z, to the ends of the range."""
    strong = [(y + 1e6 * x[:, :1], x) for y, x in runs]
    for made in (runs, strong):
        forth, back = ours(made, C_T), ours(made, -C_T)
        np.testing.assert_array_equal(forth.z, -back.z)
        assert np.isfinite(forth.z).all()
    assert forth.z.min() > 38


def test_one_row_f_is_the_square_of_t():
    """For one run and one row, F = t^2."""
    rng = np.random.default_rng(0)
    design = rng.standard_normal((N_SCANS, N_REGRESSORS))
    data = rng.standard_normal((N_SCANS, N_VOXELS))
    run = run_fit(data, design, "ols")
    t, f = contrasts.t_over_runs([run], [C_T]), contrasts.f_over_runs([run], [C_T])
    np.testing.assert_allclose(f.stat, t.stat**2, rtol=1e-9, atol=0)


def test_estimable_is_what_the_design_tells_apart():
    """Of two equal regressors only their sum is estimable."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((30, 2))
    design = np.column_stack([x[:, 0], x[:, 0], x[:, 1]])
    assert factorise(design).is_estimable(np.array([[1.0, 1.0, 0.0]]))
    assert not factorise(design).is_estimable(np.array([[1.0, 0.0, 0.0]]))
    assert not factorise(design).is_estimable(np.array([[1.0, 1.0, 0.0], [1.0, -1.0, 0.0]]))


def test_voxel_without_variance_has_no_effect():
    """Where sigma2 is 0 the statistic is 0, z is 0 and p one half: nothing is claimed of such a voxel."""
    design = np.column_stack([np.arange(10.0), np.ones(10)])
    result = contrasts.t_over_runs([run_fit(np.zeros((10, 1)), design)], [np.array([[1.0, 0.0]])])
    assert (result.stat[0], result.z[0], result.p[0]) == (0.0, 0.0, 0.5)


def fits_of(runs, noise_model="ar1"):
    return [run_fit(y, x, noise_model) for y, x in runs]


def run_fit(data, design, noise_model="ar1"):
    model = glm.Design.of(design)
    return contrasts.RunFit(model, glm.fit(data, model, noise_model))


def test_precision_weights_match_nilearn_and_the_closed_form(runs):
    """Effect, variance, t and z are those of compute_fixed_effects, and of sum(e / v) / sum(1 / v)."""
    fits = fits_of(runs)
    mine = contrasts.t_over_runs(fits, [C_T] * len(fits), "precision")
    each = [contrasts.t_over_runs([fit], [C_T]) for fit in fits]
    effects, variances = np.stack([e.effect[0] for e in each]), np.stack([e.variance for e in each])
    closed = np.sum(effects / variances, axis=0) / np.sum(1 / variances, axis=0)
    np.testing.assert_allclose(mine.effect[0], closed, rtol=1e-7, atol=SAME_ARITHMETIC)
    np.testing.assert_allclose(mine.variance, 1 / np.sum(1 / variances, axis=0), rtol=SAME_ARITHMETIC, atol=0)
    image = lambda values: nib.Nifti1Image(values.reshape(10, 20, 1), np.eye(4))  # noqa: E731
    theirs = compute_fixed_effects(
        [image(e) for e in effects], [image(v) for v in variances], mask=image(np.ones(N_VOXELS, np.uint8)),
        precision_weighted=True, dofs=[fit.design.dof for fit in fits],
    )  # fmt: skip
    for ours_, map_ in zip((mine.effect[0], mine.variance, mine.stat, mine.z), theirs, strict=True):
        np.testing.assert_allclose(ours_, map_.get_fdata().ravel(), rtol=1e-6, atol=1e-6)
    assert set(mine.dof) == {sum(fit.design.dof for fit in fits)}


@pytest.mark.filterwarnings("ignore:Running approximate")
@pytest.mark.parametrize("run_weights", ["equal", "precision"])
def test_exact_f_of_one_run_is_the_approximate_one(runs, run_weights):
    """Over one run both F tests are exact, so they are equal, and nilearn's is their F."""
    fits = fits_of(runs[:1])
    exact = contrasts.exact_f_over_runs(fits, [C_F], run_weights)
    approximate = contrasts.f_over_runs(fits, [C_F])
    np.testing.assert_allclose(exact.stat, approximate.stat, rtol=SAME_SOLUTION, atol=0)
    np.testing.assert_allclose(exact.stat, nilearn(runs[:1], C_F).stat(), rtol=SAME_SOLUTION, atol=0)
    np.testing.assert_allclose(exact.effect, C_F @ fits[0].estimates.beta, rtol=0, atol=1e-12)


@pytest.mark.parametrize("run_weights", ["equal", "precision"])
def test_exact_f_of_one_row_is_the_square_of_t_over_any_runs(runs, run_weights):
    """F = t^2, with the same effect and variance, however the runs are weighted."""
    fits = fits_of(runs)
    f = contrasts.exact_f_over_runs(fits, [C_T] * len(fits), run_weights)
    t = contrasts.t_over_runs(fits, [C_T] * len(fits), run_weights)
    np.testing.assert_allclose(f.stat, t.stat**2, rtol=SAME_SOLUTION, atol=1e-12)
    np.testing.assert_allclose(f.variance[0], t.variance, rtol=SAME_SOLUTION, atol=0)


def test_exact_f_does_not_change_where_rows_are_recombined(runs):
    """Rows [a, b] and [a + b, a - 2 b] ask the same; the approximate F answers otherwise."""
    fits, mixed = fits_of(runs), np.array([[1.0, 1.0], [1.0, -2.0]]) @ C_F
    for run_weights in ("equal", "precision"):
        first = contrasts.exact_f_over_runs(fits, [C_F] * len(fits), run_weights)
        second = contrasts.exact_f_over_runs(fits, [mixed] * len(fits), run_weights)
        np.testing.assert_allclose(first.stat, second.stat, rtol=SAME_SOLUTION, atol=1e-12)
    if len(fits) > 1:
        first, second = (contrasts.f_over_runs(fits, [c] * len(fits)) for c in (C_F, mixed))
        assert np.abs(first.stat / second.stat - 1).max() > 1e-3


def of_voxel(fits, voxel):
    """The fits of one voxel."""
    kept = [
        glm.Estimates(*(part[..., [voxel]] for part in (e.beta, e.sigma2, e.ar1, e.rsquared)))
        for e in (fit.estimates for fit in fits)
    ]
    return [contrasts.RunFit(fit.design, e) for fit, e in zip(fits, kept, strict=True)]


def with_sigma2(fits, sigma2):
    return [
        contrasts.RunFit(f.design, glm.Estimates(f.estimates.beta, np.array([s]), f.estimates.ar1, 0))
        for f, s in zip(fits, sigma2, strict=True)
    ]


def test_exact_f_is_that_of_the_stacked_model(runs):
    """Against statsmodels, voxel by voxel, on the runs stacked with white noise.

    Equal weights: with one pooled variance it is the F of OLS on the block-diagonal design, for the sum of
    C b over runs; with each run's own variance it is the Wald test of GLS with these variances as known.
    Precision: the GLS estimate of the model in which the runs share their regressors of interest.
    """
    fits = fits_of(runs, "ols")
    stacked = scipy.linalg.block_diag(*(x for _, x in runs))
    over = np.hstack([C_F] * len(runs))
    # all five columns but the constant are shared, so C has four rows and picks each of them
    shared = np.column_stack(
        [np.vstack([x[:, :-1] for _, x in runs]), scipy.linalg.block_diag(*(x[:, -1:] for _, x in runs))]
    )
    picks, of_run = np.eye(4, shared.shape[1]), np.eye(4, 5)
    for voxel in range(0, N_VOXELS, 25):
        one = of_voxel(fits, voxel)
        y = np.concatenate([y[:, voxel] for y, _ in runs])
        pooled = sm.OLS(y, stacked).fit()
        mine = contrasts.exact_f_over_runs(with_sigma2(one, [pooled.scale] * len(one)), [C_F] * len(one))
        test = pooled.f_test(over)
        np.testing.assert_allclose(mine.stat[0], test.fvalue, rtol=SAME_SOLUTION, atol=0)
        np.testing.assert_allclose(mine.p[0], test.pvalue, rtol=1e-6, atol=1e-300)
        assert mine.dof[0] == pooled.df_resid
        own = np.concatenate(
            [np.full(len(x), f.estimates.sigma2[0]) for (_, x), f in zip(runs, one, strict=True)]
        )
        for x, c, run_c, weights in (
            (stacked, over, C_F, "equal"), (shared, picks, of_run, "precision"),
        ):  # fmt: skip
            known = sm.WLS(y, x, weights=1 / own).fit(cov_type="fixed scale", cov_kwds={"scale": 1.0})
            wald = known.wald_test(c, use_f=False, scalar=True)
            mine = contrasts.exact_f_over_runs(one, [run_c] * len(one), weights)
            np.testing.assert_allclose(mine.stat[0] * len(run_c), wald.statistic, rtol=SAME_SOLUTION, atol=0)
            effect = c @ known.params / (len(one) if weights == "equal" else 1)
            np.testing.assert_allclose(mine.effect[:, 0], effect, rtol=SAME_SOLUTION, atol=1e-10)


def test_exact_f_is_the_same_in_any_blocks(runs, monkeypatch):
    """Blocks bound the memory and change no number."""
    fits = fits_of(runs)
    whole = contrasts.exact_f_over_runs(fits, [C_F] * len(fits), "precision")
    monkeypatch.setattr(contrasts, "BLOCK", 7)
    parts = contrasts.exact_f_over_runs(fits, [C_F] * len(fits), "precision")
    np.testing.assert_allclose(whole.stat, parts.stat, rtol=1e-12, atol=0)
    np.testing.assert_allclose(whole.variance, parts.variance, rtol=1e-12, atol=0)


def null_rates(cancelling, sd, run_weights="equal"):
    """Share of 100,000 voxels with p below each level, of the exact and of the approximate F.

    Two runs of 100 scans, with 30 and 6 trials of one condition; `cancelling` is an effect in run 1 whose
    opposite is in run 2, so that the mean over runs is 0; `sd` are the deviations of the noise.
    """
    rng, n_voxels = np.random.default_rng(20), 100_000
    fits = []
    for sign, trials, deviation in zip((1, -1), (30, 6), sd, strict=True):
        design = np.column_stack([np.zeros((100, 2)), np.linspace(-1, 1, 100), np.ones(100)])
        design[rng.choice(100, trials, replace=False), 0] = 1.0
        design[rng.choice(100, 20, replace=False), 1] = 1.0
        data = deviation * rng.standard_normal((100, n_voxels)) + sign * cancelling * design[:, :1]
        fits.append(run_fit(data, design, "ols"))
    tests = [contrasts.exact_f_over_runs(fits, [np.eye(2, 4)] * 2, run_weights)]
    tests += [contrasts.f_over_runs(fits, [np.eye(2, 4)] * 2)]
    return [[float(np.mean(test.p < level)) for level in LEVELS] for test in tests]


LEVELS = (0.05, 0.01, 0.001)


@pytest.mark.parametrize("cancelling", [0.0, 1.0])
def test_exact_f_keeps_its_level(cancelling):
    """Where the mean over runs is 0, p falls below .05, .01 and .001 as often as it says.

    Within 99.9 % binomial bounds, with equal noise, without effects and with effects that cancel. The
    approximate test asks about effects in units of noise: it keeps its level where there are no effects.
    """
    exact, approximate = null_rates(cancelling, sd=(1, 1))
    print(f"\ncancelling effects of {cancelling:g}: exact {exact}, approximate {approximate}")
    for rates in (exact,) if cancelling else (exact, approximate):
        for level, rate in zip(LEVELS, rates, strict=True):
            low, high = scipy.stats.binom.interval(0.999, 100_000, level)
            assert low <= rate * 100_000 <= high, (level, rate)
    if cancelling:
        assert approximate[0] > 0.1


@pytest.mark.parametrize("run_weights", ["equal", "precision"])
def test_exact_f_is_nearly_calibrated_where_variances_differ(run_weights):
    """With noise twice as strong in one run, summed degrees of freedom are too many, by little.

    Estimated weights and variances make both tests slightly liberal: at .05 by less than a tenth.
    """
    exact, approximate = null_rates(0.0, sd=(1, 2), run_weights=run_weights)
    print(f"\nsd 1 and 2, {run_weights}: exact {exact}, approximate (equal) {approximate}")
    assert 0.045 < exact[0] < 0.055


TESTS = {
    "t equal": lambda fits, coverage: contrasts.t_over_runs(fits, [C_T] * len(fits), "equal", coverage),
    "t precision": lambda fits, coverage: contrasts.t_over_runs(
        fits, [C_T] * len(fits), "precision", coverage
    ),
    "F approximate": lambda fits, coverage: contrasts.f_over_runs(fits, [C_F] * len(fits), coverage),
    "F equal": lambda fits, coverage: contrasts.exact_f_over_runs(fits, [C_F] * len(fits), "equal", coverage),
    "F precision": lambda fits, coverage: contrasts.exact_f_over_runs(
        fits, [C_F] * len(fits), "precision", coverage
    ),
}


@pytest.mark.parametrize("test", TESTS)
def test_voxel_is_combined_over_the_runs_that_have_it(test):
    """Each voxel has the numbers of the analysis of those runs alone that vary there; nothing is NaN."""
    rng = np.random.default_rng(1)
    designs = [np.column_stack([rng.standard_normal((n, 4)), np.ones(n)]) for n in (40, 50, 60)]
    data = [design[:, :1] + rng.standard_normal((len(design), 8)) for design in designs]
    absent = np.array([[n >> run & 1 for n in range(8)] for run in range(3)], dtype=bool)
    fits = fits_of([(np.where(gone, 0.0, y), x) for y, x, gone in zip(data, designs, absent, strict=True)])
    found = TESTS[test](fits, "any")
    np.testing.assert_array_equal(found.n_runs, 3 - absent.sum(axis=0))
    for voxel in range(7):
        alone = [
            run_fit(y[:, [voxel]], x)
            for y, x, gone in zip(data, designs, absent, strict=True)
            if not gone[voxel]
        ]
        expected = TESTS[test](alone, "any")
        for part in ("effect", "variance", "stat", "p", "z", "dof"):
            np.testing.assert_allclose(
                getattr(found, part)[..., voxel],
                getattr(expected, part)[..., 0],
                rtol=1e-9,
                atol=1e-12,
                err_msg=part,
            )
    assert (found.n_runs[7], found.dof[7], found.stat[7], found.z[7]) == (0, 0, 0.0, 0.0)
    assert found.p[7] == (0.5 if test.startswith("t") else pytest.approx(1.0))
    assert all(np.isfinite(part).all() for part in (found.effect, found.variance, found.p, found.z))


@pytest.mark.parametrize("test", TESTS)
def test_coverage_of_all_runs_tests_no_other_voxel(test):
    """With coverage all, a voxel that one run lacks is not tested; the others are as they are with any."""
    rng = np.random.default_rng(2)
    design = np.column_stack([rng.standard_normal((40, 4)), np.ones(40)])
    data = rng.standard_normal((40, 3))
    fits = fits_of([(data, design), (data * [1.0, 0.0, 1.0], design)])
    whole, parts = TESTS[test](fits, "all"), TESTS[test](fits, "any")
    assert whole.n_runs.tolist() == [2, 0, 2]
    assert parts.n_runs.tolist() == [2, 1, 2]
    assert (whole.stat[1], whole.z[1], parts.stat[1] != 0) == (0.0, 0.0, True)
    np.testing.assert_array_equal(whole.z[[0, 2]], parts.z[[0, 2]])


@pytest.mark.filterwarnings("ignore:Matrix is singular")
def test_repeat_that_nilearn_lifts_is_not_estimable():
    """A last singular value of 1e-15 of the first (nilearn's), or of 5e-15, is nothing: still dependent."""
    for seed in range(20):
        x = np.random.default_rng(seed).standard_normal((200, 4))
        repeated = np.column_stack([x, x[:, 0]])
        left, values, right = np.linalg.svd(repeated, full_matrices=False)
        values[-1] = 5e-15 * values[0]
        for design in (repeated, full_rank(repeated)[0], left * values @ right):
            assert np.linalg.matrix_rank(design) == 4
            assert not factorise(design).is_estimable(np.eye(1, 5))
            assert factorise(design).is_estimable(np.array([[1.0, 0.0, 0.0, 0.0, 1.0]]))


def test_scale_of_a_regressor_does_not_decide_what_is_estimable():
    """A confound of 1e9 beside regressors of 1 leaves a full-rank design estimable."""
    rng = np.random.default_rng(0)
    design = rng.standard_normal((60, 4)) * [1, 1, 1e9, 1]
    assert factorise(design).is_estimable(np.array([[1.0, -1.0, 0.0, 0.0]]))
    twice = np.column_stack([design, design[:, 0]])
    assert not factorise(twice).is_estimable(np.array([[1.0, 0.0, 0.0, 0.0, 0.0]]))
