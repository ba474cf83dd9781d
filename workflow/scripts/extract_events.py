"""Bring the events of one run into one form: onset and duration in seconds, trial_type.

The source is a BIDS events table, which is checked, SPM's multiple conditions, or FSL's or AFNI's files of
one condition each. Onsets and durations in scans, as SPM's are unless the run table says otherwise, become
seconds with the repetition time. A column `modulation`, the height of each event, is kept where there is
one, and so are the columns of modulators.
"""

import logging
from pathlib import Path
from typing import Any, Literal

from firstlevel import stage
from firstlevel.glm import trial_types
from firstlevel.io import event_rows, event_sources, modulator_json, sidecars, table_writer
from firstlevel.io import events as rules_of_events
from firstlevel.io.event_rules import Rules
from firstlevel.stage import InputError


def extract_events(
    *,
    source: list[Path],
    events: Path,
    event_duration: float | None,
    headers: Path | None = None,
    sidecar: Path | None = None,
    onset_unit: Literal["s", "scans"] | None = None,
    conditions: dict[str, list[str]] | None = None,
    rules: dict[str, Any] | None = None,
    modulators: dict[str, Any] | None = None,
) -> None:
    """Write the events of one run in order of onset, and a sidecar that says what was left out.

    `source` is none where the run has no events, a file, or one file per condition. `event_duration` in s
    replaces the source's durations. `onset_unit` is that of the source's onsets and durations; None stands
    for seconds in a table and for scans in a ``.mat``, which the repetition time of `headers` makes seconds.
    `conditions` names the trial types of each condition, all others are left out; None keeps all. `rules` are
    those of study.events, `modulators` of design.modulators.
    """
    rules_used = Rules.of(rules, conditions, modulators)
    found = rules_of_events.find(source, rules_used)
    path = source[0] if source else events
    if found.form == "times" and len(source) > 1:
        path = path.parent
    in_scans = found.rows and event_sources.are_in_scans(source, onset_unit)
    scan = _seconds_per_scan(path, headers) if in_scans else 1.0
    trial_types.check_names(path, found, rules_used)
    told: dict[str, Any] = {"RowsLeftOut": found.left_out, "EventsNotListed": found.not_listed}
    repeated = event_rows.repeated(path, found, rules_used)
    if rules_used.condition is not None:
        told["ConditionOfEveryRow"] = rules_used.condition
    if rules_used.repeated == "once":
        told["RepeatedRowsLeftOut"] = len(repeated)
    skipped = repeated if rules_used.repeated == "once" else set()
    kept = [k for k in range(len(found.rows)) if k not in skipped]
    rows = [event_rows.event_of(path, found, k, scan, event_duration, rules_used) for k in kept]
    rows = event_rows.with_heights(path, found, rows, kept)
    event_rows.tell(path, found, rules_used)
    event_rows.check_some(path, found, rules_used)
    used = [one.column for one in event_rows.modulators_of(found)]
    if unused := rules_of_events.like_modulators(found, used):
        told["ColumnsNotUsed"] = unused
        logging.info("%s: columns that look like modulators but are not used: %s", path, ", ".join(unused))
    event_rows.warn_of_sums(path, rows)
    rows.sort(key=lambda row: (row.onset, row.trial_type))
    table_writer.write_table(events, *event_rows.cells(rows, found))
    if sidecar is not None:
        content = {key: value for key, value in told.items() if value}
        if found.modulators:
            content["Modulators"] = modulator_json.content(found.modulators, event_rows.column_names(found))
        sidecars.write_json(sidecar, content)
    for name in sorted({row.trial_type for row in rows}):
        logging.info("%s: %d events", name, sum(row.trial_type == name for row in rows))


def _seconds_per_scan(source: Path, headers: Path | None) -> float:
    if headers is not None:
        from firstlevel.io import run_headers  # with numpy, which nothing else here needs

        return run_headers.read(headers).repetition_time
    raise InputError(
        source,
        "its onsets are in scans, and the repetition time is not known",
        expected="the headers of the run",
        remedy="give the run's *_headers.json (--headers)",
    )


if __name__ == "__main__":
    stage.run(extract_events, globals().get("snakemake"))
