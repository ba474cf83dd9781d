"""Voxels of an image inside a mask: whole maps, and time series of a run in blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import Float32Array, FloatArray
from firstlevel.io.images import n_volumes, opened, read_volume, reading, spatial_shape, volume_at
from firstlevel.io.series import Series

BLOCK_BYTES = 32 * 2**20
"""Size of the series that are read together, in single precision; the memory of a stage follows it."""


def again(
    series: Series, mask: npt.NDArray[np.bool_]
) -> Callable[[npt.NDArray[np.intp]], Iterator[tuple[npt.NDArray[np.intp], Float32Array]]]:
    """Return a reader of some voxels of a run, which yields their indices in the mask and series (n, k).

    The run is read once for every block of 32 MiB. What is NaN is 0, as background is.
    """
    voxels = np.flatnonzero(mask.T)

    def read(places: npt.NDArray[np.intp]) -> Iterator[tuple[npt.NDArray[np.intp], Float32Array]]:
        step = max(1, BLOCK_BYTES // (4 * series.n_scans))
        for start in range(0, len(places), step):
            part = places[start : start + step]
            block = np.empty((series.n_scans, len(part)), dtype=np.float32)
            for scan, volume in enumerate(series.volumes()):
                block[scan] = np.nan_to_num(volume.ravel().take(voxels[part]))
            yield part, block

    return read


def read_mask(path: Path) -> npt.NDArray[np.bool_]:
    """Mask that a stage has written, as a boolean array (nx, ny, nz)."""
    return read_volume(path) > 0


def read_masked(path: Path, mask: npt.NDArray[np.bool_]) -> FloatArray:
    """Values of a 3D or 4D image inside a mask, (v,) or (k, v), voxels of x fastest, as files hold them."""
    with opened(path) as image, reading(path):
        if len(image.shape) < 4:
            return np.asarray(image.dataobj, dtype=np.float64).reshape(spatial_shape(image)).T[mask.T]
        values = np.empty((n_volumes(image), int(mask.sum())))
        for k in range(len(values)):
            values[k] = volume_at(image, k).T[mask.T]
    return values
