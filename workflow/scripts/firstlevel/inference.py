"""Which voxels and clusters of a z map hold up: thresholds, bounds on true discoveries, tables of peaks.

Arrays (nx, ny, nz) in and out; nilearn computes. Only voxels inside the mask are tests; clusters are joined
at faces. Two-sided looks at both signs: a voxel passes by its absolute value, and what nilearn has for one
side only is computed for each sign at half the level.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import nibabel as nib
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Method = Literal["uncorrected", "fdr", "bonferroni"]
CONTROL = {"uncorrected": "fpr", "fdr": "fdr", "bonferroni": "bonferroni"}
LARGEST_Z = 37.0
"""A p value of 0 breaks the bounds of all-resolution inference: z above this (p 6e-300) count as this."""


@dataclass(frozen=True)
class Peak:
    """A maximum of a cluster: its voxel, its place in mm, its z.

    `cluster_id` is the cluster's number, with a letter for the second to fourth maximum, whose `n_voxels`
    (the size of the cluster) is None.
    """

    cluster_id: str
    voxel: tuple[int, int, int]
    mm: tuple[float, float, float]
    z: float
    n_voxels: int | None


def thresholded(
    z: FloatArray, inside: Mask, method: Method, level: float, two_sided: bool, cluster_extent: int = 0
) -> tuple[FloatArray, float]:
    """Map with 0 where z does not pass, and the threshold: infinite where FDR finds no voxel.

    `level` is p (uncorrected), q (FDR of Benjamini and Hochberg 1995) or the familywise p (Bonferroni).
    Clusters of fewer than `cluster_extent` voxels are left out, which none of the levels accounts for.
    """
    from nilearn.glm import threshold_stats_img

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*threshold")  # above all values: nothing passes
        passed, threshold = threshold_stats_img(
            _image(z),
            mask_img=_image(inside.astype(np.uint8)),
            alpha=float(level),
            height_control=CONTROL[method],
            cluster_threshold=cluster_extent,
            two_sided=two_sided,
        )
    return np.asarray(passed.dataobj, dtype=np.float64), float(threshold)


def n_clusters(passed: FloatArray) -> int:
    """Number of clusters of a thresholded map; voxels of unlike sign are never in one."""
    from scipy import ndimage

    return int(sum(ndimage.label(sign * passed > 0)[1] for sign in (1, -1)))


def true_discovery_proportion(
    z: FloatArray, inside: Mask, thresholds: list[float], alpha: float, two_sided: bool
) -> FloatArray:
    """Lower bound of the proportion of truly active voxels in each cluster above a threshold, 0 elsewhere.

    Each voxel has the bound of the cluster above the highest threshold that it passes. All bounds hold at
    once with probability 1 - `alpha` (all-resolution inference, Rosenblatt et al. 2018, NeuroImage 181).
    """
    from nilearn.glm import cluster_level_inference

    bound = np.zeros(z.shape)
    for sign in (1, -1) if two_sided else (1,):
        image = cluster_level_inference(
            _image(np.minimum(sign * z, LARGEST_Z)),
            mask_img=_image(inside.astype(np.uint8)),
            threshold=[float(threshold) for threshold in thresholds],
            alpha=alpha / 2 if two_sided else alpha,
        )
        bound = np.maximum(bound, np.asarray(image.dataobj, dtype=np.float64))
    # where every voxel of the mask is a discovery, nilearn counts one more than there are
    return np.clip(bound, 0.0, 1.0) + 0.0  # no minus zero


def peaks(
    z: FloatArray,
    affine: FloatArray,
    threshold: float,
    *,
    two_sided: bool,
    cluster_extent: int = 0,
    distance: float = 8.0,
) -> list[Peak]:
    """Up to four maxima of every cluster, `distance` mm apart: positive clusters first, the strongest first.

    Of clusters that are equally strong, the one whose peak comes first in the array comes first. A plateau
    has its peak at its middle.
    """
    found: list[Peak] = []
    number = 0
    for sign in (1, -1) if two_sided else (1,):
        of_sign = [
            _maxima(values, corner, affine, threshold, distance)
            for corner, values in _clusters(sign * z, threshold, max(cluster_extent, 1))
        ]
        for maxima, n_voxels in sorted(of_sign, key=lambda cluster: (-cluster[0][0][1], cluster[0][0][0])):
            number += 1
            for letter, (voxel, value) in zip(("", "a", "b", "c"), maxima, strict=False):
                x, y, mm_z = (float(mm) for mm in nib.affines.apply_affine(affine, voxel))
                size = None if letter else n_voxels
                found.append(Peak(f"{number}{letter}", voxel, (x, y, mm_z), sign * value, size))
    return found


Maxima = list[tuple[tuple[int, int, int], float]]


def _clusters(z: FloatArray, threshold: float, extent: int) -> list[tuple[tuple[int, ...], FloatArray]]:
    """First voxel and values of a box around each cluster, with a margin of one voxel; other voxels are 0."""
    from scipy import ndimage

    labels, _ = ndimage.label(z > threshold)
    boxes = []
    for number, tight in enumerate(ndimage.find_objects(labels), start=1):
        box = tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in tight)
        own = labels[box] == number
        if np.count_nonzero(own) >= extent:
            boxes.append((tuple(part.start for part in box), np.where(own, z[box], 0.0)))
    return boxes


def _maxima(
    values: FloatArray, corner: tuple[int, ...], affine: FloatArray, threshold: float, distance: float
) -> tuple[Maxima, int]:
    """Voxels and values of the maxima of one cluster, and its number of voxels.

    nilearn searches the whole volume anew for each cluster; in its box, a cluster costs milliseconds.
    The box lies where the volume does: of nilearn's mm, only the voxel of the box that they name is taken.
    """
    from nilearn.reporting import get_clusters_table

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Attention: At least one of the")  # middle of a plateau
        table = get_clusters_table(_image(values, affine), float(threshold), min_distance=float(distance))
    mm = table[["X", "Y", "Z"]].to_numpy(dtype=np.float64)
    voxels = np.rint(nib.affines.apply_affine(np.linalg.inv(affine), mm)).astype(int)
    maxima: Maxima = []
    for i, j, k in voxels.tolist():
        place = (i + corner[0], j + corner[1], k + corner[2])
        maxima.append((place, float(values[i, j, k])))
    return maxima, int(np.count_nonzero(values))


def _image(values: npt.NDArray[np.generic], affine: FloatArray | None = None) -> nib.Nifti1Image:
    return nib.Nifti1Image(values, np.eye(4) if affine is None else affine)
