"""A resampled run out: one 4D image, written a volume at a time."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel as nib
import numpy as np

from firstlevel.arrays import Float32Array
from firstlevel.io.grids import Grid


class SeriesWriter:
    """A 4D single-precision NIfTI-1 file, uncompressed, written a volume at a time in any order."""

    def __init__(self, path: Path, grid: Grid, n_scans: int, repetition_time: float) -> None:
        header = nib.Nifti1Header()
        header.set_data_dtype("<f4")
        header.set_data_shape((*grid.shape, n_scans))
        header.set_sform(grid.affine, code=1)
        header.set_qform(grid.affine, code=1, strip_shears=True)
        header["pixdim"][4] = repetition_time
        header.set_xyzt_units("mm", "sec")
        header.set_data_offset(352)
        header["magic"] = b"n+1"
        self.grid = grid
        self._shape = grid.shape[::-1]
        self._stride = int(np.prod(grid.shape)) * 4
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        self._put(header.binaryblock + b"\0\0\0\0", 0)
        os.truncate(self._file, 352 + self._stride * n_scans)

    def __enter__(self) -> SeriesWriter:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def write(self, scan: int, volume: Float32Array) -> None:
        """Write one volume, [z, y, x]. Safe from several threads."""
        data = np.ascontiguousarray(volume, dtype="<f4")
        self._put(data.view(np.uint8).reshape(-1).data, 352 + scan * self._stride)

    def read(self, scan: int) -> Float32Array:
        """Read back one volume, [z, y, x], which is not to be changed in place."""
        raw = os.pread(self._file, self._stride, 352 + scan * self._stride)
        return np.frombuffer(raw, dtype="<f4").reshape(self._shape)

    def _put(self, content: bytes | memoryview, offset: int) -> None:
        """Write all of it: one call may write less, on a disk that is nearly full or over a network."""
        while len(content):
            written = os.pwrite(self._file, content, offset)
            content, offset = content[written:], offset + written
