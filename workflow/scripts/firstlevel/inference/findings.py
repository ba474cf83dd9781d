"""What survives thresholding in a map of z, as tables have it: one row per method, one per peak."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from firstlevel.arrays import FloatArray
from firstlevel.inference import thresholds as inference
from firstlevel.inference.thresholds import Connectivity, Mask, Method

METHODS: tuple[inference.Method, ...] = ("uncorrected", "fdr", "bonferroni")
COLUMNS = (
    "method", "level", "two_sided", "z_threshold", "cluster_threshold", "connectivity", "n_tests", "n_voxels",
    "n_clusters",
)  # fmt: skip
CLUSTER_COLUMNS = (
    "cluster_id", "x", "y", "z", "peak_z", "effect", "effect_low", "effect_high", "n_voxels", "size_mm3",
    "fdr", "bonferroni", "true_discoveries", "true_discovery_proportion",
)  # fmt: skip


CONFIDENCE = 0.95
"""Of the interval about the effect at a peak, of that voxel alone: not corrected for its being the peak."""


class Survivors(NamedTuple):
    """What survives one method.

    Attributes
    ----------
    z : (nx, ny, nz), 0 where it does not.
    bound : of z; infinite where nothing can.
    row : of the table of thresholds.
    """

    z: FloatArray
    bound: float
    row: tuple[object, ...]


def by_method(
    z: FloatArray,
    tests: Mask,
    levels: Mapping[Method, float],
    two_sided: bool,
    cluster_threshold: int,
    connectivity: Connectivity,
) -> dict[Method, Survivors]:
    """What of z (nx, ny, nz) survives each method at its level, of the voxels that are tests."""
    found = {}
    n_tests = int(np.count_nonzero(tests))
    for method, level in levels.items():
        passed, bound = inference.thresholded(
            z, tests, method, level, two_sided, cluster_threshold, connectivity
        )
        counts = (np.count_nonzero(passed), inference.n_clusters(passed, connectivity))
        known = bound if np.isfinite(bound) else "n/a"
        row = (method, level, text(two_sided), known, cluster_threshold, connectivity, n_tests, *counts)
        found[method] = Survivors(passed, bound, row)
    return found


def peak_rows(
    found: Mapping[Method, Survivors],
    proportion: FloatArray,
    interval: FloatArray | None,
    affine: FloatArray,
    connectivity: Connectivity,
    distance: float,
) -> list[list[object]]:
    """Rows of the table of clusters: the peaks of what survives the uncorrected threshold.

    Parameters
    ----------
    proportion : (nx, ny, nz), lower bound of the share of true discoveries of the cluster of each voxel.
    interval : (2, nx, ny, nz), the effect that z is a test of and half of the width of its interval; None
        where there is no single one (F).
    distance : mm, between peaks of one cluster.
    """
    voxel_mm3 = abs(float(np.linalg.det(affine[:3, :3])))
    lines: list[list[object]] = []
    for peak in inference.peaks(found["uncorrected"].z, affine, connectivity=connectivity, distance=distance):
        size, truth = ["n/a", "n/a"], ["n/a", "n/a"]
        if peak.n_voxels is not None:
            share = float(proportion[peak.voxel])
            size = [str(peak.n_voxels), f"{peak.n_voxels * voxel_mm3:.1f}"]
            truth = [str(round(share * peak.n_voxels)), f"{share:.4f}"]
        survives = [text(found[method].z[peak.voxel] != 0) for method in METHODS[1:]]
        place = [round(mm, 3) + 0.0 for mm in peak.mm]  # + 0.0: no minus zero
        own: list[object] = ["n/a"] * 3
        if interval is not None:
            here, half = (values[peak.voxel] for values in interval)
            own = [np.float32(value) for value in (here, here - half, here + half)]
        lines.append([peak.cluster_id, *place, np.float32(peak.z), *own, *size, *survives, *truth])
    return lines


def text(value: bool) -> str:
    """Truth value as a table has it."""
    return "true" if value else "false"
