"""Head motion, from the affines, which hold the realignment in native space, or from a confounds table."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from firstlevel import texts
from firstlevel.arrays import FloatArray
from firstlevel.io import cells, confounds, tables
from firstlevel.stage import InputError

HEAD_RADIUS = 50.0
"""mm, the sphere on which a rotation becomes a displacement (Power et al. 2012)."""
AFFINES, TABLE, UNKNOWN = "affines", "confounds", "unknown"
MOST_ROTATION = 0.8
"""Radians; no head turns so far in a coil: larger numbers are in degrees."""
SAME_DISPLACEMENT = 0.05
"""Of the sum of framewise displacements, by which the table's and that of its parameters may differ."""


@dataclass(frozen=True)
class Motion:
    """Motion of a run.

    Attributes
    ----------
    parameters : (n, 6), mm along x, y, z and degrees about them; None where they are not known.
    framewise : (n,), mm against the volume before, NaN for the first; None where it is not known.
    source : affines, confounds or unknown.
    origin : source in words, or why motion is unknown.
    unit : of the rotations where they are from: degrees or radians; nothing where there are none.
    """

    parameters: FloatArray | None
    framewise: FloatArray | None
    source: str
    origin: str
    unit: str = ""


def framewise_displacement(parameters: FloatArray) -> FloatArray:
    """Displacement of each scan against the one before, (n,), mm, of parameters (n, 6) in mm and degrees.

    Notes
    -----
    The sum of the absolute backward differences of the six parameters, rotations as arcs on a sphere of
    50 mm; 0 for the first scan (Power et al. 2012, NeuroImage 59:2142-2154).
    """
    lengths = parameters * np.repeat([1.0, np.pi / 180 * HEAD_RADIUS], 3)
    moved: FloatArray = np.abs(np.diff(lengths, axis=0, prepend=lengths[:1])).sum(axis=1)
    return moved


def parameters_of(moved: Mapping[str, Any]) -> FloatArray:
    """Parameters (n, 6), mm and degrees, in the sidecar of a resampled run."""
    parameters = np.hstack([np.reshape(moved[key], (-1, 3)) for key in ("Translation", "Rotation")])
    return parameters.astype(np.float64)


def of_affines(moved: Mapping[str, Any]) -> Motion | None:
    """Motion from the affines in the sidecar of a resampled run; None if all volumes share one."""
    parameters = parameters_of(moved)
    if len(parameters) > 1 and not np.ptp(parameters, axis=0).any():
        return None
    return Motion(parameters, _first_unknown(framewise_displacement(parameters)), AFFINES, "the affines")


def of_run(moved: Mapping[str, Any], table: Path | None) -> Motion:
    """Motion of a run from its affines or, if these have none, from its confounds table.

    Parameters
    ----------
    moved : sidecar of the resampled run.
    table : its confounds, where there are any. One that cannot be used is no error: nothing else needs it.
    """
    if motion := of_affines(moved):
        return motion
    if table is None:
        why = "All volumes share one affine, and the run has no table of confounds"
        return Motion(None, None, UNKNOWN, why)
    try:
        motion_of_table = of_table(table, len(moved["Translation"]))
    except InputError as error:
        logging.warning("no motion parameters: %s", error)
        why = f"All volumes share one affine, and {_named(table)} cannot be used (see the log)"
        return Motion(None, None, UNKNOWN, why)
    logging.info("motion: %s", motion_of_table.origin)
    return motion_of_table


def _named(table: Path) -> str:
    return texts.public(table, "its table of confounds")


def of_table(table: Path, n_scans: int) -> Motion:
    """Motion from a confounds table: six parameters, framewise displacement, or both.

    Displacement is the table's own where it has that column, and of the parameters else. Rotations are in
    radians; where the displacement beside them, or their size, says that they are in degrees, in degrees.

    Raises
    ------
    InputError : no such table, another length than the run, a value that is no number.
    """
    rows = confounds.read_rows(table)
    confounds.check_length(table, len(rows), n_scans)
    names = [*rows[0].values] if rows else []
    chosen, column = confounds.of_motion(table, names)
    if not (chosen or column):
        why = f"All volumes share one affine, and {_named(table)} has no columns of motion"
        return Motion(None, None, UNKNOWN, f"{why} (trans_x to rot_z, framewise_displacement)")
    own = None
    if column:
        own = np.array([_number(table, row, column) for row in rows])
        own[:1] = np.nan
    if not chosen:
        return Motion(None, own, TABLE, f"{column} of {_named(table)}")
    raw = np.array(cells.numbers(table, rows, chosen), dtype=np.float64).reshape(-1, 6)
    unit, parameters = _in_degrees(raw, own)
    origin = f"{chosen[0]} to {chosen[-1]} of {_named(table)} (rotations in {unit})"
    if own is not None:
        return Motion(parameters, own, TABLE, f"{origin}, {column} of the same", unit)
    return Motion(parameters, _first_unknown(framewise_displacement(parameters)), TABLE, origin, unit)


def _in_degrees(raw: FloatArray, own: FloatArray | None) -> tuple[str, FloatArray]:
    """Unit of the rotations, and the parameters (n, 6) in mm and degrees."""
    of_unit = {
        "radians": np.hstack([raw[:, :3], np.degrees(raw[:, 3:])]),
        "degrees": raw,
    }
    turned = float(np.abs(raw[:, 3:]).max(initial=0.0)) > MOST_ROTATION
    unit = "degrees" if turned else "radians"
    if own is not None and (total := np.nansum(own)) > 0:
        away = {
            name: abs(framewise_displacement(values)[~np.isnan(own)].sum() - total)
            for name, values in of_unit.items()
        }
        agrees = [name for name, difference in away.items() if difference <= SAME_DISPLACEMENT * total]
        unit = agrees[0] if len(agrees) == 1 else unit
    return unit, of_unit[unit]


def _number(table: Path, row: tables.Row, column: str) -> float:
    if row.values[column] in tables.MISSING:
        return float("nan")
    return cells.numbers(table, [row], [column])[0][0]


def _first_unknown(framewise: FloatArray) -> FloatArray:
    framewise = framewise.copy()
    framewise[:1] = np.nan
    return framewise
