"""Cubic B-spline interpolation of a volume on another grid, the arithmetic of ``scipy.ndimage``.

Same result as ``scipy.ndimage.affine_transform(volume, matrix, offset, order=3)``, in a kernel compiled
for this one case: order 3, three axes, zero outside of the volume, single precision. It releases the
interpreter lock, so that threads work on different volumes. Knows arrays only.

A volume of shape (nx, ny, nz) is held as files hold it, x fastest: arrays here are [z, y, x], while
coordinates, matrices and offsets stay in the order x, y, z.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
from scipy.ndimage import spline_filter

Float32Array = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]


def same_grid(
    shape: tuple[int, ...], affine: FloatArray, other_shape: tuple[int, ...], other: FloatArray
) -> bool:
    """Whether two grids are one: equal shape and affines that `np.allclose` takes as equal."""
    return shape == other_shape and bool(np.allclose(affine, other, rtol=1e-5, atol=1e-8))


def voxel_map(affine: FloatArray, target: FloatArray) -> FloatArray:
    """Affine (4, 4) from voxel indices of the `target` grid to those of the grid with `affine`."""
    mapping: FloatArray = np.linalg.inv(affine) @ target
    return mapping


def resample(volume: Float32Array, mapping: FloatArray, shape: tuple[int, int, int]) -> Float32Array:
    """Interpolate a volume at the voxels of another grid.

    Parameters
    ----------
    volume : [z, y, x], finite, each axis at least 2 long.
    mapping : (4, 4), from voxel indices of the new grid to those of `volume`; see :func:`voxel_map`.
    shape : (nx, ny, nz) of the new grid.

    Returns
    -------
    [z, y, x] on the new grid, 0 where the point lies outside of the centres of the outermost voxels.
    """
    coefficients = spline_filter(volume, order=3, output=np.float32, mode="mirror")
    out = np.empty(shape[::-1], dtype=np.float32)
    _interpolate(coefficients, mapping[:3, :3].copy(), mapping[:3, 3].copy(), out)
    return out


def count_outside(mapping: FloatArray, shape: tuple[int, int, int], source: tuple[int, int, int]) -> int:
    """Voxels of a grid of `shape` whose points lie outside of a volume of shape `source`."""
    return int(_count_outside(mapping[:3, :3].copy(), mapping[:3, 3].copy(), shape, source))


@numba.njit(cache=True, nogil=True, inline="always")
def _weights(fraction):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Cubic B-spline at the four knots around a point, `fraction` past the second of them."""
    rest = 1.0 - fraction
    w0 = rest * rest * rest / 6.0
    w1 = (fraction * fraction * (fraction - 2.0) * 3.0 + 4.0) / 6.0
    w2 = (rest * rest * (rest - 2.0) * 3.0 + 4.0) / 6.0
    return np.float32(w0), np.float32(w1), np.float32(w2), np.float32(1.0 - w0 - w1 - w2)


@numba.njit(cache=True, nogil=True, inline="always")
def _mirror(index, size):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Index into an axis that is mirrored about its outermost samples."""
    if index < 0:
        return -index
    if index >= size:
        return 2 * size - 2 - index
    return index


@numba.njit(cache=True, nogil=True)
def _interpolate(coefficients, matrix, offset, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    size_z, size_y, size_x = coefficients.shape
    for k in range(out.shape[0]):
        for j in range(out.shape[1]):
            for i in range(out.shape[2]):
                x = matrix[0, 0] * i + matrix[0, 1] * j + matrix[0, 2] * k + offset[0]
                y = matrix[1, 0] * i + matrix[1, 1] * j + matrix[1, 2] * k + offset[1]
                z = matrix[2, 0] * i + matrix[2, 1] * j + matrix[2, 2] * k + offset[2]
                if not (0 <= x <= size_x - 1 and 0 <= y <= size_y - 1 and 0 <= z <= size_z - 1):
                    out[k, j, i] = 0.0
                    continue
                x0, y0, z0 = int(x), int(y), int(z)
                wx = _weights(x - x0)
                wy = _weights(y - y0)
                wz = _weights(z - z0)
                value = np.float32(0.0)
                if 1 <= x0 < size_x - 2 and 1 <= y0 < size_y - 2 and 1 <= z0 < size_z - 2:
                    for c in range(4):
                        for b in range(4):
                            line = coefficients[z0 + c - 1, y0 + b - 1]
                            value += (wz[c] * wy[b]) * (
                                wx[0] * line[x0 - 1]
                                + wx[1] * line[x0]
                                + wx[2] * line[x0 + 1]
                                + wx[3] * line[x0 + 2]
                            )
                else:
                    for c in range(4):
                        for b in range(4):
                            line = coefficients[_mirror(z0 + c - 1, size_z), _mirror(y0 + b - 1, size_y)]
                            for a in range(4):
                                value += wz[c] * wy[b] * wx[a] * line[_mirror(x0 + a - 1, size_x)]
                out[k, j, i] = value


@numba.njit(cache=True, nogil=True)
def _count_outside(matrix, offset, shape, source):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    count = 0
    for k in range(shape[2]):
        for j in range(shape[1]):
            for i in range(shape[0]):
                inside = True
                for axis in range(3):
                    at = matrix[axis, 0] * i + matrix[axis, 1] * j + matrix[axis, 2] * k + offset[axis]
                    inside = inside and 0 <= at <= source[axis] - 1
                count += not inside
    return count
