"""The voxels to analyse: nilearn's EPI mask of the runs' means, or given masks on the grid of these."""

import logging
from pathlib import Path

import nibabel as nib
import numpy as np

from firstlevel import images, resampling, stage
from firstlevel.images import Grid
from firstlevel.stage import InputError

RUNS_THRESHOLD = 0.5
"""A voxel is in the mask where it is in more than this share of the runs' masks, as in nilearn."""


def compute_mask(*, means: list[Path], mask: Path, own_mask: list[Path]) -> None:
    """Write the mask of a subject as uint8 on the grid of the runs' means.

    `own_mask` is empty, or the user's mask (of a pair with its ``.hdr``), or the mask of every run.
    """
    grid = Grid.of(means[0])
    given = [path for path in own_mask if path.suffix != ".hdr"]
    if given:
        inside = np.mean([_on_grid(path, means[0]) for path in given], axis=0) > RUNS_THRESHOLD
    else:
        inside = _epi_mask(means)
    if not inside.any():
        raise InputError(
            own_mask[0] if own_mask else means[0],
            "gives a mask without a voxel",
            expected="a brain inside the field of view",
            remedy="look at the mean image, or set the config key mask to a mask of your own",
        )
    images.write_image(mask, inside.astype(np.uint8), grid.affine)
    logging.info("%d voxels of %d in the mask", int(inside.sum()), inside.size)


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
    grid, own = Grid.of(mean), Grid.of(own_mask)
    if resampling.same_grid(own.shape, own.affine, grid.shape, grid.affine):
        return images.read_mask(own_mask)
    from nilearn.image import resample_to_img

    logging.info("%s lies on another grid and is resampled by nearest neighbour", own_mask.name)
    binary = nib.Nifti1Image(images.read_mask(own_mask).astype(np.uint8), own.affine)
    moved = resample_to_img(
        binary, nib.load(mean), interpolation="nearest", force_resample=True, copy_header=True
    )
    return np.asarray(moved.dataobj) > 0


if __name__ == "__main__":
    stage.run(compute_mask, globals().get("snakemake"))
