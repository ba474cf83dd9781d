"""Different spellings of one trial type: names that differ in case or blanks only. Standard library."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from firstlevel.stage import InputError


def spelled_alike(names: Iterable[str]) -> tuple[str, str] | None:
    """First of the names that differs from an earlier one in case or blanks only, and that one."""
    seen: dict[str, str] = {}
    for name in names:
        earlier = seen.setdefault("".join(name.casefold().split()), name)
        if earlier != name:
            return name, earlier
    return None


def two_spellings(path: Path, row: int | None, name: str, other: str) -> InputError:
    """Make the error for a trial type that differs from another in case or blanks only."""
    return InputError(
        path,
        f"the trial type {name!r} differs from {other} in case or blanks only",
        expected="one spelling of each condition",
        remedy="spell them alike; if they are two conditions, name each in study.conditions",
        row=row,
    )
