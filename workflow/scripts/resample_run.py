"""Bring every volume of one run to the subject's reference grid, the first volume of its first run.

The headers of volumes in native space hold the realignment, one affine per volume. Interpolation is by
cubic B-splines. ``direct`` interpolates each volume once, from its own grid to the reference, and clips
it to its own range (and 0). ``sequential`` does as nilearn's example: each volume to the grid of its
run's first volume, clipped likewise (``concat_imgs``), then the run to the reference, clipped to the
range of the whole run (``resample_img``); a run that has moved is blurred twice.

What lies on a grid already is copied: a volume whose affine is, for nilearn, that of the run's first one; a
run whose grid lies less than a hundredth of a voxel from the reference's. A single volume that has moved by
less than that is interpolated, since that is realignment, but its rim counts as covered.

``none`` says that all lies on one grid: the headers' stage has checked it, and volumes are smoothed alone.

Voxels that are NaN in every volume are background: 0, and not covered.
"""

import logging
from pathlib import Path
from typing import Literal

from firstlevel import compiled, stage
from firstlevel.image import interpolation, passes
from firstlevel.image.background import background_of
from firstlevel.image.coverage import coverage
from firstlevel.io import digests, image_writer, run_headers, sidecars
from firstlevel.io.grids import Grid
from firstlevel.io.series import Series
from firstlevel.io.series_writer import SeriesWriter


def resample_run(
    *,
    bold: list[Path],
    reference: list[Path],
    headers: Path,
    resampled: Path,
    mean: Path,
    sidecar: Path,
    field_of_view: Path,
    strategy: Literal["sequential", "direct", "none"],
    smoothing_fwhm: float | None,
    threads: int = 1,
) -> None:
    """Write the run as one 4D image on the reference grid, its mean over time, and what moved as a sidecar.

    `headers` are those of the run, `smoothing_fwhm` in mm; the 4D image is single precision, uncompressed.
    `field_of_view` is uint8, 1 at the voxels that every volume covers; elsewhere some volume holds zeros.
    """
    series, target = Series.of(bold), Grid.of(Series.of(reference).files[0])
    known = run_headers.read(headers)
    grids = passes.of_headers(known, series, headers)
    if not compiled.IS_CACHED:
        logging.info("kernels are compiled again: their cache folder cannot be written (set NUMBA_CACHE_DIR)")
    steps = passes.steps(grids[0], target, strategy)
    background = background_of(series)
    outside, covered = coverage(series, grids, steps, background)
    with (
        stage.atomic(resampled) as temporary,
        SeriesWriter(temporary, target, series.n_scans, known.repetition_time) as writer,
    ):
        run_range, overshoots = interpolation.interpolate(series, grids, steps, background, writer, threads)
        over_time = interpolation.finish(writer, series.n_scans, run_range, overshoots, smoothing_fwhm)
    content = {
        **known.motion,
        "VoxelsOutsideFieldOfView": outside,
        "RepetitionTime": known.repetition_time,
        "Strategy": strategy,
        "SmoothingFwhm": smoothing_fwhm,
        **passes.decided(grids, target, steps, background),
        **digests.of_run(series.files, [grid.source for grid in grids], reference[0], target.source),
    }
    sidecars.write_json(sidecar, content)
    image_writer.write_image(mean, over_time.T, target.affine)
    image_writer.write_image(field_of_view, covered.T, target.affine)


if __name__ == "__main__":
    stage.run(resample_run, globals().get("snakemake"))
