"""How far a head moves in a run, by rigid movements. Arrays only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import BoolArray, FloatArray


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
