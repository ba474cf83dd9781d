"""Damaged files: readers give the numbers that another reader gives, or say which file cannot be read.

Bytes are flipped, cut off or put in, the same ones each time; nothing hangs, and no header makes a reader
take more memory than its file can fill.
"""

import gzip
import json
import math
import tracemalloc
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from firstlevel.io import cells, event_table, grids, images, masked, repetition, series, table_writer
from firstlevel.stage import InputError

SHAPE = (5, 4, 3, 6)
MOST_BYTES = 64 * 2**20
ENDINGS = {"nii": ".nii", "compressed": ".nii.gz", "pair": ".img", "big-endian": ".nii", "mgz": ".mgz"}


@pytest.fixture(params=ENDINGS)
def volume(request, tmp_path):
    """Paths of an undamaged image: the image, and every file of it."""
    kind = {"pair": nib.Nifti1Pair, "mgz": nib.MGHImage}.get(request.param, nib.Nifti1Image)
    header = (
        None
        if request.param == "mgz"
        else kind.header_class(endianness=">" if request.param == "big-endian" else "<")
    )
    data = np.random.default_rng(0).integers(-500, 500, SHAPE, dtype=np.int16)
    path = tmp_path / f"run{ENDINGS[request.param]}"
    image = kind(data, np.diag([3.0, 3.0, 4.0, 1.0]), header)
    image.header.set_data_dtype(np.int16)
    image.to_filename(path)
    return path, sorted(tmp_path.iterdir())


def damaged(content, rng):
    """Bytes with one to four faults, most of them in the first 400, where the header is."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(min(len(content), 400 if rng.random() < 0.8 else len(content)) or 1))
        kind = rng.integers(4)
        if kind == 0:
            del content[at:]
        elif kind == 1:
            content[at:at] = rng.bytes(2)
        elif content:
            at = min(at, len(content) - 1)
            content[at] = content[at] ^ (1 << int(rng.integers(8))) if kind == 2 else int(rng.integers(256))
    return bytes(content)


def by_nibabel(path):
    """Volumes that nibabel reads, as [z, y, x] each."""
    data = np.asarray(nib.load(path, mmap=False).dataobj, dtype=np.float32)
    data = data.reshape((*(*data.shape, 1, 1)[:3], -1))  # axes of length one do not count
    return [data[..., scan].T for scan in range(data.shape[3])]


def same_or_refused(path, seen):
    """Read an image in each way that stages do; what is read is what nibabel reads."""
    try:
        volumes = list(series.Series.of([path]).volumes())
        grids.Grid.of(path)
        mask = np.ones(volumes[0].shape[::-1], dtype=bool)
        read = [
            np.stack([volume.ravel() for volume in volumes]),
            np.atleast_2d(masked.read_masked(path, mask)),
        ]
        if len(images.load(path).shape) == 4:  # as every run of which the fit reads some voxels again
            blocks = masked.again(series.Series.of([path]), mask)(np.arange(mask.size))
            again = np.concatenate([block for _, block in blocks], axis=1)
            np.testing.assert_array_equal(again, np.nan_to_num(read[0]))
    except InputError as error:
        seen["refused"] += 1
        return str(error)
    seen["read"] += 1
    expected = np.stack([volume.ravel() for volume in by_nibabel(path)])
    for values in read:
        np.testing.assert_array_equal(values.astype(np.float32), expected)
    return ""


@pytest.mark.filterwarnings("ignore")  # nan and inf in damaged headers
def test_damaged_image_is_read_as_nibabel_reads_it_or_refused_by_name(volume, tmp_path):
    """Whatever is wrong in header or data."""
    path, files = volume
    whole = {file: file.read_bytes() for file in files}
    rng, seen = np.random.default_rng(20), {"read": 0, "refused": 0}
    assert same_or_refused(path, seen) == ""
    for _ in range(250):
        file = files[int(rng.integers(len(files)))]
        if path.suffix in (".gz", ".mgz") and rng.random() < 0.8:
            file.write_bytes(gzip.compress(damaged(gzip.decompress(whole[file]), rng), compresslevel=1))
        else:
            file.write_bytes(damaged(whole[file], rng))
        said = same_or_refused(path, seen)
        assert not said or (str(path.with_suffix("")).removesuffix(".nii") in said and "to do:" in said)
        file.write_bytes(whole[file])
    print(seen)
    assert min(seen.values()) > 40


@pytest.mark.parametrize("name", ["run.nii", "run.nii.gz", "run.img"])
@pytest.mark.parametrize("sizes", [(32767, 32767, 32767), (2000, 2000, 1000), (0, 5, 5), (-3, 5, 5)])
def test_header_that_claims_more_than_its_file_holds_takes_no_memory(tmp_path, name, sizes):
    """A header is believed as far as its file goes, compressed or not."""
    kind = nib.Nifti1Pair if name.endswith(".img") else nib.Nifti1Image
    path = tmp_path / name
    kind(np.zeros(SHAPE, np.int16), np.eye(4)).to_filename(path)
    header = path.with_suffix(".hdr") if name.endswith(".img") else path
    content = header.read_bytes()
    content = bytearray(gzip.decompress(content) if name.endswith(".gz") else content)
    content[42:48] = np.array(sizes, "<i2").tobytes()
    header.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    tracemalloc.start()
    try:
        for read in (
            lambda: list(series.Series.of([path]).volumes()),
            lambda: masked.read_mask(path),
            lambda: masked.read_masked(path, np.ones(SHAPE[:3], bool)),
            lambda: list(masked.again(series.Series.of([path]), np.ones(SHAPE[:3], bool))(np.arange(8))),
        ):
            with pytest.raises(InputError, match="run"):
                read()
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


def plain_numbers(path):
    """Numbers of a table, read by splitting alone."""
    lines = [line for line in path.read_bytes().decode("utf-8-sig").splitlines() if line.strip()]
    return [[float(cell) for cell in line.split("\t")] for line in lines[1:]]


def test_damaged_table_is_read_or_refused_by_name(tmp_path):
    """Of a table of numbers: the numbers that stand there, or a message with its name."""
    path, rng, read = tmp_path / "confounds.tsv", np.random.default_rng(21), 0
    named = 0
    table_writer.write_table(path, ["a", "b"], rng.standard_normal((20, 2)).tolist())
    whole = path.read_bytes()
    for _ in range(600):
        path.write_bytes(damaged(whole, rng))
        try:
            rows = cells.read_columns(path)[1]
        except InputError as error:
            named += str(path) in str(error)
        else:
            read += 1
            assert all(math.isfinite(value) for row in rows for value in row)
            assert rows == plain_numbers(path)
        with pytest.raises(InputError, match="confounds"):
            event_table.read_events(path)
    assert read + named == 600
    assert read > 50


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "\x00", "[]",
     *(f'{{"RepetitionTime": {value}}}'
       for value in ("true", "Infinity", "1e999", "9" * 400, "NaN", "2000", "0", "-2", "{}", '"2.0"'))],
)  # fmt: skip
def test_sidecar_without_a_time_is_refused_by_name(tmp_path, text):
    """Truth values, infinities and depth are no repetition time, and no traceback."""
    (tmp_path / "bold.json").write_text(text)
    with pytest.raises(InputError, match=r"bold\.json"):
        said_by([tmp_path / "bold.json"])


def said_by(sidecars):
    """Repetition time of sidecars alone, None where they say none."""
    fields = repetition.read_fields(sidecars)
    if not fields.keys() & {"RepetitionTime", "VolumeTiming"}:
        return None
    return repetition.volume_times(Path("bold.nii"), 9, None, fields).repetition_time


def test_damaged_sidecar_is_read_or_refused_by_name(tmp_path):
    """What is read is what the json module reads."""
    path, rng = tmp_path / "bold.json", np.random.default_rng(22)
    read = named = 0
    whole = json.dumps({"RepetitionTime": 2.0, "TaskName": "faces", "SliceTiming": [0, 1]}).encode()
    for _ in range(600):
        path.write_bytes(damaged(whole, rng))
        try:
            seconds = said_by([path])
        except InputError as error:
            named += str(path) in str(error)
        else:
            read += 1
            assert seconds == json.loads(Path(path).read_bytes().decode("utf-8-sig")).get("RepetitionTime")
    assert read + named == 600
    assert min(read, named) > 20


@pytest.mark.parametrize("beyond", [0, 100, 40 * 2**20])
def test_zeros_behind_the_data_are_not_read_to_their_end(tmp_path, caplog, beyond):
    """A small file may unpack to gigabytes; what lies beyond the data is no part of the image."""
    path = tmp_path / "run.nii.gz"
    data = np.random.default_rng(0).integers(-500, 500, SHAPE, dtype=np.int16)
    nib.Nifti1Image(data, np.eye(4)).to_filename(tmp_path / "run.nii")
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write((tmp_path / "run.nii").read_bytes() + bytes(beyond))
    read = np.stack(list(series.Series.of([path]).volumes()))
    np.testing.assert_array_equal(read, np.moveaxis(data, 3, 0).transpose(0, 3, 2, 1))
    assert ("was not tested" in caplog.text) == (beyond > images.BEYOND)


def test_header_that_puts_the_data_gigabytes_away_is_refused(tmp_path):
    """Before anything is unpacked so far."""
    image = nib.Nifti1Image(np.zeros((40, 40, 40, 40), np.int16), np.eye(4))
    image.to_filename(tmp_path / "run.nii")
    content = bytearray((tmp_path / "run.nii").read_bytes() + bytes(200 * 10**6))
    content[108:112] = np.float32(150e6).tobytes()
    (tmp_path / "run.nii.gz").write_bytes(gzip.compress(content, 1))
    with pytest.raises(InputError, match="would begin at byte 150000000"):
        images.load(tmp_path / "run.nii.gz")
