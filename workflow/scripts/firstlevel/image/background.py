"""Background of a run: voxels that are NaN in every volume. Invalid volumes are an error."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from firstlevel.arrays import BoolArray, Float32Array, UInt8Array
from firstlevel.io.series import Series
from firstlevel.stage import InputError


def background_of(series: Series) -> BoolArray | None:
    """Voxels, [z, y, x], that are NaN in the first volume, and so have to be in all; None for none."""
    with contextlib.closing(series.volumes()) as volumes:
        missing = np.isnan(next(volumes))
    if missing.all():
        raise InputError(
            series.file_of(0),
            "volume 1 is NaN in every voxel",
            expected="an image of the head in every volume",
            remedy="restore the volume: its data were lost in acquisition, copying or conversion",
        )
    return missing if missing.any() else None


def covered_voxels(series: Series, shape: tuple[int, int, int]) -> UInt8Array:
    """Voxels of a grid (nx, ny, nz), as [z, y, x], that a run on it covers: 0 in the background, else 1."""
    background = background_of(series)
    return np.ones(shape[::-1], dtype=np.uint8) if background is None else (~background).astype(np.uint8)


def filled(series: Series) -> Iterator[Float32Array]:
    """Yield each volume of a run that has been checked, 0 in the background."""
    missing: BoolArray | None = None
    for scan, volume in enumerate(series.volumes()):
        if scan == 0 and np.isnan(volume).any():
            missing = np.isnan(volume)
        yield volume if missing is None else np.where(missing, np.float32(0), volume)


def checked(
    series: Series, background: BoolArray | None, digests: dict[Path, str] | None = None
) -> Iterator[Float32Array]:
    """Yield each volume of the run, 0 in the background; InputError for an invalid volume.

    `digests` are those of :meth:`firstlevel.io.series.Series.volumes`.
    """
    for scan, volume in enumerate(series.volumes(digests)):
        low, high = volume.min(), volume.max()  # NaN where a voxel is
        if background is not None or not (np.isfinite(low) and np.isfinite(high)):
            missing = _missing(series, scan, volume, background)
            shown, volume = volume[~missing], np.where(missing, np.float32(0), volume)
            low, high = shown.min(), shown.max()
        if low == high:
            raise InputError(
                series.file_of(scan),
                f"volume {scan + 1} has the value {low:g} in every voxel",
                expected="an image of the head in every volume",
                remedy="restore the volume: its data were lost in acquisition, copying or conversion",
            )
        yield volume


def _missing(series: Series, scan: int, volume: Float32Array, background: BoolArray | None) -> BoolArray:
    """NaN voxels of a volume; InputError if they are not those of the background."""
    missing = np.isnan(volume)
    expected = np.zeros_like(missing) if background is None else background
    new, gone = int((missing & ~expected).sum()), int((expected & ~missing).sum())
    at, problem = scan, ""
    if infinite := int(np.isinf(volume).sum()):
        problem = f"volume {scan + 1} has {infinite} infinite voxels"
    elif gone and scan == 1:
        at, problem = 0, f"volume 1 has {gone} NaN voxels that have values in volume 2"
    elif new:
        problem = f"volume {scan + 1} has {new} NaN voxels that have values in earlier volumes"
    elif gone:
        problem = f"volume {scan + 1} has values in {gone} voxels that are NaN in earlier volumes"
    if problem:
        raise InputError(
            series.file_of(at),
            problem,
            expected="finite values; NaN only where every volume of the run has it, as background",
            remedy="restore the volume, or take it out of the run together with its time; or mask all volumes"
            " of the run alike",
        )
    return missing
