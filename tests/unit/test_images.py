"""Reading of series, blocks and masks; deterministic writing."""

import nibabel as nib
import numpy as np
import pytest

from firstlevel import images
from firstlevel.images import Grid, Series, SeriesWriter
from firstlevel.stage import InputError

AFFINE = np.array([[-3.0, 0.1, 0, 90], [0, 3, 0.2, -126], [0, -0.2, 3.75, -72], [0, 0, 0, 1]])


@pytest.fixture
def data():
    return np.random.default_rng(0).integers(0, 8000, (5, 4, 3, 6)).astype(np.int16)


def pair(path, volume, slope=0.125, endian=">"):
    """Write a pair as SPM does: big-endian, with slope and intercept."""
    image = nib.Nifti1Pair(volume, AFFINE, nib.nifti1.Nifti1PairHeader(endianness=endian))
    image.header.set_data_dtype(np.int16)
    image.header.set_slope_inter(slope, 2.0)
    image.to_filename(path)
    raw = nib.Nifti1Pair.from_filename(path)
    return np.asarray(raw.dataobj)


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("fourth", [False, True])
def test_3d_pairs_are_read_with_slope_intercept_and_byte_order(tmp_path, data, endian, fourth):
    """Values are those that nibabel reads, for (x, y, z) and (x, y, z, 1), in name order."""
    expected = []
    for scan in range(3):
        volume = data[..., scan, None] if fourth else data[..., scan]
        expected.append(
            pair(tmp_path / f"v{scan}.img", volume.astype(np.float32) / 8, endian=endian).reshape(5, 4, 3)
        )
    series = Series.of([tmp_path])
    assert series.n_scans == 3
    for scan, volume in enumerate(series.volumes()):
        assert volume.dtype == np.float32
        np.testing.assert_array_equal(volume.T, expected[scan].astype(np.float32))
    assert Grid.of(tmp_path / "v0.img").shape == (5, 4, 3)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_4d_image_is_a_series(tmp_path, data, suffix):
    """The volumes of a 4D file are its last axis."""
    path = tmp_path / f"run{suffix}"
    nib.Nifti1Image(data, AFFINE).to_filename(path)
    series = Series.of([path])
    assert (series.n_scans, len(series.grids())) == (6, 6)
    np.testing.assert_array_equal(np.stack([v.T for v in series.volumes()], axis=-1), data)


def test_headers_listed_beside_their_images_are_no_volumes(tmp_path, data):
    """Rules list the .hdr, too, since a changed header is a changed input."""
    pair(tmp_path / "a.img", data[..., 0])
    assert Series.of([tmp_path / "a.img", tmp_path / "a.hdr"]).n_scans == 1


@pytest.mark.parametrize(
    "problem", ["missing", "empty folder", "truncated", "no image", "4D in a list", "5D"]
)
def test_unreadable_images_are_input_errors(tmp_path, data, problem):
    """What cannot be read names the file and says what to do."""
    path = tmp_path / "run.nii"
    bold = [path]
    if problem == "empty folder":
        bold = [tmp_path]
    elif problem == "truncated":
        nib.Nifti1Image(data, AFFINE).to_filename(path)
        path.write_bytes(path.read_bytes()[:600])
    elif problem == "no image":
        path.write_text("not a NIfTI image, but text " * 20)
    elif problem == "4D in a list":
        nib.Nifti1Image(data, AFFINE).to_filename(path)
        bold = [path, path]
    elif problem == "5D":
        nib.Nifti1Image(data[..., None, :], AFFINE).to_filename(path)
    with pytest.raises(InputError, match=tmp_path.name):
        series = Series.of(bold)
        series.grids()
        list(series.volumes())


def test_series_writer_makes_what_nibabel_reads(tmp_path, data):
    """A file written volume by volume, in any order, has the grid, time and data that were given."""
    path = tmp_path / "out.nii"
    grid = Grid((5, 4, 3), AFFINE)
    with SeriesWriter(path, grid, 6, 2.5) as writer:
        for scan in (3, 0, 5, 1, 4, 2):
            writer.write(scan, data[..., scan].T.astype(np.float32))
        np.testing.assert_array_equal(writer.read(4).T, data[..., 4])
    image = nib.load(path)
    np.testing.assert_array_equal(np.asarray(image.dataobj), data)
    np.testing.assert_allclose(image.affine, AFFINE, rtol=1e-6, atol=1e-6)
    assert image.header.get_zooms()[3] == 2.5
    assert image.header.get_xyzt_units() == ("mm", "sec")


@pytest.mark.parametrize("block_bytes", [1, 5 * 4 * 6 * 4 * 2, 2**30])
def test_blocks_hold_every_voxel_of_the_mask_once(tmp_path, data, monkeypatch, block_bytes):
    """Blocks together are the masked data, for any size of block."""
    monkeypatch.setattr(images, "BLOCK_BYTES", block_bytes)
    nib.Nifti1Image(data, AFFINE).to_filename(tmp_path / "run.nii")
    mask = np.random.default_rng(1).random((5, 4, 3)) > 0.4
    mask[:, :, 1] = False
    images.write_image(tmp_path / "mask.nii.gz", mask.astype(np.uint8), AFFINE)
    inside = images.read_mask(tmp_path / "mask.nii.gz")
    whole = np.full((6, int(mask.sum())), np.nan)
    for voxels, block in images.blocks(tmp_path / "run.nii", inside):
        assert np.isnan(whole[:, voxels]).all()
        whole[:, voxels] = block
    np.testing.assert_array_equal(whole, images.read_masked(tmp_path / "run.nii", inside))
    images.write_masked(tmp_path / "back.nii.gz", whole, inside, AFFINE)
    np.testing.assert_array_equal(
        np.asarray(nib.load(tmp_path / "back.nii.gz").dataobj), data * mask[..., None]
    )


def test_same_data_same_bytes(tmp_path, data):
    """Images carry no time stamp and no name."""
    for name in ("a.nii.gz", "b.nii.gz"):
        images.write_image(tmp_path / name, data, AFFINE)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
