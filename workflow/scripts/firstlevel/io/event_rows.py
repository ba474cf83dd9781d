"""From rows of events files to events of the model, in seconds; messages about them in the log."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from firstlevel.io import event_table, tables
from firstlevel.io.cells import is_missing, number, number_or_nan
from firstlevel.io.event_rules import Rules
from firstlevel.io.event_table import Event
from firstlevel.io.events import RunEvents
from firstlevel.io.modulators import Modulator
from firstlevel.stage import InputError
from firstlevel.texts import suggestion

MODULATION = "modulation"


def repeated(source: Path, run_events: RunEvents, rules: Rules) -> set[int]:
    """Indices of the rows that repeat an earlier row in every column."""
    if run_events.form == "spm":
        return set()
    first_as: dict[tuple[str, ...], int] = {}
    again = set()
    for k, row in enumerate(run_events.rows):
        earlier = first_as.setdefault(tuple(row.values.values()), row.number)
        if earlier == row.number:
            continue
        if rules.repeated == "error":
            raise InputError(
                source,
                f"repeats row {earlier}",
                expected="each event once: two of them add up to a response of twice the height",
                remedy="remove one of them, or set study.events.repeated to once or twice",
                row=row.number,
            )
        again.add(k)
    if again:
        how = {"once": "count once", "twice": "count each time, and add up"}[rules.repeated]
        logging.warning("%s: %d rows repeat an earlier row; they %s", source, len(again), how)
    return again


def event_of(
    source: Path, run_events: RunEvents, k: int, scan: float, event_duration: float | None, rules: Rules
) -> Event:
    """Event of a row, in seconds; a value that is not a number is an error that names the row."""
    row, trial_type = run_events.rows[k], run_events.trial_types[k]
    condition = trial_type
    if rules.conditions is not None:
        condition = next(name for name, own in rules.conditions.items() if trial_type in own)
    onset = number(source, row, "onset") * scan
    seconds = event_duration
    if seconds is None:
        seconds = _duration(source, row, run_events, trial_type) * scan
    height = None
    if MODULATION in row.values and not is_missing(row.values[MODULATION]):
        height = number(source, row, MODULATION)
    own = run_events.modulators.get(condition, {})
    values = {
        how.column: number_or_nan(source, row, how.column) if how.column in row.values else math.nan
        for how in own.values()
    }
    return Event(
        onset,
        seconds,
        condition,
        height,
        tuple((name, values.get(name, math.nan)) for name in column_names(run_events)),
    )


def _duration(source: Path, row: tables.Row, run_events: RunEvents, trial_type: str) -> float:
    """Duration of an event in the unit of its source."""
    if "duration" not in row.values:
        raise InputError(
            source,
            "has no durations",
            expected="study.event_duration in seconds, or a column duration",
            remedy="set it in the config",
        )
    if is_missing(row.values["duration"]):
        raise InputError(
            source,
            f"duration is {row.values['duration']!r}, of an event of {trial_type!r}",
            expected="seconds, 0 or more",
            remedy="set study.event_duration, or list the trial types of the model in study.conditions",
            row=row.number,
        )
    seconds = number(source, row, "duration")
    if seconds < 0:
        raise InputError(
            source,
            f"duration is {seconds:g}",
            expected="seconds, 0 or more",
            remedy="correct it",
            row=row.number,
        )
    return seconds


def with_heights(source: Path, run_events: RunEvents, events: list[Event], kept: list[int]) -> list[Event]:
    """Events with the heights in the column modulation, for conditions that have any.

    Of a condition that has the column among its modulators, the plain events are of height 1.
    """
    by_condition: dict[str, list[int]] = {}
    for k, row in enumerate(events):
        by_condition.setdefault(row.trial_type, []).append(k)
    events = list(events)
    for condition, places in by_condition.items():
        if any(how.column == MODULATION for how in run_events.modulators.get(condition, {}).values()):
            for k in places:
                events[k] = Event(events[k].onset, events[k].duration, condition, None, events[k].values)
            continue
        missing = [k for k in places if events[k].modulation is None]
        if missing and len(missing) < len(places):
            wrong = run_events.rows[kept[missing[0]]]
            raise InputError(
                source,
                f"modulation is {wrong.values.get(MODULATION, 'n/a')!r}; others of {condition} have a value",
                expected="the height of each event of a condition, or of none",
                remedy="name it in design.modulators, where such events get the mean, or drop the row",
                row=wrong.number,
            )
        if not missing:
            logging.info("%s: the height of each event is that of the column modulation", condition)
    return events


def modulators_of(run_events: RunEvents) -> list[Modulator]:
    """Modulators of all conditions."""
    return [how for own in run_events.modulators.values() for how in own.values()]


def column_names(run_events: RunEvents) -> dict[str, str]:
    """Columns of modulators by their name in the source, renamed where the events table has that column."""
    taken = (*event_table.EVENT_COLUMNS, MODULATION)
    return {
        how.column: f"{how.column}_value" if how.column in taken else how.column
        for how in modulators_of(run_events)
    }


def tell(source: Path, run_events: RunEvents, rules: Rules) -> None:
    """Log what was left out, and trial types of study.conditions that do not occur."""
    if rules.condition is not None and run_events.form == "table":
        logging.info("%s: every row is an event of %s, by study.events.condition", source, rules.condition)
    for reason, count in run_events.left_out.items():
        level = logging.WARNING if reason.endswith("n/a") else logging.INFO
        logging.log(level, "%s: %d rows are not events of the model: %s", source, count, reason)
    for trial_type, count in sorted(run_events.not_listed.items()):
        logging.info("%s: %d events left out, not in study.conditions", trial_type, count)
    for own in (rules.conditions or {}).values():
        for trial_type in own:
            if trial_type not in run_events.present:
                near = suggestion(trial_type, run_events.present)
                logging.warning(
                    "%s: has no trial type %r, which study.conditions lists. %s", source, trial_type, near
                )


def check_some(source: Path, run_events: RunEvents, rules: Rules) -> None:
    """Raise an InputError if no event is left, unless the model needs none."""
    if run_events.rows:
        return
    if not rules.needed:
        logging.info("%s: the run has no events, and the model needs none", source)
        return
    if run_events.not_listed:
        near = "".join(
            suggestion(one, run_events.present) for own in (rules.conditions or {}).values() for one in own
        )
        raise InputError(
            source,
            "has no event of a trial type that study.conditions lists",
            expected=f"trial types of: {', '.join(run_events.present)}",
            remedy=f"{near}correct study.conditions",
        )
    left = "; ".join(f"{count} rows left out: {reason}" for reason, count in run_events.left_out.items())
    raise InputError(
        source,
        f"has no events{f' ({left})' if left else ''}: the run has none",
        expected="one row per event, with onset and trial type",
        remedy="add the events of the run, or leave the run out; for a model of confounds alone set "
        "study.events.needed: false",
    )


def warn_of_sums(source: Path, events: list[Event]) -> None:
    """Warn of events of one condition that begin at the same time."""
    twice = [at for at, n in Counter((row.onset, row.trial_type) for row in events).items() if n > 1]
    for onset, name in sorted(twice):
        logging.warning("%s: %s has two events at %g s, whose responses add up", source, name, onset)


def cells(events: Sequence[Event], run_events: RunEvents) -> tuple[list[str], list[list[object]]]:
    """Columns and rows of the events table, n/a for missing values; heights only if there are any."""
    has_heights = any(row.modulation is not None for row in events)
    columns = [*event_table.EVENT_COLUMNS, *([MODULATION] if has_heights else [])]
    names = column_names(run_events)
    lines: list[list[object]] = [
        [
            *("n/a" if (value := getattr(row, name)) is None else value for name in columns),
            *("n/a" if math.isnan(value := dict(row.values)[name]) else value for name in names),
        ]
        for row in events
    ]
    return [*columns, *names.values()], lines
