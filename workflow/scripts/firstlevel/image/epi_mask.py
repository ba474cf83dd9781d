"""nilearn's EPI mask from the mean images of runs, also for images of a few slices.

The heuristic of T. Nichols, as nilearn's ``compute_multi_epi_mask`` has it: a mean is smoothed, cut at the
widest gap between its sorted values, eroded, reduced to its largest component, dilated and eroded again; of
the voxels in more than half of the runs' masks the largest component is kept. The same calls of scipy in the
same order, so that the voxels are the same; nilearn's import, with scikit-learn's, would take ten times as
long as all of it.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from firstlevel.arrays import BoolArray, Float32Array
from firstlevel.image.masks import RUNS_THRESHOLD
from firstlevel.io import images
from firstlevel.io.grids import Grid
from firstlevel.stage import InputError

SIGMA = 1 / np.sqrt(8 * np.log(2))
"""Voxels, of the smoothing: a full width at half maximum of 1."""
CUTOFFS = (0.2, 0.85)
"""Shares of the sorted values between which the gap is looked for."""
OPENING = 2
"""Voxels by which the mask is eroded from every side, the edges of the image among them."""
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
    shape = Grid.of(means[0]).shape
    times = [REPEATED if size <= THIN else 1 for size in shape]
    if max(times) > 1:
        logging.info("the image is thin (%d x %d x %d voxels): the mask is computed slice by slice", *shape)
    n_runs = np.zeros([size * n for size, n in zip(shape, times, strict=True)], np.int64)
    for path in means:
        values = np.asarray(images.load(path).dataobj, dtype=np.float32).reshape(shape)
        if np.ptp(values) == 0:
            raise InputError(
                path,
                "is constant: the run has no signal",
                expected="a brain inside the field of view",
                remedy="look at the volumes of the run and at their headers",
            )
        for axis, n in enumerate(times):
            values = values.repeat(n, axis=axis)
        of_run = mask_of(values)
        if not of_run.any():
            logging.warning("%s: no voxel is left of its EPI mask", path.name)
        n_runs += of_run
    combined = _largest_component(n_runs > RUNS_THRESHOLD * len(means))
    return combined[tuple(slice(n // 2, None, n) for n in times)]


def mask_of(values: Float32Array) -> BoolArray:
    """Mask of a mean image (nx, ny, nz); what is not finite counts as 0."""
    from scipy import ndimage  # not where the user gives a mask

    smooth = np.where(np.isfinite(values), values, np.float32(0))
    for axis in range(3):
        ndimage.gaussian_filter1d(smooth, SIGMA, output=smooth, axis=axis)
    smooth[np.isnan(values)] = 0
    ordered = np.sort(smooth, axis=None)
    first, last = (int(np.floor(share * ordered.size)) for share in CUTOFFS)
    last = min(last, ordered.size - 1)
    below = first + np.diff(ordered[first : last + 1]).argmax()
    inside = smooth >= 0.5 * (ordered[below] + ordered[below + 1])
    eroded = _largest_component(ndimage.binary_erosion(inside, iterations=OPENING))
    dilated = ndimage.binary_dilation(eroded, iterations=2 * OPENING)
    mask: BoolArray = ndimage.binary_erosion(dilated, iterations=OPENING)
    return mask


def _largest_component(inside: BoolArray) -> BoolArray:
    """Voxels of the largest component, joined at faces; the first of equal ones, none of none."""
    from scipy import ndimage

    labels, n_labels = ndimage.label(inside)
    if n_labels < 2:
        return inside
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    largest: BoolArray = labels == sizes.argmax()
    return largest
