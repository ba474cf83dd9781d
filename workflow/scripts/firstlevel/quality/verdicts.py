"""A verdict on a measure of quality: its columns in the table and its words. Standard library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

COLUMNS = ("run", "contrast", "measure", "value", "limit", "verdict", "sentence")
NOTHING = "n/a"
FINE, LOOK, UNKNOWN = WORDS = ("fine", "look", "n/a")
"""Of a verdict: keeps to its limit, does not, or nothing is known that could be held against it."""
Limits = Mapping[str, float]


class Verdict(NamedTuple):
    """One row of the table: what was measured, the limit, whether it keeps to it, and a sentence."""

    run: str
    contrast: str
    measure: str
    value: object
    limit: object
    verdict: str
    sentence: str


def word_of(fine: bool) -> str:
    """Verdict of a measure that keeps to its limit or does not."""
    return FINE if fine else LOOK


def percent(share: float) -> str:
    """Share as a sentence says it."""
    return f"{100 * share:.3g} %"
