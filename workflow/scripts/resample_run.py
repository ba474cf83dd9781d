"""Bring every volume of one run to the subject's reference grid, the first volume of its first run.

The headers of volumes in native space hold the realignment, one affine per volume. Interpolation is by
cubic B-splines. ``direct`` interpolates each volume once, from its own grid to the reference, and clips
it to its own range (and 0). ``sequential`` does as nilearn's example: each volume to the grid of its
run's first volume, clipped likewise (``concat_imgs``), then the run to the reference, clipped to the
range of the whole run (``resample_img``); a run that has moved is blurred twice.

What lies on a grid already is copied: a volume whose affine is, for nilearn, that of the run's first one; a
run whose grid lies less than a hundredth of a voxel from the reference's. A single volume that has moved by
less than that is interpolated, since that is realignment, but its rim counts as covered.

Voxels that are NaN in every volume are background: 0, and not covered.
"""

import contextlib
import logging
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from firstlevel import stage, texts
from firstlevel.arrays import Float32Array, FloatArray, UInt8Array
from firstlevel.image import alignment, resampling, rigid, smoothing, splines
from firstlevel.io import header_time, image_writer, repetition
from firstlevel.io.grids import Grid
from firstlevel.io.series import Series, header_of, images_in
from firstlevel.io.series_writer import SeriesWriter
from firstlevel.io.sidecars import write_json
from firstlevel.stage import InputError

Range = tuple[float, float]
BoolArray = npt.NDArray[np.bool_]
SAME_ZOOM = 0.01
"""Voxel sizes that differ by no larger share are the same; rounding in headers and realignment stay below."""
MOST_ZOOM = 10.0
"""Voxel sizes of the runs of a subject that differ by a larger factor are not both in millimetres."""


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
        header_time.read(series.files[0]),
        repetition.read_fields(sidecars or ()),
        repetition_time,
        repetition_time_decides,
    )
    seconds = volumes.repetition_time
    if not splines.IS_CACHED:
        logging.info(
            "kernels are compiled anew: no folder for them can be written (NUMBA_CACHE_DIR names one)"
        )
    for warning in volumes.warnings:
        logging.warning("%s: %s", series.files[0], warning)
    grids = series.grids()
    _check_alike(series, grids)
    _check_size(series, grids[0], target)
    steps = _steps(grids[0], target, strategy)
    background = _background(series)
    outside, covered = _coverage(series, grids, steps, background)
    with (
        stage.atomic(resampled) as temporary,
        SeriesWriter(temporary, target, series.n_scans, seconds) as writer,
    ):
        run_range, overshoots = _interpolate(series, grids, steps, background, writer, threads)
        _finish(writer, series.n_scans, run_range, overshoots, smoothing_fwhm)
    parameters = [rigid.rigid_parameters(grid.affine, target.affine) for grid in grids]
    content = {
        "translation_mm": [translation.round(6).tolist() for translation, _ in parameters],
        "rotation_deg": [rotation.round(6).tolist() for _, rotation in parameters],
        "voxels_outside_fov": outside,
        "RepetitionTime": seconds,
        "Strategy": strategy,
        "SmoothingFwhm": smoothing_fwhm,
        **_decided(grids, target, steps, background),
        "Reference": _digests(reference[:1], [target]),
        "Inputs": _digests(list(series.files), grids),
    }
    write_json(sidecar, content)
    image_writer.write_image(field_of_view, covered.T, target.affine)


def _steps(first: Grid, target: Grid, strategy: str) -> list[Grid]:
    """Grids that the volumes of a run go to, one after the other.

    Where the run lies on the reference grid, as near as makes no difference, its own stands for that one.
    """
    if alignment.same_grid(first.shape, first.affine, target.shape, target.affine):
        return [first]
    return [first, target] if strategy == "sequential" else [target]


def _way(grid: Grid, target: Grid) -> FloatArray | None:
    """Map by which a volume gets from its grid to another one; None where nilearn takes both as one."""
    if grid.shape == target.shape and alignment.equal_affines(grid.affine, target.affine):
        return None
    return alignment.voxel_map(grid.affine, target.affine)


def _decided(
    grids: list[Grid], target: Grid, steps: list[Grid], background: BoolArray | None
) -> dict[str, object]:
    """What the sidecar and the log say of affines, grids and background."""
    sources = {grid.source for grid in grids if grid.source}
    if sources:
        named = next(iter(sources)).name if len(sources) == 1 else f"{len(sources)} files"
        logging.info("the affines of the volumes are SPM's, from %s", named)
    on_grid = len(steps) == 1 and steps[0] is grids[0]
    apart = alignment.displacement(alignment.voxel_map(steps[0].affine, target.affine), target.shape)
    if on_grid and _way(steps[0], target) is not None:
        logging.info("the run lies %.2g voxels from the reference grid, and is taken to lie on it", apart)
    if background is not None:
        logging.info("%d voxels are NaN in every volume: background, 0", int(background.sum()))
    return {
        "AffinesFrom": "mat" if sources else "header",
        "VolumesCopied": sum(_way(grid, steps[0]) is None for grid in grids) if len(steps) == 1 else 0,
        "VoxelsFromReferenceGrid": round(apart, 6) if on_grid else None,
        "VoxelsOfNaN": 0 if background is None else int(background.sum()),
    }


def _interpolate(
    series: Series,
    grids: list[Grid],
    steps: list[Grid],
    background: BoolArray | None,
    writer: SeriesWriter,
    threads: int,
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

        for scan, volume in enumerate(_checked(series, background)):
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
        if (way := _way(grid, target)) is not None:
            volume = resampling.resample(volume, way, target.shape)
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
            writer.write(scan, smoothing.smoothed(writer.read(scan), writer.grid.affine, smoothing_fwhm))


def _background(series: Series) -> BoolArray | None:
    """Voxels, [z, y, x], that are NaN in the first volume, and so have to be in all; None for none."""
    with contextlib.closing(series.volumes()) as volumes:
        missing = np.isnan(next(volumes))
    if missing.all():
        raise InputError(
            series.file_of(0),
            "volume 1 is NaN in every voxel",
            expected="a picture of a head in every volume",
            remedy="restore the volume: it was lost when it was acquired, copied or converted",
        )
    return missing if missing.any() else None


def _checked(series: Series, background: BoolArray | None) -> Iterator[Float32Array]:
    """Yield each volume of the run, 0 in the background; InputError where one cannot be right."""
    for scan, volume in enumerate(series.volumes()):
        shown = volume
        if background is not None or not np.isfinite(volume.sum(dtype=np.float64)):
            missing = _missing(series, scan, volume, background)
            shown, volume = volume[~missing], np.where(missing, np.float32(0), volume)
        if shown.min() == shown.max():
            raise InputError(
                series.file_of(scan),
                f"volume {scan + 1} has the value {shown.flat[0]:g} in every voxel",
                expected="a picture of a head in every volume",
                remedy="restore the volume: it was lost when it was acquired, copied or converted",
            )
        yield volume


def _missing(series: Series, scan: int, volume: Float32Array, background: BoolArray | None) -> BoolArray:
    """Voxels of a volume that are NaN; InputError where they are other ones than the background."""
    missing = np.isnan(volume)
    expected = np.zeros_like(missing) if background is None else background
    new, gone = int((missing & ~expected).sum()), int((expected & ~missing).sum())
    at, problem = scan, ""
    if infinite := int(np.isinf(volume).sum()):
        problem = f"volume {scan + 1} holds {infinite} voxels that are infinite"
    elif gone and scan == 1:
        at, problem = 0, f"volume 1 holds {gone} voxels that are NaN, and have values in volume 2"
    elif new:
        problem = f"volume {scan + 1} holds {new} voxels that are NaN, and have values in the volumes before"
    elif gone:
        problem = f"volume {scan + 1} has values in {gone} voxels that are NaN in the volumes before"
    if problem:
        raise InputError(
            series.file_of(at),
            problem,
            expected="finite values; NaN only where every volume of the run has it, as background",
            remedy="restore the volume, or take it out of the run together with its time; or mask all volumes"
            " of the run alike",
        )
    return missing


def _check_alike(series: Series, grids: list[Grid]) -> None:
    """Volumes of one run differ in where the head is, not in shape, voxel sizes and handedness."""
    first = grids[0]
    zooms = np.linalg.norm(first.affine[:3, :3], axis=0)
    hand = np.linalg.det(first.affine[:3, :3])
    for scan, grid in enumerate(grids):
        if grid is first:
            continue
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
            if len(series.files) == 1:
                problem = f"volume {scan + 1} {problem}"
            raise InputError(
                grid.source or series.file_of(scan),
                problem,
                expected="volumes of one series, which realignment moves and turns, no more",
                remedy="check that the pattern of the run finds this run alone, and convert the volume again",
            )


def _check_size(series: Series, first: Grid, target: Grid) -> None:
    """Voxels of a run and of the reference are of one order of size."""
    own, others = (np.sort(np.linalg.norm(grid.affine[:3, :3], axis=0)) for grid in (first, target))
    factor = float(np.maximum(own / others, others / own).max())
    if factor > MOST_ZOOM:
        sizes = (" x ".join(f"{zoom:.4g}" for zoom in of.tolist()) for of in (own, others))
        raise InputError(
            first.source or series.files[0],
            "has voxels of {} mm, and the first volume of the subject's first run of {} mm".format(*sizes),
            expected=f"voxels of runs of one head, whose sizes differ by a factor of {MOST_ZOOM:g} at most",
            remedy="correct the header (sform or qform) of the one that is not in millimetres",
        )


def _range(volume: Float32Array) -> Range:
    """Lowest and highest value, with 0 between them: 0 is what lies outside of the field of view."""
    return min(float(volume.min()), 0.0), max(float(volume.max()), 0.0)


def _coverage(
    series: Series, grids: list[Grid], steps: list[Grid], background: BoolArray | None
) -> tuple[list[int], UInt8Array]:
    """Voxels of the target that lie outside of the field of view of each volume; those that all cover.

    The second is [z, y, x] on the target's grid: 1 where no interpolation of any volume, nor the second of a
    volume that the first has filled with zeros, reads from outside of the field of view or from background.

    Raises
    ------
    InputError : a volume that lies wholly elsewhere.
    """
    first, target = steps[0], steps[-1]
    covered = np.ones(first.shape[::-1], dtype=np.uint8)
    counts: list[int] = []
    for scan, grid in enumerate(grids):
        if scan and grid is grids[scan - 1]:
            counts.append(counts[-1])
            continue
        counts.append(_covers(grid, first, background, covered))
        if len(steps) > 1:
            way = _way(grid, target)
            counts[-1] = 0 if way is None else resampling.count_outside(way, target.shape, grid.shape)
        if counts[-1] == np.prod(target.shape):
            raise InputError(
                series.file_of(scan),
                "does not overlap with the first volume of the subject's first run",
                expected="volumes of one head in one space, by the affines of their headers",
                remedy="check that the run is this subject's, and the headers",
            )
    if len(steps) > 1:
        mapping = alignment.voxel_map(first.affine, target.affine)
        covered = resampling.carried_coverage(covered, mapping, target.shape)
    return counts, covered


def _covers(grid: Grid, target: Grid, background: BoolArray | None, covered: UInt8Array) -> int:
    """Put 0 into `covered` where a volume does not reach or has background; count where it does not reach."""
    way = _way(grid, target)
    outside = 0 if way is None else resampling.count_outside(way, target.shape, grid.shape, covered)
    if background is not None:
        there = (~background).astype(np.uint8)
        covered &= there if way is None else resampling.carried_coverage(there, way, target.shape)
    return outside


def _digests(paths: list[Path], grids: list[Grid]) -> list[dict[str, str]]:
    """SHA-256 of each image, of the header of a pair and of SPM's affines; of a folder its first.

    Names that are not of BIDS stand in sourcedata.tsv alone.
    """
    images_of = [image for path in paths for image in (images_in(path)[:1] if path.is_dir() else [path])]
    files = [file for image in images_of for file in (image, header_of(image)) if file]
    files += dict.fromkeys(grid.source for grid in grids if grid.source)
    return [
        {"sha256": stage.sha256(file)} | ({"name": name} if (name := texts.public(file)) else {})
        for file in files
    ]


if __name__ == "__main__":
    stage.run(resample_run, globals().get("snakemake"))
