"""Noise that is learnt, through the stages: files, scaling, censoring, contrasts from files, quality."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import scipy.linalg
import scipy.stats
from quality_run import AFFINE, Run, make_run
from statsmodels.regression.linear_model import GLS

from compute_contrast import compute_contrast
from firstlevel.glm import learnt, local_prior, noise_table
from firstlevel.io import cells, image_writer, masked, sidecars, table_writer
from firstlevel.io.series import Series
from firstlevel.stage import SCRIPTS, InputError

IN_BYTES = 0.5 / 255 + 1e-6
"""A posterior is saved in 255ths."""
SINGLE = 1e-5
"""Relative: maps are in single precision."""
MORE_MEMORY = 40.0
"""MB."""
AND_SAY_THE_PEAK = """
import os, runpy, sys
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
"""Runs a script and prints its largest resident size, kB; the kernel's own account holds its parent's."""
OF_Z = {0.5: 0.01, 0.99: 0.06}
"""Of contrasts from files against dense fits, by quantiles over voxels: one t stands for a mixture."""


def spoil(run, kinds=(0.0, 0.5, 0.9), second=0.0):
    """Give the run noise of several kinds, AR(1) with as much white noise added, by voxel; or AR(2)."""
    rng, inside = np.random.default_rng(3), masked.read_mask(run.file("mask.nii.gz"))
    values = masked.read_masked(run.file("bold.nii"), inside)
    rho = np.resize(kinds, values.shape[1])
    made = rng.standard_normal((len(values) + 100, values.shape[1]))
    for scan in range(1, len(made)):
        made[scan] = rho * made[scan - 1] + second * made[scan - 2] + np.sqrt(1 - rho**2) * made[scan]
    white = rng.standard_normal(values.shape)
    values[:] = 800 + 6 * (made[100:] + (rho > 0) * (second == 0) * white)
    values[:, 5] = 700
    image_writer.write_masked(run.file("bold.nii"), values.astype(np.float32), inside, AFFINE)


def mixed(folder, **options):
    run = make_run(folder, model="mixture", **options)
    spoil(run)
    run.measure()
    return run


@pytest.fixture(scope="module")
def of_module(tmp_path_factory):
    """A run of three kinds of noise, fitted and measured. Tests copy it."""
    return mixed(tmp_path_factory.mktemp("mixed") / "run")


@pytest.fixture
def run(of_module, tmp_path):
    return Run(Path(shutil.copytree(of_module.folder, tmp_path / "run")), "mixture")


def maps_of(run, *names):
    inside = masked.read_mask(run.file("mask.nii.gz"))
    return [masked.read_masked(run.file(f"{name}.nii.gz"), inside) for name in names]


def matrix_of(run):
    names, values = cells.read_columns(run.file("design.tsv"))
    return names, np.array(values)


def of_each_process(found, matrix, y):
    """Betas, their covariance where sigma is 1, residual variance and log posterior, by dense matrices."""
    fits, dof = [], len(matrix) - np.linalg.matrix_rank(matrix)
    lags = found.processes.autocorrelations(1000)[:, : found.scans.max() + 1]
    for acf, variance, share in zip(lags, found.processes.variance, found.shares, strict=True):
        covariance = (variance * scipy.linalg.toeplitz(acf))[np.ix_(found.scans, found.scans)]
        fit = GLS(y, matrix, sigma=covariance).fit()
        unscaled = np.linalg.inv(matrix.T @ np.linalg.solve(covariance, matrix))
        rss = fit.scale * dof
        logarithm = np.log(share) - dof / 2 * np.log(rss)
        logarithm -= (np.linalg.slogdet(covariance)[1] - np.linalg.slogdet(unscaled)[1]) / 2
        fits.append((fit.params, unscaled, fit.scale, logarithm))
    betas, unscaled, variances, logarithms = map(np.array, zip(*fits, strict=True))
    weights = np.exp(logarithms - logarithms.max())
    return betas, unscaled, variances, weights / weights.sum()


class Found:
    """Processes of a run as saved, and the scans that count."""

    def __init__(self, run, scans):
        saved = noise_table.read(run.file("processes.tsv"))
        self.processes, self.shares, self.scans = saved.processes, saved.shares, np.asarray(scans)


@pytest.fixture
def alone(monkeypatch):
    """All voxels have the same prior, the shares of the processes."""
    monkeypatch.setattr(local_prior, "GLOBAL", 1.0)


def test_maps_are_means_over_the_posterior_of_dense_fits(run, alone):
    """Betas, residual variance and posterior of voxels against statsmodels with each whole covariance."""
    run.measure()
    _, matrix = matrix_of(run)
    beta, sigma2, posterior, ar1 = maps_of(run, "beta", "sigma2", "posterior", "ar1")
    series = series_of(run)
    found = Found(run, np.arange(len(matrix)))
    for voxel in (0, 1, 2, 100, 250, 599):
        y = 100 * (series[:, voxel] / series[:, voxel].mean() - 1)
        betas, _, variances, weights = of_each_process(found, matrix, y)
        np.testing.assert_allclose(posterior[:, voxel] / 255, weights, rtol=0, atol=IN_BYTES)
        np.testing.assert_allclose(sigma2[voxel], weights @ variances, rtol=SINGLE)
        np.testing.assert_allclose(beta[:, voxel], weights @ betas, rtol=SINGLE, atol=SINGLE)
        lag1 = found.processes.autocorrelations(1)[:, 1]
        np.testing.assert_allclose(ar1[voxel], weights @ lag1, rtol=0, atol=SINGLE)


def series_of(run):
    return masked.read_masked(run.file("bold.nii"), masked.read_mask(run.file("mask.nii.gz")))


def test_censored_scans_are_as_if_they_were_not_there(tmp_path, alone):
    """A tenth of the scans: betas, variance and posterior are those of the others with their covariance."""
    rng = np.random.default_rng(5)
    censored = np.sort(rng.choice(np.arange(1, 160), 16, replace=False)).tolist()
    run = mixed(tmp_path / "run", censored=censored)
    names, matrix = matrix_of(run)
    kept = np.setdiff1d(np.arange(160), censored)
    columns = [k for k, name in enumerate(names) if not name.startswith("censor")]
    beta, sigma2, posterior = maps_of(run, "beta", "sigma2", "posterior")
    series = series_of(run)
    found = Found(run, kept)
    for voxel in (0, 1, 2, 301):
        y = 100 * (series[:, voxel] / series[:, voxel].mean() - 1)
        betas, _, variances, weights = of_each_process(found, matrix[np.ix_(kept, columns)], y[kept])
        np.testing.assert_allclose(posterior[:, voxel] / 255, weights, rtol=0, atol=IN_BYTES)
        np.testing.assert_allclose(sigma2[voxel], weights @ variances, rtol=SINGLE)
        np.testing.assert_allclose(beta[columns, voxel], weights @ betas, rtol=SINGLE, atol=SINGLE)


def test_what_a_voxel_has_not_is_zero_and_the_files_say_what_was_found(run):
    """A voxel that never changes has no posterior; processes are by share; the sidecar has their number."""
    posterior, sigma2, ar1 = maps_of(run, "posterior", "sigma2", "ar1")
    image = nib.load(run.file("posterior.nii.gz"))
    assert image.get_data_dtype() == np.uint8
    assert not posterior[:, 5].any()
    assert sigma2[5] == ar1[5] == 0
    others = np.arange(posterior.shape[1]) != 5
    assert (np.abs(posterior[:, others].sum(axis=0) - 255) <= posterior.shape[0] / 2).all()
    names, rows = cells.read_columns(run.file("processes.tsv"))
    table = np.array(rows)
    said = json.loads(run.file("glm.json").read_text())
    assert names == ["share", *(f"ar_{lag}" for lag in range(1, said["NoiseOrder"] + 1))]
    assert said["NoiseProcesses"] == len(table) == len(posterior)
    assert said["NoiseVoxels"] == posterior.shape[1] - 1
    assert said["NoiseModel"] == "mixture"
    assert (np.diff(table[:, 0]) <= 0).all()
    assert table[:, 0].sum() == pytest.approx(1, abs=1e-12)


def test_the_table_holds_the_processes_to_the_last_bit(run, monkeypatch):
    """What is read back is what was fitted with."""
    whole = []
    original = learnt.fit_run
    monkeypatch.setattr(learnt, "fit_run", lambda *a, **k: whole.append(original(*a, **k)) or whole[0])
    run.measure()
    read = noise_table.read(run.file("processes.tsv"))
    assert read.shares.tobytes() == whole[0].mixture.shares.tobytes()
    assert read.processes.coefficients.tobytes() == whole[0].mixture.processes.coefficients.tobytes()


def test_scaling_after_the_fit_is_scaling_of_the_data(run):
    """grand_mean: betas times 100 / m, variance times its square, the posterior as it was, to rounding."""
    run.scaling = "none"
    run.measure()
    plain = maps_of(run, "beta", "sigma2", "posterior", "ar1")
    run.scaling = "grand_mean"
    run.measure()
    scaled = maps_of(run, "beta", "sigma2", "posterior", "ar1")
    factor = 100 / json.loads(run.file("glm.json").read_text())["GrandMean"]
    np.testing.assert_allclose(scaled[0], factor * plain[0], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(scaled[1], factor**2 * plain[1], rtol=1e-6, atol=0)
    np.testing.assert_array_equal(scaled[2], plain[2])
    np.testing.assert_array_equal(scaled[3], plain[3])


def test_the_run_is_read_once_and_leaves_no_file(run, monkeypatch):
    """Volumes are yielded once each; the folder holds the outputs alone, after an error, too."""
    readings, original = [], Series.volumes
    monkeypatch.setattr(Series, "volumes", lambda self, *a: readings.append(self) or original(self, *a))
    before = sorted(path.name for path in run.folder.iterdir())
    run.measure()
    assert len(readings) == 1
    assert sorted(path.name for path in run.folder.iterdir()) == before
    run.file("sigma2.nii.gz").unlink()
    values = nib.load(run.file("bold.nii")).get_fdata()
    values[5, 5, 3, 100] = np.inf
    image_writer.write_image(run.file("bold.nii"), values.astype(np.float32), AFFINE)
    with pytest.raises(InputError, match="not finite"):
        run.measure()
    assert sorted(path.name for path in run.folder.iterdir()) == sorted(set(before) - {"r_sigma2.nii.gz"})


def contrast(runs, folder, rows, statistic="t", **options):
    """Test a contrast of fits from their files; maps by name, and what the sidecar says."""
    folder.mkdir(exist_ok=True)
    outputs = {name: folder / f"{name}.nii.gz" for name in ("effect", "variance", "stat", "p", "z", "n_runs")}
    every = {"betas": "beta.nii.gz", "sigma2s": "sigma2.nii.gz", "ar1s": "ar1.nii.gz", "fits": "glm.json"}
    every |= {"posteriors": "posterior.nii.gz", "processes": "processes.tsv", "designs": "design.tsv"}
    every |= {"design_jsons": "design.json"}
    inputs = {name: [run.file(file) for run in runs] for name, file in every.items()} | options
    compute_contrast(
        **inputs, **outputs,
        mask=runs[0].file("mask.nii.gz"), sidecar=folder / "c.json", rows=rows, statistic=statistic,
        label="c",
    )  # fmt: skip
    inside = masked.read_mask(runs[0].file("mask.nii.gz"))
    return {name: masked.read_masked(path, inside) for name, path in outputs.items()}, sidecars.read_json(
        folder / "c.json"
    )


def of_mixture(found, matrix, y, c):
    """Two-sided z of c'b by brute force: the mean over the posterior of the tails of each process' t."""
    betas, unscaled, variances, weights = of_each_process(found, matrix, y)
    dof = len(matrix) - matrix.shape[1]
    t = np.array(
        [c @ b / np.sqrt(s * (c @ u @ c)) for b, u, s in zip(betas, unscaled, variances, strict=True)]
    )
    return scipy.stats.norm.isf(weights @ scipy.stats.t.sf(t, dof))


def test_t_from_files_is_that_of_the_whole_fit(run, tmp_path, monkeypatch):
    """As z of the mean tail of dense fits, nearly; degrees of freedom differ by voxel and are told."""
    priors, original = [], local_prior.local_prior
    monkeypatch.setattr(local_prior, "local_prior", lambda *a: priors.append(original(*a)) or priors[0])
    run.measure()
    maps, said = contrast([run], tmp_path / "c", ["a - b"])
    names, matrix = matrix_of(run)
    c = np.array([{"a": 1.0, "b": -1.0}.get(name, 0.0) for name in names])
    series, found, expected = series_of(run), Found(run, np.arange(len(matrix))), []
    voxels = [voxel for voxel in range(0, 600, 6) if voxel != 5]
    place = np.cumsum(maps_of(run, "sigma2")[0] > 0) - 1
    for voxel in voxels:
        found.shares = priors[0][:, place[voxel]].astype(float)
        y = 100 * (series[:, voxel] / series[:, voxel].mean() - 1)
        expected.append(of_mixture(found, matrix, y, c))
    for share, difference in OF_Z.items():
        assert np.quantile(np.abs(maps["z"][voxels] - expected), share) < difference
    low, high = said["DegreesOfFreedomOfVoxels"]["Range"]
    assert low < said["DegreesOfFreedom"] == said["DegreesOfFreedomOfVoxels"]["Median"] < high
    assert high <= len(matrix) - matrix.shape[1] + 1e-6
    assert maps["z"][5] == maps["n_runs"][5] == maps["variance"][5] == 0
    assert json.loads(json.dumps(said), parse_constant=pytest.fail) == said


def test_runs_are_combined_and_a_missing_voxel_counts_in_the_others(run, tmp_path):
    """The same run twice has the effect of one and half its variance; a voxel of one run alone is as that."""
    alone, _ = contrast([run], tmp_path / "one", ["a - b"])
    other = Run(Path(shutil.copytree(run.folder, tmp_path / "other")), "mixture")
    inside = masked.read_mask(other.file("mask.nii.gz"))
    for name in ("beta", "sigma2", "ar1", "posterior"):
        values = masked.read_masked(other.file(f"{name}.nii.gz"), inside)
        values[..., 7] = 0
        dtype = np.uint8 if name == "posterior" else np.float32
        image_writer.write_masked(other.file(f"{name}.nii.gz"), values.astype(dtype), inside, AFFINE, dtype)
    for weights in ("equal", "precision"):
        both, _ = contrast([run, other], tmp_path / "two", ["a - b"], weights=weights)
        np.testing.assert_allclose(both["effect"], alone["effect"], rtol=SINGLE, atol=1e-7)
        assert both["z"][7] == pytest.approx(alone["z"][7], abs=1e-5)
        assert (both["n_runs"][7], both["n_runs"][5]) == (1, 0)
        inner = np.delete(np.arange(600), [5, 7])
        ratio = both["stat"][inner] / alone["stat"][inner]
        # degrees of freedom change the scale of t, and estimated weights make it smaller
        np.testing.assert_allclose(ratio, np.sqrt(2), rtol=0.02 if weights == "equal" else 0.06)
    every, _ = contrast([run, other], tmp_path / "all", ["a - b"], coverage="all")
    assert every["n_runs"][7] == every["z"][7] == 0


def test_f_of_one_row_is_the_square_of_t(run, tmp_path):
    """Two-sided p of one row, in one run and in two; an F of two rows of noise is uniform."""
    other = Run(Path(shutil.copytree(run.folder, tmp_path / "other")), "mixture")
    for runs in ([run], [run, other]):
        t, _ = contrast(runs, tmp_path / "t", ["a - b"])
        f, said = contrast(runs, tmp_path / "f", ["a - b"], "F", f_test="exact")
        known = t["n_runs"] > 0
        two_sided = 2 * np.minimum(t["p"], 1 - t["p"])[known]
        np.testing.assert_allclose(f["p"][known], two_sided, rtol=0.05, atol=2e-3)
        assert said["FTest"] == "exact"
        assert said["DegreesOfFreedom"][0] == 1
    joint, said = contrast([run, other], tmp_path / "j", ["a", "b"], "F", f_test="exact")
    assert joint["effect"].shape == (2, 600)
    assert np.isfinite(joint["z"]).all()
    assert joint["z"][5] == joint["stat"][5] == 0


def test_parts_of_a_volume_are_tested_as_the_whole(run, tmp_path, monkeypatch):
    """Voxels in blocks, the last one not full; what is the same for all blocks is computed once per run."""
    from firstlevel.glm import learnt_contrasts, mixture_effects

    rows = ["a", "b"]
    whole, _ = contrast([run, run], tmp_path / "whole", rows, "F", f_test="exact")
    monkeypatch.setattr(learnt_contrasts, "BLOCK", 4 * 128)
    made, original = [], mixture_effects.products_of_differences
    monkeypatch.setattr(
        mixture_effects, "products_of_differences", lambda *a: made.append(original(*a)) or made[-1]
    )
    parts, _ = contrast([run, run], tmp_path / "parts", rows, "F", f_test="exact")
    for name, values in whole.items():
        np.testing.assert_allclose(parts[name], values, rtol=1e-6, atol=1e-7, err_msg=name)
    assert len(made) == 2


def test_the_approximate_f_is_refused(run, tmp_path):
    """It takes the noise for known."""
    with pytest.raises(InputError, match="approximate F"):
        contrast([run], tmp_path / "f", ["a"], "F")


@pytest.mark.parametrize(("fitted", "taken"), [("ar1", "mixture"), ("mixture", "ar1"), ("arma11", "ar1")])
def test_files_of_an_earlier_fit_with_other_noise_are_not_taken(run, tmp_path, fitted, taken):
    """The posterior beside the betas of an AR(1) fit is of the fit before, and the other way round."""
    run.model = fitted
    run.measure()  # files of a mixture are there from before
    others = {} if taken == "mixture" else {"posteriors": None, "processes": None}
    with pytest.raises(InputError, match=rf"fitted with the noise model {fitted}(?s:.)*forcerun fit_glm"):
        contrast([run], tmp_path / "c", ["a - b"], **others)


def test_residuals_are_whitened_by_the_processes(tmp_path):
    """White where AR(1) coefficients leave most voxels correlated; the verdict says so."""
    run = make_run(tmp_path / "run", model="mixture")
    spoil(run, (0.2, 0.6), second=-0.5)
    run.measure()
    measured = json.loads(run.file("q.json").read_text())["Residuals"]
    after, clean = measured["After"], measured["After"]["OfWhiteNoise"]
    assert abs(after["MedianAutocorrelation"] - clean["MedianAutocorrelation"]) < 0.02
    assert abs(after["Rejected"] - clean["Rejected"]) < 0.04
    table = run.judge()
    assert set(table["verdict"][table["measure"].isin(["autocorrelation", "ljung_box"])]) == {"pass"}
    run.model = "ar1"
    left = run.measure()["Residuals"]["After"]["Rejected"]
    assert left - clean["Rejected"] > 0.5
    table = run.judge()
    [verdict] = table["verdict"][table["measure"] == "ljung_box"]
    assert verdict == "check"


@pytest.fixture
def whole_brain(tmp_path):
    """Arguments of fit_glm for 96 scans of 225,000 voxels, as a run of 2 mm has: 87 MB."""
    n_scans, shape = 96, (91, 109, 91)
    centre, radii = np.array(shape) / 2, np.array([34.0, 44.0, 36.0])
    places = (np.indices(shape).T - centre + 0.5) / radii
    inside = (places**2).sum(axis=-1).T < 1
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((n_scans, inside.sum()), dtype=np.float32)
    noise[1:] += np.resize(np.float32([0, 0.4, 0.8]), inside.sum()) * noise[:-1]
    image_writer.write_masked(tmp_path / "bold.nii", 800 + 8 * noise, inside, AFFINE)
    image_writer.write_image(tmp_path / "mask.nii.gz", inside.astype(np.uint8), AFFINE)
    names = ["a", "b", "constant"]
    columns = np.column_stack([rng.standard_normal((n_scans, 2)), np.ones(n_scans)])
    table_writer.write_table(tmp_path / "design.tsv", names, columns.tolist())
    roles = [{"Name": name, "Role": "constant" if name == "constant" else "condition"} for name in names]
    sidecars.write_json(tmp_path / "design.json", {"Columns": roles})
    maps = ("beta", "sigma2", "ar1", "rsquared", "posterior")
    return {
        "bold": "bold.nii", "mask": "mask.nii.gz", "design": "design.tsv", "design-json": "design.json",
        "sidecar": "glm.json", "processes": "processes.tsv", "signal-scaling": "voxel",
    } | {name: f"{name}.nii.gz" for name in maps}  # fmt: skip


def test_memory_is_that_of_the_sums_over_time(tmp_path, whole_brain):
    """At most 40 MB above that of ar1: neither the run nor the posteriors of all voxels are in memory."""
    peak = {}
    for noise_model in ("ar1", "mixture"):
        asked = whole_brain | {"noise-model": noise_model}
        arguments = [part for name, value in asked.items() for part in (f"--{name}", value)]
        command = [sys.executable, "-c", AND_SAY_THE_PEAK, str(SCRIPTS / "fit_glm.py"), *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        peak[noise_model] = int(done.stdout) * 1024 / 1e6
    assert peak["mixture"] - peak["ar1"] < MORE_MEMORY, peak
