"""The voxels to analyse: nilearn's EPI mask of the runs' means, or given masks on the grid of these.

Where the fields of view of the runs are given, voxels are left out that no run covers in all its volumes, or
that not every run does.
"""

import logging
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np

from firstlevel import stage, texts
from firstlevel.image import alignment, masks
from firstlevel.io import image_writer, images, masked, sidecars, suffixes
from firstlevel.io.grids import Grid
from firstlevel.stage import InputError

RUNS_THRESHOLD = 0.5
"""A voxel is in the mask where it is in more than this share of the runs' masks, as in nilearn."""
OPENING = 2
"""Voxels by which nilearn erodes its mask from every side, the edges of the image among them."""
THIN = 4 * OPENING - 1
"""An axis of no more voxels would lose most of them to it (of four all), whatever lies there."""
REPEATED = 8 * OPENING + 1
"""Slices that stand for one of a thin axis: erosion, dilation and erosion together reach half of them, so
that the one in the middle knows of no other."""


def compute_mask(
    *,
    means: list[Path],
    mask: Path,
    own_mask: list[Path],
    sidecar: Path,
    fields_of_view: list[Path],
    coverage: Literal["any", "all"] = "any",
) -> None:
    """Write the mask of a subject as uint8 on the grid of the runs' means, and where it is from.

    `own_mask` is empty, or the user's mask (of a pair with its ``.hdr``), or the mask of every run.
    `fields_of_view` is empty, or for every run the voxels that all its volumes cover; `coverage` any keeps a
    voxel that is covered in some run, all one that is covered in every run.
    """
    grid = Grid.of(means[0])
    given = [path for path in own_mask if path.suffix not in suffixes.COMPANIONS]
    moved = [path for path in given if not _is_on(path, grid)]
    thresholds: dict[Path, float] = {}
    if given:
        masks_of_runs = [_on_grid(path, grid, thresholds) for path in given]
        inside = np.mean(masks_of_runs, axis=0) > RUNS_THRESHOLD
    else:
        inside = _epi_mask(means)
    left_out = np.zeros_like(inside)
    if fields_of_view:
        covered = [masked.read_mask(path) for path in fields_of_view]
        left_out = inside & ~(np.any(covered, axis=0) if coverage == "any" else np.all(covered, axis=0))
    found = inside.any()
    inside &= ~left_out
    if not inside.any():
        raise InputError(
            own_mask[0] if own_mask else means[0],
            "has no voxel that the volumes of a run all cover" if found else "gives a mask without a voxel",
            expected="a brain inside the field of view",
            remedy="look at the mean image and the field of view of each run"
            if found
            else "look at this mask over the mean image, or set the config key mask to epi"
            if given
            else "look at the mean image, or set the config key mask to a mask of your own",
        )
    image_writer.write_image(mask, inside.astype(np.uint8), grid.affine)
    content = {
        "Source": "given" if given else "epi",
        "Masks": [
            {"name": texts.public(path, "mask"), "sha256": stage.sha256(path)}
            | ({"Threshold": thresholds[path]} if path in thresholds else {})
            for path in given
        ],
        **({"Threshold": masks.THRESHOLD} if thresholds else {}),
        "ResampledByNearestNeighbour": [texts.public(path, "mask") for path in moved],
        "NumberOfVoxels": int(inside.sum()),
        "FieldOfView": "masked" if fields_of_view else "zeros",
        "VoxelsLeftOutForFieldOfView": int(left_out.sum()),
    }
    sidecars.write_json(sidecar, content)
    logging.info("%d voxels of %d in the mask", int(inside.sum()), inside.size)
    if fields_of_view:
        runs = "no run covers" if coverage == "any" else "not every run covers"
        logging.info("%d voxels left out, which %s in all its volumes", int(left_out.sum()), runs)


def _epi_mask(means: list[Path]) -> np.ndarray:
    from nilearn.masking import compute_multi_epi_mask

    for path in means:
        if np.ptp(np.asarray(images.load(path).dataobj)) == 0:
            raise InputError(
                path,
                "is the same everywhere: the run has no signal",
                expected="a brain inside the field of view",
                remedy="look at the volumes of the run and at their headers",
            )
    found: list[nib.spatialimages.SpatialImage] = [images.load(path) for path in means]
    shape = Grid.of(means[0]).shape
    times = [REPEATED if size <= THIN else 1 for size in shape]
    if max(times) > 1:
        logging.info("the image is thin (%d x %d x %d voxels): each slice has its mask by itself", *shape)
        found = [_thickened(image, times) for image in found]
    combined = compute_multi_epi_mask(found, threshold=RUNS_THRESHOLD, connected=True)
    middle = tuple(slice(n // 2, None, n) for n in times)
    return np.asarray(combined.dataobj)[middle] > 0


def _thickened(image: nib.spatialimages.SpatialImage, times: list[int]) -> nib.Nifti1Image:
    """Repeat each slice of an image so many times along each axis."""
    data = np.asarray(image.dataobj)
    for axis, n in enumerate(times):
        data = data.repeat(n, axis=axis)
    return nib.Nifti1Image(data, image.affine)


def _on_grid(own_mask: Path, grid: Grid, thresholds: dict[Path, float]) -> np.ndarray:
    """Return the user's mask, by nearest neighbour where it lies on another grid; note its threshold."""
    given, own = masks.read_given_mask(own_mask), Grid.of(own_mask)
    if given.threshold is not None:
        thresholds[own_mask] = given.threshold
    if _is_on(own_mask, grid):
        return given.inside
    logging.info("%s lies on another grid and is resampled by nearest neighbour", own_mask.name)
    mapping = alignment.voxel_map(own.affine, grid.affine)
    moved, overlaps = masks.nearest(given.inside, mapping, grid.shape)
    if not overlaps:
        raise InputError(
            own_mask,
            "does not overlap with the runs",
            expected="a mask of this subject's brain in the space of its runs, by the affine of its header",
            remedy="check that the mask is this subject's, and its header",
        )
    return moved


def _is_on(own_mask: Path, grid: Grid) -> bool:
    own = Grid.of(own_mask)
    return alignment.same_grid(own.shape, own.affine, grid.shape, grid.affine)


if __name__ == "__main__":
    stage.run(compute_mask, globals().get("snakemake"))
