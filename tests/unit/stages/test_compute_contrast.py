"""A contrast over runs: its sidecar, runs that are left out, and nilearn's numbers in every map."""

import json
import shutil
import warnings

import nibabel as nib
import numpy as np
import pytest
from nilearn.glm.contrasts import compute_fixed_effect_contrast
from nilearn.glm.first_level.first_level import run_glm
from stage_calls import BASE, MAPS, refit

from compute_contrast import compute_contrast
from firstlevel.glm import fit as glm
from firstlevel.io import cells, image_writer, masked, sidecars, table_writer, tables
from firstlevel.quality import used_runs
from firstlevel.stage import InputError
from fit_glm import fit_glm


def test_contrast_sidecar_records_weights_and_degrees_of_freedom(fitted):
    """What was tested, over which runs, can be read from the sidecar."""
    compute_contrast(rows=["a - b"], statistic="t", label="aMinusB", **fitted)
    content = json.loads(fitted["sidecar"].read_text())
    assert content["DegreesOfFreedom"] == 36
    [run] = content["Runs"]
    assert (run["Fit"], run["Weights"], run["DegreesOfFreedom"]) == ("glm.json", [{"a": 1.0, "b": -1.0}], 36)
    assert content["VoxelsByNumberOfRuns"] == {"0": 0, "1": 64}
    assert content["EffectUnit"].startswith("percent of each voxel's mean")
    said = json.loads(fitted["design_jsons"][0].read_text())
    said["Modulators"] = [{"Name": "b", "Condition": "a", "Column": "gain"}]
    said["Responses"] = {name: {"EventDuration": 1.0, "Peak": 0.2} for name in "ab"}
    fitted["design_jsons"][0].write_text(json.dumps(said))
    for row, unit in (
        ("b", "percent of each voxel's mean, for one unit of gain, at"),
        ("a", "mean, at the plateau"),
    ):
        compute_contrast(rows=[row], statistic="t", label="one", **fitted)
        assert unit in json.loads(fitted["sidecar"].read_text())["EffectUnit"]
    compute_contrast(rows=["a", "b"], statistic="F", label="both", **fitted)
    content = json.loads(fitted["sidecar"].read_text())
    assert content["DegreesOfFreedom"] == [2, 36]
    assert content["EffectUnit"].startswith("standard deviations of the noise")
    assert nib.load(fitted["effect"]).shape == (4, 4, 4, 2)


def test_p_map_holds_what_single_precision_cannot(fitted):
    """A very strong effect has a p that is small, not zero."""
    beta = nib.load(fitted["betas"][0])
    nib.Nifti1Image(beta.get_fdata() + 1e4, beta.affine).to_filename(fitted["betas"][0])
    compute_contrast(rows=["a + b"], statistic="t", label="huge", **fitted)
    p = nib.load(fitted["p"]).get_fdata()
    assert 0 < p.max() < 1e-45


@pytest.mark.parametrize("row", ["a - b", "a - c"])
def test_nothing_is_found_outside_of_the_mask(fitted, row):
    """There p is 1 and all else 0, also where no run can estimate the contrast (NaN inside)."""
    inside = np.ones((4, 4, 4), np.uint8)
    inside[0] = 0
    image_writer.write_image(fitted["mask"], inside, BASE)
    compute_contrast(rows=[row], statistic="t", label="x", unestimable="missing", **fitted)
    for name in MAPS:
        values = nib.load(fitted[name]).get_fdata()
        assert (values[0] == (name == "p")).all()
        assert np.isnan(values[1:]).all() == (row == "a - c" and name != "n_runs")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a - c"], r"contrasts.x: no run can estimate a - c \(.*design.tsv: no regressor 'c'\)"),
        (["a", "b", "a - b"], "one of its rows is a linear combination of the others"),
    ],
)
def test_contrasts_that_make_no_sense_stop(fitted, rows, message):
    """An unknown regressor and dependent rows are errors, and no map is written."""
    with pytest.raises(InputError, match=message):
        compute_contrast(rows=rows, statistic="t", label="x", **fitted)
    assert not fitted["z"].exists()


def test_contrast_that_the_design_cannot_tell_apart_stops(fitted):
    """Of two equal regressors only the sum can be tested."""
    path = fitted["designs"][0]
    columns, values = cells.read_columns(path)
    table_writer.write_table(path, [*columns, "again"], [[*row, row[0]] for row in values])
    with pytest.raises(InputError, match=r"design.tsv: dependent regressors: \w+ \(follows from \w+\)"):
        compute_contrast(rows=["a - again"], statistic="t", label="x", **fitted)
    assert not fitted["z"].exists()
    compute_contrast(rows=["a - again"], statistic="t", label="x", unestimable="missing", **fitted)
    inside = nib.load(fitted["mask"]).get_fdata() > 0
    for name in MAPS:
        values = nib.load(fitted[name]).get_fdata()[inside]
        assert (values == 0).all() if name == "n_runs" else np.isnan(values).all(), name
    content = json.loads(fitted["sidecar"].read_text())
    assert content["Runs"] == []
    assert content["RunsLeftOut"][0]["Reason"].startswith("dependent regressors: ")


def test_runs_that_cannot_estimate_are_left_out_and_listed(tmp_path, fitted, caplog):
    """A second run without the regressor, and a third in which it repeats, change no byte of the maps."""
    compute_contrast(rows=["a - b"], statistic="t", label="x", **fitted)
    alone = {name: fitted[name].read_bytes() for name in MAPS}
    columns, values = cells.read_columns(fitted["designs"][0])
    without, repeated = tmp_path / "without.tsv", tmp_path / "repeated.tsv"
    table_writer.write_table(without, ["a", "c", *columns[2:]], values)
    table_writer.write_table(repeated, columns, [[row[0], row[0], *row[2:]] for row in values])
    fits = [tmp_path / f"{name}_glm.json" for name in ("one", "two", "three")]
    for fit in fits:
        shutil.copy(fitted["fits"][0], fit)
    given = fitted | {name: fitted[name] * 3 for name in ("betas", "sigma2s", "ar1s", "design_jsons")}
    given |= {"designs": [*fitted["designs"], without, repeated], "fits": fits}
    for options in ({"statistic": "t"}, {"statistic": "t", "weights": "precision"}):
        compute_contrast(rows=["a - b"], label="x", **options, **given)
        if "weights" not in options:
            assert {name: fitted[name].read_bytes() for name in alone} == alone
    of_runs = used_runs.of_contrasts([sidecars.read_json(fitted["sidecar"])], ["one", "two", "three"])
    used_runs.write(tmp_path / "t.tsv", of_runs)
    rows = [tuple(row.values.values()) for row in tables.read_rows(tmp_path / "t.tsv")]
    assert rows[:2] == [
        ("one", "x", "true", "true", "n/a"), ("two", "x", "false", "false", "no regressor 'b'"),
    ]  # fmt: skip
    assert rows[2][:4] == ("three", "x", "false", "false")
    assert rows[2][4] == "dependent regressors: b (follows from a)"
    assert f"{without} is left out of the contrast x: no regressor 'b'" in caplog.text
    compute_contrast(rows=["a", "b"], label="x", statistic="F", f_test="exact", **given)
    content = json.loads(fitted["sidecar"].read_text())
    assert content["DegreesOfFreedom"] == [2, 36]
    assert (content["FTest"], len(content["Runs"]), len(content["RunsLeftOut"])) == ("exact", 1, 2)
    assert nib.load(fitted["variance"]).shape == (4, 4, 4, 2)


def test_runs_of_unlike_repetition_times_are_told(tmp_path, fitted, caplog):
    """They may be combined, but not without a word; those that agree within 1 ms leave no trace."""
    fits = [tmp_path / f"{name}_glm.json" for name in ("one", "two")]
    for fit in fits:
        shutil.copy(fitted["fits"][0], fit)
    names = ("betas", "sigma2s", "ar1s", "designs")
    given = fitted | {name: fitted[name] * 2 for name in names} | {"fits": fits}
    sidecar = json.loads(fitted["design_jsons"][0].read_text())
    for time, told in ((2.0004, False), (3.0, True)):
        jsons = [tmp_path / f"{k}_design.json" for k in (1, 2)]
        for path, seconds in zip(jsons, (2.0, time), strict=True):
            path.write_text(json.dumps(sidecar | {"RepetitionTime": seconds}))
        compute_contrast(rows=["a - b"], statistic="t", label="x", **given | {"design_jsons": jsons})
        content = json.loads(fitted["sidecar"].read_text())
        assert content.get("RepetitionTimes") == ([2.0, 3.0] if told else None)
        assert ("have different repetition times: 2 s, 3 s" in caplog.text) is told


def test_approximate_f_has_no_weights_of_precision(fitted):
    """What would be ignored is refused."""
    with pytest.raises(InputError, match="the approximate F test cannot use precision weights"):
        compute_contrast(rows=["a", "b"], statistic="F", label="x", weights="precision", **fitted)


@pytest.mark.parametrize(("coverage", "n_tested"), [("any", 64), ("all", 48)])
def test_run_that_lacks_a_slice_leaves_it_to_the_others(tmp_path, fitted, caplog, coverage, n_tested):
    """The slice has the map of the one run that has it, with its degrees of freedom, or is not tested."""
    compute_contrast(rows=["a"], statistic="t", label="a", **fitted)
    alone = {
        name: nib.load(fitted[name]).get_fdata()[:, :, 3] for name in ("effect", "variance", "stat", "p", "z")
    }
    data = nib.load(tmp_path / "b.nii", mmap=False).get_fdata(dtype=np.float32)
    data[:, :, 3] = 0
    nib.Nifti1Image(data, BASE).to_filename(tmp_path / "b.nii")
    refit(tmp_path, fitted, signal_scaling="voxel")
    second = {
        f"{name}s": [*fitted[f"{name}s"], tmp_path / f"re_{name}.nii.gz"]
        for name in ("beta", "sigma2", "ar1")
    }
    second |= {name: fitted[name] * 2 for name in ("designs", "design_jsons")}
    second["fits"] = [*fitted["fits"], tmp_path / "re.json"]
    compute_contrast(rows=["a"], statistic="t", label="a", coverage=coverage, **(fitted | second))
    n_runs = nib.load(fitted["n_runs"]).get_fdata()
    assert (n_runs[:, :, :3] == 2).all()
    assert (n_runs > 0).sum() == n_tested
    for name, values in alone.items():
        found = nib.load(fitted[name]).get_fdata()[:, :, 3]
        if coverage == "any":
            np.testing.assert_array_equal(found, values)
        elif name != "p":
            assert not found.any()
    content = json.loads(fitted["sidecar"].read_text())
    assert content["VoxelsByNumberOfRuns"] == {"0": 64 - n_tested, "1": n_tested - 48, "2": 48}
    assert "16 of 64 voxels are not in all 2 runs" in caplog.text


def test_corrected_noise_model_reaches_the_contrast_through_its_map(tmp_path, fitted):
    """The variance of a contrast, made from the single-precision map of rho, is that of the fit in double."""
    maps = {f"{name}s": [tmp_path / f"re_{name}.nii.gz"] for name in ("beta", "sigma2", "ar1")}
    _, said = refit(tmp_path, fitted, noise_model="ar1_corrected")
    assert said["NoiseModel"] == "ar1_corrected"
    compute_contrast(rows=["a - b"], statistic="t", label="d", **(fitted | maps))
    design = np.array(cells.read_columns(fitted["designs"][0])[1], dtype=float)
    series = nib.load(tmp_path / "b.nii").get_fdata().reshape(-1, 40).T
    exact = glm.fit(series, glm.Design.of(design), "ar1_corrected")
    c, t = np.array([1.0, -1.0, 0.0, 0.0]), []
    for voxel, rho in enumerate(exact.ar1):
        white = np.vstack([design[:1], design[1:] - rho * design[:-1]])
        variance = exact.sigma2[voxel] * (c @ np.linalg.inv(white.T @ white) @ c)
        t.append(c @ exact.beta[:, voxel] / np.sqrt(variance))
    assert len(np.unique(exact.ar1)) > 20
    np.testing.assert_allclose(nib.load(fitted["stat"]).get_fdata().ravel(), t, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scaling", ["voxel", "none"])
@pytest.mark.parametrize("value", [0.0, 850.1])
def test_voxels_that_never_change_are_counted_and_no_effect_is_found_there(
    tmp_path, fitted, caplog, scaling, value
):
    """No rounding error becomes an effect: nilearn's z of a constant 850.1 may well be -4."""
    data = nib.load(tmp_path / "b.nii").get_fdata()
    data[1, 2, 3] = data[0, 0, 0] = value
    data[2, 2, 2, [0, 20, 39]] = 800.0  # alike in three scans, not in all
    nib.Nifti1Image(data.astype(np.float32), BASE).to_filename(tmp_path / "b.nii")
    maps, _ = refit(tmp_path, fitted, signal_scaling=scaling)
    assert "2 of 64 voxels of the mask are missing in this run, of which 2 never change" in caplog.text
    np.testing.assert_array_equal(maps["sigma2"][[0, 1], [0, 2], [0, 3]], 0.0)
    compute_contrast(
        rows=["a"], statistic="t", label="a",
        **(fitted | {f"{name}s": [tmp_path / f"re_{name}.nii.gz"] for name in ("beta", "sigma2", "ar1")}),
    )  # fmt: skip
    z = nib.load(fitted["z"]).get_fdata()
    np.testing.assert_array_equal([z[1, 2, 3], z[0, 0, 0]], 0.0)
    assert abs(z[2, 2, 2]) > 1e-3


@pytest.mark.parametrize(("rows", "statistic"), [(["a - b"], "t"), (["a", "b"], "F"), (["a"], "F")])
def test_every_map_over_two_runs_of_different_designs_is_nilearns(tmp_path, rows, statistic):
    """Effect, variance, statistic, p and z of two runs whose columns stand in another order."""
    rng, mask = np.random.default_rng(5), np.ones((4, 4, 4), bool)
    image_writer.write_image(tmp_path / "mask.nii.gz", mask.astype(np.uint8), BASE)
    given = {"betas": [], "sigma2s": [], "ar1s": [], "designs": [], "fits": [], "design_jsons": []}
    labels, results, weights = [], [], []
    for run, columns in enumerate((["a", "b", "constant"], ["b", "extra", "a", "constant"])):
        design = rng.standard_normal((50 + 10 * run, len(columns)))
        design[:, -1] = 1.0
        data = rng.standard_normal((len(design), 64)).astype(np.float32) * 5 + 100 + design[:, :1] * 3
        volume = np.zeros((len(design), 4, 4, 4), np.float32)
        volume[:, mask.T] = data
        nib.Nifti1Image(volume.T, BASE).to_filename(tmp_path / f"{run}.nii")
        table_writer.write_table(tmp_path / f"{run}.tsv", columns, design.tolist())
        roles = [{"Name": name, "Role": "condition"} for name in columns]
        sidecars.write_json(tmp_path / f"{run}_design.json", {"Columns": roles})
        maps = {name: tmp_path / f"{run}_{name}.nii.gz" for name in ("beta", "sigma2", "ar1", "rsquared")}
        fit_glm(
            bold=[tmp_path / f"{run}.nii"], design=tmp_path / f"{run}.tsv", mask=tmp_path / "mask.nii.gz",
            design_json=tmp_path / f"{run}_design.json", sidecar=tmp_path / f"{run}.json",
            noise_model="ar1", signal_scaling="none", **maps,
        )  # fmt: skip
        label, result = run_glm(data.astype(np.float64), design, noise_model="ar1")
        labels.append(label)
        results.append(result)
        signs = {"a - b": {"a": 1, "b": -1}, "a": {"a": 1}, "b": {"b": 1}}
        weights.append(np.array([[signs[row].get(column, 0) for column in columns] for row in rows], float))
        for key, path in zip(given, (maps["beta"], maps["sigma2"], maps["ar1"]), strict=False):
            given[key].append(path)
        given["designs"].append(tmp_path / f"{run}.tsv")
        given["design_jsons"].append(tmp_path / f"{run}_design.json")
        given["fits"].append(tmp_path / f"{run}.json")
        rsquared = np.empty(64)
        for value, fit in result.items():
            rsquared[label == value] = fit.r_square[:]
        np.testing.assert_allclose(masked.read_masked(maps["rsquared"], mask), rsquared, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(
            masked.read_masked(maps["ar1"], mask), label.astype(float), rtol=0, atol=1e-6
        )
    out = {name: tmp_path / f"c_{name}.nii.gz" for name in MAPS}
    compute_contrast(
        **given, **out, mask=tmp_path / "mask.nii.gz", sidecar=tmp_path / "c.json",
        rows=rows, statistic=statistic, label="x",
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = compute_fixed_effect_contrast(labels, results, weights, stat_type=statistic)
    read = {name: masked.read_masked(path, mask) for name, path in out.items()}
    np.testing.assert_allclose(np.squeeze(read["effect"]), np.squeeze(expected.effect), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(read["variance"], expected.variance, rtol=1e-5, atol=0)
    np.testing.assert_allclose(read["stat"], expected.stat(), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(read["p"], expected.p_value(), rtol=1e-3, atol=0)
    np.testing.assert_allclose(read["z"], expected.z_score(), rtol=1e-3, atol=1e-4)
    assert json.loads((tmp_path / "c.json").read_text())["Statistic"] == statistic
