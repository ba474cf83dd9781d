"""Cuts through a map: the grid they lie on, where they are, how large they are drawn.

Images in, images and mm out. A plain grid has its voxel axes along x, y and z of the space, ascending.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from firstlevel.stage import InputError

if TYPE_CHECKING:
    from nibabel.spatialimages import SpatialImage as Image

Cuts = list[float] | dict[str, list[float]]
INCHES_PER_MM = 1 / 55
MAX_WIDTH = 14.0  # inches
LARGE = 150.0  # mm, of the longest side: smaller brains and slabs are drawn as large, or texts cover them
MARGIN = 10.0  # mm shown around the brain
FINEST = 4  # parts into which a voxel of the map is cut for a background of smaller voxels, along each axis


def finite(image: Image) -> npt.NDArray[np.float32]:
    """Values of a 3D image, (nx, ny, nz), 0 where they are not finite."""
    values = np.asarray(image.dataobj, dtype=np.float32).reshape(image.shape[:3])
    return np.where(np.isfinite(values), values, np.float32(0))


def like(image: Image, values: npt.NDArray[np.float32]) -> Image:
    """Other values on the grid of an image."""
    from nilearn.image import new_img_like

    new: Image = new_img_like(image, values.astype(np.float32))
    return new


def on_plain_grid(zmap: Image, background: Image) -> tuple[Image, Image]:
    """Both images on one plain grid: the map's own, or a finer one where that is oblique.

    The map is sampled by nearest neighbour and keeps its values, the background linearly. What is not finite
    becomes 0, and the background's brightest 0.5 % are cut off: they would leave the brain dark. A background
    of smaller voxels, such as a T1w, keeps its detail: its grid cuts each voxel of the map into whole parts.

    Raises
    ------
    InputError : what the background holds is not where the map is.
    """
    from nilearn.image import reorder_img, resample_img

    how = {"force_resample": True, "copy_header": True}
    axes = zmap.affine[:3, :3]
    plain = like(zmap, finite(zmap))
    if np.any(np.count_nonzero(np.abs(axes) > 1e-3, axis=0) > 1):  # the bound of reorder_img
        step = np.linalg.norm(axes, axis=0).min() / 2
        plain = resample_img(plain, target_affine=np.eye(3) * step, interpolation="nearest", **how)
    plain = reorder_img(plain, copy_header=True)
    brightness = finite(background)
    mean = like(background, np.clip(brightness, *np.percentile(brightness, [1, 99.5])))
    parts = _parts(np.diag(plain.affine)[:3], np.linalg.norm(background.affine[:3, :3], axis=0).min())
    finer = plain.affine @ np.diag([*(1 / parts), 1.0])
    finer[:3, 3] -= np.diag(plain.affine)[:3] * (1 - 1 / parts) / 2
    onto = {"target_affine": finer, "target_shape": tuple(int(n) for n in plain.shape * parts)}
    behind: Image = resample_img(mean, interpolation="linear", **onto, **how)
    elsewhere = np.any(brightness) and not np.any(finite(cropped_to_brain(plain, behind)[1]))
    if np.any(finite(plain)) and elsewhere:
        raise InputError(
            str(background.get_filename()),
            "holds nothing where the map is, so that it cannot be its background",
            expected="an image in the space of the map, by the affine of its header",
            remedy="set figures.background: mean, or name another image",
        )
    return plain, behind


def _parts(steps: npt.NDArray[np.float64], own: float) -> npt.NDArray[np.float64]:
    """Parts of a voxel of sides `steps` (3,) that are about as large as the voxels of a background, `own`."""
    return np.clip(np.floor(steps / own + 0.25), 1, FINEST)


def cropped_to_brain(zmap: Image, mean: Image) -> tuple[Image, Image]:
    """Both images around the voxels where the map is not 0, with a margin; one of zeros is left whole.

    The second may be on a finer grid, which cuts each voxel of the map into whole parts.
    """
    inside = np.argwhere(finite(zmap))
    if inside.size == 0:
        return zmap, mean
    margin = np.ceil(MARGIN / np.diag(zmap.affine)[:3]).astype(int)
    first, last = np.maximum(inside.min(axis=0) - margin, 0), inside.max(axis=0) + margin
    box = tuple(slice(start, stop + 1) for start, stop in zip(first, last, strict=True))
    parts = [fine // coarse for fine, coarse in zip(mean.shape, zmap.shape, strict=True)]
    finer = tuple(slice(of.start * n, of.stop * n) for of, n in zip(box, parts, strict=True))
    return zmap.slicer[box], mean.slicer[finer]


def isotropic(zmap: Image, mean: Image, most: int) -> tuple[Image, Image]:
    """Both images of a plain grid on one of equal sides and of about `most` voxels at most.

    The side is the smallest of the voxels' of either image, or larger; the map is sampled by nearest
    neighbour.
    """
    from nilearn.image import resample_img

    sides = np.diag(zmap.affine)[:3]
    extent = sides * zmap.shape
    smallest = min(sides.min(), np.diag(mean.affine)[:3].min())
    side = max(smallest, float(np.prod(extent) / most) ** (1 / 3))
    shape = tuple(int(n) for n in np.ceil(extent / side - 1e-6))
    first = zmap.affine[:3, 3] - sides / 2 + side / 2
    onto = np.diag([side, side, side, 1.0])
    onto[:3, 3] = first
    how = {"target_affine": onto, "target_shape": shape, "force_resample": True, "copy_header": True}
    return resample_img(zmap, interpolation="nearest", **how), resample_img(
        mean, interpolation="linear", **how
    )


def through_activation(zmap: Image, threshold: float, display_mode: str, n_cuts: int) -> Cuts:
    """Cuts in mm where nilearn finds most above the threshold; where nothing is above, evenly spread."""
    from nilearn.plotting import find_cut_slices, find_xyz_cut_coords

    values = finite(zmap)
    above = np.abs(values) > threshold
    inside = np.argwhere(values) if values.any() else np.argwhere(np.ones_like(values))
    first, last = (
        np.diag(zmap.affine)[:3] * ends + zmap.affine[:3, 3] for ends in (inside.min(0), inside.max(0))
    )

    def along(direction: str) -> list[float]:
        if above.any():  # what is not shown counts only where cuts are left over
            weighted = like(zmap, np.where(above, values, 0.01 * values))
            return [float(c) for c in find_cut_slices(weighted, direction=direction, n_cuts=n_cuts)]
        axis = "xyz".index(direction)
        return [float(c) for c in np.linspace(first[axis], last[axis], n_cuts + 2)[1:-1]]

    if display_mode in ("x", "y", "z"):
        return along(display_mode)
    if display_mode == "mosaic":
        return {direction: along(direction) for direction in "xyz"}
    point = (first + last) / 2
    if above.any():
        point = find_xyz_cut_coords(like(zmap, np.where(above, values, 0)))
    return [float(point["xyz".index(direction)]) for direction in directions_of(display_mode)]


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
    """Axes that are cut, in the order in which nilearn takes their coordinates."""
    return "".join(sorted(display_mode)) if set(display_mode) <= set("xyz") else "xyz"


def background_named(path: Path) -> str:
    """What a map is drawn over, where it is not the mean of the runs that it is from."""
    if path.name.endswith("_desc-mean_boldref.nii.gz"):
        return ""
    return " · over the T1w" if "_T1w." in path.name else " · over the given background"


def size(zmap: Image, display_mode: str, cuts: Cuts) -> tuple[float, float]:
    """Width and height in inches that the cuts fill without gaps."""
    x, y, z = np.diag(zmap.affine)[:3] * zmap.shape
    wide, high = {"x": y, "y": x, "z": x}, {"x": z, "y": z, "z": y}
    directions = directions_of(display_mode)
    if isinstance(cuts, dict):
        width, height = max(wide[d] * len(cuts[d]) for d in cuts), 3 * max(y, z)
    elif display_mode == "tiled":
        width, height = x + y, y + z
    else:
        shown = directions if len(directions) > 1 else directions * len(cuts)
        width, height = sum(wide[d] for d in shown), max(high[d] for d in shown)
    scale = min(INCHES_PER_MM * max(1.0, LARGE / max(x, y, z)), MAX_WIDTH / width)
    return width * scale, height * scale
