"""Designs whose columns differ by many orders of size, or nearly repeat, against independent solutions."""

from fractions import Fraction

import nibabel as nib
import numpy as np
import pytest
from statsmodels.regression.linear_model import GLS, OLS
from with_headers import make_design_matrix

from compute_contrast import compute_contrast
from firstlevel.glm import contrasts, noise
from firstlevel.glm import design as designs
from firstlevel.glm import fit as glm
from firstlevel.glm.dependence import factorise
from firstlevel.io import cells, image_writer, sidecars, table_writer
from firstlevel.io.event_table import Event
from fit_glm import fit_glm

N_SCANS, TR = 150, 2.0
OF_SUMS = [name for name, one in noise.MODELS.items() if not one.needs_series]
"""Noise models whose fit follows from sums over time."""
T_OF_OTHER_ARITHMETIC = 1e-6
"""t of two solutions in double precision of one badly scaled system; the columns span 1e16 in size."""


def of_task():
    """Two conditions with derivatives, cosine drift and constant, (n, p)."""
    events = [Event(7.3 * k + 3, 1.0, "ab"[k % 2]) for k in range(38)]
    options = designs.DesignOptions("spm + derivative", "cosine", 0.01, -24, 50)
    times = designs.frame_times(N_SCANS, TR, 0.0)
    return designs.design_matrix(times, events, options)[1]


def thirty_six_parameters(rng):
    """Confounds as fMRIPrep's 36 parameters: squares near 1e8 beside squared differences near 1e-8."""
    walk = lambda size, k: size * np.cumsum(rng.standard_normal((N_SCANS, k)), axis=0)  # noqa: E731
    motion = np.hstack([walk(0.02, 3), walk(2e-4, 3)])
    signals = np.array([9000.0, 7000.0, 8000.0]) + walk(8.0, 3)
    both = np.hstack([motion, signals])
    change = np.diff(both, axis=0, prepend=both[:1])
    return np.hstack([both, change, both**2, change**2])


def fmriprep_cosines():
    """The discrete cosines of a cut-off of 128 s, rounded to 10 decimals as in the table."""
    order = int(2 * N_SCANS * TR / 128)
    steps = np.arange(N_SCANS)[:, np.newaxis] + 0.5
    return np.round(np.sqrt(2 / N_SCANS) * np.cos(np.pi / N_SCANS * steps * np.arange(1, order + 1)), 10)


def t_of(data, matrix, weights, noise_model="ols"):
    model = glm.Design.of(matrix)
    fit = contrasts.RunFit(model, glm.fit(data, model, noise_model))
    return contrasts.t_over_runs([fit], [np.atleast_2d(weights)]), fit


def noisy(rng, n_voxels=40):
    series = rng.standard_normal((N_SCANS, n_voxels))
    series[1:] += 0.4 * series[:-1]
    return 800 + 8 * series


@pytest.mark.parametrize("kind", ["36 parameters", "cosines twice", "both"])
def test_hard_confounds_give_the_t_of_unit_columns(kind):
    """Rank, t and residual variance equal lstsq's and statsmodels' on columns of length one."""
    rng = np.random.default_rng(3)
    extra = [thirty_six_parameters(rng)] * (kind != "cosines twice") + [fmriprep_cosines()] * (
        kind != "36 parameters"
    )
    task = of_task()
    matrix = np.hstack([task, *extra])
    n_repeated = 0 if kind == "36 parameters" else fmriprep_cosines().shape[1]
    data = noisy(rng) + 4 * task[:, :1]
    weights = np.eye(1, matrix.shape[1])
    result, fit = t_of(data, matrix, weights)
    unit = matrix / np.linalg.norm(matrix, axis=0)
    beta, _, rank, _ = np.linalg.lstsq(unit, data, rcond=1e-8)
    assert rank == matrix.shape[1] - n_repeated == fit.design.factors.rank
    assert result.dof[0] == N_SCANS - rank
    residuals = data - unit @ beta
    np.testing.assert_allclose(
        fit.estimates.sigma2, (residuals**2).sum(axis=0) / (N_SCANS - rank), rtol=1e-8, atol=0
    )
    assert (fit.estimates.sigma2 > 1).all()
    kept = np.delete(unit, range(matrix.shape[1] - n_repeated, matrix.shape[1]), axis=1)
    for voxel in range(0, data.shape[1], 7):
        theirs = OLS(data[:, voxel], kept).fit()
        np.testing.assert_allclose(result.stat[voxel], theirs.tvalues[0], rtol=T_OF_OTHER_ARITHMETIC, atol=0)
    assert len(fit.design.factors.dependent_columns()) == n_repeated


@pytest.mark.parametrize("noise_model", [name for name in OF_SUMS if noise.MODELS[name].whitens])
def test_whitened_t_of_hard_confounds_equals_gls(noise_model):
    """With the coefficient found, t is that of statsmodels' GLS with the same covariance, at every voxel."""
    rng = np.random.default_rng(4)
    matrix = np.hstack([of_task(), thirty_six_parameters(rng)])
    data = noisy(rng)
    result, fit = t_of(data, matrix, np.eye(1, matrix.shape[1]), noise_model)
    unit = matrix / np.linalg.norm(matrix, axis=0)
    for voxel in range(0, data.shape[1], 9):
        rho = fit.estimates.ar1[voxel]
        # the covariance whose whitening keeps the first sample as it is
        whitening = np.eye(N_SCANS) - rho * np.eye(N_SCANS, k=-1)
        theirs = GLS(data[:, voxel], unit, sigma=np.linalg.inv(whitening.T @ whitening)).fit()
        np.testing.assert_allclose(result.stat[voxel], theirs.tvalues[0], rtol=T_OF_OTHER_ARITHMETIC, atol=0)


@pytest.mark.parametrize("power", [-12, -8, -3, 3, 8, 12])
@pytest.mark.parametrize("noise_model", OF_SUMS)
def test_scale_of_any_column_changes_no_t(power, noise_model):
    """A column times 10^k: the same t of every column, degrees of freedom and estimable contrasts."""
    rng = np.random.default_rng(5)
    matrix = np.hstack([of_task(), rng.standard_normal((N_SCANS, 2))])
    matrix = np.column_stack([matrix, matrix[:, 0] + matrix[:, -1]])
    data, p = noisy(rng, 5), matrix.shape[1]
    before = factorise(matrix)
    for column in (0, 1, 5, p - 2, p - 1):
        scaled = matrix.copy()
        scaled[:, column] *= 10.0**power
        after = factorise(scaled)
        assert (after.rank, after.dependent_columns()) == (before.rank, before.dependent_columns())
        for other in range(p):
            weights = np.eye(1, p, other)
            assert (
                after.is_estimable(weights)
                == before.is_estimable(weights)
                == (other not in (0, p - 2, p - 1))
            )
        for other in (1, 3, 5):
            weights = np.eye(1, p, other)
            np.testing.assert_allclose(
                t_of(data, scaled, weights, noise_model)[0].stat,
                t_of(data, matrix, weights, noise_model)[0].stat,
                rtol=T_OF_OTHER_ARITHMETIC,
                atol=0,
            )
        # what the dependence leaves of the three: column 0 + column p - 1 counts, whatever the unit
        sum_of_two = np.zeros((1, p))
        sum_of_two[0, [0, p - 1]] = 1.0
        sum_of_two[0, column] *= 10.0**power if column in (0, p - 1) else 1.0
        assert after.is_estimable(sum_of_two)


def test_copy_of_a_column_changes_no_other_t_and_is_named():
    """Of each column in turn, exact or rounded in the 10th decimal."""
    rng = np.random.default_rng(6)
    matrix, data = of_task(), noisy(rng, 5)
    p = matrix.shape[1]
    for column in range(p):
        for copy in (matrix[:, column], np.round(matrix[:, column], 10), -1e5 * matrix[:, column]):
            doubled = np.column_stack([matrix, copy])
            assert factorise(doubled).dependent_columns() == {p: [column]}
            assert not factorise(doubled).is_estimable(np.eye(1, p + 1, column))
            for other in {0, 1, p - 1} - {column}:
                np.testing.assert_allclose(
                    t_of(data, doubled, np.eye(1, p + 1, other), "ar1")[0].stat,
                    t_of(data, matrix, np.eye(1, p, other), "ar1")[0].stat,
                    rtol=T_OF_OTHER_ARITHMETIC,
                    atol=0,
                )


def exact_t(matrix, series):
    """Each column's t by the normal equations in rational numbers; the square root alone is rounded."""
    x = [[Fraction(float(value)) for value in row] for row in matrix]
    y = [Fraction(float(value)) for value in series]
    p = len(x[0])
    table = [
        [sum(row[i] * row[j] for row in x) for j in range(p)]
        + [sum(row[i] * value for row, value in zip(x, y, strict=True))]
        + [Fraction(i == j) for j in range(p)]
        for i in range(p)
    ]
    for i in range(p):
        pivot = next(k for k in range(i, p) if table[k][i])
        table[i], table[pivot] = table[pivot], table[i]
        table[i] = [value / table[i][i] for value in table[i]]
        for k in range(p):
            if k != i:
                table[k] = [a - table[k][i] * b for a, b in zip(table[k], table[i], strict=True)]
    beta = [row[p] for row in table]
    residuals = [
        value - sum(b * c for b, c in zip(beta, row, strict=True)) for value, row in zip(y, x, strict=True)
    ]
    sigma2 = sum(e * e for e in residuals) / (len(y) - p)
    t = [
        float(b) / float(sigma2 * row[p + 1 + i]) ** 0.5
        for i, (b, row) in enumerate(zip(beta, table, strict=True))
    ]
    return t, float(sigma2)


@pytest.mark.parametrize("own_part", [1e-3, 1e-5, 1e-7])
def test_nearly_repeated_columns_give_the_exact_t(own_part):
    """Two columns that differ by little, one of 1e9, one of 1e-9, a high mean: t in rational numbers."""
    rng = np.random.default_rng(7)
    x = rng.standard_normal((24, 4))
    x[:, 1] = x[:, 0] + own_part * x[:, 1]
    matrix = np.column_stack([x[:, 0], x[:, 1], 1e9 * x[:, 2], 1e-9 * x[:, 3], np.ones(24)])
    data = 1e4 + rng.standard_normal((24, 3)) + x[:, 2:3]
    for column in range(5):
        result, fit = t_of(data, matrix, np.eye(1, 5, column))
        for voxel in range(3):
            t, sigma2 = exact_t(matrix, data[:, voxel])
            # the condition number, about 1 / own_part, times the rounding of data 1e4 above their noise
            np.testing.assert_allclose(
                result.stat[voxel], t[column], rtol=1e-11 / own_part, atol=1e-10 / own_part
            )
            np.testing.assert_allclose(fit.estimates.sigma2[voxel], sigma2, rtol=1e-9, atol=0)


def test_residual_variance_survives_a_high_mean():
    """Noise of 1 over a mean of 1e7, not scaled: its variance to nine digits, no negative, no lost voxel."""
    rng = np.random.default_rng(8)
    matrix = of_task()
    unit = rng.standard_normal((N_SCANS, 20))
    for noise_model in ("ols", "ar1"):
        low, high = (
            t_of(unit + mean, matrix, np.eye(1, matrix.shape[1]), noise_model)[1] for mean in (0.0, 1e7)
        )
        np.testing.assert_allclose(high.estimates.sigma2, low.estimates.sigma2, rtol=1e-7, atol=0)


def test_perfect_fit_has_no_noise_to_test_against():
    """A series that the design spans leaves rounding, which is no noise: sigma2 is 0, not 1e-28."""
    matrix = of_task()
    data = matrix @ np.random.default_rng(9).standard_normal((matrix.shape[1], 4)) + 850
    for noise_model in OF_SUMS:
        result, fit = t_of(data, matrix, np.eye(1, matrix.shape[1]), noise_model)
        np.testing.assert_array_equal(fit.estimates.sigma2, 0.0)
        np.testing.assert_array_equal(result.z, 0.0)


@pytest.mark.parametrize("noise_model", OF_SUMS)
def test_stages_give_the_t_of_unit_columns_for_hard_confounds(tmp_path, noise_model):
    """From a table of confounds to the map of t: 36 parameters, and fMRIPrep's cosines beside our drift."""
    rng = np.random.default_rng(10)
    affine, shape = np.diag([3.0, 3.0, 3.0, 1.0]), (3, 3, 2)
    task = of_task()
    data = (noisy(rng, 18) + 4 * task[:, :1]).astype(np.float32)
    nib.Nifti1Image(data.T.reshape(*shape, N_SCANS), affine).to_filename(tmp_path / "b.nii")
    image_writer.write_image(tmp_path / "mask.nii", np.ones(shape, np.uint8), affine)
    confounds = np.hstack([thirty_six_parameters(rng), fmriprep_cosines()])
    names = [f"p{k:02}" for k in range(36)] + [f"cosine{k:02}" for k in range(fmriprep_cosines().shape[1])]
    table_writer.write_table(tmp_path / "confounds.tsv", names, confounds.tolist())
    rows = [(7.3 * k + 3, 1.0, "ab"[k % 2]) for k in range(38)]
    table_writer.write_table(tmp_path / "events.tsv", ("onset", "duration", "trial_type"), rows)
    files = {name: tmp_path / name for name in ("design.tsv", "design.json", "glm.json", "c.json")}
    make_design_matrix(
        source=[tmp_path / "events.tsv"], bold=[tmp_path / "b.nii"], design=files["design.tsv"],
        sidecar=files["design.json"], repetition_time=TR, slice_time_ref=0.0,
        hrf_model="spm + derivative", drift_model="cosine", high_pass=0.01, min_onset=-24, oversampling=50,
        columns=names, confounds=tmp_path / "confounds.tsv",
    )  # fmt: skip
    said = sidecars.read_json(files["design.json"])
    columns, values = cells.read_columns(files["design.tsv"])
    matrix = np.array(values)
    repeated = {column["Name"] for column in said["DependentColumns"]}
    assert repeated
    assert all(name.startswith(("cosine", "drift_")) for name in repeated)
    assert said["Rank"] == len(columns) - len(said["DependentColumns"])
    assert any("drift is modelled twice" in warning for warning in said["Warnings"])
    maps = {name: tmp_path / f"{name}.nii" for name in ("beta", "sigma2", "ar1", "rsquared")}
    fit_glm(
        bold=[tmp_path / "b.nii"], design=files["design.tsv"], design_json=files["design.json"],
        mask=tmp_path / "mask.nii", sidecar=files["glm.json"], noise_model=noise_model,
        signal_scaling="none", **maps,
    )  # fmt: skip
    outputs = {
        name: tmp_path / f"c_{name}.nii" for name in ("effect", "variance", "stat", "p", "z", "n_runs")
    }
    compute_contrast(
        betas=[maps["beta"]], sigma2s=[maps["sigma2"]], ar1s=[maps["ar1"]], designs=[files["design.tsv"]],
        design_jsons=[files["design.json"]], fits=[files["glm.json"]], mask=tmp_path / "mask.nii",
        sidecar=files["c.json"], rows=["a - b"], statistic="t", label="x", **outputs,
    )  # fmt: skip
    unit = matrix / np.linalg.norm(matrix, axis=0)
    spanned = np.linalg.matrix_rank(unit, tol=1e-7)
    assert sidecars.read_json(files["c.json"])["DegreesOfFreedom"] == N_SCANS - spanned
    rho = nib.load(maps["ar1"]).get_fdata().ravel()
    stat = nib.load(outputs["stat"]).get_fdata().ravel()
    assert (nib.load(maps["sigma2"]).get_fdata() > 1).all()
    kept = [k for k, name in enumerate(columns) if name not in repeated]
    assert spanned == len(kept)
    c = np.zeros(len(kept))
    for name, sign in (("a", 1.0), ("b", -1.0)):
        c[columns.index(name)] = sign / np.linalg.norm(matrix[:, columns.index(name)])
    series = nib.load(tmp_path / "b.nii").get_fdata().reshape(18, N_SCANS)
    for voxel in range(0, 18, 5):
        whitening = np.eye(N_SCANS) - rho[voxel] * np.eye(N_SCANS, k=-1)
        theirs = OLS(whitening @ series[voxel], whitening @ unit[:, kept]).fit().t_test(c)
        np.testing.assert_allclose(stat[voxel], theirs.tvalue.item(), rtol=1e-4, atol=0)  # maps are single
