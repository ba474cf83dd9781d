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
from firstlevel.io import event_rows, event_table, modulator_json, onsets, sidecars, table_writer
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
class RunEvents:
    """Events of a run.

    Attributes
    ----------
    source : file that messages name, or the folder of files of one condition each.
    rows : in order of onset.
    found : the same as the source has them.
    told : what the sidecar says of what was left out.
    """

    source: Path
    rows: Sequence[event_table.Event]
    found: rules_of_events.Found
    told: Mapping[str, Any]

    def write(self, table: Path, sidecar: Path) -> None:
        """Write the events, and the sidecar that says what was left out and what modulates which."""
        table_writer.write_table(table, *event_rows.cells(self.rows, self.found))
        content = {key: value for key, value in self.told.items() if value}
        if self.found.modulators:
            names = event_rows.column_names(self.found)
            content["Modulators"] = modulator_json.content(self.found.modulators, names)
        sidecars.write_json(sidecar, content)


def read(table: Path, sidecar: Path) -> tuple[list[event_table.Event], Modulators]:
    """Events of a run, none where it has none, and what modulates them, from what was written of them."""
    modulators = modulator_json.read(sidecar)
    return event_table.read_events(table, columns_of(modulators), needed=False), modulators


def collect(
    source: Sequence[Path], nameless: Path, repetition_time: float, options: EventOptions
) -> RunEvents:
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
    found = rules_of_events.find(source, rules)
    path = source[0] if source else nameless
    if found.form == "times" and len(source) > 1:
        path = path.parent
    in_scans = found.rows and onsets.are_in_scans(source, options.onset_unit)
    scan = repetition_time if in_scans else 1.0
    trial_types.check_names(path, found, rules)
    told: dict[str, Any] = {"RowsLeftOut": found.left_out, "EventsNotListed": found.not_listed}
    repeated = event_rows.repeated(path, found, rules)
    if rules.condition is not None:
        told["ConditionOfEveryRow"] = rules.condition
    if rules.repeated == "once":
        told["RepeatedRowsLeftOut"] = len(repeated)
    skipped = repeated if rules.repeated == "once" else set()
    kept = [k for k in range(len(found.rows)) if k not in skipped]
    rows = [event_rows.event_of(path, found, k, scan, options.event_duration, rules) for k in kept]
    rows = event_rows.with_heights(path, found, rows, kept)
    event_rows.tell(path, found, rules)
    event_rows.check_some(path, found, rules)
    used = [one.column for one in event_rows.modulators_of(found)]
    if unused := rules_of_events.like_modulators(found, used):
        told["ColumnsNotUsed"] = unused
        logging.info("%s: not used, though they look like modulators: %s", path, ", ".join(unused))
    event_rows.warn_of_sums(path, rows)
    rows.sort(key=lambda row: (row.onset, row.trial_type))
    for name, count in sorted(Counter(row.trial_type for row in rows).items()):
        logging.info("%s: %d events", name, count)
    return RunEvents(path, rows, found, told)
