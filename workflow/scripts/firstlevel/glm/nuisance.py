"""Regressors of no interest: confounds from a table or by fMRIPrep's strategies, motion, censored scans."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from firstlevel import texts
from firstlevel.glm import regressors
from firstlevel.image.motion import framewise_displacement, of_affines, of_table
from firstlevel.io import confounds, contents, run_headers, tables
from firstlevel.stage import InputError

FloatArray = npt.NDArray[np.float64]

FROM_AFFINES, FROM_EITHER = "affines", "auto"


@dataclass(frozen=True)
class Nuisance:
    """Regressors of no interest of a run of n scans.

    Attributes
    ----------
    names, values : k columns, (n, k); values is None where there are none.
    roles : by name, confound, motion or censor.
    censored : scans with a regressor of their own, counted from 0, in order.
    may_censor : whether anything was asked for that can censor a scan.
    displacement_from : where the framewise displacement that censors is from; nothing where none does.
    """

    names: list[str]
    values: FloatArray | None
    roles: dict[str, str]
    censored: list[int]
    may_censor: bool
    displacement_from: str = ""


def collect(
    *,
    image: Path,
    table: Path | None,
    motion: Path | None,
    n_scans: int,
    columns: Sequence[str],
    first_row: str,
    fmriprep: Mapping[str, Any],
    motion_count: int,
    censor: Mapping[str, Any],
) -> Nuisance:
    """Gather the regressors of no interest of one run, in the order confounds, motion, censored scans.

    Parameters
    ----------
    image, table, motion : the preprocessed image, its confounds table and the headers of the run.
    columns, first_row : see :func:`read_confounds`.
    fmriprep : options of nilearn's ``load_confounds``; an empty or missing strategy is none.
    motion_count : 0, 6 or 24.
    censor : see :func:`censored_scans`.
    """
    parts: list[tuple[str, list[str], FloatArray]] = []
    censored: set[int] = set()
    if table and columns:
        parts.append(("confound", *read_confounds(table, columns, n_scans, first_row)))
    if table and fmriprep.get("strategy"):
        names, values, marked = fmriprep_confounds(image, table, fmriprep, n_scans)
        parts.append(("confound", names, values))
        censored.update(marked)
    if motion and motion_count:
        values = motion_regressors(read_motion(motion, n_scans), motion_count)
        parts.append(("motion", regressors.of_motion(motion_count), values))
    displacement, said = None, ""
    if (limit := censor.get("framewise_displacement")) is not None:
        displacement, said = displacement_of(censor["source"], table, motion, n_scans)
    if censor.get("column") is not None or limit is not None:
        censored.update(censored_scans(censor, table, displacement, n_scans))
    if censored:
        parts.append(("censor", *spikes(sorted(censored), n_scans)))
    return Nuisance(
        names=[name for _, names, _ in parts for name in names],
        values=np.hstack([values for _, _, values in parts]) if parts else None,
        roles={name: role for role, names, _ in parts for name in names},
        censored=sorted(censored),
        may_censor=displacement is not None
        or censor.get("column") is not None
        or bool(fmriprep.get("strategy")),
        displacement_from=said,
    )


def read_confounds(
    path: Path, patterns: Sequence[str], n_scans: int, first_row: str = "error", key: str = "design.confounds"
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
        found = regressors.matching(name, present)
        if not found and not regressors.is_pattern(name):
            raise confounds.no_column(path, name, present, key)
        if not found:
            logging.info("%s has no column that matches %r: it adds nothing to this run", path, name)
        chosen |= found
    _check_length(path, len(rows), n_scans)
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
                remedy="correct the value, or set design.confounds_first_row to zero or second",
                row=rows[0].number,
            )
        first[name] = "0" if first_row == "zero" or n_scans == 1 else rows[1].values[name]
    return names, np.array(tables.numbers(path, rows, names), dtype=np.float64).reshape(n_scans, len(names))


def _check_length(table: Path, n_rows: int, n_scans: int) -> None:
    if n_rows != n_scans:
        raise InputError(
            table,
            f"has {n_rows} rows for a run of {n_scans} scans",
            expected="one row per scan",
            remedy="take the confounds of this run",
        )


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
            f"does not give the confounds of design.fmriprep_confounds for {image.name} ({error})",
            expected="fMRIPrep's confounds table (for compcor its JSON) beside a desc-preproc_bold.nii.gz",
            remedy="correct design.fmriprep_confounds, or name columns in design.confounds",
        ) from error
    _check_length(table, len(frame), n_scans)
    names = [str(name) for name in frame.columns]
    censored = [] if kept is None else sorted(set(range(n_scans)) - {int(scan) for scan in kept})
    return names, frame.to_numpy(dtype=np.float64).reshape(n_scans, len(names)), censored


def read_motion(path: Path, n_scans: int) -> FloatArray:
    """Displacement of each volume by its affine, (n, 6): mm along x, y, z, then degrees about them.

    Raises
    ------
    InputError : another length than the run, or one affine for all volumes, which says nothing of motion.
    """
    moved = run_headers.read(path).motion
    parameters = np.hstack([np.reshape(moved[key], (-1, 3)) for key in ("translation_mm", "rotation_deg")])
    if len(parameters) != n_scans:
        raise InputError(
            path,
            f"has {len(parameters)} volumes for a run of {n_scans} scans",
            expected="one per scan",
            remedy="let the workflow read the headers of the run again",
        )
    if not np.ptp(parameters, axis=0).any():
        raise InputError(
            path,
            "every volume has the same affine, so that nothing is known of motion",
            expected="3D volumes with the affines of a realignment",
            remedy="take motion from a confounds table: design.confounds, or design.censor.source",
        )
    return parameters.astype(np.float64)


def motion_regressors(parameters: FloatArray, count: int) -> FloatArray:
    """The six parameters (n, 6), or with their squares, backward differences and squares of these (n, 24).

    The first row of the differences is 0.
    """
    difference = np.diff(parameters, axis=0, prepend=parameters[:1])
    terms = [parameters, parameters**2, difference, difference**2]
    return np.hstack(terms[: count // 6])


def displacement_of(
    source: str, table: Path | None, motion: Path | None, n_scans: int
) -> tuple[FloatArray, str]:
    """Framewise displacement of each scan (n,), mm, 0 for the first, and where it is from.

    Parameters
    ----------
    source : affines, a column of the table, or auto: the affines where they tell anything, else the table.
    table, motion : the run's confounds and headers, where there are any.

    Raises
    ------
    InputError : the source tells nothing of motion.
    """
    if source == FROM_AFFINES:
        assert motion is not None
        return framewise_displacement(read_motion(motion, n_scans)), "the affines"
    if source != FROM_EITHER:
        where = texts.public(table, "the table of confounds") if table else ""
        return _column(table, source, n_scans, "design.censor.source"), f"{source} of {where}"
    if motion is not None and of_affines(run_headers.read(motion).motion):
        return framewise_displacement(read_motion(motion, n_scans)), "the affines"
    if table is None:
        assert motion is not None
        return framewise_displacement(read_motion(motion, n_scans)), ""  # raises: it tells nothing
    found = of_table(table, n_scans)
    if found.framewise is None:
        raise InputError(
            table,
            "says nothing of motion, nor do the affines of the volumes",
            expected="framewise_displacement, or trans_x to rot_z (mm, radians)",
            remedy="name another column in design.censor.source, or set framewise_displacement: null",
        )
    known = found.framewise.copy()
    known[:1] = 0.0
    if not np.isfinite(known).all():
        raise InputError(
            table,
            f"does not say how far scan {int(np.flatnonzero(~np.isfinite(known))[0])} moved",
            expected="a number for each scan but the first",
            remedy="complete the column, or name another one in design.censor.source",
        )
    return known, found.said


def censored_scans(
    censor: Mapping[str, Any], table: Path | None, displacement: FloatArray | None, n_scans: int
) -> list[int]:
    """Scans, counted from 0, whose framewise displacement is above the threshold or that a column marks.

    Parameters
    ----------
    censor : the config's design.censor: framewise_displacement (mm) and column.
    table : the run's confounds.
    displacement : (n,), mm, see :func:`displacement_of`; None where there is no threshold.
    """
    marked = np.zeros(n_scans, dtype=bool)
    column = censor["column"]
    if displacement is not None:
        marked |= displacement > censor["framewise_displacement"]
    if column is not None:
        values = _column(table, column, n_scans, "design.censor.column")
        if odd := [scan for scan, value in enumerate(values) if value not in (0.0, 1.0)]:
            raise InputError(
                f"{table}, column {column}",
                f"holds {values[odd[0]]:g} for scan {odd[0]}",
                expected="1 for a scan to censor, 0 for all others",
                remedy="correct the column, or design.censor.column",
            )
        marked |= values == 1.0
    return [int(scan) for scan in np.flatnonzero(marked)]


def _column(table: Path | None, name: str, n_scans: int, key: str) -> FloatArray:
    """One column of a table (n,), with 0 for a first row without a value."""
    assert table is not None
    names, values = read_confounds(table, [name], n_scans, "zero", key)
    if not names:
        raise confounds.no_column(table, name, confounds.columns(table), key)
    if len(names) > 1:
        raise InputError(
            f"config key {key}",
            f"{name!r} stands for {len(names)} columns of {table}",
            expected="the name of one column",
            remedy=f"take one of: {', '.join(names)}",
        )
    only: FloatArray = values[:, 0]
    return only


def spikes(censored: Sequence[int], n_scans: int) -> tuple[list[str], FloatArray]:
    """One regressor per censored scan (n, c), 1 there and 0 elsewhere, named by the scan counted from 0."""
    return [f"censor_{scan}" for scan in censored], np.eye(n_scans)[:, list(censored)]


def energy_share(columns: FloatArray, censored: Sequence[int]) -> float:
    """Share of the sum of squares of regressors (n, k) that lies in censored scans; 0 of no energy at all."""
    total = float(np.sum(columns**2))
    return float(np.sum(columns[list(censored)] ** 2)) / total if total else 0.0
