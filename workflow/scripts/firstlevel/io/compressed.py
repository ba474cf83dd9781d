"""Compressed files, unpacked by Intel's ISA-L where isal is installed, else by gzip: same bytes."""

from __future__ import annotations

import gzip
import zlib
from io import BufferedIOBase
from pathlib import Path

ERRORS: tuple[type[Exception], ...]
"""What damaged data raise, beside what files do."""
try:
    from isal import igzip, igzip_lib
except ImportError:  # no wheel for this machine
    HAS_ISAL, ERRORS = False, (zlib.error,)
else:
    HAS_ISAL, ERRORS = True, (zlib.error, igzip_lib.IsalError)


def opened(path: Path, *, by_isal: bool = HAS_ISAL) -> BufferedIOBase:
    """Open a ``.gz`` file to read it unpacked; its checksum is tested at the end."""
    stream: BufferedIOBase = igzip.IGzipFile(path, "rb") if by_isal else gzip.GzipFile(path, "rb")
    return stream
