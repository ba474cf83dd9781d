"""Measures of quality, each against another library or a closed form."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from nilearn.glm.first_level import make_first_level_design_matrix
from quality_run import N, make_run, write_design
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation
from scipy.stats import chi2, median_abs_deviation
from statsmodels.stats.diagnostic import acorr_ljungbox
from statsmodels.stats.outliers_influence import variance_inflation_factor
from statsmodels.tsa.stattools import acf

from firstlevel.glm import fit as glm
from firstlevel.glm import noise
from firstlevel.glm.dependence import factorise
from firstlevel.image import rigid
from firstlevel.plotting import residuals
from firstlevel.quality import collinearity, head_motion, temporal, whiteness, z_spread

ROUNDING = {"rtol": 1e-9, "atol": 1e-12}
LAGS = 10


@pytest.fixture(scope="module")
def brain():
    """An ellipsoid with a hole and its affine."""
    x, y, z = np.mgrid[-1:1:14j, -1:1:16j, -1:1:10j]
    mask = (x**2 + y**2 + z**2 < 0.9) & (x**2 + y**2 + z**2 > 0.05)
    return mask, np.array([[3.0, 0.2, 0, -20], [-0.2, 3, 0.1, -25], [0, -0.1, 4, -15], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def moves():
    """Six movements in mm space; the first is not 0."""
    rng, made = np.random.default_rng(1), np.tile(np.eye(4), (6, 1, 1))
    made[:, :3, :3] = Rotation.from_euler("xyz", rng.normal(0, 4, (6, 3)), degrees=True).as_matrix()
    made[:, :3, 3] = rng.normal(0, 2, (6, 3))
    return made


@pytest.fixture(scope="module")
def design():
    """Two conditions with derivatives, cosine drift and a constant, 100 scans."""
    rng = np.random.default_rng(3)
    events = pd.DataFrame({"onset": np.arange(5, 190, 9.0), "duration": 1.0})
    events["trial_type"] = rng.permutation(["a", "b"] * 11)[: len(events)]
    return make_first_level_design_matrix(2.0 * np.arange(100), events, hrf_model="spm + derivative")


@pytest.fixture(scope="module")
def series():
    """AR(1) series about a mean, with coefficients from -0.4 to 0.6, (100, 40)."""
    rng, rho = np.random.default_rng(2), np.linspace(-0.4, 0.6, 40)
    made = rng.normal(size=(100, 40))
    for scan in range(1, 100):
        made[scan] += rho * made[scan - 1]
    return made + 5


def test_movement_follows_from_its_parameters(moves):
    """Parameters of an affine give back the movement that they are of."""
    reference = np.array([[3.0, 0.2, 0, -20], [-0.2, 3, 0.1, -25], [0, -0.1, 4, -15], [0, 0, 0, 1]])
    parameters = [rigid.rigid_parameters(move @ reference, reference) for move in moves]
    found = rigid.rigid_motion(*(np.array(values) for values in zip(*parameters, strict=True)))
    np.testing.assert_allclose(found, moves, rtol=0, atol=1e-12)


def test_displacement_is_the_largest_of_all_voxels(brain, moves):
    """Tissue of every voxel of the mask, followed through the volumes' affines one by one."""
    mask, affine = brain
    voxels = np.argwhere(mask)
    at = nib.affines.apply_affine(affine, voxels)
    scanned = np.array([nib.affines.apply_affine(np.linalg.inv(move), at) for move in moves])
    expected = np.linalg.norm(scanned - scanned[0], axis=2).max(axis=1)
    points = nib.affines.apply_affine(affine, head_motion.outermost(mask))
    np.testing.assert_allclose(head_motion.displacements(moves, points), expected, **ROUNDING)
    assert expected.max() > 5
    shifted = np.tile(np.eye(4), (2, 1, 1))
    shifted[1, :3, 3] = (3.0, 0.0, 4.0)
    np.testing.assert_allclose(head_motion.displacements(shifted, points), [0, 5], **ROUNDING)


def test_outermost_voxels_hold_the_hull_and_are_few(brain):
    """No vertex of the convex hull is left out."""
    mask, _ = brain
    voxels = np.argwhere(mask)
    outermost = {tuple(voxel) for voxel in head_motion.outermost(mask).tolist()}
    assert {tuple(voxel) for voxel in voxels[ConvexHull(voxels).vertices].tolist()} <= outermost
    assert len(outermost) < len(voxels) / 4


def test_rotation_is_that_of_scipy(moves):
    """The angle of the rotation from the first volume to each; 1e-7 degrees are not lost either."""
    first = Rotation.from_matrix(moves[0, :3, :3])
    expected = [
        (Rotation.from_matrix(move[:3, :3]) * first.inv()).magnitude() * 180 / np.pi for move in moves
    ]
    np.testing.assert_allclose(head_motion.rotation_angles(moves), expected, rtol=1e-9, atol=1e-10)
    tiny = np.tile(np.eye(4), (2, 1, 1))
    tiny[1, :3, :3] = Rotation.from_euler("y", 1e-7, degrees=True).as_matrix()
    np.testing.assert_allclose(head_motion.rotation_angles(tiny)[1], 1e-7, rtol=1e-6)


def test_whiteness_is_that_of_statsmodels(series):
    """Lag-1 autocorrelation and p of the Ljung-Box test, voxel by voxel."""
    found = whiteness.measure_whiteness(series, np.ones(100, dtype=bool), LAGS)
    for voxel, values in enumerate(series.T):
        np.testing.assert_allclose(found.lag1[voxel], acf(values, nlags=1)[1], rtol=1e-9)
        expected = acorr_ljungbox(values, lags=[LAGS])["lb_pvalue"].item()
        np.testing.assert_allclose(found.p[voxel], expected, rtol=1e-9)
    assert found.p.min() < 1e-3 < 0.2 < found.p.max()


def test_whiteness_of_censored_series_counts_pairs_that_are_there(series):
    """Sums over pairs of kept scans, written as loops; white noise is rejected as often as it should be."""
    kept = np.ones(100, dtype=bool)
    kept[[0, 10, 11, 40, 77]] = False
    found = whiteness.measure_whiteness(series, kept, LAGS)
    for voxel in (0, 20, 39):
        e = series[:, voxel] - series[kept, voxel].mean()
        squares, statistic = (e[kept] ** 2).sum(), 0.0
        for lag in range(1, LAGS + 1):
            pairs = [(t, t - lag) for t in range(lag, 100) if kept[t] and kept[t - lag]]
            r = sum(e[i] * e[j] for i, j in pairs) / squares
            statistic += 95 * 97 * r**2 / len(pairs)
            if lag == 1:
                np.testing.assert_allclose(found.lag1[voxel], r * 95 / len(pairs) * 99 / 100, rtol=1e-9)
        np.testing.assert_allclose(found.p[voxel], chi2.sf(statistic, LAGS), rtol=1e-9)
    kept[np.random.default_rng(6).choice(100, 30, replace=False)] = False
    noise = np.random.default_rng(7).normal(size=(100, 4000))
    share = (whiteness.measure_whiteness(noise, kept, LAGS).p < 0.05).mean()
    print(f"white noise with {np.sum(~kept)} of 100 scans censored: {share:.3f} rejected at 5 %")
    assert 0.035 < share < 0.065


@pytest.mark.parametrize("step", [2, 3])
def test_whiteness_without_successive_scans_is_that_of_the_lags_that_are_there(step):
    """Every second or third scan kept: the test is that of the kept ones alone, over fewer lags."""
    kept, rng = np.arange(100 * step) % step == 0, np.random.default_rng(8)
    noise = rng.normal(size=(100 * step, 6))
    found = whiteness.measure_whiteness(noise, kept, LAGS)
    assert np.isnan(found.lag1).all()
    for voxel in range(6):
        expected = acorr_ljungbox(noise[kept, voxel], lags=[LAGS // step])["lb_pvalue"].item()
        np.testing.assert_allclose(found.p[voxel], expected, rtol=1e-9)
    told = whiteness.summary(found)
    assert told["MedianAutocorrelation"] is told["MeanAutocorrelation"] is None
    assert told["Rejected"] == (found.p < 0.05).mean()
    far = np.arange(100 * step) % (LAGS + 1) == 0
    assert whiteness.summary(whiteness.measure_whiteness(noise, far, LAGS))["Rejected"] is None


@pytest.mark.parametrize(("step", "known"), [(2, {"ljung_box"}), (11, set())])
@pytest.mark.parametrize("model", ["ar1", "mixture"])
def test_run_without_successive_scans_is_judged_and_drawn(tmp_path, model, step, known):
    """What is not known is not a matter to check, nor that nothing varies; the figure has no line for it."""
    censored = np.flatnonzero(np.arange(N) % step != 0).tolist()
    times, ones = np.arange(N), np.ones(N)
    regressors = {"a": times % 44 < 22, "b": times % 60 < 20, "constant": ones}
    regressors |= {f"censor_{scan}": times == scan for scan in censored}
    run = make_run(tmp_path / "run", model=model)
    write_design(run, pd.DataFrame(regressors).astype(float))
    measured = run.measure(lags=LAGS)["Residuals"]
    table = run.judge().set_index("measure")
    for measure in ("autocorrelation", "ljung_box"):
        verdict, sentence = table.loc[measure, ["verdict", "sentence"]]
        assert (verdict == "n/a") == (measure not in known)
        assert ("are both kept" in sentence) == (measure not in known)
    picture = residuals.draw(measured, "residuals")
    assert [text.get_text() for text in picture.legends[0].get_texts()] == [
        "ordinary least squares: not known", "whitened by the fit: not known",
    ]  # fmt: skip


def test_constant_voxels_are_not_known_and_are_silent():
    """Neither a series of one value, nor one that is rounding of a large mean, has an autocorrelation."""
    data = np.full((50, 2), 850.0)
    rest = np.zeros((50, 2))
    rest[:, 1] = 1e-6 * np.random.default_rng(0).normal(size=50)
    found = whiteness.measure_whiteness(rest, np.ones(50, dtype=bool), LAGS, (data**2).sum(axis=0))
    assert np.isnan(found.lag1).all()
    assert np.isnan(found.p).all()
    assert whiteness.summary(found)["Rejected"] is None
    assert sum(whiteness.histogram(found)) == 0


def test_whitening_is_that_of_statsmodels(series):
    """GLSAR's whitening drops the first sample and is the same elsewhere, for each column's coefficient."""
    rho = np.linspace(-0.4, 0.6, 40)
    found = glm.whiten(series, rho)
    for voxel in range(40):
        model = sm.GLSAR(series[:, voxel], np.ones(100), rho=[rho[voxel]])
        np.testing.assert_allclose(found[1:, voxel], model.whiten(series[:, voxel]), rtol=1e-9)
    np.testing.assert_array_equal(found[0], series[0])


def test_clean_level_is_what_the_design_leaves_of_white_noise(design):
    """Mean lag-1 autocorrelation as the traces say; without a design 5 % are rejected, with drift more."""
    everything = np.ones(100, dtype=bool)
    matrix = design.to_numpy()
    found = whiteness.white_noise_through([(matrix, 1.0)], everything, LAGS)
    expected = noise.expected_autocorrelation(factorise(matrix).basis)[len(noise.RHOS) // 2]
    # a ratio of sums against the ratio of their expectations, over 2000 series: 0.01
    print(f"lag-1 of white noise after the design {found.lag1.mean():.4f}, by traces {expected:.4f}")
    assert abs(found.lag1.mean() - expected) < 0.01
    assert expected < -0.03
    bare = whiteness.white_noise_through([(np.ones((100, 1)), 1.0)], everything, LAGS)
    shares = [whiteness.summary(each)["Rejected"] for each in (bare, found)]
    print(f"rejected at 5 %: {shares[0]:.3f} of white noise, {shares[1]:.3f} after the design")
    assert 0.035 < shares[0] < 0.07 < shares[1]


def test_variance_inflation_is_that_of_statsmodels(design):
    """Each column against all others; a column that follows from others has no finite factor."""
    matrix = design.to_numpy()
    for k, name in enumerate(design.columns[:-1]):
        expected = variance_inflation_factor(matrix, k)
        np.testing.assert_allclose(
            collinearity.variance_inflation(matrix, k), expected, rtol=1e-9, err_msg=name
        )
    moved = matrix * 1e6
    moved[:, 0] += 1e8  # about the mean: an offset is the constant's
    np.testing.assert_allclose(
        collinearity.variance_inflation(moved, 0), variance_inflation_factor(matrix, 0), rtol=1e-6
    )
    again = np.column_stack([matrix, matrix[:, 0] - 2 * matrix[:, 1]])
    assert collinearity.variance_inflation(again, 0) == np.inf
    assert (
        collinearity.variance_inflation(np.column_stack([matrix, np.zeros(100)]), matrix.shape[1]) == np.inf
    )


def test_condition_number_is_numpys_of_columns_at_unit_length(design):
    """Units do not matter; a design below full rank has none."""
    matrix = design.to_numpy()
    expected = np.linalg.cond(matrix / np.linalg.norm(matrix, axis=0))
    np.testing.assert_allclose(factorise(matrix).condition_number, expected, rtol=1e-9)
    np.testing.assert_allclose(
        factorise(matrix * np.logspace(-4, 4, matrix.shape[1])).condition_number, expected
    )
    assert factorise(np.column_stack([matrix, matrix[:, 0]])).condition_number == np.inf
    assert factorise(np.column_stack([matrix, np.zeros(100)])).condition_number == np.inf


def test_condition_of_interest_does_not_depend_on_how_confounds_are_written():
    """Any columns of one span give one number: that of numpy with a basis by another decomposition."""
    rng = np.random.default_rng(8)
    wanted, others = rng.normal(size=(100, 3)), rng.normal(size=(100, 6))
    wanted[:, 2] += wanted[:, 0] + others[:, 1]
    basis = np.linalg.svd(others, full_matrices=False)[0]
    expected = np.linalg.cond(np.hstack([wanted / np.linalg.norm(wanted, axis=0), basis]))
    for mixing in (np.eye(6), rng.normal(size=(6, 6)), np.vander(np.linspace(0.5, 1, 6))):
        matrix = np.hstack([others @ mixing, wanted])
        assert collinearity.condition_of_interest(matrix, [6, 7, 8]) == pytest.approx(expected, rel=1e-8)
    follows = np.hstack([wanted, others, others[:, :1] + wanted[:, :1]])
    assert collinearity.condition_of_interest(follows, [0, 1, 2]) == np.inf


def test_largest_correlation_is_that_of_numpy(design):
    """Sign and pair of the largest; constant columns correlate with none, and one column with nothing."""
    columns = [0, 1, 2, 3]
    matrix = np.corrcoef(design.to_numpy()[:, columns].T) - np.eye(4)
    value, i, j = collinearity.largest_correlation(design.to_numpy(), columns)
    np.testing.assert_allclose(value, matrix[i, j], rtol=1e-9)
    assert abs(value) == pytest.approx(np.abs(matrix).max())
    assert collinearity.largest_correlation(design.to_numpy(), [0]) is None
    with_zeros = np.column_stack([design.to_numpy()[:, 0], np.zeros(100)])
    assert collinearity.largest_correlation(with_zeros, [0, 1])[0] == 0


def test_efficiency_is_that_of_statsmodels(design):
    """Inverse of the contrast's variance, of t and of F, in units of the residual variance."""
    matrix = design.to_numpy()
    fitted = sm.OLS(np.random.default_rng(8).normal(size=100), matrix).fit()
    for rows in ([[1, 0, -1, 0]], [[1, 0, 0, 0], [0, 0, 1, 0]]):
        weights = np.pad(np.array(rows, dtype=float), ((0, 0), (0, matrix.shape[1] - 4)))
        expected = fitted.scale / np.trace(np.atleast_2d(fitted.cov_params(r_matrix=weights)))
        found = collinearity.efficiency(glm.Design.of(matrix).covariance(0.0), weights)
        np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("n_voxels", [40, 4000])
@pytest.mark.parametrize("rho", [0.0, 0.4])
def test_clean_noise_has_no_dvars_spike(n_voxels, rho):
    """AR(1) noise, drift and blocks of activation in every fifth voxel: no volume of 40 runs is a spike."""
    rng, n, largest = np.random.default_rng(12), 200, []
    blocks = np.convolve(np.arange(n) // 10 % 2, [0.2, 0.4, 0.3, 0.1])[:n]
    for _ in range(40):
        noise = rng.normal(size=(n, n_voxels))
        for scan in range(1, n):
            noise[scan] += rho * noise[scan - 1]
        drift = 3 * np.sin(2 * np.pi * np.arange(n) / n)[:, None] * rng.normal(size=n_voxels)
        active = 2.0 * blocks[:, None] * (np.arange(n_voxels) % 5 == 0)
        change = np.diff(100 + noise + drift + active, axis=0)
        dvars = np.append(np.nan, np.sqrt((change**2).mean(axis=1)))
        median, deviation, scores = temporal.dvars_scores(dvars, np.ones(n, dtype=bool))
        expected = median_abs_deviation(dvars[1:], scale="normal")
        assert median == pytest.approx(np.median(dvars[1:]), rel=1e-12, abs=0)
        expected = max(expected, 0.03 * np.median(dvars[1:]), 0.1)
        assert deviation == pytest.approx(expected, rel=1e-9, abs=0)
        np.testing.assert_allclose(
            scores[1:], (dvars[1:] - np.median(dvars[1:])) / expected, rtol=1e-9, atol=1e-9
        )
        largest.append(np.nanmax(scores))
    print(f"{n_voxels} voxels, AR(1) {rho}: largest score of 40 runs {max(largest):.2f}")
    assert max(largest) < 6


def test_dvars_of_nothing_has_no_score():
    """One volume, a mean of 0, or every second scan censored: nothing is known."""
    kept = np.ones(4, dtype=bool)
    assert temporal.dvars_scores(np.full(4, np.nan), kept)[:2] == (None, None)
    kept[::2] = False
    assert temporal.dvars_scores(np.array([np.nan, 1.0, 2.0, 1.0]), kept)[:2] == (None, None)


def test_width_of_z_is_scipys_and_leaves_untested_voxels_out():
    """0 and 1 for the normal distribution; outliers and voxels that never change do not count."""
    z = np.random.default_rng(9).normal(0.1, 1.3, 5000)
    median, width = z_spread.centre_and_width(np.concatenate([z, np.zeros(4000), np.full(3000, np.nan)]))
    np.testing.assert_allclose(median, np.median(z), rtol=1e-9)
    np.testing.assert_allclose(width, median_abs_deviation(z, scale="normal"), rtol=1e-9)
    assert abs(width - 1.3) < 0.05
    assert z_spread.centre_and_width(np.zeros(10)) is None
