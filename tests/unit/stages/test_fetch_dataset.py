import hashlib
import json
import logging
import os
import re
import shutil
import stat
import subprocess
import sys
import time
import warnings
import zipfile
from pathlib import Path

import http_study
import nibabel
import pytest
import scipy.io
from http_study import FMRI, REGISTRY, SMRI, first, make_archives, make_registry, serve

import fetch_dataset as stage_module
from fetch_dataset import fetch_dataset
from firstlevel.io import archives
from firstlevel.stage import InputError

OUTPUTS = {
    "session1": "fMRI/Session1",
    "session2": "fMRI/Session2",
    "trials1": "fMRI/trials_ses1.mat",
    "trials2": "fMRI/trials_ses2.mat",
    "structural": "sMRI/smri.img",
}


@pytest.fixture(scope="session")
def members():
    """The real layout: 390 volumes per session."""
    return http_study.tiny_members()


@pytest.fixture(scope="session")
def full(tmp_path_factory, members):
    """A server folder with both archives in the real layout and their registry; not to be changed."""
    return make_archives(tmp_path_factory.mktemp("full"), members).parent


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    """The same with 6 volumes per session, for what does not depend on their number."""
    return make_archives(tmp_path_factory.mktemp("good"), volumes=6).parent


@pytest.fixture
def server(tmp_path, good):
    """A server folder of one's own."""
    return Path(shutil.copytree(good, tmp_path / "server"))


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data" / "spm_multimodal"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(stage_module, "WAITS", (0.0, 0.01, 0.02))


def fetch(server, data, base_url):
    outputs = {name: data / "sub001" / path for name, path in OUTPUTS.items()}
    fetch_dataset(registry=server / "registry.json", **outputs, base_url=base_url)


def fetch_from(server, data, behaviour=http_study.whole):
    """Fetch from a server; names of the files that were asked for."""
    seen = []
    with serve(server, behaviour, seen) as url:
        fetch(server, data, url)
    return seen


def files_below(data):
    return sorted(str(path.relative_to(data)) for path in data.rglob("*") if path.is_file())


def assert_fails_clean(server, data, match, behaviour=http_study.whole, left=()):
    """Fail with a message, and leave nothing but `left` (whole archives and their records)."""
    with pytest.raises(InputError, match=match) as caught:
        fetch_from(server, data, behaviour)
    assert files_below(data) == sorted(left)
    assert not [path for path in data.rglob("*") if path.name.startswith(".")]
    assert "expected:" in str(caught.value)
    assert "to do:" in str(caught.value)
    return str(caught.value)


def add_to_archive(server, *entries):
    """Add members (name or ZipInfo, content) to the fMRI archive, and give the registry its new size."""
    with warnings.catch_warnings(), zipfile.ZipFile(server / FMRI, "a", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # zipfile's own warning of a duplicate name
        for name, content in entries:
            archive.writestr(name, content)
    make_registry(server)


# ------------------------------------------------------------------------------------------ the good way


def test_whole_study_is_downloaded_and_unpacked_byte_for_byte(full, data, members):
    """All volumes, trials and the structural image arrive, both archives are kept and recorded."""
    assert fetch_from(full, data) == [FMRI, SMRI]
    for name, content in members.items():
        assert (data / "sub001" / name).read_bytes() == content
    extra = [FMRI, f"{FMRI}.sha256", SMRI, f"{SMRI}.sha256"]
    assert files_below(data) == sorted([f"sub001/{name}" for name in members] + extra)
    volumes = sorted((data / "sub001/fMRI/Session2").glob("fMETHODS-0006-*-01.img"))
    assert len(volumes) == 390
    assert nibabel.load(volumes[-1]).shape == (4, 4, 2)
    trials = scipy.io.loadmat(data / "sub001/fMRI/trials_ses1.mat", simplify_cells=True)
    assert list(trials["names"]) == ["faces", "scrambled"]


def test_record_is_what_sha256sum_checks(good, data):
    """The record beside an archive is in the format of coreutils."""
    fetch_from(good, data)
    digest = hashlib.sha256((good / FMRI).read_bytes()).hexdigest()
    assert (data / f"{FMRI}.sha256").read_text() == f"{digest}  {FMRI}\n"


def test_base_url_may_lack_its_last_slash(good, data):
    """A base URL with and without a slash at its end names the same files."""
    with serve(good) as url:
        fetch(good, data, url.rstrip("/"))
    assert (data / "sub001/sMRI/smri.hdr").is_file()


def test_archive_may_have_one_leading_folder(tmp_path, data):
    """Members below one common folder land in the same places."""
    make_archives(tmp_path / "server", volumes=6, leading="multimodal/")
    fetch_from(tmp_path / "server", data)
    assert (data / "sub001/fMRI/trials_ses2.mat").is_file()


def test_other_members_are_not_unpacked(server, data):
    """Files that the registry does not name stay in the archive."""
    add_to_archive(server, ("fMRI/README.txt", "hello"), ("fMRI/Session1/mean.img", "x"))
    fetch_from(server, data)
    assert len(files_below(data / "sub001")) == 4 * 6 + 4


def test_archives_can_be_made_from_a_study_folder(tmp_path, good, data):
    """An unpacked study, zipped again and fetched again, is the same study."""
    fetch_from(good, data)
    make_archives(tmp_path / "again", data / "sub001", volumes=6)
    fetch_from(tmp_path / "again", tmp_path / "data2/spm_multimodal")
    assert files_below(tmp_path / "data2/spm_multimodal") == files_below(data)


def test_unpacking_again_does_not_download_again(good, data):
    """Outputs that were deleted come back from the kept archives."""
    fetch_from(good, data)
    shutil.rmtree(data / "sub001")
    assert fetch_from(good, data) == []
    assert (data / "sub001/sMRI/smri.img").is_file()


def test_archive_put_there_by_hand_is_used_and_recorded(good, data):
    """A user who downloads with a browser needs no server."""
    data.mkdir(parents=True)
    shutil.copy(good / FMRI, data)
    assert fetch_from(good, data) == [SMRI]
    assert archives.recorded_sha256(data / FMRI) == hashlib.sha256((good / FMRI).read_bytes()).hexdigest()


def test_damaged_kept_archive_is_downloaded_again(good, data, caplog):
    """A kept archive that is not the recorded one is replaced by the recorded one, with a warning."""
    fetch_from(good, data)
    shutil.rmtree(data / "sub001")
    (data / FMRI).write_bytes((data / FMRI).read_bytes()[:-100])
    assert fetch_from(good, data) == [FMRI]
    assert (data / FMRI).read_bytes() == (good / FMRI).read_bytes()
    assert "is not the recorded archive" in caplog.text


def test_progress_goes_to_the_log_where_there_is_no_terminal(good, data, caplog):
    """Without a terminal the log tells about how far the download is."""
    caplog.set_level(logging.INFO)
    fetch_from(good, data)
    assert f"100 % of {(good / FMRI).stat().st_size:,} bytes" in caplog.text


def test_progress_bar_shows_on_a_terminal(good, data, monkeypatch, capsys):
    """On a terminal a bar counts to the size of the archive."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    fetch_from(good, data)
    assert re.search(rf"{FMRI}: 100%.*B/s", capsys.readouterr().err)


def test_script_runs_from_the_command_line_and_shows_no_traceback(good, data):
    """A user's mistake gives the message and exit status 1, no traceback."""
    flags = [f"--{name}={data / 'sub001' / path}" for name, path in OUTPUTS.items()]
    command = [sys.executable, stage_module.__file__, f"--registry={good / 'registry.json'}", *flags]
    with serve(good) as url:
        done = subprocess.run([*command, f"--base-url={url}"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        again = subprocess.run([*command, f"--base-url={url}"], capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "Session1: not empty" in again.stderr
    assert "Traceback" not in again.stderr


def test_registry_of_the_package_is_the_published_study():
    """The shipped registry has the size, counts, address and terms that are known."""
    registry = json.loads(REGISTRY.read_text())
    fmri, smri = archives.read_registry(REGISTRY)
    assert (fmri.file, fmri.size, smri.file, smri.size) == (FMRI, 134_263_085, SMRI, None)
    assert [item.count for item in fmri.series] == [390, 390, 1, 1]
    assert {item.output for item in fmri.series + smri.series} == OUTPUTS.keys()
    assert registry["base_url"] == "https://www.fil.ion.ucl.ac.uk/spm/download/data/mmfaces/"
    assert registry["license"].startswith("unknown")


# ------------------------------------------------------------------------------------ servers that err


@pytest.mark.parametrize(
    ("answer", "count"), [("500", 2), ("truncated", 2), ("503", 3), ("429", 1)], ids=lambda value: str(value)
)
def test_passing_trouble_is_outlived(good, data, answer, count, caplog):
    """A server that errs a few times and then serves the whole archive gives a whole study."""
    assert fetch_from(good, data, first(count, answer)) == [FMRI] * (count + 1) + [SMRI] * (count + 1)
    assert (data / FMRI).read_bytes() == (good / FMRI).read_bytes()
    assert "try 1 of 4" in caplog.text


def test_waits_grow_between_tries(good, data, monkeypatch):
    """The pauses are those of WAITS, in order."""
    pauses = []
    monkeypatch.setattr(stage_module, "WAITS", (2.0, 4.0, 8.0))
    monkeypatch.setattr(stage_module.time, "sleep", pauses.append)
    with pytest.raises(InputError):
        fetch_from(good, data, first(99, "500"))
    assert pauses == [2.0, 4.0, 8.0]


def test_transfer_without_length_that_ends_early_is_tried_again(good, data, monkeypatch):
    """Half an archive is not taken for one even where the server does not announce its length."""
    real, calls = stage_module._receive, []

    def receive(url, part, limit):
        real(url, part, limit)
        calls.append(url)
        if len(calls) == 1:
            os.truncate(part, part.stat().st_size // 2)

    monkeypatch.setattr(stage_module, "_receive", receive)
    assert fetch_from(good, data) == [FMRI, FMRI, SMRI]


@pytest.mark.parametrize("answer", ["500", "truncated"])
def test_lasting_trouble_ends_in_a_clear_error(good, data, answer):
    """After four tries the message names the address and the last trouble; nothing is left."""
    message = assert_fails_clean(good, data, "no whole archive after 4 tries", first(99, answer))
    assert f"/mmfaces/{FMRI}" in message
    assert "study.spm_multimodal.base_url" in message
    assert {"500": "500 Server Error", "truncated": "IncompleteRead"}[answer] in message


def test_hanging_server_does_not_hang_us(good, data, monkeypatch):
    """A server that stops in the middle is left after the time limit."""
    monkeypatch.setattr(stage_module, "TIMEOUT", (1.0, 0.1))
    start = time.monotonic()
    assert_fails_clean(good, data, r"(?s)no whole archive.*timed out", first(99, "hang"))
    assert time.monotonic() - start < 4.0  # s: four tries of 0.1 s, and room for a busy computer


def test_no_server_at_all_is_a_clear_error(good, data):
    """A refused connection is tried again, then reported."""
    with serve(good) as url:
        pass
    with pytest.raises(InputError, match=r"no whole archive after 4 tries.*Connection"):
        fetch(good, data, url)
    assert files_below(data) == []


@pytest.mark.parametrize("status", ["404", "403"])
def test_refusal_is_not_tried_again(good, data, status):
    """HTTP 4xx stops at once and names the status and the address."""
    seen = []

    def behaviour(name, _request):
        seen.append(name)
        return status

    assert f"/mmfaces/{FMRI}" in assert_fails_clean(good, data, f"HTTP status {status}", behaviour)
    assert seen == [FMRI]


def test_html_page_is_named_as_such(good, data):
    """A page in place of an archive is reported with its first words and what to do."""
    message = assert_fails_clean(good, data, "an HTML page rather than an archive", first(99, "html"))
    for words in (
        "Site maintenance Back soon.",
        "/mmfaces/",
        "study.spm_multimodal.base_url",
        "study.spm_multimodal.path",
    ):
        assert words in message


def test_failing_second_archive_leaves_the_first_for_the_next_run(good, data):
    """The good archive is kept, no output exists, and the next run needs only the other one."""
    seen = assert_fails_clean(
        good,
        data,
        "an HTML page",
        lambda name, _request: "html" if name == SMRI else "whole",
        left=[FMRI, f"{FMRI}.sha256"],
    )
    assert SMRI in seen
    assert fetch_from(good, data) == [SMRI]


def test_file_that_is_no_archive_is_refused(server, data):
    """Bytes that are neither archive nor page are shown."""
    (server / FMRI).write_bytes(b'{"error": "quota"}')
    assert_fails_clean(server, data, "not a zip archive")


def test_archive_of_another_size_is_refused(server, data):
    """The published size is held to, and both sizes are named."""
    size = (server / FMRI).stat().st_size
    make_registry(server, size=size + 1)
    message = assert_fails_clean(server, data, f"{size:,} bytes")
    assert f"expected: {size + 1:,} bytes" in message


def test_endless_body_is_cut_off(server, data):
    """A body beyond the bound stops the download."""
    make_registry(server, unpacked_limit=1000)
    assert_fails_clean(server, data, "sends more bytes")


def test_changed_archive_is_refused_with_both_digests(server, data):
    """A later download must be the recorded archive; the message says which record to delete."""
    fetch_from(server, data)
    old = archives.recorded_sha256(data / FMRI)
    shutil.rmtree(data / "sub001")
    (data / FMRI).unlink()
    make_archives(server, volumes=6, change=lambda m: m.update({"fMRI/new.txt": b"new"}))
    left = [f"{FMRI}.sha256", SMRI, f"{SMRI}.sha256"]
    message = assert_fails_clean(server, data, "the archive has changed", left=left)
    assert old in message
    assert hashlib.sha256((server / FMRI).read_bytes()).hexdigest() in message
    assert f"delete {data / FMRI}.sha256" in message
    (data / f"{FMRI}.sha256").unlink()
    assert fetch_from(server, data) == [FMRI]


def test_unreadable_record_is_an_error(good, data):
    """A record without a digest is not passed over."""
    data.mkdir(parents=True)
    (data / f"{FMRI}.sha256").write_text("oops\n")
    with pytest.raises(InputError, match="no SHA-256 in it"):
        fetch_from(good, data)


@pytest.mark.parametrize("base_url", ["", "file:///tmp/", "ftp://host/", "/tmp", "https://"])
def test_only_http_addresses_are_taken(good, data, base_url):
    """Any other base URL is the user's error, before anything is written."""
    with pytest.raises(InputError, match=r"study\.spm_multimodal\.base_url"):
        fetch(good, data, base_url)
    assert not data.exists()


def test_existing_session_folder_is_not_overwritten(good, data):
    """Files of the user's in an output folder stop the stage before it downloads."""
    mine = data / "sub001/fMRI/Session2/mine.img"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with serve(good, seen=(seen := [])) as url, pytest.raises(InputError, match="not empty"):
        fetch(good, data, url)
    assert (seen, mine.read_text()) == ([], "mine")


# ------------------------------------------------------------------------------------ archives that err


def link(name):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


EVIL = {
    "parent": ("../evil.txt", "leaves its folder"),
    "parent inside": ("fMRI/../../evil.txt", "leaves its folder"),
    "absolute": ("/tmp/evil.txt", "an absolute path"),
    "drive": ("C:/evil.txt", "an absolute path"),
    "backslash": ("..\\evil.txt", "a backslash"),
    "link": (link("fMRI/Session1/evil"), "a symbolic link"),
    "duplicate": ("fMRI/trials_ses1.mat", "occurs twice"),
    "dotted duplicate": ("./fMRI/trials_ses1.mat", "occurs twice"),
    "case": ("fMRI/TRIALS_ses1.mat", "occurs twice"),
}


@pytest.mark.parametrize(("name", "problem"), EVIL.values(), ids=EVIL)
def test_dangerous_member_condemns_the_archive(server, data, tmp_path, name, problem):
    """A member that could land elsewhere or hide another is refused before anything is unpacked."""
    add_to_archive(server, (name, "/etc/passwd"))
    assert_fails_clean(server, data, problem)
    assert not list(tmp_path.rglob("evil*"))


def test_nul_in_a_name_condemns_the_archive(server, data):
    """A name that zipfile would cut at a NUL is seen whole."""
    add_to_archive(server, ("fMRI/evilX.txt", "x"))
    content = (server / FMRI).read_bytes().replace(b"evilX.txt", b"evil\0.txt")
    (server / FMRI).write_bytes(content)
    assert_fails_clean(server, data, "control character")


def test_bomb_is_stopped_at_the_bound(server, data):
    """Members that unpack to more than the registry allows stop the extraction, wanted or not."""
    add_to_archive(server, ("fMRI/bomb.bin", bytes(20_000_000)))
    make_registry(server, unpacked_limit=2_000_000)
    assert (server / FMRI).stat().st_size < 1_000_000
    assert_fails_clean(server, data, "unpacks to more than 2,000,000 bytes")


def test_bound_holds_for_all_members_together(server, data):
    """The sum counts, not each member."""
    add_to_archive(server, ("fMRI/large.txt", bytes(50_000)))
    with zipfile.ZipFile(server / FMRI) as archive:
        total = sum(member.file_size for member in archive.infolist())
    make_registry(server, unpacked_limit=total - 1)
    assert_fails_clean(server, data, "unpacks to more than")
    make_registry(server, unpacked_limit=total)
    fetch_from(server, data)


def test_damaged_member_is_found_by_its_checksum(server, data):
    """One flipped byte in compressed data is an error, and the damaged archive is not kept."""
    content = bytearray((server / FMRI).read_bytes())
    with zipfile.ZipFile(server / FMRI) as archive:
        member = archive.getinfo("fMRI/Session2/fMETHODS-0006-00003-01.img")
    content[member.header_offset + 30 + len(member.filename) + 20] ^= 0xFF
    (server / FMRI).write_bytes(content)
    assert_fails_clean(server, data, "cannot be unpacked")


LACKING = {
    "volume": (["fMRI/Session1/fMETHODS-0005-00100-01.img"], "00100-01.img"),
    "header": (["fMRI/Session2/fMETHODS-0006-00390-01.hdr"], "00390-01.hdr"),
    "pair": ([f"fMRI/Session1/fMETHODS-0005-00100-01.{end}" for end in ("img", "hdr")], "389 files match"),
    "trials": (["fMRI/trials_ses2.mat"], "0 files match fMRI/trials_ses2.mat"),
    "structural header": (["sMRI/smri.hdr"], "smri.hdr"),
}


@pytest.mark.parametrize(("names", "problem"), LACKING.values(), ids=LACKING)
def test_incomplete_series_is_refused(tmp_path, data, members, names, problem):
    """A missing volume, header or trials file is named, and no output is made."""
    make_archives(tmp_path / "server", members, change=lambda m: [m.pop(name) for name in names])
    left = [FMRI, f"{FMRI}.sha256"] if names[0].startswith("sMRI") else []
    assert_fails_clean(tmp_path / "server", data, problem, left=left)


def test_surplus_volume_is_refused(tmp_path, full, data):
    """A series of 391 volumes is not the published one."""
    server = Path(shutil.copytree(full, tmp_path / "server"))
    stem = "fMRI/Session1/fMETHODS-0005-00391-01"
    add_to_archive(server, (f"{stem}.img", bytes(64)), (f"{stem}.hdr", bytes(348)))
    assert_fails_clean(server, data, "391 files match")


@pytest.mark.parametrize(
    ("name", "content"),
    [("fMRI/trials_ses1.mat", b""), ("fMRI/Session1/fMETHODS-0005-00001-01.hdr", b"x" * 347)],
)
def test_file_too_short_to_be_one_is_refused(tmp_path, data, name, content):
    """An empty file and a header below 348 bytes are errors."""
    make_archives(tmp_path / "server", volumes=6, change=lambda m: m.update({name: content}))
    assert_fails_clean(tmp_path / "server", data, f"{name} has {len(content)} bytes")


def test_study_spread_over_two_folders_is_refused(tmp_path, data):
    """Two copies of a series in different folders are not mixed."""

    def change(m):
        m["fMRI/old/fMRI/trials_ses1.mat"] = b"old"

    make_archives(tmp_path / "server", volumes=6, change=change)
    assert_fails_clean(tmp_path / "server", data, "several folders")


# ------------------------------------------------------------------------------------ interruptions


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(28, "No space left on device")], ids=["key", "disk"]
)
def test_interrupted_unpacking_leaves_nothing(full, data, monkeypatch, error):
    """Whatever stops the extraction half-way, no output and no half archive remains."""
    real, calls = archives._copy, []

    def copy(*arguments):
        calls.append(1)
        if len(calls) == 100:
            raise error
        return real(*arguments)

    monkeypatch.setattr(archives, "_copy", copy)
    with pytest.raises(type(error)):
        fetch_from(full, data)
    assert list(data.iterdir()) == []


def test_interrupted_move_takes_back_what_was_moved(full, data, monkeypatch):
    """If one output cannot take its name, none has it."""
    real = Path.replace

    def replace(self, target):
        if Path(target).name == "trials_ses2.mat":
            raise OSError(28, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OSError, match="No space"):
        fetch_from(full, data)
    assert files_below(data) == [FMRI, f"{FMRI}.sha256", SMRI, f"{SMRI}.sha256"]


def test_remains_of_a_killed_job_are_cleared(good, data):
    """What a killed job left does not reach the outputs, and goes."""
    stale = data / ".sub001.partial/fMRI/Session1"
    stale.mkdir(parents=True)
    (stale / "fMETHODS-0005-99999-01.img").write_text("stale")
    (data / f"{FMRI}.part").write_bytes(b"PK half an archive")
    (data / "sub001/fMRI/Session1").mkdir(parents=True)
    fetch_from(good, data)
    assert len(files_below(data / "sub001")) == 4 * 6 + 4
    assert not (data / ".sub001.partial").exists()
    assert not (data / f"{FMRI}.part").exists()
