"""Events of a run as its files have them, and the one rule by which they become those of the model.

The plan of a study and the stage that writes the events both go through :func:`find`, so that they cannot
differ in what is an event. Forms: BIDS tables, SPM's multiple conditions, FSL's three columns and AFNI's
stimulus times, of which each file is one condition. Standard library, but for SPM's.
"""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from firstlevel import texts
from firstlevel.io import contents, tables
from firstlevel.io.tables import EVENT_COLUMNS, MISSING, Row
from firstlevel.stage import InputError
from firstlevel.texts import composed, suggestion

NAME_MISSING = ("NA", "N/A")
"""What R writes for a missing text; a trial type of that name is one where study.conditions lists it."""
SMALL = 400
"""Bytes, of a table that may be a header alone: others are not opened to see."""
FEW = 30
"""A column of more different values does not look like one of conditions."""
LIKE_MODULATORS = ("weight*", "*_weight", "*demean*", "*centered*", "*centred*", "*_mc", "*modul*", "pmod*")
"""Names of columns that somebody made to modulate events with."""


class Modulator(NamedTuple):
    """How a column modulates the events of a condition.

    Attributes
    ----------
    column : where its values are from.
    centre : ``run`` takes off the mean of the condition's events in a run, ``none`` leaves values alone.
    orthogonalise : against the plain condition and the modulators before it, at the events, as SPM does.
    """

    column: str
    centre: str = "run"
    orthogonalise: bool = False


Modulators = Mapping[str, Mapping[str, Modulator]]
"""By condition, and by name."""


@dataclass(frozen=True)
class Rules:
    """What of a run's files is an event, and which condition it is of.

    Attributes
    ----------
    column : columns whose values, joined with `separator`, name the trial type.
    where : of each of these columns, the values of which a row has one.
    repeated : what a row that stands twice is: error, once or twice.
    needed : whether a run without events is an error.
    conditions : the trial types of each condition; None takes each as one.
    modulators : of each condition.
    condition : the trial type of every row, in place of the columns; None where they name it.
    """

    column: tuple[str, ...] = ("trial_type",)
    separator: str = "_"
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    repeated: str = "error"
    needed: bool = True
    conditions: Mapping[str, Sequence[str]] | None = None
    modulators: Modulators = field(default_factory=dict)
    condition: str | None = None

    @property
    def naming(self) -> tuple[str, ...]:
        """Columns that name the trial type of a row; none where every row has the same."""
        return self.column if self.condition is None else ()

    @classmethod
    def of(
        cls,
        events: Mapping[str, Any] | None = None,
        conditions: Mapping[str, Sequence[str]] | None = None,
        modulators: Mapping[str, Any] | None = None,
    ) -> Rules:
        """Rules of study.events, study.conditions and design.modulators, as a config has them.

        Raises
        ------
        InputError : both a condition of every row, and columns that name it.
        """
        events = events or {}
        column = events.get("column", "trial_type")
        condition = events.get("condition")
        if condition is not None and column not in ("trial_type", ["trial_type"]):
            raise InputError(
                "config key study.events.condition",
                f"is {condition!r}, and study.events.column is set, too",
                expected="one condition for every row, or columns that name it",
                remedy="leave one of the two out",
            )
        merged = None
        if conditions is not None:
            merged = {composed(name): [composed(one) for one in own] for name, own in conditions.items()}
        return cls(
            column=tuple(composed(name) for name in ([column] if isinstance(column, str) else column)),
            separator=events.get("separator", "_"),
            where={
                composed(name): [_plain(one) for one in (wanted if isinstance(wanted, list) else [wanted])]
                for name, wanted in (events.get("where") or {}).items()
            },
            repeated=events.get("repeated", "error"),
            needed=events.get("needed", True),
            conditions=merged,
            modulators={
                composed(condition): _modulators(own) for condition, own in (modulators or {}).items()
            },
            condition=None if condition is None else composed(condition),
        )


@dataclass(frozen=True)
class Found:
    """Events of a run, still as text: rows whose trial types are asked for.

    Attributes
    ----------
    rows : with the columns of the file; `trial_types` has the trial type of each.
    columns : of the file.
    left_out : how many rows are no events, by reason.
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


def files(where: str) -> list[Path]:
    """Files of what a run table calls the events of a run: a file, a folder or a pattern; none of nothing."""
    if not where:
        return []
    path = Path(where)
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if not (file.is_dir() or file.name.startswith(".")))
    elif path.exists() or not glob.has_magic(where):
        return [path]
    else:
        found = sorted(Path(file) for file in glob.glob(where))  # noqa: PTH207, it may be absolute
    if not found:
        raise InputError(
            path,
            "holds no file of events",
            expected="an events table, or a folder or pattern of one file per condition",
            remedy="correct the path",
        )
    for file in found:
        if file.is_symlink() and not file.exists():  # left out, its condition would go missing
            raise InputError(
                file,
                "is a link to nothing",
                expected="files whose content is there",
                remedy="fetch it (datalad get), or remove the link",
            )
        if odd := texts.odd_in(str(file)):
            raise InputError(
                file,
                odd,
                expected="names of UTF-8 text, without {names} or <names>",
                remedy="rename the file",
            )
    return found


def only_header(where: str) -> bool:
    """Whether the events of a run are a table of a header alone; others tell what cannot be read."""
    path = Path(where)
    try:
        if path.suffix in (".mat", ".1D") or not path.is_file() or not 0 < path.stat().st_size < SMALL:
            return False
        columns, rows = tables.read_table(path)
    except (InputError, OSError):
        return False
    return "onset" in columns and not rows


def find(sources: Sequence[Path], rules: Rules) -> Found:
    """Rows that are events of the model, from the files of one run.

    A row is none where its trial type or onset is missing, or where `rules.where` does not let it through.

    Raises
    ------
    InputError : a file that cannot be read, a column that is missing.
    """
    source, form, columns, rows, own = _read(sources)
    if form in ("spm", "times") and rules.condition is not None:
        raise InputError(
            source,
            "names its own conditions, and study.events.condition has one for every event",
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
    named: dict[tuple[str, ...], str] = {}  # trial types by their cells: few, of many rows
    for row in rows:
        if rules.where and (refused := _refused(row, rules)):
            left_out[refused] += 1
            continue
        of_name = tuple([row.values.get(name, "n/a") for name in rules.naming])
        if of_name not in named:
            parts = [p for p in of_name if form != "table" or (p not in MISSING and _is_name(p, listed))]
            named[of_name] = rules.condition or composed(rules.separator.join(parts))
        trial_type = named[of_name]
        if not trial_type:
            left_out[f"{' and '.join(rules.column)} n/a"] += 1
            continue
        if tables.is_missing(row.values["onset"]):
            left_out["onset n/a"] += 1
            continue
        present.setdefault(trial_type, row.number)
        if listed is not None and trial_type not in listed:
            not_listed[trial_type] += 1
            continue
        kept.append((row, trial_type))
    names = [trial_type if listed is None else listed[trial_type] for _, trial_type in kept]
    if rules.conditions is not None:
        found = set(names)
        names = [name for name in rules.conditions if name in found]
    return Found(
        rows=[row for row, _ in kept],
        trial_types=[trial_type for _, trial_type in kept],
        columns=columns,
        left_out=dict(left_out),
        not_listed=dict(not_listed),
        present=present,
        conditions=list(dict.fromkeys(names)),
        modulators=_of_conditions(source, rules, own, listed, names, columns, form),
        form=form,
    )


def like_modulators(found: Found, used: Iterable[str]) -> list[str]:
    """Columns of numbers whose names say that they modulate events, and that are not used."""
    taken = {*used, *EVENT_COLUMNS, "modulation"}
    return [
        column
        for column in found.columns
        if column not in taken
        and any(fnmatchcase(column.casefold(), pattern) for pattern in LIKE_MODULATORS)
        and any(_as_number(row.values[column]) is not None for row in found.rows)
    ]


def _modulators(own: Any) -> dict[str, Modulator]:
    """Modulators of a condition as a config has them: a list of columns, or columns with options."""
    if not isinstance(own, Mapping):
        return {composed(column): Modulator(composed(column)) for column in own}
    return {
        composed(column): Modulator(composed(column), **(options or {})) for column, options in own.items()
    }


def _read(
    sources: Sequence[Path],
) -> tuple[Path, str, list[str], list[Row], dict[str, dict[str, Modulator]]]:
    """The file or folder to name, its form, its columns and rows, and the modulators that it brings."""
    if not sources:
        return Path(), "none", list(EVENT_COLUMNS), [], {}
    source = sources[0]
    if len(sources) == 1 and source.suffix == ".mat":
        return source, "spm", *_of_spm(source)
    if len(sources) > 1 or _holds_times(source):
        rows = [row for file in sources for row in _times(file)]
        columns = list(dict.fromkeys([*EVENT_COLUMNS, *(name for row in rows for name in row.values)]))
        return (source if len(sources) == 1 else source.parent), "times", columns, rows, {}
    columns, rows = tables.read_table(source, compose=True)
    return source, "table", columns, rows, {}


def _of_spm(source: Path) -> tuple[list[str], list[Row], dict[str, dict[str, Modulator]]]:
    """Columns, rows and modulators by trial type of SPM's multiple conditions; numbers as text, in full."""
    from firstlevel.io.spm_conditions import read_spm_conditions

    rows, own = [], {}
    conditions = read_spm_conditions(source)
    columns = dict.fromkeys(EVENT_COLUMNS)
    for condition in conditions:
        name = composed(condition.name)
        own[name] = {
            composed(one): Modulator(composed(one), "none", condition.orthogonalise)
            for one in condition.modulators
        }
        columns |= dict.fromkeys(own[name])
        for k, onset in enumerate(condition.onsets):
            values = {"onset": repr(onset), "trial_type": name}
            if condition.durations is not None:
                values["duration"] = repr(condition.durations[k])
            values |= {composed(one): repr(of[k]) for one, of in condition.modulators.items()}
            rows.append(Row(k + 1, values))
    return list(columns), rows, own


def _holds_times(path: Path) -> bool:
    """Whether a text file begins with a number, or is AFNI's: it has no header then."""
    if path.suffix.casefold() == ".1d":
        return True
    try:
        with contents.opened(path) as file:
            first = next((line for line in file if line.strip()), b"").decode("utf-8", "replace").split()
    except FileNotFoundError:
        return False
    return bool(first) and all(_as_number(word) is not None for word in first)


def _times(path: Path) -> list[Row]:
    """Events of one condition, which the file's name says: FSL's three columns, or a row of AFNI's times."""
    text = contents.read(path).decode("utf-8", "replace")
    lines = [
        (number, line.split())
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    condition = composed(path.stem)
    if path.suffix.casefold() == ".1d":
        if len(lines) > 1:
            raise InputError(
                path,
                f"has {len(lines)} rows, one per run, and nothing says which is this run's",
                expected="AFNI's stimulus times of one run: one row",
                remedy="write the row of each run into a file of its own",
            )
        words = [word for word in (lines[0][1] if lines else []) if word != "*"]
        return _with_heights([Row(1, {"trial_type": condition, **_married(path, word)}) for word in words])
    rows = []
    for number, words in lines:
        if len(words) != 3 or any(_as_number(word) is None for word in words):
            raise InputError(
                path,
                "has no three numbers in a row",
                expected="FSL's three columns: onset, duration, height; or an events table with a header",
                remedy="give each row the three numbers, or the table a header (onset, duration, trial_type)",
                row=number,
            )
        if len(lines) == 1 and all(_as_number(word) == 0 for word in words):
            break  # FSL's way to say that the condition does not occur
        values = {"onset": words[0], "duration": words[1], "trial_type": condition}
        rows.append(Row(number, values if _as_number(words[2]) == 1 else values | {"modulation": words[2]}))
    return _with_heights(rows)


def _with_heights(rows: list[Row]) -> list[Row]:
    """Rows of one condition, all with their height where one has another than 1."""
    if not any("modulation" in row.values for row in rows):
        return rows
    return [Row(row.number, {"modulation": "1", **row.values}) for row in rows]


def _married(path: Path, word: str) -> dict[str, str]:
    """Onset of a word of AFNI's times, perhaps with its height (``12*1.5``) or duration (``12:3``)."""
    match = re.fullmatch(r"([^*:]+)(?:\*([^*:,]+))?(?::([^*:]+))?", word)
    if match is None or _as_number(match[1]) is None:
        raise InputError(
            path,
            f"holds {word!r}",
            expected="times, each with one height and one duration at most: 12, 12*1.5, 12:3, 12*1.5:3",
            remedy="write an events table with a column per height, and name them in design.modulators",
        )
    height = {} if match[2] is None else {"modulation": match[2]}
    duration = {} if match[3] is None else {"duration": match[3]}
    return {"onset": match[1], **height, **duration}


def _check_columns(source: Path, columns: Sequence[str], rows: Sequence[Row], rules: Rules) -> None:
    """Each column that names or chooses events is there."""
    for name in ("onset", *rules.naming, *rules.where):
        if name in columns:
            continue
        if name == "onset" or len(columns) < 2:
            tables.read_table(source, required=("onset", *rules.naming))  # tells of commas, too
        near = tables.nearest(name, columns)
        of_column = name in rules.naming
        like = _like_conditions(columns, rows) if of_column else ""
        key = "study.events.column" if of_column else "study.events.where"
        one = ", or name one condition for every row in study.events.condition" if of_column else ""
        raise InputError(
            source,
            f"lacks the column {name} (it has: {', '.join(columns)})",
            expected=f"the columns of {key}",
            remedy=f"{near}{like}correct {key}, or the table{one}",
        )


def _like_conditions(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Sentence on the columns of few different values: text, or whole numbers."""
    found = []
    for column in columns:
        values = dict.fromkeys(
            row.values[column] for row in rows if not tables.is_missing(row.values[column])
        )
        numbers = [number for value in values if (number := _as_number(value)) is not None]
        codes = len(values) <= 10 and all(number.is_integer() for number in numbers)
        if column in ("onset", "duration", "sample") or (numbers and not codes):
            continue
        if 1 < len(values) <= min(FEW, max(len(rows) - 1, 2)):
            shown = ", ".join([*values][:3]) + (" ..." if len(values) > 3 else "")
            found.append(f"{column} ({shown})")
    return (
        f"columns that look like conditions, for study.events.column: {'; '.join(found)}; " if found else ""
    )


def _refused(row: Row, rules: Rules) -> str:
    """Name the filter that does not let a row through; nothing where all do."""
    for column, wanted in rules.where.items():
        if not any(_equal(row.values.get(column, ""), value) for value in wanted):
            return f"study.events.where.{column}"
    return ""


def _equal(cell: str, wanted: str) -> bool:
    """Whether a cell is a value: the same text, or the same number."""
    if cell == wanted or (cell in MISSING and wanted in MISSING):
        return True
    number = _as_number(cell)
    return number is not None and number == _as_number(wanted)


def _as_number(text: str) -> float | None:
    try:
        return float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None


def _plain(value: object) -> str:
    return composed(str(value))


def _is_name(part: str, listed: Mapping[str, str] | None) -> bool:
    """Whether a cell names a trial type: R's NA does only where it is listed."""
    return part not in NAME_MISSING or (listed is not None and part in listed)


def _of_conditions(
    source: Path,
    rules: Rules,
    own: Mapping[str, Mapping[str, Modulator]],
    listed: Mapping[str, str] | None,
    present: Iterable[str],
    columns: Sequence[str],
    form: str,
) -> Modulators:
    """Modulators of the conditions of a run: those of the config, or those of SPM's trial types."""
    found: dict[str, dict[str, Modulator]] = {}
    for trial_type, modulators in own.items():
        name = trial_type if listed is None else listed.get(trial_type)
        if name is None or not modulators:
            continue
        before = found.setdefault(name, {})
        if any(before.get(one, how) != how for one, how in modulators.items()):
            raise InputError(
                source,
                f"modulators of the trial types of {name} differ in orth",
                expected="one way to orthogonalise a condition",
                remedy="set orth alike, or keep the trial types apart",
            )
        found[name] = before | dict(modulators)
    for name, asked in rules.modulators.items():
        if name not in present:
            continue
        for one in asked.values():
            if one.column not in columns or form != "table":
                near = suggestion(one.column, columns)
                what = "has no columns of modulators" if form != "table" else f"lacks the column {one.column}"
                raise InputError(
                    source,
                    f"{what}, by which design.modulators.{name} goes",
                    expected=f"an events table with it (it has: {', '.join(columns)})",
                    remedy=f"{near}correct design.modulators, or add the column",
                )
        found[name] = found.get(name, {}) | dict(asked)
    return found
