"""A contrast: what of its z map passes a threshold, in colour, over the mean functional image or the T1w.

Coordinates are mm of the scanner's (or template's) space, left is left. A map whose axes are oblique to that
space is first sampled on a finer, plain grid, nearest neighbour: every coloured value is a value of the map,
and cuts are cuts of the space. Beside the cuts stands the strongest value along each axis, so that nothing
is missed between them. All pictures of a contrast share cuts and colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.spatialimages import SpatialImage as Image

from firstlevel.plotting import cuts, drawing, figures, overlay, projection, sections
from firstlevel.plotting.drawing import Colormap, Figure, Normalize
from firstlevel.plotting.overlay import Scale
from firstlevel.plotting.projection import Frame
from firstlevel.plotting.sections import Cuts

GAP = 0.25
"""Inches between the cuts and the projections."""
LOWEST = 2.2
"""Inches: projections are as high as the cuts, and no lower than this."""


@dataclass(frozen=True)
class Shown:
    """What a picture colours.

    Attributes
    ----------
    image : z, or shares, of what passes; 0 elsewhere.
    said : what the threshold is, and what passes it.
    threshold : of z, up to which the bar is grey; None for shares.
    """

    image: Image
    said: str
    threshold: float | None


@dataclass(frozen=True)
class Canvas:
    """What all pictures of a contrast share.

    Attributes
    ----------
    grid, mean : the map and its background, on plain grids.
    places : of the cuts, in mm, for the display mode.
    over : what the background is, in words that end the subtitle.
    """

    grid: Image
    mean: Image
    frame: Frame
    scale: Scale
    display_mode: str
    places: Cuts
    title: str
    over: str


def draw(on: Canvas, shown: Shown) -> Figure:
    """Draw what passes one threshold."""
    width, height = sections.size(on.grid, on.display_mode, on.places)
    picture = drawing.figure(width, height, colour="black")
    if shown.threshold is None:
        colours: Colormap = overlay.proportions()
        ends, ticks, name = (0.0, 1.0), [0.0, 0.5, 1.0], "share"
    else:
        colours, ends, name = on.scale.colours(shown.threshold), on.scale.ends, "z"
        ticks = on.scale.ticks(shown.threshold)
    layers = [cuts.background(on.mean), cuts.Layer(shown.image, colours, ends, 0.0)]
    any_passes = bool(np.any(np.nan_to_num(np.asarray(shown.image.dataobj))))
    cuts.draw(picture, on.mean, layers, on.display_mode, on.places, cross=any_passes)
    beside = GAP + _project(picture, on.frame, shown.image, colours, Normalize(*ends))
    overlay.add_bar(picture, colours, ends, ticks, name, beside=beside)
    heading = figures.heading(on.title, width + beside)
    above = (max(height, LOWEST) - height) / 2
    where: dict[str, Any] = {"x": 0, "color": "white", "fontsize": 15, "parse_math": False, "va": "bottom"}
    picture.text(y=1 + (0.48 + above) / height, s=heading, **where)
    said: dict[str, Any] = {"x": 0, "color": "0.75", "fontsize": 12, "parse_math": False}
    picture.text(y=1 + (0.16 + above) / height, s=shown.said + on.over, **said)
    return picture


def _project(picture: Figure, of: Frame, shown: Image, colours: Colormap, ends: Normalize) -> float:
    """Draw the projections along x and y above that along z, right of a figure; inches that they are wide."""
    x, y, z = of.shape
    width, height = picture.get_size_inches()
    tall = max(height, LOWEST)
    per_mm = tall / (y + z)
    for axis, (left, low) in {"x": (0, y), "y": (y, y), "z": (y, 0)}.items():
        across, up = projection.PLANES[axis]
        size = np.array([of.shape[across], of.shape[up]]) * per_mm
        corner = 1 + (GAP + left * per_mm) / width, 0.5 + (low * per_mm - tall / 2) / height
        values, grey = projection.along(shown, of, axis), of.outlines[axis]
        pixels = np.repeat(grey[..., None], 4, axis=-1)
        pixels[..., 3] = 255
        pixels = np.where((values != 0)[..., None], colours(ends(values), bytes=True), pixels)
        n_across, n_up = np.rint(size * picture.dpi).astype(int)
        rows, columns = (np.arange(n) * m // n for n, m in zip((n_up, n_across), grey.shape, strict=True))
        picture.add_artist(cuts.Pixels(np.ascontiguousarray(pixels[rows[:, None], columns]), corner))
    text = "strongest value\nalong each axis"
    where: dict[str, Any] = {"color": "0.75", "fontsize": 10, "ha": "center", "va": "center"}
    picture.text(1 + (GAP + y * per_mm / 2) / width, 0.5 + (y * per_mm - tall) / 2 / height, text, **where)
    return float((x + y) * per_mm)
