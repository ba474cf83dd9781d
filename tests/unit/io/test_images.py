"""Reading of series, blocks and masks; deterministic writing."""

import gzip

import nibabel as nib
import numpy as np
import pytest

from firstlevel.io import header_time, image_writer, images, masked
from firstlevel.io.grids import Grid
from firstlevel.io.series import Series
from firstlevel.io.series_writer import SeriesWriter
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
    ("problem", "message"),
    [
        ("missing", r"run\.nii: there is no such file"),
        ("empty folder", "holds no image"),
        ("truncated", r"run\.nii: its data cannot be read .*describes 1072 bytes, but the file has 600"),
        ("no image", r"run\.nii: cannot be read"),
        ("4D in a list", r"run\.nii: holds 6 volumes, in a list of several files"),
        ("5D", r"run\.nii: has 5 dimensions"),
    ],
)
def test_unreadable_images_are_input_errors(tmp_path, data, problem, message):
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
        nib.Nifti1Image(data.reshape(5, 4, 3, 2, 3), AFFINE).to_filename(path)
    with pytest.raises(InputError, match=message):
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
    monkeypatch.setattr(masked, "BLOCK_BYTES", block_bytes)
    nib.Nifti1Image(data, AFFINE).to_filename(tmp_path / "run.nii")
    mask = np.random.default_rng(1).random((5, 4, 3)) > 0.4
    mask[:, :, 1] = False
    image_writer.write_image(tmp_path / "mask.nii.gz", mask.astype(np.uint8), AFFINE)
    inside = masked.read_mask(tmp_path / "mask.nii.gz")
    whole = np.full((6, int(mask.sum())), np.nan)
    read = masked.again(Series.of([tmp_path / "run.nii"]), inside)
    for voxels, block in read(np.arange(whole.shape[1])):
        assert np.isnan(whole[:, voxels]).all()
        whole[:, voxels] = block
    np.testing.assert_array_equal(whole, masked.read_masked(tmp_path / "run.nii", inside))
    image_writer.write_masked(tmp_path / "back.nii.gz", whole, inside, AFFINE)
    np.testing.assert_array_equal(
        np.asarray(nib.load(tmp_path / "back.nii.gz").dataobj), data * mask[..., None]
    )


def test_same_data_same_bytes(tmp_path, data):
    """Images carry no time stamp and no name."""
    for name in ("a.nii.gz", "b.nii.gz"):
        image_writer.write_image(tmp_path / name, data, AFFINE)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


AXES = {
    "x y z 1 t": (5, 4, 3, 1, 6),
    "x y z t 1": (5, 4, 3, 6, 1),
    "x y z 1 1 t": (5, 4, 3, 1, 1, 6),
    "x y 1 t": (5, 12, 1, 6),
}


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("name", AXES)
def test_axes_of_length_one_do_not_count(tmp_path, data, name, suffix):
    """Series, some of them and values inside a mask are those of the 4D image without them."""
    shape = AXES[name]
    grid = shape[:3]
    path, flat = tmp_path / f"run{suffix}", data.reshape((*grid, 6))
    nib.Nifti1Image(data.reshape(shape), AFFINE).to_filename(path)
    series = Series.of([path])
    assert (series.n_scans, len(series.grids()), series.grids()[5].shape) == (6, 6, grid)
    np.testing.assert_array_equal(np.stack([v.T for v in series.volumes()], axis=-1), flat)
    inside = np.ones(grid, bool)
    expected = flat.T.reshape(6, -1)
    np.testing.assert_array_equal(masked.read_masked(path, inside), expected)
    np.testing.assert_array_equal(
        np.hstack([block for _, block in masked.again(series, inside)(np.arange(inside.sum()))]), expected
    )


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 1), (5, 4, 1, 1), (5, 4, 1, 1, 1)])
def test_slice_is_a_volume_of_one_voxel_along_z(tmp_path, data, shape):
    """With two dimensions or more."""
    image = nib.Nifti1Image(data[:, :, 0, 0].reshape(shape), AFFINE)
    path = tmp_path / "slice.nii"
    image.to_filename(path)
    assert len(nib.load(path).shape) == len(shape)
    assert Grid.of(path).shape == (5, 4, 1)
    np.testing.assert_array_equal(images.read_volume(path), data[:, :, :1, 0])
    volumes = list(Series.of([path, path]).volumes())
    np.testing.assert_array_equal(volumes[1].T, data[:, :, :1, 0])


@pytest.mark.parametrize("shape", [(5, 4, 3, 2, 3), (5, 4, 3, 1, 2, 3), (72,)])
def test_two_axes_of_time_and_none_of_space_are_refused(tmp_path, data, shape):
    """Which of them is time is not known."""
    path = tmp_path / "run.nii"
    nib.Nifti1Image(data.ravel()[: int(np.prod(shape))].reshape(shape), AFFINE).to_filename(path)
    with pytest.raises(InputError, match=f"has {len(shape)} dimensions"):
        Series.of([path])


@pytest.mark.parametrize(
    ("shape", "zooms", "seconds"),
    [
        ((5, 4, 3, 1, 6), (0.0, 2.5), 2.5),
        ((5, 4, 3, 1, 6), (1.0, 2.5), 2.5),
        ((5, 4, 3, 1, 6), (2.5, 1.0), 2.5),
        ((5, 4, 3, 1, 6), (2.5, 0.0), 2.5),
        ((5, 4, 3, 1, 6), (1.0, 1.0), None),
        ((5, 4, 3, 1, 6), (0.0, 1.0), None),
        ((5, 4, 3, 6, 1), (1.0, 1.0), 1.0),
        ((5, 4, 3, 6, 1), (2.5, 1.0), 2.5),
        ((5, 4, 3, 6, 1), (0.8, 0.0), 0.8),
    ],
)
def test_repetition_time_is_that_of_the_axis_of_time(tmp_path, data, shape, zooms, seconds):
    """Of (x, y, z, 1, t) it stands in the fifth place, or where others look for it, beside a filler."""
    image = nib.Nifti1Image(data.reshape(shape), AFFINE)
    image.header["pixdim"][4:6] = zooms
    image.header.set_xyzt_units("mm", "sec")
    image.to_filename(tmp_path / "run.nii")
    found = header_time.read(tmp_path / "run.nii")
    assert found == (None if seconds is None else pytest.approx(seconds))  # nothing but fillers


RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
RGBA = np.dtype([*((name, "u1") for name in "RGBA")])


@pytest.mark.parametrize(
    ("dtype", "message"),
    [
        (np.complex64, "complex numbers"),
        (np.complex128, "complex numbers"),
        (RGB, "colours"),
        (RGBA, "colours"),
    ],
)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".img"])
def test_values_that_are_no_signal_are_refused(tmp_path, data, dtype, message, suffix):
    """Of a complex image the real part is no signal, and of colours nothing is: with the way out."""
    path = tmp_path / f"run{suffix}"
    kind = nib.Nifti1Pair if suffix == ".img" else nib.Nifti1Image
    kind(np.zeros(data.shape, dtype), AFFINE).to_filename(path)
    for read in (lambda: Series.of([path]), lambda: masked.read_mask(path), lambda: Grid.of(path)):
        with pytest.raises(InputError, match=message) as stop:
            read()
        assert "to do: save" in str(stop.value)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_numbers_of_every_type_are_read(tmp_path, data, dtype):
    """Integers and floats of each size, little-endian and big-endian."""
    values = (data // 64).astype(dtype)
    for endian in "<>":
        header = nib.Nifti1Header(endianness=endian)
        header.set_data_dtype(np.dtype(dtype).newbyteorder(endian))
        nib.Nifti1Image(values, AFFINE, header).to_filename(tmp_path / "run.nii")
        read = np.stack([v.T for v in Series.of([tmp_path / "run.nii"]).volumes()], axis=-1)
        np.testing.assert_array_equal(read, values.astype(np.float32))


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("offset", [0, 1, 100, 348, 351, 540])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_data_that_would_be_read_from_the_header_are_refused(tmp_path, data, kind, offset, suffix):
    """A single file whose vox_offset is too small: its volumes would be shifted by dozens of voxels."""
    path = tmp_path / f"run{suffix}"
    image = kind(data, AFFINE)
    content = bytearray(image.to_bytes())
    least, place, stored = (352, 108, "<f4") if kind is nib.Nifti1Image else (544, 168, "<i8")
    offset = min(offset, least - 1)
    content[place : place + np.dtype(stored).itemsize] = np.array([offset], stored).tobytes()
    path.write_bytes(gzip.compress(content) if suffix == ".nii.gz" else content)
    with pytest.raises(InputError, match=f"would be read from byte {offset}, which lies in its header"):
        Series.of([path])


@pytest.mark.parametrize("extra", [0, 16, 64])
def test_data_after_an_extension_of_the_header_are_read(tmp_path, data, extra):
    """An offset beyond the least one is what extensions of the header make."""
    image = nib.Nifti1Image(data, AFFINE)
    if extra:
        image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"a" * extra))
    image.to_filename(tmp_path / "run.nii")
    assert (nib.load(tmp_path / "run.nii").dataobj.offset > 352) == bool(extra)
    read = np.stack([v.T for v in Series.of([tmp_path / "run.nii"]).volumes()], axis=-1)
    np.testing.assert_array_equal(read, data)


def test_pair_whose_data_begin_at_zero_is_read(tmp_path, data):
    """An .img has no header in it."""
    pair(tmp_path / "a.img", data[..., 0].astype(np.float32))
    assert nib.load(tmp_path / "a.img").dataobj.offset == 0
    assert Series.of([tmp_path / "a.img"]).n_scans == 1


@pytest.mark.parametrize("scale", [1e6, 1e30])
@pytest.mark.parametrize("part", ["offset", "voxels"])
def test_affine_that_leads_out_of_any_scanner_is_refused(tmp_path, data, scale, part):
    """A kilometre and more is no place of a voxel."""
    affine = AFFINE.copy()
    if part == "offset":
        affine[1, 3] = scale
    else:
        affine[:3, :3] *= scale
    image = nib.Nifti1Image(data, AFFINE)
    image.header.set_sform(affine, 1)
    image = nib.Nifti1Image(data, None, image.header)
    image.to_filename(tmp_path / "run.nii")
    with pytest.raises(InputError, match="mm from the origin"):
        Grid.of(tmp_path / "run.nii")


def test_blocks_come_in_the_order_of_the_mask(tmp_path, monkeypatch):
    """Whole or in parts, which follow on each other and leave no voxel out."""
    values = np.arange(5 * 7 * 2 * 6, dtype=np.float32).reshape(5, 7, 2, 6)
    mask = np.random.default_rng(0).random((5, 7, 2)) > 0.3
    path = tmp_path / "bold.nii"
    nib.save(nib.Nifti1Image(values, np.eye(4)), path)
    read, everywhere = masked.again(Series.of([path]), mask), np.arange(mask.sum())
    ((whole, expected),) = read(everywhere)
    np.testing.assert_array_equal(expected, values.transpose(3, 2, 1, 0)[:, mask.T])
    monkeypatch.setattr(masked, "BLOCK_BYTES", 7 * 6 * 4)  # seven voxels
    parts = list(read(everywhere))
    assert len(parts) == -(-len(everywhere) // 7)
    assert [part[0] for part, _ in parts[1:]] == [part[-1] + 1 for part, _ in parts[:-1]]
    assert parts[-1][0][-1] == whole[-1]
    np.testing.assert_array_equal(np.hstack([block for _, block in parts]), expected)
