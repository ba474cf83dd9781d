"""Bring the events of one run into one form: onset and duration in seconds, trial_type.

The source is a BIDS events table, which is checked, or SPM's multiple conditions, whose onsets and
durations are in scans and become seconds with the repetition time.
"""

import logging
from pathlib import Path

from firstlevel import stage, tables
from firstlevel.stage import InputError
from firstlevel.tables import Event


def extract_events(
    *, source: Path, events: Path, repetition_time: float | None, event_duration: float | None
) -> None:
    """Write the events of one run in order of onset; `event_duration` in s replaces the source's."""
    if source.suffix == ".mat":
        rows = _from_spm(source, repetition_time, event_duration)
    else:
        rows = tables.read_events(source, event_duration)
        if "modulation" in tables.read_rows(source)[0].values:
            logging.warning("%s: the column modulation is not used", source)
    rows.sort(key=lambda row: (row.onset, row.trial_type))
    tables.write_table(
        events, tables.EVENT_COLUMNS, [(row.onset, row.duration, row.trial_type) for row in rows]
    )
    for name in sorted({row.trial_type for row in rows}):
        logging.info("%s: %d events", name, sum(row.trial_type == name for row in rows))


def _from_spm(source: Path, repetition_time: float | None, event_duration: float | None) -> list[Event]:
    from firstlevel.conditions import read_spm_conditions

    if repetition_time is None:
        raise InputError(
            source,
            "its onsets are in scans, and the repetition time is not known",
            expected="study.repetition_time in seconds",
            remedy="set it in the config",
        )
    rows = []
    for condition in read_spm_conditions(source):
        lengths = condition.durations
        if event_duration is not None:
            lengths = [event_duration / repetition_time] * len(condition.onsets)
        if lengths is None:
            raise InputError(
                source,
                "has no durations",
                expected="study.event_duration in seconds",
                remedy="set it in the config",
            )
        rows += [
            Event(onset * repetition_time, length * repetition_time, condition.name)
            for onset, length in zip(condition.onsets, lengths, strict=True)
        ]
    return rows


if __name__ == "__main__":
    stage.run(extract_events, globals().get("snakemake"))
