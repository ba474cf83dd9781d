"""Which voxels and clusters of a z map survive thresholding, bounds on true discoveries, tables of peaks.

Arrays (nx, ny, nz) in and out. Only voxels that were tested (:func:`tested`) are tests. Two-sided looks at
both signs: a voxel passes by its absolute value; clusters are of one sign, their bounds at half the level.
Clusters are joined at 6 (faces), 18 (or edges) or 26 neighbours (or corners).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage, special

from firstlevel.arrays import FloatArray

IntArray = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Method = Literal["uncorrected", "fdr", "bonferroni"]
Connectivity = Literal[6, 18, 26]
BELOW = 1e-12
"""The threshold of FDR lies this far below the least z that passes, as nilearn's."""
N_PEAKS = 4
"""Most maxima of a cluster that are listed."""


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


def tested(z: FloatArray, inside: Mask) -> Mask:
    """Voxels of a mask that hold a test: z is 0 or no number where nothing varies or no run has data."""
    there: Mask = inside & (z != 0) & ~np.isnan(z)
    return there


def threshold(strength: FloatArray, method: Method, level: float) -> float:
    """Least z that does not pass; infinite where FDR finds no test that does, or there is no test.

    Parameters
    ----------
    strength : (v,), z of each test, one-sided.
    level : p (uncorrected), q (FDR of Benjamini and Hochberg 1995) or the familywise p (Bonferroni).
    """
    if method == "uncorrected":
        return float(-special.ndtri(level))
    n = strength.size
    if method == "bonferroni":
        return float(-special.ndtri(level / n)) if n else np.inf
    ordered = -np.sort(-strength)
    passing = np.flatnonzero(special.ndtr(-ordered) <= level * np.arange(1, n + 1) / n)
    if not passing.size:
        return np.inf
    least = ordered[passing[-1]]
    return float(min(least - BELOW, np.nextafter(least, -np.inf)))  # a large z has no number so near


def thresholded(
    z: FloatArray,
    tests: Mask,
    method: Method,
    level: float,
    two_sided: bool,
    cluster_threshold: int = 0,
    connectivity: Connectivity = 6,
) -> tuple[FloatArray, float]:
    """Map with 0 where z does not pass, and the :func:`threshold`.

    Clusters of fewer than `cluster_threshold` voxels are left out, which none of the levels accounts for.
    """
    strength = np.abs(z) if two_sided else z
    bound = threshold(strength[tests], method, level / 2 if two_sided else level)
    passed = np.where(tests & (strength > bound), z, 0.0)
    if cluster_threshold > 1:
        for sign in (1, -1):
            labels, n_labels = _labels(sign * passed > 0, connectivity)
            small = np.bincount(labels.ravel(), minlength=n_labels + 1) < cluster_threshold
            small[0] = False
            passed[small[labels]] = 0.0
    return passed, bound


def n_clusters(passed: FloatArray, connectivity: Connectivity = 6) -> int:
    """Number of clusters of a thresholded map; voxels of unlike sign are never in one."""
    return sum(_labels(sign * passed > 0, connectivity)[1] for sign in (1, -1))


def true_discovery_proportion(
    z: FloatArray,
    tests: Mask,
    thresholds: list[float],
    alpha: float,
    two_sided: bool,
    connectivity: Connectivity = 6,
) -> FloatArray:
    """Lower bound of the proportion of truly active voxels in each cluster above a threshold, 0 elsewhere.

    Each voxel has the bound of the cluster above the highest threshold that it passes. All bounds hold at
    once with probability 1 - `alpha` (all-resolution inference, Rosenblatt et al. 2018, NeuroImage 181).
    """
    proportion = np.zeros(z.shape)
    level = alpha / 2 if two_sided else alpha
    for sign in (1, -1) if two_sided else (1,):
        p = special.ndtr(-sign * z[tests])
        hommel = hommel_value(p, level)
        for above in sorted(thresholds):
            labels, n_labels = _labels(tests & (sign * z > above), connectivity)
            if n_labels:
                numbers = labels[tests].astype(np.int64)
                active = true_discoveries(p[numbers > 0], numbers[numbers > 0], hommel, level)
                share = np.append(0.0, active / np.bincount(numbers, minlength=n_labels + 1)[1:])
                proportion = np.where(labels > 0, share[labels], proportion)
    return proportion


def hommel_value(p: FloatArray, alpha: float) -> int:
    """Size h of the largest set of the p values, (n,), that the Simes test does not reject at `alpha`.

    Notes
    -----
    Of the sets of s, that of the largest p values is rejected last: h is the largest s with
    p_(n - s + j) > j alpha / s for j = 1 to s, 0 where there is none (Goeman et al. 2019, Biometrika
    106:841-856, equation 4). All these lie above the line from (n - s, 0) to (n, alpha), so that no s is
    larger than alpha over the steepest slope from a p value to (n, alpha) (Meijer et al. 2019, Biom J
    61:73-82). Rounding is made good by the definition.
    """
    ordered, n = np.sort(p), p.size
    if not n or ordered[-1] <= alpha:
        return 0
    slope = float(np.max((alpha - ordered[:-1]) / np.arange(n - 1, 0, -1), initial=0.0))
    h = min(n, int(alpha / slope) + 1) if slope > alpha / (n + 1) else n
    while np.any(h * ordered[n - h :] <= alpha * np.arange(1, h + 1)):
        h -= 1
    return h


def true_discoveries(p: FloatArray, numbers: IntArray, hommel: int, alpha: float) -> IntArray:
    """Least number of truly active voxels in each cluster, (c,).

    Parameters
    ----------
    p : (v,), of the voxels of all clusters.
    numbers : (v,), the cluster of each, 1 to c; none is empty.
    hommel : :func:`hommel_value` of all tests at `alpha`.

    Notes
    -----
    max of 1 - u + #{p <= u alpha / h} over u = 1, 2, ... (Goeman et al. 2019, lemma 3). Between two values of
    ceil(h p / alpha) nothing is added: only these need be looked at, in order.
    """
    u = np.maximum(np.ceil(hommel * p / alpha), 1).astype(np.int64)
    order = np.lexsort((u, numbers))
    first = np.flatnonzero(np.diff(numbers[order], prepend=0))
    rank = np.arange(1, p.size + 1) - np.repeat(first, np.diff(first, append=p.size))
    bounds: IntArray = np.maximum.reduceat(1 - u[order] + rank, first)
    return np.maximum(bounds, 0)


def peaks(
    passed: FloatArray, affine: FloatArray, *, connectivity: Connectivity = 6, distance: float = 8.0
) -> list[Peak]:
    """Up to four maxima of every cluster of a thresholded map: positive clusters first, the strongest first.

    Maxima of one cluster are more than `distance` mm apart: one that is nearer to a stronger one of the list
    is left out. What is equally strong comes in the order of the array.
    """
    found: list[Peak] = []
    number = 0
    for sign in (1, -1):
        of_sign = []
        for corner, values in _clusters(sign * passed, connectivity):
            voxels = _maxima(values, corner, connectivity)
            strength = sign * passed[tuple(voxels.T)]
            order = np.argsort(-strength, kind="stable")
            mm = nib.affines.apply_affine(affine, voxels[order])
            kept = order[_apart(mm, distance)]
            of_sign.append((voxels[kept].tolist(), strength[kept].tolist(), np.count_nonzero(values)))
        for voxels_of, values_of, size in sorted(
            of_sign, key=lambda cluster: (-cluster[1][0], cluster[0][0])
        ):
            number += 1
            for letter, (i, j, k), value in zip(("", "a", "b", "c"), voxels_of, values_of, strict=False):
                x, y, mm_z = nib.affines.apply_affine(affine, (i, j, k)).tolist()
                n_voxels = None if letter else int(size)
                found.append(Peak(f"{number}{letter}", (i, j, k), (x, y, mm_z), sign * value, n_voxels))
    return found


def _labels(there: Mask, connectivity: Connectivity) -> tuple[npt.NDArray[np.int32], int]:
    """Number of the cluster of each voxel, 0 for none, and how many clusters there are."""
    labels, n_labels = ndimage.label(there, _structure(connectivity))
    return labels, int(n_labels)


def _structure(connectivity: Connectivity) -> Mask:
    structure: Mask = ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])
    return structure


def _clusters(passed: FloatArray, connectivity: Connectivity) -> list[tuple[IntArray, FloatArray]]:
    """First voxel and values of a box around each positive cluster, one voxel wider; other voxels are 0."""
    labels, _ = _labels(passed > 0, connectivity)
    boxes = []
    for number, tight in enumerate(ndimage.find_objects(labels), start=1):
        box = tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in tight)
        corner = np.array([part.start for part in box])
        boxes.append((corner, np.where(labels[box] == number, passed[box], 0.0)))
    return boxes


def _maxima(values: FloatArray, corner: IntArray, connectivity: Connectivity) -> IntArray:
    """Voxels (k, 3) of a cluster that none of their 26 neighbours exceeds, in the order of the array.

    Voxels of one value that touch are one maximum, at the one nearest to their middle. Where not all of the
    cluster has one value, the inside of a plateau, among nothing but its like, is none: as by nilearn.
    """
    highest = ndimage.maximum_filter(values, 3)
    there = (values == highest) & (values > 0)
    of_cluster = values[values > 0]
    if not np.isclose(of_cluster.max(), of_cluster.min()):
        there &= highest > ndimage.minimum_filter(values, 3)
    numbers = _labels(there, connectivity)[0][there]
    voxels = corner + np.argwhere(there)[np.argsort(numbers, kind="stable")]
    maxima = []
    for group in np.split(voxels, np.cumsum(np.bincount(numbers)[1:-1])):
        middle = np.rint(group.mean(axis=0))
        maxima.append(group[np.argmin(np.sum((group - middle) ** 2, axis=1))])
    return np.array(maxima)


def _apart(mm: FloatArray, distance: float) -> list[int]:
    """Places among (k, 3), in order, that are farther than `distance` from all before that were taken."""
    kept: list[int] = []
    for place, point in enumerate(mm):
        if np.all(np.linalg.norm(mm[kept] - point, axis=1) > distance):
            kept.append(place)
        if len(kept) == N_PEAKS:
            break
    return kept
