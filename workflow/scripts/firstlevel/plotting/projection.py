"""Maximum projection: the strongest value along each axis of the space, within the outline of the brain.

Every voxel that is shown anywhere is seen here, so nothing is missed between cuts. Voxels are put where their
centres are in mm, each as large as its sides: no sampling, which could step over one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from nibabel.spatialimages import SpatialImage as Image

from firstlevel.arrays import Float32Array, FloatArray
from firstlevel.plotting.sampling import finite

PLANES = {"x": (1, 2), "y": (0, 2), "z": (0, 1)}
"""Axes of the space across and up the projection along each axis."""
MARGIN = 4.0
"""mm around the brain."""
BRAIN, RIM = np.uint8(38), np.uint8(150)
"""Grey of what the brain covers, and of its outline."""


class Frame(NamedTuple):
    """Where projections of a map lie: pixels of 1 mm.

    Attributes
    ----------
    first : (3,), mm of the outermost faces of the first pixels.
    shape : (3,), number of pixels along x, y and z.
    outlines : by axis, (n up, n across): grey of the brain and its outline, row 0 is the lowest.
    """

    first: FloatArray
    shape: tuple[int, ...]
    outlines: dict[str, npt.NDArray[np.uint8]]


def frame(brain: Image) -> Frame:
    """Frame of the voxels of a map that are not 0; of all where there is none."""
    there = finite(brain) != 0
    if not there.any():
        there = np.ones_like(there)
    places, sides = _places(brain, there), _sides(brain)
    first = np.floor(places.min(axis=0) - sides / 2 - MARGIN)
    last = np.ceil(places.max(axis=0) + sides / 2 + MARGIN)
    shape = tuple(int(n) for n in last - first)
    blank = Frame(first, shape, {})
    filled = {
        axis: _spread(blank, places, sides, np.ones(len(places), np.float32), axis) > 0 for axis in PLANES
    }
    return blank._replace(outlines={axis: _outline(inside) for axis, inside in filled.items()})


def along(shown: Image, of: Frame, axis: str) -> Float32Array:
    """Projection of the values of an image that are not 0, each with its sign, (n up, n across)."""
    values = finite(shown)
    there = values != 0
    return _spread(of, _places(shown, there), _sides(shown), values[there], axis)


def _places(image: Image, there: npt.NDArray[np.bool_]) -> FloatArray:
    """Centres of voxels, (n, 3), in mm."""
    centres: FloatArray = apply_affine(image.affine, np.argwhere(there))
    return centres


def _sides(image: Image) -> FloatArray:
    """Sides of a voxel along x, y and z, (3,): of the voxel axis nearest to each."""
    axes = image.affine[:3, :3]
    lengths: FloatArray = np.linalg.norm(axes, axis=0)[np.argmax(np.abs(axes), axis=1)]
    return lengths


def _spread(
    of: Frame, places: FloatArray, sides: FloatArray, values: Float32Array, axis: str
) -> Float32Array:
    """Pixels that voxels cover, with the value of the largest magnitude of those that cover one."""
    across, up = PLANES[axis]
    pixels = np.zeros((of.shape[up], of.shape[across]), np.float32)
    order = np.argsort(np.abs(values), kind="stable")  # the last that is put somewhere stays
    covered = []
    for other in (up, across):
        low = places[order, other] - of.first[other] - sides[other] / 2
        offsets = np.arange(int(np.ceil(sides[other])))
        covered.append(np.clip(np.floor(low + 0.5)[:, None].astype(int) + offsets, 0, of.shape[other] - 1))
    rows, columns = covered
    pixels[rows[:, :, None], columns[:, None, :]] = values[order][:, None, None]
    return pixels


def _outline(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Grey of the brain, brighter at its rim."""
    around = np.pad(inside, 1)
    deep = around[2:, 1:-1] & around[:-2, 1:-1] & around[1:-1, 2:] & around[1:-1, :-2]
    return np.where(inside, np.where(deep, BRAIN, RIM), np.uint8(0)).astype(np.uint8)
