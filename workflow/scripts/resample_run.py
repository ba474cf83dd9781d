"""Bring every volume of one run to the subject's reference grid, the first volume of its first run.

The headers of volumes in native space hold the realignment, one affine per volume. Interpolation is by
cubic B-splines. ``direct`` interpolates each volume once, from its own grid to the reference, and clips
it to its own range (and 0). ``sequential`` does as nilearn's example: each volume to the grid of its
run's first volume, clipped likewise (``concat_imgs``), then the run to the reference, clipped to the
range of the whole run (``resample_img``); a run that has moved is blurred twice. Volumes that lie on a
grid already are copied.
"""

import logging
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np

from firstlevel import images, motion, repetition, resampling, stage, tables
from firstlevel.images import Float32Array, Grid, Series, SeriesWriter
from firstlevel.resampling import UInt8Array
from firstlevel.stage import InputError

Range = tuple[float, float]
SAME_ZOOM = 0.01
"""Voxel sizes that differ by no larger share are the same; rounding in headers and realignment stay below."""


def resample_run(
    *,
    bold: list[Path],
    reference: list[Path],
    resampled: Path,
    sidecar: Path,
    field_of_view: Path,
    repetition_time: repetition.RepetitionTime,
    strategy: Literal["sequential", "direct"],
    smoothing_fwhm: float | None,
    repetition_time_decides: bool = False,
    sidecars: list[Path] | None = None,
    threads: int = 1,
) -> None:
    """Write the run as one 4D image on the reference grid, and what moved as a sidecar.

    `repetition_time` in s and `smoothing_fwhm` in mm; the 4D image is single precision, uncompressed.
    `field_of_view` is uint8, 1 at the voxels that every volume covers; elsewhere some volume holds zeros.
    """
    series, target = Series.of(bold), Grid.of(Series.of(reference).files[0])
    series.check_length(series.n_scans)
    volumes = repetition.volume_times(
        series.files[0],
        series.n_scans,
        images.header_time(series.files[0]),
        repetition.read_fields(sidecars or ()),
        repetition_time,
        repetition_time_decides,
    )
    seconds = volumes.repetition_time
    for warning in volumes.warnings:
        logging.warning("%s: %s", series.files[0], warning)
    grids = series.grids()
    _check_alike(series, grids)
    steps = [grids[0], target] if strategy == "sequential" else [target]
    outside, covered = _coverage(series, grids, steps)
    with (
        stage.atomic(resampled) as temporary,
        SeriesWriter(temporary, target, series.n_scans, seconds) as writer,
    ):
        run_range, overshoots = _interpolate(series, grids, steps, writer, threads)
        _finish(writer, series.n_scans, run_range, overshoots, smoothing_fwhm)
    parameters = [motion.rigid_parameters(grid.affine, target.affine) for grid in grids]
    content = {
        "translation_mm": [translation.round(6).tolist() for translation, _ in parameters],
        "rotation_deg": [rotation.round(6).tolist() for _, rotation in parameters],
        "voxels_outside_fov": outside,
        "RepetitionTime": seconds,
        "Strategy": strategy,
        "SmoothingFwhm": smoothing_fwhm,
        "Reference": _digests(reference[:1]),
        "Inputs": _digests(list(series.files)),
    }
    tables.write_json(sidecar, content)
    images.write_image(field_of_view, covered.T, target.affine)


def _interpolate(
    series: Series, grids: list[Grid], steps: list[Grid], writer: SeriesWriter, threads: int
) -> tuple[Range, list[int]]:
    """Write every volume; return the range of the run before the last step, and the scans that exceed it."""
    before, after = np.zeros((2, series.n_scans, 2))
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[tuple[Float32Array, Range, Range]]] = deque()

        def store(scan: int) -> None:
            volume, before[scan], after[scan] = waiting.popleft().result()
            writer.write(scan, volume)
            if (scan + 1) * 10 // series.n_scans > scan * 10 // series.n_scans:
                logging.info("%d of %d volumes done", scan + 1, series.n_scans)

        for scan, volume in enumerate(_checked(series)):
            waiting.append(pool.submit(_through, volume, grids[scan], steps))
            if scan >= 2 * threads:
                store(scan - 2 * threads)
        for scan in range(series.n_scans - len(waiting), series.n_scans):
            store(scan)
    low, high = float(before[:, 0].min()), float(before[:, 1].max())
    exceeding = np.flatnonzero((after[:, 0] < low) | (after[:, 1] > high))
    return (low, high), [int(scan) for scan in exceeding]


def _through(volume: Float32Array, grid: Grid, steps: list[Grid]) -> tuple[Float32Array, Range, Range]:
    """Interpolate a volume from grid to grid; its ranges before the last of two steps and at the end.

    The first step clips to the volume's own range. The second cannot yet: it needs the range of the run.
    """
    before = _range(volume)
    for number, target in enumerate(steps):
        if not resampling.same_grid(grid.shape, grid.affine, target.shape, target.affine):
            mapping = resampling.voxel_map(grid.affine, target.affine)
            volume = resampling.resample(volume, mapping, target.shape)
            if number == 0:
                np.clip(volume, *before, out=volume)
        if number == 0:
            before = _range(volume)
        grid = target
    return volume, before, _range(volume)


def _finish(
    writer: SeriesWriter, n_scans: int, run_range: Range, overshoots: list[int], smoothing_fwhm: float | None
) -> None:
    """Clip the volumes that overshoot the range of the run, and smooth all where that is asked for."""
    for scan in overshoots:
        writer.write(scan, np.clip(writer.read(scan), *run_range))
    if smoothing_fwhm:
        logging.info("smoothing with %g mm FWHM", smoothing_fwhm)
        for scan in range(n_scans):
            writer.write(scan, images.smoothed(writer.read(scan), writer.grid.affine, smoothing_fwhm))


def _checked(series: Series) -> Iterator[Float32Array]:
    for scan, volume in enumerate(series.volumes()):
        if not np.isfinite(volume.sum(dtype=np.float64)):
            count = int((~np.isfinite(volume)).sum())
            raise InputError(
                series.file_of(scan),
                f"volume {scan + 1} holds {count} voxels that are NaN or infinite",
                expected="finite values everywhere",
                remedy="restore the volume, or take it out of the run together with its time",
            )
        if volume.min() == volume.max():
            raise InputError(
                series.file_of(scan),
                f"volume {scan + 1} has the value {volume.flat[0]:g} in every voxel",
                expected="a picture of a head in every volume",
                remedy="restore the volume: it was lost when it was acquired, copied or converted",
            )
        yield volume


def _check_alike(series: Series, grids: list[Grid]) -> None:
    """Volumes of one run differ in where the head is, not in shape, voxel sizes and handedness."""
    first = grids[0]
    zooms = np.linalg.norm(first.affine[:3, :3], axis=0)
    hand = np.linalg.det(first.affine[:3, :3])
    for scan, grid in enumerate(grids):
        own = np.linalg.norm(grid.affine[:3, :3], axis=0)
        problem = ""
        if grid.shape != first.shape:
            problem = f"has the shape {grid.shape}, and the first volume {first.shape}"
        elif not np.allclose(own, zooms, rtol=SAME_ZOOM, atol=0):
            sizes = (" x ".join(f"{zoom:g}" for zoom in of.round(3).tolist()) for of in (own, zooms))
            problem = "has voxels of {} mm, and the first volume of {} mm".format(*sizes)
        elif np.linalg.det(grid.affine[:3, :3]) * hand < 0:
            problem = "is mirrored against the first volume: its affine has the other handedness"
        if problem:
            raise InputError(
                series.file_of(scan),
                problem,
                expected="volumes of one series, which realignment moves and turns, no more",
                remedy="check that the pattern of the run finds this run alone, and convert the volume again",
            )


def _range(volume: Float32Array) -> Range:
    """Lowest and highest value, with 0 between them: 0 is what lies outside of the field of view."""
    return min(float(volume.min()), 0.0), max(float(volume.max()), 0.0)


def _coverage(series: Series, grids: list[Grid], steps: list[Grid]) -> tuple[list[int], UInt8Array]:
    """Voxels of the target that lie outside of the field of view of each volume; those that all cover.

    The second is [z, y, x] on the target's grid: 1 where no interpolation of any volume, nor the second of a
    volume that the first has filled with zeros, reads from outside of the field of view.

    Raises
    ------
    InputError : a volume that lies wholly elsewhere, or cannot be interpolated for want of slices.
    """
    first, target = steps[0], steps[-1]
    at_once = first.shape == target.shape and np.array_equal(first.affine, target.affine)
    covered = np.ones(first.shape[::-1], dtype=np.uint8)
    counts = []
    for scan, grid in enumerate(grids):
        stays = resampling.same_grid(grid.shape, grid.affine, first.shape, first.affine)
        if resampling.same_grid(grid.shape, grid.affine, target.shape, target.affine):
            counts.append(0)  # rounding would put half of its rim outside of itself
        else:
            mapping = resampling.voxel_map(grid.affine, target.affine)
            shared = covered if at_once and not stays else None
            counts.append(resampling.count_outside(mapping, target.shape, grid.shape, shared))
        if not (at_once or stays):
            mapping = resampling.voxel_map(grid.affine, first.affine)
            resampling.count_outside(mapping, first.shape, grid.shape, covered)
        path = series.file_of(scan)
        if counts[-1] == np.prod(target.shape):
            raise InputError(
                path,
                "does not overlap with the first volume of the subject's first run",
                expected="volumes of one head in one space, by the affines of their headers",
                remedy="check that the run is this subject's, and the headers",
            )
        if min(grid.shape) < 2:
            raise InputError(
                path,
                f"has the shape {grid.shape}",
                expected="at least two voxels along each axis",
                remedy="take whole volumes",
            )
    if not resampling.same_grid(first.shape, first.affine, target.shape, target.affine):
        mapping = resampling.voxel_map(first.affine, target.affine)
        covered = resampling.carried_coverage(covered, mapping, target.shape)
    return counts, covered


def _digests(paths: list[Path]) -> list[dict[str, str]]:
    """Name and SHA-256 of each image, and of the header of a pair; a folder stands for its first image."""
    images_of = [
        image for path in paths for image in (images.images_in(path)[:1] if path.is_dir() else [path])
    ]
    files = [file for image in images_of for file in (image, images.header_of(image)) if file]
    return [{"name": file.name, "sha256": stage.sha256(file)} for file in files]


if __name__ == "__main__":
    stage.run(resample_run, globals().get("snakemake"))
