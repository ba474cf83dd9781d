"""How far the head, as the mask has it, moves in a run. Arrays only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import BoolArray, FloatArray
from firstlevel.image.motion import TABLE, Motion
from firstlevel.image.rigid import rigid_motion
from firstlevel.io.grids import Grid


class HeadMotion(NamedTuple):
    """How far a head moves, (n,) each; NaN where it is not known.

    Attributes
    ----------
    displacement : mm, against the first volume, of the voxel that moves farthest.
    framewise_displacement : mm, against the volume before; NaN for the first.
    rotation : degrees, against the first volume.
    """

    displacement: FloatArray
    framewise_displacement: FloatArray
    rotation: FloatArray


def of_mask(motion: Motion, mask: BoolArray, grid: Grid, n_scans: int) -> HeadMotion:
    """How far the voxels of a mask move, by what is known of the motion of a run.

    The parameters of a table turn the head about a centre that the table does not tell, and that realignment
    puts into the head: the centre of the mask stands for it.
    """
    unknown = np.full(n_scans, np.nan)
    framewise = unknown if motion.framewise is None else motion.framewise
    if motion.parameters is None:
        return HeadMotion(unknown, framewise, unknown)
    ends = outermost(mask)
    points = np.column_stack([ends, np.ones(len(ends))]) @ grid.affine[:3].T
    moves = rigid_motion(motion.parameters[:, :3], motion.parameters[:, 3:])
    if motion.source == TABLE:
        points = points - (np.argwhere(mask).mean(axis=0) @ grid.affine[:3, :3].T + grid.affine[:3, 3])
    return HeadMotion(displacements(moves, points), framewise, rotation_angles(moves))


def outermost(mask: BoolArray) -> npt.NDArray[np.int64]:
    """Voxels (k, 3) of a mask that are first or last along x, along y and along z: its hull is among them."""
    ends = mask.copy()
    for axis in range(3):
        first = np.cumsum(mask, axis=axis) == 1
        last = np.flip(np.cumsum(np.flip(mask, axis), axis=axis), axis) == 1
        ends &= first | last
    return np.argwhere(ends)


def displacements(moves: FloatArray, points: FloatArray) -> FloatArray:
    """Largest displacement of any point against the first volume, (n,), mm.

    Parameters
    ----------
    moves : (n, 4, 4), :func:`rigid_motion` of each volume against the space of the points.
    points : (k, 3), mm. A displacement is convex in the point: those on the hull of a brain stand for all.

    Notes
    -----
    A volume's affine takes the tissue to its place x in the common space, so x was scanned at M^-1 x.
    """
    inverse = np.linalg.inv(moves)
    relative = inverse - inverse[0]
    largest = np.empty(len(moves))
    for scan, matrix in enumerate(relative):
        moved = points @ matrix[:3, :3].T + matrix[:3, 3]
        largest[scan] = np.sqrt(np.einsum("ki,ki->k", moved, moved).max())
    return largest


def rotation_angles(moves: FloatArray) -> FloatArray:
    """Angle (degrees) of the rotation of each volume against the first, about whatever axis, (n,).

    |R - 1| = 2 sqrt(2) sin(angle / 2) in the Frobenius norm, which is exact for small angles too.
    """
    relative = moves[:, :3, :3] @ moves[0, :3, :3].T
    size = np.linalg.norm(relative - np.eye(3), axis=(1, 2)) / (2 * np.sqrt(2))
    angles: FloatArray = np.degrees(2 * np.arcsin(np.clip(size, 0, 1)))
    return angles
