"""Contrasts over runs against nilearn and scipy.stats."""

import numpy as np
import pytest
import scipy.stats
from nilearn.glm.contrasts import compute_fixed_effect_contrast
from nilearn.glm.first_level.first_level import run_glm

from firstlevel import contrasts, glm

SAME_ARITHMETIC = 1e-8
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
    fits = [contrasts.RunFit(x, glm.fit(y, x, "ar1"), glm.degrees_of_freedom(x)) for y, x in runs]
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
    assert mine.dof == theirs.dof
    np.testing.assert_allclose(mine.effect, np.atleast_2d(theirs.effect), rtol=1e-7, atol=SAME_ARITHMETIC)
    np.testing.assert_allclose(mine.variance, theirs.variance, rtol=SAME_ARITHMETIC, atol=0)
    np.testing.assert_allclose(mine.stat, theirs.stat(), rtol=1e-7, atol=SAME_ARITHMETIC)
    np.testing.assert_allclose(mine.z, theirs.z_score(), rtol=1e-6, atol=1e-6)
    # nilearn clips p where it turns it into z, we where we save it
    np.testing.assert_allclose(mine.p, np.clip(theirs.p_value(), 1e-300, 1 - 1e-16), rtol=1e-6, atol=0)


def test_p_and_z_match_scipy_stats(runs):
    """P is the survival function of t and F, z its normal quantile."""
    for c, distribution in ((C_T, scipy.stats.t), (C_F, scipy.stats.f)):
        result = ours(runs, c)
        dofs = (result.dof,) if len(c) == 1 else (len(c), result.dof)
        p = distribution.sf(result.stat, *dofs)
        moderate = (p > 1e-200) & (p < 0.5)
        np.testing.assert_allclose(result.p[moderate], p[moderate], rtol=1e-9, atol=0)
        np.testing.assert_allclose(result.z[moderate], scipy.stats.norm.isf(p[moderate]), rtol=0, atol=1e-9)


def test_z_is_odd_and_finite_at_any_strength(runs):
    """The opposite contrast has the opposite z, to the ends of the range."""
    forth, back = ours(runs, C_T), ours(runs, -C_T)
    np.testing.assert_allclose(forth.z, -back.z, rtol=0, atol=1e-9)
    assert np.all(np.abs(contrasts.z_from_p(np.array([0.0, 1.0]), np.array([1.0, 0.0]))) < 38)


def test_one_row_f_is_the_square_of_t():
    """For one run and one row, F = t^2."""
    rng = np.random.default_rng(0)
    design = rng.standard_normal((N_SCANS, N_REGRESSORS))
    data = rng.standard_normal((N_SCANS, N_VOXELS))
    run = contrasts.RunFit(design, glm.fit(data, design, "ols"), N_SCANS - N_REGRESSORS)
    t, f = contrasts.t_over_runs([run], [C_T]), contrasts.f_over_runs([run], [C_T])
    np.testing.assert_allclose(f.stat, t.stat**2, rtol=1e-9, atol=0)


def test_estimable_is_what_the_design_tells_apart():
    """Of two equal regressors only their sum is estimable."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((30, 2))
    design = np.column_stack([x[:, 0], x[:, 0], x[:, 1]])
    assert contrasts.is_estimable(design, np.array([[1.0, 1.0, 0.0]]))
    assert not contrasts.is_estimable(design, np.array([[1.0, 0.0, 0.0]]))
    assert not contrasts.is_estimable(design, np.array([[1.0, 1.0, 0.0], [1.0, -1.0, 0.0]]))


def test_voxel_without_variance_has_no_effect():
    """Where sigma2 is 0 the statistic is 0, z is 0 and p one half: nothing is claimed of such a voxel."""
    design = np.column_stack([np.arange(10.0), np.ones(10)])
    fitted = glm.fit(np.zeros((10, 1)), design, "ols")
    result = contrasts.t_over_runs([contrasts.RunFit(design, fitted, 8)], [np.array([[1.0, 0.0]])])
    assert (result.stat[0], result.z[0], result.p[0]) == (0.0, 0.0, 0.5)
