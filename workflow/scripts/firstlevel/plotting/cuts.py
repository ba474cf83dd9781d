"""Cuts through images on plain grids, drawn side by side: left is left, mm of the space on both axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import SpatialImage as Image

from firstlevel.arrays import Float32Array, FloatArray
from firstlevel.plotting import sections
from firstlevel.plotting.drawing import Artist, Axes, Bbox, Colormap, Figure, Normalize, matplotlib
from firstlevel.plotting.sampling import finite, values_on
from firstlevel.plotting.sections import Cuts, directions_of

Box = tuple[float, float, float, float]
"""Left, bottom, width and height, as shares of a figure."""
Place = tuple[float, float]
"""Along the two axes of a picture, in mm."""
DIM = 0.5
"""Part of the brightness of a background that makes room for the colours over it."""


@dataclass(frozen=True)
class Layer:
    """An image and how its values are coloured: those within `threshold` of 0 are not, where one is given."""

    image: Image
    colours: Colormap | str
    ends: tuple[float, float]
    threshold: float | None = None


def background(image: Image) -> Layer:
    """Grey behind the colours, no brighter than leaves them the eye."""
    values = finite(image)
    low, high = float(values.min()), float(values.max())
    return Layer(image, "gray", (low, high + DIM * (high - low) / 2))


def draw(
    picture: Figure,
    grid: Image,
    layers: list[Layer],
    display_mode: str,
    cuts: Cuts,
    box: Box = (0.0, 0.0, 1.0, 1.0),
    *,
    annotated: float = 12.0,
    cross: bool = False,
) -> None:
    """Draw all layers at each cut, within a box of the figure that has the proportions of ``sections.size``.

    All cuts stand in one axes, whose coordinates are the mm of the first.

    Parameters
    ----------
    grid : plain, of the pixels of the cuts; layers on any other, also an oblique one, are sampled on it.
    annotated : size of the letters that say which cut it is and which side is left; 0 for none.
    cross : whether lines show where the other cuts of a point are.
    """
    values = [finite(layer.image) for layer in layers]
    extent = np.stack([np.full(3, -0.5), np.array(grid.shape) - 0.5]) * np.diag(grid.affine)[:3]
    extent += grid.affine[:3, 3]
    sides = extent[1] - extent[0]
    whole = sections.size_in_mm(sides, display_mode, cuts)
    pixels = picture.get_size_inches() * picture.dpi * box[2:]
    canvas = np.zeros((*np.rint(pixels[::-1]).astype(int), 4), np.uint8)
    canvas[..., 3] = 255
    axes = picture.add_axes(box, facecolor="black")
    axes.set_axis_off()
    start: Place | None = None  # of the first cut's origin, on the axes
    for direction, mm, corner in _places(sides, display_mode, cuts):
        across, up = _plane(direction)
        cut, ends = sides[[across, up]], []
        for first, length, all_mm, size in zip(corner, cut, whole, canvas.shape[1::-1], strict=True):
            ends.append(np.rint(np.array([first, first + length]) / all_mm * size).astype(int))
        (left, right), (low, high) = ends
        coloured = _coloured(grid, layers, values, direction, mm)
        canvas[low:high, left:right] = coloured[
            np.arange(high - low)[:, None] * coloured.shape[0] // (high - low),
            np.arange(right - left) * coloured.shape[1] // (right - left),
        ]
        if start is None:
            start = (extent[0, across] - corner[0], extent[0, up] - corner[1])
        left_mm, low_mm = start[0] + corner[0], start[1] + corner[1]
        if annotated:
            _annotate(axes, direction, mm, (left_mm, low_mm), cut, annotated)
        if cross and len(directions_of(display_mode)) > 1 and isinstance(cuts, list):
            point = dict(zip(directions_of(display_mode), cuts, strict=True))
            how: dict[str, Any] = {"color": "0.8", "linewidth": 0.7}
            if "xyz"[across] in point:
                x = left_mm + point["xyz"[across]] - extent[0, across]
                axes.plot([x, x], low_mm + cut[1] * np.array([0.05, 0.95]), **how)
            if "xyz"[up] in point:
                y = low_mm + point["xyz"[up]] - extent[0, up]
                axes.plot(left_mm + cut[0] * np.array([0.0, 0.95]), [y, y], **how)
    if start is not None:
        axes.set(xlim=(start[0], start[0] + whole[0]), ylim=(start[1], start[1] + whole[1]))
    axes.add_artist(Pixels(canvas))


class Pixels(Artist):
    """Pixels of a picture that fill an axes, as they are, or that stand in a figure; row 0 is the lowest.

    matplotlib's own images are scaled in floating point, which takes longer than all else of a figure.

    Parameters
    ----------
    pixels : (height, width, RGBA).
    corner : lower left, as shares of a figure; where it is None, that of the axes.
    """

    def __init__(self, pixels: npt.NDArray[np.uint8], corner: Place | None = None) -> None:
        super().__init__()
        self.pixels, self.corner = pixels, corner
        self.set_zorder(0)
        self.set_in_layout(corner is not None)

    def get_window_extent(self, renderer: Any = None) -> Bbox:
        """Pixels that are covered."""
        if self.corner is None:
            assert self.axes is not None
            x, y = self.axes.bbox.x0, self.axes.bbox.y0
        else:
            figure = self.get_figure(root=True)
            assert figure is not None
            x, y = figure.transFigure.transform(self.corner)
        height, width, _ = self.pixels.shape
        return Bbox.from_bounds(round(x), round(y), width, height)

    def draw(self, renderer: Any) -> None:
        """Draw with the lower left corner at the pixel nearest to where it is to be."""
        place = self.get_window_extent()
        context = renderer.new_gc()
        renderer.draw_image(context, place.x0, place.y0, self.pixels)
        context.restore()


def _coloured(
    grid: Image, layers: list[Layer], values: list[Float32Array], direction: str, mm: float
) -> npt.NDArray[np.uint8]:
    """Colours of a cut, (n up, n across, RGBA): nearest neighbours on a slice of the grid."""
    axis = "xyz".index(direction)
    step = grid.affine[axis, axis]
    number = int(np.clip(np.round((mm - grid.affine[axis, 3]) / step), 0, grid.shape[axis] - 1))
    affine, shape = grid.affine.copy(), list(grid.shape)
    affine[axis, 3] += number * step
    shape[axis] = 1
    colours: npt.NDArray[np.uint8] | None = None
    for layer, of_layer in zip(layers, values, strict=True):
        flat = values_on(of_layer, layer.image.affine, affine, tuple(shape), linear=False).squeeze(axis).T
        chosen = matplotlib.colormaps[layer.colours] if isinstance(layer.colours, str) else layer.colours
        shades: npt.NDArray[np.uint8] = chosen(Normalize(*layer.ends)(flat), bytes=True)
        if colours is None or layer.threshold is None:
            colours = shades
        else:
            colours = np.where((np.abs(flat) > layer.threshold)[..., None], shades, colours)
    assert colours is not None
    return colours


def _plane(direction: str) -> tuple[int, int]:
    """Axes of the space across and up a cut."""
    return {"x": (1, 2), "y": (0, 2), "z": (0, 1)}[direction]


def _places(sides: FloatArray, display_mode: str, cuts: Cuts) -> list[tuple[str, float, Place]]:
    """Direction and mm of each cut, and where its lower left corner is among all, in mm."""
    x, y, _ = sides.tolist()
    if display_mode == "tiled":  # the coronal cut with the sagittal one beside it and the axial one below it
        assert isinstance(cuts, list)
        return list(zip("xyz", cuts, [(x, y), (0.0, y), (0.0, 0.0)], strict=True))
    width, height = sections.size_in_mm(sides, display_mode, cuts)
    directions = directions_of(display_mode)
    if isinstance(cuts, dict):  # a row for each direction, the last on top
        rows = [[(direction, mm) for mm in cuts[direction]] for direction in "xyz" if direction in cuts]
    else:
        rows = [list(zip(directions if len(directions) > 1 else directions * len(cuts), cuts, strict=True))]
    tall, places = height / len(rows), []
    for number, row in enumerate(rows):
        left = (width - sum(sides[_plane(direction)[0]] for direction, _ in row)) / 2
        for direction, mm in row:
            across, up = _plane(direction)
            places.append((direction, mm, (left, number * tall + (tall - float(sides[up])) / 2)))
            left += float(sides[across])
    return places


def _annotate(axes: Axes, direction: str, mm: float, corner: Place, cut: FloatArray, size: float) -> None:
    """Say where a cut is, and which side is left."""
    behind = {"boxstyle": "square,pad=0", "edgecolor": "black", "facecolor": "black"}
    how: dict[str, Any] = {"color": "white", "size": size, "bbox": behind, "in_layout": False}
    axes.text(*corner, f"{direction}={round(mm)}", ha="left", va="bottom", **how)
    if direction != "x":
        (left, right), top = corner[0] + cut[0] * np.array([0.1, 0.9]), corner[1] + 0.95 * cut[1]
        axes.text(left, top, "L", ha="left", va="top", **how)
        axes.text(right, top, "R", ha="right", va="top", **how)
