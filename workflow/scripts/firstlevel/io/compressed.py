"""Compressed files, unpacked by Intel's ISA-L where isal is installed, else by gzip: same bytes."""

from __future__ import annotations

import gzip
import zlib
from io import BufferedIOBase
from pathlib import Path

try:
    from isal import igzip, isal_zlib
except ImportError:  # no wheel for this machine
    HAS_ISAL = False
    ERRORS: tuple[type[Exception], ...] = (zlib.error,)
else:
    HAS_ISAL = True
    ERRORS = (zlib.error, isal_zlib.error)
"""What damaged data raise, beside what files do."""


def opened(path: Path, *, by_isal: bool = HAS_ISAL) -> BufferedIOBase:
    """Open a ``.gz`` file to read it unpacked; its checksum is tested at the end."""
    stream: BufferedIOBase = igzip.IGzipFile(path, "rb") if by_isal else gzip.GzipFile(path, "rb")
    return stream
