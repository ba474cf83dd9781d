"""Resampling steps of a run: the grids that its volumes go through, and the maps between them."""

from __future__ import annotations

import logging
from pathlib import Path

from firstlevel.arrays import BoolArray, FloatArray
from firstlevel.image import alignment
from firstlevel.io.grids import Grid
from firstlevel.io.run_headers import RunHeaders
from firstlevel.io.series import Series
from firstlevel.stage import InputError


def steps(first: Grid, target: Grid, strategy: str) -> list[Grid]:
    """Grids that the volumes of a run go to, one after the other.

    Where the run lies on the reference grid, as near as makes no difference, its own stands for that one.
    """
    if alignment.same_grid(first.shape, first.affine, target.shape, target.affine):
        return [first]
    return [first, target] if strategy == "sequential" else [target]


def way(grid: Grid, target: Grid) -> FloatArray | None:
    """Map from the grid of a volume to another one; None if nilearn treats both as one."""
    if grid.shape == target.shape and alignment.equal_affines(grid.affine, target.affine):
        return None
    return alignment.voxel_map(grid.affine, target.affine)


def of_headers(run_headers: RunHeaders, series: Series, headers: Path) -> list[Grid]:
    """Grid of each volume from `headers`; one object if all share it.

    Raises
    ------
    InputError : the headers are those of another number of volumes.
    """
    if run_headers.n_scans != series.n_scans:
        raise InputError(
            headers,
            f"lists {run_headers.n_scans} volumes, and the run has {series.n_scans}",
            expected="the headers of this run",
            remedy="let the workflow read the headers of the run again",
        )
    sources = run_headers.mat_files(series.files)
    if len(sources) == 1:
        sources = sources * series.n_scans
    if len(run_headers.affines) == 1 and len(set(sources)) == 1:
        return [Grid(run_headers.shape, run_headers.affines[0], sources[0])] * series.n_scans
    affines = (
        [*run_headers.affines] if len(run_headers.affines) > 1 else [run_headers.affines[0]] * series.n_scans
    )
    return [Grid(run_headers.shape, affine, source) for affine, source in zip(affines, sources, strict=True)]


def decided(
    grids: list[Grid], target: Grid, steps: list[Grid], background: BoolArray | None
) -> dict[str, object]:
    """Fields of the sidecar on affines, grids and background, which are logged, too."""
    sources = {grid.source for grid in grids if grid.source}
    if sources:
        named = next(iter(sources)).name if len(sources) == 1 else f"{len(sources)} files"
        logging.info("the affines of the volumes are SPM's, from %s", named)
    on_grid = len(steps) == 1 and steps[0] is grids[0]
    apart = alignment.displacement(alignment.voxel_map(steps[0].affine, target.affine), target.shape)
    if on_grid and way(steps[0], target) is not None:
        logging.info("the run is %.2g voxels off the reference grid, and is treated as on it", apart)
    if background is not None:
        logging.info("%d voxels are NaN in every volume: set to 0, as background", int(background.sum()))
    return {
        "AffinesFrom": "mat" if sources else "header",
        "VolumesCopied": sum(way(grid, steps[0]) is None for grid in grids) if len(steps) == 1 else 0,
        "VoxelsFromReferenceGrid": round(apart, 6) if on_grid else None,
        "VoxelsOfNaN": 0 if background is None else int(background.sum()),
    }
