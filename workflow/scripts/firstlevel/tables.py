"""Tables and sidecars in and out: tab-separated values and JSON, checked as they are read.

Standard library: the tables are small, and every start of Snakemake and of a stage pays for this import.
"""

from __future__ import annotations

import json
import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from firstlevel.stage import InputError, atomic

MISSING = ("", "n/a", "NaN", "nan")
EVENT_COLUMNS = ("onset", "duration", "trial_type")


@dataclass(frozen=True)
class Event:
    """One row of an events table: onset and duration in seconds, and the condition's name.

    `modulation` is the height of the event, None where the table has no such column.
    """

    onset: float
    duration: float
    trial_type: str
    modulation: float | None = None


class Row(NamedTuple):
    """One row of a table: the line that it stands in, counted from 1, and its values by column."""

    number: int
    values: dict[str, str]


def read_rows(path: Path, required: Iterable[str] = ()) -> list[Row]:
    """Rows of a tab-separated table with a header, values as text.

    Raises
    ------
    InputError : no such file, not UTF-8, no header, a missing or doubled column, a row of another length.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(
            path,
            "there is no such file",
            expected="a tab-separated table",
            remedy="check the path in the study",
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(
            path,
            f"is not UTF-8 text ({error.reason})",
            expected="UTF-8",
            remedy="save the table as UTF-8",
            row=error.object.count(b"\n", 0, error.start) + 1,
        ) from None
    lines = [
        (number, [value.strip() for value in line.split("\t")])
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip()
    ]
    columns = lines[0][1] if lines else []
    if missing := [name for name in required if name not in columns]:
        raise InputError(
            path,
            f"lacks the column {', '.join(missing)} (it has: {', '.join(columns) or 'nothing'})",
            expected=f"a tab-separated table with the columns {', '.join(required)}",
            remedy="add the column, and check that tabs, not commas, stand between columns",
        )
    if len(set(columns)) < len(columns):
        doubled = next(name for name in columns if columns.count(name) > 1)
        raise InputError(
            path,
            f"has the column {doubled!r} twice",
            expected="each column once",
            remedy="remove one of them",
        )
    for number, values in lines[1:]:
        if len(values) != len(columns):
            raise InputError(
                path,
                f"has {len(values)} values where the header has {len(columns)}",
                expected="one value per column, n/a where there is none",
                remedy="complete the row",
                row=number,
            )
    return [Row(number, dict(zip(columns, values, strict=True))) for number, values in lines[1:]]


def read_events(path: Path, duration: float | None = None, only: Container[str] | None = None) -> list[Event]:
    """Events of one run with their modulation where there is one; `duration` in s replaces the table's.

    Of trial types that are not in `only`, where it is given, numbers may be missing: they are 0.

    Raises
    ------
    InputError : no row, a value that is no number, a negative duration, no trial_type.
    """
    rows = read_rows(path, required=("onset", "trial_type") if duration is not None else EVENT_COLUMNS)
    if not rows:
        raise InputError(
            path, "has no events", expected="one row per event", remedy="add the events of the run"
        )
    events = []
    for row in rows:
        if only is not None and row.values["trial_type"] not in only:
            events.append(Event(0.0, 0.0, row.values["trial_type"]))
            continue
        onset = _number(path, row, "onset")
        seconds = _number(path, row, "duration") if duration is None else duration
        if seconds < 0:
            raise InputError(
                path,
                f"duration is {seconds:g}",
                expected="seconds, 0 or more",
                remedy="correct it",
                row=row.number,
            )
        if row.values["trial_type"] in MISSING:
            raise InputError(
                path,
                "has no trial_type",
                expected="the condition's name",
                remedy="name it, or drop the row",
                row=row.number,
            )
        height = _number(path, row, "modulation") if "modulation" in row.values else None
        events.append(Event(onset, seconds, row.values["trial_type"], height))
    return events


def spelled_alike(names: Iterable[str]) -> tuple[str, str] | None:
    """First of the names that differs from an earlier one in case or blanks only, and that one."""
    seen: dict[str, str] = {}
    for name in names:
        earlier = seen.setdefault("".join(name.casefold().split()), name)
        if earlier != name:
            return name, earlier
    return None


def two_spellings(path: Path, row: int | None, name: str, other: str) -> InputError:
    """Say that a trial type is another one but for case or blanks."""
    return InputError(
        path,
        f"the trial type {name!r} differs from {other} in case or blanks only",
        expected="one spelling of each condition",
        remedy="spell them alike; if they are two conditions, name each in study.conditions",
        row=row,
    )


def read_columns(path: Path, columns: Sequence[str] | None = None) -> tuple[list[str], list[list[float]]]:
    """Names and rows of a table of numbers, of all columns or the given ones."""
    rows = read_rows(path, required=columns or ())
    names = list(columns) if columns is not None else list(rows[0].values) if rows else []
    return names, numbers(path, rows, names)


def numbers(path: Path, rows: Iterable[Row], columns: Sequence[str]) -> list[list[float]]:
    """Return the values of some columns of a table's rows as numbers; one that is none is an InputError."""
    return [[_number(path, row, name) for name in columns] for row in rows]


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a tab-separated table, whole or not at all; numbers in full precision."""
    cells = [[str(value) for value in row] for row in (columns, *rows)]
    if odd := next((value for row in cells for value in row if set(value) & set("\t\r\n")), None):
        raise InputError(
            path,
            f"the name {odd!r} holds a tab or a line break",
            expected="names of one line",
            remedy="rename it where it comes from",
        )
    with atomic(path) as temporary:
        temporary.write_text("".join("\t".join(row) + "\n" for row in cells), encoding="utf-8")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a sidecar with sorted keys, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a sidecar, a JSON object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(path, f"is no JSON ({error})", expected="JSON", remedy="correct it") from None
    if not isinstance(content, dict):
        raise InputError(path, "is no JSON object", expected="names with values", remedy="correct it")
    return content


def _number(path: Path, row: Row, column: str) -> float:
    text = row.values[column]
    try:
        value = float(text) if text.isascii() and "_" not in text else math.nan  # 1_0 is 10 to Python alone
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(
            path,
            f"{column} is {row.values[column]!r}",
            expected="a finite number, with a point as decimal mark",
            remedy="correct the value",
            row=row.number,
        )
    return value
