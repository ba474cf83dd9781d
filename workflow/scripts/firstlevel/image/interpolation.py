"""The volumes of a run on the reference grid: interpolated, clipped, smoothed, a few in memory at a time."""

from __future__ import annotations

import logging
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise

import nibabel as nib
import numpy as np

from firstlevel.arrays import BoolArray, Float32Array, FloatArray
from firstlevel.image import passes, resampling
from firstlevel.image.background import checked
from firstlevel.io.grids import Grid
from firstlevel.io.series import Series
from firstlevel.io.series_writer import SeriesWriter

Range = tuple[float, float]


def interpolate(
    series: Series,
    grids: list[Grid],
    steps: list[Grid],
    background: BoolArray | None,
    writer: SeriesWriter,
    threads: int,
) -> tuple[Range, list[int]]:
    """Write every volume; return the range of the run before the last step, and the scans that exceed it."""
    before, after = np.zeros((2, series.n_scans, 2))
    onward = [passes.way(grid, target) for grid, target in pairwise(steps)]
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[tuple[Float32Array, Range, Range]]] = deque()

        def store(scan: int) -> None:
            volume, before[scan], after[scan] = waiting.popleft().result()
            writer.write(scan, volume)
            if (scan + 1) * 10 // series.n_scans > scan * 10 // series.n_scans:
                logging.info("%d of %d volumes done", scan + 1, series.n_scans)

        for scan, volume in enumerate(checked(series, background)):
            waiting.append(pool.submit(_through, volume, [passes.way(grids[scan], steps[0]), *onward], steps))
            if scan >= 2 * threads:
                store(scan - 2 * threads)
        for scan in range(series.n_scans - len(waiting), series.n_scans):
            store(scan)
    low, high = float(before[:, 0].min()), float(before[:, 1].max())
    exceeding = np.flatnonzero((after[:, 0] < low) | (after[:, 1] > high))
    return (low, high), [int(scan) for scan in exceeding]


def _through(
    volume: Float32Array, ways: list[FloatArray | None], steps: list[Grid]
) -> tuple[Float32Array, Range, Range]:
    """Interpolate a volume from grid to grid; its ranges before the last of two steps and at the end.

    The first step clips to the volume's own range. The second cannot yet: it needs the range of the run.
    """
    before = after = _range(volume)
    for number, (way, target) in enumerate(zip(ways, steps, strict=True)):
        if way is None:
            continue
        volume = resampling.resample(volume, way, target.shape)
        if number == 0:
            np.clip(volume, *before, out=volume)
        after = _range(volume)
        if number == 0:
            before = after
    return volume, before, after


def finish(
    writer: SeriesWriter, n_scans: int, run_range: Range, overshoots: list[int], smoothing_fwhm: float | None
) -> Float32Array:
    """Clip the volumes that overshoot the range of the run, and smooth all where that is asked for.

    Returns
    -------
    [z, y, x], mean over time of the run as it is then, summed in double precision.
    """
    if smoothing_fwhm:
        logging.info("smoothing with %g mm FWHM", smoothing_fwhm)
    total, exceeding = np.zeros(writer.grid.shape[::-1]), set(overshoots)
    for scan in range(n_scans):
        volume = writer.read(scan)
        if scan in exceeding:
            volume = np.clip(volume, *run_range)
        if smoothing_fwhm:
            volume = _smoothed(volume, writer.grid.affine, smoothing_fwhm)
        if scan in exceeding or smoothing_fwhm:
            writer.write(scan, volume)
        total += volume
    return (total / n_scans).astype(np.float32)


def _smoothed(volume: Float32Array, affine: FloatArray, fwhm: float) -> Float32Array:
    """Smooth one volume, [z, y, x], with a Gaussian of `fwhm` mm (nilearn's)."""
    from nilearn.image import smooth_img

    data = smooth_img(nib.Nifti1Image(volume.T, affine), fwhm).get_fdata(dtype=np.float32)
    return np.ascontiguousarray(data.T)


def _range(volume: Float32Array) -> Range:
    """Lowest and highest value, with 0 between them: 0 is what lies outside of the field of view."""
    return min(float(volume.min()), 0.0), max(float(volume.max()), 0.0)
