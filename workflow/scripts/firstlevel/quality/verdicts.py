"""A verdict on a measure of quality: its columns in the table and its words. Standard library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

COLUMNS = ("run", "contrast", "measure", "value", "limit", "verdict", "sentence")
NOTHING = "n/a"
PASS, CHECK, UNKNOWN = WORDS = ("pass", "check", "n/a")
"""Words of a verdict: within the limit, beyond it, or not known."""
MOST_DIGITS = 17
"""More than a number has."""
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


def judged(
    run: str, contrast: str, measure: str, value: float, limit: float, fact: str, advice: str, *, passes: bool
) -> Verdict:
    """Verdict on a measure that is known: the fact, and what to do about it where it does not pass.

    `fact` is a sentence without its full stop, `advice` ends it where the measure is beyond its limit.
    """
    sentence = f"{fact}." if passes else f"{fact}{advice}"
    return Verdict(run, contrast, measure, value, limit, word_of(passes), sentence)


def told(value: float, limit: float, digits: int = 2, style: str = "g") -> str:
    """Value in so few digits, or in as many more as it takes to stand on its own side of the limit.

    >>> told(0.304, 0.3), told(0.3004, 0.3), told(0.2996, 0.3, style="f"), told(0.3, 0.3)
    ('0.304', '0.3004', '0.2996', '0.3')
    """
    for more in range(digits, MOST_DIGITS):
        text = f"{value:.{more}{style}}"
        if (float(text) > limit, float(text) < limit) == (value > limit, value < limit):
            return text
    return repr(value)


def percent(share: float, limit: float | None = None) -> str:
    """Share as a sentence says it, on its own side of a limit."""
    return f"{told(100 * share, 100 * limit, 3) if limit is not None else f'{100 * share:.3g}'} %"
