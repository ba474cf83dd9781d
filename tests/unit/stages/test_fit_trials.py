"""Single trials as a stage: maps, table and sidecar, scaling, voxels without data, what has no estimate."""

import csv
import json
import logging

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.glm.first_level import FirstLevelModel, make_first_level_design_matrix
from scipy.linalg import toeplitz
from stage_calls import BASE, DESIGN_OPTIONS, refit
from statsmodels.regression.linear_model import GLS
from statsmodels.tsa.arima_process import arma_acovf
from with_headers import make_design_matrix

from firstlevel.glm import single_trials
from firstlevel.glm.design import DesignOptions
from firstlevel.io import image_writer, scratch, table_writer
from firstlevel.io.scratch_maps import ScratchMaps
from firstlevel.stage import InputError
from fit_trials import fit_trials

SINGLE = {"rtol": 1e-5, "atol": 1e-4}
"""Maps and data are in single precision."""
OPTIONS = DesignOptions("glover", "none", 0.01, -24, 16)


def run_stage(tmp_path, **changes):
    """Maps of the trials, rows of the table, sidecar."""
    files = {
        "beta": tmp_path / "t_beta.nii.gz", "t": tmp_path / "t_t.nii.gz",
        "trials": tmp_path / "t.tsv", "sidecar": tmp_path / "t.json",
    }  # fmt: skip
    given = {
        "bold": [tmp_path / "b.nii"],
        "events": tmp_path / "of_run.tsv", "events_json": tmp_path / "of_run.json",
        "design": tmp_path / "design.tsv", "design_json": tmp_path / "design.json",
        "fit": tmp_path / "glm.json", "sigma2": tmp_path / "sigma2.nii.gz", "mask": tmp_path / "mask.nii.gz",
        "model": "lss", "conditions": None, "of_responses": OPTIONS, "noise_model": "ar1",
        "signal_scaling": "voxel",
    }  # fmt: skip
    fit_trials(**(given | files | changes))
    with files["trials"].open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    beta, t = (nib.load(files[name]).get_fdata() for name in ("beta", "t"))
    return beta, t, rows, json.loads(files["sidecar"].read_text())


def test_maps_are_those_of_nilearns_first_level_model(tmp_path, fitted):
    """From the same files: each trial under a name of its own, in percent signal change, AR(1)."""
    beta, t, rows, said = run_stage(tmp_path)
    assert beta.shape == t.shape == (4, 4, 4, 18)
    assert [row["volume"] for row in rows] == [str(k) for k in range(18)]
    events = pd.read_csv(tmp_path / "of_run.tsv", sep="\t")
    confound = pd.read_csv(tmp_path / "confounds.tsv", sep="\t")[["rot_x"]].to_numpy()
    for volume in (0, 7, 17):
        row = rows[volume]
        event = events.loc[int(row["row"]) - 2]
        assert (float(row["onset"]), row["trial_type"]) == (event["onset"], event["trial_type"])
        alone = events.copy()
        alone.loc[int(row["row"]) - 2, "trial_type"] = "trial"
        design = make_first_level_design_matrix(
            2.0 * np.arange(40) + 1.0, alone, hrf_model="glover", drift_model=None, oversampling=16,
            add_regs=confound, add_reg_names=["rot_x"],
        )  # fmt: skip
        model = FirstLevelModel(
            mask_img=str(tmp_path / "mask.nii.gz"), signal_scaling=0, minimize_memory=False
        )
        model.fit(str(tmp_path / "b.nii"), design_matrices=[design])
        for ours, kind in ((beta, "effect_size"), (t, "stat")):
            theirs = model.compute_contrast("trial", output_type=kind).get_fdata()
            np.testing.assert_allclose(ours[..., volume], theirs, **SINGLE)
    assert said["Model"] == "lss"
    assert said["NumberOfTrials"] == said["EstimableTrials"] == 18
    assert said["Conditions"]["a"]["Trials"] == 9
    assert said["DegreesOfFreedom"] == 40 - 5
    assert {"events", "volume"} & set(said) == set()


def test_conditions_that_are_not_listed_stay_one_regressor(tmp_path, fitted):
    beta, _, rows, said = run_stage(tmp_path, conditions=["b"])
    assert {row["trial_type"] for row in rows} == {"b"}
    assert beta.shape[3] == len(rows) == 9
    assert said["OtherRegressors"] == ["a", "rot_x", "constant"]
    assert [int(row["row"]) for row in rows] == list(range(3, 20, 2))


@pytest.mark.parametrize("scaling", ["grand_mean", "spm_global", "none"])
def test_scaling_is_that_of_the_fit(tmp_path, fitted, scaling):
    """Betas scale with the data, t values do not; the sidecar of the fit has the grand mean."""
    refit(tmp_path, fitted, signal_scaling=scaling, noise_model="ols")
    beta, t, _, said = run_stage(
        tmp_path, signal_scaling=scaling, noise_model="ols", fit=tmp_path / "re.json", model="lsa"
    )
    plain, plain_t, _, _ = run_stage(tmp_path, signal_scaling="none", noise_model="ols", model="lsa")
    factor = 100 / said["GrandMean"] if "GrandMean" in said else 1.0
    assert ("GrandMean" in said) == (scaling != "none")
    np.testing.assert_allclose(beta, factor * plain, **SINGLE)
    np.testing.assert_allclose(t, plain_t, **SINGLE)


def test_voxels_that_the_run_does_not_have_are_0(tmp_path, fitted):
    """Those of which the residual variance is 0."""
    first, _, _, _ = run_stage(tmp_path)
    sigma2 = np.full((4, 4, 4), 1.0, np.float32)
    sigma2[0] = 0
    image_writer.write_image(tmp_path / "sigma2.nii.gz", sigma2, BASE)
    beta, t, _, _ = run_stage(tmp_path)
    assert not beta[0].any()
    assert not t[0].any()
    np.testing.assert_array_equal(beta[1:], first[1:])


def test_trial_without_an_estimate_is_nan_and_told(tmp_path, fitted, caplog):
    """In maps, table, sidecar and log; its volume stays, so that volumes and rows agree."""
    rows = [(4.0 * k, 1.0, "ab"[k % 2]) for k in range(18)] + [(77.5, 1.0, "a"), (90.0, 1.0, "b")]
    table_writer.write_table(tmp_path / "events.tsv", ("onset", "duration", "trial_type"), rows)
    make_design_matrix(
        source=[tmp_path / "events.tsv"], bold=[tmp_path / "b.nii"], design=tmp_path / "design.tsv",
        sidecar=tmp_path / "design.json", **DESIGN_OPTIONS,
    )  # fmt: skip
    with caplog.at_level(logging.WARNING):
        beta, t, table, said = run_stage(tmp_path)
    assert [row["estimable"] for row in table] == ["true"] * 18 + ["false"] * 2
    assert table[-1]["reason"] == "it begins after the last scan"
    assert (table[-1]["vif"], table[0]["reason"]) == ("n/a", "n/a")
    assert float(table[0]["vif"]) >= 1
    for maps in (beta, t):
        assert np.isnan(maps[..., 18:]).all()
        assert np.isfinite(maps[..., :18]).all()
    assert said["EstimableTrials"] == 18
    assert said["Conditions"]["b"]["Estimable"] == 9
    assert (
        "row 21, b at 90 s: not estimable, NaN in its volumes: it begins after the last scan" in caplog.text
    )


def test_maps_do_not_depend_on_the_size_of_blocks(tmp_path, fitted, monkeypatch):
    """Nor is anything left beside them."""
    first = run_stage(tmp_path)
    before = set(tmp_path.iterdir())
    monkeypatch.setattr(single_trials, "VALUES", 1)  # 64 voxels at a time, and those of one scratch block
    monkeypatch.setattr(scratch, "BLOCK", 7)
    second = run_stage(tmp_path)
    for k in (0, 1):
        np.testing.assert_allclose(first[k], second[k], rtol=1e-6, atol=1e-6)
    assert set(tmp_path.iterdir()) == before


@pytest.fixture
def several_kinds(tmp_path, fitted):
    """The run with noise of another AR(1) coefficient from voxel to voxel, and one that never changes."""
    rng, rho = np.random.default_rng(2), np.resize([0.0, 0.4, 0.8], (4, 4, 4, 1))
    made = rng.standard_normal((4, 4, 4, 140))
    for scan in range(1, 140):
        made[..., scan] += rho[..., 0] * made[..., scan - 1]
    made = 800 + 8 * made[..., 100:]
    made[2, 1, 3] = 700
    nib.Nifti1Image(made.astype(np.float32), BASE).to_filename(tmp_path / "b.nii")
    return fitted


def refit_noise(tmp_path, fitted, noise_model):
    """Fit the run with noise that is saved; give its files, by what fit_trials calls them."""
    files = {"arma": tmp_path / "arma.nii.gz"} if noise_model == "arma11" else {
        "posterior": tmp_path / "posterior.nii.gz", "processes": tmp_path / "processes.tsv",
    }  # fmt: skip
    refit(tmp_path, fitted, noise_model=noise_model, signal_scaling="voxel", **files)
    return files | {"fit": tmp_path / "re.json", "sigma2": tmp_path / "re_sigma2.nii.gz"}


def saved_covariances(files):
    """Dense covariances of the noise, and their weights at each voxel (x, y, z, G)."""
    if "arma" in files:
        pairs = nib.load(files["arma"]).get_fdata()
        known = np.unique(pairs.reshape(-1, 2), axis=0)
        acvs = [arma_acovf([1.0, -a], [1.0, b], 40) for a, b in known]
        weights = (pairs[..., np.newaxis, :] == known).all(axis=-1).astype(float)
    else:
        coefficients = pd.read_csv(files["processes"], sep="\t").filter(like="ar_").to_numpy()
        acvs = [arma_acovf(np.r_[1.0, -a], [1.0], 40) for a in coefficients]
        weights = np.asarray(nib.load(files["posterior"]).get_fdata())
        weights = weights / np.maximum(weights.sum(axis=-1, keepdims=True), 1)
    return [toeplitz(acv) for acv in acvs], weights


@pytest.mark.parametrize("noise_model", ["mixture", "arma11"])
@pytest.mark.parametrize("model", ["lsa", "lss"])
def test_noise_that_the_fit_has_saved_is_that_of_the_trials(tmp_path, several_kinds, model, noise_model):
    """At each voxel its own, against dense GLS fits of the files; a voxel without data stays 0."""
    files = refit_noise(tmp_path, several_kinds, noise_model)
    beta, t, rows, said = run_stage(tmp_path, model=model, noise_model=noise_model, **files)
    covariances, weights = saved_covariances(files)
    assert (weights > 0.05).sum(axis=(0, 1, 2)).astype(bool).sum() > 1
    assert not beta[2, 1, 3].any()
    assert not t[2, 1, 3].any()
    data = nib.load(tmp_path / "b.nii").get_fdata()
    events = pd.read_csv(tmp_path / "of_run.tsv", sep="\t")
    place = int(rows[7]["row"]) - 2
    if model == "lsa":
        events["trial_type"] = [f"other{k}" for k in range(len(events))]
    events.loc[place, "trial_type"] = "trial"
    design = make_first_level_design_matrix(
        2.0 * np.arange(40) + 1.0, events, hrf_model="glover", drift_model=None, oversampling=16,
        add_regs=pd.read_csv(tmp_path / "confounds.tsv", sep="\t")[["rot_x"]].to_numpy(),
    )  # fmt: skip
    contrast = (design.columns == "trial").astype(float)
    for voxel in [(0, 0, 0), (3, 0, 1), (1, 2, 3), (2, 1, 2), (3, 3, 3), (0, 2, 1)]:
        y = 100 * (data[voxel] / data[voxel].mean() - 1)
        tests = [GLS(y, design.to_numpy(), sigma=v).fit().t_test(contrast) for v in covariances]
        effects = np.array([np.squeeze(one.effect) for one in tests])
        mean = weights[voxel] @ effects
        variances = np.array([np.squeeze(one.sd) ** 2 for one in tests]) + (effects - mean) ** 2
        np.testing.assert_allclose(beta[(*voxel, 7)], mean, **SINGLE)
        np.testing.assert_allclose(t[(*voxel, 7)], mean / np.sqrt(weights[voxel] @ variances), **SINGLE)
    assert said["NoiseModel"] == noise_model
    assert said["NoiseIsOf"].startswith("the fit of the run")


def test_blocks_do_not_matter_to_noise_that_is_saved(tmp_path, several_kinds, monkeypatch):
    """Voxels are taken in the order of their noise, whatever the blocks."""
    files = refit_noise(tmp_path, several_kinds, "arma11") | {"noise_model": "arma11"}
    first = run_stage(tmp_path, **files)
    monkeypatch.setattr(scratch, "BLOCK", 7)
    second = run_stage(tmp_path, **files)
    for k in (0, 1):
        np.testing.assert_allclose(first[k], second[k], rtol=1e-6, atol=1e-6)


def test_noise_of_the_fit_without_its_files_stops(tmp_path, fitted):
    """Called by hand, say; not fitted as if the noise were white."""
    with pytest.raises(ValueError, match="mixture needs the noise that the fit of the run has saved"):
        run_stage(tmp_path, noise_model="mixture")


def test_processes_of_another_fit_stop(tmp_path, several_kinds):
    files = refit_noise(tmp_path, several_kinds, "mixture")
    lines = files["processes"].read_text().splitlines(keepends=True)
    files["processes"].write_text("".join(lines[:-1]))
    with pytest.raises(ValueError, match=r"posterior.nii.gz has \d+ volumes for \d+ noise processes"):
        run_stage(tmp_path, noise_model="mixture", **files)


def test_noise_of_an_earlier_fit_of_the_run_stops(tmp_path, several_kinds):
    """Its files may still lie there when the run has been fitted with another model."""
    files = refit_noise(tmp_path, several_kinds, "mixture")
    refit(tmp_path, several_kinds, noise_model="ar1", signal_scaling="voxel")
    with pytest.raises(InputError, match=r"fitted with the noise model ar1(?s:.)*forcerun fit_glm"):
        run_stage(tmp_path, noise_model="mixture", **files)


def test_too_many_trials_name_the_other_model(tmp_path, fitted):
    rows = [(1.9 * k, 0.5, "ab"[k % 2]) for k in range(41)]
    table_writer.write_table(tmp_path / "events.tsv", ("onset", "duration", "trial_type"), rows)
    make_design_matrix(
        source=[tmp_path / "events.tsv"], bold=[tmp_path / "b.nii"], design=tmp_path / "design.tsv",
        sidecar=tmp_path / "design.json", **DESIGN_OPTIONS,
    )  # fmt: skip
    with pytest.raises(InputError, match=r"design.tsv: no degrees of freedom.*\n.*\n.*model: lss"):
        run_stage(tmp_path, model="lsa")
    assert len(run_stage(tmp_path)[2]) == 41


def test_maps_in_a_scratch_file_are_read_as_they_were_written(tmp_path):
    """Written by voxels, read by maps, in single precision; the file has no name."""
    values = np.random.default_rng(0).standard_normal((5, 11))
    with ScratchMaps.beside(tmp_path / "beta.nii", 11) as maps:
        for low in range(0, 11, 4):
            maps.write(low, values[:, low : low + 4])
        for number, each in enumerate(values):
            np.testing.assert_array_equal(maps.read(number), each.astype(np.float32))
        assert not list(tmp_path.iterdir())
        with pytest.raises(OSError, match="ended before map 5"):
            maps.read(5)
