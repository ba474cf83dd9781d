"""Text of the user's that others read: Snakemake its paths, a terminal its names. Standard library."""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

FOR_SNAKEMAKE = re.compile(r"<[a-z][a-z0-9_]*>|\{\s*[.\w]+(\s*,\s*([^{}]+|\{\d+(,\d+)?\})*)?\s*\}")
"""What Snakemake replaces in a path: a path variable, a wildcard with or without its regular expression."""
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters: all but tab and line break
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what turns the direction of writing
    "\u2028\u2029\ufeff"  # line breaks of Unicode, the mark of its byte order
    "\ud800-\udfff]"  # bytes of a file name that is not UTF-8
)
"""What a terminal obeys, or shows otherwise than it is."""
UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Of these, what no path may have, since Snakemake prints it; marks of Hebrew and Arabic are no harm."""
OF_BIDS = re.compile(r"sub-[A-Za-z0-9+]+_|(task|acq|space|desc|ses)-[A-Za-z0-9+]+_")
"""How names begin that BIDS gives."""
LONGEST = 1500
"""Characters of one part of a message: a quoted file is not to fill the screen."""


def composed(text: str) -> str:
    """Text in the one form of Unicode (NFC) in which names are compared, with nothing unseen in it."""
    return text if text.isascii() and text.isprintable() else visible(unicodedata.normalize("NFC", text))


def visible(text: str) -> str:
    r"""Text in which control characters and bytes that are no UTF-8 stand as Python writes them: \x1b."""
    return text if text.isascii() and text.isprintable() else UNSEEN.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    number = ord(found[0])
    if 0xDC80 <= number <= 0xDCFF:  # how Python keeps a byte that is not UTF-8
        number -= 0xDC00
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def shortened(text: str, most: int = LONGEST) -> str:
    """Text of at most so many characters: a longer one without its middle."""
    half = most // 2
    return text if len(text) <= most else f"{text[: half - 1]}\N{HORIZONTAL ELLIPSIS}{text[-half:]}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """'did you mean ...? ' where a known name is near, else nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]!r}? " if near else ""


def public(path: Path, otherwise: str = "") -> str:
    """Name of a file where BIDS gives it; the user's own, which may be a person's, are called otherwise."""
    return path.name if OF_BIDS.match(path.name) else otherwise


def at_home(path: str) -> str:
    """Path whose ~ is the user's home; one of a user who is not known is a name like others."""
    return os.path.expanduser(path)  # noqa: PTH111  Path.expanduser raises, and takes ./~ for a home


def odd_in(path: str) -> str | None:
    """What of a path Snakemake would replace, or print as it is; None where there is nothing."""
    if found := FOR_SNAKEMAKE.search(path):
        return f"has {found[0]} in its name, which Snakemake would replace"
    if found := UNFIT.search(path):
        what = "a byte that is not UTF-8" if found[0] >= "\ud800" else "a control character"
        return f"has {what} in its name"
    return None
