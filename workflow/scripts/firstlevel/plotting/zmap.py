"""A contrast: its z map above the threshold, in colour, over the mean functional image or the T1w.

Coordinates are mm of the scanner's (or template's) space, left is left. A map whose axes are oblique to that
space is first sampled on a finer, plain grid, nearest neighbour: every coloured value is a value of the map,
and cuts are cuts of the space. All cuts share one colour scale, which starts at the threshold and ends at the
map's peak.
"""

from __future__ import annotations

import numpy as np
from nibabel.spatialimages import SpatialImage as Image

from firstlevel.plotting import cuts, drawing, figures, overlay, sections
from firstlevel.plotting.drawing import Figure
from firstlevel.plotting.sampling import finite


def draw(
    source: Image,
    zmap: Image,
    mean: Image,
    *,
    title: str,
    over: str,
    threshold: float,
    display_mode: str,
    cut_coords: int | list[float],
    signed: bool,
) -> Figure:
    """Draw voxels with |z| above `threshold`; of maps that are not `signed` (F), only z above it.

    A small z of an F contrast says that there is no effect, not that there is a negative one.

    Parameters
    ----------
    source : the map as it is, whose voxels are counted.
    zmap, mean : what is shown of it, and the background, on a plain grid.
    cut_coords : number of cuts per direction, which then go through the activation, or their positions in mm:
        any number for the display modes x, y and z, one per direction for the others.
    over : what the background is, in words that end the subtitle.
    """
    if isinstance(cut_coords, int):
        zmap, mean = sections.cropped_to_brain(zmap, mean)
        places = sections.through_activation(zmap, threshold, display_mode, cut_coords)
    else:
        places = sections.as_chosen(zmap, display_mode, cut_coords)
    strength = np.abs(finite(source)) if signed else finite(source)
    n_above, peak = int(np.count_nonzero(strength > threshold)), float(strength.max())
    top = max(peak, 1.25 * threshold) or 1.0
    colours = overlay.colours(threshold, top, signed)
    width, height = sections.size(zmap, display_mode, places)
    picture = drawing.figure(width, height, colour="black")
    above = cuts.Layer(zmap, colours, (-top if signed else 0.0, top), threshold)
    layers = [cuts.background(mean), above]
    cuts.draw(picture, mean, layers, display_mode, places, cross=n_above > 0)
    overlay.add_z_bar(picture, colours, threshold, top, signed)
    count = f"{n_above:,} voxel{'s' if n_above > 1 else ''}" if n_above else "no voxel above threshold"
    bound = f"{'|z|' if signed else 'z'} > {float(threshold)}"
    heading = figures.heading(title, width)
    picture.text(0, 1 + 0.48 / height, heading, color="white", fontsize=15, parse_math=False, va="bottom")
    picture.text(0, 1 + 0.16 / height, f"{bound}, uncorrected · {count}{over}", color="0.75", fontsize=12)
    return picture
