"""Stages as functions: what is in no module, the reading, writing and refusing."""

import json

import nibabel as nib
import numpy as np
import pytest
import scipy.io
from nilearn.image import smooth_img
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from compute_contrast import compute_contrast
from compute_mask import compute_mask
from compute_mean_image import compute_mean_image
from extract_events import extract_events
from firstlevel import images, tables
from firstlevel.stage import InputError
from fit_glm import fit_glm
from make_design_matrix import make_design_matrix
from resample_run import resample_run

SINGLE_PRECISION = 1e-3
BASE = np.array([[3.0, 0.2, 0, -30], [-0.2, 3, 0.1, -35], [0, -0.1, 4, -20], [0, 0, 0, 1]])


def moved(affine, angle, shift):
    """Affine of a volume whose head has turned about z (degrees) and shifted (mm)."""
    move = np.eye(4)
    move[:3, :3] = Rotation.from_euler("z", angle, degrees=True).as_matrix()
    move[:3, 3] = shift
    return move @ affine


@pytest.fixture
def runs(tmp_path):
    """Two runs of four volumes, each with its own affine; bright voxels make splines overshoot."""
    rng, made = np.random.default_rng(0), []
    for run in (1, 2):
        folder = tmp_path / f"run-{run}"
        folder.mkdir()
        volumes = []
        for scan in range(4):
            data = rng.integers(600, 800, (20, 22, 12)).astype(np.float32)
            data[8:12, 8:12, 5:7] += 300 * (scan == 2)
            affine = moved(BASE, 0.8 * scan + 2 * (run - 1), (0.4 * scan, 0.2 * scan, 1.5 * (run - 1)))
            nib.Nifti1Image(data, affine).to_filename(folder / f"v{scan}.nii")
            volumes.append((data.astype(np.float64), nib.load(folder / f"v{scan}.nii").affine))
        made.append((folder, volumes))
    return made


def interpolated(data, affine, target, shape):
    """One interpolation by scipy, without clipping."""
    mapping = np.linalg.inv(affine) @ target
    return affine_transform(data, mapping[:3, :3], mapping[:3, 3], output_shape=shape, order=3)


def clipped(data, of):
    return np.clip(data, min(of.min(), 0), max(of.max(), 0))


def resample(tmp_path, runs, number, **options):
    out = tmp_path / "out.nii"
    options = {"strategy": "sequential", "smoothing_fwhm": None, "repetition_time": 2.0} | options
    folder = runs[number][0]
    resample_run(
        bold=[folder], reference=[runs[0][0]], resampled=out, sidecar=tmp_path / "out.json", **options
    )
    return nib.load(out)


@pytest.mark.parametrize("threads", [1, 3])
def test_direct_resampling_is_one_interpolation_clipped_to_each_volume(tmp_path, runs, threads):
    """Each volume goes straight to the first volume of the first run."""
    target, shape = runs[0][1][0][1], (20, 22, 12)
    ours = resample(tmp_path, runs, 1, strategy="direct", threads=threads)
    for scan, (data, affine) in enumerate(runs[1][1]):
        expected = clipped(interpolated(data, affine, target, shape), data)
        np.testing.assert_allclose(ours.dataobj[..., scan], expected, rtol=0, atol=SINGLE_PRECISION)


def test_sequential_resampling_clips_its_second_pass_to_the_range_of_the_run(tmp_path, runs):
    """The second interpolation may exceed the range of a volume, but not that of the run."""
    target, own, shape = runs[0][1][0][1], runs[1][1][0][1], (20, 22, 12)
    first = [runs[1][1][0][0]]
    first += [clipped(interpolated(d, a, own, shape), d) for d, a in runs[1][1][1:]]
    whole = np.stack(first, axis=-1)
    second = np.stack([interpolated(d, own, target, shape) for d in first], axis=-1)
    assert second.max() > whole.max()
    assert any(s.max() > f.max() and s.max() < whole.max() for s, f in zip(second.T, whole.T, strict=True))
    ours = resample(tmp_path, runs, 1)
    np.testing.assert_allclose(ours.dataobj, clipped(second, whole), rtol=0, atol=SINGLE_PRECISION)


def test_first_volume_is_copied(tmp_path, runs):
    """A volume on the reference grid already is not interpolated."""
    ours = resample(tmp_path, runs, 0)
    np.testing.assert_array_equal(ours.dataobj[..., 0], runs[0][1][0][0])


def test_smoothing_is_nilearns_after_resampling(tmp_path, runs):
    """A FWHM in mm smooths each resampled volume."""
    plain = resample(tmp_path, runs, 0).get_fdata()
    smooth = resample(tmp_path, runs, 0, smoothing_fwhm=6.0)
    expected = smooth_img(nib.Nifti1Image(plain, smooth.affine), 6.0).get_fdata()
    np.testing.assert_allclose(smooth.get_fdata(), expected, rtol=0, atol=SINGLE_PRECISION)


def test_sidecar_tells_what_moved_and_what_left_the_field_of_view(tmp_path, runs):
    """Displacements are those put into the affines, and every input has its digest."""
    resample(tmp_path, runs, 1)
    content = json.loads((tmp_path / "out.json").read_text())
    np.testing.assert_allclose(content["translation_mm"][3], [1.2, 0.6, 1.5], rtol=0, atol=1e-4)
    np.testing.assert_allclose(np.abs(content["rotation_deg"][3]), [0, 0, 4.4], rtol=0, atol=1e-4)
    assert content["voxels_outside_fov"][3] > content["voxels_outside_fov"][0] > 0
    assert len(content["sha256"]) == 4
    assert str(tmp_path) not in (tmp_path / "out.json").read_text()


def test_volume_with_nan_stops_and_leaves_nothing(tmp_path, runs):
    """A volume that is not finite names its file, and no run is written."""
    folder = runs[0][0]
    bad = nib.load(folder / "v2.nii").get_fdata()
    bad[3, 4, 5] = np.nan
    nib.Nifti1Image(bad, BASE).to_filename(folder / "v2.nii")
    with pytest.raises(InputError, match=r"v2\.nii: volume 3 holds 1 voxels that are NaN"):
        resample(tmp_path, runs, 0)
    assert not list(tmp_path.glob("*out*"))


def test_mean_image_counts_every_run_once(tmp_path, runs):
    """The mean over runs of different length is the mean of their means."""
    for name, n_scans in (("a.nii", 2), ("b.nii", 4)):
        volumes = [data for data, _ in runs[0][1][:n_scans]]
        nib.Nifti1Image(np.stack(volumes, axis=-1), BASE).to_filename(tmp_path / name)
    compute_mean_image(bold=[tmp_path / "a.nii", tmp_path / "b.nii"], mean=tmp_path / "mean.nii.gz")
    means = [nib.load(tmp_path / name).get_fdata().mean(axis=-1) for name in ("a.nii", "b.nii")]
    ours = nib.load(tmp_path / "mean.nii.gz").get_fdata()
    np.testing.assert_allclose(ours, np.mean(means, axis=0), rtol=1e-6, atol=0)


def test_own_mask_is_taken_as_it_is_or_by_nearest_neighbour(tmp_path):
    """A mask on the grid stays voxel by voxel; one of twice the voxel size is moved to the grid."""
    mean, own, out = (tmp_path / f"{name}.nii.gz" for name in ("mean", "own", "out"))
    images.write_image(mean, np.ones((8, 8, 8), np.float32), np.eye(4))
    inside = np.random.default_rng(0).random((8, 8, 8)) > 0.5
    images.write_image(own, inside.astype(np.float32) * 2.5, np.eye(4))
    compute_mask(means=[mean], mask=out, own_mask=own)
    np.testing.assert_array_equal(images.read_mask(out), inside)
    coarse = np.zeros((4, 4, 4), np.uint8)
    coarse[1, 2, 3] = 1
    images.write_image(own, coarse, np.diag([2.0, 2.0, 2.0, 1.0]) + np.eye(4)[:, [3, 3, 3, 3]] * 0)
    compute_mask(means=[mean], mask=out, own_mask=own)
    found = np.argwhere(images.read_mask(out)).mean(axis=0)
    np.testing.assert_allclose(found, [2, 4, 6], rtol=0, atol=0.5)


def test_empty_mask_is_an_error(tmp_path):
    """No analysis of nothing."""
    for name in ("mean", "own"):
        images.write_image(tmp_path / f"{name}.nii.gz", np.zeros((4, 4, 4), np.float32), np.eye(4))
    with pytest.raises(InputError, match="a mask without a voxel"):
        compute_mask(
            means=[tmp_path / "mean.nii.gz"], mask=tmp_path / "m.nii.gz", own_mask=tmp_path / "own.nii.gz"
        )


def spm_conditions(path, **variables):
    names = np.array(["faces", "scrambled"], dtype=object)
    onsets = np.empty(2, dtype=object)
    onsets[:] = [np.array([1.0, 7.5]), np.array([4.0])]
    scipy.io.savemat(path, {"names": names, "onsets": onsets} | variables)


def extracted(tmp_path, source, repetition_time=2.0, event_duration=None):
    out = tmp_path / "events.tsv"
    extract_events(source=source, events=out, repetition_time=repetition_time, event_duration=event_duration)
    return [(event.onset, event.duration, event.trial_type) for event in tables.read_events(out)]


def test_spm_conditions_in_scans_become_seconds(tmp_path):
    """Onsets and durations in scans are multiplied by the repetition time and put in order."""
    source = tmp_path / "trials.mat"
    spm_conditions(source)
    assert extracted(tmp_path, source, event_duration=1.0) == [
        (2.0, 1.0, "faces"),
        (8.0, 1.0, "scrambled"),
        (15.0, 1.0, "faces"),
    ]
    durations = np.empty(2, dtype=object)
    durations[:] = [np.array([0.5, 1.0]), np.array(2.0)]
    spm_conditions(source, durations=durations)
    assert [row[1] for row in extracted(tmp_path, source)] == [1.0, 4.0, 2.0]


def test_spm_conditions_without_time_or_duration_are_errors(tmp_path):
    """What the file does not hold and the config does not give is asked for."""
    source = tmp_path / "trials.mat"
    spm_conditions(source)
    with pytest.raises(InputError, match=r"has no durations"):
        extracted(tmp_path, source)
    with pytest.raises(InputError, match=r"onsets are in scans"):
        extracted(tmp_path, source, repetition_time=None, event_duration=1.0)
    scipy.io.savemat(source, {"names": ["a"]})
    with pytest.raises(InputError, match="lacks the variable onsets"):
        extracted(tmp_path, source, event_duration=1.0)


def test_table_events_keep_their_durations_unless_one_is_set(tmp_path):
    """event_duration replaces the durations of a table, null keeps them."""
    source = tmp_path / "source.tsv"
    source.write_text("onset\tduration\ttrial_type\n5\t2\tb\n1\t3\ta\n")
    assert extracted(tmp_path, source) == [(1.0, 3.0, "a"), (5.0, 2.0, "b")]
    assert [row[1] for row in extracted(tmp_path, source, event_duration=0.5)] == [0.5, 0.5]


DESIGN_OPTIONS = {
    "repetition_time": 2.0,
    "slice_time_ref": 0.5,
    "hrf_model": "glover",
    "drift_model": "none",
    "high_pass": 0.01,
    "min_onset": -24,
    "oversampling": 16,
}


@pytest.fixture
def fitted(tmp_path):
    """Arguments of compute_contrast for one run: a small fit with columns a, b, rot_x, constant."""
    rng, n_scans = np.random.default_rng(0), 40
    nib.Nifti1Image(rng.normal(800, 8, (4, 4, 4, n_scans)).astype(np.float32), BASE).to_filename(
        tmp_path / "b.nii"
    )
    images.write_image(tmp_path / "mask.nii.gz", np.ones((4, 4, 4), np.uint8), BASE)
    rows = [(4.0 * k, 1.0, "ab"[k % 2]) for k in range(18)]
    tables.write_table(tmp_path / "events.tsv", ("onset", "duration", "trial_type"), rows)
    confounds = [(x, 2.0) for x in rng.standard_normal(n_scans)]
    tables.write_table(tmp_path / "confounds.tsv", ("rot_x", "other"), confounds)
    design = tmp_path / "design.tsv"
    make_design_matrix(
        events=tmp_path / "events.tsv", bold=[tmp_path / "b.nii"],
        design=design, sidecar=tmp_path / "design.json",
        confound_columns=["rot_x"], confounds=tmp_path / "confounds.tsv", **DESIGN_OPTIONS,
    )  # fmt: skip
    maps = {name: tmp_path / f"{name}.nii.gz" for name in ("beta", "sigma2", "ar1", "rsquared")}
    fit_glm(
        bold=tmp_path / "b.nii", design=design, mask=tmp_path / "mask.nii.gz", sidecar=tmp_path / "glm.json",
        noise_model="ar1", signal_scaling="voxel", **maps,
    )  # fmt: skip
    outputs = {name: tmp_path / f"c_{name}.nii.gz" for name in ("effect", "variance", "stat", "p", "z")}
    return {
        "betas": [maps["beta"]], "sigma2s": [maps["sigma2"]], "ar1s": [maps["ar1"]], "designs": [design],
        "fits": [tmp_path / "glm.json"], "mask": tmp_path / "mask.nii.gz",
        "sidecar": tmp_path / "c.json", **outputs,
    }  # fmt: skip


def test_design_names_its_columns_and_their_roles(tmp_path, fitted):
    """Confounds come by name, and the sidecar says what each column is for."""
    content = json.loads((tmp_path / "design.json").read_text())
    assert [(column["name"], column["role"]) for column in content["Columns"]] == [
        ("a", "condition"), ("b", "condition"), ("rot_x", "confound"), ("constant", "constant"),
    ]  # fmt: skip
    assert content["FrameTimes"][:2] == [1.0, 3.0]
    assert content["Rank"] == 4
    assert content["ConditionNumber"] > 1


def test_confounds_of_another_length_are_an_error(tmp_path, fitted):
    """A confounds table that lost a row does not become a design."""
    path = tmp_path / "confounds.tsv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(InputError, match="has 39 rows for a run of 40 scans"):
        make_design_matrix(
            events=tmp_path / "events.tsv", bold=[tmp_path / "b.nii"], design=tmp_path / "d.tsv",
            sidecar=tmp_path / "d.json", confound_columns=["rot_x"], confounds=path, **DESIGN_OPTIONS,
        )  # fmt: skip


def test_contrast_sidecar_records_weights_and_degrees_of_freedom(fitted):
    """What was tested, over which runs, can be read from the sidecar."""
    compute_contrast(rows=["a - b"], label="aMinusB", **fitted)
    content = json.loads(fitted["sidecar"].read_text())
    assert content["DegreesOfFreedom"] == 36
    assert content["Runs"] == [{"fit": "glm.json", "weights": [{"a": 1.0, "b": -1.0}]}]
    compute_contrast(rows=["a", "b"], label="both", **fitted)
    assert json.loads(fitted["sidecar"].read_text())["DegreesOfFreedom"] == [2, 36]
    assert nib.load(fitted["effect"]).shape == (4, 4, 4, 2)


def test_p_map_holds_what_single_precision_cannot(fitted):
    """A very strong effect has a p that is small, not zero."""
    beta = nib.load(fitted["betas"][0])
    nib.Nifti1Image(beta.get_fdata() + 1e4, beta.affine).to_filename(fitted["betas"][0])
    compute_contrast(rows=["a + b"], label="huge", **fitted)
    p = nib.load(fitted["p"]).get_fdata()
    assert 0 < p.max() < 1e-45


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a - c"], r"the contrast x \(a - c\) needs a regressor 'c', and this run has none"),
        (["a", "b", "a - b"], "one of its rows follows from the others"),
    ],
)
def test_contrasts_that_make_no_sense_stop(fitted, rows, message):
    """An unknown regressor and dependent rows are errors, and no map is written."""
    with pytest.raises(InputError, match=message):
        compute_contrast(rows=rows, label="x", **fitted)
    assert not fitted["z"].exists()


def test_contrast_that_the_design_cannot_tell_apart_stops(fitted):
    """Of two equal regressors only the sum can be tested."""
    path = fitted["designs"][0]
    columns, values = tables.read_columns(path)
    tables.write_table(path, [*columns, "again"], [[*row, row[0]] for row in values])
    with pytest.raises(InputError, match="cannot be estimated"):
        compute_contrast(rows=["a - again"], label="x", **fitted)


def test_fit_refuses_more_regressors_than_scans(tmp_path, fitted):
    """No degrees of freedom, no maps."""
    path = fitted["designs"][0]
    columns, values = tables.read_columns(path)
    tables.write_table(path, columns, values[:4])
    arguments = {name: tmp_path / f"n_{name}.nii.gz" for name in ("beta", "sigma2", "ar1", "rsquared")}
    with pytest.raises(InputError, match="no degrees of freedom"):
        fit_glm(
            bold=tmp_path / "b.nii", design=path, mask=fitted["mask"], sidecar=tmp_path / "n.json",
            noise_model="ols", signal_scaling="none", **arguments,
        )  # fmt: skip
