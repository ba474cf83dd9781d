"""Thresholded maps of a contrast: one row of axial cuts per method, the same cuts in all.

Every coloured value is a value of a map (nearest neighbour).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from nibabel.spatialimages import SpatialImage as Image

from firstlevel.plotting import cuts, drawing, figures, overlay, sections
from firstlevel.plotting.drawing import Figure
from firstlevel.plotting.sampling import finite, sampled

N_CUTS = 6
LABEL = 0.46  # inches above each row of cuts
NAMES = {"uncorrected": "uncorrected, p <", "fdr": "false discovery rate", "bonferroni": "Bonferroni, p <"}
PROPORTION = "tdp"
"""Name among the maps of the one of bounds on true discoveries."""


def draw(
    threshold_of: Mapping[str, Mapping[str, str]],
    maps: Mapping[str, Image],
    zmap: Image,
    mean: Image,
    title: str,
    signed: bool,
) -> Figure:
    """Draw the maps by the name of their method; `threshold_of` has their rows of the table of thresholds."""
    finite_bounds = [
        float(row["z_threshold"]) for row in threshold_of.values() if row["z_threshold"] != "n/a"
    ]
    lowest = min(finite_bounds)
    places = sections.through_activation(zmap, float(threshold_of["uncorrected"]["z_threshold"]), "z", N_CUTS)
    width, height = sections.size(zmap, "z", places)
    total_height = len(maps) * (height + LABEL)
    picture = drawing.figure(width, total_height, fitted=False, colour="black")
    top = max(float(np.abs(finite(zmap)).max()), 1.25 * lowest)
    colours, share = overlay.colours(lowest, top, signed), overlay.proportions()
    behind = cuts.background(mean)
    for number, (method, image) in enumerate(maps.items()):
        bottom = total_height - (number + 1) * (height + LABEL)
        shown = sampled(image, zmap.affine, zmap.shape, linear=False)
        above = cuts.Layer(shown, colours, (-top if signed else 0.0, top), 0.0)
        caption = (
            _passed(method, threshold_of[method]) if method != PROPORTION else _bounds(threshold_of, shown)
        )
        if method == PROPORTION:
            above = cuts.Layer(shown, share, (0.0, 1.0), 0.0)
        box = (0.0, bottom / total_height, 1.0, height / total_height)
        cuts.draw(picture, [behind, above], "z", places, box, annotated=12 * (number == 0))
        picture.text(
            0, (bottom + height + 0.12) / total_height, caption, color="white", fontsize=13, parse_math=False
        )
    divide = (height + LABEL) / total_height
    overlay.add_z_bar(picture, colours, lowest, top, signed, (divide, 1 - LABEL / total_height))
    overlay.add_bar(picture, share, (0, 1), [0, 0.5, 1], "share", (0, height / total_height))
    heading = figures.heading(title, width)
    picture.text(
        0, 1 + 0.1 / total_height, heading, color="white", fontsize=15, parse_math=False, va="bottom"
    )
    return picture


def _passed(method: str, row: Mapping[str, str]) -> str:
    """Name of a method, its threshold, and the number of voxels above it."""
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


def _bounds(threshold_of: Mapping[str, Mapping[str, str]], proportion: Image) -> str:
    """Caption of the map of true discoveries."""
    level = float(threshold_of["fdr"]["level"])
    name = f"true discoveries, {100 * (1 - level):g} % confidence"
    if not finite(proportion).any():
        return f"{name} · none is certain in any cluster"
    return f"{name} · of a cluster, at least the proportion shown is active"
