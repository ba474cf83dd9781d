"""Axial cuts through a map of the mask, such as the temporal signal to noise ratio, dark to bright."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import SpatialImage as Image

from firstlevel.plotting import cuts, drawing, overlay, sampling, sections
from firstlevel.plotting.drawing import Figure

N_CUTS = 8
COLOURS = "inferno"


def frame(source: Image, inside: npt.NDArray[np.bool_]) -> Image:
    """Mask on a plain grid, cropped to it: the grid of the cuts, the same for all maps of the mask."""
    brain = sampling.like(source, inside.astype(np.float32))
    brain, _ = sections.cropped_to_brain(brain, brain)
    if sampling.is_oblique(brain.affine):
        brain = sections.on_finer_grid(brain)
    brain = sampling.ordered(brain)
    return sections.cropped_to_brain(brain, brain)[0]


def places(brain: Image) -> list[float]:
    """Heights of the axial cuts in mm, spread evenly over the frame of a mask."""
    heights = np.flatnonzero(sampling.finite(brain).any(axis=(0, 1)))
    between = np.unique(np.linspace(heights[0], heights[-1], N_CUTS + 2)[1:-1].round())
    return [float(height * brain.affine[2, 2] + brain.affine[2, 3]) for height in between]


def draw(
    source: Image, inside: npt.NDArray[np.bool_], brain: Image, title: str, caption: str, label: str
) -> Figure:
    """Draw a map from 0 to its 99th percentile inside a mask, in cuts spread evenly over that.

    `brain` is the :func:`frame` of the mask; `caption` stands below the title, `label` above the colour bar.
    """
    top = float(np.quantile(sampling.finite(source)[inside], 0.99)) or 1.0
    cuts_at = places(brain)
    width, height = sections.size(brain, "z", cuts_at)
    picture = drawing.figure(width, height, colour="black")
    shown = cuts.Layer(source, COLOURS, (0.0, top))
    cuts.draw(picture, brain, [shown], "z", cuts_at, annotated=11)
    colours = drawing.matplotlib.colormaps[COLOURS]
    overlay.add_bar(picture, colours, (0, top), [0, top], label, digits=2 if top < 10 else 0)
    picture.text(0, 1 + 0.48 / height, title, color="white", fontsize=15, parse_math=False)
    picture.text(0, 1 + 0.16 / height, caption, color="0.75", fontsize=12)
    return picture
