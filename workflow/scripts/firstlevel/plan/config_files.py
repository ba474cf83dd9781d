"""Config files that are no YAML, before Snakemake reads them: it would name neither the file nor the row.

The default profile calls this, since Snakemake reads the files of ``--configfile`` before the workflow.
Standard library and PyYAML.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from firstlevel.io import contents
from firstlevel.stage import SCRIPTS, InputError

EXPECTED = "YAML: keys with values, such as contrasts: {a: faces - scrambled}"
DEFAULT = SCRIPTS.parents[1] / "config/config.yaml"


def check_command_line(arguments: Sequence[str]) -> None:
    """Check the config files of a command of Snakemake; end it with a message where one is no YAML."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", action="extend")
    try:
        for name in parser.parse_known_args(arguments)[0].configfile or [DEFAULT]:
            check(Path(name))
    except InputError as error:
        print(f"{error}", file=sys.stderr)
        sys.exit(1)


def check(path: Path) -> None:
    """Check that a file holds keys with values, as JSON or YAML.

    Raises
    ------
    InputError : with the row where reading ended.
    """
    if not path.is_file():  # a pipe, which can be read once; or nothing, which Snakemake names
        return
    try:
        text = contents.read(path).decode("utf-8")
    except UnicodeDecodeError as error:
        row = error.object.count(b"\n", 0, error.start) + 1
        problem = f"is not UTF-8 text (byte {error.object[error.start]:#04x})"
        raise InputError(path, problem, expected=EXPECTED, remedy="save it as UTF-8", row=row) from None
    try:
        found = _read(text)
    except yaml.YAMLError as error:
        raise _explained(path, text, error) from None
    except RecursionError:  # told of where the keys are checked
        return
    except ValueError as error:  # a date of month 13
        raise InputError(
            path, f"has a value that YAML cannot read: {error}", expected=EXPECTED, remedy="put it in quotes"
        ) from None
    if not isinstance(found, dict):
        problem = "is empty" if found is None else f"holds a {type(found).__name__}, and no keys"
        raise InputError(path, problem, expected=EXPECTED, remedy="see config/README.md")


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return of_yaml(text)


def of_yaml(text: str) -> Any:
    """Values of a YAML text, ten times as fast where libyaml is there."""
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _explained(path: Path, text: str, error: yaml.YAMLError) -> InputError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    row = mark.line + 1 if mark else text.count("\n", 0, getattr(error, "position", 0)) + 1
    rows = text.splitlines() or [""]
    if row > len(rows):  # reading went on to the end
        row = len(rows)
    if begun := getattr(error, "context_mark", None):
        problem = f"{problem} ({getattr(error, 'context', '')}, which begins in row {begun.line + 1})"
    has_tab = "\t" in rows[row - 1][: len(rows[row - 1]) - len(rows[row - 1].lstrip())]
    return InputError(
        path,
        f"is no YAML: {problem}",
        expected=EXPECTED,
        remedy="indent with blanks, not tabs"
        if has_tab
        else "correct this row or one above it: close brackets and quotes, put a blank after each colon, and "
        "indent keys of one level alike",
        row=row,
    )
