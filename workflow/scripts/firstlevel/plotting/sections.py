"""Cuts through a map: their grid, positions and size.

Images in, images and mm out. A plain grid has its voxel axes along x, y and z of the space, ascending.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import SpatialImage as Image

from firstlevel.arrays import Float32Array, FloatArray
from firstlevel.io import images
from firstlevel.plotting.sampling import finite, is_oblique, like, ordered, sampled
from firstlevel.stage import InputError

Cuts = list[float] | dict[str, list[float]]
INCHES_PER_MM = 1 / 55
MAX_WIDTH = 14.0  # inches
LARGE = 150.0  # mm, of the longest side: smaller brains and slabs are drawn as large, or texts cover them
MARGIN = 10.0  # mm shown around the brain
APART = 8.0  # mm at least between cuts through peaks, where there are not more cuts than fit
WIDER = 3  # times that a voxel gets from its neighbours, so that two that touch are no cluster yet
NEAR = 1e-3  # mm, of rounding
FINEST = 4  # parts into which a voxel of the map is cut for a background of smaller voxels, along each axis


def shown_over(source: Image, background: Image, signed: bool, *, whole: bool = True) -> tuple[Image, Image]:
    """A z map and its background :func:`on_plain_grid`, without the values below 0 of one without sign."""
    zmap, mean = on_plain_grid(source, background, whole=whole)
    return (zmap if signed else like(zmap, np.maximum(finite(zmap), 0))), mean


def on_plain_grid(zmap: Image, background: Image, *, whole: bool = True) -> tuple[Image, Image]:
    """Both images on one plain grid: the map's own, or a finer one where that is oblique.

    Not `whole`, they are :func:`cropped_to_brain`.

    The map is sampled by nearest neighbour and keeps its values, the background linearly. What is not finite
    becomes 0, and the background's brightest 0.5 % are cut off: they would leave the brain dark. A background
    of smaller voxels, such as a T1w, keeps its detail: its grid cuts each voxel of the map into whole parts.

    Raises
    ------
    InputError : what the background holds is not where the map is.
    """
    plain = zmap
    if is_oblique(zmap.affine):
        plain = on_finer_grid(zmap)
    plain = ordered(plain)
    if not whole:
        plain, _ = cropped_to_brain(plain, plain)
    brightness = finite(background)
    mean = like(background, np.clip(brightness, *np.percentile(brightness, [1, 99.5])))
    parts = _parts(np.diag(plain.affine)[:3], np.linalg.norm(background.affine[:3, :3], axis=0).min())
    finer = plain.affine @ np.diag([*(1 / parts), 1.0])
    finer[:3, 3] -= np.diag(plain.affine)[:3] * (1 - 1 / parts) / 2
    behind = sampled(mean, finer, tuple(int(n) for n in plain.shape * parts), linear=True)
    elsewhere = np.any(brightness) and not np.any(finite(cropped_to_brain(plain, behind)[1]))
    if np.any(finite(plain)) and elsewhere:
        raise InputError(
            str(background.get_filename()),
            "does not overlap with the map, so it cannot be the background",
            expected="an image in the space of the map, by the affine of its header",
            remedy="set figures.background: mean, or name another image",
        )
    return plain, behind


def on_finer_grid(image: Image) -> Image:
    """Nearest neighbours on a plain grid of half the smallest side of a voxel, around an oblique image."""
    step = float(np.linalg.norm(image.affine[:3, :3], axis=0).min()) / 2
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(image.shape[:3]) - 1)
    places = nib.affines.apply_affine(image.affine, corners)
    first, last = places.min(axis=0), places.max(axis=0)
    shape = tuple(int(n) for n in np.ceil((last - first) / step) + 1)
    return sampled(image, nib.affines.from_matvec(np.eye(3) * step, first), shape, linear=False)


def _parts(steps: FloatArray, own: float) -> FloatArray:
    """Parts of a voxel of sides `steps` (3,) that are about as large as the voxels of a background, `own`."""
    return np.clip(np.floor(steps / own + 0.25), 1, FINEST)


def cropped_to_brain(zmap: Image, mean: Image) -> tuple[Image, Image]:
    """Both images around the voxels where the map is not 0, with a margin; one of zeros is left whole.

    The second may be on a finer grid, which cuts each voxel of the map into whole parts.
    """
    ends = _ends(finite(zmap) != 0)
    if ends is None:
        return zmap, mean
    margin = np.ceil(MARGIN / np.linalg.norm(zmap.affine[:3, :3], axis=0)).astype(int)
    first, last = np.maximum(ends[0] - margin, 0), ends[1] + margin
    box = tuple(slice(start, stop + 1) for start, stop in zip(first, last, strict=True))
    parts = [fine // coarse for fine, coarse in zip(mean.shape, zmap.shape, strict=True)]
    finer = tuple(slice(of.start * n, of.stop * n) for of, n in zip(box, parts, strict=True))
    return zmap.slicer[box], mean.slicer[finer]


def _ends(there: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]] | None:
    """First and last voxel along each axis, (3,) each; None where there is none."""
    along = [np.flatnonzero(there.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    if not along[0].size:
        return None
    return np.array([voxels[0] for voxels in along]), np.array([voxels[-1] for voxels in along])


def through_activation(zmap: Image, source: Image, display_mode: str, n_cuts: int) -> Cuts:
    """Cuts in mm through the highest peaks, apart from each other; evenly spaced if there is no peak.

    A peak is where the map is strongest together with its neighbours, so that clusters come before single
    voxels. For one point of the space, that is the highest. What is left of the cuts is spread.

    Parameters
    ----------
    zmap : plain, which is cut.
    source : what is shown of it, 0 elsewhere, on its own grid.
    """
    values = finite(source)
    strength = np.abs(values)
    for _ in range(WIDER):
        strength = smoothed(strength)
    strength[values == 0] = 0
    there = np.argwhere(strength > 0)
    order = np.argsort(-strength[tuple(there.T)], kind="stable")
    peaks = nib.affines.apply_affine(source.affine, there[order])
    brain = _ends(finite(zmap) != 0) or (np.zeros(3, int), np.array(zmap.shape) - 1)
    steps, start = np.diag(zmap.affine)[:3], zmap.affine[:3, 3]

    def along(direction: str) -> list[float]:
        axis = "xyz".index(direction)
        step = float(steps[axis])
        first, last = (float(start[axis] + step * end[axis]) for end in brain)
        if not len(peaks):
            return [float(place) for place in np.linspace(first, last, n_cuts + 2)[1:-1]]
        most = min(n_cuts, int(zmap.shape[axis]))
        apart = min(APART, (last - first + step) / (2 * most))
        chosen: list[float] = []
        left = peaks[:, axis]
        while len(left) and len(chosen) < most:
            chosen.append(float(left[0]))
            left = left[np.abs(left - left[0]) >= apart - NEAR]
        slices = start[axis] + step * np.arange(zmap.shape[axis])
        slices = slices[(slices > first - NEAR) & (slices < last + NEAR)]
        while len(chosen) < most:
            far = np.abs(slices[:, None] - [first - apart, *chosen, last + apart]).min(axis=1)
            if far.max() < step / 2:
                break
            chosen.append(float(slices[far.argmax()]))
        return sorted(chosen)

    if display_mode in ("x", "y", "z"):
        return along(display_mode)
    if display_mode == "mosaic":
        return {direction: along(direction) for direction in "xyz"}
    point = peaks[0] if len(peaks) else start + steps * (brain[0] + brain[1]) / 2
    return [float(point["xyz".index(direction)]) for direction in directions_of(display_mode)]


def smoothed(values: Float32Array) -> Float32Array:
    """Each voxel plus a fifth of each of its six neighbours, so that clusters outweigh single voxels."""
    sums = values.copy()
    for axis in range(3):
        along, source = np.moveaxis(sums, axis, 0), np.moveaxis(values, axis, 0) * np.float32(0.2)
        along[:-1] += source[1:]
        along[1:] += source[:-1]
    return sums


def as_chosen(zmap: Image, display_mode: str, cut_coords: list[float]) -> Cuts:
    """Cuts at given mm.

    Raises
    ------
    InputError : another number of coordinates than the display mode has directions; one outside of the image.
    """
    directions = directions_of(display_mode)
    if len(directions) > 1 and len(cut_coords) != len(directions):
        raise InputError(
            "figures.cut_coords",
            f"has {len(cut_coords)} coordinates",
            expected=f"{len(directions)} in mm ({', '.join(directions)}) for the display mode {display_mode}",
            remedy="give one per direction, or a number of cuts",
        )
    pairs = [(d, float(c)) for d, c in zip(directions * len(cut_coords), cut_coords, strict=False)]
    for direction, coordinate in pairs:
        axis = "xyz".index(direction)
        step, start = zmap.affine[axis, axis], zmap.affine[axis, 3]
        low, high = start - step / 2, start + step * (zmap.shape[axis] - 0.5)
        if not low < coordinate < high:
            raise InputError(
                "figures.cut_coords",
                f"{direction} = {coordinate:g} mm lies outside of the image",
                expected=f"between {low:.0f} and {high:.0f} mm",
                remedy="choose another cut, or give a number of cuts",
            )
    if display_mode == "mosaic":
        return {direction: [coordinate] for direction, coordinate in pairs}
    return [coordinate for _, coordinate in pairs]


def directions_of(display_mode: str) -> str:
    """Axes that are cut, in the order of their coordinates and of the cuts in the picture."""
    return "".join(sorted(display_mode)) if set(display_mode) <= set("xyz") else "xyz"


def background_of(paths: Sequence[Path]) -> Image:
    """Background of a map: one image, or the mean over runs of their means, on one grid."""
    first = images.load(paths[0])
    if len(paths) == 1:
        return first
    total = np.sum([images.read_volume(path) for path in paths], axis=0, dtype=np.float64)
    return nib.Nifti1Image((total / len(paths)).astype(np.float32), first.affine)


def background_named(path: Path) -> str:
    """Name of the background of a map, unless it is the mean of its runs."""
    if path.name.endswith("_desc-mean_boldref.nii.gz"):
        return ""
    return " · over the T1w" if "_T1w." in path.name else " · over the given background"


def size(zmap: Image, display_mode: str, cuts: Cuts) -> tuple[float, float]:
    """Width and height in inches that the cuts fill without gaps."""
    sides = np.diag(zmap.affine)[:3] * zmap.shape
    width, height = size_in_mm(sides, display_mode, cuts)
    scale = min(INCHES_PER_MM * max(1.0, LARGE / sides.max()), MAX_WIDTH / width)
    return width * scale, height * scale


def size_in_mm(sides: FloatArray, display_mode: str, cuts: Cuts) -> tuple[float, float]:
    """Width and height of all cuts side by side, through a box of sides (3,) in mm."""
    x, y, z = sides.tolist()
    wide, high = {"x": y, "y": x, "z": x}, {"x": z, "y": z, "z": y}
    directions = directions_of(display_mode)
    if isinstance(cuts, dict):
        return max(wide[d] * len(cuts[d]) for d in cuts), 3 * max(y, z)
    if display_mode == "tiled":
        return x + y, y + z
    shown = directions if len(directions) > 1 else directions * len(cuts)
    return sum(wide[d] for d in shown), max(high[d] for d in shown)
