"""A run that is read where it lies, on the grid of its unit: checked, averaged, digested on the way.

What a run that is resampled has in its sidecar is written here, too: what moved by the headers (nothing, on
one grid), voxels outside of the field of view (none), digests of the images. There is none of the reference:
its grid alone counts, which is the run's own, and to digest it would be to read another run. Voxels that are
NaN in every volume are background: 0, and not covered.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from firstlevel.arrays import BoolArray, Float32Array, FloatArray
from firstlevel.image import alike, passes
from firstlevel.image.background import checked
from firstlevel.io import digests, image_writer, masked, run_headers, sidecars
from firstlevel.io.grids import Grid
from firstlevel.io.run_headers import RunHeaders
from firstlevel.io.series import Series


@dataclass(frozen=True)
class InPlace:
    """A run of n volumes on one grid; :meth:`volumes` fills what is recorded of it.

    Attributes
    ----------
    series : its volumes.
    known : what their headers tell.
    grids : of each volume.
    target : grid of the unit.
    background : [z, y, x], voxels that are NaN in every volume; None where there are none.
    total : [z, y, x], sum over the volumes.
    found : SHA-256 by path, of the images that were digested in reading.
    """

    series: Series
    known: RunHeaders
    grids: list[Grid]
    target: Grid
    background: BoolArray | None
    total: FloatArray
    found: dict[Path, str] = field(default_factory=dict)

    @classmethod
    def of(cls, series: Series, reference: list[Path], headers: Path, field_of_view: Path) -> InPlace:
        """Take a run with its `headers` and the voxels that all volumes cover; no volume is read yet.

        Raises
        ------
        InputError : a volume that is not on the grid of the reference.
        """
        place, known = Series.of(reference).files[0], run_headers.read(headers)
        target, grids = Grid.of(place), passes.of_headers(known, series, headers)
        alike.check_one_grid(series, grids, target, place)
        missing = ~masked.read_mask(field_of_view).T
        background = missing if missing.any() else None
        return cls(series, known, grids, target, background, np.zeros(grids[0].shape[::-1]))

    def volumes(self) -> Iterator[Float32Array]:
        """Yield each volume, [z, y, x], 0 in the background; InputError for an invalid one."""
        for volume in checked(self.series, self.background, self.found):
            np.add(self.total, volume, out=self.total)
            yield volume
        logging.info("%s: %d volumes, read in place", self.series.files[0].name, self.series.n_scans)

    def write(self, mean: Path, sidecar: Path) -> None:
        """Write the mean over time and the sidecar, when all volumes have been read."""
        average = (self.total / self.series.n_scans).astype(np.float32)
        image_writer.write_image(mean, average.T, self.grids[0].affine)
        content = {
            **self.known.motion,
            "VoxelsOutsideFieldOfView": [0] * self.series.n_scans,
            "RepetitionTime": self.known.repetition_time,
            "Strategy": "none",
            "SmoothingFwhm": None,
            **passes.decided(self.grids, self.target, [self.grids[0]], self.background),
            "Inputs": digests.of_images(self.series.files, [grid.source for grid in self.grids], self.found),
        }
        sidecars.write_json(sidecar, content)
