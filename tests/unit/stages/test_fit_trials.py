"""Single trials as a stage: maps, table and sidecar, scaling, voxels without data, what has no estimate."""

import csv
import json
import logging

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.glm.first_level import FirstLevelModel, make_first_level_design_matrix
from stage_calls import BASE, DESIGN_OPTIONS, refit
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
