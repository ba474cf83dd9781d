"""Names of trial types: each spelled in one way, and none that the model needs for itself.

The plan of a study, over all its runs, and the stage that writes the events of one run both check by these.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from firstlevel.glm import regressors
from firstlevel.io import spelling
from firstlevel.io.event_rules import Rules
from firstlevel.io.events import RunEvents
from firstlevel.stage import InputError


class Place(NamedTuple):
    """Where a trial type is first met: a file of events, and its row where rows have numbers."""

    source: Path
    row: int | None


def places_of(source: Path, found: RunEvents) -> dict[str, Place]:
    """Trial types of a run's events, listed in study.conditions or not, and where each is first met."""
    return {name: Place(source, None if found.form == "spm" else row) for name, row in found.present.items()}


def check_spelling(places: Mapping[str, Place]) -> None:
    """No trial type is spelled in two ways, in one run or in two: each would be a condition of its own."""
    if alike := spelling.spelled_alike(places):
        name, other = alike
        own, before = places[name], places[other]
        is_elsewhere = before.source != own.source and before.row is not None
        beside = f"{other!r} ({before.source}, row {before.row})" if is_elsewhere else repr(other)
        raise spelling.two_spellings(own.source, own.row, name, beside)


def check_names(source: Path, found: RunEvents, rules: Rules) -> None:
    """No two spellings of one trial type, no name that the model needs for itself.

    With `conditions` the user has spelled out what is one: a second spelling is told in the log.
    """
    places = places_of(source, found)
    if rules.conditions is None:
        if reserved := next((name for name in places if regressors.is_reserved(name)), None):
            raise InputError(
                source,
                f"the trial type {reserved!r} is a name that the model uses for its own regressors",
                expected="names other than constant, drift_1, drift_2 ...",
                remedy="rename the trial type, or give the condition another name in study.conditions",
                row=places[reserved].row,
            )
        check_spelling(places)
    listed = sorted({one for own in (rules.conditions or {}).values() for one in own})
    for name in found.not_listed:
        for other in listed:
            if spelling.spelled_alike([other, name]):
                logging.warning(
                    "%s, row %d: %r differs from %r, which study.conditions lists, in case or blanks only",
                    *(source, found.present[name], name, other),
                )
