"""Images on other grids, for pictures: nearest neighbour or linear, 0 outside.

numpy alone, which is loaded for the images already: scipy's import would take longer than the sampling.
"""

from __future__ import annotations

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import SpatialImage as Image

from firstlevel.arrays import Float32Array, FloatArray

PARALLEL = 1e-3
"""Entries of an affine, mm per voxel, that are 0 to the eye: a voxel in a thousand."""
RIM = 1e-4
"""Voxels outside of the outermost centres that rounding may put a point."""
BLOCK = 32_768
"""Points that are sampled at a time."""


def like(image: Image, values: npt.NDArray[np.float32]) -> Image:
    """Other values on the grid of an image."""
    return nib.Nifti1Image(values.astype(np.float32), image.affine)


def finite(image: Image) -> Float32Array:
    """Values of a 3D image, (nx, ny, nz), 0 where they are not finite."""
    values = np.asarray(image.dataobj, dtype=np.float32).reshape(image.shape[:3])
    return np.where(np.isfinite(values), values, np.float32(0))


def is_oblique(affine: FloatArray) -> bool:
    """Whether voxel axes are not along x, y and z of the space."""
    along = np.abs(affine[:3, :3]) > PARALLEL
    return bool(np.any(np.count_nonzero(along, axis=0) > 1))


def ordered(image: Image) -> Image:
    """Image whose voxel axes are along x, y and z, with these ascending: a plain grid of the same voxels."""
    values, axes = finite(image), image.affine[:3, :3]
    order = np.argmax(np.abs(axes), axis=1)  # the voxel axis along each of x, y, z
    steps = axes[np.arange(3), order]
    start = image.affine[:3, 3] + np.where(steps < 0, steps * (np.array(values.shape)[order] - 1), 0.0)
    values = np.transpose(values, order)[tuple(slice(None, None, int(np.sign(step))) for step in steps)]
    return nib.Nifti1Image(
        np.ascontiguousarray(values), nib.affines.from_matvec(np.diag(np.abs(steps)), start)
    )


def sampled(image: Image, affine: FloatArray, shape: tuple[int, ...], *, linear: bool) -> Image:
    """Image on the grid of an affine and a shape, nearest neighbour or linear between centres of voxels."""
    return nib.Nifti1Image(values_on(finite(image), image.affine, affine, shape, linear=linear), affine)


def values_on(
    values: Float32Array, own: FloatArray, affine: FloatArray, shape: tuple[int, ...], *, linear: bool
) -> Float32Array:
    """Values (nx, ny, nz) on a grid of affine `own`, sampled on that of another affine and a shape."""
    onto = np.linalg.inv(own) @ affine
    matrix, start = onto[:3, :3], onto[:3, 3]
    longest = np.array(shape)[None, :] * np.abs(matrix)  # how far a whole axis goes along each voxel axis
    parallel = np.all(np.count_nonzero(longest > PARALLEL, axis=1) <= 1)
    new = (_along_axes if parallel else _anywhere)(values, matrix, start, shape, linear)
    return new.astype(np.float32, copy=False)


def _along_axes(
    values: Float32Array, matrix: FloatArray, start: FloatArray, shape: tuple[int, ...], linear: bool
) -> Float32Array:
    """Sample each axis by itself, where the grids are parallel."""
    order = np.argmax(np.abs(matrix), axis=1)  # the axis of the new grid along each axis of the old
    for axis in np.argsort([shape[new] for new in order], kind="stable"):  # of one slice, the rest is little
        new = order[axis]
        places = start[axis] + matrix[axis, new] * np.arange(shape[new])
        values = _along(values, axis, places, linear)
    return np.transpose(values, np.argsort(order))


def _along(values: Float32Array, axis: int, places: FloatArray, linear: bool) -> Float32Array:
    """Sample one axis at places in voxels; a voxel ends half way to the next, linear at the centre."""
    last = values.shape[axis] - 1
    beyond = RIM if linear else 0.5
    there = (places > -beyond) & (places < last + beyond)
    places = np.clip(places, 0, last)
    shape = [1, 1, 1]
    shape[axis] = -1
    if linear:
        low = np.minimum(np.floor(places), max(last - 1, 0)).astype(int)
        share = (places - low).astype(np.float32).reshape(shape)
        first, second = (np.take(values, np.minimum(k, last), axis) for k in (low, low + 1))
        new = first + share * (second - first)
    else:
        new = np.take(values, np.floor(places + 0.5).astype(int), axis)
    return np.where(there.reshape(shape), new, np.float32(0))


def _anywhere(
    values: Float32Array, matrix: FloatArray, start: FloatArray, shape: tuple[int, ...], linear: bool
) -> Float32Array:
    """Sample all axes at once, where the grids are not parallel, in blocks that the processor keeps near."""
    beyond, last = RIM if linear else 0.5, np.array(values.shape) - 1
    if linear:  # the last voxel has itself as its next
        values = np.pad(values, ((0, 1), (0, 1), (0, 1)), mode="edge")
    flat, steps = values.ravel(), (values.shape[1] * values.shape[2], values.shape[2], 1)
    over = matrix[:, 1, None, None] * np.arange(shape[1])[:, None] + matrix[:, 2, None, None] * np.arange(
        shape[2]
    )
    new = np.empty(shape, np.float32)
    n_rows = max(BLOCK // (shape[1] * shape[2]), 1)
    for first in range(0, shape[0], n_rows):
        rows = np.arange(first, min(first + n_rows, shape[0]))
        there, at, shares = np.ones((), bool), np.zeros((), np.intp), []
        for axis in range(3):
            places = (start[axis] + matrix[axis, 0] * rows)[:, None, None] + over[axis]
            there = there & (places > -beyond) & (places < last[axis] + beyond)
            np.clip(places, 0, last[axis], out=places)
            low = (places if linear else places + 0.5).astype(np.intp)
            at = at + steps[axis] * low
            if linear:
                shares.append((places - low).astype(np.float32))
        new[rows] = np.where(there, _between(flat, at, steps, shares) if linear else flat[at], 0)
    return new


def _between(
    flat: Float32Array, at: npt.NDArray[np.intp], steps: tuple[int, ...], shares: list[Float32Array]
) -> Float32Array:
    """Linear between neighbours: the lowest, steps to the next along each axis, shares of the way there."""
    if not shares:
        return flat[at]
    low = _between(flat, at, steps[1:], shares[1:])
    return low + shares[0] * (_between(flat, at + steps[0], steps[1:], shares[1:]) - low)
