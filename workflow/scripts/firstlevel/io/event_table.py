"""The events of a run as ``make_design_matrix`` writes them and later stages read them. Standard library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from firstlevel.io.cells import is_missing, number, number_or_nan
from firstlevel.io.tables import MISSING, read_table
from firstlevel.stage import InputError

EVENT_COLUMNS = ("onset", "duration", "trial_type")


@dataclass(frozen=True)
class Event:
    """One row of an events table: onset and duration in seconds, and the condition's name.

    `modulation` is the height of the event, None where the table has none; `values` are those of modulators
    by name, nan where one is missing.
    """

    onset: float
    duration: float
    trial_type: str
    modulation: float | None = None
    values: tuple[tuple[str, float], ...] = ()


def read_events(path: Path, modulators: Sequence[str] = (), *, needed: bool = True) -> list[Event]:
    """Events of one run from a table that ``make_design_matrix`` has written.

    Parameters
    ----------
    modulators : columns to read, too; n/a is nan there.
    needed : whether a table without events is an error.

    Raises
    ------
    InputError : no row, a value that is no number, a negative duration, no trial_type.
    """
    columns, rows = read_table(path, required=(*EVENT_COLUMNS, *modulators))
    if not rows and needed:
        raise InputError(
            path, "has no events", expected="one row per event", remedy="add the events of the run"
        )
    events = []
    for row in rows:
        onset, seconds = number(path, row, "onset"), number(path, row, "duration")
        if seconds < 0:
            raise InputError(
                path,
                f"duration is {seconds:g}",
                expected="seconds, 0 or more",
                remedy="correct it",
                row=row.number,
            )
        if row.values["trial_type"] in MISSING:
            raise InputError(
                path,
                "has no trial_type",
                expected="the condition's name",
                remedy="name it, or drop the row",
                row=row.number,
            )
        modulated = "modulation" in columns and not is_missing(row.values["modulation"])
        height = number(path, row, "modulation") if modulated else None
        values = tuple((name, number_or_nan(path, row, name)) for name in modulators)
        events.append(Event(onset, seconds, row.values["trial_type"], height, values))
    return events
