"""Stages as functions: what is in no module, the reading, writing and refusing."""

import gzip
import hashlib
import json
import shutil
import warnings

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import scipy.io
from nilearn.glm.contrasts import compute_fixed_effect_contrast
from nilearn.glm.first_level import make_first_level_design_matrix
from nilearn.glm.first_level.first_level import run_glm
from nilearn.image import smooth_img
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation
from with_headers import extract_events, make_design_matrix, resample_run

from compute_contrast import compute_contrast
from compute_mask import compute_mask
from compute_mean_image import compute_mean_image
from firstlevel import stage
from firstlevel.glm import fit as glm
from firstlevel.io import images, tables
from firstlevel.stage import InputError
from fit_glm import fit_glm
from list_contrasts import list_contrasts

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
        bold=[folder], reference=[runs[0][0]], resampled=out, sidecar=tmp_path / "out.json",
        field_of_view=tmp_path / "fov.nii.gz", **options,
    )  # fmt: skip
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
    """A volume on the reference grid already is not interpolated, and lies in its own field of view."""
    ours = resample(tmp_path, runs, 0)
    np.testing.assert_array_equal(ours.dataobj[..., 0], runs[0][1][0][0])
    outside = json.loads((tmp_path / "out.json").read_text())["voxels_outside_fov"]
    assert outside[0] == 0 < outside[1]


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
    assert len(content["Inputs"]) == 4
    assert all(entry.keys() == {"sha256"} for entry in content["Inputs"])  # names are the user's own
    digest = hashlib.sha256((runs[1][0] / "v2.nii").read_bytes()).hexdigest()
    assert content["Inputs"][2]["sha256"] == digest
    reference = hashlib.sha256((runs[0][0] / "v0.nii").read_bytes()).hexdigest()
    assert content["Reference"] == [{"sha256": reference}]
    expected = scipy_outside(runs[1][1][3][1], runs[0][1][0][1])
    assert content["voxels_outside_fov"][3] == expected
    assert str(tmp_path) not in (tmp_path / "out.json").read_text()


def scipy_outside(affine, target):
    """Voxels of the reference grid that a volume of the same shape does not cover."""
    filled = affine_transform(
        np.zeros((20, 22, 12)),
        *((np.linalg.inv(affine) @ target)[:3, :3], (np.linalg.inv(affine) @ target)[:3, 3]),
        order=1,
        cval=1.0,
    )
    return int((filled == 1).sum())


def inside_of(affine, target, shape=(20, 22, 12)):
    """Voxels of the reference grid that a volume covers, and where they lie in it."""
    mapping = np.linalg.inv(affine) @ target
    at = np.stack(
        [
            mapping[axis, 0] * np.arange(20)[:, None, None]
            + mapping[axis, 1] * np.arange(22)[:, None]
            + mapping[axis, 2] * np.arange(12)
            + mapping[axis, 3]
            for axis in range(3)
        ],
        axis=-1,
    )
    return ((at >= 0) & (at <= np.array(shape) - 1)).all(axis=-1), at


def covered_twice(volumes, target):
    """Coverage over two interpolations: of the run's first grid, then of the 64 voxels around each point."""
    own = volumes[0][1]
    first = np.all([inside_of(affine, own)[0] for _, affine in volumes[1:]], axis=0)
    inside, at = inside_of(own, target)
    mirrored = np.pad(first, 3, mode="reflect")
    expected = np.zeros(first.shape, bool)
    for voxel in np.argwhere(inside):
        x, y, z = (np.floor(at[tuple(voxel)]).astype(int)) + 2
        expected[tuple(voxel)] = mirrored[x : x + 4, y : y + 4, z : z + 4].all()
    return expected


@pytest.mark.parametrize("strategy", ["direct", "sequential"])
@pytest.mark.parametrize("number", [0, 1])
def test_field_of_view_is_what_every_interpolation_of_every_volume_covers(tmp_path, runs, strategy, number):
    """The mask of a run equals coverage found voxel by voxel; what a volume fills with zeros is not in it."""
    volumes, target = runs[number][1], runs[0][1][0][1]
    resampled = resample(tmp_path, runs, number, strategy=strategy).get_fdata()
    image = nib.load(tmp_path / "fov.nii.gz")
    assert image.get_data_dtype() == np.uint8
    if strategy == "direct" or number == 0:
        moving = volumes if number else volumes[1:]
        expected = np.all([inside_of(affine, target)[0] for _, affine in moving], axis=0)
    else:
        expected = covered_twice(volumes, target)
    np.testing.assert_array_equal(np.asarray(image.dataobj), expected)
    assert 0 < expected.sum() < expected.size
    # every value of the volumes is 600 or more, so what is below 300 is filled, at least in part
    assert (resampled[expected] > 300).all()
    assert (resampled[~expected] == 0).any()


def test_voxels_that_a_volume_does_not_cover_leave_the_mask(tmp_path, runs):
    """A run moved by a slab: as in nilearn its zeros are fitted, or the mask keeps to the covered voxels."""
    for scan in (2, 3):
        path = runs[1][0] / f"v{scan}.nii"
        image = nib.load(path, mmap=False)
        affine = image.affine.copy()
        affine[2, 3] += 12.0
        nib.Nifti1Image(image.get_fdata(dtype=np.float32), affine).to_filename(path)
    bold, fields = [], []
    for number in (0, 1):
        resample(tmp_path, runs, number, strategy="sequential")
        bold.append((tmp_path / "out.nii").rename(tmp_path / f"run{number}.nii"))
        fields.append((tmp_path / "fov.nii.gz").rename(tmp_path / f"fov{number}.nii.gz"))
    own, out = tmp_path / "own.nii.gz", tmp_path / "mask.nii"
    whole = np.zeros((20, 22, 12), np.uint8)
    whole[2:18, 2:20, :] = 1
    images.write_image(own, whole, BASE)
    values = [nib.load(path).get_fdata() for path in bold]
    of_runs = [np.asarray(nib.load(path).dataobj) > 0 for path in fields]

    masked([own], out, own_mask=[own])
    np.testing.assert_array_equal(images.read_mask(out), whole > 0)
    assert (values[1][whole > 0] == 0).any()
    said = json.loads(out.with_suffix(".json").read_text())
    assert (said["FieldOfView"], said["VoxelsLeftOutForFieldOfView"]) == ("zeros", 0)

    masked([own], out, own_mask=[own], fields_of_view=fields)
    np.testing.assert_array_equal(images.read_mask(out), (whole > 0) & np.any(of_runs, axis=0))
    masked([own], out, own_mask=[own], fields_of_view=fields, coverage="all")
    inside = images.read_mask(out)
    np.testing.assert_array_equal(inside, (whole > 0) & np.all(of_runs, axis=0))
    assert all((run[inside] > 300).all() for run in values)
    said = json.loads(out.with_suffix(".json").read_text())
    assert said["VoxelsLeftOutForFieldOfView"] == whole.sum() - inside.sum() > 16 * 18 * 3
    assert said["NumberOfVoxels"] == inside.sum()

    images.write_image(fields[0], np.zeros((20, 22, 12), np.uint8), BASE)
    with pytest.raises(InputError, match="no voxel that the volumes of a run all cover"):
        masked([own], out, own_mask=[own], fields_of_view=fields, coverage="all")
    images.write_image(fields[1], np.zeros((20, 22, 12), np.uint8), BASE)
    with pytest.raises(InputError, match="no voxel that the volumes of a run all cover"):
        masked([own], out, own_mask=[own], fields_of_view=fields)


def test_run_that_lies_elsewhere_stops(tmp_path, runs):
    """A run half a metre away is another head, not a run of zeros."""
    for scan in range(4):
        path = runs[1][0] / f"v{scan}.nii"
        image = nib.load(path, mmap=False)
        affine = image.affine.copy()
        affine[0, 3] += 500
        nib.Nifti1Image(image.get_fdata(dtype=np.float32), affine).to_filename(path)
    with pytest.raises(InputError, match="does not overlap"):
        resample(tmp_path, runs, 1)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_volume_with_infinity_stops(tmp_path, runs, value):
    """Infinite is no better than NaN."""
    bad = nib.load(runs[0][0] / "v1.nii", mmap=False).get_fdata()
    bad[0, 0, 0] = value
    nib.Nifti1Image(bad, BASE).to_filename(runs[0][0] / "v1.nii")
    with pytest.raises(InputError, match=r"v1\.nii: volume 2 holds 1 voxels that are infinite"):
        resample(tmp_path, runs, 0)


def test_damaged_archive_stops(tmp_path, runs):
    """A .nii.gz with wrong bytes fails its checksum, even where it still unpacks."""
    data = np.random.default_rng(0).integers(0, 800, (20, 22, 12, 4)).astype(np.int16)
    path = tmp_path / "run.nii.gz"
    raw = bytearray(gzip.compress(nib.Nifti1Image(data, BASE).to_bytes(), compresslevel=0))
    raw[-5000] ^= 1
    path.write_bytes(raw)
    with pytest.raises(InputError, match="cannot be read"):
        resample_run(
            bold=[path], reference=[path], resampled=tmp_path / "o.nii", sidecar=tmp_path / "o.json",
            field_of_view=tmp_path / "o.nii.gz", repetition_time=2.0, strategy="direct", smoothing_fwhm=None,
        )  # fmt: skip
    assert not (tmp_path / "o.nii").exists()


def test_volume_with_nan_stops_and_leaves_nothing(tmp_path, runs):
    """A volume that is not finite names its file, and no run is written."""
    folder = runs[0][0]
    bad = nib.load(folder / "v2.nii").get_fdata()
    bad[3, 4, 5] = np.nan
    nib.Nifti1Image(bad, BASE).to_filename(folder / "v2.nii")
    with pytest.raises(InputError, match=r"v2\.nii: volume 3 holds 1 voxels that are NaN"):
        resample(tmp_path, runs, 0)
    assert not list(tmp_path.glob("*out*"))


def with_nan(folder, scans, where):
    """Put NaN into volumes of a run of 3D images."""
    for scan in scans:
        path = folder / f"v{scan}.nii"
        image = nib.load(path, mmap=False)
        data = image.get_fdata(dtype=np.float32)
        data[where] = np.nan
        nib.Nifti1Image(data, image.affine).to_filename(path)


@pytest.mark.parametrize(
    ("scans", "message"),
    [
        ([0], r"v0\.nii: volume 1 holds 6 voxels that are NaN, and have values in volume 2"),
        ([1], r"v1\.nii: volume 2 holds 6 voxels that are NaN, and have values in the volumes before"),
        ([0, 1, 3], r"v2\.nii: volume 3 has values in 6 voxels that are NaN in the volumes before"),
        ([3], r"v3\.nii: volume 4 holds 6 voxels that are NaN, and have values in the volumes before"),
    ],
)
def test_nan_that_comes_and_goes_stops(tmp_path, runs, scans, message):
    """The volume that differs is named, and in how many voxels."""
    with_nan(runs[0][0], scans, np.s_[3:5, 4, 5:8])
    with pytest.raises(InputError, match=message):
        resample(tmp_path, runs, 0)
    assert not list(tmp_path.glob("*out*"))


def test_run_of_nan_alone_stops(tmp_path, runs):
    """A background without a head."""
    with_nan(runs[0][0], range(4), ...)
    with pytest.raises(InputError, match="volume 1 is NaN in every voxel"):
        resample(tmp_path, runs, 0)


@pytest.mark.parametrize("value", [0.0, 700.0])
def test_volume_of_one_value_beside_its_background_stops(tmp_path, runs, value):
    """NaN is no second value that would make a picture of it."""
    with_nan(runs[0][0], range(4), np.s_[:5])
    image = nib.load(runs[0][0] / "v2.nii", mmap=False)
    flat = np.where(np.isnan(image.get_fdata()), np.nan, value)
    nib.Nifti1Image(flat.astype(np.float32), image.affine).to_filename(runs[0][0] / "v2.nii")
    with pytest.raises(InputError, match=f"volume 3 has the value {value:g} in every voxel"):
        resample(tmp_path, runs, 0)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nan_in_every_volume_is_background(tmp_path, caplog, suffix):
    """As SPM writes what lies outside of the brain: 0 in the resampled run, and not covered."""
    caplog.set_level("INFO")
    data = np.random.default_rng(0).integers(600, 800, (20, 22, 12, 5)).astype(np.float32)
    outside = np.zeros((20, 22, 12), bool)
    outside[:4], outside[:, :, 10:] = True, True
    path = tmp_path / f"run{suffix}"
    nib.Nifti1Image(np.where(outside[..., None], np.nan, data), BASE).to_filename(path)
    said = resampled(tmp_path, path, path)
    np.testing.assert_array_equal(nib.load(tmp_path / "o.nii").dataobj, np.where(outside[..., None], 0, data))
    np.testing.assert_array_equal(np.asarray(nib.load(tmp_path / "fov.nii.gz").dataobj), ~outside)
    assert said["VoxelsOfNaN"] == outside.sum()
    assert f"{outside.sum()} voxels are NaN in every volume" in caplog.text


@pytest.mark.parametrize("strategy", ["direct", "sequential"])
@pytest.mark.parametrize("number", [0, 1])
def test_background_of_moved_volumes_is_0_and_what_reads_it_is_not_covered(tmp_path, runs, strategy, number):
    """Volumes that move: resampled as zeros are, and covered where no interpolation reads the background."""
    where = np.s_[14:, :, :]
    for folder, _ in runs:
        with_nan(folder, range(4), where)
    ours = np.asarray(resample(tmp_path, runs, number, strategy=strategy).dataobj)
    covered = np.asarray(nib.load(tmp_path / "fov.nii.gz").dataobj) > 0
    for folder, _ in runs:  # the same with zeros
        for scan in range(4):
            image = nib.load(folder / f"v{scan}.nii", mmap=False)
            zeros = np.nan_to_num(image.get_fdata(dtype=np.float32))
            nib.Nifti1Image(zeros, image.affine).to_filename(folder / f"v{scan}.nii")
    expected = resample(tmp_path, runs, number, strategy=strategy)
    np.testing.assert_array_equal(ours, expected.dataobj)
    geometric = np.asarray(nib.load(tmp_path / "fov.nii.gz").dataobj) > 0
    assert 1000 < covered.sum() < geometric.sum()
    assert not (covered & ~geometric).any()
    assert (ours[covered] > 300).all()
    assert not covered[16:].any()


def resampled(tmp_path, path, reference, **options):
    """Resample one 4D image to o.nii; return the sidecar."""
    options = {"repetition_time": 2.0, "strategy": "sequential", "smoothing_fwhm": None} | options
    resample_run(
        bold=[path], reference=[reference], resampled=tmp_path / "o.nii", sidecar=tmp_path / "o.json",
        field_of_view=tmp_path / "fov.nii.gz", **options,
    )  # fmt: skip
    return json.loads((tmp_path / "o.json").read_text())


@pytest.fixture
def head4d():
    """A run of 4 volumes that reaches every face of its image."""
    return np.random.default_rng(3).integers(600, 800, (12, 10, 8, 4)).astype(np.float32)


@pytest.mark.parametrize("strategy", ["direct", "sequential"])
@pytest.mark.parametrize("change", ["0.0004 mm", "3.992 mm for 3.990", "a hundredth of a degree"])
def test_run_on_nearly_the_reference_grid_is_copied(tmp_path, head4d, caplog, change, strategy):
    """No rim slice is lost to rounding, and how far the grids are apart is said."""
    caplog.set_level("INFO")
    first = np.diag([3.0, 3, 3.99, 1])
    first[:3, 3] = [-17, -14, -13.965]
    second = first.copy()
    if change == "0.0004 mm":
        second[2, 3] -= 0.0004
    elif change.startswith("3.992"):
        second[2] *= 3.992 / 3.990
    else:
        second = moved(first, 0.01, (0, 0, 0))
    for name, affine in (("a.nii", first), ("b.nii", second)):
        nib.Nifti1Image(head4d, affine).to_filename(tmp_path / name)
    said = resampled(tmp_path, tmp_path / "b.nii", tmp_path / "a.nii", strategy=strategy)
    np.testing.assert_array_equal(nib.load(tmp_path / "o.nii").dataobj, head4d)
    assert np.asarray(nib.load(tmp_path / "fov.nii.gz").dataobj).all()
    assert said["voxels_outside_fov"] == [0] * 4
    assert said["VolumesCopied"] == 4
    assert 0 < said["VoxelsFromReferenceGrid"] < 0.01
    assert "voxels from the reference grid, and is taken to lie on it" in caplog.text
    said = resampled(tmp_path, tmp_path / "a.nii", tmp_path / "a.nii", strategy=strategy)
    assert (said["VolumesCopied"], said["VoxelsFromReferenceGrid"]) == (4, 0)


@pytest.mark.parametrize("strategy", ["direct", "sequential"])
def test_run_on_another_grid_says_that_it_was_interpolated(tmp_path, head4d, strategy):
    """No volume is copied, and no distance is taken for none."""
    nib.Nifti1Image(head4d, BASE).to_filename(tmp_path / "a.nii")
    nib.Nifti1Image(head4d, moved(BASE, 0, (0, 0, 0.05))).to_filename(tmp_path / "b.nii")
    said = resampled(tmp_path, tmp_path / "b.nii", tmp_path / "a.nii", strategy=strategy)
    assert (said["VolumesCopied"], said["VoxelsFromReferenceGrid"]) == (0, None)
    assert min(said["voxels_outside_fov"]) > 0


@pytest.mark.parametrize("strategy", ["direct", "sequential"])
def test_volumes_that_jitter_keep_their_rim(tmp_path, head4d, strategy):
    """Affines that differ by less than a hundredth of a voxel: each is obeyed, and nothing is lost for it."""
    affine = np.diag([3.0, 3, 4, 1])
    folder = tmp_path / "run"
    folder.mkdir()
    for scan in range(4):
        own = affine.copy()
        own[:3, 3] += 0.009 * scan * np.array([-1, 1, 1])
        nib.Nifti1Image(head4d[..., scan], own).to_filename(folder / f"v{scan}.nii")
    resample(tmp_path, [(folder, None)], 0, strategy=strategy)
    ours = nib.load(tmp_path / "out.nii").get_fdata()
    assert (ours > 500).all()
    assert np.asarray(nib.load(tmp_path / "fov.nii.gz").dataobj).all()
    np.testing.assert_allclose(ours, head4d, rtol=0, atol=0.05 * np.ptp(head4d))
    assert np.abs(ours - head4d)[..., 3].max() > 0.1
    said = json.loads((tmp_path / "out.json").read_text())
    assert (said["VolumesCopied"], said["VoxelsFromReferenceGrid"]) == (1, 0)


@pytest.mark.parametrize("factor", [0.001, 0.05, 14, 1000])
def test_run_whose_voxels_are_of_another_order_of_size_stops(tmp_path, head4d, factor):
    """Metres or micrometres for millimetres, in one of two runs."""
    nib.Nifti1Image(head4d, BASE).to_filename(tmp_path / "a.nii")
    scaled = BASE @ np.diag([1, 1, factor, 1])
    nib.Nifti1Image(head4d, scaled).to_filename(tmp_path / "b.nii")
    with pytest.raises(
        InputError, match=r"b\.nii: has voxels of .* mm, and the first volume of the subject's"
    ):
        resampled(tmp_path, tmp_path / "b.nii", tmp_path / "a.nii")


def test_runs_of_other_voxel_sizes_are_no_mistake(tmp_path, head4d):
    """Voxels of 1 mm beside those of 3 mm, and the axes exchanged."""
    nib.Nifti1Image(head4d, np.diag([3.0, 3, 9, 1])).to_filename(tmp_path / "a.nii")
    nib.Nifti1Image(head4d, np.diag([9.0, 1, 3, 1])).to_filename(tmp_path / "b.nii")
    assert resampled(tmp_path, tmp_path / "b.nii", tmp_path / "a.nii")["VolumesCopied"] == 0


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("strategy", ["direct", "sequential"])
def test_affines_of_spm_do_what_those_of_3d_volumes_do(tmp_path, runs, suffix, number, strategy):
    """A 4D image with SPM's .mat beside it is the run of 3D images with these affines, in every byte."""
    expected = resample(tmp_path, runs, number, strategy=strategy)
    expected, whole = np.asarray(expected.dataobj), json.loads((tmp_path / "out.json").read_text())
    field = (tmp_path / "fov.nii.gz").read_bytes()
    four = []
    for n, (_, volumes) in enumerate(runs):
        path = tmp_path / f"four{n}{suffix}"
        stack = np.stack([data for data, _ in volumes], axis=-1).astype(np.float32)
        nib.Nifti1Image(stack, volumes[0][1]).to_filename(path)
        one = np.eye(4)
        one[:3, 3] = -1
        mats = np.stack([affine @ one for _, affine in volumes], axis=-1)
        scipy.io.savemat(tmp_path / f"four{n}.mat", {"mat": mats})
        four.append(path)
    said = resampled(tmp_path, four[number], four[0], strategy=strategy)
    np.testing.assert_array_equal(nib.load(tmp_path / "o.nii").dataobj, expected)
    assert (tmp_path / "fov.nii.gz").read_bytes() == field
    assert (said["AffinesFrom"], whole["AffinesFrom"]) == ("mat", "header")
    for key in ("translation_mm", "rotation_deg", "voxels_outside_fov"):
        np.testing.assert_allclose(said[key], whole[key], rtol=0, atol=2e-6)
    assert len(said["Inputs"]) == 2
    digest = hashlib.sha256((tmp_path / f"four{number}.mat").read_bytes()).hexdigest()
    assert said["Inputs"][1]["sha256"] == digest
    assert len(said["Reference"]) == 2


@pytest.mark.parametrize("shape", [(40, 20, 1), (1, 20, 14), (16, 1, 20), (30, 30, 2), (20, 3, 20)])
@pytest.mark.parametrize("strategy", ["direct", "sequential"])
def test_thin_run_is_copied_on_its_grid_and_interpolated_along_its_other_axes(tmp_path, shape, strategy):
    """A single slice is neither refused nor lost; moved in its plane it is a spline of that plane."""
    data = np.random.default_rng(0).integers(600, 800, (*shape, 3)).astype(np.float32)
    affine = np.diag([3.0, 3, 5, 1])
    shift = np.where(np.array(shape) < 4, 0.0, 0.3 * np.array([3, 3, 5]))
    for name, by in (("a.nii", 0), ("b.nii", shift)):
        own = affine.copy()
        own[:3, 3] += by
        nib.Nifti1Image(data, own).to_filename(tmp_path / name)
    said = resampled(tmp_path, tmp_path / "a.nii", tmp_path / "a.nii", strategy=strategy)
    np.testing.assert_array_equal(nib.load(tmp_path / "o.nii").dataobj, data)
    assert said["VolumesCopied"] == 3
    resampled(tmp_path, tmp_path / "b.nii", tmp_path / "a.nii", strategy=strategy)
    offset = -np.where(np.array(shape) < 4, 0, 0.3)
    ours = nib.load(tmp_path / "o.nii").get_fdata()
    for scan in range(3):
        expected = affine_transform(data[..., scan].astype(float), np.eye(3), offset, order=3)
        expected = clipped(expected, data[..., scan] if strategy == "direct" else data)
        np.testing.assert_allclose(ours[..., scan], expected, rtol=0, atol=SINGLE_PRECISION)
    assert (ours > 500).sum() > 0.7 * ours.size


def test_mean_image_counts_every_run_once(tmp_path, runs):
    """The mean over runs of different length is the mean of their means."""
    for name, n_scans in (("a.nii", 2), ("b.nii", 4)):
        volumes = [data for data, _ in runs[0][1][:n_scans]]
        nib.Nifti1Image(np.stack(volumes, axis=-1), BASE).to_filename(tmp_path / name)
    compute_mean_image(bold=[tmp_path / "a.nii", tmp_path / "b.nii"], mean=tmp_path / "mean.nii.gz")
    means = [nib.load(tmp_path / name).get_fdata().mean(axis=-1) for name in ("a.nii", "b.nii")]
    ours = nib.load(tmp_path / "mean.nii.gz").get_fdata()
    np.testing.assert_allclose(ours, np.mean(means, axis=0), rtol=1e-6, atol=0)


def masked(means, out, own_mask=(), fields_of_view=(), coverage="any"):
    """Call compute_mask; the sidecar has the name of the mask."""
    compute_mask(
        means=means, mask=out, own_mask=list(own_mask), sidecar=out.with_suffix(".json"),
        fields_of_view=list(fields_of_view), coverage=coverage,
    )  # fmt: skip


def test_own_mask_is_taken_as_it_is_or_by_nearest_neighbour(tmp_path):
    """A mask on the grid stays voxel by voxel; one of twice the voxel size is moved to the grid."""
    mean, own, out = (tmp_path / f"{name}.nii.gz" for name in ("mean", "own", "out"))
    images.write_image(mean, np.ones((8, 8, 8), np.float32), np.eye(4))
    inside = np.random.default_rng(0).random((8, 8, 8)) > 0.5
    images.write_image(own, inside[..., None].astype(np.float32) * 0.2, np.eye(4))
    masked([mean], out, own_mask=[own])
    np.testing.assert_array_equal(images.read_mask(out), inside)
    said = json.loads(out.with_suffix(".json").read_text())
    assert (said["Source"], said["ResampledByNearestNeighbour"]) == ("given", [])
    assert said["Masks"] == [{"name": "mask", "sha256": hashlib.sha256(own.read_bytes()).hexdigest()}]
    assert said["NumberOfVoxels"] == inside.sum()
    coarse = np.zeros((4, 4, 4), np.uint8)
    coarse[1, 2, 3] = 1
    images.write_image(own, coarse, np.diag([2.0, 2.0, 2.0, 1.0]) + np.eye(4)[:, [3, 3, 3, 3]] * 0)
    masked([mean], out, own_mask=[own])
    assert json.loads(out.with_suffix(".json").read_text())["ResampledByNearestNeighbour"] == ["mask"]
    found = np.argwhere(images.read_mask(out)).mean(axis=0)
    np.testing.assert_allclose(found, [2, 4, 6], rtol=0, atol=0.5)


def test_empty_mask_is_an_error(tmp_path):
    """No analysis of nothing: an empty mask, and a run without signal."""
    mean, own = tmp_path / "mean.nii.gz", tmp_path / "own.nii.gz"
    for path in (mean, own):
        images.write_image(path, np.zeros((4, 4, 4), np.float32), np.eye(4))
    with pytest.raises(InputError, match="a mask without a voxel"):
        masked([mean], tmp_path / "m.nii.gz", own_mask=[own])
    with pytest.raises(InputError, match="the run has no signal"):
        masked([mean], tmp_path / "m.nii.gz")


def spm_conditions(path, **variables):
    names = np.array(["faces", "scrambled"], dtype=object)
    onsets = np.empty(2, dtype=object)
    onsets[:] = [np.array([1.0, 7.5]), np.array([4.0])]
    scipy.io.savemat(path, {"names": names, "onsets": onsets} | variables)


def extracted(tmp_path, source, repetition_time=2.0, event_duration=None):
    out = tmp_path / "events.tsv"
    extract_events(
        source=[source], events=out, repetition_time=repetition_time, event_duration=event_duration
    )
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


MAPS = ("effect", "variance", "stat", "p", "z", "n_runs")


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
        design_json=tmp_path / "design.json", noise_model="ar1", signal_scaling="voxel", **maps,
    )  # fmt: skip
    outputs = {name: tmp_path / f"c_{name}.nii.gz" for name in MAPS}
    return {
        "betas": [maps["beta"]], "sigma2s": [maps["sigma2"]], "ar1s": [maps["ar1"]], "designs": [design],
        "design_jsons": [tmp_path / "design.json"], "fits": [tmp_path / "glm.json"],
        "mask": tmp_path / "mask.nii.gz", "sidecar": tmp_path / "c.json", **outputs,
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
    compute_contrast(rows=["a - b"], statistic="t", label="aMinusB", **fitted)
    content = json.loads(fitted["sidecar"].read_text())
    assert content["DegreesOfFreedom"] == 36
    [run] = content["Runs"]
    assert (run["fit"], run["weights"], run["DegreesOfFreedom"]) == ("glm.json", [{"a": 1.0, "b": -1.0}], 36)
    assert content["VoxelsByNumberOfRuns"] == {"0": 0, "1": 64}
    assert content["EffectUnit"].startswith("percent of each voxel's mean")
    said = json.loads(fitted["design_jsons"][0].read_text())
    said["Modulators"] = [{"name": "b", "condition": "a", "column": "gain"}]
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


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a - c"], r"contrasts.x: no run can estimate a - c \(.*design.tsv: no regressor 'c'\)"),
        (["a", "b", "a - b"], "one of its rows follows from the others"),
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
    columns, values = tables.read_columns(path)
    tables.write_table(path, [*columns, "again"], [[*row, row[0]] for row in values])
    with pytest.raises(InputError, match=r"design.tsv: dependent regressors: \w+ \(follows from \w+\)"):
        compute_contrast(rows=["a - again"], statistic="t", label="x", **fitted)
    assert not fitted["z"].exists()
    compute_contrast(rows=["a - again"], statistic="t", label="x", unestimable="empty", **fitted)
    assert [fitted[name].read_bytes() for name in MAPS] == [b""] * len(MAPS)
    with pytest.raises(nib.filebasedimages.ImageFileError):
        nib.load(fitted["z"])
    content = json.loads(fitted["sidecar"].read_text())
    assert content["Runs"] == []
    assert content["RunsLeftOut"][0]["reason"].startswith("dependent regressors: ")


def test_runs_that_cannot_estimate_are_left_out_and_listed(tmp_path, fitted, caplog):
    """A second run without the regressor, and a third in which it repeats, change no byte of the maps."""
    compute_contrast(rows=["a - b"], statistic="t", label="x", **fitted)
    alone = {name: fitted[name].read_bytes() for name in MAPS}
    columns, values = tables.read_columns(fitted["designs"][0])
    without, repeated = tmp_path / "without.tsv", tmp_path / "repeated.tsv"
    tables.write_table(without, ["a", "c", *columns[2:]], values)
    tables.write_table(repeated, columns, [[row[0], row[0], *row[2:]] for row in values])
    fits = [tmp_path / f"{name}_glm.json" for name in ("one", "two", "three")]
    for fit in fits:
        shutil.copy(fitted["fits"][0], fit)
    given = fitted | {name: fitted[name] * 3 for name in ("betas", "sigma2s", "ar1s", "design_jsons")}
    given |= {"designs": [*fitted["designs"], without, repeated], "fits": fits}
    for options in ({"statistic": "t"}, {"statistic": "t", "weights": "precision"}):
        compute_contrast(rows=["a - b"], label="x", **options, **given)
        if "weights" not in options:
            assert {name: fitted[name].read_bytes() for name in alone} == alone
    list_contrasts(sidecars=[fitted["sidecar"]], table=tmp_path / "t.tsv", runs=["one", "two", "three"])
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
    with pytest.raises(InputError, match="the approximate F has no weights of precision"):
        compute_contrast(rows=["a", "b"], statistic="F", label="x", weights="precision", **fitted)


def test_design_with_dependent_columns_says_which(tmp_path, fitted, caplog):
    """A confound that is given twice under two names is in the log and in the sidecar."""
    assert "DependentColumns" not in json.loads((tmp_path / "design.json").read_text())
    path = tmp_path / "confounds.tsv"
    values = [row[0] for row in tables.read_columns(path)[1]]
    tables.write_table(path, ("rot_x", "twice"), [(x, 2 * x) for x in values])
    make_design_matrix(
        events=tmp_path / "events.tsv", bold=[tmp_path / "b.nii"], design=tmp_path / "d.tsv",
        sidecar=tmp_path / "d.json", confound_columns=["rot_x", "twice"], confounds=path, **DESIGN_OPTIONS,
    )  # fmt: skip
    content = json.loads((tmp_path / "d.json").read_text())
    assert content["Rank"] == len(content["Columns"]) - 1
    assert content["DependentColumns"] == [{"name": "twice", "follows_from": ["rot_x"]}]
    assert "dependent regressors: twice (follows from rot_x)" in caplog.text


def test_fit_refuses_more_regressors_than_scans(tmp_path, fitted):
    """No degrees of freedom, no maps."""
    path = fitted["designs"][0]
    columns, values = tables.read_columns(path)
    tables.write_table(path, columns, values[:4])
    arguments = {name: tmp_path / f"n_{name}.nii.gz" for name in ("beta", "sigma2", "ar1", "rsquared")}
    with pytest.raises(InputError, match="no degrees of freedom"):
        fit_glm(
            bold=tmp_path / "b.nii", design=path, mask=fitted["mask"], sidecar=tmp_path / "n.json",
            design_json=tmp_path / "design.json",
            noise_model="ols", signal_scaling="none", **arguments,
        )  # fmt: skip


def refit(tmp_path, fitted, **options):
    """Fit the run of `fitted` anew; the maps by name, and what the sidecar says."""
    maps = {name: tmp_path / f"re_{name}.nii.gz" for name in ("beta", "sigma2", "ar1", "rsquared")}
    arguments = {
        "bold": tmp_path / "b.nii", "design": fitted["designs"][0], "mask": fitted["mask"],
        "noise_model": "ar1", "signal_scaling": "none", "sidecar": tmp_path / "re.json",
        "design_json": tmp_path / "design.json",
    }  # fmt: skip
    fit_glm(**(arguments | maps | options))
    read = {name: nib.load(path).get_fdata() for name, path in maps.items()}
    return read, json.loads((tmp_path / "re.json").read_text())


@pytest.mark.parametrize("noise_model", ["ols", "ar1"])
def test_grand_mean_scaling_is_that_of_the_data_before_the_fit(tmp_path, fitted, monkeypatch, noise_model):
    """Y = 100 y / m, m the mean over scans and mask, over several blocks of voxels too; nilearn fits it."""
    monkeypatch.setattr(images, "BLOCK_BYTES", 1)
    inside = np.random.default_rng(0).random((4, 4, 4)) > 0.3
    images.write_image(tmp_path / "mask.nii.gz", inside.astype(np.uint8), BASE)
    data = nib.load(tmp_path / "b.nii").get_fdata()
    data *= np.linspace(0.5, 1.5, 4)[:, None, None, None]
    nib.Nifti1Image(data.astype(np.float32), BASE).to_filename(tmp_path / "b.nii")
    series = nib.load(tmp_path / "b.nii").get_fdata()[inside].T
    maps, said = refit(tmp_path, fitted, noise_model=noise_model, signal_scaling="grand_mean")
    assert said["GrandMean"] == pytest.approx(series.mean(), rel=1e-12)
    design = np.array(tables.read_columns(fitted["designs"][0])[1], dtype=float)
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
    images.write_image(tmp_path / "half.nii.gz", mask, BASE)
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
    images.write_image(tmp_path / "fov.nii.gz", covered, BASE)
    parts, said = refit(tmp_path, fitted, field_of_view=tmp_path / "fov.nii.gz")
    assert said["MissingVoxels"] == 16
    for name, values in whole.items():
        assert not parts[name][:, :, 3].any()
        np.testing.assert_array_equal(parts[name][:, :, :3], values[:, :, :3])


def test_unequal_steps_have_white_noise_or_stop(tmp_path, fitted):
    """An AR(1) coefficient is one for one step between scans."""
    content = json.loads((tmp_path / "design.json").read_text())
    (tmp_path / "unequal.json").write_text(json.dumps(content | {"EqualSteps": False}))
    for noise_model in ("ar1", "ar1_corrected"):
        with pytest.raises(InputError, match="the scans come at unequal steps"):
            refit(tmp_path, fitted, noise_model=noise_model, design_json=tmp_path / "unequal.json")
    refit(tmp_path, fitted, noise_model="ols", design_json=tmp_path / "unequal.json")


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
    design = np.array(tables.read_columns(fitted["designs"][0])[1], dtype=float)
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


@pytest.mark.parametrize(
    ("values", "scaling", "message"),
    [
        (np.full((4, 4, 4, 40), 850.0), "voxel", "none of the mask's voxels changes"),
        (np.random.default_rng(0).normal(-5, 1, (4, 4, 4, 40)), "grand_mean", "in 100% of the mask's voxels"),
        (
            np.random.default_rng(0).normal(0.02, 1e-4, (4, 4, 4, 40)),
            "voxel",
            "below 1 or below the deviation",
        ),
        (np.random.default_rng(0).normal(0, 8, (4, 4, 4, 40)), "voxel", "nothing to take a percentage of"),
        (np.random.default_rng(0).normal(5, 8, (4, 4, 4, 40)), "voxel", "below the deviation over time"),
        (np.random.default_rng(0).normal(0, 8, (4, 4, 4, 40)), "grand_mean", "below the deviation over time"),
        (np.random.default_rng(0).normal(0, 8, (4, 4, 4, 40)), "spm_global", "below the deviation over time"),
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


def test_design_follows_every_option(tmp_path, fitted):
    """Cut-off, oversampling and earliest onset are those that were asked for."""
    events = tmp_path / "events.tsv"
    rows = [(-6.0, 1.0, "a"), (10.3, 1.0, "a"), (41.7, 1.0, "a")]
    tables.write_table(events, ("onset", "duration", "trial_type"), rows)
    options = {"hrf_model": "spm + derivative", "high_pass": 0.03, "min_onset": -4.0, "oversampling": 7}
    make_design_matrix(
        events=events, bold=[tmp_path / "b.nii"], design=tmp_path / "d.tsv", sidecar=tmp_path / "d.json",
        repetition_time=2.0,
        slice_time_ref=0.0, drift_model="cosine", confound_columns=[], **options,
    )  # fmt: skip
    table = pd.DataFrame(rows[1:], columns=["onset", "duration", "trial_type"])  # -6 s is before min_onset
    expected = make_first_level_design_matrix(np.arange(40) * 2.0, table, drift_model="cosine", **options)
    columns, values = tables.read_columns(tmp_path / "d.tsv")
    assert columns == list(expected)
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-12)


def test_events_after_the_end_of_the_run(tmp_path, fitted, caplog):
    """Some after the end are told in the log, all of them are an error."""
    events = tmp_path / "events.tsv"
    arguments = {
        "events": events, "bold": [tmp_path / "b.nii"], "design": tmp_path / "d.tsv",
        "sidecar": tmp_path / "d.json", "confound_columns": [], **DESIGN_OPTIONS,
    }  # fmt: skip
    events.write_text("onset\tduration\ttrial_type\n4\t1\ta\n5000\t1\ta\n")
    make_design_matrix(**arguments)
    assert "row 3: onset 5000 s is after the end of the run (80 s)" in caplog.text
    events.write_text("onset\tduration\ttrial_type\n4000\t1\ta\n5000\t1\ta\n")
    with pytest.raises(InputError, match="every event begins after the end of the run"):
        make_design_matrix(**arguments)


@pytest.mark.parametrize(("rows", "statistic"), [(["a - b"], "t"), (["a", "b"], "F"), (["a"], "F")])
def test_every_map_over_two_runs_of_different_designs_is_nilearns(tmp_path, rows, statistic):
    """Effect, variance, statistic, p and z of two runs whose columns stand in another order."""
    rng, mask = np.random.default_rng(5), np.ones((4, 4, 4), bool)
    images.write_image(tmp_path / "mask.nii.gz", mask.astype(np.uint8), BASE)
    given = {"betas": [], "sigma2s": [], "ar1s": [], "designs": [], "fits": [], "design_jsons": []}
    labels, results, weights = [], [], []
    for run, columns in enumerate((["a", "b", "constant"], ["b", "extra", "a", "constant"])):
        design = rng.standard_normal((50 + 10 * run, len(columns)))
        design[:, -1] = 1.0
        data = rng.standard_normal((len(design), 64)).astype(np.float32) * 5 + 100 + design[:, :1] * 3
        volume = np.zeros((len(design), 4, 4, 4), np.float32)
        volume[:, mask.T] = data
        nib.Nifti1Image(volume.T, BASE).to_filename(tmp_path / f"{run}.nii")
        tables.write_table(tmp_path / f"{run}.tsv", columns, design.tolist())
        tables.write_json(tmp_path / f"{run}_design.json", {})
        maps = {name: tmp_path / f"{run}_{name}.nii.gz" for name in ("beta", "sigma2", "ar1", "rsquared")}
        fit_glm(
            bold=tmp_path / f"{run}.nii", design=tmp_path / f"{run}.tsv", mask=tmp_path / "mask.nii.gz",
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
        np.testing.assert_allclose(images.read_masked(maps["rsquared"], mask), rsquared, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(
            images.read_masked(maps["ar1"], mask), label.astype(float), rtol=0, atol=1e-6
        )
    out = {name: tmp_path / f"c_{name}.nii.gz" for name in MAPS}
    compute_contrast(
        **given, **out, mask=tmp_path / "mask.nii.gz", sidecar=tmp_path / "c.json",
        rows=rows, statistic=statistic, label="x",
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = compute_fixed_effect_contrast(labels, results, weights, stat_type=statistic)
    read = {name: images.read_masked(path, mask) for name, path in out.items()}
    np.testing.assert_allclose(np.squeeze(read["effect"]), np.squeeze(expected.effect), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(read["variance"], expected.variance, rtol=1e-5, atol=0)
    np.testing.assert_allclose(read["stat"], expected.stat(), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(read["p"], expected.p_value(), rtol=1e-3, atol=0)
    np.testing.assert_allclose(read["z"], expected.z_score(), rtol=1e-3, atol=1e-4)
    assert json.loads((tmp_path / "c.json").read_text())["Statistic"] == statistic
