"""Where results go: into folders of their own, and onto nothing that the user has. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from firstlevel import contents, derivative, sources, summary
from firstlevel.stage import InputError

FIRST_LINES = {
    "runs.tsv": "\t".join(summary.COLUMNS),
    "maps.tsv": "\t".join(derivative.MAPS_COLUMNS),
    sources.NAME: "\t".join(sources.COLUMNS),
    ".bidsignore": derivative.ignored(sessions=False, runs_kept=True)[0],
}
"""How files of the whole study begin, by which they are known to be ours."""
LONGEST = 1000
"""Bytes of a first line that are looked at."""


def check_folder(folder: Path) -> None:
    """Raise an InputError where a folder for results holds what is not from here and would be replaced.

    A dataset's description, whose data would no longer be what it says; a table or list under a name of
    ours; a page, where nothing else says that the folder is ours.
    """
    path = folder / derivative.DESCRIPTION
    is_ours = False
    if path.exists():
        try:
            made_by = {software["Name"] for software in json.loads(contents.read(path))["GeneratedBy"]}
        except (ValueError, LookupError, TypeError, OSError):
            made_by = set()
        if derivative.SOFTWARE not in made_by:
            raise _foreign(path, "describes a dataset that this workflow did not make")
        is_ours = True
    for name, first_line in FIRST_LINES.items():
        if (folder / name).exists():
            if not _begins_with(folder / name, first_line):
                raise _foreign(folder / name, "is not from this workflow, which would replace it")
            is_ours = True
    if not is_ours and (page := folder / "report.html").exists():
        raise _foreign(page, "is not from this workflow, which would replace it")


def _begins_with(path: Path, first_line: str) -> bool:
    """Whether this is a file whose first line is this one."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.readline(LONGEST).rstrip(b"\r\n") == first_line.encode()


def _foreign(path: Path, problem: str) -> InputError:
    return InputError(
        path,
        f"{problem}, in the folder of its results",
        expected="a folder of its own, for example derivatives/firstlevel",
        remedy="choose another working directory, or another pathvars.results",
    )


def check_apart(folders: Mapping[str, Path], inputs: Iterable[str | Path]) -> None:
    """Raise an InputError where a folder that is written to is, or holds, something that the user gave.

    Parameters
    ----------
    folders : by the path variable that names them.
    inputs : files and folders. Each is looked for by its path as it stands and with all links followed, and
        folders are compared as the disk does, whatever their spelling.
    """
    ours = {_identity(folder): name for name, folder in folders.items() if folder.exists()}
    if not ours:  # nothing can lie in a folder that is not there
        return
    known: dict[Path, str | None] = {}

    def holder(folder: Path) -> str | None:
        """Path variable of the folder that this one is or lies in."""
        if folder not in known:
            above = holder(folder.parent) if folder.parent != folder else None
            known[folder] = ours.get(_identity(folder)) or above
        return known[folder]

    resolved: dict[Path, str | None] = {}
    for path in map(Path.absolute, map(Path, inputs)):
        folder = path if path.is_dir() else path.parent
        if folder not in resolved:
            resolved[folder] = holder(folder) or holder(folder.resolve())
        if found := resolved[folder] or (holder(path.resolve().parent) if path.is_symlink() else None):
            raise InputError(
                f"config key pathvars.{found} ({folders[found].absolute()})",
                f"is a folder to write to, and holds {path}, which the study reads",
                expected=f"a folder for {found} alone",
                remedy="choose another folder, or move the file out of it",
            )


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells folders apart on a disk, whatever they are called; None of what is not there."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino
