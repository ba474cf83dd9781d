"""Checks of grids: volumes must fit one series, and a run and its reference one head."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from firstlevel.image import alignment
from firstlevel.io.grids import Grid
from firstlevel.io.series import Series
from firstlevel.stage import InputError

SAME_ZOOM = 0.01
"""Voxel sizes that differ by no larger share are the same; rounding in headers and realignment stay below."""
MOST_ZOOM = 10.0
"""Voxel sizes of the runs of a subject that differ by a larger factor are not both in millimetres."""


def check_alike(series: Series, grids: list[Grid]) -> None:
    """Raise an InputError if volumes of one run differ in shape, voxel size or handedness."""
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
            problem = "has voxels of {} mm, and the first volume has {} mm".format(*sizes)
        elif np.linalg.det(grid.affine[:3, :3]) * hand < 0:
            problem = "is mirrored against the first volume: its affine has the other handedness"
        if problem:
            if len(series.files) == 1:
                problem = f"volume {scan + 1} {problem}"
            raise InputError(
                grid.source or series.file_of(scan),
                problem,
                expected="volumes of one series, which differ in position and rotation only",
                remedy="check that the pattern matches this run only, or convert the volume again",
            )


def check_size(series: Series, first: Grid, target: Grid) -> None:
    """Raise an InputError if voxels of a run and of the reference differ in order of magnitude."""
    own, others = (np.sort(np.linalg.norm(grid.affine[:3, :3], axis=0)) for grid in (first, target))
    factor = float(np.maximum(own / others, others / own).max())
    if factor > MOST_ZOOM:
        sizes = (" x ".join(f"{zoom:.4g}" for zoom in of.tolist()) for of in (own, others))
        raise InputError(
            first.source or series.files[0],
            "has voxels of {} mm, and the first volume of the subject's first run has {} mm".format(*sizes),
            expected=f"voxel sizes of a subject's runs within a factor of {MOST_ZOOM:g}",
            remedy="correct the header (sform or qform) of the run that is not in millimetres",
        )


def check_one_grid(series: Series, grids: list[Grid], target: Grid, reference: Path) -> None:
    """Raise an InputError if a volume is not on the reference grid, by the rules for copying volumes."""
    first = grids[0]
    for scan, grid in enumerate(grids):
        if grid is first and scan:
            continue
        if grid is first:
            on = alignment.same_grid(grid.shape, grid.affine, target.shape, target.affine)
            other, whose = target, f"the reference {reference.name}"
        else:
            on = grid.shape == first.shape and alignment.equal_affines(grid.affine, first.affine)
            other, whose = first, "the first volume of the run"
        if not on:
            raise InputError(
                grid.source or series.file_of(scan),
                f"volume {scan + 1} is on another grid than {whose}: {_told(grid)} instead of {_told(other)}",
                expected="all images of a subject and task on one grid, as resample.strategy: none says",
                remedy="set resample.strategy: direct, which brings them to one grid",
            )


def _told(grid: Grid) -> str:
    affine_text = "; ".join(" ".join(f"{value:.6g}" for value in row) for row in grid.affine[:3].tolist())
    return f"shape {' x '.join(map(str, grid.shape))}, affine [{affine_text}]"
