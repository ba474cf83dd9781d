"""Colours of z over a brain on black, and their colour bar."""

from __future__ import annotations

from typing import Any

import numpy as np

from firstlevel.plotting.drawing import (
    Colormap,
    Figure,
    ListedColormap,
    Normalize,
    ScalarMappable,
    matplotlib,
)


def colours(threshold: float, top: float, signed: bool) -> ListedColormap:
    """Red to yellow for positive z, blue to cyan for negative, from the threshold on; grey below it."""
    level = np.linspace(-top if signed else 0, top, 1024)
    warm = matplotlib.colormaps["hot"](
        0.4 + 0.53 * np.clip((np.abs(level) - threshold) / (top - threshold), 0, 1)
    )
    rgb = np.where(level[:, None] < 0, warm[:, [2, 1, 0]], warm[:, :3])
    # The bin that the threshold falls into holds values above it too: it is coloured.
    rgb[np.abs(level) <= threshold - 2 * (level[1] - level[0])] = 0.2
    return ListedColormap(rgb)


def proportions() -> Colormap:
    """Violet to yellow for proportions from 0 to 1, dark ones lightened for a black background."""
    return ListedColormap(matplotlib.colormaps["plasma"](np.linspace(0.2, 1, 256)))


def add_z_bar(
    picture: Figure,
    shown: ListedColormap,
    threshold: float,
    top: float,
    signed: bool,
    rows: tuple[float, float] = (0.0, 1.0),
) -> None:
    """Add the bar of :func:`colours` to the right of a figure, beside a part of its height."""
    marks = [threshold, top] if threshold > 0.1 * top else [top]
    ticks = sorted({0.0, *marks, *(-mark for mark in marks if signed)})
    add_bar(picture, shown, (-top if signed else 0, top), ticks, "z", rows)


def add_bar(
    picture: Figure,
    shown: Colormap,
    ends: tuple[float, float],
    ticks: list[float],
    name: str,
    rows: tuple[float, float] = (0.0, 1.0),
    digits: int | None = None,
) -> None:
    """Add a colour bar to the right of a figure, in the middle of a part of its height (from, to).

    `digits` of the numbers beside it: significant ones, or none after the point for 0; three if not given.
    """
    width, height = picture.get_size_inches()
    low, high = rows
    tall = min(0.8 * height * (high - low), 3.5) / height
    axes = picture.add_axes((1 + 0.25 / width, low + (high - low - tall) / 2, 0.18 / width, tall))
    bar: Any = picture.colorbar(ScalarMappable(Normalize(*ends), shown), cax=axes)
    bar.set_ticks(ticks)
    form = ".0f" if digits == 0 else f".{digits or 3}g"
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:{form}}".replace("-", "\N{MINUS SIGN}"))
    bar.ax.set_title(name, color="white", fontsize=14, pad=8)
    bar.ax.tick_params(color="white", labelcolor="white", labelsize=11)
    bar.outline.set_edgecolor("0.6")
