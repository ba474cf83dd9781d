"""Confounds tables: their columns by name, or by number if a table has no header. Standard library."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

from firstlevel.io import contents, tables
from firstlevel.io.tables import Row
from firstlevel.stage import InputError
from firstlevel.texts import suggestion

NUMBERED = "column_{}"
NO_HEADER = "it has no header, so that its columns go by number"

PARAMETERS = (
    ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"),
    ("X", "Y", "Z", "RotX", "RotY", "RotZ"),
)
"""mm and radians, as fMRIPrep names them today and before its version 1.2."""
DISPLACEMENT = ("framewise_displacement", "FramewiseDisplacement")
OF_SUFFIX = {"rp_*.txt": (0, 1, 2, 3, 4, 5), "*.par": (3, 4, 5, 0, 1, 2)}
"""Tables without a header: SPM's parameters are mm and radians, FSL's (MCFLIRT) radians and mm."""


def of_motion(table: Path, names: Sequence[str]) -> tuple[list[str], str | None]:
    """Columns of the six motion parameters, translations first, and of framewise displacement.

    No columns where a table has not all six, None where it has no displacement.
    """
    displacement = next((name for name in DISPLACEMENT if name in names), None)
    for parameters in PARAMETERS:
        if set(parameters) <= set(names):
            return list(parameters), displacement
    if names[:1] == [NUMBERED.format(1)] and len(names) == len(PARAMETERS[0]):
        for pattern, order in OF_SUFFIX.items():
            if table.match(pattern):
                return [names[k] for k in order], displacement
    return [], displacement


def columns(path: Path) -> list[str]:
    """Names of a table's columns; of a table without a header column_1, column_2 and so on.

    Only the first line with text is read: thousands of tables are asked before any job.
    """
    try:
        with io.TextIOWrapper(contents.opened(path), encoding="utf-8-sig") as lines:
            first = next((line for line in lines if _has_values(line)), "")
    except (FileNotFoundError, UnicodeDecodeError):
        return [*tables.read_rows(path)[0].values]  # raises what is to be said
    return _numbered(first) or [cell.strip() for cell in first.split("\t") if first.strip()]


def no_column(path: Path, name: str, present: Sequence[str], key: str, others: str = "") -> InputError:
    """Make the error for a missing column, which says how many other tables lack it."""
    numbered = present[:1] == [NUMBERED.format(1)]
    told = f": {NO_HEADER}" if numbered else ""
    return InputError(
        path,
        f"has no column {name!r}, which the config key {key} asks for{others}{told}",
        expected=f"one of: {', '.join(present) or '(it is empty)'}",
        remedy=f"{suggestion(name, present)}correct {key} or the table",
    )


def read_rows(path: Path) -> list[Row]:
    """Rows of a table, values as text; as SPM and FSL write their motion, without a header, too.

    Raises
    ------
    InputError : as :func:`tables.read_rows`; of a table without a header, rows of different lengths.
    """
    names = columns(path)
    if names[:1] != [NUMBERED.format(1)]:
        return tables.read_rows(path)
    rows = []
    for number, line in enumerate(contents.read(path).decode("utf-8-sig").split("\n"), start=1):
        if not _has_values(line):
            continue
        values = _cells(line)
        if len(values) != len(names):
            raise InputError(
                path,
                f"has {len(values)} values where the first row has {len(names)}",
                expected="as many numbers in every row of a table without a header",
                remedy="complete the row",
                row=number,
            )
        rows.append(Row(number, dict(zip(names, values, strict=True))))
    return rows


def check_length(table: Path, n_rows: int, n_scans: int) -> None:
    """Raise an InputError unless a table has one row per scan."""
    if n_rows != n_scans:
        raise InputError(
            table,
            f"has {n_rows} rows for a run of {n_scans} scans",
            expected="one row per scan",
            remedy="take the confounds of this run",
        )


def _has_values(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _numbered(line: str) -> list[str]:
    """Names column_1, column_2 ... if every cell of a line is a number; nothing if it holds names."""
    cells = _cells(line)
    if not all(cell in tables.MISSING or _is_number(cell) for cell in cells):
        return []
    if all(cell in tables.MISSING for cell in cells):
        return []
    return [NUMBERED.format(number) for number in range(1, len(cells) + 1)]


def _cells(line: str) -> list[str]:
    """Values between tabs, commas or blanks."""
    # no blank before it: each row of blanks is tried once, from its beginning
    separator = r"(?<!\s)\s*[\t,]\s*" if set(line.strip()) & set("\t,") else r"\s+"
    return re.split(separator, line.strip())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
