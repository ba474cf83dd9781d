"""Ready-made designs of a run: tables, FSL's design.mat, AFNI's X-matrix, SPM.mat; columns unchanged.

A file of several sessions (SPM.mat, an X-matrix of several runs) gives the rows and columns of one of them.
Standard library, but for SPM's: names are asked for before any job.
"""

from __future__ import annotations

import csv
import functools
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from firstlevel.io import contents, given_afni, given_fsl, given_tables, tables
from firstlevel.io.given import CENSOR, CONSTANT, DRIFT, GIVEN, Given, Part, place
from firstlevel.stage import InputError
from firstlevel.texts import composed

SUFFIX = re.compile(r"(.+)#([1-9]\d*)")
BEGINNING = 20_000
"""Bytes that mostly hold the names and a few rows."""
SPIKE = re.compile(r"(censor|.*outlier|scrub|spike)_?\d*", re.IGNORECASE)
"""Name of a column that takes one scan out, where it is 0 everywhere else."""


def located(text: str) -> tuple[str, int]:
    """Path and session of ``SPM.mat#2``; session 0 if none is named."""
    match = SUFFIX.fullmatch(text)
    return (match[1], int(match[2])) if match and not Path(text).exists() else (text, 0)


def is_spm(path: Path) -> bool:
    """Whether a file is a MAT-file of any version; False if it is missing."""
    try:
        with contents.opened(path) as file:
            start = file.read(8)
    except FileNotFoundError:
        return False
    return start.startswith((b"MATLAB", b"\x89HDF"))


@functools.cache
def names(path: Path, part: Part) -> tuple[str, ...]:
    """Names of the regressors that a file gives a run, without a constant that may have to be added."""
    return tuple(read(path, part, names_only=True).names)


def read(path: Path, part: Part = (1, 1), *, names_only: bool = False) -> Given:
    """Design of a run.

    Raises
    ------
    InputError : a file of no known form, one that is cut off, a value that is not a finite number, a session
        that the file does not have, names that are missing or doubled.
    """
    if is_spm(path):
        from firstlevel.io import given_spm

        own = given_spm.read(path, part)
    else:
        text = (_beginning(path) if names_only else "") or tables.read_text(path)
        if re.search(r"^[^\S\n]*/Matrix", text, re.MULTILINE):
            own = given_fsl.read(path, text, names_only=names_only)
        elif re.search(r"^#.*\bColumnLabels\s*=", text, re.MULTILINE):
            return _checked(path, given_afni.read(path, text, part, names_only=names_only))
        else:
            try:
                own = given_tables.read(path, text, names_only=names_only)
            except csv.Error as error:
                raise InputError(
                    path,
                    f"is not a table ({error})",
                    expected="names of regressors, and one row of numbers per scan",
                    remedy="write the design again",
                ) from None
        place(path, part, 1)
    return _checked(path, own)


def _beginning(path: Path) -> str:
    """First lines of a plain text, which have all names; nothing where they may not."""
    try:
        with contents.opened(path) as file:
            text = file.read(BEGINNING).rpartition(b"\n")[0].decode("utf-8-sig")
    except (FileNotFoundError, UnicodeDecodeError):
        return ""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    cut_off = len(lines) < 3 or (lines[0].startswith("/") and "/Matrix" not in text)
    return "" if cut_off else "\n".join(text.splitlines())


def role(name: str, column: Sequence[float], roles: dict[str, str]) -> str:
    """Role of a column, from the file, its values, or a name of this model."""
    if column and column[0] != 0 and all(value == column[0] for value in column):
        return CONSTANT
    if name in roles:
        return roles[name]
    if SPIKE.fullmatch(name) and sum(value != 0 for value in column) == 1:
        return CENSOR
    return DRIFT if re.fullmatch(r"(drift|cosine)_?\d+", name) else GIVEN


def _checked(path: Path, own: Given) -> Given:
    """Check the names: one per column, each of one line."""
    names = [composed(name) for name in own.names]
    if not names:
        raise InputError(
            path, "has no regressors", expected="one column per regressor", remedy="write the design again"
        )
    if odd := [k for k, name in enumerate(names) if not name or set(name) & set("\t\r\n")]:
        raise InputError(
            path,
            f"column {odd[0] + 1} has {'a name of several lines' if names[odd[0]] else 'no name'}",
            expected="a name for each regressor",
            remedy="name it",
        )
    if doubled := next((name for name, n in Counter(names).items() if n > 1), None):
        raise InputError(
            path,
            f"two regressors have the name {doubled!r}",
            expected="a different name for each column",
            remedy="rename one of them",
        )
    roles = {composed(name): of for name, of in own.roles.items()}
    return own._replace(names=names, roles=roles)
