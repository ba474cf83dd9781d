"""matplotlib with its own defaults, whatever the user's settings are: import this before it.

It reads a matplotlibrc of the working directory, of MATPLOTLIBRC and of the home folder as it is imported,
and styles of the home folder as pyplot is. One that is not UTF-8 would end the import. Two fifths of its
import is the writing of texts for help(), on what each artist may be set to: they are left out.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

for _name in ("MPLBACKEND", "MATPLOTLIBRC"):
    os.environ.pop(_name, None)

OWN = Path(__file__).parent
"""Folder with an empty matplotlibrc, which is found first, and no styles."""

with contextlib.chdir(OWN):
    import matplotlib
    import matplotlib.artist

    _during_import: tuple[tuple[Any, str, Any], ...] = (
        (matplotlib, "get_configdir", lambda: os.fspath(OWN)),
        (matplotlib.artist, "kwdoc", lambda _: ""),
        (matplotlib.artist.Artist, "_update_set_signature_and_docstring", classmethod(lambda _: None)),
    )
    _before = [(place, name, vars(place)[name]) for place, name, _ in _during_import if name in vars(place)]
    for _place, _name, _value in _during_import:
        setattr(_place, _name, _value)
    try:
        import matplotlib.style
        from matplotlib.artist import Artist
        from matplotlib.axes import Axes
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Colormap, ListedColormap, Normalize
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator, NullLocator
        from matplotlib.transforms import Bbox
    finally:
        for _place, _name, _value in _before:
            setattr(_place, _name, _value)

matplotlib.rcdefaults()
matplotlib.use("Agg")
matplotlib.rcParams["text.parse_math"] = False  # a condition may be called win_$5

__all__ = [
    "Artist", "Axes", "Bbox", "Colormap", "Figure", "ListedColormap", "MaxNLocator", "Normalize",
    "NullLocator", "ScalarMappable", "add_bar", "figure", "matplotlib", "panels",
]  # fmt: skip


DOTS_PER_INCH = 150
GAP = 0.18
"""Inches between panels below each other."""
BESIDE, WIDE = 0.2, 0.12
"""Inches between axes and the colour bar beside them, and that it is wide."""


def figure(width: float, height: float, colour: str = "white") -> Figure:
    """Give an empty figure of a size in inches: without pyplot, which none needs that shows no window.

    Texts may stand around it: what is saved is cropped to all that there is. So no layout is searched for,
    which would take longer than the drawing.
    """
    picture = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor=colour)
    FigureCanvasAgg(picture)
    return picture


def panels(width: float, heights: Sequence[float]) -> tuple[Figure, list[Axes]]:
    """Give a figure that axes fill, below each other, which share their horizontal axis; inches.

    Only the lowest has numbers on that.
    """
    whole = sum(heights) + GAP * (len(heights) - 1)
    picture = figure(width, whole)
    found: list[Axes] = []
    top = whole
    for height in heights:
        place = (0.0, (top - height) / whole, 1.0, height / whole)
        found.append(picture.add_axes(place, sharex=found[0] if found else None))
        top -= height + GAP
    for axes in found[:-1]:
        axes.tick_params(labelbottom=False)
    return picture, found


def add_bar(axes: Axes, shown: ScalarMappable, share: float, **how: Any) -> Any:
    """Add the colour bar of an image right of its axes, in the middle of a share of their height."""
    picture, place = axes.get_figure(root=True), axes.get_position()
    assert picture is not None
    width, _ = picture.get_size_inches()
    tall = share * place.height
    bottom = place.y0 + (place.height - tall) / 2
    beside = picture.add_axes((place.x1 + BESIDE / width, bottom, WIDE / width, tall))
    return picture.colorbar(shown, cax=beside, **how)
