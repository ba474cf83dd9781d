"""Tables and sidecars in and out: tab-separated values and JSON, checked as they are read.

Standard library and numpy: the tables are small, and every stage reads one.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstlevel.stage import InputError, atomic

MISSING = ("", "n/a", "NaN", "nan")


@dataclass(frozen=True)
class Event:
    """One row of an events table: onset and duration in seconds, and the condition's name."""

    onset: float
    duration: float
    trial_type: str


def read_rows(path: Path, required: Iterable[str] = ()) -> list[dict[str, str]]:
    """Rows of a tab-separated table with a header, values as text.

    Raises
    ------
    InputError : no such file, not UTF-8, no header, a missing column, a row of another length.
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
            path, f"is not UTF-8 text ({error.reason})", expected="UTF-8", remedy="save the table as UTF-8"
        ) from None
    lines = [
        (number, row) for number, row in enumerate(csv.reader(io.StringIO(text), delimiter="\t"), 1) if row
    ]
    columns = [name.strip() for name in lines[0][1]] if lines else []
    if missing := [name for name in required if name not in columns]:
        raise InputError(
            path,
            f"lacks the column {', '.join(missing)} (it has: {', '.join(columns) or 'nothing'})",
            expected=f"a tab-separated table with the columns {', '.join(required)}",
            remedy="add the column, and check that tabs, not commas, stand between columns",
        )
    for number, row in lines[1:]:
        if len(row) != len(columns):
            raise InputError(
                path,
                f"has {len(row)} values where the header has {len(columns)}",
                expected="one value per column, n/a where there is none",
                remedy="complete the row",
                row=number,
            )
    return [dict(zip(columns, (value.strip() for value in row), strict=True)) for _, row in lines[1:]]


def read_events(path: Path) -> list[Event]:
    """Events of one run.

    Raises
    ------
    InputError : no row, an onset or duration that is no number or negative, no trial_type.
    """
    rows = read_rows(path, required=("onset", "duration", "trial_type"))
    if not rows:
        raise InputError(
            path, "has no events", expected="one row per event", remedy="add the events of the run"
        )
    events = []
    for number, row in enumerate(rows, start=2):
        onset, duration = (_number(path, number, row, column) for column in ("onset", "duration"))
        if duration < 0:
            raise InputError(
                path,
                f"duration is {duration:g}",
                expected="seconds, 0 or more",
                remedy="correct it",
                row=number,
            )
        if row["trial_type"] in MISSING:
            raise InputError(
                path,
                "has no trial_type",
                expected="the condition's name",
                remedy="name it, or drop the row",
                row=number,
            )
        events.append(Event(onset, duration, row["trial_type"]))
    return events


def read_columns(path: Path, columns: Sequence[str] | None = None) -> tuple[list[str], list[list[float]]]:
    """Names and rows of a table of numbers, of all columns or the given ones."""
    rows = read_rows(path, required=columns or ())
    names = list(columns) if columns is not None else list(rows[0]) if rows else []
    return names, [
        [_number(path, number, row, name) for name in names] for number, row in enumerate(rows, start=2)
    ]


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a tab-separated table, whole or not at all; numbers in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    with atomic(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a sidecar with sorted keys, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a sidecar."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _number(path: Path, number: int, row: Mapping[str, str], column: str) -> float:
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(
            path,
            f"{column} is {row[column]!r}",
            expected="a finite number, with a point as decimal mark",
            remedy="correct the value, or drop the row",
            row=number,
        )
    return value
