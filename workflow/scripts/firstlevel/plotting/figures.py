"""Drawing and saving of figures: without a screen, whole or not at all, same input, same bytes."""

from __future__ import annotations

import io
import textwrap
from pathlib import Path

from PIL import Image

from firstlevel.plotting.drawing import Axes, Bbox, Figure
from firstlevel.stage import atomic
from firstlevel.texts import shortened

# Okabe and Ito (2008): told apart with every kind of colour vision. Black and yellow left out.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
DARK, GREY = "0.15", "0.35"
DOTS_PER_INCH = 150
COLOURS_OF_A_FILE = 256
"""Of the thousand that a figure has. Maps differ by 3 of 255 at most, and files are half as large."""
LABEL = 40
"""Characters of a name beside an axis."""
HEADING = 400
"""Characters of a title; the page has all of an expression of hundreds of single trials."""
MARGIN = 0.15
"""Inches around the content of a figure."""


def heading(title: str, width: float) -> str:
    """Title in lines that fit a figure of a width in inches, at 15 points."""
    return "\n".join(textwrap.wrap(shortened(title, HEADING), width=int(8.5 * width)))


def subtitle(axes: Axes, text: str) -> None:
    """Write a line between an axes and its title, which needs a pad of 24 points."""
    axes.annotate(
        text, (0, 1), xytext=(0, 8), xycoords="axes fraction", textcoords="offset points", color=GREY,
        fontsize=11, parse_math=False,
    )  # fmt: skip


def say_instead(axes: Axes, text: str) -> None:
    """Write into an empty axes why it is empty."""
    axes.set_yticks([])
    axes.text(
        0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GREY, parse_math=False
    )


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, cropped to its content with a small margin."""
    content: Bbox | str = "tight"
    if figure.get_layout_engine() is None:  # else only a drawing knows; "tight" draws everything twice
        content = figure.get_tightbbox().padded(MARGIN)
    drawn = io.BytesIO()
    figure.savefig(
        drawn,
        format="png",
        dpi=DOTS_PER_INCH,
        facecolor=figure.get_facecolor(),
        bbox_inches=content,
        pad_inches=MARGIN,
        pil_kwargs={"compress_level": 1},  # it is read again at once
    )
    few_colours = (
        Image.open(drawn)
        .convert("RGB")
        .quantize(COLOURS_OF_A_FILE, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    )
    with atomic(path) as temporary:
        few_colours.save(temporary, format="png")
