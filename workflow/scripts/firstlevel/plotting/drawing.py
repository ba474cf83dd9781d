"""matplotlib with its own defaults, whatever the user's settings are: import this before it.

It reads a matplotlibrc of the working directory, of MATPLOTLIBRC and of the home folder as it is imported,
and styles of the home folder as pyplot is. One that is not UTF-8 would end the import.
"""

import contextlib
import os
from pathlib import Path
from typing import Any

for _name in ("MPLBACKEND", "MATPLOTLIBRC"):
    os.environ.pop(_name, None)

OWN = Path(__file__).parent
"""Folder with an empty matplotlibrc, which is found first, and no styles."""

with contextlib.chdir(OWN):
    import matplotlib

    _given = matplotlib.get_configdir
    setattr(matplotlib, "get_configdir", lambda: os.fspath(OWN))  # noqa: B010  no assignment to a function
    try:
        import matplotlib.style
        from matplotlib.axes import Axes
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Colormap, ListedColormap, Normalize
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
        from matplotlib.transforms import Bbox
    finally:
        setattr(matplotlib, "get_configdir", _given)  # noqa: B010

matplotlib.rcdefaults()
matplotlib.use("Agg")
matplotlib.rcParams["text.parse_math"] = False  # a condition may be called win_$5

__all__ = [
    "Axes", "Bbox", "Colormap", "Figure", "ListedColormap", "MaxNLocator", "Normalize", "ScalarMappable",
    "figure", "matplotlib", "panels",
]  # fmt: skip


def figure(width: float, height: float, *, fitted: bool = True, colour: str = "white") -> Figure:
    """Give an empty figure of a size in inches: without pyplot, which none needs that shows no window.

    `fitted` leaves the places of axes and texts to matplotlib.
    """
    picture = Figure(figsize=(width, height), layout="constrained" if fitted else None, facecolor=colour)
    FigureCanvasAgg(picture)
    return picture


def panels(width: float, height: float, rows: int = 1) -> tuple[Figure, Any]:
    """Give a figure with one axes, or as many below each other, that share their horizontal axis."""
    picture = figure(width, height)
    return picture, picture.subplots(rows, 1, sharex=True)
