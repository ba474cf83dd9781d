"""Cells of a table as numbers: finite, missing, or an error that names the row. Standard library."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from firstlevel.io.tables import MISSING, Row, read_rows
from firstlevel.stage import InputError

MISSING_NUMBERS = ("NA", "N/A", "n.a.", "NULL", "None")
"""What other programs write for a number that is missing; of text, only the first two, see events."""


def is_missing(text: str) -> bool:
    """Whether a cell is a missing value: n/a, or R's NA."""
    return text in MISSING or text in MISSING_NUMBERS


def read_columns(path: Path, columns: Sequence[str] | None = None) -> tuple[list[str], list[list[float]]]:
    """Names and rows of a table of numbers, of all columns or the given ones."""
    rows = read_rows(path, required=columns or ())
    names = list(columns) if columns is not None else list(rows[0].values) if rows else []
    return names, numbers(path, rows, names)


def numbers(path: Path, rows: Iterable[Row], columns: Sequence[str]) -> list[list[float]]:
    """Values of some columns of a table's rows as numbers; InputError for other values."""
    return [[number(path, row, name) for name in columns] for row in rows]


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


def as_number(text: str) -> float | None:
    """Value of a cell as a number, infinite and nan among them; None where it is none."""
    try:
        return float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None
