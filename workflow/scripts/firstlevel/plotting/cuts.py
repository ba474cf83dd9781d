"""Cuts through images on plain grids, drawn side by side: left is left, mm of the space on both axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.spatialimages import SpatialImage as Image

from firstlevel.plotting.drawing import Axes, Colormap, Figure
from firstlevel.plotting.sampling import finite
from firstlevel.plotting.sections import Cuts, directions_of

Box = tuple[float, float, float, float]
"""Left, bottom, width and height, as shares of a figure."""
DIM = 0.5
"""Part of the brightness of a background that makes room for the colours over it."""


@dataclass(frozen=True)
class Layer:
    """An image and the colours of its values; values within `threshold` of 0, if given, are not drawn."""

    image: Image
    colours: Colormap | str
    ends: tuple[float, float]
    threshold: float | None = None


def background(image: Image) -> Layer:
    """Grey colours of the background, darkened so that the map stands out."""
    values = finite(image)
    low, high = float(values.min()), float(values.max())
    return Layer(image, "gray", (low, high + DIM * (high - low) / 2))


def draw(
    picture: Figure,
    layers: list[Layer],
    display_mode: str,
    cuts: Cuts,
    box: Box = (0.0, 0.0, 1.0, 1.0),
    *,
    annotated: float = 12.0,
    cross: bool = False,
) -> None:
    """Draw all layers at each cut, within a box of the figure that has the proportions of ``sections.size``.

    Parameters
    ----------
    annotated : size of the letters that say which cut it is and which side is left; 0 for none.
    cross : whether lines show where the other cuts of a point are.
    """
    values = [_masked(layer) for layer in layers]
    affine = layers[0].image.affine
    extent = np.stack([np.full(3, -0.5), np.array(layers[0].image.shape) - 0.5]) * np.diag(affine)[:3]
    extent += affine[:3, 3]
    for direction, mm, place in _places(extent, display_mode, cuts, box):
        axes = picture.add_axes(place, facecolor="black")
        axes.set_axis_off()
        across, up = _plane(direction)
        for layer, volume in zip(layers, values, strict=True):
            _show(axes, layer, volume, direction, mm)
        axes.set(xlim=extent[:, across], ylim=extent[:, up], aspect="equal")
        if annotated:
            _annotate(axes, direction, mm, annotated)
        if cross and len(directions_of(display_mode)) > 1 and isinstance(cuts, list):
            point = dict(zip(directions_of(display_mode), cuts, strict=True))
            if "xyz"[across] in point:
                axes.axvline(point["xyz"[across]], 0.05, 0.95, color="0.8", linewidth=0.7)
            if "xyz"[up] in point:
                axes.axhline(point["xyz"[up]], 0.0, 0.95, color="0.8", linewidth=0.7)


def _masked(layer: Layer) -> np.ma.MaskedArray:
    values = finite(layer.image)
    hidden = np.zeros(values.shape, bool) if layer.threshold is None else np.abs(values) <= layer.threshold
    return np.ma.array(values, mask=hidden)


def _plane(direction: str) -> tuple[int, int]:
    """Horizontal and vertical axis of a cut."""
    return {"x": (1, 2), "y": (0, 2), "z": (0, 1)}[direction]


def _show(axes: Axes, layer: Layer, values: np.ma.MaskedArray, direction: str, mm: float) -> None:
    axis, affine = "xyz".index(direction), layer.image.affine
    number = int(np.round((mm - affine[axis, 3]) / affine[axis, axis]))
    flat = values.take(min(max(number, 0), values.shape[axis] - 1), axis)
    if flat.mask.all():
        return
    ends = []
    for k in _plane(direction):
        start, step = affine[k, 3], affine[k, k]
        ends += [start - step / 2, start + step * (values.shape[k] - 0.5)]
    low, high = layer.ends
    axes.imshow(
        flat.T, cmap=layer.colours, vmin=low, vmax=high, extent=tuple(ends), origin="lower",
        interpolation="nearest", aspect="equal",
    )  # fmt: skip


def _places(extent: np.ndarray, display_mode: str, cuts: Cuts, box: Box) -> list[tuple[str, float, Box]]:
    """Direction, mm and box of each cut."""
    left, bottom, width, height = box
    sides = extent[1] - extent[0]
    directions = directions_of(display_mode)
    if isinstance(cuts, dict):  # a row for each direction, the last on top
        cuts_by_row = [(direction, cuts[direction]) for direction in "xyz" if direction in cuts]
        tall = height / len(cuts_by_row)
        return [
            (direction, mm, (left + k * width / len(row), bottom + n * tall, width / len(row), tall))
            for n, (direction, row) in enumerate(cuts_by_row)
            for k, mm in enumerate(row)
        ]
    if display_mode == "tiled":  # the coronal cut with the sagittal one beside it and the axial one below it
        x, y, z = sides
        wide, low = width * x / (x + y), height * y / (y + z)
        places: list[Box] = [
            (left + wide, bottom + low, width - wide, height - low),
            (left, bottom + low, wide, height - low),
            (left, bottom, wide, low),
        ]
        return list(zip("xyz", cuts, places, strict=True))
    shown = directions if len(directions) > 1 else directions * len(cuts)
    widths = np.array([sides[_plane(direction)[0]] for direction in shown])
    widths *= width / widths.sum()
    starts = left + np.append(0.0, np.cumsum(widths)[:-1])
    return [
        (direction, mm, (float(start), bottom, float(wide), height))
        for direction, mm, start, wide in zip(shown, cuts, starts, widths, strict=True)
    ]


def _annotate(axes: Axes, direction: str, mm: float, size: float) -> None:
    """Write the position of a cut, and which side is left."""
    behind = {"boxstyle": "square,pad=0", "edgecolor": "black", "facecolor": "black"}
    how: dict[str, Any] = {"transform": axes.transAxes, "color": "white", "size": size, "bbox": behind}
    axes.text(0, 0, f"{direction}={round(mm)}", ha="left", va="bottom", **how)
    if direction != "x":
        axes.text(0.1, 0.95, "L", ha="left", va="top", **how)
        axes.text(0.9, 0.95, "R", ha="right", va="top", **how)
