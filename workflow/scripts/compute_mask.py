"""The voxels to analyse: nilearn's EPI mask of the runs' means, or given masks on the grid of these.

Where the fields of view of the runs are given, voxels that some volume does not cover are left out.
"""

import logging
from pathlib import Path

import nibabel as nib
import numpy as np

from firstlevel import images, resampling, stage, tables
from firstlevel.images import Grid
from firstlevel.stage import InputError

RUNS_THRESHOLD = 0.5
"""A voxel is in the mask where it is in more than this share of the runs' masks, as in nilearn."""


def compute_mask(
    *, means: list[Path], mask: Path, own_mask: list[Path], sidecar: Path, fields_of_view: list[Path]
) -> None:
    """Write the mask of a subject as uint8 on the grid of the runs' means, and where it is from.

    `own_mask` is empty, or the user's mask (of a pair with its ``.hdr``), or the mask of every run.
    `fields_of_view` is empty, or for every run the voxels that all its volumes cover.
    """
    grid = Grid.of(means[0])
    given = [path for path in own_mask if path.suffix != ".hdr"]
    moved = [path for path in given if not _is_on(path, grid)]
    if given:
        inside = np.mean([_on_grid(path, means[0]) for path in given], axis=0) > RUNS_THRESHOLD
    else:
        inside = _epi_mask(means)
    left_out = np.zeros_like(inside)
    for path in fields_of_view:
        left_out |= inside & ~images.read_mask(path)
    found = inside.any()
    inside &= ~left_out
    if not inside.any():
        raise InputError(
            own_mask[0] if own_mask else means[0],
            "has no voxel that every volume covers" if found else "gives a mask without a voxel",
            expected="a brain inside the field of view",
            remedy="look at the mean image and the field of view of each run"
            if found
            else "look at this mask over the mean image, or set the config key mask to epi"
            if given
            else "look at the mean image, or set the config key mask to a mask of your own",
        )
    images.write_image(mask, inside.astype(np.uint8), grid.affine)
    content = {
        "Source": "given" if given else "epi",
        "Masks": [{"name": path.name, "sha256": stage.sha256(path)} for path in given],
        "ResampledByNearestNeighbour": [path.name for path in moved],
        "NumberOfVoxels": int(inside.sum()),
        "FieldOfView": "masked" if fields_of_view else "zeros",
        "VoxelsLeftOutForFieldOfView": int(left_out.sum()),
    }
    tables.write_json(sidecar, content)
    logging.info("%d voxels of %d in the mask", int(inside.sum()), inside.size)
    if fields_of_view:
        logging.info("%d voxels left out, which some volume does not cover", int(left_out.sum()))


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
    combined = compute_multi_epi_mask(
        [nib.load(path) for path in means], threshold=RUNS_THRESHOLD, connected=True
    )
    return np.asarray(combined.dataobj) > 0


def _on_grid(own_mask: Path, mean: Path) -> np.ndarray:
    """Return the user's mask, by nearest neighbour where it lies on another grid."""
    if _is_on(own_mask, Grid.of(mean)):
        return images.read_mask(own_mask)
    from nilearn.image import resample_to_img
    from nilearn.image.resampling import BoundingBoxError

    logging.info("%s lies on another grid and is resampled by nearest neighbour", own_mask.name)
    binary = nib.Nifti1Image(images.read_mask(own_mask).astype(np.uint8), Grid.of(own_mask).affine)
    try:
        moved = resample_to_img(
            binary, nib.load(mean), interpolation="nearest", force_resample=True, copy_header=True
        )
    except BoundingBoxError:
        raise InputError(
            own_mask,
            "does not overlap with the runs",
            expected="a mask of this subject's brain in the space of its runs, by the affine of its header",
            remedy="check that the mask is this subject's, and its header",
        ) from None
    return np.asarray(moved.dataobj) > 0


def _is_on(own_mask: Path, grid: Grid) -> bool:
    own = Grid.of(own_mask)
    return resampling.same_grid(own.shape, own.affine, grid.shape, grid.affine)


if __name__ == "__main__":
    stage.run(compute_mask, globals().get("snakemake"))
