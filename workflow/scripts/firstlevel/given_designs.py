"""Ready-made designs of a run: tables, FSL's design.mat, AFNI's X-matrix, SPM.mat; columns as they stand.

A file of several sessions (SPM.mat, an X-matrix of several runs) gives the rows and columns of one of them.
Standard library, but for SPM's: names are asked for before any job.

Sources: nilearn's ``design_matrix.to_csv``; FSL's VEST files and ``design.fsf``; AFNI's ``3dDeconvolve -x1D``
(attributes of the NIML header); for SPM see :mod:`firstlevel.spm_designs`.
"""

from __future__ import annotations

import csv
import functools
import itertools
import math
import re
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from firstlevel import tables
from firstlevel.stage import InputError
from firstlevel.tables import composed

Part = tuple[int, int]
"""Which session of a file is the run's, counted from 1, and how many runs share it; 0 where it is named."""
INDEX = re.compile(r"(Unnamed: ?\d+|frame_times?)?")
"""Name of a first column that is no regressor: the index, as pandas writes it and reads it again."""
SUFFIX = re.compile(r"(.+)#([1-9]\d*)")
GIVEN, DRIFT, CONSTANT, CENSOR = "given", "drift", "constant", "censor"
SPIKE = re.compile(r"(censor|.*outlier|scrub|spike)_?\d*", re.IGNORECASE)
"""Name of a column that takes one scan out, where it is 0 everywhere else."""


class Given(NamedTuple):
    """A design as a file holds it.

    Attributes
    ----------
    form : of the file, in words.
    names, rows : p regressors, and n rows of as many numbers; none where only names were asked for.
    roles : of the columns of which the file says it.
    notes : what was left out, added or renamed, each in a sentence.
    step : by which an index of numbers grows, in the median: 1, or the repetition time in seconds.
    """

    form: str
    names: list[str]
    rows: list[list[float]]
    roles: dict[str, str]
    notes: list[str]
    step: float | None = None


def located(text: str) -> tuple[str, int]:
    """Path and session of ``SPM.mat#2``; 0 where none is named."""
    found = SUFFIX.fullmatch(text)
    return (found[1], int(found[2])) if found and not Path(text).exists() else (text, 0)


def beside(path: Path) -> list[Path]:
    """What is read with a design: FSL's setup, which has the titles of the columns of ``design.mat``."""
    setup = path.with_suffix(".fsf")
    return [setup] if path.suffix == ".mat" and setup.is_file() else []


def is_spm(path: Path) -> bool:
    """Whether a file is MATLAB's, of any version; a missing one is none."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except FileNotFoundError:
        return False
    return start.startswith((b"MATLAB", b"\x89HDF"))


@functools.cache
def names(path: Path, part: Part) -> tuple[str, ...]:
    """Names of the regressors that a file gives a run, without a constant that may have to be added."""
    return tuple(read(path, part, names_only=True).names)


def read(path: Path, part: Part = (1, 1), *, names_only: bool = False) -> Given:
    """Design of a run.

    Raises
    ------
    InputError : a file of no known form, one that is cut off, a value that is no finite number, a session
        that the file does not have, names that are missing or doubled.
    """
    if is_spm(path):
        from firstlevel import spm_designs

        given = spm_designs.read(path, part)
    else:
        text = tables.read_text(path)
        if re.search(r"^\s*/Matrix", text, re.MULTILINE):
            given = _of_fsl(path, text, names_only=names_only)
        elif re.search(r"^#.*\bColumnLabels\s*=", text, re.MULTILINE):
            return _checked(path, _of_afni(path, text, part, names_only=names_only))
        else:
            given = _of_table(path, text, names_only=names_only)
        place(path, part, 1)
    return _checked(path, given)


def place(path: Path, part: Part, n_parts: int) -> int:
    """Which of the sessions of a file is the run's, counted from 0; one alone may be that of many runs."""
    number, n_runs = part
    if n_parts == 1 and n_runs:
        return 0
    if n_runs in (0, n_parts) and number <= n_parts:
        return number - 1
    asked = f"{n_runs} runs of the subject name it" if n_runs else f"session {number} is asked for"
    raise InputError(
        path,
        f"holds {n_parts} session{'s' * (n_parts > 1)}, and {asked}",
        expected="as many runs, in the order of the sessions, or the session of each",
        remedy=f"name the session behind the file: {path.name}#1, {path.name}#2 ...",
    )


def role(name: str, column: Sequence[float], roles: dict[str, str]) -> str:
    """What a column is for, as far as it can be known: from the file, its values, or a name of this model."""
    if column and column[0] != 0 and all(value == column[0] for value in column):
        return CONSTANT
    if name in roles:
        return roles[name]
    if SPIKE.fullmatch(name) and sum(value != 0 for value in column) == 1:
        return CENSOR
    return DRIFT if re.fullmatch(r"(drift|cosine)_?\d+", name) else GIVEN


def _checked(path: Path, given: Given) -> Given:
    """Hold the names: one for each column, of one line."""
    names = [composed(name) for name in given.names]
    if not names:
        raise InputError(
            path, "has no regressors", expected="one column per regressor", remedy="write the design again"
        )
    if odd := next((k for k, name in enumerate(names) if not name or set(name) & set("\t\r\n")), None) or (
        0 if not names[0] else None
    ):
        raise InputError(
            path,
            f"column {odd + 1} has {'a name of several lines' if names[odd] else 'no name'}",
            expected="a name for each regressor",
            remedy="name it",
        )
    if doubled := next((name for k, name in enumerate(names) if name in names[:k]), None):
        raise InputError(
            path,
            f"two regressors have the name {doubled!r}",
            expected="a name of its own for each column",
            remedy="rename one of them",
        )
    roles = {composed(name): of for name, of in given.roles.items()}
    return given._replace(names=names, roles=roles)


def _of_table(path: Path, text: str, *, names_only: bool) -> Given:
    """A table with tabs, commas, semicolons or blanks; without a header its columns go by number."""
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    lines = [(number, line) for number, line in lines if not line.startswith("#")]
    if not lines:
        raise InputError(
            path,
            "is empty",
            expected="names of regressors, and one row per scan",
            remedy="write the design again",
        )
    header = lines[0][1]
    separator = next((mark for mark in "\t,;" if mark in header), " ")
    first = _cells(header, separator)
    while len(first) > 1 and not first[-1]:
        first = first[:-1]
    if all(_is_number(cell) for cell in first):
        names = [f"column_{k}" for k in range(1, len(first) + 1)]
        note = "has no header: its columns are named by their number, column_1 and so on"
        rows = [] if names_only else _numbers(path, lines, separator, names, 0)
        return Given("table without a header", names, rows, {}, [note])
    skipped = len(lines) > 1 and len(_cells(lines[1][1], separator, len(first) + 1)) == len(first) + 1
    n_index = 0
    while not skipped and n_index < len(first) - 1 and INDEX.fullmatch(first[n_index]):
        n_index += 1
    names, notes = first[n_index:], []
    if n_index or skipped:
        notes.append("its first column, the index of its rows, is no regressor")
    if names_only:
        return Given("table", names, [], {}, notes)
    n_index = n_index or int(skipped)
    rows = _numbers(path, lines[1:], separator, names, n_index)
    index = [_cells(line, separator)[0] for _, line in lines[1:]] if n_index else []
    return Given("table", names, rows, {}, notes, _step(index))


def _step(index: Sequence[str]) -> float | None:
    """Median step of an index; None where it is none of numbers."""
    if len(index) < 2 or not all(map(_is_number, index)):
        return None
    times = [float(one) for one in index]
    return statistics.median(after - before for before, after in itertools.pairwise(times))


def _numbers(
    path: Path, lines: Iterable[tuple[int, str]], separator: str, names: Sequence[str], n_index: int
) -> list[list[float]]:
    """Rows of numbers, of which the first cells are an index."""
    rows = []
    width = len(names) + n_index
    for number, line in lines:
        cells = _cells(line, separator, width)
        if len(cells) != width:
            raise InputError(
                path,
                f"has {len(cells)} values where {width} are due",
                expected="one value per column",
                remedy="complete the row; tabs, or commas, stand between all columns",
                row=number,
            )
        rows.append([_number(path, number, *pair) for pair in zip(names, cells[n_index:], strict=True)])
    return rows


def _cells(line: str, separator: str, width: int | None = None) -> list[str]:
    """Values of a line without the quotes around them, and without empty ones beyond `width`."""
    if separator == " ":
        line = re.sub(r"\s+", " ", line.strip())
    cells = [cell.strip() for cell in next(csv.reader([line], delimiter=separator))]
    while width is not None and len(cells) > width and not cells[-1]:
        cells = cells[:-1]
    return cells


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(path: Path, row: int | None, name: str, text: str) -> float:
    """Value of a cell; all of a design are finite."""
    value = float(text) if _is_number(text) and "_" not in text else math.nan
    if not math.isfinite(value):
        raise InputError(
            path,
            f"{name} is {text!r}",
            expected="a finite number, with a point as decimal mark",
            remedy="correct the value",
            row=row,
        )
    return value


def _of_fsl(path: Path, text: str, *, names_only: bool) -> Given:
    """FSL's design.mat; its columns are ev1, ev2 ..., or have the titles that design.fsf gives them."""
    head, _, body = text.partition("/Matrix")
    counts = dict(re.findall(r"^\s*/(NumWaves|NumPoints)\s+(\d+)", head, re.MULTILINE))
    if len(counts) < 2:
        raise InputError(
            path,
            "lacks /NumWaves or /NumPoints",
            expected="FSL's design.mat",
            remedy="write it again with feat_model or Text2Vest",
        )
    n_columns, n_rows = int(counts["NumWaves"]), int(counts["NumPoints"])
    names, roles, notes = _titles(path, n_columns)
    notes.append("it holds no drift: FSL takes that out of the images, and none is added here")
    given = Given("FSL design.mat", names, [], roles, notes)
    if names_only:
        return given
    before = head.count("\n") + 1
    lines = [(before + k, line.split()) for k, line in enumerate(body.split("\n")) if line.strip()]
    if len(lines) != n_rows or any(len(cells) != n_columns for _, cells in lines):
        wrong = next((number for number, cells in lines if len(cells) != n_columns), None)
        raise InputError(
            path,
            f"has {len(lines)} rows below /Matrix" if wrong is None else f"does not have {n_columns} values",
            expected=f"{n_rows} rows of {n_columns} values, as its header says",
            remedy="the file is cut off or was edited: write it again",
            row=wrong,
        )
    rows = [
        [_number(path, number, *pair) for pair in zip(names, cells, strict=True)] for number, cells in lines
    ]
    return given._replace(rows=rows)


def _titles(path: Path, n_columns: int) -> tuple[list[str], dict[str, str], list[str]]:
    """Names of FSL's columns, roles and what was decided; titles where they are sure to be those of all."""
    numbered = [f"ev{k}" for k in range(1, n_columns + 1)]
    if not (setups := beside(path)):
        return numbered, {}, ["its columns are ev1, ev2 and so on: there is no design.fsf beside it"]
    said = dict(
        re.findall(r'^\s*set fmri\((\w+)\)\s+"?(.*?)"?\s*$', tables.read_text(setups[0]), re.MULTILINE)
    )
    n_titles = int(said["evs_orig"]) if said.get("evs_orig", "").isdecimal() else 0
    names: list[str] = []
    roles: dict[str, str] = {}
    for k in range(1, n_titles + 1):
        title = said.get(f"evtitle{k}", "").strip()
        names += [title, f"{title}_derivative"] if said.get(f"deriv_yn{k}") == "1" else [title]
        if said.get(f"convolve{k}", "0") != "0":  # what is not convolved may be anything
            roles |= {title: "condition", f"{title}_derivative": "derivative"}
    n_more = n_columns - len(names)
    adds = any(said.get(key, "0") not in ("", "0") for key in ("confoundevs", "motionevs"))
    if (
        not n_titles
        or not all(names)
        or said.get("evs_real") != str(len(names))
        or n_more < 0
        or (n_more and not adds)
    ):
        told = f"the titles of {setups[0].name} are not one for each of its {n_columns} columns"
        return numbered, {}, [f"its columns are ev1, ev2 and so on: {told}"]
    added = [f"confound_{k}" for k in range(1, n_more + 1)]
    return [*names, *added], roles | dict.fromkeys(added, "confound"), [f"names are from {setups[0].name}"]


def _of_afni(path: Path, text: str, part: Part, *, names_only: bool) -> Given:
    """AFNI's X-matrix: one run of it, with the scans that were censored back in their place.

    Columns of the baseline of other runs, 0 throughout this one, are left out.
    """
    said = dict(re.findall(r'^#\s*(\w+)\s*=\s*"(.*?)"', text, re.MULTILINE))
    labels = [label.strip() for label in said["ColumnLabels"].strip(" ;").split(";")]
    starts = _listed(said.get("RunStart", "0")) or [0]
    run = place(path, part, len(starts))
    other = re.compile(rf"Run#(?!{run + 1}(?!\d))\d+")
    if names_only:
        names = [label for label in labels if not other.match(label)]
        return Given("AFNI X-matrix", names, [], {}, [])
    lines = [
        (number, line.split())
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if wrong := next((number for number, cells in lines if len(cells) != len(labels)), None):
        raise InputError(
            path,
            f"does not have {len(labels)} values, one for each of its ColumnLabels",
            expected="AFNI's X-matrix, as 3dDeconvolve writes it",
            remedy="write it again",
            row=wrong,
        )
    n_full = int(said.get("NRowFull", len(lines)))
    good = _listed(said["GoodList"]) if "GoodList" in said else list(range(n_full))
    in_order = good == sorted(set(good)) and starts == sorted(set(starts))
    if not in_order or len(good) != len(lines) or max(*good, *starts) >= n_full:
        raise InputError(
            path,
            f"has {len(lines)} rows; its header speaks of {len(good)} of {n_full}",
            expected="as many rows as GoodList has scans",
            remedy="take 3dDeconvolve's X.nocensor.xmat.1D, which has every scan",
        )
    begin, end = starts[run], [*starts, n_full][run + 1]
    cells_of = dict(zip(good, lines, strict=True))
    rows, censored = [], []
    for scan in range(begin, end):
        if scan in cells_of:
            number, cells = cells_of[scan]
            rows.append([_number(path, number, *pair) for pair in zip(labels, cells, strict=True)])
        else:
            rows.append([0.0] * len(labels))
            censored.append(scan - begin)
    groups = _groups(said.get("ColumnGroups", ""), len(labels))
    kept = [
        k
        for k, label in enumerate(labels)
        if any(row[k] for row in rows) or (groups[k] > 0 and not other.match(label))
    ]
    spikes = [f"censor_{scan}" for scan in censored]
    rows = [
        [*(row[k] for k in kept), *(float(scan == one) for one in censored)] for scan, row in enumerate(rows)
    ]
    known = {-1: DRIFT, 0: "confound", math.inf: GIVEN}
    roles = {labels[k]: known.get(groups[k], "condition") for k in kept} | dict.fromkeys(spikes, CENSOR)
    roles |= {
        labels[k]: CONSTANT
        for place_of, k in enumerate(kept)
        if len({row[place_of] for scan, row in enumerate(rows) if scan not in censored} - {0.0}) == 1
        and all(row[place_of] for scan, row in enumerate(rows) if scan not in censored)
    }
    notes = []
    if len(starts) > 1:
        notes.append(f"rows {begin} to {end - 1} are run {run + 1} of {len(starts)}")
    if len(kept) < len(labels):
        notes.append(f"{len(labels) - len(kept)} columns, 0 at every scan of the run, are left out")
    if censored:
        told = ", ".join(map(str, censored))
        notes.append(f"scans that 3dDeconvolve censored are back, with a regressor each: {told}")
    return Given("AFNI X-matrix", [*(labels[k] for k in kept), *spikes], rows, roles, notes)


def _groups(text: str, n_columns: int) -> list[float]:
    """Group of each column of AFNI's ``6@-1,2@1,6@0``: -1 drift, 0 other baseline, infinite if unknown."""
    found: list[float] = []
    for one in filter(None, text.split(",")):
        count, at, group = one.strip().rpartition("@")
        found += [float(group)] * (int(count) if at else 1)
    return found if len(found) == n_columns else [math.inf] * n_columns


def _listed(text: str) -> list[int]:
    """Numbers of AFNI's ``0..9,12,20..30(2)``."""
    found: list[int] = []
    for first, last, step in re.findall(r"(\d+)(?:\.\.(\d+))?(?:\((\d+)\))?", text):
        found += range(int(first), int(last or first) + 1, int(step or 1))
    return found
