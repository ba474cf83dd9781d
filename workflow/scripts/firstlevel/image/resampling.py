"""Cubic B-spline interpolation of a volume on another grid, the arithmetic of ``scipy.ndimage``.

Same result as ``scipy.ndimage.affine_transform(volume, matrix, offset, order=3)``, in kernels compiled
for this one case: order 3, three axes, zero outside of the volume, single precision. They release the
interpreter lock, so that threads work on different volumes. Knows arrays only.

Two things scipy does otherwise. A point that rounding puts just outside of the outermost voxels takes the
value at the rim. And an axis of one voxel is not interpolated: what lies within half a voxel takes its value.

A volume of shape (nx, ny, nz) is held as files hold it, x fastest: arrays here are [z, y, x], while
coordinates, matrices and offsets stay in the order x, y, z.
"""

from __future__ import annotations

import numpy as np

from firstlevel.arrays import Float32Array, FloatArray, UInt8Array
from firstlevel.image.alignment import rims
from firstlevel.image.splines import carry_coverage, count_points_outside, interpolate, to_coefficients


def resample(volume: Float32Array, mapping: FloatArray, shape: tuple[int, int, int]) -> Float32Array:
    """Interpolate a volume at the voxels of another grid.

    Parameters
    ----------
    volume : [z, y, x], finite. An axis of one voxel is not interpolated.
    mapping : (4, 4), from voxel indices of the new grid to those of `volume`, as
        :func:`firstlevel.image.alignment.voxel_map` gives it.
    shape : (nx, ny, nz) of the new grid.

    Returns
    -------
    [z, y, x] on the new grid, 0 where the point lies outside: beyond the centres of the outermost voxels and
    their :func:`firstlevel.image.alignment.rims`, of an axis of one voxel beyond its faces.
    """
    coefficients = volume.copy()
    to_coefficients(coefficients)
    out = np.empty(shape[::-1], dtype=np.float32)
    rim = rims(mapping, shape, volume.shape[::-1])
    interpolate(coefficients, mapping[:3, :3].copy(), mapping[:3, 3].copy(), rim, out)
    return out


def count_outside(
    mapping: FloatArray,
    shape: tuple[int, int, int],
    source: tuple[int, int, int],
    covered: UInt8Array | None = None,
) -> int:
    """Voxels of a grid of `shape` whose points lie outside of a volume of shape `source`, as it is resampled.

    `covered`, [z, y, x] of that grid, becomes 0 at these voxels: shared by the volumes of a run, it keeps a 1
    where all of them cover the voxel.
    """
    if covered is None:
        covered = np.ones(shape[::-1], dtype=np.uint8)
    rim = rims(mapping, shape, source)
    return int(count_points_outside(mapping[:3, :3].copy(), mapping[:3, 3].copy(), source, rim, covered))


def carried_coverage(covered: UInt8Array, mapping: FloatArray, shape: tuple[int, int, int]) -> UInt8Array:
    """Coverage of a further grid, [z, y, x], where volumes with the coverage `covered` are resampled to it.

    1 where the point lies inside and each of the 64 voxels around it, whose coefficients interpolation sums
    up, is covered. `mapping` and `shape` are those of :func:`resample`.
    """
    carried = np.empty(shape[::-1], dtype=np.uint8)
    rim = rims(mapping, shape, covered.shape[::-1])
    carry_coverage(covered, mapping[:3, :3].copy(), mapping[:3, 3].copy(), rim, carried)
    return carried
