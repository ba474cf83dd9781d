"""Ready-made designs as tables, as nilearn, pandas, R or MATLAB write them. Standard library."""

from __future__ import annotations

import csv
import itertools
import re
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

from firstlevel.io import given
from firstlevel.io.given import Given
from firstlevel.stage import InputError

INDEX = re.compile(r"(Unnamed: ?[\d.]+|frame_times?)?")
"""Name of a first column that is no regressor: the index, as pandas writes it and reads it again."""


def read(path: Path, text: str, *, names_only: bool) -> Given:
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
    first = _without_empty(first, 1)
    if all(given.is_number(cell) for cell in first):
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
    """Median step of an index; None if it is not numeric."""
    if len(index) < 2 or not all(map(given.is_number, index)):
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
                f"has {len(cells)} values instead of {width}",
                expected="one value per column",
                remedy="complete the row; separate all columns with tabs, or all with commas",
                row=number,
            )
        rows.append([given.number(path, number, *pair) for pair in zip(names, cells[n_index:], strict=True)])
    return rows


def _cells(line: str, separator: str, width: int | None = None) -> list[str]:
    """Values of a line without the quotes around them, and without empty ones beyond `width`."""
    if separator == " ":
        line = re.sub(r"\s+", " ", line.strip())
    row = next(csv.reader([line], delimiter=separator)) if '"' in line else line.split(separator)
    cells = [cell.strip() for cell in row]
    return cells if width is None else _without_empty(cells, width)


def _without_empty(cells: list[str], width: int) -> list[str]:
    """Cells without the empty ones at the end, down to `width`."""
    n = len(cells)
    while n > width and not cells[n - 1]:
        n -= 1
    return cells[:n]
