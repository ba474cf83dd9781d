"""Series of a sample of voxels, and mean and change of each volume, which are kept of every run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import Float32Array, FloatArray
from firstlevel.io import cells, table_writer
from firstlevel.stage import InputError, atomic

N_VOXELS = 3000
"""Voxels of the sample: a share of 5 % of them is known to 0.4 %, and a carpet has fewer lines."""
COLUMNS = ("global_signal", "change")


def positions(n_voxels: int) -> npt.NDArray[np.intp]:
    """Indices of the sample's voxels among those of a mask: all, or evenly spaced."""
    if n_voxels <= N_VOXELS:
        return np.arange(n_voxels)
    return (np.arange(N_VOXELS) * n_voxels) // N_VOXELS


def mask_of(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Mask of the sample's voxels, of a mask (nx, ny, nz)."""
    there = np.zeros(mask.size, dtype=bool)
    there[np.flatnonzero(mask.T)[positions(int(mask.sum()))]] = True
    return there.reshape(mask.T.shape).T


def write_series(path: Path, series: Float32Array) -> None:
    """Write the series of the sample, (n, k) in single precision, as NumPy does."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.save(file, series.astype("<f4"), allow_pickle=False)


def read_series(path: Path, n_scans: int | None = None) -> Float32Array:
    """Read them back; as many scans as the design has, where that is given.

    Raises
    ------
    InputError : series of another number of scans.
    """
    series: Float32Array = np.load(path, allow_pickle=False)
    if n_scans is not None and len(series) != n_scans:
        raise InputError(
            path,
            f"has {len(series)} volumes for a design of {n_scans} scans",
            expected="one row of the design per volume",
            remedy="fit this run again",
        )
    return series


def write_signal(path: Path, signal: FloatArray, change: FloatArray) -> None:
    """Write the mean over the mask of each volume, and the root mean square of its change since the last."""
    table_writer.write_table(path, COLUMNS, zip(signal.tolist(), change.tolist(), strict=True))


def read_signal(path: Path) -> tuple[FloatArray, FloatArray]:
    """Read them back, (n,) each."""
    columns, values = cells.read_columns(path)
    if tuple(columns) != COLUMNS:
        raise InputError(
            path,
            f"has the columns {', '.join(columns)}",
            expected=", ".join(COLUMNS),
            remedy="fit the run again",
        )
    signal, change = np.array(values, dtype=np.float64).T
    return signal, change
