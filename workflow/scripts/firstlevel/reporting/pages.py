"""Pages of HTML from templates and saved files; nothing is computed for them or loaded from elsewhere.

Text from the study (labels, messages, titles of figures) reaches a page through Jinja2, which escapes it.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from firstlevel import texts
from firstlevel.io import tables
from firstlevel.stage import SCRIPTS, atomic

TEMPLATES = SCRIPTS.parent / "report"


class Picture(NamedTuple):
    """A PNG file inside a page: its content as an address, its size in pixels, what it shows."""

    uri: str
    width: int
    height: int
    alt: str
    caption: str


def picture(path: Path, alt: str, caption: str) -> Picture:
    """Read a PNG file."""
    content = path.read_bytes()
    width, height = struct.unpack(">II", content[16:24])
    return Picture(f"data:image/png;base64,{base64.b64encode(content).decode()}", width, height, alt, caption)


def cells(path: Path) -> list[dict[str, str]]:
    """Rows of a saved table, by column."""
    return [row.values for row in tables.read_rows(path)]


def clusters(path: Path) -> list[dict[str, str]]:
    """Clusters of a saved table without their further peaks, the largest absolute z first."""
    found = [row for row in cells(path) if row["n_voxels"] != "n/a"]
    return sorted(found, key=lambda row: -abs(float(row["peak_z"])))


def rounded(text: str, digits: int = 3) -> str:
    """Return a number of a table in few digits, as text; what is no number as it is."""
    try:
        number = float(text)
    except ValueError:
        return text
    return f"{number:.{digits}g}" if abs(number) < 1000 else f"{number:.0f}"


def order(text: str) -> str:
    """Return what a cell is sorted by: its number, or nothing where it has none."""
    try:
        return f"{float(text):.17g}"
    except ValueError:
        return ""


def write(page: Path, template: str, values: Mapping[str, Any]) -> None:
    """Fill the template of this name and write the page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    text = texts.visible(environment.get_template(template).render(values))
    with atomic(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
