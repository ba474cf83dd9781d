"""What must not change a result, or change it in a known way, whatever the data: fit and contrasts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstlevel.glm import contrasts, noise
from firstlevel.glm import fit as glm

SAME = {"rtol": 1e-7, "atol": 1e-7}
"""Double precision through another order of operations; z and t are near 1."""
N_VOXELS = 24
FEW = settings(max_examples=12, deadline=None, derandomize=True)
OF_SUMS = [name for name, one in noise.MODELS.items() if not one.needs_series]
MODELS = st.sampled_from(sorted(OF_SUMS))
OF_EACH_VOXEL = st.sampled_from([name for name in OF_SUMS if not noise.MODELS[name].is_pooled])
SEEDS = st.integers(0, 2**32 - 1)


def made(seed):
    """Two runs of raw data (n, v) with a design (n, 6) each, and a t and an F contrast of it."""
    rng = np.random.default_rng(seed)
    runs = []
    for n_scans in (40, 47):
        design = np.column_stack(
            [rng.standard_normal((n_scans, 4)), np.linspace(-1, 1, n_scans), np.ones(n_scans)]
        )
        noise = rng.standard_normal((n_scans, N_VOXELS))
        noise[1:] += 0.5 * noise[:-1]
        runs.append((800.0 + 6.0 * noise + design[:, :2] @ rng.standard_normal((2, N_VOXELS)), design))
    t = np.array([[1.0, -0.7, 0.0, 0.0, 0.0, 0.0]])
    f = np.array([[1.0, 0.0, 0.3, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, -0.5, 0.0, 0.0]])
    return runs, t, f


def results_of(runs, t, f, model="ar1", scaling="voxel"):
    """Every test of the runs, by its name."""
    fits = []
    for data, design in runs:
        scaled = glm.percent_signal_change(data) if scaling == "voxel" else data
        factorised = glm.Design.of(design)
        fits.append(contrasts.RunFit(factorised, glm.fit(scaled, factorised, model)))
    return of_fits(fits, t, f)


def of_fits(fits, t, f):
    t, f = [t] * len(fits), [f] * len(fits)
    return {
        "t equal": contrasts.t_over_runs(fits, t),
        "t precision": contrasts.t_over_runs(fits, t, "precision"),
        "F approximate": contrasts.f_over_runs(fits, f),
        "F equal": contrasts.exact_f_over_runs(fits, f),
        "F precision": contrasts.exact_f_over_runs(fits, f, "precision"),
    }


def assert_same(ours, theirs, parts=("effect", "variance", "stat", "z"), names=None):
    for name in names or ours:
        for part in parts:
            np.testing.assert_allclose(
                getattr(ours[name], part), getattr(theirs[name], part), **SAME, err_msg=f"{name}, {part}"
            )


@FEW
@given(SEEDS, MODELS, st.floats(0.5, 50.0))
def test_gain_of_the_scanner_changes_nothing_in_percent_and_scales_effects_without(seed, model, gain):
    """Percent of the mean has no unit; without scaling effect and variance have one, z has not."""
    runs, t, f = made(seed)
    louder = [(gain * data, design) for data, design in runs]
    assert_same(results_of(runs, t, f, model), results_of(louder, t, f, model))
    plain, scaled = (results_of(of, t, f, model, "none") for of in (runs, louder))
    assert_same(plain, scaled, ("stat", "z"))
    for name in ("t equal", "t precision", "F equal", "F precision"):
        np.testing.assert_allclose(scaled[name].effect, gain * plain[name].effect, **SAME)
        np.testing.assert_allclose(scaled[name].variance, gain**2 * plain[name].variance, **SAME)


@FEW
@given(SEEDS, MODELS, st.floats(-900.0, 900.0))
def test_offset_changes_nothing_where_nothing_is_scaled(seed, model, offset):
    """The constant takes it up."""
    runs, t, f = made(seed)
    moved = [(data + offset, design) for data, design in runs]
    assert_same(results_of(runs, t, f, model, "none"), results_of(moved, t, f, model, "none"))


@FEW
@given(SEEDS, OF_EACH_VOXEL, st.randoms(use_true_random=False), st.integers(1, N_VOXELS - 1))
def test_voxels_do_not_know_of_each_other(seed, model, random, cut):
    """In another order, or in two parts of the mask, each has the same result."""
    runs, t, f = made(seed)
    whole = results_of(runs, t, f, model)
    order = list(range(N_VOXELS))
    random.shuffle(order)
    for voxels in (order, slice(0, cut), slice(cut, None)):
        part = results_of([(data[:, voxels], design) for data, design in runs], t, f, model)
        for name, result in part.items():
            for what in ("effect", "variance", "stat", "z"):
                expected = getattr(whole[name], what)[..., voxels]
                np.testing.assert_allclose(getattr(result, what), expected, **SAME)


@FEW
@given(SEEDS, MODELS, st.permutations(range(6)))
def test_order_of_regressors_does_not_matter(seed, model, order):
    """Columns of the design and weights in another order."""
    runs, t, f = made(seed)
    other = results_of([(data, design[:, order]) for data, design in runs], t[:, order], f[:, order], model)
    assert_same(results_of(runs, t, f, model), other)


@FEW
@given(SEEDS, MODELS, st.floats(0.01, 100.0))
def test_unit_of_a_regressor_does_not_matter_to_a_test(seed, model, unit):
    """A regressor times a number, its weight times the same: beta is divided by it, c'b is not."""
    runs, t, f = made(seed)
    units = np.array([1.0, unit, 1.0, 1.0, 1.0 / unit, 1.0])
    other = results_of([(data, design * units) for data, design in runs], t * units, f * units, model)
    assert_same(results_of(runs, t, f, model), other)


@FEW
@given(SEEDS, MODELS)
def test_order_of_runs_does_not_matter(seed, model):
    """Fixed effects are sums."""
    runs, t, f = made(seed)
    assert_same(results_of(runs, t, f, model), results_of(runs[::-1], t, f, model))


@FEW
@given(SEEDS, MODELS, st.sampled_from([-1.0, 2.0, -0.25]))
def test_factor_of_a_contrast_changes_its_effect_alone(seed, model, factor):
    """C times a number: effect by it, variance by its square, t and z at most by its sign; F not at all."""
    runs, t, f = made(seed)
    ours, theirs = results_of(runs, t, f, model), results_of(runs, factor * t, factor * f, model)
    for name in ("t equal", "t precision"):
        np.testing.assert_allclose(theirs[name].effect, factor * ours[name].effect, **SAME)
        np.testing.assert_allclose(theirs[name].variance, factor**2 * ours[name].variance, **SAME)
        for what in ("stat", "z"):
            expected = np.sign(factor) * getattr(ours[name], what)
            np.testing.assert_allclose(getattr(theirs[name], what), expected, **SAME)
        both = np.minimum(ours[name].p, 1 - ours[name].p)
        np.testing.assert_allclose(np.minimum(theirs[name].p, 1 - theirs[name].p), both, **SAME)
    assert_same(ours, theirs, ("stat", "z", "p"), ("F approximate", "F equal", "F precision"))


@FEW
@given(SEEDS, MODELS, st.floats(0.1, 3.0), st.floats(-3.0, 3.0))
def test_rows_of_an_exact_f_may_be_recombined(seed, model, scale, share):
    """Any invertible matrix times C asks the same of the exact F; of the approximate one, over one run."""
    runs, t, f = made(seed)
    mixed = np.array([[1.0, share], [-share, scale]]) @ f
    assert_same(results_of(runs, t, f, model), results_of(runs, t, mixed, model), ("stat", "z", "p"),
                ["F equal", "F precision"])  # fmt: skip
    assert_same(results_of(runs[:1], t, f, model), results_of(runs[:1], t, mixed, model), ("stat", "z", "p"),
                ["F approximate", "F equal"])  # fmt: skip


def test_rows_of_the_approximate_f_over_runs_may_not():
    """The square root of a covariance is not that of the recombined one: the rows' form decides over runs."""
    runs, t, f = made(0)
    mixed = np.array([[1.0, 1.0], [1.0, -2.0]]) @ f
    ours, theirs = (results_of(runs, t, c)["F approximate"] for c in (f, mixed))
    assert np.abs(ours.stat / theirs.stat - 1).max() > 1e-3
    # unless only the units of both rows change at once, or they are turned
    turned = np.array([[0.6, 0.8], [-0.8, 0.6]]) @ (3 * f)
    np.testing.assert_allclose(ours.stat, results_of(runs, t, turned)["F approximate"].stat, **SAME)


@FEW
@given(SEEDS, MODELS)
def test_run_twice_is_more_certain_of_the_same(seed, model):
    """A run beside its own copy: the effect stays, the variance is half, t is larger by the root of two."""
    (run, _), t, f = made(seed)
    one, two = results_of([run], t, f, model), results_of([run, run], t, f, model)
    for name in ("t equal", "t precision"):
        np.testing.assert_allclose(two[name].effect, one[name].effect, **SAME)
        np.testing.assert_allclose(two[name].variance, one[name].variance / 2, **SAME)
        np.testing.assert_allclose(two[name].stat, np.sqrt(2) * one[name].stat, **SAME)
    for name in ("F approximate", "F equal", "F precision"):
        np.testing.assert_allclose(two[name].stat, 2 * one[name].stat, **SAME)


@pytest.mark.parametrize("name", ["t equal", "t precision", "F equal", "F precision"])
def test_true_effect_that_is_added_comes_back(name):
    """X b more in the data is c'b more in the effect, and nothing else: residuals do not see it."""
    runs, t, f = made(1)
    b = np.array([2.0, -1.0, 0.5, 0.0, 3.0, -4.0])
    more = [(data + (design @ b)[:, np.newaxis], design) for data, design in runs]
    before, after = results_of(runs, t, f, "ols", "none")[name], results_of(more, t, f, "ols", "none")[name]
    c = t if name.startswith("t") else f
    np.testing.assert_allclose(after.effect, before.effect + (c @ b)[:, np.newaxis], **SAME)
    np.testing.assert_allclose(after.variance, before.variance, **SAME)
