"""A verdict on a measure of quality: its columns in the table and its words. Standard library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

COLUMNS = ("run", "contrast", "measure", "value", "limit", "verdict", "sentence")
NOTHING = "n/a"
PASS, CHECK, UNKNOWN = WORDS = ("pass", "check", "n/a")
"""Words of a verdict: within the limit, beyond it, or not known."""
Limits = Mapping[str, float]


class Verdict(NamedTuple):
    """One row of the table: what was measured, the limit, whether it is within it, and a sentence."""

    run: str
    contrast: str
    measure: str
    value: object
    limit: object
    verdict: str
    sentence: str


def word_of(passes: bool) -> str:
    """Word for a measure that is within its limit, or is not."""
    return PASS if passes else CHECK


def percent(share: float) -> str:
    """Share as a sentence says it."""
    return f"{100 * share:.3g} %"
