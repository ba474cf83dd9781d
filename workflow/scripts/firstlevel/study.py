"""A study as a table of runs, and the checks of its config before any job starts.

A study comes by name (simulated, spm_multimodal) or as a table; each only makes rows of the run table.
Standard library, PyYAML and jsonschema: every start of Snakemake pays for this import.
"""

from __future__ import annotations

import copy
import glob
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstlevel import expressions, tables
from firstlevel.stage import InputError

REFERENCE = "see config/README.md"
FACES = ("faces", "scrambled")
"""Conditions of the studies that come by name."""
HRF_SUFFIXES = {"derivative": "_derivative", "dispersion": "_dispersion"}
DRIFT = re.compile(r"drift_\d+|constant")
TRUNK = "sub001"


@dataclass(frozen=True)
class Run:
    """One row of the run table.

    Attributes
    ----------
    subject, session, task, run : labels; session and run may be absent.
    bold : a 4D image, 3D images in time order with the ``.hdr`` of pairs, or one folder of 3D images.
    events : events table (``.tsv``), or SPM's multiple conditions (``.mat``).
    confounds : table of confounds, one row per scan.
    repetition_time : seconds; None leaves it to the header.
    """

    subject: str
    session: str | None
    task: str
    run: str | None
    bold: tuple[str, ...]
    events: str
    confounds: str | None
    repetition_time: float | None

    @property
    def entities(self) -> dict[str, str]:
        """Labels by BIDS entity name, without the absent ones."""
        labels = {"subject": self.subject, "session": self.session, "task": self.task, "run": self.run}
        return {entity: label for entity, label in labels.items() if label is not None}


def check_config(config: dict[str, Any], schema: Mapping[str, Any]) -> None:
    """Hold a config against its JSON schema and fill in, in place, the defaults of the keys left out.

    Raises
    ------
    InputError : unknown key (with the nearest known one), wrong type or value; all of them in one message.
    """
    from jsonschema import Draft202012Validator

    _fill_defaults(config, schema)
    errors = sorted(Draft202012Validator(schema).iter_errors(config), key=lambda error: error.json_path)
    if errors:
        raise InputError(
            "config",
            "; ".join(_explained(error) for error in errors),
            expected="known keys with values of the right kind",
            remedy=f"correct the config; {REFERENCE} for every key",
        )
    if config["study"]["source"] == "table" and not config["study"]["table"]:
        raise InputError(
            "config key study.table",
            "is not set, though study.source is table",
            expected="the path of a run table",
            remedy=f"set study.table; {REFERENCE}",
        )
    for label, expression in config["contrasts"].items():
        for text in rows_of(expression):
            try:
                expressions.parse(text)
            except expressions.ExpressionError as error:
                raise InputError(
                    f"config key contrasts.{label}",
                    str(error),
                    expected="regressor names with weights, such as: faces - 0.5 * scrambled",
                    remedy="correct the expression; a name with blanks stands in quotes",
                ) from None


def rows_of(expression: str | Sequence[str]) -> list[str]:
    """Expressions of a contrast: one of a t contrast, one per row of an F contrast."""
    return [expression] if isinstance(expression, str) else list(expression)


def check_contrasts(config: Mapping[str, Any], runs: Iterable[Run]) -> None:
    """Check that every name in a contrast is a regressor of some run, and that confounds have a table.

    Reads the events tables of a table study. Raises InputError with the known names and the nearest one.
    """
    conditions: dict[str, None] = {}
    for run in runs:
        if config["design"]["confounds"] and run.confounds is None:
            raise InputError(
                "config key design.confounds",
                f"the run {run.entities} has no table of confounds",
                expected="the column confounds in the run table",
                remedy="add the tables to the run table, or ask for no confounds",
            )
        by_name = run.events.endswith(".mat")
        names = FACES if by_name else (event.trial_type for event in tables.read_events(Path(run.events)))
        conditions.update(dict.fromkeys(names))
    model = config["design"]["hrf_model"]
    suffixes = ["", *(suffix for word, suffix in HRF_SUFFIXES.items() if word in model)]
    known = [f"{name}{suffix}" for name in conditions for suffix in suffixes]
    known += config["design"]["confounds"]
    for label, expression in config["contrasts"].items():
        for text in rows_of(expression):
            for name in expressions.parse(text):
                if name not in known and not DRIFT.fullmatch(name):
                    raise InputError(
                        f"config key contrasts.{label}",
                        f"no run has a regressor {name!r}",
                        expected=f"one of: {', '.join(known)}",
                        remedy=f"{expressions.suggestion(name, known)}correct the name",
                    )


def run_table(config: Mapping[str, Any], data: str) -> list[Run]:
    """Rows of the study that a checked config describes.

    Parameters
    ----------
    config : with all defaults filled in.
    data : folder (or path variable) of what the workflow itself makes or fetches.
    """
    study = config["study"]
    if study["source"] == "table":
        return _rows_of_table(Path(study["table"]), study["repetition_time"])
    if study["repetition_time"] is None:
        raise InputError(
            "config key study.repetition_time",
            f"is not set, and the headers of the study {study['source']} do not say it",
            expected="seconds between two scans",
            remedy="set it; 2.0 for SPM multimodal faces",
        )
    if study["source"] == "spm_multimodal" and study["path"]:
        return [_named_run(n, _trunk(Path(study["path"])), study, made=False) for n in (1, 2)]
    return [_named_run(n, f"{data}/{study['source']}/{TRUNK}", study, made=True) for n in (1, 2)]


def _named_run(number: int, trunk: str, study: Mapping[str, Any], *, made: bool) -> Run:
    """One of the two runs of the SPM multimodal layout, a folder where a rule makes it."""
    folder = f"{trunk}/fMRI/Session{number}"
    pattern = f"{glob.escape(folder)}/fMETHODS-000{number + 4}-*-01.img"
    return Run(
        subject="01",
        session=None,
        task="faces",
        run=str(number),
        bold=(folder,) if made else _expanded(pattern, "config key study.path"),
        events=f"{trunk}/fMRI/trials_ses{number}.mat",
        confounds=None,
        repetition_time=study["repetition_time"],
    )


def _trunk(path: Path) -> str:
    for trunk in (path, path / TRUNK):
        if (trunk / "fMRI").is_dir():
            return str(trunk)
    raise InputError(
        f"config key study.path ({path})",
        "does not hold the unpacked SPM multimodal faces",
        expected=f"the folder above fMRI/Session1, or the one above {TRUNK}/",
        remedy="correct the path, or leave it out and let the workflow download the data",
    )


def _rows_of_table(path: Path, default_repetition_time: float | None) -> list[Run]:
    rows = tables.read_rows(path, required=("subject", "task", "bold", "events"))
    known = ["subject", "session", "task", "run", "bold", "events", "confounds", "repetition_time"]
    if not rows:
        raise InputError(path, "has no rows", expected="one row per run", remedy="add the runs")
    if surplus := [column for column in rows[0] if column not in known]:
        raise InputError(
            path,
            f"has the unknown column {surplus[0]!r}",
            expected=f"columns of: {', '.join(known)}",
            remedy=f"{expressions.suggestion(surplus[0], known)}rename or remove it",
        )
    runs = [_row(path, number, row, default_repetition_time) for number, row in enumerate(rows, start=2)]
    _check_rows(path, runs)
    return runs


def _row(path: Path, number: int, row: Mapping[str, str], default_repetition_time: float | None) -> Run:
    def optional(column: str) -> str | None:
        value = row.get(column, "n/a")
        return None if value in tables.MISSING else value

    def located(column: str) -> str | None:
        value = optional(column)
        return None if value is None else str(path.parent / value)

    labels = {entity: optional(entity) for entity in ("subject", "session", "task", "run")}
    for entity, label in labels.items():
        required = entity in ("subject", "task")
        if (label is None and required) or (label is not None and not re.fullmatch("[A-Za-z0-9]+", label)):
            raise InputError(
                path,
                f"{entity} is {row.get(entity, '')!r}",
                expected="a label of letters and digits, such as 01",
                remedy="correct the label (without the prefix sub-, ses-, task- or run-)",
                row=number,
            )
    time = optional("repetition_time")
    if time is not None and not re.fullmatch(r"\d*\.?\d+", time):
        raise InputError(
            path,
            f"repetition_time is {time!r}",
            expected="seconds, such as 2.0",
            remedy="correct it, or n/a to take the header's",
            row=number,
        )
    bold, events = located("bold"), located("events")
    if bold is None or events is None:
        missing = "bold" if bold is None else "events"
        raise InputError(path, f"has no {missing}", expected="a path", remedy="add it", row=number)
    confounds = located("confounds")
    for file in (events, confounds):
        if file is not None and not Path(file).is_file():
            raise InputError(
                path,
                f"there is no file {file}",
                expected="a path relative to the run table",
                remedy="correct the path",
                row=number,
            )
    return Run(
        subject=str(labels["subject"]),
        session=labels["session"],
        task=str(labels["task"]),
        run=labels["run"],
        bold=_expanded(bold, path, number),
        events=events,
        confounds=confounds,
        repetition_time=default_repetition_time if time is None else float(time),
    )


def _expanded(pattern: str, where: Path | str, row: int | None = None) -> tuple[str, ...]:
    """Files of a path or glob in name order, each ``.img`` followed by its ``.hdr``."""
    images = [pattern] if Path(pattern).is_file() else sorted(glob.glob(pattern))  # noqa: PTH207, the pattern may be absolute
    images = [image for image in images if not image.endswith(".hdr")]
    if not images:
        raise InputError(
            where,
            f"no image matches {pattern}",
            expected="a 4D image, or a pattern of 3D images such as run-1/f*.img",
            remedy="correct the path; it is relative to the run table",
            row=row,
        )
    files: list[str] = []
    for image in images:
        files.append(image)
        if image.endswith(".img"):
            files.append(str(Path(image).with_suffix(".hdr")))
    return tuple(files)


def _check_rows(path: Path, runs: Sequence[Run]) -> None:
    """No two rows with the same labels, and session and run given in all rows or in none."""
    seen = Counter(tuple(run.entities.items()) for run in runs)
    for number, run in enumerate(runs, start=2):
        if seen[tuple(run.entities.items())] > 1:
            raise InputError(
                path,
                f"another row has the same labels {run.entities}",
                expected="one row per run",
                remedy="give each run its own run (or session) label",
                row=number,
            )
    for entity in ("session", "run"):
        given = {entity in run.entities for run in runs}
        if len(given) > 1:
            raise InputError(
                path,
                f"{entity} is given in some rows only",
                expected="a label in every row, or in none",
                remedy="complete the column",
            )


def _fill_defaults(instance: Any, schema: Mapping[str, Any]) -> None:
    if not isinstance(instance, dict):
        return
    for key, subschema in schema.get("properties", {}).items():
        if "default" in subschema and key not in instance:
            instance[key] = copy.deepcopy(subschema["default"])
        elif subschema.get("type") == "object" and "properties" in subschema:
            instance.setdefault(key, {})
        if key in instance:
            _fill_defaults(instance[key], subschema)


def _explained(error: Any) -> str:
    """One line of a validation error: the key, and what is wrong with it."""
    key = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = [name for name in error.instance if name not in known]
        if not known:
            return f"{key}: {error.message}"
        lines = [
            f"unknown key {'.'.join(filter(None, (key, name)))} ({expressions.suggestion(name, known)}"
            f"known here: {', '.join(known)})"
            for name in unknown
        ]
        return "; ".join(lines)
    return f"{key or 'the whole file'}: {error.message} ({error.schema.get('description', error.validator)})"
