"""Small files that stand for much: packed zeros, sizes that a header claims, and squares of time.

Each of them took minutes or gigabytes, or ended in a traceback; here each has a second.
"""

import gzip
import os
import struct
import time
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from firstlevel.io import (
    confounds,
    contents,
    event_rules,
    event_sources,
    events,
    given_designs,
    headers,
    images,
    series,
    spm_affines,
    tables,
)
from firstlevel.io import spm_conditions as conditions
from firstlevel.plan import config, places, schema
from firstlevel.plan.sources import table
from firstlevel.stage import InputError

SECONDS = 5.0
"""Of one attempt, with room for a busy machine; before, each took 9 s or more, or gigabytes."""
MANY = 200_000


@pytest.fixture(autouse=True)
def quick(tmp_path, monkeypatch):
    """Work in a folder of its own, and end soon."""
    monkeypatch.chdir(tmp_path)
    start = time.monotonic()
    yield
    assert time.monotonic() - start < SECONDS


@pytest.fixture
def here(tmp_path):
    """Write text or bytes to a file."""

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def volumes(folder, n=4):
    """Write volumes of a run into a folder."""
    folder.mkdir()
    for k in range(n):
        nib.save(nib.Nifti1Image(np.full((2, 2, 2), k, "f4"), np.eye(4)), folder / f"f{k}.nii")
    return folder


def matlab(name, n_bytes):
    """MAT-file of one packed vector of zeros."""
    head = struct.pack("<10i", 14, n_bytes + 56, 6, 8, 6, 0, 5, 8, 1, n_bytes // 8)
    head += struct.pack("<2i", 1, 8) + name.ljust(8, b"\0") + struct.pack("<2i", 9, n_bytes)
    packed = zlib.compress(head + bytes(n_bytes))
    start = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<h", 0x0100) + b"IM"
    return start + struct.pack("<2i", 15, len(packed)) + packed


@pytest.mark.parametrize("name", ["r.nii", "r.nii.gz", "r.img"])
def test_plan_does_not_wait_for_a_pipe_in_place_of_an_image(name):
    """The header of a pipe is none, at once."""
    os.mkfifo(name)
    assert headers.read(name) is None


@pytest.mark.parametrize("content", [gzip.compress(b"") * MANY, b"\x1f\x8b\x08\x08" + b"n" * 10**7])
def test_plan_looks_at_the_beginning_of_a_compressed_image_alone(here, content):
    """Thousands of empty members, or a name without an end, come before no header."""
    assert headers.read(str(here("r.nii.gz", content))) is None


def test_plan_believes_no_size_that_a_file_cannot_hold(here):
    """Memory is not planned from the dimensions of a damaged header."""
    nib.save(nib.Nifti2Image(np.zeros((2, 2, 2, 2), "f4"), np.eye(4)), "r.nii")
    with Path("r.nii").open("r+b") as file:
        file.seek(16)
        file.write(struct.pack("<5q", 4, *[2**62] * 4))
    assert headers.read("r.nii") is None
    sparse = nib.Nifti1Header()
    sparse.set_data_shape((1000, 1000, 100, 4))
    sparse.set_data_dtype("f4")
    path = here("s.nii.gz", gzip.compress(sparse.binaryblock + bytes(2 * 10**7)) + os.urandom(2 * 10**6))
    assert headers.read(str(path)).n_bytes == 1_600_000_000


@pytest.mark.parametrize(("name", "pipe"), [("a.img", "a.mat"), ("a.img.gz", "a.hdr.gz"), ("a.IMG", "a.HDR")])
def test_pipe_beside_an_image_is_refused(here, name, pipe):
    """What nibabel reads with an image is a file, too."""
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="a pipe or a device"):
        images.load(here(name, bytes(500)))


def test_folder_named_as_affines_beside_an_image_is_none(tmp_path):
    """FSL's mcflirt makes run.mat/, which is read by nobody."""
    nib.save(nib.Nifti1Pair(np.zeros((2, 2, 2), "f4"), np.eye(4)), "run.img")
    (tmp_path / "run.mat").mkdir()
    assert images.load(tmp_path / "run.img").shape == (2, 2, 2)


def test_volume_of_a_folder_that_cannot_be_read_does_not_go_missing(tmp_path):
    """A pipe or a link to nothing among the volumes: a shorter run would have other times."""
    folder = volumes(tmp_path / "v")
    (folder / "f2.nii").unlink()
    os.mkfifo(folder / "f2.nii")
    with pytest.raises(InputError, match="f2.nii"):
        series.Series.of([folder]).grids()
    (folder / "f2.nii").unlink()
    (folder / "f2.nii").symlink_to("nowhere")
    with pytest.raises(InputError, match="f2.nii"):
        series.Series.of([folder]).grids()
    with pytest.raises(InputError, match="broken link"):
        table.files("v", tmp_path, "runs.tsv")


def test_number_left_out_of_a_folder_of_volumes_stops(tmp_path):
    """As of a pattern, see study: f2 is not there."""
    folder = volumes(tmp_path / "v", 6)
    assert table.files("v", tmp_path, "runs.tsv") == (str(folder),)
    (folder / "f2.nii").unlink()
    with pytest.raises(InputError, match=r"between f1.nii and f3.nii"):
        table.files("v", tmp_path, "runs.tsv")


@pytest.mark.parametrize("odd", ["pipe", "link"])
def test_condition_of_a_folder_that_cannot_be_read_does_not_go_missing(tmp_path, here, odd):
    """A pipe or a link to nothing among FSL's files."""
    (tmp_path / "ev").mkdir()
    here("ev/faces.txt", "1 2 1\n")
    os.mkfifo("ev/houses.txt") if odd == "pipe" else Path("ev/houses.txt").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"houses\.txt"):
        events.find(event_sources.files("ev"), event_rules.Rules())


def test_extension_of_a_header_is_read_no_further_than_headers_go(here):
    """One is as long as all data, or there are a million of them; some MB are as valid as ever."""
    header = nib.Nifti1Header()
    header.set_data_shape((2, 2, 2, 3))
    block = bytearray(header.binaryblock)
    block[344:348] = b"n+1\0"

    def image(offset, extensions):
        block[108:112] = struct.pack("<f", offset)
        return here("r.nii", bytes(block) + b"\1\0\0\0" + extensions)

    with pytest.raises(InputError, match="header extensions have no end"):
        images.load(image(3e9, struct.pack("<2i", 2**31 - 16, 6) + bytes(1000)))
    with pytest.raises(InputError, match="header extensions have no end"):
        images.load(image(16e6, struct.pack("<2i8x", 16, 6) * 10**6))
    long = 5 * 2**20
    path = image(352 + long, struct.pack("<2i", long, 6) + b"x" * (long - 8) + bytes(96))
    assert images.load(path).header.extensions[0].get_content() == b"x" * (long - 8)


def test_memory_that_a_header_asks_for_and_nobody_has_is_told(here, monkeypatch):
    """A volume that is not valid into memory is a message, and no traceback."""
    path = here("r.nii", b"")
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2, 3), "f4"), np.eye(4)), path)

    def none_left(*_):
        raise MemoryError

    monkeypatch.setattr(images, "volume_at", none_left)
    with pytest.raises(InputError, match="more data than fit into memory"):
        next(series.Series.of([path]).volumes())


@pytest.mark.parametrize("reader", [conditions.read_spm_conditions, spm_affines.read])
def test_packed_variables_of_matlab_have_an_end(here, reader):
    """100 kB that unpack to 100 MB are not unpacked into memory."""
    with pytest.raises(InputError, match="has more than 50 MB"):
        reader(here("e.mat", matlab(b"mat", 10**8)))


def test_file_that_grows_while_it_is_read_has_an_end(here, monkeypatch):
    """What is read is held to the limit, not only what the system said before."""
    monkeypatch.setattr(contents, "MOST_OF_TEXT", 10**5)
    path = here("e.tsv", b"x" * 1000)
    fstat = os.fstat

    def growing(file):
        with path.open("ab") as end:
            end.write(b"y" * 10**6)
        monkeypatch.setattr(os, "fstat", fstat)
        return state

    state = path.stat()
    monkeypatch.setattr(os, "fstat", growing)
    with pytest.raises(InputError, match="has more than"):
        contents.read(path)


def test_pipe_that_takes_the_place_of_a_file_does_not_wait(here, monkeypatch):
    """Between the look at a file and its opening."""
    path = here("e.tsv", "onset\n")
    check = contents.check

    def exchanged(checked):
        check(checked)
        checked.unlink()
        os.mkfifo(checked)

    monkeypatch.setattr(contents, "check", exchanged)
    with pytest.raises(InputError, match="is a pipe or a device"):
        contents.read(path)


def test_file_of_the_system_without_a_size_is_empty(tmp_path):
    """Behind a link to /proc are the secrets of a process, or no end."""
    (tmp_path / "e.tsv").symlink_to("/proc/self/environ")
    assert contents.read(tmp_path / "e.tsv") == b""


def test_description_in_the_folder_of_results_is_a_file(tmp_path):
    """The first look at the results does not wait for a pipe."""
    os.mkfifo(tmp_path / "dataset_description.json")
    with pytest.raises(InputError, match="is a pipe or a device"):
        places.check_folder(tmp_path)


def test_empty_cells_beyond_a_header_take_no_square_of_time(here):
    """Spreadsheets write thousands of them, in rows and in headers."""
    path = here("e.tsv", "onset\tduration\n1" + "\t" * MANY + "\n")
    assert tables.read_rows(path)[0].values == {"onset": "1", "duration": ""}
    path = here("e.tsv", "onset\tduration" + "\t" * MANY + "\n1\t2" + "\t" * MANY + "\n1\t2\n")
    assert [row.values for row in tables.read_rows(path)] == [{"onset": "1", "duration": "2"}] * 2


def test_names_of_rows_of_thousands_of_digits_are_none(here):
    """Python reads no whole number of more than 4300 digits."""
    path = here("e.tsv", "onset\tduration\n" + "1" * 5000 + "\t1\t2\n")
    with pytest.raises(InputError, match="has 3 values"):
        tables.read_rows(path)


def test_table_of_more_rows_than_runs_have_is_refused(here, monkeypatch):
    """Before it is taken apart, which costs hundreds of bytes for each."""
    path = here("e.tsv", "x\n" + "1\n" * 3_000_000)
    with pytest.raises(InputError, match="at most 2000000 rows"):
        tables.read_rows(path)
    monkeypatch.setattr(tables, "MOST_CELLS", 10)
    with pytest.raises(InputError, match="at most 2000000 rows and 10 cells"):
        tables.read_rows(here("e.csv", "1," * 20))


def test_blanks_between_numbers_take_no_square_of_time(here):
    """Of a table without a header."""
    assert len(confounds.columns(here("c.txt", "1" + " " * MANY + "x\t2\n"))) == 2
    assert confounds._cells(" 1 \t 2,3\t\t4 , 5") == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("\n" * MANY + "a,b\n1,2\n", ["a", "b"]),
        ("a,b" + "," * MANY + "\n1,2\n", ["a", "b"]),
    ],
)
def test_designs_of_much_nothing_are_read(here, text, names):
    """Blank lines and empty cells, whatever their number."""
    own = given_designs.read(here("d.csv", text))
    assert (own.names, own.rows) == (names, [[1.0, 2.0]])


HEAD = '# <matrix\n# ColumnLabels = "a ; b"\n# {}\n# >\n1 2\n3 4\n'
VEST = "/NumWaves {}\n/NumPoints 2\n/Matrix\n1\n2\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "d.csv",
            ",".join([*map("c{}".format, range(MANY)), "c5"]) + "\n" + "1," * MANY + "1\n",
            "two regressors have the name 'c5'",
        ),
        ("d.csv", 'a,b\n"1",' + "1" * MANY + "\n", "is not a table"),
        ("d.mat", VEST.format(999_999_999), "says that it has 999999999 columns"),
        ("d.mat", VEST.format("1" * 5000), "lacks /NumWaves or /NumPoints"),
        ("d.1D", HEAD.format('GoodList = "0..999999999"'), "a list of more than 1000000 scans"),
        ("d.1D", HEAD.format('RunStart = "0..999999999"'), "a list of more than 1000000 scans"),
        ("d.1D", HEAD.format('RunStart = "' + "1" * 5000 + '"'), "header cannot be read .*5000 digits"),
        ("d.1D", HEAD.format('GoodList = "0..1(0)"'), "header cannot be read"),
        ("d.1D", HEAD.format('NRowFull = "999999999"'), "NRowFull is 999999999"),
        ("d.1D", HEAD.format('NRowFull = "all"'), "header cannot be read .*'all'"),
        ("d.1D", HEAD.format('ColumnGroups = "x@y"'), "header cannot be read .*'x'"),
    ],
)
def test_designs_whose_headers_claim_the_impossible_are_refused(here, name, text, message):
    """Counts that would fill memory, numbers that are none, one name twice among many."""
    with pytest.raises(InputError, match=message):
        given_designs.read(here(name, text))


def test_titles_of_a_setup_take_no_cube_of_time(here):
    """Blanks in a title, and a count of titles without an end."""
    path = here("d.mat", VEST.format(1))
    here("d.fsf", "set fmri(evtitle1) " + " " * 5000 + "x y\nset fmri(evs_orig) 1000000000\n")
    assert given_designs.read(path).names == ["ev1"]
    here("d.fsf", '\tset fmri(evtitle1)\t"x y" \nset fmri(evs_orig) 1\nset fmri(evs_real) 1\n')
    assert given_designs.read(path).names == ["x y"]


def test_columns_of_a_group_that_has_too_many_are_of_no_group(here):
    """ColumnGroups of a billion columns."""
    own = given_designs.read(here("d.1D", HEAD.format('ColumnGroups = "1000000000@1"')))
    assert own.names == ["a", "b"]
    assert set(own.roles.values()) == {"given"}


def test_powers_of_a_modulator_have_an_end(tmp_path):
    """An order of a billion would be as many regressors."""
    from scipy.io import savemat

    names, onsets = np.empty(1, object), np.empty(1, object)
    names[0], onsets[0] = "a", np.arange(3.0)
    savemat("e.mat", {"names": names, "onsets": onsets, "tmod": 1e9})
    with pytest.raises(InputError, match="tmod of condition 'a' is 1e"):
        conditions.read_spm_conditions(tmp_path / "e.mat")


def test_cells_in_cells_do_not_crash_their_reader(here):
    """SciPy's reader calls itself for each, in C: the process died without a message."""
    cell = struct.pack("<10i", 6, 8, 1, 0, 5, 8, 1, 1, 1, 0)
    within, total = [], 0
    for _ in range(MANY):
        within.append(struct.pack("<2i", 14, len(cell) + total) + cell)
        total += len(within[-1])
    name = struct.pack("<2i", 1, 8) + b"names\0\0\0"
    whole = struct.pack("<2i", 14, 32 + len(name) + total) + cell[:32] + name + b"".join(reversed(within))
    start = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<h", 0x0100) + b"IM"
    packed = zlib.compress(whole, 1)
    for content in (whole, struct.pack("<2i", 15, len(packed)) + packed):
        with pytest.raises(InputError, match="more than 100 deep"):
            conditions.read_spm_conditions(here("e.mat", start + content))


@pytest.mark.parametrize("depth", [600, 700])
def test_config_of_hundreds_of_levels_is_a_message(here, depth):
    """Of YAML or JSON, in the file and as Snakemake gives it."""
    with pytest.raises(InputError, match="hundreds of levels deep"):
        schema.check_keys([here("c.yaml", "[" * depth + "]" * depth)])
    given = {}
    inner = given
    for _ in range(depth):
        inner["a"] = inner = {}
    with pytest.raises(InputError, match="hundreds of levels deep"):
        config.check_config(given, {})
