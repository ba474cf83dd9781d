"""Bring the events of one run into one form: onset and duration in seconds, trial_type.

The source is a BIDS events table, which is checked, SPM's multiple conditions, or FSL's or AFNI's files of
one condition each. Onsets and durations in scans, as SPM's are unless the run table says otherwise, become
seconds with the repetition time. A column `modulation`, the height of each event, is kept where there is
one, and so are the columns of modulators.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from firstlevel.glm import trial_types
from firstlevel.io import event_rows, event_sources, event_table, modulator_json, sidecars, table_writer
from firstlevel.io import events as rules_of_events
from firstlevel.io.event_rules import Rules
from firstlevel.io.modulators import Modulators
from firstlevel.io.modulators import columns as columns_of


@dataclass(frozen=True)
class EventOptions:
    """What of a run's files is an event, and when it is.

    Attributes
    ----------
    event_duration : s, in place of the source's durations; None keeps these.
    onset_unit : of the source's onsets and durations; None is seconds in a table, scans in a ``.mat``.
    conditions : trial types of each condition, all others are left out; None keeps all.
    rules, modulators : as study.events and design.modulators have them.
    """

    event_duration: float | None = None
    onset_unit: Literal["s", "scans"] | None = None
    conditions: Mapping[str, Sequence[str]] | None = None
    rules: Mapping[str, Any] | None = None
    modulators: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ModelEvents:
    """Events of a run, as its model has them.

    Attributes
    ----------
    source : file that messages name, or the folder of files of one condition each.
    rows : in order of onset.
    as_read : the same as the source has them.
    notes : what the sidecar says of what was left out.
    """

    source: Path
    rows: Sequence[event_table.Event]
    as_read: rules_of_events.RunEvents
    notes: Mapping[str, Any]

    def write(self, table: Path, sidecar: Path) -> None:
        """Write the events, and the sidecar that says what was left out and what modulates which."""
        table_writer.write_table(table, *event_rows.cells(self.rows, self.as_read))
        content = {key: value for key, value in self.notes.items() if value}
        if self.as_read.modulators:
            names = event_rows.column_names(self.as_read)
            content["Modulators"] = modulator_json.content(self.as_read.modulators, names)
        sidecars.write_json(sidecar, content)


def read(table: Path, sidecar: Path) -> tuple[list[event_table.Event], Modulators]:
    """Events of a run, none where it has none, and what modulates them, from what was written of them."""
    modulators = modulator_json.read(sidecar)
    return event_table.read_events(table, columns_of(modulators), needed=False), modulators


def collect(
    source: Sequence[Path], nameless: Path, repetition_time: float, options: EventOptions
) -> ModelEvents:
    """Gather the events of one run; the log tells what was left out.

    Parameters
    ----------
    source : none where the run has no events, a file, or one file per condition.
    nameless : file that messages name where there is no source.
    repetition_time : s, of onsets in scans.

    Raises
    ------
    InputError : a table that cannot be read or is wrong, names that the model keeps for itself, no event.
    """
    rules = Rules.of(options.rules, options.conditions, options.modulators)
    as_read = rules_of_events.find(source, rules)
    path = source[0] if source else nameless
    if as_read.form == "times" and len(source) > 1:
        path = path.parent
    in_scans = as_read.rows and event_sources.are_in_scans(source, options.onset_unit)
    scan = repetition_time if in_scans else 1.0
    trial_types.check_names(path, as_read, rules)
    notes: dict[str, Any] = {"RowsLeftOut": as_read.left_out, "EventsNotListed": as_read.not_listed}
    repeated = event_rows.repeated(path, as_read, rules)
    if rules.condition is not None:
        notes["ConditionOfEveryRow"] = rules.condition
    if rules.repeated == "once":
        notes["RepeatedRowsLeftOut"] = len(repeated)
    skipped = repeated if rules.repeated == "once" else set()
    kept = [k for k in range(len(as_read.rows)) if k not in skipped]
    rows = [event_rows.event_of(path, as_read, k, scan, options.event_duration, rules) for k in kept]
    rows = event_rows.with_heights(path, as_read, rows, kept)
    event_rows.tell(path, as_read, rules)
    event_rows.check_some(path, as_read, rules)
    used = [one.column for one in event_rows.modulators_of(as_read)]
    if unused := rules_of_events.like_modulators(as_read, used):
        notes["ColumnsNotUsed"] = unused
        logging.info("%s: columns that look like modulators but are not used: %s", path, ", ".join(unused))
    event_rows.warn_of_sums(path, rows)
    rows.sort(key=lambda row: (row.onset, row.trial_type))
    for name, count in sorted(Counter(row.trial_type for row in rows).items()):
        logging.info("%s: %d events", name, count)
    return ModelEvents(path, rows, as_read, notes)
