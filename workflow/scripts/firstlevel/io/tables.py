"""Tables and sidecars in and out: tab-separated values and JSON, checked as they are read.

Standard library: the tables are small, and every start of Snakemake and of a stage pays for this import.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from firstlevel.io import contents
from firstlevel.io.quoting import unquoted
from firstlevel.stage import InputError
from firstlevel.texts import composed, shortened, suggestion

MISSING = ("", "n/a", "NaN", "nan")
QUOTED = 300
"""Characters of a file's header in a message."""
MOST_LINES, MOST_CELLS = 2_000_000, 20_000_000
"""Of a table: many times what a run has, and what 2 GB of memory hold."""


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

    Columns are named in one form of Unicode (NFC); values are, too, with `compose`. Quotes around a
    whole cell, as R writes text, are taken off. Empty cells beyond the header are dropped, and so are columns
    with neither name nor value, and row names: a first column without a header.

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
        lines.append((number, [unquoted(value) for value in cells] if quotes else cells))
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
            remedy=f"{near}{_separated(columns)}add the column, and check that tabs, not commas, "
            "separate columns",
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
            remedy="check that this is the right file",
        )
    return text


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
    """'did you mean ...? ' for a column that differs in case only, or is spelled similarly."""
    cased = next((other for other in columns if other.casefold() == name.casefold()), None)
    return f"did you mean {cased!r}? " if cased else suggestion(name, columns)


def _separated(columns: Sequence[str]) -> str:
    """Phrase that names the separator in place of tabs, if a header is a single cell."""
    if len(columns) != 1:
        return ""
    names_of_separators = {",": "commas", ";": "semicolons", " ": "blanks"}
    return next(
        (
            f"its columns are separated by {word}; "
            for mark, word in names_of_separators.items()
            if mark in columns[0]
        ),
        "",
    )
