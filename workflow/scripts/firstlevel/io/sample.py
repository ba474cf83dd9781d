"""Series of a sample of voxels, which are kept of every run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from firstlevel import spread
from firstlevel.arrays import BoolArray, Float32Array
from firstlevel.stage import atomic

N_VOXELS = 3000
"""Voxels of the sample: a share of 5 % of them is known to 0.4 %, and a carpet has fewer lines."""


def positions(inside: BoolArray) -> npt.NDArray[np.intp]:
    """Indices of the sample's voxels among those of a mask (x, y, z): all, or evenly spaced.

    A few less where these would lie in few planes, see :mod:`firstlevel.spread`.
    """
    n_voxels = int(inside.sum())
    if n_voxels <= N_VOXELS:
        return np.arange(n_voxels)
    evenly = ((np.arange(n) * n_voxels) // n for n in range(N_VOXELS, N_VOXELS - spread.N_TRIED, -1))
    return spread.first_spread(evenly, np.nonzero(inside.T))


def write_series(path: Path, series: Float32Array) -> None:
    """Write the series of the sample, (n, k) in single precision, as NumPy does."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.save(file, series.astype("<f4"), allow_pickle=False)


def read_series(path: Path) -> Float32Array:
    """Read them back."""
    series: Float32Array = np.load(path, allow_pickle=False)
    return series
