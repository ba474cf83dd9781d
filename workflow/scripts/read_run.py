"""Read a run once where it lies, on the grid of its unit: check every volume, average them.

What a run that is resampled has in its sidecar is written here, too: what moved by the headers (nothing, on
one grid), voxels outside of the field of view (none), digests of the images. Voxels that are NaN in every
volume are background: 0, and not covered.
"""

import logging
from pathlib import Path

import numpy as np

from firstlevel import stage
from firstlevel.image import alike, passes
from firstlevel.image.background import background_of, checked
from firstlevel.io import digests, image_writer, run_headers, sidecars
from firstlevel.io.grids import Grid
from firstlevel.io.series import Series


def read_run(
    *, bold: list[Path], reference: list[Path], headers: Path, mean: Path, sidecar: Path, field_of_view: Path
) -> None:
    """Write the mean over time of the run, the voxels that every volume covers, and the sidecar.

    `headers` are those of the run. `field_of_view` is uint8, 1 at the voxels that every volume covers.
    """
    series, place = Series.of(bold), Series.of(reference).files[0]
    target, known = Grid.of(place), run_headers.read(headers)
    grids = passes.of_headers(known, series, headers)
    alike.check_one_grid(series, grids, target, place)
    background = background_of(series)
    everywhere = np.ones(grids[0].shape[::-1], dtype=np.uint8)
    covered = everywhere if background is None else (~background).astype(np.uint8)
    total, found = np.zeros(grids[0].shape[::-1]), dict[Path, str]()
    for volume in checked(series, background, found):
        total += volume
    logging.info("%s: %d volumes, read in place", series.files[0].name, series.n_scans)
    image_writer.write_image(mean, (total / series.n_scans).astype(np.float32).T, grids[0].affine)
    image_writer.write_image(field_of_view, covered.T, grids[0].affine)
    content = {
        **known.motion,
        "VoxelsOutsideFieldOfView": [0] * series.n_scans,
        "RepetitionTime": known.repetition_time,
        "Strategy": "none",
        "SmoothingFwhm": None,
        **passes.decided(grids, target, [grids[0]], background),
        **digests.of_run(series.files, [grid.source for grid in grids], reference[0], target.source, found),
    }
    sidecars.write_json(sidecar, content)


if __name__ == "__main__":
    stage.run(read_run, globals().get("snakemake"))
