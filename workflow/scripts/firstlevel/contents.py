"""Files of a study as bytes: regular ones, of no more than their kind can have. Standard library.

A table may be a link to anything: a pipe that nobody writes to, a device without an end, a file of gigabytes.
"""

from __future__ import annotations

import gzip
import io
import stat
import zlib
from pathlib import Path

from firstlevel.stage import InputError

MB = 10**6
MOST = {".json": 50 * MB, ".mat": 2000 * MB}
"""Bytes by the end of a name; sidecars with all that a scanner wrote have some MB."""
MOST_OF_TEXT = 500 * MB
"""Bytes of any other file that is read whole: of confounds, ten times the longest that fMRIPrep writes."""


def check(path: Path) -> None:
    """Raise an InputError where a path is no regular file, or one of more bytes than its kind has.

    What is not there, or a circle of links, raises the OSError of the system.
    """
    state = path.stat()
    if stat.S_ISDIR(state.st_mode):
        raise InputError(path, "is a folder", expected="a file", remedy="name a file")
    if not stat.S_ISREG(state.st_mode):
        raise InputError(
            path,
            "is a pipe or a device, and no file on a disk",
            expected="a regular file",
            remedy="copy its content into a file, or correct the path",
        )
    if state.st_size > (most := _most(path)):
        raise _too_long(path, most)


def read(path: Path) -> bytes:
    """Read all of a file that is no image, unpacked where it is gzipped.

    Raises
    ------
    InputError : no regular file, too long for its kind, packed and damaged.
    """
    check(path)
    found = path.read_bytes()
    if not found.startswith(b"\x1f\x8b"):
        return found
    most = _most(path)
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(found)) as packed:
            found = packed.read(most + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            path, f"cannot be unpacked ({error})", expected="a whole .gz file", remedy="compress it again"
        ) from None
    if len(found) > most:
        raise _too_long(path, most)
    return found


def _most(path: Path) -> int:
    return MOST.get(path.suffix.casefold(), MOST_OF_TEXT)


def _too_long(path: Path, most: int) -> InputError:
    return InputError(
        path,
        f"has more than {most // MB} MB",
        expected=f"at most {most // MB} MB, many times what such a file has",
        remedy="check that it is what its name says",
    )
