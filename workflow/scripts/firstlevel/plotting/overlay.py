"""Colours of z over a brain on black, and their colour bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.spatialimages import SpatialImage as Image

from firstlevel.plotting.drawing import (
    Colormap,
    Figure,
    ListedColormap,
    Normalize,
    ScalarMappable,
    matplotlib,
)
from firstlevel.plotting.sampling import finite

BINS = 1024
GREY = 0.2


@dataclass(frozen=True)
class Scale:
    """Colours of the pictures of a contrast, from the lowest of their thresholds to the strongest z.

    Attributes
    ----------
    lowest, top : magnitudes of z; colours begin at the one and end at the other.
    signs : which of -1 and 1 are shown: a scale of one sign has no half that nothing uses.
    """

    lowest: float
    top: float
    signs: tuple[int, ...]

    @classmethod
    def of(cls, shown: Sequence[Image], lowest: float, signed: bool) -> Scale:
        """Scale of thresholded maps, which none that is not `signed` (F) has below 0."""
        maps = [finite(image) for image in shown]
        strongest = {sign: max(float((sign * z).max(initial=0.0)) for z in maps) for sign in (-1, 1)}
        signs = tuple(sign for sign in (-1, 1) if strongest[sign] > lowest) or ((-1, 1) if signed else (1,))
        return cls(lowest, max(*strongest.values(), 1.25 * lowest) or 1.0, signs)

    @property
    def ends(self) -> tuple[float, float]:
        """Lowest and highest z of the bar."""
        return (-self.top if -1 in self.signs else self.lowest, self.top if 1 in self.signs else -self.lowest)

    def colours(self, threshold: float | None = None) -> ListedColormap:
        """Red to yellow for positive z, blue to cyan for negative, grey up to a picture's own threshold."""
        own = self.lowest if threshold is None else threshold
        low, high = self.ends
        level = np.linspace(low, high, BINS)
        warm = matplotlib.colormaps["hot"](
            0.4 + 0.53 * np.clip((np.abs(level) - self.lowest) / (self.top - self.lowest), 0, 1)
        )
        rgb = np.where(level[:, None] < 0, warm[:, [2, 1, 0]], warm[:, :3])
        # The bin that the threshold falls into holds values above it too: it is coloured.
        rgb[np.abs(level) <= own - 2 * (high - low) / (BINS - 1)] = GREY
        return ListedColormap(rgb)

    def ticks(self, threshold: float | None = None) -> list[float]:
        """Numbers beside the bar: its ends, the threshold and, between two signs, 0."""
        own = self.lowest if threshold is None else threshold
        marks = [own, self.top] if 0.1 * self.top < own < 0.95 * self.top else [self.top]
        found = {sign * mark for sign in self.signs for mark in marks}
        if len(self.signs) > 1 or own <= 0.1 * self.top:
            found.add(0.0)
        low, high = self.ends
        return sorted(tick for tick in found if low <= tick <= high)


def proportions() -> Colormap:
    """Violet to yellow for proportions from 0 to 1, dark ones lightened for a black background."""
    return ListedColormap(matplotlib.colormaps["plasma"](np.linspace(0.2, 1, 256)))


def add_bar(
    picture: Figure,
    shown: Colormap,
    ends: tuple[float, float],
    ticks: list[float],
    name: str,
    *,
    beside: float = 0.0,
    digits: int | None = None,
    within: tuple[float, float] = (0.0, 1.0),
) -> None:
    """Add a colour bar to the right of a figure, in the middle of its height.

    Parameters
    ----------
    within : bottom and top of the part of the figure that it is of, as shares of its height.
    beside : inches of what stands between the figure and the bar.
    digits : of the numbers beside it: significant ones, or none after the point for 0; three if not given.
    """
    width, height = picture.get_size_inches()
    bottom, top = within
    tall = min(0.8 * (top - bottom) * height, 3.5) / height
    axes = picture.add_axes((1 + (0.25 + beside) / width, (bottom + top - tall) / 2, 0.18 / width, tall))
    bar: Any = picture.colorbar(ScalarMappable(Normalize(*ends), shown), cax=axes)
    bar.set_ticks(ticks)
    form = ".0f" if digits == 0 else f".{digits or 3}g"
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:{form}}".replace("-", "\N{MINUS SIGN}"))
    bar.ax.set_title(name, color="white", fontsize=14, pad=8)
    bar.ax.tick_params(color="white", labelcolor="white", labelsize=11)
    bar.outline.set_edgecolor("0.6")
