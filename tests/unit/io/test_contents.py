"""Files that are no files: pipes, devices, folders, circles of links, and more bytes than a kind has."""

import gzip
import os
from pathlib import Path

import pytest

from firstlevel.io import confounds, contents, event_sources, images, sidecars, spm_affines, tables
from firstlevel.io import spm_conditions as conditions
from firstlevel.stage import InputError

READERS = {
    "table": (tables.read_rows, "e.tsv"),
    "compressed table": (tables.read_rows, "e.tsv.gz"),
    "sidecar": (sidecars.read_json, "e.json"),
    "confounds": (confounds.read_rows, "c.tsv"),
    "names of confounds": (confounds.columns, "c.tsv"),
    "times": (event_sources._holds_times, "faces.txt"),
    "conditions": (conditions.read_spm_conditions, "c.mat"),
    "affines": (spm_affines.read, "run.mat"),
    "image": (images.load, "run.nii"),
    "compressed image": (images.load, "run.nii.gz"),
}


@pytest.fixture
def odd(tmp_path):
    """Make what is no regular file."""

    def make(kind, name):
        path = tmp_path / name
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "device":
            path.symlink_to("/dev/zero")
        elif kind == "folder":
            path.mkdir()
        else:
            path.symlink_to(path.name)
        return path

    return make


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "circle"])
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_is_refused_at_once(odd, name, kind):
    """No reader waits for a pipe, reads a device or follows a circle."""
    reader, file = READERS[name]
    with pytest.raises((InputError, OSError)) as raised:
        reader(odd(kind, file))
    if isinstance(raised.value, OSError):
        assert kind == "circle"


def test_file_of_more_than_its_kind_has_is_not_read(tmp_path):
    """A sparse file of a terabyte, and one that unpacks to more than its limit."""
    path = tmp_path / "events.tsv"
    with path.open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(InputError, match="has more than 500 MB"):
        tables.read_rows(path)
    with gzip.open(tmp_path / "bold.json", "wb") as file:
        for _ in range(60):
            file.write(bytes(contents.MB))
    with pytest.raises(InputError, match="has more than 50 MB"):
        contents.read(Path(file.name))


def test_secret_behind_a_link_is_not_shown_whole(tmp_path):
    """A link to a text that is no table: the message quotes little of it."""
    secret = tmp_path / "secret"
    secret.write_text("".join(f"word{k}:" for k in range(10**5)))
    (tmp_path / "e.tsv").symlink_to(secret)
    with pytest.raises(InputError) as raised:
        tables.read_rows(tmp_path / "e.tsv", ["onset"])
    assert len(str(raised.value)) < 1000
