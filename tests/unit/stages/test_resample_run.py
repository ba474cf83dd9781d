"""Resampling of one run: what is interpolated, copied, clipped, smoothed, covered and refused."""

import gzip
import hashlib
import json

import nibabel as nib
import numpy as np
import pytest
import scipy.io
from nilearn.image import smooth_img
from scipy.ndimage import affine_transform
from stage_calls import BASE, SINGLE_PRECISION, moved, resample
from with_headers import resample_run

from firstlevel.stage import InputError


def interpolated(data, affine, target, shape):
    """One interpolation by scipy, without clipping."""
    mapping = np.linalg.inv(affine) @ target
    return affine_transform(data, mapping[:3, :3], mapping[:3, 3], output_shape=shape, order=3)


def clipped(data, of):
    return np.clip(data, min(of.min(), 0), max(of.max(), 0))


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
    outside = json.loads((tmp_path / "out.json").read_text())["VoxelsOutsideFieldOfView"]
    assert outside[0] == 0 < outside[1]


@pytest.mark.parametrize("smoothing_fwhm", [None, 8.0])
def test_mean_is_that_of_what_is_written(tmp_path, runs, smoothing_fwhm):
    """Clipped and smoothed, as the run itself."""
    ours = resample(tmp_path, runs, 1, smoothing_fwhm=smoothing_fwhm)
    mean = nib.load(tmp_path / "mean_of_run.nii.gz")
    np.testing.assert_array_equal(mean.affine, ours.affine)
    expected = ours.get_fdata().mean(axis=-1)
    np.testing.assert_allclose(mean.get_fdata(), expected, rtol=1e-7, atol=1e-5)  # rounded once to single


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
    np.testing.assert_allclose(content["Translation"][3], [1.2, 0.6, 1.5], rtol=0, atol=1e-4)
    np.testing.assert_allclose(np.abs(content["Rotation"][3]), [0, 0, 4.4], rtol=0, atol=1e-4)
    assert content["VoxelsOutsideFieldOfView"][3] > content["VoxelsOutsideFieldOfView"][0] > 0
    assert len(content["Inputs"]) == 4
    assert all(entry.keys() == {"Sha256"} for entry in content["Inputs"])  # names are the user's own
    digest = hashlib.sha256((runs[1][0] / "v2.nii").read_bytes()).hexdigest()
    assert content["Inputs"][2]["Sha256"] == digest
    reference = hashlib.sha256((runs[0][0] / "v0.nii").read_bytes()).hexdigest()
    assert content["Reference"] == [{"Sha256": reference}]
    expected = scipy_outside(runs[1][1][3][1], runs[0][1][0][1])
    assert content["VoxelsOutsideFieldOfView"][3] == expected
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
    with pytest.raises(InputError, match=r"v1\.nii: volume 2 has 1 infinite voxels"):
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
    with pytest.raises(InputError, match=r"v2\.nii: volume 3 has 1 NaN voxels"):
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
        ([0], r"v0\.nii: volume 1 has 6 NaN voxels that have values in volume 2"),
        ([1], r"v1\.nii: volume 2 has 6 NaN voxels that have values in earlier volumes"),
        ([0, 1, 3], r"v2\.nii: volume 3 has values in 6 voxels that are NaN in earlier volumes"),
        ([3], r"v3\.nii: volume 4 has 6 NaN voxels that have values in earlier volumes"),
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
    assert said["VoxelsOutsideFieldOfView"] == [0] * 4
    assert said["VolumesCopied"] == 4
    assert 0 < said["VoxelsFromReferenceGrid"] < 0.01
    assert "voxels off the reference grid, and is treated as on it" in caplog.text
    said = resampled(tmp_path, tmp_path / "a.nii", tmp_path / "a.nii", strategy=strategy)
    assert (said["VolumesCopied"], said["VoxelsFromReferenceGrid"]) == (4, 0)


@pytest.mark.parametrize("strategy", ["direct", "sequential"])
def test_run_on_another_grid_says_that_it_was_interpolated(tmp_path, head4d, strategy):
    """No volume is copied, and no distance is taken for none."""
    nib.Nifti1Image(head4d, BASE).to_filename(tmp_path / "a.nii")
    nib.Nifti1Image(head4d, moved(BASE, 0, (0, 0, 0.05))).to_filename(tmp_path / "b.nii")
    said = resampled(tmp_path, tmp_path / "b.nii", tmp_path / "a.nii", strategy=strategy)
    assert (said["VolumesCopied"], said["VoxelsFromReferenceGrid"]) == (0, None)
    assert min(said["VoxelsOutsideFieldOfView"]) > 0


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
    for key in ("Translation", "Rotation", "VoxelsOutsideFieldOfView"):
        np.testing.assert_allclose(said[key], whole[key], rtol=0, atol=2e-6)
    assert len(said["Inputs"]) == 2
    digest = hashlib.sha256((tmp_path / f"four{number}.mat").read_bytes()).hexdigest()
    assert said["Inputs"][1]["Sha256"] == digest
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
