"""Cubic B-spline interpolation of a volume on another grid, the arithmetic of ``scipy.ndimage``.

Same result as ``scipy.ndimage.affine_transform(volume, matrix, offset, order=3)``, in kernels compiled
for this one case: order 3, three axes, zero outside of the volume, single precision. They release the
interpreter lock, so that threads work on different volumes. Knows arrays only.

A volume of shape (nx, ny, nz) is held as files hold it, x fastest: arrays here are [z, y, x], while
coordinates, matrices and offsets stay in the order x, y, z.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]

POLE = np.float32(np.sqrt(3.0) - 2.0)
"""Pole of the recursive filter that turns samples into cubic B-spline coefficients (Unser 1999)."""
GAIN = np.float32(6.0)
SIXTH = np.float32(1.0 / 6.0)
TWO, THREE, FOUR, ONE = (np.float32(value) for value in (2, 3, 4, 1))


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
    coefficients = volume.copy()
    _to_coefficients(coefficients)
    out = np.empty(shape[::-1], dtype=np.float32)
    _interpolate(coefficients, mapping[:3, :3].copy(), mapping[:3, 3].copy(), out)
    return out


def count_outside(mapping: FloatArray, shape: tuple[int, int, int], source: tuple[int, int, int]) -> int:
    """Voxels of a grid of `shape` whose points lie outside of a volume of shape `source`."""
    return int(_count_outside(mapping[:3, :3].copy(), mapping[:3, 3].copy(), shape, source))


@numba.njit(cache=True, nogil=True)
def _to_coefficients(volume):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Spline coefficients of a volume, in place; samples are mirrored about the outermost."""
    size_z, size_y, size_x = volume.shape
    _filter(volume.reshape(size_z, size_y * size_x))
    turned = np.empty((size_x, size_y), dtype=np.float32)
    for k in range(size_z):
        _filter(volume[k])
        for j in range(size_y):
            for i in range(size_x):
                turned[i, j] = volume[k, j, i]
        _filter(turned)
        for j in range(size_y):
            for i in range(size_x):
                volume[k, j, i] = turned[i, j]


@numba.njit(cache=True, nogil=True)
def _filter(lines):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Filter each column of [n, m] forth and back; the inner loops run over columns, which are contiguous."""
    n, m = lines.shape
    # sum of pole^k over the mirrored samples; beyond 24 of them a term is below single precision
    start = np.empty(m, dtype=np.float32)
    for i in range(m):
        start[i] = lines[0, i]
    weight = ONE
    for k in range(1, 24):
        weight *= POLE
        source = k % (2 * n - 2)
        if source >= n:
            source = 2 * n - 2 - source
        for i in range(m):
            start[i] += weight * lines[source, i]
    for i in range(m):
        lines[0, i] = GAIN * start[i]
    for k in range(1, n):
        for i in range(m):
            lines[k, i] = GAIN * lines[k, i] + POLE * lines[k - 1, i]
    last = POLE / (POLE * POLE - ONE)
    for i in range(m):
        lines[n - 1, i] = last * (lines[n - 1, i] + POLE * lines[n - 2, i])
    for k in range(n - 2, -1, -1):
        for i in range(m):
            lines[k, i] = POLE * (lines[k + 1, i] - lines[k, i])


@numba.njit(cache=True, nogil=True)
def _interpolate(coefficients, matrix, offset, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Sum of 64 coefficients around each point; knots and weights of a row of points come first."""
    size_z, size_y, size_x = coefficients.shape
    flat = coefficients.reshape(coefficients.size)
    n_points = out.shape[2]
    at = np.empty((3, n_points))
    knot = np.empty((3, n_points), dtype=np.int32)
    weight = np.empty((3, 4, n_points), dtype=np.float32)
    for k in range(out.shape[0]):
        for j in range(out.shape[1]):
            for axis in range(3):
                for i in range(n_points):
                    at[axis, i] = (
                        matrix[axis, 0] * i + matrix[axis, 1] * j + matrix[axis, 2] * k + offset[axis]
                    )
                _knots_and_weights(at[axis], knot[axis], weight[axis])
            for i in range(n_points):
                inside = (
                    0 <= at[0, i] <= size_x - 1
                    and 0 <= at[1, i] <= size_y - 1
                    and 0 <= at[2, i] <= size_z - 1
                )
                if not inside:
                    out[k, j, i] = 0.0
                    continue
                x, y, z = knot[0, i], knot[1, i], knot[2, i]
                near_rim = not (0 < x < size_x - 2 and 0 < y < size_y - 2 and 0 < z < size_z - 2)
                s0 = s1 = s2 = s3 = np.float32(0.0)
                for c in range(4):
                    for b in range(4):
                        wzy = weight[2, c, i] * weight[1, b, i]
                        if near_rim:
                            line = (_mirror(z + c - 1, size_z) * size_y + _mirror(y + b - 1, size_y)) * size_x
                            s0 += wzy * flat[line + _mirror(x - 1, size_x)]
                            s1 += wzy * flat[line + x]
                            s2 += wzy * flat[line + _mirror(x + 1, size_x)]
                            s3 += wzy * flat[line + _mirror(x + 2, size_x)]
                        else:  # unsigned indices spare the check for negative ones
                            tap = np.uint64(((z + c - 1) * size_y + y + b - 1) * size_x + x - 1)
                            s0 += wzy * flat[tap]
                            s1 += wzy * flat[tap + np.uint64(1)]
                            s2 += wzy * flat[tap + np.uint64(2)]
                            s3 += wzy * flat[tap + np.uint64(3)]
                out[k, j, i] = (
                    weight[0, 0, i] * s0 + weight[0, 1, i] * s1 + weight[0, 2, i] * s2 + weight[0, 3, i] * s3
                )


@numba.njit(cache=True, nogil=True)
def _knots_and_weights(at, knot, weight):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Knot below each point, and the cubic B-spline at the knots -1, 0, 1 and 2 from it."""
    for i in range(at.size):
        below = np.floor(at[i])
        knot[i] = np.int32(below)
        past = np.float32(at[i] - below)
        rest = ONE - past
        weight[0, i] = rest * rest * rest * SIXTH
        weight[1, i] = (past * past * (past - TWO) * THREE + FOUR) * SIXTH
        weight[2, i] = (rest * rest * (rest - TWO) * THREE + FOUR) * SIXTH
        weight[3, i] = past * past * past * SIXTH


@numba.njit(cache=True, nogil=True)
def _mirror(index, size):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Index into an axis that is mirrored about its outermost samples."""
    if index < 0:
        return -index
    if index >= size:
        return 2 * size - 2 - index
    return index


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
