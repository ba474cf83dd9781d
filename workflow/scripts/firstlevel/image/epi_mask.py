"""nilearn's EPI mask from the mean images of runs, also for images of a few slices."""

from __future__ import annotations

import logging
from pathlib import Path

import nibabel as nib
import numpy as np

from firstlevel.arrays import BoolArray
from firstlevel.image.masks import RUNS_THRESHOLD
from firstlevel.io import images
from firstlevel.io.grids import Grid
from firstlevel.stage import InputError

OPENING = 2
"""Voxels by which nilearn erodes its mask from every side, the edges of the image among them."""
THIN = 4 * OPENING - 1
"""An axis of no more voxels would lose most of them to it (of four all), whatever lies there."""
REPEATED = 8 * OPENING + 1
"""Slices that stand for one of a thin axis: erosion, dilation and erosion together reach half of them, so
that the one in the middle knows of no other."""


def epi_mask(means: list[Path]) -> BoolArray:
    """Voxels of the brain, (nx, ny, nz), in more than half of the runs' masks.

    Raises
    ------
    InputError : a mean image that is constant.
    """
    from nilearn.masking import compute_multi_epi_mask

    for path in means:
        if np.ptp(np.asarray(images.load(path).dataobj)) == 0:
            raise InputError(
                path,
                "is constant: the run has no signal",
                expected="a brain inside the field of view",
                remedy="look at the volumes of the run and at their headers",
            )
    mean_images: list[nib.spatialimages.SpatialImage] = [images.load(path) for path in means]
    shape = Grid.of(means[0]).shape
    times = [REPEATED if size <= THIN else 1 for size in shape]
    if max(times) > 1:
        logging.info("the image is thin (%d x %d x %d voxels): the mask is computed slice by slice", *shape)
        mean_images = [_thickened(image, times) for image in mean_images]
    combined = compute_multi_epi_mask(mean_images, threshold=RUNS_THRESHOLD, connected=True)
    middle = tuple(slice(n // 2, None, n) for n in times)
    return np.asarray(combined.dataobj)[middle] > 0


def _thickened(image: nib.spatialimages.SpatialImage, times: list[int]) -> nib.Nifti1Image:
    """Repeat each slice of an image so many times along each axis."""
    data = np.asarray(image.dataobj)
    for axis, n in enumerate(times):
        data = data.repeat(n, axis=axis)
    return nib.Nifti1Image(data, image.affine)
