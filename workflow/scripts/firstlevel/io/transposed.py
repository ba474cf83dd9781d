"""A matrix on the disk that is written by rows and read by columns, or the other way round."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import Float32Array

SIZE = 4
"""Bytes of a number, in single precision."""


class Transposed:
    """Rows of `n_columns` numbers in single precision, in a file without a name.

    It lies in `folder`, and is gone with the process, even if that is killed.
    """

    def __init__(self, folder: Path, n_columns: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 (closed in __exit__)
        self._stride = SIZE * n_columns

    def __enter__(self) -> Transposed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write_row(self, row: int, values: Float32Array) -> None:
        """Write one row, (c,)."""
        self._put(values, self._stride * row)

    def write_columns(self, first: int, values: npt.NDArray[np.floating]) -> None:
        """Write some columns from `first` on, (rows, k)."""
        for row, part in enumerate(values):
            self._put(part, self._stride * row + SIZE * first)

    def row(self, row: int) -> Float32Array:
        """Read one row, (c,)."""
        return self._get(self._stride * row, self._stride)

    def columns(self, part: slice, n_rows: int) -> Float32Array:
        """Read some columns of the first rows, (rows, k)."""
        values = np.empty((n_rows, part.stop - part.start), dtype=np.float32)
        for row in range(n_rows):
            values[row] = self._get(self._stride * row + SIZE * part.start, SIZE * values.shape[1])
        return values

    def _put(self, values: npt.NDArray[np.floating], offset: int) -> None:
        """Write all of it: one call may write less, on a disk that is nearly full or over a network."""
        content = memoryview(np.ascontiguousarray(values, dtype=np.float32).tobytes())
        while content:
            written = os.pwrite(self._file.fileno(), content, offset)
            content, offset = content[written:], offset + written

    def _get(self, offset: int, size: int) -> Float32Array:
        parts = []
        while size:
            part = os.pread(self._file.fileno(), size, offset)
            if not part:
                raise OSError("a temporary file ends early")
            parts.append(part)
            size, offset = size - len(part), offset + len(part)
        return np.frombuffer(b"".join(parts), dtype=np.float32)
