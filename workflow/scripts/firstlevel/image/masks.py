"""The user's masks: voxels inside, and resampling to another grid.

Arrays are (nx, ny, nz). Knows no statistics.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import BoolArray
from firstlevel.image import alignment
from firstlevel.image.alignment import HALF, RIM
from firstlevel.io import images
from firstlevel.io.grids import Grid
from firstlevel.stage import InputError

THRESHOLD = 0.5
"""Probabilities from it on are inside."""
ROUNDING = 1e-6
"""Share of the largest value by which two values of a mask are one: integers with a slope and an intercept in
single precision."""
TIE = 1e-6
"""Voxels; a point so close to half-way between two voxels takes the further one, whatever rounding says."""


RUNS_THRESHOLD = 0.5
"""A voxel is in the mask where it is in more than this share of the runs' masks, as in nilearn."""


@dataclass(frozen=True)
class GivenMask:
    """Voxels inside a user's mask, and the threshold that was applied if it holds probabilities."""

    inside: BoolArray
    threshold: float | None


def read_given_mask(path: Path) -> GivenMask:
    """Read a mask of the user's.

    One or two values, of which the lower is not above 0, are a mask: 0 and 1, 0 and 255, -1 and 1, 1 alone.
    NaN is outside. More values from 0 to 1 are probabilities, inside from 0.5 on.

    Raises
    ------
    InputError : infinite values, several volumes, values that are neither, such as a segmentation's.
    """
    data = images.read_volume(path)
    values = data[~np.isnan(data)]
    if infinite := int(np.isinf(values).sum()):
        raise InputError(
            path,
            f"holds {infinite} infinite voxels",
            expected="a mask: 0 outside, 1 inside",
            remedy="make the mask again, or set the config key mask to epi",
        )
    levels = _levels(values)
    if len(levels) < 2 or (len(levels) == 2 and levels[0] <= 0):
        return GivenMask(data > ROUNDING * max(levels, default=0.0), None)
    if len(levels) > 2 and levels[0] >= -ROUNDING and levels[-1] <= 1 + ROUNDING:
        inside = data >= THRESHOLD
        logging.warning(
            "%s holds values between 0 and 1: taken as probabilities, thresholded at %g (%d of %d above 0)",
            path.name,
            THRESHOLD,
            int(inside.sum()),
            int((data > 0).sum()),
        )
        return GivenMask(inside, THRESHOLD)
    shown = ", ".join(f"{level:.4g}" for level in levels[:4])
    raise InputError(
        path,
        f"holds {len(levels)} values from {levels[0]:.4g} to {levels[-1]:.4g} ({shown}"
        f"{', ...' if len(levels) > 4 else ''}), which are neither a mask nor probabilities",
        expected="two values, the lower one at most 0 (such as 0 and 1), or probabilities from 0 to 1",
        remedy="threshold it (fslmaths IN -thr 0.5 -bin OUT); of a segmentation, select the labels you want",
    )


def nearest(
    inside: BoolArray, mapping: npt.NDArray[np.float64], shape: tuple[int, int, int]
) -> tuple[BoolArray, bool]:
    """Mask on a grid of `shape` by nearest neighbour, False outside; and whether the grids overlap at all.

    `mapping`, (4, 4), goes from voxel indices of that grid to those of the mask, whose voxels reach half a
    voxel beyond their centres.
    """
    x, y, z = np.ogrid[: shape[0], : shape[1], : shape[2]]
    covered, index = np.ones(shape, dtype=bool), []
    for row, size in zip(mapping[:3], inside.shape, strict=True):
        at = row[0] * x + row[1] * y + row[2] * z + row[3]
        covered &= (at >= -HALF - RIM) & (at <= size - 1 + HALF + RIM)
        index.append(np.clip(np.floor(at + HALF + TIE), 0, size - 1).astype(np.intp))
    moved: BoolArray = inside[tuple(index)] & covered
    return moved, bool(covered.any())


def _levels(values: npt.NDArray[np.float32]) -> list[float]:
    """Distinct values, ascending; values that differ by rounding only are one."""
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0:
        return [0.0] * bool(values.size)
    steps: list[float] = np.unique(np.round(values.astype(np.float64) / (ROUNDING * largest))).tolist()
    return [step * ROUNDING * largest for step in steps]


def on_grid(own_mask: Path, grid: Grid, thresholds: dict[Path, float]) -> BoolArray:
    """Return the user's mask, by nearest neighbour where it lies on another grid; note its threshold."""
    given, own = read_given_mask(own_mask), Grid.of(own_mask)
    if given.threshold is not None:
        thresholds[own_mask] = given.threshold
    if is_on(own_mask, grid):
        return given.inside
    logging.info("%s lies on another grid and is resampled by nearest neighbour", own_mask.name)
    mapping = alignment.voxel_map(own.affine, grid.affine)
    moved, overlaps = nearest(given.inside, mapping, grid.shape)
    if not overlaps:
        raise InputError(
            own_mask,
            "does not overlap with the runs",
            expected="a mask of this subject's brain in the space of its runs, by the affine of its header",
            remedy="check that the mask is this subject's, and check its header",
        )
    return moved


def is_on(own_mask: Path, grid: Grid) -> bool:
    """Whether a mask is on a grid, up to a negligible distance."""
    own = Grid.of(own_mask)
    return alignment.same_grid(own.shape, own.affine, grid.shape, grid.affine)
