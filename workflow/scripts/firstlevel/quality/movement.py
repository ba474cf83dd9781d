"""How far the voxels of the mask moved in a run, of what is known of its motion."""

from __future__ import annotations

import numpy as np

from firstlevel.arrays import BoolArray, FloatArray
from firstlevel.image import motion
from firstlevel.image.rigid import rigid_motion
from firstlevel.io.grids import Grid
from firstlevel.quality.head_motion import displacements, outermost, rotation_angles


def of_mask(
    known: motion.Motion, inside: BoolArray, grid: Grid, n_scans: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Displacement, framewise displacement (mm) and rotation (degrees) of each volume; NaN where unknown.

    The parameters of a table turn the head about a centre that the table does not tell, and that realignment
    puts into the head: the centre of the mask stands for it.
    """
    nothing = np.full(n_scans, np.nan)
    framewise = nothing if known.framewise is None else known.framewise
    if known.parameters is None:
        return nothing, framewise, nothing
    ends = outermost(inside)
    points = np.column_stack([ends, np.ones(len(ends))]) @ grid.affine[:3].T
    moves = rigid_motion(known.parameters[:, :3], known.parameters[:, 3:])
    if known.source == motion.TABLE:
        points = points - (np.argwhere(inside).mean(axis=0) @ grid.affine[:3, :3].T + grid.affine[:3, 3])
    return displacements(moves, points), framewise, rotation_angles(moves)
