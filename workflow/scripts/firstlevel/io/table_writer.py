"""Tab-separated tables out. Standard library."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from firstlevel.io.quoting import quoted
from firstlevel.stage import InputError, atomic
from firstlevel.texts import visible


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a tab-separated table, whole or not at all; numbers in full precision."""
    cells = [[quoted(visible(str(value))) for value in row] for row in (columns, *rows)]
    if odd := next((value for row in cells for value in row if set(value) & set("\t\r\n")), None):
        raise InputError(
            path,
            f"the name {odd!r} holds a tab or a line break",
            expected="names of one line",
            remedy="rename it where it comes from",
        )
    with atomic(path) as temporary:
        temporary.write_text("".join("\t".join(row) + "\n" for row in cells), encoding="utf-8")
