"""Files of events as users have them, read into rows.

Forms: BIDS tables, SPM's multiple conditions, FSL's three columns and AFNI's stimulus times, of which each
file is one condition. Standard library, but for SPM's.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from pathlib import Path

from firstlevel import texts
from firstlevel.io import contents, tables
from firstlevel.io.cells import as_number
from firstlevel.io.event_table import EVENT_COLUMNS
from firstlevel.io.modulators import Modulator
from firstlevel.io.tables import Row
from firstlevel.stage import InputError
from firstlevel.texts import composed

SPM_SUFFIX = ".mat"
MOST_BYTES_OF_HEADER = 400
"""Size of a table that may have a header alone; larger ones are not opened to see."""


def files(where: str) -> list[Path]:
    """Files behind the column events of the run table: a file, a folder or a pattern; none if it is empty."""
    if not where:
        return []
    path = Path(where)
    if path.is_dir():
        paths = sorted(file for file in path.iterdir() if not (file.is_dir() or file.name.startswith(".")))
    elif path.exists() or not glob.has_magic(where):
        return [path]
    else:
        paths = sorted(Path(file) for file in glob.glob(where))  # noqa: PTH207, it may be absolute
    if not paths:
        raise InputError(
            path,
            "holds no events file",
            expected="an events table, or a folder or pattern of one file per condition",
            remedy="correct the path",
        )
    for file in paths:
        if file.is_symlink() and not file.exists():  # left out, its condition would go missing
            raise InputError(
                file,
                "is a broken link",
                expected="files that exist",
                remedy="fetch it (datalad get), or remove the link",
            )
        if odd := texts.odd_in(str(file)):
            raise InputError(
                file,
                odd,
                expected="names of UTF-8 text, without {names} or <names>",
                remedy="rename the file",
            )
    return paths


def only_header(where: str) -> bool:
    """Whether the events table of a run has a header but no rows; False if it cannot be read."""
    path = Path(where)
    try:
        if (
            path.suffix in (SPM_SUFFIX, ".1D")
            or not path.is_file()
            or not 0 < path.stat().st_size < MOST_BYTES_OF_HEADER
        ):
            return False
        columns, rows = tables.read_table(path)
    except (InputError, OSError):
        return False
    return "onset" in columns and not rows


def are_in_scans(sources: Sequence[Path], unit: str | None) -> bool:
    """Whether onsets of a run are in scans: by `unit` (s or scans), or without it for SPM's files."""
    of_spm = len(sources) == 1 and sources[0].suffix == SPM_SUFFIX
    return unit == "scans" if unit else of_spm


def read(
    sources: Sequence[Path],
) -> tuple[Path, str, list[str], list[Row], dict[str, dict[str, Modulator]]]:
    """File or folder to name in messages, format, columns, rows, and modulators in the file itself."""
    if not sources:
        return Path(), "none", list(EVENT_COLUMNS), [], {}
    source = sources[0]
    if len(sources) == 1 and source.suffix == SPM_SUFFIX:
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
    """Whether a text file has no header: it begins with a number, or is AFNI's."""
    if path.suffix.casefold() == ".1d":
        return True
    try:
        with contents.opened(path) as file:
            first = next((line for line in file if line.strip()), b"").decode("utf-8", "replace").split()
    except FileNotFoundError:
        return False
    return bool(first) and all(as_number(word) is not None for word in first)


def _times(path: Path) -> list[Row]:
    """Events of the condition named by the file: FSL's three columns, or a row of AFNI's times."""
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
                f"has {len(lines)} rows, one per run, and it is not known which one is this run's",
                expected="AFNI's stimulus times of one run: one row",
                remedy="write the row of each run into a file of its own",
            )
        words = [word for word in (lines[0][1] if lines else []) if word != "*"]
        return _with_heights([Row(1, {"trial_type": condition, **_married(path, word)}) for word in words])
    rows = []
    for number, words in lines:
        if len(words) != 3 or any(as_number(word) is None for word in words):
            raise InputError(
                path,
                "does not have three numbers in this row",
                expected="FSL's three columns: onset, duration, height; or an events table with a header",
                remedy="give each row the three numbers, or the table a header (onset, duration, trial_type)",
                row=number,
            )
        if len(lines) == 1 and all(as_number(word) == 0 for word in words):
            break  # FSL's way to say that the condition does not occur
        values = {"onset": words[0], "duration": words[1], "trial_type": condition}
        rows.append(Row(number, values if as_number(words[2]) == 1 else values | {"modulation": words[2]}))
    return _with_heights(rows)


def _with_heights(rows: list[Row]) -> list[Row]:
    """Rows of one condition, all with a height if any height is not 1."""
    if not any("modulation" in row.values for row in rows):
        return rows
    return [Row(row.number, {"modulation": "1", **row.values}) for row in rows]


def _married(path: Path, word: str) -> dict[str, str]:
    """Onset in an entry of AFNI's times, and its height (``12*1.5``) or duration (``12:3``), if any."""
    match = re.fullmatch(r"([^*:]+)(?:\*([^*:,]+))?(?::([^*:]+))?", word)
    if match is None or as_number(match[1]) is None:
        raise InputError(
            path,
            f"has {word!r}, which is not a stimulus time of AFNI",
            expected="times, each with one height and one duration at most: 12, 12*1.5, 12:3, 12*1.5:3",
            remedy="write an events table with a column per height, and name them in design.modulators",
        )
    height = {} if match[2] is None else {"modulation": match[2]}
    duration = {} if match[3] is None else {"duration": match[3]}
    return {"onset": match[1], **height, **duration}
