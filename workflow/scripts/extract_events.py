"""Bring the events of one run into one form: onset and duration in seconds, trial_type.

The source is a BIDS events table, which is checked, SPM's multiple conditions, or FSL's or AFNI's files of
one condition each. Onsets and durations in scans, as SPM's are unless the run table says otherwise, become
seconds with the repetition time. A column `modulation`, the height of each event, is kept where there is
one, and so are the columns of modulators.
"""

import logging
import math
from collections import Counter
from pathlib import Path
from typing import Any, Literal

from firstlevel import stage
from firstlevel.glm import regressors
from firstlevel.io import cells, event_table, onsets, run_headers, sidecars, spelling, table_writer, tables
from firstlevel.io import events as rules_of_events
from firstlevel.io.event_rules import Rules
from firstlevel.io.event_table import Event
from firstlevel.io.events import Found
from firstlevel.io.modulators import Modulator
from firstlevel.stage import InputError
from firstlevel.texts import suggestion

MODULATION = "modulation"


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
    scan = 1.0
    if found.rows and onsets.are_in_scans(source, onset_unit):
        scan = _seconds_per_scan(path, headers)
    _check_names(path, found, rules_used)
    told: dict[str, Any] = {"RowsLeftOut": found.left_out, "EventsNotListed": found.not_listed}
    repeated = _repeated(path, found, rules_used)
    if rules_used.condition is not None:
        told["ConditionOfEveryRow"] = rules_used.condition
    if rules_used.repeated == "once":
        told["RepeatedRowsLeftOut"] = len(repeated)
    skipped = repeated if rules_used.repeated == "once" else set()
    kept = [k for k in range(len(found.rows)) if k not in skipped]
    rows = [_event(path, found, k, scan, event_duration, rules_used) for k in kept]
    rows = _modulated(path, found, rows, kept)
    _tell(path, found, rules_used)
    _check_some(path, found, rules_used)
    if unused := rules_of_events.like_modulators(found, (one.column for one in _all(found))):
        told["ColumnsNotUsed"] = unused
        logging.info("%s: not used, though they look like modulators: %s", path, ", ".join(unused))
    _warn_of_sums(path, rows)
    rows.sort(key=lambda row: (row.onset, row.trial_type))
    columns = [
        *event_table.EVENT_COLUMNS,
        *([MODULATION] if any(r.modulation is not None for r in rows) else []),
    ]
    names = _columns(found)
    table_writer.write_table(
        events,
        [*columns, *names.values()],
        [
            [
                *("n/a" if (value := getattr(row, name)) is None else value for name in columns),
                *("n/a" if math.isnan(value := dict(row.values)[name]) else value for name in names),
            ]
            for row in rows
        ],
    )
    if sidecar is not None:
        content = {key: value for key, value in told.items() if value}
        if found.modulators:
            content["Modulators"] = {  # lists: their order counts where they are orthogonalised
                condition: [
                    {"name": name, **how._replace(column=names[how.column])._asdict()}
                    for name, how in own.items()
                ]
                for condition, own in found.modulators.items()
            }
        sidecars.write_json(sidecar, content)
    for name in sorted({row.trial_type for row in rows}):
        logging.info("%s: %d events", name, sum(row.trial_type == name for row in rows))


def _all(found: Found) -> list[Modulator]:
    return [how for own in found.modulators.values() for how in own.values()]


def _columns(found: Found) -> dict[str, str]:
    """Columns of modulators by their name in the source; those that the table has anyway bear another."""
    taken = (*event_table.EVENT_COLUMNS, MODULATION)
    return {how.column: f"{how.column}_value" if how.column in taken else how.column for how in _all(found)}


def _check_names(source: Path, found: Found, rules: Rules) -> None:
    """No two spellings of one trial type, no name that the model needs for itself.

    With `conditions` the user has spelled out what is one: a second spelling is told in the log.
    """
    listed = None if rules.conditions is None else {one for own in rules.conditions.values() for one in own}
    if listed is None:
        if reserved := next((name for name in found.present if regressors.is_reserved(name)), None):
            raise InputError(
                source,
                f"the trial type {reserved!r} is a name that the model keeps for its own regressors",
                expected="names other than constant, drift_1, drift_2 ...",
                remedy="rename the trial type, or give the condition another name in study.conditions",
                row=found.present[reserved],
            )
        if alike := spelling.spelled_alike(found.present):
            raise spelling.two_spellings(source, found.present[alike[0]], alike[0], repr(alike[1]))
    for name in found.not_listed:
        for other in sorted(listed or ()):
            if spelling.spelled_alike([other, name]):
                logging.warning(
                    "%s, row %d: %r differs from %r, which study.conditions lists, in case or blanks only",
                    *(source, found.present[name], name, other),
                )


def _repeated(source: Path, found: Found, rules: Rules) -> set[int]:
    """Places of the rows that say again, in every column, what one before them says."""
    if found.form == "spm":
        return set()
    first_as: dict[tuple[str, ...], int] = {}
    again = set()
    for k, row in enumerate(found.rows):
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
        logging.warning("%s: %d rows repeat one before them; they %s", source, len(again), how)
    return again


def _event(
    source: Path, found: Found, k: int, scan: float, event_duration: float | None, rules: Rules
) -> Event:
    """Event of a row, in seconds; what should be a number and is none is an error of its row."""
    row, trial_type = found.rows[k], found.trial_types[k]
    condition = trial_type
    if rules.conditions is not None:
        condition = next(name for name, own in rules.conditions.items() if trial_type in own)
    onset = cells.number(source, row, "onset") * scan
    seconds = event_duration
    if seconds is None:
        seconds = _duration(source, row, found, trial_type) * scan
    height = None
    if MODULATION in row.values and not cells.is_missing(row.values[MODULATION]):
        height = cells.number(source, row, MODULATION)
    own = found.modulators.get(condition, {})
    values = {
        how.column: cells.number_or_nan(source, row, how.column) if how.column in row.values else math.nan
        for how in own.values()
    }
    return Event(
        onset,
        seconds,
        condition,
        height,
        tuple((name, values.get(name, math.nan)) for name in _columns(found)),
    )


def _duration(source: Path, row: tables.Row, found: Found, trial_type: str) -> float:
    """Duration of an event in the unit of its source."""
    if "duration" not in row.values:
        raise InputError(
            source,
            "has no durations",
            expected="study.event_duration in seconds, or a column duration",
            remedy="set it in the config",
        )
    if cells.is_missing(row.values["duration"]):
        raise InputError(
            source,
            f"duration is {row.values['duration']!r}, of an event of {trial_type!r}",
            expected="seconds, 0 or more",
            remedy="set study.event_duration, or list the trial types of the model in study.conditions",
            row=row.number,
        )
    seconds = cells.number(source, row, "duration")
    if seconds < 0:
        raise InputError(
            source,
            f"duration is {seconds:g}",
            expected="seconds, 0 or more",
            remedy="correct it",
            row=row.number,
        )
    return seconds


def _modulated(source: Path, found: Found, rows: list[Event], kept: list[int]) -> list[Event]:
    """Events whose heights are those of the column modulation, where their condition has any.

    Of a condition that has the column among its modulators, the plain events are of height 1.
    """
    by_condition: dict[str, list[int]] = {}
    for k, row in enumerate(rows):
        by_condition.setdefault(row.trial_type, []).append(k)
    rows = list(rows)
    for condition, places in by_condition.items():
        if any(how.column == MODULATION for how in found.modulators.get(condition, {}).values()):
            for k in places:
                rows[k] = Event(rows[k].onset, rows[k].duration, condition, None, rows[k].values)
            continue
        missing = [k for k in places if rows[k].modulation is None]
        if missing and len(missing) < len(places):
            wrong = found.rows[kept[missing[0]]]
            raise InputError(
                source,
                f"modulation is {wrong.values.get(MODULATION, 'n/a')!r}; others of {condition} have one",
                expected="the height of each event of a condition, or of none",
                remedy="name it in design.modulators, where such events get the mean, or drop the row",
                row=wrong.number,
            )
        if not missing:
            logging.info("%s: the height of each event is that of the column modulation", condition)
    return rows


def _tell(source: Path, found: Found, rules: Rules) -> None:
    """Say in the log what was left out, and of what study.conditions lists what is not there."""
    if rules.condition is not None and found.form == "table":
        logging.info("%s: every row is an event of %s, by study.events.condition", source, rules.condition)
    for reason, count in found.left_out.items():
        level = logging.WARNING if reason.endswith("n/a") else logging.INFO
        logging.log(level, "%s: %d rows are no events of the model: %s", source, count, reason)
    for trial_type, count in sorted(found.not_listed.items()):
        logging.info("%s: %d events left out, not in study.conditions", trial_type, count)
    for own in (rules.conditions or {}).values():
        for trial_type in own:
            if trial_type not in found.present:
                near = suggestion(trial_type, found.present)
                logging.warning(
                    "%s: has no trial type %r, which study.conditions lists. %s", source, trial_type, near
                )


def _check_some(source: Path, found: Found, rules: Rules) -> None:
    """Some event is left, unless the model needs none."""
    if found.rows:
        return
    if not rules.needed:
        logging.info("%s: the run has no events, and the model needs none", source)
        return
    if found.not_listed:
        near = "".join(
            suggestion(one, found.present) for own in (rules.conditions or {}).values() for one in own
        )
        raise InputError(
            source,
            "has no event of a trial type that study.conditions lists",
            expected=f"trial types of: {', '.join(found.present)}",
            remedy=f"{near}correct study.conditions",
        )
    left = "; ".join(f"{count} rows left out: {reason}" for reason, count in found.left_out.items())
    raise InputError(
        source,
        f"has no events{f' ({left})' if left else ''}: the run has none",
        expected="one row per event, with onset and trial type",
        remedy="add the events of the run, or leave the run out; a model of confounds alone is "
        "study.events.needed: false",
    )


def _seconds_per_scan(source: Path, headers: Path | None) -> float:
    if headers is not None:
        return run_headers.read(headers).repetition_time
    raise InputError(
        source,
        "its onsets are in scans, and the repetition time is not known",
        expected="the headers of the run",
        remedy="give what read_headers has written of the run (--headers)",
    )


def _warn_of_sums(source: Path, rows: list[Event]) -> None:
    """Tell of events of one condition that begin at one time."""
    twice = [at for at, n in Counter((row.onset, row.trial_type) for row in rows).items() if n > 1]
    for onset, name in sorted(twice):
        logging.warning("%s: %s has two events at %g s, which add up", source, name, onset)


if __name__ == "__main__":
    stage.run(extract_events, globals().get("snakemake"))
