"""Tables and sidecars in and out: tab-separated values and JSON, checked as they are read.

Standard library: the tables are small, and every start of Snakemake and of a stage pays for this import.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from firstlevel.io import contents
from firstlevel.stage import InputError, atomic
from firstlevel.texts import composed, shortened, suggestion, visible

MISSING = ("", "n/a", "NaN", "nan")
MISSING_NUMBERS = ("NA", "N/A", "n.a.", "NULL", "None")
"""What other programs write for a number that is missing; of text, only the first two, see events."""
QUOTED = 300
"""Characters of a file's header in a message."""
MOST_LINES, MOST_CELLS = 2_000_000, 20_000_000
"""Of a table: many times what a run has, and what 2 GB of memory hold."""
EVENT_COLUMNS = ("onset", "duration", "trial_type")


@dataclass(frozen=True)
class Event:
    """One row of an events table: onset and duration in seconds, and the condition's name.

    `modulation` is the height of the event, None where the table has none; `values` are those of modulators
    by name, nan where one is missing.
    """

    onset: float
    duration: float
    trial_type: str
    modulation: float | None = None
    values: tuple[tuple[str, float], ...] = ()


class Row(NamedTuple):
    """One row of a table: the line that it stands in, counted from 1, and its values by column."""

    number: int
    values: dict[str, str]


def read_rows(path: Path, required: Iterable[str] = ()) -> list[Row]:
    """Rows of a tab-separated table with a header, values as text; see :func:`read_table`."""
    return read_table(path, required)[1]


def read_table(
    path: Path, required: Iterable[str] = (), *, compose: bool = False
) -> tuple[list[str], list[Row]]:
    """Columns and rows of a tab-separated table with a header, values as text; gzipped or not.

    Columns are named in one form of Unicode (NFC); values have it where `compose` says so. Quotes go where
    they enclose a whole cell, as R writes text. Empty cells beyond the header go, and so do columns without a
    name and a value, and the names of rows: a first column without a header.

    Raises
    ------
    InputError : no such file, not UTF-8, no header, a missing or doubled column, a row of another length.
    """
    text = read_text(path)
    text = composed(text) if compose else text
    quotes, quoted = '"' in text, True  # in some cell; in the first cell of every row
    lines: list[tuple[int, list[str]]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line or line.isspace():
            continue
        quoted = quoted and (not lines or line.startswith('"'))
        cells = [value.strip() for value in line.split("\t")]
        lines.append((number, [_unquoted(value) for value in cells] if quotes else cells))
    columns = [composed(name) for name in lines[0][1]] if lines else []
    if columns and not columns[-1]:
        columns = columns[: max(len(_without_surplus(values, 0)) for _, values in lines)]
    rows = [(number, _without_surplus(values, len(columns))) for number, values in lines[1:]]
    named = bool(columns) and not columns[0]
    if rows and _have_names([values for _, values in rows], len(columns) + (not named), sure=named or quoted):
        columns, rows = columns[named:], [(number, values[1:]) for number, values in rows]
    elif named and not rows:
        columns = columns[1:]
    if missing := [name for name in required if name not in columns]:
        near = "".join(nearest(name, columns) for name in missing)
        present = shortened(", ".join(columns), QUOTED) or "nothing"
        raise InputError(
            path,
            f"lacks the column {', '.join(missing)} (it has: {present})",
            expected=f"a tab-separated table with the columns {', '.join(required)}",
            remedy=f"{near}{_separated(columns)}add the column, and check that tabs, not commas, stand "
            "between columns",
        )
    if len(set(columns)) < len(columns):
        doubled = Counter(columns).most_common(1)[0][0]
        raise InputError(
            path,
            f"has the column {doubled!r} twice",
            expected="each column once",
            remedy="remove one of them",
        )
    for number, values in rows:
        if len(values) != len(columns):
            raise InputError(
                path,
                f"has {len(values)} values where the header has {len(columns)}",
                expected="one value per column, n/a where there is none",
                remedy="complete the row",
                row=number,
            )
    return columns, [Row(number, dict(zip(columns, values, strict=True))) for number, values in rows]


def read_text(path: Path) -> str:
    """Text of a file, gzipped or not."""
    try:
        text = contents.read(path).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
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
    n_lines, n_cells = text.count("\n"), max(map(text.count, "\t,;"))
    if n_lines > MOST_LINES or n_cells > MOST_CELLS:
        raise InputError(
            path,
            f"has {n_lines} rows and about {n_lines + n_cells} cells",
            expected=f"a table of one run, at most {MOST_LINES} rows and {MOST_CELLS} cells",
            remedy="check that it is what its name says",
        )
    return text


def _unquoted(value: str) -> str:
    """Cell without the quotes that enclose the whole of it; doubled quotes in it are one."""
    if len(value) < 2 or not (value[0] == value[-1] == '"'):
        return value
    inner = value[1:-1].replace('""', "\0")
    return value if '"' in inner else inner.replace("\0", '"').strip()


def _quoted(value: str) -> str:
    """Cell that is read as this value: one that has quotes around it needs another pair."""
    return value if _unquoted(value) == value else '"' + value.replace('"', '""') + '"'


def _without_surplus(values: list[str], n_columns: int) -> list[str]:
    """Cells of a row without empty ones beyond the header."""
    n = len(values)
    while n > n_columns and not values[n - 1]:
        n -= 1
    return values if n == len(values) else values[:n]


def _have_names(rows: list[list[str]], n_cells: int, *, sure: bool) -> bool:
    """Whether each row of `n_cells` begins with its number, as R and pandas write names of rows.

    Numbers grow where it is `sure` that they are names, and are 1, 2, 3 ... otherwise: onsets grow, too.
    """
    if any(len(values) != n_cells or not re.fullmatch(r"\d{1,18}", values[0]) for values in rows):
        return False
    numbers = [int(values[0]) for values in rows]
    if not sure:
        return numbers == list(range(1, len(rows) + 1))
    return all(before < after for before, after in itertools.pairwise(numbers))


def nearest(name: str, columns: Sequence[str]) -> str:
    """'did you mean ...? ' of the column that differs in case only, or that is near."""
    cased = next((other for other in columns if other.casefold() == name.casefold()), None)
    return f"did you mean {cased!r}? " if cased else suggestion(name, columns)


def _separated(columns: Sequence[str]) -> str:
    """What stands between columns in place of tabs, where a header is one cell."""
    if len(columns) != 1:
        return ""
    found = {",": "commas", ";": "semicolons", " ": "blanks"}
    return next(
        (f"its columns are separated by {word}; " for mark, word in found.items() if mark in columns[0]), ""
    )


def is_missing(text: str) -> bool:
    """Whether a cell that should hold a number holds none: n/a, or R's NA."""
    return text in MISSING or text in MISSING_NUMBERS


def read_events(path: Path, modulators: Sequence[str] = (), *, needed: bool = True) -> list[Event]:
    """Events of one run from a table that ``extract_events`` has written.

    Parameters
    ----------
    modulators : columns to read, too; n/a is nan there.
    needed : whether a table without events is an error.

    Raises
    ------
    InputError : no row, a value that is no number, a negative duration, no trial_type.
    """
    columns, rows = read_table(path, required=(*EVENT_COLUMNS, *modulators))
    if not rows and needed:
        raise InputError(
            path, "has no events", expected="one row per event", remedy="add the events of the run"
        )
    events = []
    for row in rows:
        onset, seconds = number(path, row, "onset"), number(path, row, "duration")
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
        modulated = "modulation" in columns and not is_missing(row.values["modulation"])
        height = number(path, row, "modulation") if modulated else None
        values = tuple((name, number_or_nan(path, row, name)) for name in modulators)
        events.append(Event(onset, seconds, row.values["trial_type"], height, values))
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
    return [[number(path, row, name) for name in columns] for row in rows]


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a tab-separated table, whole or not at all; numbers in full precision."""
    cells = [[_quoted(visible(str(value))) for value in row] for row in (columns, *rows)]
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
        content = json.loads(contents.read(path).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(path, f"is no JSON ({error})", expected="JSON", remedy="correct it") from None
    if not isinstance(content, dict):
        raise InputError(path, "is no JSON object", expected="names with values", remedy="correct it")
    return content


def number_or_nan(path: Path, row: Row, column: str) -> float:
    """Value of a cell as a number, nan where it is missing."""
    return math.nan if is_missing(row.values[column]) else number(path, row, column)


def number(path: Path, row: Row, column: str) -> float:
    """Value of a cell as a finite number."""
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
