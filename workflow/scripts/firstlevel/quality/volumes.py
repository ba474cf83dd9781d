"""What is measured of each volume of a run, and the table that holds it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import FloatArray
from firstlevel.io import table_writer, tables
from firstlevel.quality.temporal import dvars_in_percent


class Volumes(NamedTuple):
    """Measures of each of n volumes, (n,) each, one per column of the table; NaN where one is not known.

    Attributes
    ----------
    displacement, framewise_displacement, rotation : as ``head_motion`` measures them.
    voxels_outside_fov : voxels of the grid that the volume does not cover.
    global_signal : mean over the mask.
    dvars : percent of the run's mean over mask and volumes, NaN for the first.
    """

    displacement: FloatArray
    framewise_displacement: FloatArray
    rotation: FloatArray
    voxels_outside_fov: npt.NDArray[np.int64]
    global_signal: FloatArray
    dvars: FloatArray


def of_run(
    moved: tuple[FloatArray, FloatArray, FloatArray],
    outside: Sequence[int],
    signal: FloatArray,
    change: FloatArray,
) -> Volumes:
    """Measures of each volume of a run.

    Parameters
    ----------
    moved : displacement, framewise displacement and rotation, (n,) each.
    outside : voxels of the grid that each volume does not cover.
    signal, change : (n,), mean over the mask, and root mean square of the change from the volume before.
    """
    return Volumes(*moved, np.asarray(outside), signal, dvars_in_percent(signal, change))


def write(path: Path, volumes: Volumes) -> None:
    """Write a table with a row per volume, n/a for what is not known."""
    columns = ([value if np.isfinite(value) else "n/a" for value in each.tolist()] for each in volumes)
    table_writer.write_table(path, Volumes._fields, zip(*columns, strict=True))


def read(path: Path, column: str) -> FloatArray:
    """One column of the table, (n,); NaN for what is not known."""
    cells = [row.values[column] for row in tables.read_rows(path)]
    return np.array([math.nan if cell in tables.MISSING else float(cell) for cell in cells])
