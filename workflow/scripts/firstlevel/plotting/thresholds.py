"""What of a contrast passes which threshold, as pictures show and say it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from nibabel.spatialimages import SpatialImage as Image

from firstlevel.io import images
from firstlevel.plotting.sampling import finite, like
from firstlevel.plotting.zmap import Shown

NAMES = {"uncorrected": "uncorrected, p <", "fdr": "false discovery rate", "bonferroni": "Bonferroni, p <"}
PROPORTION = "tdp"
"""Name among the maps of the one of bounds on true discoveries."""


def of_method(method: str, rows: Mapping[str, Mapping[str, str]], image: Image, lowest: float) -> Shown:
    """Map of a method; `rows` are those of the table of thresholds, `lowest` of theirs stands for none."""
    if method == PROPORTION:
        return Shown(image, _bounds(rows, image), None)
    row = rows[method]
    bound = float(row["z_threshold"]) if row["z_threshold"] != "n/a" else lowest
    return Shown(image, _passed(method, row), bound)


def above(source: Image, threshold: float, signed: bool) -> Shown:
    """What of a map is above a threshold of the user's own, of either sign where it is `signed`."""
    values = finite(source)
    passes = (np.abs(values) if signed else values) > threshold
    n_above = int(np.count_nonzero(passes))
    count = f"{n_above:,} voxel{'s' if n_above > 1 else ''}" if n_above else "no voxel above threshold"
    said = f"{'|z|' if signed else 'z'} > {float(threshold)}, uncorrected · {count}"
    return Shown(like(source, np.where(passes, values, 0)), said, threshold)


def in_runs(
    paths: Sequence[Path], runs: Sequence[str], threshold: float, signed: bool
) -> Iterator[tuple[str, Shown]]:
    """Each of these runs, with what of its z map is above a threshold; NaN is a run that cannot tell."""
    for path, run in zip(paths, runs, strict=True):
        source = images.load(path)
        shown = above(source, threshold, signed)
        n_above = np.count_nonzero(shown.image.dataobj)
        said = f"{'|z|' if signed else 'z'} > {threshold:.2f} in this run · {n_above:,} voxels"
        if np.isnan(source.dataobj).any():
            said = "this run cannot estimate the contrast"
        yield run, replace(shown, said=said)


def bounds(rows: Mapping[str, Mapping[str, str]]) -> dict[str, float]:
    """Threshold of z of each method by which some voxel can pass."""
    return {name: float(row["z_threshold"]) for name, row in rows.items() if row["z_threshold"] != "n/a"}


def _passed(method: str, row: Mapping[str, str]) -> str:
    """Name of a method, its threshold, and what passes it."""
    two_sided = row["two_sided"] == "true"
    name = f"{NAMES[method]} {float(row['level']):g}, {'two' if two_sided else 'one'}-sided"
    if row["z_threshold"] == "n/a":
        return f"{name} · no voxel passes"
    bound = f"{'|z|' if two_sided else 'z'} > {float(row['z_threshold']):.2f}"
    extent = int(row["cluster_threshold"])
    joined = {"6": "", "18": " joined at edges", "26": " joined at corners"}[row["connectivity"]]
    clusters = f", clusters of {extent} voxels or more{joined}" if extent > 1 else ""
    n_voxels = int(row["n_voxels"])
    return f"{name} · {bound}{clusters} · {n_voxels:,} voxel{'' if n_voxels == 1 else 's'}"


def _bounds(rows: Mapping[str, Mapping[str, str]], proportion: Image) -> str:
    """What the map of true discoveries says."""
    level = float(rows["fdr"]["level"])
    name = f"true discoveries, {100 * (1 - level):g} % confidence"
    if not finite(proportion).any():
        return f"{name} · none is certain in any cluster"
    return f"{name} · of a cluster, at least the share shown is active"
