"""Confounds as regressors: columns of a table, or those of fMRIPrep's strategies."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from firstlevel.arrays import FloatArray
from firstlevel.glm import regressors
from firstlevel.io import cells, confounds, contents, tables
from firstlevel.stage import InputError


def read_confounds(
    path: Path,
    patterns: Sequence[str],
    n_scans: int,
    first_row: str = "error",
    key: str = "confounds.columns",
) -> tuple[list[str], FloatArray]:
    """Names and values (n, k) of the columns of a confounds table that the names or shell patterns choose.

    Columns come in the order of the table. A first row without a value, as fMRIPrep writes for backward
    differences, takes 0 (``zero``) or the value of the second row (``second``). A pattern that matches
    nothing is no mistake: of ``motion_outlier*`` a run without an outlier has none. One that matches in no
    run is told before any job.

    Raises
    ------
    InputError : a name without a column, another length than the run, a value that is missing.
    """
    rows = confounds.read_rows(path)
    present = list(rows[0].values) if rows else []
    chosen: set[str] = set()
    for name in patterns:
        matching = regressors.matching(name, present)
        if not matching and not regressors.is_pattern(name):
            raise confounds.no_column(path, name, present, key)
        if not matching:
            logging.info("%s has no column that matches %r: no confound is added for it", path, name)
        chosen |= matching
    confounds.check_length(path, len(rows), n_scans)
    names = [name for name in present if name in chosen]
    if not names:
        return [], np.empty((n_scans, 0))
    first = rows[0].values
    for name in (name for name in names if first[name] in tables.MISSING):
        if first_row == "error":
            raise InputError(
                path,
                f"{name} is {first[name]!r}",
                expected="a finite number, with a point as decimal mark",
                remedy="correct the value, or set confounds.first_row to zero or second",
                row=rows[0].number,
            )
        first[name] = "0" if first_row == "zero" or n_scans == 1 else rows[1].values[name]
    return names, np.array(cells.numbers(path, rows, names), dtype=np.float64).reshape(n_scans, len(names))


def fmriprep_confounds(
    image: Path, table: Path, options: Mapping[str, Any], n_scans: int
) -> tuple[list[str], FloatArray, list[int]]:
    """Names and values (n, k) of the confounds of nilearn's fMRIPrep strategies, and the scans to censor.

    The table and its JSON are found beside the preprocessed `image` by nilearn's ``load_confounds``, which
    centres every column on the scans that are kept, and fills a first row without a value with the second.
    Scans to censor are fMRIPrep's non-steady-state volumes and, with the strategy scrub, those that moved.
    """
    from nilearn.interfaces.fmriprep import load_confounds

    beside = table.with_suffix(".json")
    for file in (table, *([beside] if beside.exists() else [])):
        contents.check(file)  # nilearn opens whatever is there
    try:
        frame, kept = load_confounds(str(image), **options)
    except (ValueError, KeyError, OSError) as error:
        raise InputError(
            table,
            f"does not give the confounds of confounds.fmriprep for {image.name} ({error})",
            expected="fMRIPrep's confounds table (for compcor its JSON) beside a desc-preproc_bold.nii.gz",
            remedy="correct confounds.fmriprep, or name columns in confounds.columns",
        ) from error
    confounds.check_length(table, len(frame), n_scans)
    names = [str(name) for name in frame.columns]
    censored = [] if kept is None else sorted(set(range(n_scans)) - {int(scan) for scan in kept})
    return names, frame.to_numpy(dtype=np.float64).reshape(n_scans, len(names)), censored


def read_column(table: Path | None, name: str, n_scans: int, key: str) -> FloatArray:
    """One column of a table (n,), with 0 for a first row without a value."""
    assert table is not None
    names, values = read_confounds(table, [name], n_scans, "zero", key)
    if not names:
        raise confounds.no_column(table, name, confounds.columns(table), key)
    if len(names) > 1:
        raise InputError(
            f"config key {key}",
            f"{name!r} matches {len(names)} columns of {table}",
            expected="the name of one column",
            remedy=f"take one of: {', '.join(names)}",
        )
    only: FloatArray = values[:, 0]
    return only
