"""Mean over time of one run, or mean of the runs' means: the picture that maps are drawn on."""

import logging
from pathlib import Path

import numpy as np

from firstlevel import stage
from firstlevel.io import image_writer
from firstlevel.io.grids import Grid
from firstlevel.io.series import Series


def compute_mean_image(*, bold: list[Path], mean: Path) -> None:
    """Average each image over time, then the images, which share one grid; every image counts once."""
    total = np.zeros(Grid.of(bold[0]).shape[::-1])
    for path in bold:
        series = Series.of([path])
        over_time = np.zeros_like(total)
        for volume in series.volumes():
            over_time += volume
        total += over_time / series.n_scans
        logging.info("%s: %d volumes", path.name, series.n_scans)
    image_writer.write_image(mean, (total / len(bold)).astype(np.float32).T, Grid.of(bold[0]).affine)


if __name__ == "__main__":
    stage.run(compute_mean_image, globals().get("snakemake"))
