"""Which voxels and clusters of a z map survive thresholding: maps, true discoveries, peaks.

Uncorrected, FDR (Benjamini-Hochberg) and Bonferroni thresholds over the voxels of the mask that were tested,
and lower bounds of the truly active voxels of each cluster (all-resolution inference). z of an F contrast has
no sign and is always tested one-sided.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from firstlevel.arrays import FloatArray
from firstlevel.inference import findings
from firstlevel.inference import thresholds as inference
from firstlevel.io import image_writer, masked, table_writer
from firstlevel.io.grids import Grid
from firstlevel.stage import InputError

LARGEST = float(np.finfo(np.float32).max)
"""Infinite z counts as this, the largest that a map holds."""


def compute_inference(
    *,
    z: Path,
    mask: Path,
    uncorrected: Path,
    fdr: Path,
    bonferroni: Path,
    tdp: Path,
    thresholds: Path,
    clusters: Path,
    signed: bool,
    p: float,
    alpha: float,
    two_sided: bool,
    cluster_threshold: int,
    connectivity: inference.Connectivity,
    true_discovery_threshold: list[float],
    min_distance: float,
    effect: Path | None = None,
    margin: FloatArray | None = None,
) -> None:
    """Write thresholded z maps, the map of bounds, and the tables of thresholds and of clusters.

    Clusters of the table are those above the uncorrected threshold at `p`. `alpha` is the level of FDR,
    Bonferroni and the bounds; above `true_discovery_threshold` lie the clusters of the map of bounds. Voxels
    are in one cluster that share faces (`connectivity` 6), edges (18) or corners (26). A voxel of the mask
    without data is no test. Of a t contrast, the table of clusters has the `effect` at each peak, less and
    plus its `margin`, (v,) in the voxels of the mask.
    """
    inside, grid = masked.read_mask(mask), Grid.of(mask)
    if not inside.any():
        raise InputError(
            mask,
            "holds no voxel",
            expected="a mask of the brain",
            remedy="look at the mean image of the run, or give a mask of your own (config key mask)",
        )
    values = np.zeros(inside.shape)
    values.T[inside.T] = np.nan_to_num(
        masked.read_masked(z, inside), nan=0.0, posinf=LARGEST, neginf=-LARGEST
    )
    tests = inference.tested(values, inside)
    n_tests = int(np.count_nonzero(tests))
    two_sided = two_sided and signed
    levels: dict[inference.Method, float] = {"uncorrected": p, "fdr": alpha, "bonferroni": alpha}
    found = findings.by_method(values, tests, levels, two_sided, cluster_threshold, connectivity)
    for method, path in zip(findings.METHODS, (uncorrected, fdr, bonferroni), strict=True):
        image_writer.write_image(path, found[method].z.astype(np.float32), grid.affine)
    rows = [survivors.row for survivors in found.values()]
    table_writer.write_table(thresholds, findings.COLUMNS, rows)

    proportion = inference.true_discovery_proportion(
        values, tests, true_discovery_threshold, alpha, two_sided, connectivity
    )
    image_writer.write_image(tdp, proportion.astype(np.float32), grid.affine)
    bound = found["uncorrected"].bound
    own = inference.true_discovery_proportion(values, tests, [bound], alpha, two_sided, connectivity)
    interval = None
    if effect is not None and margin is not None:
        interval = np.zeros((2, *inside.shape))
        interval[0].T[inside.T], interval[1].T[inside.T] = masked.read_masked(effect, inside), margin
    lines = findings.peak_rows(found, own, interval, grid.affine, connectivity, min_distance)
    table_writer.write_table(clusters, findings.CLUSTER_COLUMNS, lines)
    told = ", ".join(f"{row[-2]} voxels in {row[-1]} clusters ({row[0]} {row[1]:g})" for row in rows)
    count = sum(line[-1] != "n/a" for line in lines)
    certain = sum(int(str(line[-2])) for line in lines if line[-2] != "n/a")
    if n_tests < np.count_nonzero(inside):
        logging.warning(
            "%d of the %d voxels of the mask have no data and are not tested",
            np.count_nonzero(inside) - n_tests, np.count_nonzero(inside),
        )  # fmt: skip
    logging.info(
        "of %d voxels, %s-sided: %s; at least %d voxels in the %d clusters of the table are truly active "
        "(clusters joined at %d neighbours)",
        n_tests, "two" if two_sided else "one", told, certain, count, connectivity,
    )  # fmt: skip
