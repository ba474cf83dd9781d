"""A run table as runs: one row each, with paths relative to the table. Standard library."""

from __future__ import annotations

import glob
import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from firstlevel import texts
from firstlevel.io import given_designs, spelling, spm_affines, tables
from firstlevel.io.suffixes import COMPANIONS, SUFFIXES
from firstlevel.plan import fetched
from firstlevel.plan.runs import Run, plain
from firstlevel.stage import InputError


def rows(path: Path, default_repetition_time: float | None, *, needs_events: bool = True) -> list[Run]:
    """Runs of a table, one per row.

    Raises
    ------
    InputError : no such table, an unknown column, labels or files that are missing, doubled or wrong.
    """
    if not path.is_file():
        raise InputError(
            f"config key study.table ({path.absolute()})",
            "there is no such file",
            expected="the path of a run table",
            remedy="correct the path; it is relative to the working directory",
        )
    rows = tables.read_rows(path, required=("subject", "task", "bold"))
    if rows and needs_events and "design" not in rows[0].values:
        tables.read_rows(path, required=("subject", "task", "bold", "events"))
    known_columns = ["subject", "session", "task", "run", "bold", "events", "design", "confounds"]
    known_columns += ["repetition_time", "onset_unit"]
    if not rows:
        raise InputError(path, "has no rows", expected="one row per run", remedy="add the runs")
    if surplus := [column for column in rows[0].values if column not in known_columns]:
        raise InputError(
            path,
            f"has the unknown column {surplus[0]!r}",
            expected=f"columns of: {', '.join(known_columns)}",
            remedy=f"{texts.suggestion(surplus[0], known_columns)}rename or remove it",
        )
    runs = [_run(path, row, default_repetition_time, needs_events=needs_events) for row in rows]
    _check_labels(path, rows, runs)
    return runs


def _run(
    path: Path, row: tables.Row, default_repetition_time: float | None, *, needs_events: bool = True
) -> Run:
    number = row.number

    def optional(column: str) -> str | None:
        value = row.values.get(column, "n/a")
        return None if value in tables.MISSING else value

    def located(column: str) -> str | None:
        value = optional(column)
        return None if value is None else plain(str(path.parent / texts.at_home(value)), path, number)

    labels = {entity: optional(entity) for entity in ("subject", "session", "task", "run")}
    for entity, label in labels.items():
        required = entity in ("subject", "task")
        if (label is None and required) or (label is not None and not re.fullmatch("[A-Za-z0-9+]+", label)):
            raise InputError(
                path,
                f"{entity} is {row.values.get(entity, '')!r}",
                expected="a label of letters and digits, such as 01",
                remedy="correct the label (without the prefix sub-, ses-, task- or run-)",
                row=number,
            )
    time = optional("repetition_time")
    if time is not None and not (re.fullmatch(r"\d+\.?\d*|\.\d+", time) and 0 < float(time) <= 100):
        raise InputError(
            path,
            f"repetition_time is {time!r}",
            expected="seconds, such as 2.0",
            remedy="correct it, or n/a to take the header's",
            row=number,
        )
    unit = optional("onset_unit")
    if unit not in (None, "s", "scans"):
        raise InputError(
            path,
            f"onset_unit is {unit!r}",
            expected="s or scans, the unit of onsets and durations",
            remedy="correct it, or n/a for seconds in a table and scans in a .mat",
            row=number,
        )
    bold, events, design = optional("bold"), located("events"), located("design")
    events = None if design else events
    if bold is None or (events is None and needs_events and not design):
        missing = "bold" if bold is None else "events"
        remedy = (
            "add it" if bold is None else "add it; for a model without events set study.events.needed: false"
        )
        raise InputError(path, f"has no {missing}", expected="a path", remedy=remedy, row=number)
    confounds = located("confounds")
    for file in (events, confounds, given_designs.located(design)[0] if design else None):
        held = file == events and file is not None and (Path(file).is_dir() or glob.has_magic(file))
        if file is not None and not held:
            _fetched(file, path, number)
        if file is not None and not held and not Path(file).is_file():
            raise InputError(
                path,
                f"there is no file {file}",
                expected="a path relative to the run table",
                remedy="correct the path",
                row=number,
            )
    return Run(
        subject=str(labels["subject"]),
        session=labels["session"],
        task=str(labels["task"]),
        run=labels["run"],
        bold=files(bold, path.parent, path, number),
        events=events or "",
        confounds=confounds,
        repetition_time=default_repetition_time if time is None else float(time),
        onset_unit=unit,
        design=design,
    )


def files(pattern: str, folder: Path, where: Path | str, row: int | None = None) -> tuple[str, ...]:
    """Images of a path or glob below a folder, in name order, each followed by what lies beside it."""
    pattern = texts.at_home(pattern)
    literal = folder / pattern
    matches = [str(literal)]
    if not literal.is_file():
        matches = glob.glob(str(Path(glob.escape(str(folder))) / pattern))  # noqa: PTH207, it may be absolute
    images = sorted(image for image in matches if not image.endswith(COMPANIONS))
    if not images:
        raise InputError(
            where,
            f"no image matches {literal}",
            expected="a 4D image, or a pattern of 3D images such as run-1/f*.img",
            remedy="correct the path; it is relative to the run table",
            row=row,
        )
    volumes = images
    if len(images) == 1 and Path(images[0]).is_dir():
        volumes = sorted(str(file) for file in Path(images[0]).iterdir() if file.name.endswith(SUFFIXES))
    if volumes != sorted(volumes, key=_by_number):
        raise InputError(
            where,
            f"names of {literal} are not in the order of their numbers: {Path(volumes[1]).name} comes second",
            expected="numbers with leading zeros, so that the order of names is the order of time",
            remedy="rename the images, or give one 4D image",
            row=row,
        )
    if gap := _gap(volumes):
        raise InputError(
            where,
            f"a number is missing in {literal}: between {Path(gap[0]).name} and {Path(gap[1]).name}",
            expected="every volume of the run: the time of each follows from its position",
            remedy="restore them (to leave scans out of the fit, use confounds.censor), or renumber the run",
            row=row,
        )
    files: list[str] = []
    for volume in volumes:
        _fetched(volume, where, row)
    for found_image in images:
        image = plain(found_image, where, row)
        files.append(image)
        if image.endswith(".img"):
            header = Path(image).with_suffix(".hdr")
            if not header.is_file():
                raise InputError(
                    where,
                    f"{image} has no header: there is no file {header}",
                    expected="a .hdr beside every .img",
                    remedy="restore the header, or leave the image out of the pattern",
                    row=row,
                )
            files.append(str(header))
        if affines := spm_affines.beside(Path(image)):
            files.append(str(affines))
    return tuple(files)


def _fetched(file: str, where: Path | str, row: int | None) -> None:
    """InputError where a file is a link or a pointer to content that was not fetched."""
    if by := fetched.missing(file):
        raise InputError(
            where,
            f"{file} is a broken link",
            expected="files that exist",
            remedy=f"{by}; or take the run out of the table",
            row=row,
        )


def _gap(images: Sequence[str]) -> tuple[str, str] | None:
    """Two images between which volumes are missing, by the numbers in their names; None if none are missing.

    Numbers may begin anywhere and grow by any step, such as the number of slices. Those that follow no step
    (times of day) tell nothing, nor does a number beside another one that goes on evenly.
    """
    numbers_of = [[int(part) for part in re.findall(r"\d+", Path(image).name)] for image in images]
    if len(numbers_of) < 3 or len({len(numbers) for numbers in numbers_of}) > 1:
        return None
    gaps = []
    for column in zip(*numbers_of, strict=True):
        steps = [after - before for before, after in itertools.pairwise(column)]
        step = min(steps)
        if not any(steps):
            continue
        regular = step > 0 and all(one % step == 0 for one in steps) and 2 * steps.count(step) > len(steps)
        if not regular:
            continue
        if max(steps) == step:
            return None
        gaps.append(next(k for k, one in enumerate(steps) if one > step))
    return (images[gaps[0]], images[gaps[0] + 1]) if gaps else None


def _by_number(path: str) -> list[tuple[int, str]]:
    """Sort key in which 2 comes before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path)]


def _check_labels(path: Path, rows: Sequence[tables.Row], runs: Sequence[Run]) -> None:
    """Check that no two rows have the same labels."""
    seen: dict[str, int] = {}
    bare = {(run.subject, run.task) for run in runs if not (run.session or run.run)}
    for row, run in zip(rows, runs, strict=True):
        if (run.session or run.run) and (run.subject, run.task) in bare:
            raise InputError(
                path,
                f"{run.name} has a session or run label, but another run of this subject and task has none",
                expected="a session or run label in every row of a subject and task, or one row without",
                remedy="label the other run, too",
                row=row.number,
            )
        if run.name in seen:
            raise InputError(
                path,
                f"{run.name} is already in row {seen[run.name]}",
                expected="one row per run",
                remedy="give each run its own run (or session) label",
                row=row.number,
            )
        seen[run.name] = row.number
    if alike := spelling.spelled_alike(seen):
        name, earlier = alike
        raise InputError(
            path,
            f"{name} differs from row {seen[earlier]} in case only",
            expected="labels that differ in more than case, which some disks ignore",
            remedy="rename one of them",
            row=seen[name],
        )
