"""The mask: a given one, and what the fields of view leave of it."""

import hashlib
import json

import nibabel as nib
import numpy as np
import pytest
from stage_calls import BASE, resample

from compute_mask import compute_mask
from firstlevel.io import image_writer
from firstlevel.io.masked import read_mask
from firstlevel.stage import InputError

SINGLE = float(np.finfo(np.float32).eps)
"""One rounding, to what the image holds."""


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
    image_writer.write_image(own, whole, BASE)
    values = [nib.load(path).get_fdata() for path in bold]
    of_runs = [np.asarray(nib.load(path).dataobj) > 0 for path in fields]

    masked([own], out, own_mask=[own])
    np.testing.assert_array_equal(read_mask(out), whole > 0)
    assert (values[1][whole > 0] == 0).any()
    said = json.loads(out.with_suffix(".json").read_text())
    assert (said["FieldOfView"], said["VoxelsLeftOutForFieldOfView"]) == ("zeros", 0)

    masked([own], out, own_mask=[own], fields_of_view=fields)
    np.testing.assert_array_equal(read_mask(out), (whole > 0) & np.any(of_runs, axis=0))
    masked([own], out, own_mask=[own], fields_of_view=fields, coverage="all")
    inside = read_mask(out)
    np.testing.assert_array_equal(inside, (whole > 0) & np.all(of_runs, axis=0))
    assert all((run[inside] > 300).all() for run in values)
    said = json.loads(out.with_suffix(".json").read_text())
    assert said["VoxelsLeftOutForFieldOfView"] == whole.sum() - inside.sum() > 16 * 18 * 3
    assert said["NumberOfVoxels"] == inside.sum()

    image_writer.write_image(fields[0], np.zeros((20, 22, 12), np.uint8), BASE)
    with pytest.raises(InputError, match="no voxel that all volumes of a run cover"):
        masked([own], out, own_mask=[own], fields_of_view=fields, coverage="all")
    image_writer.write_image(fields[1], np.zeros((20, 22, 12), np.uint8), BASE)
    with pytest.raises(InputError, match="no voxel that all volumes of a run cover"):
        masked([own], out, own_mask=[own], fields_of_view=fields)


def masked(means, out, own_mask=(), fields_of_view=(), coverage="any"):
    """Call compute_mask; the sidecar has the name of the mask. Without fields of view, there is no limit."""
    compute_mask(
        means=means, mask=out, own_mask=list(own_mask), sidecar=out.with_suffix(".json"),
        fields_of_view=list(fields_of_view) or means, is_masked=bool(fields_of_view), coverage=coverage,
    )  # fmt: skip


def test_own_mask_is_taken_as_it_is_or_by_nearest_neighbour(tmp_path):
    """A mask on the grid stays voxel by voxel; one of twice the voxel size is moved to the grid."""
    mean, own, out = (tmp_path / f"{name}.nii.gz" for name in ("mean", "own", "out"))
    image_writer.write_image(mean, np.ones((8, 8, 8), np.float32), np.eye(4))
    inside = np.random.default_rng(0).random((8, 8, 8)) > 0.5
    image_writer.write_image(own, inside[..., None].astype(np.float32) * 0.2, np.eye(4))
    masked([mean], out, own_mask=[own])
    np.testing.assert_array_equal(read_mask(out), inside)
    said = json.loads(out.with_suffix(".json").read_text())
    assert (said["Source"], said["ResampledByNearestNeighbour"]) == ("given", [])
    assert said["Masks"] == [{"Name": "mask", "Sha256": hashlib.sha256(own.read_bytes()).hexdigest()}]
    assert said["NumberOfVoxels"] == inside.sum()
    coarse = np.zeros((4, 4, 4), np.uint8)
    coarse[1, 2, 3] = 1
    image_writer.write_image(own, coarse, np.diag([2.0, 2.0, 2.0, 1.0]) + np.eye(4)[:, [3, 3, 3, 3]] * 0)
    masked([mean], out, own_mask=[own])
    assert json.loads(out.with_suffix(".json").read_text())["ResampledByNearestNeighbour"] == ["mask"]
    found = np.argwhere(read_mask(out)).mean(axis=0)
    np.testing.assert_allclose(found, [2, 4, 6], rtol=0, atol=0.5)


def test_empty_mask_is_an_error(tmp_path):
    """No analysis of nothing: an empty mask, and a run without signal."""
    mean, own = tmp_path / "mean.nii.gz", tmp_path / "own.nii.gz"
    for path in (mean, own):
        image_writer.write_image(path, np.zeros((4, 4, 4), np.float32), np.eye(4))
    with pytest.raises(InputError, match="an empty mask"):
        masked([mean], tmp_path / "m.nii.gz", own_mask=[own])
    with pytest.raises(InputError, match="the run has no signal"):
        masked([mean], tmp_path / "m.nii.gz")
