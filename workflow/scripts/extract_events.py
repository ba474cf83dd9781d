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

from firstlevel import regressors, stage, tables
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
    if not from_spm:
        _check_rows(source, conditions, listed)
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
    _warn_of_sums(source, rows)
    rows.sort(key=lambda row: (row.onset, row.trial_type))
    columns: tuple[str, ...] = tables.EVENT_COLUMNS
    if any(row.modulation is not None for row in rows):
        columns = (*columns, "modulation")
    tables.write_table(events, columns, [[getattr(row, name) for name in columns] for row in rows])
    for name in sorted({row.trial_type for row in rows}):
        logging.info("%s: %d events", name, sum(row.trial_type == name for row in rows))


def _check_rows(source: Path, conditions: dict[str, list[str]] | None, listed: set[str] | None) -> None:
    """No row twice, no two spellings of one trial type, no name that the model needs for itself.

    With `conditions` the user has spelled out what is one: a second spelling is told in the log.
    """
    first_of: dict[str, int] = {}
    first_as: dict[tuple[str, ...], int] = {}
    for row in tables.read_rows(source, required=("trial_type",)):
        name = row.values["trial_type"]
        first_of.setdefault(name, row.number)
        if listed is not None and name not in listed:
            continue
        if conditions is None and regressors.is_reserved(name):
            raise InputError(
                source,
                f"the trial type {name!r} is a name that the model keeps for its own regressors",
                expected="names other than constant, drift_1, drift_2 ...",
                remedy="rename the trial type, or give the condition another name in study.conditions",
                row=row.number,
            )
        earlier = first_as.setdefault(tuple(row.values.values()), row.number)
        if earlier != row.number:
            raise InputError(
                source,
                f"repeats row {earlier}",
                expected="each event once: two of them add up to a response of twice the height",
                remedy="remove one of them",
                row=row.number,
            )
    if listed is None and (alike := tables.spelled_alike(first_of)):
        raise tables.two_spellings(source, first_of[alike[0]], alike[0], repr(alike[1]))
    for name in first_of.keys() - (listed or first_of.keys()):
        for other in sorted(listed or ()):
            if tables.spelled_alike([other, name]):
                logging.warning(
                    "%s, row %d: %r differs from %r, which study.conditions lists, in case or blanks only",
                    *(source, first_of[name], name, other),
                )


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


def _warn_of_sums(source: Path, rows: list[Event]) -> None:
    """Tell of events of one condition that begin at one time."""
    twice = [at for at, n in Counter((row.onset, row.trial_type) for row in rows).items() if n > 1]
    for onset, name in sorted(twice):
        logging.warning("%s: %s has two events at %g s, which add up", source, name, onset)


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
