"""What of a contrast passes which threshold: one row of axial cuts per method, the same cuts in all.

Every coloured value is a value of a map (nearest neighbour).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from nibabel.spatialimages import SpatialImage as Image

from firstlevel.plotting import cuts, drawing, figures, overlay, sections
from firstlevel.plotting.drawing import Figure
from firstlevel.plotting.sampling import finite

N_CUTS = 6
LABEL = 0.46  # inches above each row of cuts
NAMES = {"uncorrected": "uncorrected, p <", "fdr": "false discovery rate", "bonferroni": "Bonferroni, p <"}
PROPORTION = "tdp"
"""Name among the maps of the one of bounds on true discoveries."""


def draw(
    rows: Mapping[str, Mapping[str, str]],
    maps: Mapping[str, Image],
    zmap: Image,
    mean: Image,
    title: str,
    signed: bool,
) -> Figure:
    """Draw the maps by the name of their method; `rows` are those of the table of thresholds."""
    finite_bounds = [float(row["z_threshold"]) for row in rows.values() if row["z_threshold"] != "n/a"]
    lowest = min(finite_bounds)
    places = sections.through_activation(zmap, float(rows["uncorrected"]["z_threshold"]), "z", N_CUTS)
    width, height = sections.size(zmap, "z", places)
    whole = len(maps) * (height + LABEL)
    picture = drawing.figure(width, whole, colour="black")
    top = max(float(np.abs(finite(zmap)).max()), 1.25 * lowest)
    colours, share = overlay.colours(lowest, top, signed), overlay.proportions()
    behind = cuts.background(mean)
    for number, (method, image) in enumerate(maps.items()):
        bottom = whole - (number + 1) * (height + LABEL)
        above = cuts.Layer(image, colours, (-top if signed else 0.0, top), 0.0)
        said = _passed(method, rows[method]) if method != PROPORTION else _bounds(rows, image)
        if method == PROPORTION:
            above = cuts.Layer(image, share, (0.0, 1.0), 0.0)
        box = (0.0, bottom / whole, 1.0, height / whole)
        cuts.draw(picture, mean, [behind, above], "z", places, box, annotated=12 * (number == 0))
        picture.text(0, (bottom + height + 0.12) / whole, said, color="white", fontsize=13, parse_math=False)
    divide = (height + LABEL) / whole
    overlay.add_z_bar(picture, colours, lowest, top, signed, (divide, 1 - LABEL / whole))
    overlay.add_bar(picture, share, (0, 1), [0, 0.5, 1], "share", (0, height / whole))
    heading = figures.heading(title, width)
    picture.text(0, 1 + 0.1 / whole, heading, color="white", fontsize=15, parse_math=False, va="bottom")
    return picture


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
    return f"{name} · of a cluster, at least the proportion shown is active"
