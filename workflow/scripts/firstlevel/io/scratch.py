"""Series of all voxels of a run, in a file without a name, while a stage runs: kept by scan, read by voxel.

The file is in the folder of the outputs, which has room for a run. The system frees it when it is closed, so
that neither an error nor a kill leaves it behind.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import Float32Array

TILE = 16
"""Scans that are written together."""
BLOCK = 2048
"""Voxels that are read together: one piece of 128 KiB from each tile."""


@dataclass(frozen=True)
class Scratch:
    """Values of `n_scans` scans of `n_voxels`, in single precision, as images are read.

    The file is a sequence of tiles of 16 scans, the last one shorter; a tile is one of blocks of 2048 voxels;
    a block has the values of one scan after another.
    """

    file: BinaryIO
    n_scans: int
    n_voxels: int

    @classmethod
    @contextlib.contextmanager
    def beside(cls, path: Path, n_scans: int, n_voxels: int) -> Iterator[Scratch]:
        """Give an empty file in the folder of `path`, which goes when the block ends."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent, buffering=0) as file:
            yield cls(cast("BinaryIO", file), n_scans, n_voxels)

    def kept(self, scans: Iterable[Float32Array]) -> Iterator[Float32Array]:
        """Yield the scans, (v,), as they come, and keep them.

        Raises
        ------
        ValueError : for another number of scans than was said.
        """
        tile, n_read = np.empty((TILE, self.n_voxels), dtype=np.float32), 0
        for scan in scans:
            tile[n_read % TILE] = scan
            n_read += 1
            if n_read % TILE == 0 or n_read == self.n_scans:
                self._write(tile[: (n_read - 1) % TILE + 1])
            yield scan
        if n_read != self.n_scans:
            raise ValueError(f"{n_read} scans of {self.n_scans}")

    def _write(self, tile: Float32Array) -> None:
        for start in range(0, self.n_voxels, BLOCK):
            piece = np.ascontiguousarray(tile[:, start : start + BLOCK]).data.cast("B")
            while piece:  # a write may end early, most of all on a disk that gets full
                piece = piece[self.file.write(piece) :]

    def block(self, start: int) -> Float32Array:
        """Series of up to 2048 voxels from `start` on, a multiple of 2048, (n, k)."""
        stop = min(start + BLOCK, self.n_voxels)
        series = np.empty((self.n_scans, stop - start), dtype=np.float32)
        for first in range(0, self.n_scans, TILE):
            of_tile = series[first : first + TILE]
            self.file.seek(of_tile.itemsize * (first * self.n_voxels + len(of_tile) * start))
            piece = of_tile.data.cast("B")
            while piece:
                n_read = self.file.readinto(piece)  # type: ignore[attr-defined]
                if not n_read:
                    raise OSError(f"the scratch file of {self.n_scans} scans ended before its time")
                piece = piece[n_read:]
        return series

    def blocks(self) -> Iterator[tuple[slice, Float32Array]]:
        """Voxels of each block, and their series (n, k)."""
        for start in range(0, self.n_voxels, BLOCK):
            series = self.block(start)
            yield slice(start, start + series.shape[1]), series

    def again(self, voxels: npt.NDArray[np.intp]) -> Iterator[tuple[npt.NDArray[np.intp], Float32Array]]:
        """Yield some of the `voxels` (k,), in ascending order, at a time, and their series (n, k)."""
        for start in np.unique(voxels // BLOCK * BLOCK).tolist():
            part = voxels[(voxels >= start) & (voxels < start + BLOCK)]
            yield part, self.block(start)[:, part - start]
