"""Compiled kernels of :mod:`firstlevel.image.resampling`: cubic B-spline interpolation and its coverage.

They release the interpreter lock, so that threads work on different volumes. Arrays are [z, y, x], while
coordinates, matrices and offsets are in the order x, y, z.
"""

from __future__ import annotations

import numba
import numpy as np

from firstlevel.image.alignment import HALF

POLE = np.float32(np.sqrt(3.0) - 2.0)
"""Pole of the recursive filter that turns samples into cubic B-spline coefficients (Unser 1999)."""
GAIN = np.float32(6.0)
SIXTH = np.float32(1.0 / 6.0)
TWO, THREE, FOUR, ONE = (np.float32(value) for value in (2, 3, 4, 1))


def _finds_a_cache() -> bool:
    """Whether numba has a folder to keep compiled kernels in, in the checkout or in the user's cache."""
    try:
        numba.njit(cache=True)(_finds_a_cache)
    except RuntimeError:
        return False
    return True


IS_CACHED = _finds_a_cache()
_compiled = numba.njit(cache=IS_CACHED, nogil=True)


@_compiled
def to_coefficients(volume):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
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


@_compiled
def _filter(lines):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Filter each column of [n, m] forth and back; the inner loops run over columns, which are contiguous."""
    n, m = lines.shape
    if n == 1:
        return
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


@_compiled
def interpolate(coefficients, matrix, offset, rim, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Sum of the 64 coefficients around each point, a row of points at a time.

    Volumes hardly turn against each other, so along a row the knots advance with the points for many points
    on end: such a stretch reads contiguous coefficients, and its sums are vector instructions.
    """
    size_z, size_y, size_x = coefficients.shape
    flat = coefficients.reshape(coefficients.size)
    n_points = out.shape[2]
    at = np.empty((3, n_points))
    knot = np.empty((3, n_points), dtype=np.int32)
    weight = np.empty((3, 4, n_points), dtype=np.float32)
    flat_weight = weight.reshape(weight.size)
    for k in range(out.shape[0]):
        for j in range(out.shape[1]):
            for axis in range(3):
                size = coefficients.shape[2 - axis]
                for i in range(n_points):
                    at[axis, i] = (
                        matrix[axis, 0] * i + matrix[axis, 1] * j + matrix[axis, 2] * k + offset[axis]
                    )
                if rim[axis] > 0 or size == 1:
                    for i in range(n_points):
                        at[axis, i] = _settled(at[axis, i], size, rim[axis])
                _knots_and_weights(at[axis], knot[axis], weight[axis])
            row = out[k, j]
            row[:] = 0.0
            start = 0
            while start < n_points:
                x, y, z = knot[0, start], knot[1, start], knot[2, start]
                stop = start + 1
                if 0 < x < size_x - 2 and 0 < y < size_y - 2 and 0 < z < size_z - 2:
                    while (
                        stop < n_points
                        and knot[0, stop] == x + stop - start
                        and knot[0, stop] < size_x - 2
                        and knot[1, stop] == y
                        and knot[2, stop] == z
                    ):
                        stop += 1
                    for c in range(4):
                        line = ((z + c - 1) * size_y + y - 1) * size_x + x - 1 - start
                        _add_stretch(flat, line, size_x, flat_weight, c, n_points, start, stop, row)
                elif (
                    0 <= at[0, start] <= size_x - 1
                    and 0 <= at[1, start] <= size_y - 1
                    and 0 <= at[2, start] <= size_z - 1
                ):
                    row[start] = _at_rim(coefficients, x, y, z, weight[:, :, start])
                start = stop


@_compiled
def _settled(at, size, rim):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Where a point lies along one axis of the source, put inside where it is as good as inside."""
    if size == 1:
        return 0.0 if abs(at) <= HALF + rim else -1.0
    if -rim <= at < 0.0:
        return 0.0
    if size - 1 < at <= size - 1 + rim:
        return size - 1.0
    return at


@_compiled
def _add_stretch(flat, line, size_x, weight, c, n_points, start, stop, row):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Add what the four lines of plane `c` give to the points from `start` to `stop` of a row.

    `line` is where the coefficients of point 0 would begin. Unsigned indices spare the test for negative
    ones, one array of weights the tests for overlap: both would keep the loop from vector instructions.
    """
    m = np.uint64(n_points)
    x1, x2, x3, y0 = m, m + m, m + m + m, m + m + m + m
    y1, y2, y3 = y0 + x1, y0 + x2, y0 + x3
    plane, first, width = np.uint64(8 + c) * m, np.uint64(line), np.uint64(size_x)
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    for i in range(np.uint64(start), np.uint64(stop)):
        a = first + i
        b = a + width
        c0 = b + width
        d = c0 + width
        wa, wb, wc, wd = weight[y0 + i], weight[y1 + i], weight[y2 + i], weight[y3 + i]
        s0 = wa * flat[a] + wb * flat[b] + wc * flat[c0] + wd * flat[d]
        s1 = wa * flat[a + one] + wb * flat[b + one] + wc * flat[c0 + one] + wd * flat[d + one]
        s2 = wa * flat[a + two] + wb * flat[b + two] + wc * flat[c0 + two] + wd * flat[d + two]
        s3 = wa * flat[a + three] + wb * flat[b + three] + wc * flat[c0 + three] + wd * flat[d + three]
        along = weight[i] * s0 + weight[x1 + i] * s1 + weight[x2 + i] * s2 + weight[x3 + i] * s3
        row[i] += weight[plane + i] * along


@_compiled
def _at_rim(coefficients, x, y, z, weight):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Sum around one point next to the rim, where coefficients are mirrored; `weight` is (3, 4)."""
    size_z, size_y, size_x = coefficients.shape
    value = np.float32(0.0)
    for c in range(4):
        for b in range(4):
            for a in range(4):
                coefficient = coefficients[
                    _mirror(z + c - 1, size_z), _mirror(y + b - 1, size_y), _mirror(x + a - 1, size_x)
                ]
                value += weight[2, c] * weight[1, b] * weight[0, a] * coefficient
    return value


@_compiled
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


@_compiled
def _mirror(index, size):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Index into an axis that is mirrored about its outermost samples."""
    if size == 1:
        return 0
    if index < 0:
        return -index
    if index >= size:
        return 2 * size - 2 - index
    return index


@_compiled
def count_points_outside(matrix, offset, source, rim, covered):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Count and clear voxels outside: what is inside of a row is one stretch, so from both ends inwards."""
    count = 0
    size_z, size_y, size_x = covered.shape
    for k in range(size_z):
        for j in range(size_y):
            start, stop = 0, size_x
            while start < stop and not _is_inside(matrix, offset, source, rim, start, j, k):
                covered[k, j, start] = 0
                start += 1
            while stop > start and not _is_inside(matrix, offset, source, rim, stop - 1, j, k):
                stop -= 1
                covered[k, j, stop] = 0
            count += size_x - (stop - start)
    return count


@_compiled
def _is_inside(matrix, offset, source, rim, i, j, k):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Whether a voxel's point lies within the source, or as good as that."""
    inside = True
    for axis in range(3):
        at = matrix[axis, 0] * i + matrix[axis, 1] * j + matrix[axis, 2] * k + offset[axis]
        if rim[axis] > 0 or source[axis] == 1:
            at = _settled(at, source[axis], rim[axis])
        inside = inside and 0 <= at <= source[axis] - 1
    return inside


@_compiled
def carry_coverage(covered, matrix, offset, rim, carried):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Put 1 where the 64 coefficients around a point are all of covered voxels, 0 elsewhere."""
    size_z, size_y, size_x = covered.shape
    knot = np.empty(3, dtype=np.int64)
    for k in range(carried.shape[0]):
        for j in range(carried.shape[1]):
            for i in range(carried.shape[2]):
                carried[k, j, i] = 0
                if not _is_inside(matrix, offset, (size_x, size_y, size_z), rim, i, j, k):
                    continue
                for axis in range(3):
                    at = matrix[axis, 0] * i + matrix[axis, 1] * j + matrix[axis, 2] * k + offset[axis]
                    at = _settled(at, covered.shape[2 - axis], rim[axis])
                    knot[axis] = np.int64(np.floor(at))
                all_covered = np.uint8(1)
                for c in range(-1, 3):
                    for b in range(-1, 3):
                        for a in range(-1, 3):
                            all_covered &= covered[
                                _mirror(knot[2] + c, size_z),
                                _mirror(knot[1] + b, size_y),
                                _mirror(knot[0] + a, size_x),
                            ]
                carried[k, j, i] = all_covered
