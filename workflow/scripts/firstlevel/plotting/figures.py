"""Drawing and saving of figures: without a screen, whole or not at all, same input, same bytes."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from firstlevel.plotting.drawing import Axes, Figure
from firstlevel.stage import atomic
from firstlevel.texts import shortened

# Okabe and Ito (2008): told apart with every kind of colour vision. Black and yellow left out.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
DARK, GREY = "0.15", "0.35"
COLOURS_OF_A_FILE = 256
"""Of the thousand that a figure has. Maps differ by 3 of 255 at most, and files are half as large."""
COMPRESSION = 4
"""Level of zlib: the default, 6, takes half as long again for files of 15 % less."""
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
    _write(_pixels(figure), path)


def save_column(figures: Iterable[Figure], path: Path) -> None:
    """Write figures below each other as one PNG, none as a white dot."""
    rows = [_pixels(figure) for figure in figures] or [np.full((1, 1, 4), 255, np.uint8)]
    width = max(row.shape[1] for row in rows)
    beside = [((0, 0), (0, width - row.shape[1]), (0, 0)) for row in rows]
    _write(np.concatenate([np.pad(row, by, "edge") for row, by in zip(rows, beside, strict=True)]), path)


def _pixels(figure: Figure) -> npt.NDArray[np.uint8]:
    content = figure.get_tightbbox().padded(MARGIN)
    figure.savefig(
        io.BytesIO(), format="rgba", dpi="figure", facecolor=figure.get_facecolor(), bbox_inches=content
    )
    return np.array(figure.canvas.renderer.buffer_rgba())  # type: ignore[attr-defined]


def _write(pixels: npt.NDArray[np.uint8], path: Path) -> None:
    with atomic(path) as temporary:
        few_colours(pixels).save(temporary, format="png", compress_level=COMPRESSION)


def copy(path: Path, to: Path) -> None:
    """Write a figure that is saved under another name, too."""
    with atomic(to) as temporary:
        temporary.write_bytes(path.read_bytes())


def few_colours(pixels: npt.NDArray[np.uint8]) -> Image.Image:
    """Picture of `COLOURS_OF_A_FILE` colours at most of opaque pixels (height, width, RGBA).

    Only the distinct colours, some thousand, go through Pillow's search for those that cover them best; each
    run of equal pixels then takes what its colour has become.
    """
    height, width, _ = pixels.shape
    packed = np.ascontiguousarray(pixels).view("<u4").ravel() & 0xFFFFFF
    starts = np.append(0, np.flatnonzero(packed[1:] != packed[:-1]) + 1)
    of_runs = packed[starts]
    distinct = np.unique(of_runs)
    rgb = np.stack([distinct & 0xFF, distinct >> 8 & 0xFF, distinct >> 16], axis=-1).astype(np.uint8)
    few = Image.fromarray(rgb[None]).quantize(
        COLOURS_OF_A_FILE, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
    )
    number = np.zeros(1 << 24, np.uint8)
    number[distinct] = np.asarray(few)[0]
    lengths = np.diff(starts, append=packed.size)
    picture = Image.fromarray(np.repeat(number[of_runs], lengths).reshape(height, width))
    picture.putpalette(few.getpalette() or [])
    return picture
