"""Voxels of an image that lie inside a mask: maps whole, runs in blocks."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import Float32Array, FloatArray
from firstlevel.io.images import load, n_volumes, opened, read_volume, reading, spatial_shape, volume_at
from firstlevel.io.series import Series

BLOCK_BYTES = 32 * 2**20
"""Size of a block of a 4D file, in single precision as read; the memory of a stage follows it."""


def blocks(path: Path, mask: npt.NDArray[np.bool_]) -> Iterator[tuple[slice, Float32Array]]:
    """Read a 4D image as blocks of voxels inside a mask, each over all scans.

    Yields
    ------
    The slice of the mask's voxels that the block holds, and their data (n, v) in single precision.

    Notes
    -----
    A block is a stack of whole slices of at most 32 MiB, or of rows of a slice that has more, so memory does
    not grow with a run's length.
    """
    image = load(path)
    n_scans = n_volumes(image)
    further = tuple(slice(None) for _ in image.shape[3:])
    per_slice = mask.shape[0] * mask.shape[1] * n_scans * 4
    step = max(1, BLOCK_BYTES // per_slice)
    rows = mask.shape[1] if per_slice <= BLOCK_BYTES else max(1, BLOCK_BYTES // (mask.shape[0] * n_scans * 4))
    start = 0
    for low, near in itertools.product(range(0, mask.shape[2], step), range(0, mask.shape[1], rows)):
        inside = mask[:, near : near + rows, low : low + step]
        count = int(inside.sum())
        if count:
            # [scan, z, y, x], so that the inner axis is the file's
            with reading(path):
                at = (slice(None), slice(near, near + rows), slice(low, low + step), *further)
                slab = np.asarray(image.dataobj[at], dtype=np.float32)
            yield slice(start, start + count), slab.reshape((*inside.shape, n_scans)).T[:, inside.T]
        start += count


def again(
    series: Series, mask: npt.NDArray[np.bool_]
) -> Callable[[npt.NDArray[np.intp]], Iterator[tuple[npt.NDArray[np.intp], Float32Array]]]:
    """Return what reads some voxels of a run: yields some of their places in the mask, and series (n, k).

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
    """Values of a 3D or 4D image inside a mask, (v,) or (k, v), in the order of :func:`blocks`."""
    with opened(path) as image, reading(path):
        if len(image.shape) < 4:
            return np.asarray(image.dataobj, dtype=np.float64).reshape(spatial_shape(image)).T[mask.T]
        values = np.empty((n_volumes(image), int(mask.sum())))
        for k in range(len(values)):
            values[k] = volume_at(image, k).T[mask.T]
    return values
