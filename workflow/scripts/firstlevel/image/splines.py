"""Compiled kernels of :mod:`firstlevel.image.resampling`: cubic B-spline interpolation and its coverage.

They release the interpreter lock, so that threads work on different volumes. Arrays are [z, y, x], while
coordinates, matrices and offsets are in the order x, y, z. Slices are filled by loops: numba's assignment to
a slice has messages of errors that take four seconds to compile.
"""

from __future__ import annotations

import numpy as np

from firstlevel.compiled import kernel
from firstlevel.image.alignment import HALF

POLE = np.float32(np.sqrt(3.0) - 2.0)
"""Pole of the recursive filter that turns samples into cubic B-spline coefficients (Unser 1999)."""
GAIN = np.float32(6.0)
SIXTH = np.float32(1.0 / 6.0)
TWO, THREE, FOUR, ONE = (np.float32(value) for value in (2, 3, 4, 1))
VECTOR = 8
"""Values that stretches of points are rounded up to, so that vector instructions leave no rest."""
PIECE = 64
"""Points of a row whose weights are computed at a time."""
LINE = PIECE + VECTOR
"""Of the work array, which has lines for 4 weights along each of 3 axes, and one for the sums."""
OUTSIDE = -1
"""In place of a knot, where a point lies outside."""


@kernel
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


@kernel
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


@kernel
def interpolate(coefficients, matrix, offset, rim, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Sum of the 64 coefficients around each point, a piece of a row of points at a time.

    Volumes hardly turn against each other, so along a row the knots advance with the points for many points
    on end: such a stretch reads contiguous coefficients, and its sums are vector instructions.
    """
    height, width = coefficients.shape[1] + 3, coefficients.shape[2] + 3
    mirrored = _mirrored(coefficients)
    n_points = out.shape[2]
    knot = np.empty((3, PIECE), dtype=np.int32)
    work = np.zeros(13 * LINE, dtype=np.float32)
    for k in range(out.shape[0]):
        for j in range(out.shape[1]):
            for begin in range(0, n_points, PIECE):
                n = min(PIECE, n_points - begin)
                for axis in range(3):
                    size = coefficients.shape[2 - axis]
                    knots = knot[axis, :n]
                    _find_knots(matrix[axis], offset[axis], begin, j, k, size, rim[axis], knots, work, axis)
                start = np.int64(0)  # of a plain 0, numba would compile what it is given to once more
                while start < n:
                    x, y, z = knot[0, start], knot[1, start], knot[2, start]
                    stop = start + 1
                    if x == OUTSIDE or y == OUTSIDE or z == OUTSIDE:
                        work[12 * LINE + start] = 0.0
                    else:
                        while (
                            stop < n
                            and knot[0, stop] == x + stop - start
                            and knot[1, stop] == y
                            and knot[2, stop] == z
                        ):
                            stop += 1
                        line = (z * height + y) * width + x - start
                        _sum_stretch(mirrored, line, width, height * width, work, start, stop)
                    start = stop
                for i in range(n):
                    out[k, j, begin + i] = work[12 * LINE + i]


@kernel
def _mirrored(coefficients):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Coefficients, flat, with a layer before and two behind along each axis, and a vector at the end."""
    size_z, size_y, size_x = coefficients.shape
    height, width = size_y + 3, size_x + 3
    flat = np.zeros((size_z + 3) * height * width + VECTOR, dtype=np.float32)
    for k in range(size_z + 3):
        z = _mirror(k - 1, size_z)
        for j in range(height):
            line = coefficients[z, _mirror(j - 1, size_y)]
            begin = (k * height + j) * width + 1
            for i in range(size_x):
                flat[begin + i] = line[i]
            for i in (-1, size_x, size_x + 1):
                flat[begin + i] = line[_mirror(i, size_x)]
    return flat


@kernel
def _settled(at, size, rim):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Where a point lies along one axis of the source, put inside where it is as good as inside."""
    if size == 1:
        return 0.0 if abs(at) <= HALF + rim else -1.0
    if -rim <= at < 0.0:
        return 0.0
    if size - 1 < at <= size - 1 + rim:
        return size - 1.0
    return at


@kernel
def _find_knots(row, offset, begin, j, k, size, rim, knots, work, axis):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Knot below each point of a piece along one axis, or that the point is outside, and its four weights.

    Weights are the cubic B-spline at the knots -1, 0, 1 and 2 from that one.
    """
    before, next_line = np.uint64(axis * LINE), np.uint64(3 * LINE)
    below, above, behind = before + next_line, before + next_line + next_line, before + np.uint64(9 * LINE)
    for i in range(knots.size):
        at = row[0] * (begin + i) + row[1] * j + row[2] * k + offset
        if rim > 0 or size == 1:
            at = _settled(at, size, rim)
        floor = np.floor(at)
        knots[i] = np.int32(floor) if 0 <= at <= size - 1 else np.int32(OUTSIDE)
        work[behind + np.uint64(i)] = np.float32(at - floor)
    for i in range(np.uint64(knots.size)):
        past = work[behind + i]
        rest = ONE - past
        work[before + i] = rest * rest * rest * SIXTH
        work[below + i] = (past * past * (past - TWO) * THREE + FOUR) * SIXTH
        work[above + i] = (rest * rest * (rest - TWO) * THREE + FOUR) * SIXTH
        work[behind + i] = past * past * past * SIXTH


@kernel
def _sum_stretch(flat, line, width, area, work, start, stop):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Sums of the points from `start` to `stop` of a piece, whose knots advance with them.

    `line` is where the coefficients of point 0 would begin. Whole vectors are computed: what they leave
    behind `stop` is no result, and the points there come next. Vector instructions need proof that nothing
    overlaps: unsigned indices spare the test for negative ones, and weights and sums at fixed distances from
    each other most tests that each stretch would begin with.
    """
    first, next_row, next_plane = np.uint64(line), np.uint64(width), np.uint64(area)
    one, two, three, vector = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(VECTOR)
    y, z, next_line, sums = np.uint64(LINE), np.uint64(2 * LINE), np.uint64(3 * LINE), np.uint64(12 * LINE)
    x2, x3 = next_line + next_line, next_line + next_line + next_line
    begin = np.uint64(start)
    for past_begin in range((np.uint64(stop) - begin + vector - one) // vector * vector):
        i = begin + past_begin
        xa, xb, xc, xd = work[i], work[i + next_line], work[i + x2], work[i + x3]
        ya, yb, yc, yd = work[i + y], work[i + y + next_line], work[i + y + x2], work[i + y + x3]
        total = np.float32(0.0)
        for plane in range(np.uint64(4)):
            a = first + i + plane * next_plane
            b = a + next_row
            c = b + next_row
            d = c + next_row
            s0 = ya * flat[a] + yb * flat[b] + yc * flat[c] + yd * flat[d]
            s1 = ya * flat[a + one] + yb * flat[b + one] + yc * flat[c + one] + yd * flat[d + one]
            s2 = ya * flat[a + two] + yb * flat[b + two] + yc * flat[c + two] + yd * flat[d + two]
            s3 = ya * flat[a + three] + yb * flat[b + three] + yc * flat[c + three] + yd * flat[d + three]
            total += work[i + z + plane * next_line] * (xa * s0 + xb * s1 + xc * s2 + xd * s3)
        work[i + sums] = total


@kernel
def _mirror(index, size):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Index into an axis that is mirrored about its outermost samples."""
    if size == 1:
        return 0
    if index < 0:
        return -index
    if index >= size:
        return 2 * size - 2 - index
    return index


@kernel
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


@kernel
def _is_inside(matrix, offset, source, rim, i, j, k):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Whether a voxel's point lies within the source, or as good as that."""
    inside = True
    for axis in range(3):
        at = matrix[axis, 0] * i + matrix[axis, 1] * j + matrix[axis, 2] * k + offset[axis]
        if rim[axis] > 0 or source[axis] == 1:
            at = _settled(at, source[axis], rim[axis])
        inside = inside and 0 <= at <= source[axis] - 1
    return inside


@kernel
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
