"""Scans to censor: by framewise displacement or by a marked column, and one regressor for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from firstlevel import texts
from firstlevel.arrays import FloatArray
from firstlevel.glm.confound_regressors import read_column
from firstlevel.glm.motion_terms import read_motion
from firstlevel.image.motion import framewise_displacement, of_affines, of_table
from firstlevel.io import run_headers
from firstlevel.stage import InputError

FROM_AFFINES, FROM_EITHER = "affines", "auto"


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
    InputError : the source holds nothing on motion.
    """
    if source == FROM_AFFINES:
        assert motion is not None
        return framewise_displacement(read_motion(motion, n_scans)), "the affines"
    if source != FROM_EITHER:
        where = texts.public(table, "the table of confounds") if table else ""
        return read_column(table, source, n_scans, "confounds.censor.source"), f"{source} of {where}"
    if motion is not None and of_affines(run_headers.read(motion).motion):
        return framewise_displacement(read_motion(motion, n_scans)), "the affines"
    if table is None:
        assert motion is not None
        return framewise_displacement(read_motion(motion, n_scans)), ""  # raises: it tells nothing
    table_motion = of_table(table, n_scans)
    if table_motion.framewise is None:
        raise InputError(
            table,
            "has no motion columns, and the volumes share one affine",
            expected="framewise_displacement, or trans_x to rot_z (mm, radians)",
            remedy="name another column in confounds.censor.source, or set censor.fd_threshold: null",
        )
    displacement = table_motion.framewise.copy()
    displacement[:1] = 0.0
    if (unknown := np.flatnonzero(~np.isfinite(displacement))).size:
        raise InputError(
            table,
            f"has no finite framewise displacement for scan {int(unknown[0])}",
            expected="a number for each scan but the first",
            remedy="complete the column, or name another one in confounds.censor.source",
        )
    return displacement, table_motion.origin


def censored_scans(
    censor: Mapping[str, Any], table: Path | None, displacement: FloatArray | None, n_scans: int
) -> list[int]:
    """Scans, counted from 0, whose framewise displacement is above the threshold or that a column marks.

    Parameters
    ----------
    censor : the config's confounds.censor: fd_threshold (mm) and column.
    table : the run's confounds.
    displacement : (n,), mm, see :func:`displacement_of`; None where there is no threshold.
    """
    marked = np.zeros(n_scans, dtype=bool)
    column = censor["column"]
    if displacement is not None:
        marked |= displacement > censor["fd_threshold"]
    if column is not None:
        values = read_column(table, column, n_scans, "confounds.censor.column")
        if odd := [scan for scan, value in enumerate(values) if value not in (0.0, 1.0)]:
            raise InputError(
                f"{table}, column {column}",
                f"holds {values[odd[0]]:g} for scan {odd[0]}",
                expected="1 for a scan to censor, 0 for all others",
                remedy="correct the column, or confounds.censor.column",
            )
        marked |= values == 1.0
    return [int(scan) for scan in np.flatnonzero(marked)]


def spikes(censored: Sequence[int], n_scans: int) -> tuple[list[str], FloatArray]:
    """One regressor per censored scan (n, c), 1 there and 0 elsewhere, named by the scan counted from 0."""
    return [f"censor_{scan}" for scan in censored], np.eye(n_scans)[:, list(censored)]


def energy_share(columns: FloatArray, censored: Sequence[int]) -> float:
    """Share of the sum of squares of regressors (n, k) that lies in censored scans; 0 of no energy at all."""
    total = float(np.sum(columns**2))
    return float(np.sum(columns[list(censored)] ** 2)) / total if total else 0.0
