"""Maps between voxel indices of two grids, and the rules for which grids count as one.

Arrays only, numpy only.
"""

from __future__ import annotations

import numpy as np

from firstlevel.arrays import FloatArray

SAME = 0.01
"""Voxels; grids whose voxels lie less far apart are one. Headers round to some thousandths of a millimetre;
a shift by so much changes a value by at most a hundredth of the step to its neighbour."""
RIM = 1e-3
"""Voxels; a face of one grid that lies outside of a face of the other by no more lies on it: rounding."""
CORNERS = np.indices((2, 2, 2)).reshape(3, 8)
"""Of a grid, in units of its sides."""
HALF = 0.5
"""Voxels from the centre of a slice to its face."""


def same_grid(
    shape: tuple[int, ...], affine: FloatArray, other_shape: tuple[int, ...], other: FloatArray
) -> bool:
    """Whether two grids are one: equal shape, and each voxel within a hundredth of a voxel of the other's."""
    return shape == other_shape and displacement(voxel_map(affine, other), shape) < SAME


def displacement(mapping: FloatArray, shape: tuple[int, ...]) -> float:
    """Largest distance between the same voxel of two grids of one shape, in voxels along any axis.

    `mapping` is a :func:`voxel_map`; it is affine, so that the distance is largest at a corner.
    """
    corners = CORNERS * (np.array(shape)[:, np.newaxis] - 1)
    return float(np.abs((mapping[:3, :3] - np.eye(3)) @ corners + mapping[:3, 3:]).max())


def rims(mapping: FloatArray, shape: tuple[int, ...], source: tuple[int, ...]) -> FloatArray:
    """Margin outside the outermost voxels in which a point takes their value, in voxels along each axis.

    A hundredth where the grids are the same. Otherwise a thousandth along the axes whose faces are parallel
    to faces of the new grid, where rounding would cost a whole slice. Faces that motion has turned meet in
    single voxels, and those stay 0, as in nilearn.

    Parameters
    ----------
    mapping, shape : those of :func:`firstlevel.image.resampling.resample`.
    source : shape of the volume.
    """
    if shape == source and displacement(mapping, shape) < SAME:
        return np.full(3, SAME)
    along = np.abs(mapping[:3, :3]).argmax(axis=1)
    reach = np.abs(mapping[:3, :3]) * (np.array(shape) - 1)
    reach[np.arange(3), along] = 0.0
    return np.where(reach.sum(axis=1) <= RIM, RIM, 0.0)


def equal_affines(affine: FloatArray, other: FloatArray) -> bool:
    """Whether nilearn takes two affines as equal, and so does not resample."""
    return bool((np.abs(affine - other) <= 1e-8 + 1e-5 * np.abs(other)).all())  # np.allclose, in a tenth


def voxel_map(affine: FloatArray, target: FloatArray) -> FloatArray:
    """Affine (4, 4) from voxel indices of the `target` grid to those of the grid with `affine`."""
    mapping: FloatArray = np.linalg.inv(affine) @ target
    return mapping
