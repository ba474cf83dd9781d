"""A head at rest, and where and how much it responds; in the space of MNI152, mm.

The head is by definition trilinear between the nodes of its 2 mm grid: sampling it is exact, wherever it is.
It is blurred by the voxel size beforehand, as a scanner averages within voxels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from firstlevel import third_party
from firstlevel.arrays import Float32Array, FloatArray
from firstlevel.io import images
from firstlevel.simulation import trilinear
from firstlevel.simulation.paradigm import CONDITIONS

TEMPLATE = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
"""Names of nilearn's templates, read where they lie: the package itself takes seconds to import."""
BRAIN_MEAN = 850.0
TISSUES = {"grey": 1.0, "white": 0.8, "csf": 1.15, "scalp": 0.2}  # T2*-weighted contrast, grey matter = 1


@dataclass(frozen=True)
class Region:
    """A place that responds: a Gaussian within grey matter, with peaks relative to `activation`."""

    name: str
    centre: tuple[float, float, float]  # mm, MNI152
    fwhm: float  # mm
    peaks: tuple[float, float]  # of CONDITIONS


REGIONS = (
    Region("right fusiform gyrus", (42.0, -52.0, -16.0), 16.0, (1.0, 0.25)),
    Region("left fusiform gyrus", (-40.0, -54.0, -16.0), 14.0, (0.7, 0.2)),
    Region("right occipital cortex", (18.0, -92.0, -4.0), 20.0, (0.8, 0.8)),
    Region("left occipital cortex", (-16.0, -94.0, -4.0), 20.0, (0.8, 0.8)),
)


class Templates(NamedTuple):
    """One brain, without skull, on one grid (x, y, z).

    Attributes
    ----------
    t1 : T1-weighted image, in [0, 1].
    grey, white : probabilities of grey and white matter.
    affine : (4, 4), voxels to mm, without rotation.
    """

    t1: Float32Array
    grey: Float32Array
    white: Float32Array
    affine: FloatArray


@dataclass(frozen=True)
class Head:
    """Images of the head at the nodes of one grid.

    Attributes
    ----------
    affine : (4, 4), voxels to mm.
    baseline : (x, y, z), signal at rest.
    responses : (2, x, y, z), percent of the baseline per unit regressor, one map per condition.
    """

    affine: FloatArray
    baseline: Float32Array
    responses: Float32Array


def templates() -> Templates:
    """Templates of the MNI152 brain that come with nilearn, as means of 2 x 2 x 2 voxels of 1 mm."""
    folder = third_party.folder_of("nilearn") / "datasets" / "data"
    halves = []
    for tissue in ("t1", "gm", "wm"):
        path = folder / TEMPLATE.format(tissue)
        with images.opened(path) as image:
            fine = np.asarray(image.dataobj)
        highest = np.float32(fine.max())
        x, y, z = (n // 2 * 2 for n in fine.shape)
        pairs = np.divide(fine[:x:2], highest, dtype=np.float32)
        pairs += np.divide(fine[1:x:2], highest, dtype=np.float32)
        # in the order of numpy's mean over three axes, which takes three times as long: the same bits
        total = pairs[:, :y:2, :z:2] + pairs[:, 1:y:2, :z:2]
        total += pairs[:, :y:2, 1:z:2]
        total += pairs[:, 1:y:2, 1:z:2]
        halves.append(total / np.float32(8))
    to_fine = np.diag([2.0, 2.0, 2.0, 1.0])
    to_fine[:3, 3] = 0.5
    t1, grey, white = halves
    return Templates(t1, grey, white, image.affine @ to_fine)


def coordinates(shape: Sequence[int], affine: FloatArray) -> list[FloatArray]:
    """x, y and z in mm of a grid without rotation, each (1, 1, n)-shaped so that it broadcasts."""
    return list(np.ix_(*(affine[k, k] * np.arange(n) + affine[k, 3] for k, n in enumerate(shape))))


def make_head(
    t1: Float32Array,
    grey: Float32Array,
    white: Float32Array,
    affine: FloatArray,
    blur: Sequence[float],
    activation: float,
) -> Head:
    """The head at rest and its responses, from the templates of one brain.

    `t1` is (x, y, z) in [0, 1] without skull, `grey` and `white` are probabilities on the same grid, with
    `affine` (4, 4) without rotation. `blur` is the full width at half maximum in mm, per axis; `activation`
    the highest response to faces, in percent per unit regressor.
    """
    sigma = np.asarray(blur) / np.sqrt(8 * np.log(2)) / np.abs(np.diag(affine)[:3])
    brain = ndimage.binary_fill_holes(t1 > 0.15)
    distance = ndimage.distance_transform_edt(~brain, sampling=np.abs(np.diag(affine)[:3]))
    signal = (
        TISSUES["grey"] * grey
        + TISSUES["white"] * white
        + TISSUES["csf"] * np.clip(brain - grey - white, 0, None)
        + TISSUES["scalp"] * ((distance > 7) & (distance < 13))
    )
    x, y, z = coordinates(t1.shape, affine)
    bias = 0.85 + 0.15 * ((x / 70) ** 2 + ((y + 18) / 90) ** 2 + ((z - 3) / 70) ** 2) - 0.04 * y / 90
    baseline = ndimage.gaussian_filter(signal.astype(np.float32), sigma) * bias
    baseline *= BRAIN_MEAN / baseline[brain].mean()

    cortex = ndimage.gaussian_filter(np.where(brain, grey, 0).astype(np.float32), sigma)
    responses = np.zeros((len(CONDITIONS), *t1.shape), np.float32)
    for region in REGIONS:
        squares = sum((axis - c) ** 2 for axis, c in zip((x, y, z), region.centre, strict=True))
        blob = cortex * np.exp(-4 * np.log(2) * squares / region.fwhm**2)
        for response, peak in zip(responses, region.peaks, strict=True):
            response += activation * peak * blob / blob.max()
    return Head(affine, np.ascontiguousarray(baseline, np.float32), responses)


def sample(
    image: Float32Array, image_affine: FloatArray, affine: FloatArray, shape: Sequence[int]
) -> Float32Array:
    """An image of the head at the voxels of another grid, trilinear, 0 outside."""
    to_image = np.linalg.inv(image_affine) @ affine
    sampled = np.empty(tuple(shape), np.float32)
    trilinear.interpolate(
        np.ascontiguousarray(image), to_image[:3, :3].copy(), to_image[:3, 3].copy(), sampled
    )
    return sampled


def true_responses(head: Head, affine: FloatArray, shape: Sequence[int]) -> Float32Array:
    """(2, x, y, z), percent per unit regressor on a grid: what a fit without error would give."""
    baseline = sample(head.baseline, head.affine, affine, shape)
    inside = baseline > 1.0
    changes = [sample(head.baseline * r, head.affine, affine, shape) for r in head.responses]
    return np.stack([np.where(inside, c / np.where(inside, baseline, 1), 0) for c in changes])
