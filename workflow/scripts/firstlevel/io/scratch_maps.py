"""Maps in a file without a name, while a stage runs: computed by blocks of voxels, read one map at a time.

As the series of :mod:`firstlevel.io.scratch`, the other way round: together they do not fit into memory.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import Float32Array

SIZE = 4
"""Bytes of a number, in single precision."""


@dataclass(frozen=True)
class ScratchMaps:
    """Maps of `n_voxels` each, one after another, in single precision."""

    file: int
    n_voxels: int

    @classmethod
    @contextlib.contextmanager
    def beside(cls, path: Path, n_voxels: int) -> Iterator[ScratchMaps]:
        """Give an empty file in the folder of `path`, which goes when the block ends."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent, buffering=0) as file:
            yield cls(file.fileno(), n_voxels)

    def write(self, first: int, values: npt.NDArray[np.floating]) -> None:
        """Write the voxels from `first` on of all maps, (k, v)."""
        for number, part in enumerate(np.ascontiguousarray(values, dtype=np.float32)):
            piece, offset = part.data.cast("B"), SIZE * (number * self.n_voxels + first)
            while piece:  # a write may end early, most of all on a disk that gets full
                written = os.pwrite(self.file, piece, offset)
                piece, offset = piece[written:], offset + written

    def read(self, number: int) -> Float32Array:
        """Return a whole map, (v,)."""
        values = np.empty(self.n_voxels, dtype=np.float32)
        piece, offset = values.data.cast("B"), SIZE * number * self.n_voxels
        while piece:
            n_read = os.preadv(self.file, [piece], offset)
            if not n_read:
                raise OSError(f"the scratch file of maps ended before map {number}")
            piece, offset = piece[n_read:], offset + n_read
        return values
