"""Coverage of the reference grid by the volumes of a run."""

from __future__ import annotations

import numpy as np

from firstlevel.arrays import BoolArray, UInt8Array
from firstlevel.image import alignment, passes, resampling
from firstlevel.io.grids import Grid
from firstlevel.io.series import Series
from firstlevel.stage import InputError


def coverage(
    series: Series, grids: list[Grid], steps: list[Grid], background: BoolArray | None
) -> tuple[list[int], UInt8Array]:
    """Number of target voxels outside the field of view of each volume, and mask of voxels that all cover.

    The second is [z, y, x] on the target's grid: 1 where no interpolation of any volume, nor the second of a
    volume that the first has filled with zeros, reads from outside of the field of view or from background.

    Raises
    ------
    InputError : a volume that does not overlap with the target.
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
            way = passes.way(grid, target)
            counts[-1] = 0 if way is None else resampling.count_outside(way, target.shape, grid.shape)
        if counts[-1] == np.prod(target.shape):
            raise InputError(
                series.file_of(scan),
                "does not overlap with the first volume of the subject's first run",
                expected="runs of one subject in one space, by the affines of their headers",
                remedy="check that the run is this subject's, and check the headers",
            )
    if len(steps) > 1:
        mapping = alignment.voxel_map(first.affine, target.affine)
        covered = resampling.carried_coverage(covered, mapping, target.shape)
    return counts, covered


def _covers(grid: Grid, target: Grid, background: BoolArray | None, covered: UInt8Array) -> int:
    """Put 0 into `covered` where a volume does not reach or has background; count where it does not reach."""
    way = passes.way(grid, target)
    outside = 0 if way is None else resampling.count_outside(way, target.shape, grid.shape, covered)
    if background is not None:
        there = (~background).astype(np.uint8)
        covered &= there if way is None else resampling.carried_coverage(there, way, target.shape)
    return outside
