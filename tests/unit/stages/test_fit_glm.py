"""The fit of a run as a stage: scaling, voxels without data, noise of unequal steps, and what it refuses."""

import json

import nibabel as nib
import numpy as np
import pytest
from nilearn.glm.first_level.first_level import run_glm
from stage_calls import BASE, refit

from firstlevel import stage
from firstlevel.io import cells, image_writer, masked, table_writer
from firstlevel.stage import InputError
from fit_glm import fit_glm


def test_fit_refuses_more_regressors_than_scans(tmp_path, fitted):
    """No degrees of freedom, no maps."""
    path = fitted["designs"][0]
    columns, values = cells.read_columns(path)
    table_writer.write_table(path, columns, values[:4])
    arguments = {name: tmp_path / f"n_{name}.nii.gz" for name in ("beta", "sigma2", "ar1", "rsquared")}
    with pytest.raises(InputError, match="no degrees of freedom"):
        fit_glm(
            bold=[tmp_path / "b.nii"], design=path, mask=fitted["mask"], sidecar=tmp_path / "n.json",
            design_json=tmp_path / "design.json",
            noise_model="ols", signal_scaling="none", **arguments,
        )  # fmt: skip


@pytest.mark.parametrize("noise_model", ["ols", "ar1"])
def test_grand_mean_scaling_is_that_of_the_data_before_the_fit(tmp_path, fitted, monkeypatch, noise_model):
    """Y = 100 y / m, m the mean over scans and mask, over several blocks of voxels too; nilearn fits it."""
    monkeypatch.setattr(masked, "BLOCK_BYTES", 1)
    inside = np.random.default_rng(0).random((4, 4, 4)) > 0.3
    image_writer.write_image(tmp_path / "mask.nii.gz", inside.astype(np.uint8), BASE)
    data = nib.load(tmp_path / "b.nii").get_fdata()
    data *= np.linspace(0.5, 1.5, 4)[:, None, None, None]
    nib.Nifti1Image(data.astype(np.float32), BASE).to_filename(tmp_path / "b.nii")
    series = nib.load(tmp_path / "b.nii").get_fdata()[inside].T
    maps, said = refit(tmp_path, fitted, noise_model=noise_model, signal_scaling="grand_mean")
    assert said["GrandMean"] == pytest.approx(series.mean(), rel=1e-12)
    design = np.array(cells.read_columns(fitted["designs"][0])[1], dtype=float)
    labels, results = run_glm(100 * series / series.mean(), design, noise_model=noise_model)
    for label, result in results.items():
        at = labels == label
        np.testing.assert_allclose(maps["beta"][inside][at].T, result.theta, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(maps["sigma2"][inside][at], result.dispersion, rtol=1e-6, atol=0)
        np.testing.assert_allclose(maps["rsquared"][inside][at], result.r_square, rtol=0, atol=1e-6)


def test_small_units_are_a_percentage_of_the_grand_mean(tmp_path, fitted):
    """A mean of 0.02 is a baseline all the same: grand_mean gives the betas of the unscaled images."""
    series = nib.load(tmp_path / "b.nii").get_fdata()
    large, _ = refit(tmp_path, fitted, signal_scaling="grand_mean")
    nib.Nifti1Image((series / 40000).astype(np.float32), BASE).to_filename(tmp_path / "b.nii")
    small, _ = refit(tmp_path, fitted, signal_scaling="grand_mean")
    np.testing.assert_allclose(small["beta"], large["beta"], rtol=0, atol=1e-4)


def test_spm_global_is_that_of_the_whole_volume(tmp_path, fitted):
    """The mean over scans of the voxels above an eighth of each whole volume's mean, in the mask or not."""
    series = nib.load(tmp_path / "b.nii").get_fdata()
    series[2:] = 60.0 + np.random.default_rng(1).normal(0, 1, series[2:].shape)  # air, above no eighth
    series[2, 0, 0] = 2000.0  # bright, outside of the mask
    nib.Nifti1Image(series.astype(np.float32), BASE).to_filename(tmp_path / "b.nii")
    mask = np.zeros((4, 4, 4), np.uint8)
    mask[:2] = 1
    image_writer.write_image(tmp_path / "half.nii.gz", mask, BASE)
    options = {"noise_model": "ols", "mask": tmp_path / "half.nii.gz"}
    maps, said = refit(tmp_path, fitted, signal_scaling="spm_global", **options)
    plain, _ = refit(tmp_path, fitted, signal_scaling="none", **options)
    single = series.astype(np.float32).astype(float)
    of_scans = [volume[volume > volume.mean() / 8].mean() for volume in np.moveaxis(single, 3, 0)]
    np.testing.assert_allclose(said["GrandMean"], np.mean(of_scans), rtol=1e-9)
    np.testing.assert_allclose(maps["beta"], 100 / np.mean(of_scans) * plain["beta"], rtol=1e-5, atol=1e-5)


def test_voxels_outside_of_the_field_of_view_are_missing_in_the_run(tmp_path, fitted):
    """Where it is given, maps are 0 outside of it and unchanged inside; the sidecar counts them."""
    whole, _ = refit(tmp_path, fitted)
    covered = np.ones((4, 4, 4), np.uint8)
    covered[:, :, 3] = 0
    image_writer.write_image(tmp_path / "fov.nii.gz", covered, BASE)
    parts, said = refit(tmp_path, fitted, field_of_view=tmp_path / "fov.nii.gz")
    assert said["MissingVoxels"] == 16
    for name, values in whole.items():
        assert not parts[name][:, :, 3].any()
        np.testing.assert_array_equal(parts[name][:, :, :3], values[:, :, :3])


def test_unequal_steps_have_white_noise_or_stop(tmp_path, fitted):
    """An AR(1) coefficient is one for one step between scans, and so is any process."""
    content = json.loads((tmp_path / "design.json").read_text())
    (tmp_path / "unequal.json").write_text(json.dumps(content | {"EqualSteps": False}))
    for noise_model in ("ar1", "ar1_corrected", "arma11", "mixture"):
        with pytest.raises(InputError, match="the scans are unequally spaced"):
            refit(tmp_path, fitted, noise_model=noise_model, design_json=tmp_path / "unequal.json")
    refit(tmp_path, fitted, noise_model="ols", design_json=tmp_path / "unequal.json")


@pytest.mark.parametrize(
    ("values", "scaling", "message"),
    [
        (np.full((4, 4, 4, 40), 850.0), "voxel", "no voxel of the mask changes"),
        (
            np.random.default_rng(0).normal(-5, 1, (4, 4, 4, 40)),
            "grand_mean",
            "in 100% of the voxels of the mask",
        ),
        (
            np.random.default_rng(0).normal(0.02, 1e-4, (4, 4, 4, 40)),
            "voxel",
            "below 1 or below the standard deviation",
        ),
        (np.random.default_rng(0).normal(0, 8, (4, 4, 4, 40)), "voxel", "percent signal change is undefined"),
        (
            np.random.default_rng(0).normal(5, 8, (4, 4, 4, 40)),
            "voxel",
            "below the standard deviation over time",
        ),
        (
            np.random.default_rng(0).normal(0, 8, (4, 4, 4, 40)),
            "grand_mean",
            "below the standard deviation over time",
        ),
        (
            np.random.default_rng(0).normal(0, 8, (4, 4, 4, 40)),
            "spm_global",
            "below the standard deviation over time",
        ),
        (np.random.default_rng(0).normal(800, 1, (4, 4, 4, 39)), "voxel", "40 rows for a run of 39 scans"),
        (np.random.default_rng(0).normal(800, 1, (4, 4, 5, 40)), "voxel", r"shape \(4, 4, 4\), and the run"),
    ],
)
def test_fit_refuses_what_would_give_wrong_maps(tmp_path, fitted, values, scaling, message):
    """A run without signal or mean, of another length or on another grid gives an error and no map."""
    nib.Nifti1Image(values.astype(np.float32), BASE).to_filename(tmp_path / "b.nii")
    with pytest.raises(InputError, match=message):
        refit(tmp_path, fitted, signal_scaling=scaling)
    assert not list(tmp_path.glob("*re_*"))


def test_command_line_of_a_stage_takes_its_own_values(tmp_path, fitted):
    """A stage runs by hand with the flags of its parameters, and refuses what is no choice."""
    arguments = [
        "--bold",
        str(tmp_path / "b.nii"),
        "--design",
        str(fitted["designs"][0]),
        "--mask",
        str(fitted["mask"]),
    ]
    for name in ("beta", "sigma2", "ar1", "rsquared"):
        arguments += [f"--{name}", str(tmp_path / f"cli_{name}.nii.gz")]
    arguments += ["--sidecar", str(tmp_path / "cli.json"), "--signal-scaling", "voxel"]
    arguments += ["--design-json", str(tmp_path / "design.json")]
    stage.run(fit_glm, argv=[*arguments, "--noise-model", "ar1"])
    assert (tmp_path / "cli_beta.nii.gz").read_bytes() == (tmp_path / "beta.nii.gz").read_bytes()
    with pytest.raises(SystemExit):
        stage.run(fit_glm, argv=[*arguments, "--noise-model", "AR1"])
