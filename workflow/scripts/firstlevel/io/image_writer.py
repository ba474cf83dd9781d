"""Images out: NIfTI-1, whole or not at all; same data, same bytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from firstlevel.arrays import FloatArray, UInt8Array
from firstlevel.stage import atomic


def write_masked(
    path: Path,
    values: npt.NDArray[np.floating] | UInt8Array,
    mask: npt.NDArray[np.bool_],
    affine: FloatArray,
    dtype: npt.DTypeLike = np.float32,
    outside: float = 0.0,
) -> None:
    """Write values of voxels inside a mask, (v,) as 3D or (k, v) as 4D, and one value outside."""
    _write_each(path, iter(np.atleast_2d(values)), values.shape[:-1], mask, affine, np.dtype(dtype), outside)


def write_maps(
    path: Path,
    maps: Iterable[npt.NDArray[np.floating]],
    n_maps: int,
    mask: npt.NDArray[np.bool_],
    affine: FloatArray,
) -> None:
    """Write a 4D image of maps that come one at a time, (v,) each; 0 outside the mask."""
    _write_each(path, maps, (n_maps,), mask, affine, np.dtype(np.float32), 0.0)


def _write_each(
    path: Path,
    maps: Iterable[npt.NDArray[np.floating]],
    n_maps: tuple[int, ...],
    mask: npt.NDArray[np.bool_],
    affine: FloatArray,
    dtype: np.dtype[Any],
    outside: float,
) -> None:
    volume = np.full(mask.shape[::-1], outside, dtype=dtype)
    header = _header((*mask.shape, *n_maps), dtype, affine)

    def parts() -> Iterator[bytes]:
        yield header
        for each in maps:
            volume[mask.T] = each
            yield volume.tobytes()

    _write(path, parts())


def write_image(path: Path, data: npt.NDArray[np.generic], affine: FloatArray) -> None:
    """Write an image, whole or not at all; same data, same bytes."""
    _write(path, iter([_header(data.shape, data.dtype, affine), data.tobytes(order="F")]))


def _header(shape: tuple[int, ...], dtype: npt.DTypeLike, affine: FloatArray) -> bytes:
    """Return what stands before the data of an image."""
    image = nib.Nifti1Image(np.broadcast_to(np.zeros(1, dtype), shape), affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1, strip_shears=True)
    image.header.set_xyzt_units("mm")
    image.header.set_data_offset(352)
    image.header.set_slope_inter(1, 0)
    return bytes(image.header.binaryblock) + b"\0\0\0\0"


def _write(path: Path, parts: Iterator[bytes]) -> None:
    """Write the parts of a file, whole or not at all, compressed where its name says so."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        if path.suffix != ".gz":
            for part in parts:
                file.write(part)
            return
        # Noise has no repetitions, and zeros outside of a mask are runs of one byte: to look for those alone
        # takes half of the time, for files of the same size. 31: the header of gzip, without a time.
        packed = zlib.compressobj(level=1, wbits=31, strategy=zlib.Z_RLE)
        for part in parts:
            file.write(packed.compress(part))
        file.write(packed.flush())
