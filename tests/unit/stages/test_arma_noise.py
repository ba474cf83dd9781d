"""ARMA(1,1) noise through the stages, against statsmodels with each voxel's whole covariance."""

import json

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
from quality_run import make_run
from statsmodels.regression.linear_model import GLS
from statsmodels.tsa.arima_process import ArmaProcess

from compute_contrast import compute_contrast
from firstlevel.io import cells, masked, sidecars

SINGLE = 2e-5
"""Relative: maps are in single precision."""
VOXELS = (0, 1, 77, 300, 599)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of AR(1) noise, fitted and measured."""
    made = make_run(tmp_path_factory.mktemp("arma") / "run", rho=0.5, model="arma11")
    made.measure()
    return made


def maps_of(run, *names):
    inside = masked.read_mask(run.file("mask.nii.gz"))
    return [masked.read_masked(run.file(f"{name}.nii.gz"), inside) for name in names]


def dense_fit(run, voxel):
    """Fit of statsmodels, with the covariance of the coefficients that were found."""
    series = masked.read_masked(run.file("bold.nii"), masked.read_mask(run.file("mask.nii.gz")))
    names, rows = cells.read_columns(run.file("design.tsv"))
    y = 100 * (series[:, voxel] / series[:, voxel].mean() - 1)
    a, b = np.round(maps_of(run, "arma")[0][:, voxel], 6)
    process = ArmaProcess([1.0, -a], [1.0, b])
    return names, process, GLS(y, np.array(rows), sigma=scipy.linalg.toeplitz(process.acovf(len(y)))).fit()


def test_maps_are_those_of_a_dense_fit(run):
    """Betas, residual variance and lag-1 autocorrelation; 0 where nothing changes."""
    beta, sigma2, ar1, pairs = maps_of(run, "beta", "sigma2", "ar1", "arma")
    for voxel in VOXELS:
        _, process, fit = dense_fit(run, voxel)
        np.testing.assert_allclose(beta[:, voxel], fit.params, rtol=SINGLE, atol=SINGLE)
        np.testing.assert_allclose(sigma2[voxel], fit.scale, rtol=SINGLE)
        np.testing.assert_allclose(ar1[voxel], process.acf(2)[1], rtol=0, atol=SINGLE)
    assert not pairs[:, 5].any()
    assert sigma2[5] == 0
    assert 0.35 < np.median(pairs[0]) < 0.65  # of 0.5, on a grid of 0.1
    assert not run.file("processes.tsv").exists()
    assert json.loads(run.file("glm.json").read_text())["NoiseModel"] == "arma11"


@pytest.mark.parametrize(("statistic", "rows"), [("t", ["a - b"]), ("F", ["a", "b"])])
@pytest.mark.parametrize("f_test", ["approximate", "exact"])
def test_contrasts_are_those_of_a_dense_fit(run, tmp_path, statistic, rows, f_test):
    """T and F, with their p, from files alone."""
    outputs = {
        name: tmp_path / f"{name}.nii.gz" for name in ("effect", "variance", "stat", "p", "z", "n_runs")
    }
    compute_contrast(
        betas=[run.file("beta.nii.gz")], sigma2s=[run.file("sigma2.nii.gz")], ar1s=[run.file("ar1.nii.gz")],
        armas=[run.file("arma.nii.gz")], designs=[run.file("design.tsv")],
        design_jsons=[run.file("design.json")], fits=[run.file("glm.json")], mask=run.file("mask.nii.gz"),
        sidecar=tmp_path / "c.json", rows=rows, statistic=statistic, label="c", f_test=f_test, **outputs,
    )  # fmt: skip
    inside = masked.read_mask(run.file("mask.nii.gz"))
    stat, p, z = (masked.read_masked(outputs[name], inside) for name in ("stat", "p", "z"))
    for voxel in VOXELS:
        names, _, fit = dense_fit(run, voxel)
        a, b = ((np.array(names) == name).astype(float) for name in "ab")
        if statistic == "t":
            tested = fit.t_test(a - b)
            expected, tail = tested.tvalue.item(), scipy.stats.t.sf(tested.tvalue.item(), fit.df_resid)
        else:
            tested = fit.f_test(np.array([a, b]))
            expected, tail = float(tested.fvalue), float(tested.pvalue)
        np.testing.assert_allclose(stat[voxel], expected, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(p[voxel], tail, rtol=2e-3)
    assert stat[5] == z[5] == 0
    said = sidecars.read_json(tmp_path / "c.json")
    dof = said["DegreesOfFreedom"] if statistic == "t" else said["DegreesOfFreedom"][1]
    assert dof == fit.df_resid


def test_residuals_are_whitened_by_the_coefficients(run):
    """AR(1) noise is white after it, as white noise is after this design."""
    after = json.loads(run.file("q.json").read_text())["Residuals"]["After"]
    assert abs(after["MedianAutocorrelation"] - after["OfWhiteNoise"]["MedianAutocorrelation"]) < 0.03
    assert after["Rejected"] - after["OfWhiteNoise"]["Rejected"] < 0.05
