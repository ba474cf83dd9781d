"""Events of a run as in its files, and the rules that select the events of the model.

The plan of a study and the stage that writes the events both go through :func:`find`, so that they cannot
differ in what is an event. Forms: BIDS tables, SPM's multiple conditions, FSL's three columns and AFNI's
stimulus times, of which each file is one condition. Standard library, but for SPM's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from firstlevel.io import cells, tables
from firstlevel.io.cells import as_number
from firstlevel.io.event_rules import Rules
from firstlevel.io.event_sources import read
from firstlevel.io.event_table import EVENT_COLUMNS
from firstlevel.io.modulators import Modulator, Modulators
from firstlevel.io.tables import MISSING, Row
from firstlevel.stage import InputError
from firstlevel.texts import composed, suggestion

NAME_MISSING = ("NA", "N/A")
"""What R writes for a missing text; a trial type of that name is one where study.conditions lists it."""
FEW = 30
"""Most different values of a column that looks like conditions."""
LIKE_MODULATORS = ("weight*", "*_weight", "*demean*", "*centered*", "*centred*", "*_mc", "*modul*", "pmod*")
"""Names of columns that somebody made to modulate events with."""


@dataclass(frozen=True)
class RunEvents:
    """Events of a run, still as text: rows whose trial types the model uses.

    Attributes
    ----------
    rows : with the columns of the file; `trial_types` has the trial type of each.
    columns : of the file.
    left_out : number of rows that are not events, by reason.
    not_listed : how many events study.conditions does not list, by trial type.
    present : trial types of all events, listed or not, in their order, with the row of the first.
    conditions : that have events, in the order of these or of study.conditions.
    modulators : by condition, of the config and of the file itself.
    form : table, spm, or times (FSL, AFNI).
    """

    rows: list[Row]
    trial_types: list[str]
    columns: list[str]
    left_out: dict[str, int]
    not_listed: dict[str, int]
    present: dict[str, int]
    conditions: list[str]
    modulators: Modulators
    form: str


def find(sources: Sequence[Path], rules: Rules) -> RunEvents:
    """Rows that are events of the model, from the files of one run.

    A row without trial type or onset is no event, nor is one that a filter of `rules.where` leaves out.

    Raises
    ------
    InputError : a file that cannot be read, a column that is missing.
    """
    source, form, columns, rows, of_source = read(sources)
    if form in ("spm", "times") and rules.condition is not None:
        raise InputError(
            source,
            "names its own conditions, but study.events.condition gives one name to all events",
            expected="a table of events",
            remedy="leave study.events.condition out, or merge the conditions by study.conditions",
        )
    if form != "none":
        _check_columns(source, columns, rows, rules)
    listed = None
    if rules.conditions is not None:
        listed = {trial_type: name for name, types in rules.conditions.items() for trial_type in types}
    left_out: Counter[str] = Counter()
    not_listed: Counter[str] = Counter()
    present: dict[str, int] = {}
    kept: list[tuple[Row, str]] = []
    trial_types: dict[tuple[str, ...], str] = {}  # trial types by their cells: few, of many rows
    for row in rows:
        if rules.where and (refused := _refused(row, rules)):
            left_out[refused] += 1
            continue
        naming_cells = tuple([row.values.get(name, "n/a") for name in rules.naming])
        if naming_cells not in trial_types:
            parts = [p for p in naming_cells if form != "table" or (p not in MISSING and _is_name(p, listed))]
            trial_types[naming_cells] = rules.condition or composed(rules.separator.join(parts))
        trial_type = trial_types[naming_cells]
        if not trial_type:
            left_out[f"{' and '.join(rules.column)} n/a"] += 1
            continue
        if cells.is_missing(row.values["onset"]):
            left_out["onset n/a"] += 1
            continue
        present.setdefault(trial_type, row.number)
        if listed is not None and trial_type not in listed:
            not_listed[trial_type] += 1
            continue
        kept.append((row, trial_type))
    names = [trial_type if listed is None else listed[trial_type] for _, trial_type in kept]
    if rules.conditions is not None:
        with_events = set(names)
        names = [name for name in rules.conditions if name in with_events]
    return RunEvents(
        rows=[row for row, _ in kept],
        trial_types=[trial_type for _, trial_type in kept],
        columns=columns,
        left_out=dict(left_out),
        not_listed=dict(not_listed),
        present=present,
        conditions=list(dict.fromkeys(names)),
        modulators=_of_conditions(source, rules, of_source, listed, names, columns, form),
        form=form,
    )


def like_modulators(events: RunEvents, used: Iterable[str]) -> list[str]:
    """Unused columns of numbers whose names suggest that they modulate events."""
    taken = {*used, *EVENT_COLUMNS, "modulation"}
    return [
        column
        for column in events.columns
        if column not in taken
        and any(fnmatchcase(column.casefold(), pattern) for pattern in LIKE_MODULATORS)
        and any(as_number(row.values[column]) is not None for row in events.rows)
    ]


def _check_columns(source: Path, columns: Sequence[str], rows: Sequence[Row], rules: Rules) -> None:
    """Check that the columns that name or select events exist."""
    for name in ("onset", *rules.naming, *rules.where):
        if name in columns:
            continue
        if name == "onset" or len(columns) < 2:
            tables.read_table(source, required=("onset", *rules.naming))  # tells of commas, too
        nearest_name = tables.nearest(name, columns)
        of_column = name in rules.naming
        candidates = _like_conditions(columns, rows) if of_column else ""
        key = "study.events.column" if of_column else "study.events.where"
        or_one_condition = (
            ", or name one condition for every row in study.events.condition" if of_column else ""
        )
        raise InputError(
            source,
            f"lacks the column {name} (it has: {', '.join(columns)})",
            expected=f"the columns of {key}",
            remedy=f"{nearest_name}{candidates}correct {key}, or the table{or_one_condition}",
        )


def _like_conditions(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Phrase that lists columns that look like conditions: few different values, text or whole numbers."""
    candidates = []
    for column in columns:
        values = dict.fromkeys(row.values[column] for row in rows if not cells.is_missing(row.values[column]))
        numbers = [number for value in values if (number := as_number(value)) is not None]
        are_codes = len(values) <= 10 and all(number.is_integer() for number in numbers)
        if column in ("onset", "duration", "sample") or (numbers and not are_codes):
            continue
        if 1 < len(values) <= min(FEW, max(len(rows) - 1, 2)):
            shown = ", ".join([*values][:3]) + (" ..." if len(values) > 3 else "")
            candidates.append(f"{column} ({shown})")
    return (
        f"columns that look like conditions, for study.events.column: {'; '.join(candidates)}; "
        if candidates
        else ""
    )


def _refused(row: Row, rules: Rules) -> str:
    """Name of the filter that leaves a row out; empty if none does."""
    for column, wanted in rules.where.items():
        if not any(_equal(row.values.get(column, ""), value) for value in wanted):
            return f"study.events.where.{column}"
    return ""


def _equal(cell: str, wanted: str) -> bool:
    """Whether a cell equals a value: the same text, or the same number."""
    if cell == wanted or (cell in MISSING and wanted in MISSING):
        return True
    number = as_number(cell)
    return number is not None and number == as_number(wanted)


def _is_name(part: str, listed: Mapping[str, str] | None) -> bool:
    """Whether a cell names a trial type; R's NA only if study.conditions lists it."""
    return part not in NAME_MISSING or (listed is not None and part in listed)


def _of_conditions(
    source: Path,
    rules: Rules,
    of_source: Mapping[str, Mapping[str, Modulator]],
    listed: Mapping[str, str] | None,
    present: Iterable[str],
    columns: Sequence[str],
    form: str,
) -> Modulators:
    """Modulators of the conditions of a run: those of the config, or those of SPM's trial types."""
    by_condition: dict[str, dict[str, Modulator]] = {}
    for trial_type, modulators in of_source.items():
        name = trial_type if listed is None else listed.get(trial_type)
        if name is None or not modulators:
            continue
        before = by_condition.setdefault(name, {})
        if any(before.get(one, how) != how for one, how in modulators.items()):
            raise InputError(
                source,
                f"modulators of the trial types of {name} differ in orth",
                expected="one way to orthogonalise a condition",
                remedy="set orth alike, or keep the trial types apart",
            )
        by_condition[name] = before | dict(modulators)
    for name, of_config in rules.modulators.items():
        if name not in present:
            continue
        for one in of_config.values():
            if one.column not in columns or form != "table":
                near = suggestion(one.column, columns)
                what = (
                    "has no columns for modulators" if form != "table" else f"lacks the column {one.column}"
                )
                raise InputError(
                    source,
                    f"{what}, which design.modulators.{name} names",
                    expected=f"an events table with this column (it has: {', '.join(columns)})",
                    remedy=f"{near}correct design.modulators, or add the column",
                )
        by_condition[name] = by_condition.get(name, {}) | dict(of_config)
    return by_condition
