"""Bring the events of one run into one form: onset and duration in seconds, trial_type.

The source is a BIDS events table, which is checked, or SPM's multiple conditions (``names``, ``onsets``
and perhaps ``durations``, in scans), which are converted with the repetition time.
"""

import logging
from pathlib import Path

import numpy as np

from firstlevel import stage, tables
from firstlevel.stage import InputError
from firstlevel.tables import Event


def extract_events(
    *, source: Path, events: Path, repetition_time: float | None, event_duration: float | None
) -> None:
    """Write the events of one run in order of onset; `event_duration` in s replaces the source's."""
    rows = (
        _from_spm(source, repetition_time, event_duration)
        if source.suffix == ".mat"
        else tables.read_events(source)
    )
    if event_duration is not None:
        rows = [Event(row.onset, event_duration, row.trial_type) for row in rows]
    rows.sort(key=lambda row: (row.onset, row.trial_type))
    tables.write_table(
        events,
        ("onset", "duration", "trial_type"),
        [(row.onset, row.duration, row.trial_type) for row in rows],
    )
    for name in sorted({row.trial_type for row in rows}):
        logging.info("%s: %d events", name, sum(row.trial_type == name for row in rows))


def _from_spm(source: Path, repetition_time: float | None, event_duration: float | None) -> list[Event]:
    from scipy.io import loadmat

    content = loadmat(source, squeeze_me=True)
    if missing := [name for name in ("names", "onsets") if name not in content]:
        raise InputError(
            source,
            f"lacks the variable {', '.join(missing)}",
            expected="SPM's multiple conditions: names, onsets and perhaps durations, in scans",
            remedy="save the conditions from SPM, or give an events table",
        )
    if repetition_time is None:
        raise InputError(
            source,
            "its onsets are in scans, and the repetition time is not known",
            expected="study.repetition_time in seconds",
            remedy="set it in the config",
        )
    if event_duration is None and "durations" not in content:
        raise InputError(
            source,
            "has no durations",
            expected="study.event_duration in seconds",
            remedy="set it in the config",
        )
    names = [str(name) for name in np.atleast_1d(content["names"])]
    onsets = _cells(content["onsets"], len(names))
    durations = _cells(content.get("durations", 0.0), len(names))
    rows = []
    for name, name_onsets, name_durations in zip(names, onsets, durations, strict=True):
        pairs = np.broadcast_arrays(name_onsets, name_durations)
        rows += [
            Event(float(onset) * repetition_time, float(duration) * repetition_time, name)
            for onset, duration in zip(*pairs, strict=True)
        ]
    return rows


def _cells(value: object, n_cells: int) -> list[np.ndarray]:
    """Cells of a MATLAB cell array, each as a vector; one number stands for all."""
    array = np.asarray(value)
    whole = array.dtype != object and (array.ndim == 0 or n_cells == 1)
    cells = [array] * n_cells if whole else list(np.atleast_1d(array))
    return [np.atleast_1d(np.asarray(cell, dtype=np.float64)).ravel() for cell in cells]


if __name__ == "__main__":
    stage.run(extract_events, globals().get("snakemake"))
