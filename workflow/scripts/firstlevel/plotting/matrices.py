"""The design matrix of a run, and how its regressors are correlated.

White is zero, red positive, blue negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from firstlevel import texts
from firstlevel.arrays import FloatArray
from firstlevel.plotting import drawing, figures
from firstlevel.plotting.drawing import Figure

COLOURS = "RdBu_r"
COLUMN = 0.29
"""Inches of a column of a design: its name needs as much."""
NARROWEST = 1.5
"""Inches of a picture of few regressors."""
MOST_WRITTEN = 12
"""Regressors up to which each correlation is written into its field."""
INCH, WIDEST_NUMBER = 72, 3.6
"""Points of an inch; width of a correlation with its sign and some air, in its font size."""
SMALLEST, LARGEST = 4.0, 10.0
"""Points of a name beside a correlation."""
KINDS = {
    "condition": 0, "modulator": 1, "derivative": 4, "motion": 2, "confound": 3, "given": 5,
}  # fmt: skip
"""Kinds of regressors that have a colour of their own, of :data:`figures.COLOURS`; others are grey."""


def draw(names: Sequence[str], matrix: FloatArray, title: str, kinds: Sequence[str] = ()) -> Figure:
    """Draw the matrix, one row per scan, one column per regressor, with the regressors' names above it.

    Each column is divided by its largest absolute value, so that regressors of any unit can be seen side by
    side. The `kinds` of the columns, such as condition and modulator, are told by a colour below each.
    """
    largest = np.abs(matrix).max(axis=0, initial=0.0)
    picture, [axes] = drawing.panels(max(COLUMN * len(names), NARROWEST), [5.8])
    shown = axes.imshow(
        matrix / np.where(largest > 0, largest, 1.0),
        cmap=COLOURS, clim=(-1, 1), interpolation="nearest", aspect="auto",
    )  # fmt: skip
    axes.xaxis.tick_top()
    axes.set_xticks(
        range(len(names)),
        [texts.shortened(name, figures.LABEL) for name in names],
        rotation=60,
        ha="left",
        rotation_mode="anchor",
        parse_math=False,
    )
    edges = np.arange(1, len(names)) - 0.5
    axes.vlines(edges, 0, 1, transform=axes.get_xaxis_transform(), color="0.8", linewidth=0.5)
    axes.tick_params(axis="x", length=0)
    axes.tick_params(labelsize=10)
    axes.set_ylabel("scan number", fontsize=12)
    for place, kind in enumerate(kinds):
        axes.plot([place - 0.4, place + 0.4], [-0.02, -0.02], transform=axes.get_xaxis_transform(),
                  color=_colour(kind), linewidth=5, solid_capstyle="butt", clip_on=False)  # fmt: skip
    for line, kind in enumerate(dict.fromkeys(kinds)):
        for text, right, colour in (("\N{BLACK SQUARE}", 0, _colour(kind)), (kind, 13, figures.DARK)):
            axes.annotate(
                text, (0, -0.02), xytext=(right, -10 - 14 * line), xycoords="axes fraction",
                textcoords="offset points", va="top", fontsize=10, color=colour, parse_math=False,
            )  # fmt: skip
    bar = drawing.add_bar(axes, shown, 0.5, ticks=[-1, 0, 1])
    bar.set_label("value / column's largest absolute value", fontsize=10)
    axes.set_title(title, loc="left", fontsize=14, pad=12, parse_math=False)
    return picture


def draw_correlation(names: Sequence[str], matrix: FloatArray, title: str) -> Figure:
    """Draw the correlations between those columns of a matrix (n, k) that vary."""
    varies = np.ptp(matrix, axis=0) > 0
    shown = [name for name, keep in zip(names, varies, strict=True) if keep]
    side = max(min(0.9 * len(shown), 3.1), min(0.42 * len(shown), 11.0), NARROWEST)
    picture, [axes] = drawing.panels(side, [side])
    if shown:
        correlation = np.atleast_2d(np.corrcoef(matrix[:, varies], rowvar=False))
        image = axes.imshow(correlation, cmap=COLOURS, clim=(-1, 1), interpolation="nearest")
        cell = side * INCH / len(shown)  # points
        size = min(LARGEST, max(SMALLEST, 0.8 * cell))
        step = int(np.ceil(size / cell))
        labels = [texts.shortened(name, figures.LABEL) for name in shown[::step]]
        turned: dict[str, Any] = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks(range(0, len(shown), step), labels, fontsize=size, parse_math=False, **turned)
        axes.set_yticks(range(0, len(shown), step), labels, fontsize=size, parse_math=False, va="center")
        written = min(LARGEST, cell / WIDEST_NUMBER)
        if len(shown) <= MOST_WRITTEN:
            for (i, j), value in np.ndenumerate(correlation):
                text = f"{value:.2f}".replace("-", "\N{MINUS SIGN}")
                ink = "white" if abs(value) > 0.6 else figures.DARK
                axes.text(j, i, text, ha="center", va="center", color=ink, fontsize=written)
        bar = drawing.add_bar(axes, image, 0.6, ticks=[-1, 0, 1])
        bar.set_label("correlation", fontsize=11)
    else:
        axes.set_xticks([])
        figures.say_instead(axes, "no regressor varies")
    axes.set_title(title, loc="left", fontsize=14, pad=12, parse_math=False)
    return picture


def _colour(kind: str) -> str:
    return figures.COLOURS[KINDS[kind]] if kind in KINDS else figures.GREY
