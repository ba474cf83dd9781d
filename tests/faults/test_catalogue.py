"""Every wrong input stops with a message that helps, before any map; what only looks wrong goes through."""

import builtins
import contextlib
import errno
import io
import os
import shutil
import tempfile
from pathlib import Path
from unittest import mock

import nibabel as nib
import numpy as np
import pytest
from catalogue import ACCEPTED, REFUSED, Accepted, Refused
from small_study import CONFIG, analyse, contents, make, maps, refusal
from studies import ROOT

DOCUMENT = ROOT / "docs/wrong-inputs.md"
INTRODUCTION = (ROOT / "tests/faults/introduction.md").read_text()


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The untouched study, finished."""
    folder = make(tmp_path_factory.mktemp("faults") / "base")
    analyse(folder)
    return folder


@pytest.fixture
def study(base, tmp_path):
    """A copy of the study without results, for one row to spoil."""
    return Path(shutil.copytree(base, tmp_path / "study", ignore=shutil.ignore_patterns("results")))


@pytest.fixture(scope="module")
def told(request):
    """What the rows said, by name; written as the document where that is asked for."""
    said = {}
    yield said
    if request.config.getoption("--write-catalogue"):
        DOCUMENT.write_text(INTRODUCTION + "\n".join(document(said)) + "\n", encoding="utf-8")


def document(said):
    """Lines of the tables."""
    for title, rows in REFUSED.items():
        yield from ("", f"## {title}", "", "| input | message | expected | to do |", "|---|---|---|---|")
        yield from (said[row.name] for row in rows)
    yield from ("", "## What is right in spite of its looks", "")
    yield from ("| input | what is said of it | maps |", "|---|---|---|")
    yield from (said[row.name] for row in ACCEPTED)


def line(*cells):
    """A row of a table of the document."""
    texts = (cell.encode("unicode_escape").decode() if "\n" in cell else cell for cell in cells)
    return "| " + " | ".join(text.replace("|", "\\|").replace("$", "\\$") for text in texts) + " |"


@contextlib.contextmanager
def denying(refuses):
    """Let the system refuse files whose names begin so, or all writing of volumes."""
    if refuses is None:
        yield
        return
    number, start = refuses

    def failing(real):
        def call(file=None, *arguments, **options):
            name = options.get("dir", file)
            named = isinstance(name, str | Path)
            if (named and str(name).startswith(start)) or not start:
                raise OSError(number, os.strerror(number), str(name) if named else None)
            return real(file, *arguments, **options) if file is not None else real(*arguments, **options)

        return call

    targets = {
        errno.EACCES: [(builtins, "open"), (io, "open")],
        errno.EROFS: [(tempfile, "mkstemp")],
        errno.ENOSPC: [(os, "pwrite")],
    }[number]
    with contextlib.ExitStack() as stack:
        for module, name in targets:
            stack.enter_context(mock.patch.object(module, name, failing(getattr(module, name))))
        yield


@pytest.mark.parametrize("row", [row for rows in REFUSED.values() for row in rows], ids=lambda row: row.name)
@pytest.mark.filterwarnings("ignore")
def test_wrong_input_stops_with_a_message_that_helps(study, told, request, row: Refused):
    """The place, what is wrong, what was expected, what to do; no map; nothing half done; no file touched."""
    row.edit(study)
    before = contents(study)
    with denying(row.refuses):
        message = refusal(study)
    assert message.startswith(f"{row.at}: " if ", row" in row.at else row.at)
    assert row.says in message
    problem, expected, remedy = message.split("\n")
    assert expected.startswith("  expected: ")
    assert remedy.startswith("  to do: ")
    assert maps(study) == []
    assert list((study / "results").rglob(".*")) == []
    assert contents(study) == before
    assert not list(study.rglob("hacked"))
    told[row.name] = line(
        row.name, problem, expected.removeprefix("  expected: "), remedy.removeprefix("  to do: ")
    )
    if not request.config.getoption("--write-catalogue"):
        assert told[row.name] in DOCUMENT.read_text(encoding="utf-8").splitlines()


MAPS = {
    "same": "those of the study without it",
    "near": "those of the study without it",
    "elsewhere": "those of the study without it, but for these voxels",
    "run-1": "the contrast is that of the other run, and `*_contrasts.tsv` says so",
    "other": "those of the input as it stands",
}


@pytest.mark.parametrize("row", ACCEPTED, ids=lambda row: row.name)
@pytest.mark.filterwarnings("ignore")
def test_what_only_looks_wrong_goes_through(base, study, told, request, caplog, tmp_path, row: Accepted):
    """The maps are right, and what is odd is told in the log."""
    row.edit(study)
    before = contents(study)
    caplog.set_level("INFO")
    analyse(study)
    assert contents(study) == before
    assert not list(study.rglob("hacked"))
    told_of_it = [
        record.getMessage() for record in caplog.records if row.says and row.says in record.getMessage()
    ]
    assert bool(told_of_it) == bool(row.says)
    expected = base
    if row.maps == "run-1":
        expected = Path(shutil.copytree(base, tmp_path / "one", ignore=shutil.ignore_patterns("results")))
        table = (expected / "runs.tsv").read_text().splitlines()
        (expected / "runs.tsv").write_text("\n".join(table[:2]) + "\n")
        analyse(expected)
    for label in ("difference",) if row.maps == "run-1" else CONFIG["contrasts"]:
        name = f"results/node-subject/sub-01/sub-01_task-faces_contrast-{label}_stat-z_statmap.nii.gz"
        ours, theirs = (nib.load(folder / name).get_fdata() for folder in (study, expected))
        assert np.isfinite(ours).all()
        assert ours.any()
        different = np.abs(ours - theirs) > (1e-3 if row.maps == "near" else 0)
        if row.maps == "other":
            assert different.sum() > 100
        else:
            assert different.sum() == (4 if row.maps == "elsewhere" else 0)
    said = told_of_it[0] if told_of_it else "nothing"
    told[row.name] = line(row.name, said, MAPS[row.maps])
    if not request.config.getoption("--write-catalogue"):
        assert told[row.name] in DOCUMENT.read_text(encoding="utf-8").splitlines()


def test_document_has_these_rows_and_no_others(request):
    """`make catalogue` writes it; rows that are gone from the tests are gone from it."""
    if request.config.getoption("--write-catalogue"):
        pytest.skip("it is being written")
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    rows = [cells for cells in lines if cells.startswith("| ") and not cells.startswith("| input |")]
    names = [line(row.name)[:-1] for rows in (*REFUSED.values(), ACCEPTED) for row in rows]
    assert len(rows) == len(names) == len(set(names))
    assert all(row.startswith(name) for row, name in zip(rows, names, strict=True))
    assert DOCUMENT.read_text(encoding="utf-8").startswith(INTRODUCTION)
