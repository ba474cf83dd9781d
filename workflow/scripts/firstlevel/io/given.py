"""Common representation of ready-made designs: names, rows, roles, decisions. Standard library."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from firstlevel.stage import InputError

Part = tuple[int, int]
"""Which session of a file is the run's, counted from 1, and how many runs share it; 0 where it is named."""
GIVEN, DRIFT, CONSTANT, CENSOR = "given", "drift", "constant", "censor"


class Given(NamedTuple):
    """A design as read from a file.

    Attributes
    ----------
    form : of the file, in words.
    names, rows : p regressors, and n rows of as many numbers; none where only names were asked for.
    roles : of the columns for which the file gives one.
    notes : what was left out, added or renamed, each in a sentence.
    step : median step of a numeric index: 1, or the repetition time in seconds.
    """

    form: str
    names: list[str]
    rows: list[list[float]]
    roles: dict[str, str]
    notes: list[str]
    step: float | None = None


def place(path: Path, part: Part, n_parts: int) -> int:
    """Index (from 0) of the run's session in a file; a single session may be used for several runs."""
    number, n_runs = part
    if n_parts == 1 and n_runs:
        return 0
    if n_runs in (0, n_parts) and number <= n_parts:
        return number - 1
    asked = f"{n_runs} runs of the subject name it" if n_runs else f"session {number} is asked for"
    raise InputError(
        path,
        f"holds {n_parts} session{'s' * (n_parts > 1)}, and {asked}",
        expected="as many runs as sessions, in the same order, or a session number for each run",
        remedy=f"append the session to the file: {path.name}#1, {path.name}#2 ...",
    )


def is_number(text: str) -> bool:
    """Whether Python reads a cell as a number, finite or not."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def number(path: Path, row: int | None, name: str, text: str) -> float:
    """Value of a cell of a design, which must be finite."""
    value = float(text) if is_number(text) and "_" not in text else math.nan
    if not math.isfinite(value):
        raise InputError(
            path,
            f"{name} is {text!r}",
            expected="a finite number, with a point as decimal mark",
            remedy="correct the value",
            row=row,
        )
    return value
