"""Bring the events of one run into one form: onset and duration in seconds, trial_type.

The source is a BIDS events table, which is checked, or SPM's multiple conditions. Onsets and durations in
scans, as SPM's are unless the run table says otherwise, become seconds with the repetition time. A column
`modulation`, the height of each event, is kept where there is one.
"""

import dataclasses
import logging
from collections import Counter
from pathlib import Path
from typing import Literal

from firstlevel import stage, tables
from firstlevel.expressions import suggestion
from firstlevel.stage import InputError
from firstlevel.tables import Event


def extract_events(
    *,
    source: Path,
    events: Path,
    repetition_time: float | Literal["header", "sidecar"] | None,
    event_duration: float | None,
    onset_unit: Literal["s", "scans"] | None = None,
    conditions: dict[str, list[str]] | None = None,
) -> None:
    """Write the events of one run in order of onset.

    `event_duration` in s replaces the source's durations. `onset_unit` is that of the source's onsets and
    durations; None stands for seconds in a table and for scans in a ``.mat``. `conditions` names the trial
    types of each condition, all others are left out; None keeps all.
    """
    from_spm = source.suffix == ".mat"
    scan = 1.0
    if (onset_unit or ("scans" if from_spm else "s")) == "scans":
        scan = _seconds_per_scan(source, repetition_time)
    listed = None if conditions is None else {name for names in conditions.values() for name in names}
    rows = (
        _from_spm(source, event_duration) if from_spm else tables.read_events(source, event_duration, listed)
    )
    rows = [
        dataclasses.replace(
            row,
            onset=row.onset * scan,
            duration=row.duration * scan if event_duration is None else event_duration,
        )
        for row in rows
    ]
    if conditions is not None:
        rows = _merged(source, rows, conditions)
    rows.sort(key=lambda row: (row.onset, row.trial_type))
    columns: tuple[str, ...] = tables.EVENT_COLUMNS
    if any(row.modulation is not None for row in rows):
        columns = (*columns, "modulation")
    tables.write_table(events, columns, [[getattr(row, name) for name in columns] for row in rows])
    for name in sorted({row.trial_type for row in rows}):
        logging.info("%s: %d events", name, sum(row.trial_type == name for row in rows))


def _seconds_per_scan(source: Path, repetition_time: float | str | None) -> float:
    if isinstance(repetition_time, int | float):
        return repetition_time
    raise InputError(
        source,
        "its onsets are in scans, and the repetition time is not known",
        expected="study.repetition_time in seconds",
        remedy="set it in the config, or repetition_time in the run table",
    )


def _from_spm(source: Path, event_duration: float | None) -> list[Event]:
    """Events of SPM's multiple conditions, in the unit of the file but for `event_duration` in s."""
    from firstlevel.conditions import read_spm_conditions

    rows = []
    for condition in read_spm_conditions(source):
        lengths = condition.durations
        if event_duration is not None:
            lengths = [event_duration] * len(condition.onsets)
        if lengths is None:
            raise InputError(
                source,
                "has no durations",
                expected="study.event_duration in seconds",
                remedy="set it in the config",
            )
        rows += [
            Event(onset, length, condition.name)
            for onset, length in zip(condition.onsets, lengths, strict=True)
        ]
    return rows


def _merged(source: Path, rows: list[Event], conditions: dict[str, list[str]]) -> list[Event]:
    """Events of the listed trial types, each under the name of its condition."""
    present = Counter(row.trial_type for row in rows)
    condition_of = {trial_type: name for name, listed in conditions.items() for trial_type in listed}
    for trial_type in condition_of.keys() - present.keys():
        near = suggestion(trial_type, present)
        logging.warning(
            "%s: has no trial type %r, which study.conditions lists. %s", source, trial_type, near
        )
    for trial_type in sorted(present.keys() - condition_of.keys()):
        logging.info("%s: %d events left out, not in study.conditions", trial_type, present[trial_type])
    kept = [
        dataclasses.replace(row, trial_type=condition_of[row.trial_type])
        for row in rows
        if row.trial_type in condition_of
    ]
    twice = [at for at, n in Counter((row.onset, row.trial_type) for row in kept).items() if n > 1]
    for onset, name in sorted(twice):
        logging.warning("%s: %s has two events at %g s, which add up", source, name, onset)
    if not kept:
        raise InputError(
            source,
            "has no event of a trial type that study.conditions lists",
            expected=f"trial types of: {', '.join(present)}",
            remedy=f"{''.join(suggestion(name, present) for name in condition_of)}correct study.conditions",
        )
    return kept


if __name__ == "__main__":
    stage.run(extract_events, globals().get("snakemake"))
