"""Compressed files, unpacked by Intel's ISA-L where isal is installed, else by gzip: same bytes."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from io import BufferedIOBase, RawIOBase, UnsupportedOperation
from pathlib import Path
from typing import Any

ERRORS: tuple[type[Exception], ...]
"""What damaged data raise, beside what files do."""
try:
    from isal import igzip, igzip_lib
except ImportError:  # no wheel for this machine
    HAS_ISAL, ERRORS = False, (zlib.error,)
else:
    HAS_ISAL, ERRORS = True, (zlib.error, igzip_lib.IsalError)


class Digested(RawIOBase):
    """A file that is read from beginning to end, with its SHA-256 computed on the way."""

    def __init__(self, path: Path) -> None:
        self._file, self._sha256 = path.open("rb", buffering=0), hashlib.sha256()

    def readable(self) -> bool:
        """As files that are read."""
        return True

    def seekable(self) -> bool:
        """Whether it can go back to its beginning, after the header."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go back to the beginning; no other position is possible."""
        if offset or whence:
            raise UnsupportedOperation("a file that is digested is read from begin to end")
        self._sha256 = hashlib.sha256()
        return self._file.seek(0)

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes."""
        n_read = self._file.readinto(buffer) or 0
        self._sha256.update(memoryview(buffer)[:n_read])
        return n_read

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def finished(self) -> str:
        """Hexadecimal digest of the whole file; reads what is left of it."""
        while self.read(2**20):
            pass
        return self._sha256.hexdigest()


def opened(file: Path | Digested, *, by_isal: bool = HAS_ISAL) -> BufferedIOBase:
    """Open a ``.gz`` file to read it unpacked; its checksum is tested at the end."""
    where = {"filename": file} if isinstance(file, Path) else {"fileobj": file, "filename": ""}
    stream: BufferedIOBase = (igzip.IGzipFile if by_isal else gzip.GzipFile)(mode="rb", **where)
    return stream
