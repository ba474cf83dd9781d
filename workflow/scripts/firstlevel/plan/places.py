"""Output folders: no file of the user is overwritten or taken for a result. Standard library only."""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from firstlevel import names, texts
from firstlevel.io import contents, derivative
from firstlevel.plan import provenance, summary
from firstlevel.stage import InputError

FIRST_LINES = {
    "runs.tsv": "\t".join(summary.COLUMNS),
    "maps.tsv": "\t".join(derivative.MAPS_COLUMNS),
    provenance.NAME: "\t".join(provenance.COLUMNS),
    ".bidsignore": derivative.ignored(sessions=False, runs_kept=True)[0],
}
"""How files of the whole study begin, by which they are known to be ours."""
LONGEST = 1000
"""Bytes of a first line that are looked at."""
RESULT = re.compile(
    r"_(headers|events|design|quality|timeseries|contrasts|clusters|inference)\.(tsv|json)$|_(bold|glm|statmap)\.json$"
    r"|_(bold|boldref|mask|statmap)\.nii(\.gz)?$|_\w+\.png$|_viewer\.html$"
)
"""How names of results end, in the folder of a subject itself."""
RECORDS = Path(".snakemake")
"""Below the working directory: what Snakemake has made, or was making when it was killed."""
TIMESTAMP = ".snakemake_timestamp"
"""What Snakemake leaves in a folder that a rule has made."""


def located(path: str, name: str) -> Path:
    """Folder of a path variable; an InputError where it is a file, or a path that Snakemake would change.

    Of a folder that is not there yet, ``..`` is taken away: once it is made, it leads to where it says.
    """
    folder = Path(path)
    key = f"config key pathvars.{name}"
    if odd := texts.odd_in(path):
        raise InputError(
            key,
            f"the path {path} {odd}",
            expected="a path of UTF-8 text, without {names} or <names>",
            remedy="choose another folder",
        )
    if folder.exists() and not folder.is_dir():
        raise InputError(
            key,
            f"{path} is a file",
            expected="a folder, which is made if missing",
            remedy="choose another folder",
        )
    return folder if folder.exists() or ".." not in folder.parts else folder.resolve()


def check_folder(folder: Path, subjects: Iterable[str] = ()) -> None:
    """Raise an InputError if a results folder holds files that are not ours and would be replaced.

    A dataset's description, whose data would no longer be what it says; a table or list under a name of
    ours; where nothing says that the folder is ours, also a page, and files of the `subjects` (labels) under
    names of results: they would be taken for results as they are, or replaced.
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
                raise _foreign(folder / name, "was not made by this workflow, which would replace it")
            is_ours = True
    if is_ours:
        return
    of_subjects = itertools.chain.from_iterable(_results(folder, f"sub-{one}") for one in subjects)
    for path in itertools.chain([names.below(folder, names.STUDY_PAGE)], of_subjects):
        if path.exists() and not _is_recorded(path):
            raise _foreign(
                path, "was not made by this workflow, which would take it for a result, or replace it"
            )


def check_made(folder: Path) -> None:
    """Raise an InputError if images that a rule would make or fetch exist and were not made by it."""
    if (
        folder.is_dir()
        and any(folder.iterdir())
        and not ((folder / TIMESTAMP).exists() or _is_recorded(folder))
    ):
        raise InputError(
            folder,
            "holds images that were not made by this workflow, which would replace them",
            expected="images made or fetched by this workflow",
            remedy="name their folder in study.spm_multimodal.path, or choose another pathvars.data",
        )


def _results(folder: Path, subject: str) -> Iterator[Path]:
    """Files under names of results in the folders of a subject, and the subject's page."""
    yield folder / subject / "report.html"
    for place in (subject, f"{subject}/figures", *(f"{node}/{subject}" for node in names.NODES)):
        yield from (path for path in (folder / place).glob(f"{subject}_*") if RESULT.search(path.name))


def _is_recorded(path: Path) -> bool:
    """Whether Snakemake knows a file as one that it has made, or was making."""
    key = base64.urlsafe_b64encode(str(path).encode("utf-8", "surrogateescape")).decode()
    parts = [key[start : start + 254] for start in range(0, len(key), 254)]  # as names of files may be long
    name = "/".join([*(f"@{part}" for part in parts[:-1]), parts[-1]])
    return any((RECORDS / kind / name).exists() for kind in ("metadata", "incomplete"))


def _begins_with(path: Path, first_line: str) -> bool:
    """Whether this is a file whose first line is this one."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.readline(LONGEST).rstrip(b"\r\n") == first_line.encode()


def _foreign(path: Path, problem: str) -> InputError:
    return InputError(
        path,
        f"{problem} (in the folder of results)",
        expected="a folder of its own, for example derivatives/firstlevel",
        remedy="choose another working directory, or another pathvars.results",
    )


def check_apart(folders: Mapping[str, Path], inputs: Iterable[str | Path]) -> None:
    """Raise an InputError if an output folder is, or holds, an input of the study.

    Parameters
    ----------
    folders : by the path variable that names them.
    inputs : files and folders. Each is looked for by its path as it stands and with all links followed, and
        folders are compared as the disk does, whatever their spelling.
    """
    below = [(name, place) for name, folder in folders.items() for place in (folder, *_links_in(folder))]
    ours = {_identity(place): name for name, place in reversed(below) if place.exists()}
    if not ours:  # nothing can lie in a folder that is not there
        return
    holder_of: dict[Path, str | None] = {}

    def holder(folder: Path) -> str | None:
        """Path variable of the output folder that is this one or contains it."""
        if folder not in holder_of:
            above = holder(folder.parent) if folder.parent != folder else None
            holder_of[folder] = ours.get(_identity(folder)) or above
        return holder_of[folder]

    resolved: dict[Path, str | None] = {}
    for path in map(Path.absolute, map(Path, inputs)):
        folder = path if path.is_dir() else path.parent
        if folder not in resolved:
            resolved[folder] = holder(folder) or holder(folder.resolve())
        if variable := resolved[folder] or (holder(path.resolve().parent) if path.is_symlink() else None):
            raise InputError(
                f"config key pathvars.{variable} ({folders[variable].absolute()})",
                f"is an output folder, but holds {path}, an input of the study",
                expected=f"a folder for {variable} alone",
                remedy="choose another folder, or move the file out of it",
            )


def _links_in(folder: Path) -> list[Path]:
    """Links to folders elsewhere, in a folder and its subfolders: files are written there as well."""
    try:
        inside = [path for path in folder.iterdir() if path.is_dir()]
        links = [path for path in inside if path.is_symlink() and path.name.startswith("sub-")]
        return links + [path for one in inside if (path := one / "figures").is_symlink() and path.is_dir()]
    except OSError:  # is not there, or is no folder
        return []


def _identity(path: Path) -> tuple[int, int] | None:
    """Identity of a folder on the disk, whatever its path; None if it does not exist."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino
