"""Image files: opened, checked and read; damaged ones are an InputError.

Arrays of a volume are [z, y, x] in :func:`read_scan` and (nx, ny, nz) elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import math
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from firstlevel.arrays import Float32Array
from firstlevel.io import compressed, contents, spm_affines
from firstlevel.io.contents import DEFLATED
from firstlevel.stage import InputError

UNREADABLE: tuple[type[Exception], ...] = (OSError, EOFError, ValueError, OverflowError, *compressed.ERRORS)
"""What a damaged file raises, in its compression, its header or its data."""
NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""Why a name leads to no file; a circle of links is found where the image is opened."""
SUFFIXES_OF_ARRAYS = (".nii", ".img", ".gz", ".mgh", ".mgz")
"""Of images whose data are one array behind a header of some bytes."""
BEYOND = 16 * 2**20
"""Bytes beyond the data of a compressed image that are read to come to its checksum."""
LONGEST_HEADER = 100 * 10**6
"""Bytes before the data of an image, with all extensions that a scanner's records fill."""
MOST_EXTENSIONS = 20_000
"""Steps in which the extensions of a header are read, two for each."""


def load(path: Path) -> nib.spatialimages.SpatialImage:
    """Open an image without reading its data; InputError if it cannot be opened."""
    _check_regular(path)
    try:
        image = nib.load(path, mmap=False, keep_file_open=True)
    except FileNotFoundError:
        raise InputError(
            path, "there is no such file", expected="an image", remedy="check the path in the study"
        ) from None
    except Exception as error:  # whatever a damaged header makes of the reader
        if offset := re.search(r"vox offset (-?\d+) too low", str(error)):
            raise _misplaced(path, int(offset[1])) from None
        unknown_code = isinstance(error, KeyError)
        why = f"its header has the unknown code {error.args[0]}" if unknown_code else _one_line(error)
        raise InputError(
            path,
            f"cannot be read ({why})",
            expected="a NIfTI image",
            remedy="restore the file or convert it again",
        ) from error
    if not isinstance(image, nib.spatialimages.SpatialImage):
        raise InputError(
            path, "is not an image of voxels", expected="a NIfTI image", remedy="take another file"
        )
    _check_size(image, path)
    _check_kind(image, path)
    return image


def _check_regular(path: Path) -> None:
    """Raise an InputError for a pipe or a device, which may have no end."""
    for name in (str(path), *_of_pair(path)):
        mode = _mode(name)
        if mode is None:
            continue
        if stat.S_ISREG(mode):
            if name.casefold().endswith(spm_affines.SUFFIX):
                contents.check_matlab(Path(name), contents.MOST_OF_MATLAB)
        elif name == str(path) or not stat.S_ISDIR(mode):
            raise InputError(
                name,
                "is a folder, a pipe or a device",
                expected="an image, a file on a disk",
                remedy="correct the path",
            )


def _mode(name: str) -> int | None:
    """Kind of a file, None where there is none; without paths, since a volume has twenty names."""
    try:
        return os.stat(name).st_mode  # noqa: PTH116
    except OSError as error:
        if error.errno not in NOT_THERE:
            raise
        return None


def _of_pair(path: Path) -> list[str]:
    """What nibabel reads with an ``.img``, in any spelling: its header, and SPM's affines of Analyze."""
    plain = path.with_suffix("") if path.suffix.casefold() in (".gz", ".bz2", ".zst") else path
    if plain.suffix.casefold() not in (".img", ".hdr"):
        return []
    stem = str(plain)[: -len(".img")]
    ends = [
        f".{end}{packed}" for end in ("hdr", "HDR", "img", "IMG") for packed in ("", ".gz", ".bz2", ".zst")
    ]
    return [stem + end for end in (*ends, spm_affines.SUFFIX, ".MAT")]


class _Extensions(nib.nifti1.Nifti1Extensions):
    """Extensions of a header: one may say that it is as long as all data, or there may be millions."""

    @classmethod
    def from_fileobj(cls, fileobj: Any, size: Any, byteswap: bool) -> Any:
        return super().from_fileobj(_Beginning(fileobj), size, byteswap)  # type: ignore[no-untyped-call]


class _Beginning:
    """The next bytes of a file, as many as a header has, read in as many steps as it may have."""

    def __init__(self, file: Any) -> None:
        self.file, self.left, self.steps = file, LONGEST_HEADER, MOST_EXTENSIONS

    def read(self, n: int) -> bytes:
        self.left, self.steps = self.left - n, self.steps - 1
        if min(self.left, self.steps) < 0 <= n:
            raise nib.spatialimages.HeaderDataError("its header extensions have no end")
        return bytes(self.file.read(n))


nib.nifti1.Nifti1Header.exts_klass = _Extensions  # what reads them has no other place for it


def _check_size(image: nib.spatialimages.SpatialImage, path: Path) -> None:
    """Compare the size that the header claims with that of the file, before memory is allocated for it."""
    if min(image.shape, default=1) < 1:
        raise _damaged(path, ValueError(f"its header says the shape {image.shape}"))
    if len(image.shape) < 2 or sum(size > 1 for size in image.shape[3:]) > 1:
        raise InputError(
            path,
            f"has {len(image.shape)} dimensions, shape {image.shape}",
            expected="a 3D or 4D image; axes of length one do not count",
            remedy="split the file or take another one",
        )
    proxy, suffix = image.dataobj, path.suffix
    if isinstance(proxy, nib.arrayproxy.ArrayProxy) and suffix in SUFFIXES_OF_ARRAYS:
        claimed = proxy.offset + math.prod(map(int, image.shape)) * proxy.dtype.itemsize
        size = Path(image.file_map["image"].filename or path).stat().st_size
        if proxy.offset > LONGEST_HEADER:
            raise _damaged(path, ValueError(f"its data would begin at byte {proxy.offset}"))
        if claimed > size * (DEFLATED if suffix in (".gz", ".mgz") else 1):
            raise _damaged(path, ValueError(f"its header describes {claimed} bytes, but the file has {size}"))


def _check_kind(image: nib.spatialimages.SpatialImage, path: Path) -> None:
    """Raise an InputError if values are not real numbers, or begin inside the header."""
    dtype = np.dtype(image.get_data_dtype())
    if dtype.kind not in "biuf":
        what, remedy = "complex numbers", "save their magnitude (numpy.abs), and take that"
        if dtype.kind != "c":
            names = ", ".join(dtype.names or [str(dtype)])
            what, remedy = f"colours or other records ({names})", "save grey values, or take the original"
        raise InputError(path, f"holds {what}", expected="one real number per voxel", remedy=remedy)
    proxy = image.dataobj
    if isinstance(image, nib.Nifti1Image) and isinstance(proxy, nib.arrayproxy.ArrayProxy):
        least = int(image.header.single_vox_offset)
        if proxy.offset < least:
            raise _misplaced(path, proxy.offset)


def _misplaced(path: Path, offset: int) -> InputError:
    return InputError(
        path,
        f"its data would be read from byte {offset}, which lies in its header",
        expected="vox_offset of at least 352, of NIfTI-2 544, in a file of header and data",
        remedy="correct vox_offset, or convert the image again",
    )


@contextlib.contextmanager
def opened(path: Path, digests: dict[Path, str] | None = None) -> Iterator[nib.spatialimages.SpatialImage]:
    """Open an image to read its volumes in order; of a compressed one, the checksum is tested at the end.

    The SHA-256 of a compressed image comes into `digests` at the end, where they are given.
    """
    image = load(path)
    if path.suffix != ".gz" or not isinstance(image, nib.filebasedimages.SerializableImage):
        yield image
        return
    with contextlib.ExitStack() as closed:
        file = None if digests is None else closed.enter_context(compressed.Digested(path))
        stream = closed.enter_context(compressed.opened(file or path))
        with reading(path):
            opened = type(image).from_stream(stream)
        yield opened
        with reading(path):
            for _ in range(BEYOND // 2**20):
                if not stream.read(2**20):
                    if file and digests is not None:
                        digests[path] = file.finished()
                    return
    logging.warning("%s has bytes after its data: the checksum at its end was not tested", path)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise an InputError if data cannot be read."""
    try:
        yield
    except UNREADABLE as error:
        raise _damaged(path, error) from error
    except MemoryError as error:
        raise InputError(
            path,
            "its header describes more data than fit into memory",
            expected="volumes that fit into memory, one at a time",
            remedy="check the shape in its header; give the job more memory (mem_mb) if it is right",
        ) from error


def n_volumes(image: nib.spatialimages.SpatialImage) -> int:
    """Number of volumes of an image, along its one axis longer than one beyond the third."""
    return int(max(image.shape[3:], default=1))


def read_volume(path: Path) -> Float32Array:
    """Values of an image of one volume, (nx, ny, nz)."""
    image = load(path)
    if n_volumes(image) > 1:
        raise InputError(
            path,
            f"holds {n_volumes(image)} volumes",
            expected="an image of one volume",
            remedy="take one volume of it",
        )
    return read_scan(image, path).T


def spatial_shape(image: nib.spatialimages.SpatialImage) -> tuple[int, int, int]:
    """Voxels along x, y and z; an image of two dimensions is one slice."""
    nx, ny, nz = (*image.shape, 1)[:3]
    return int(nx), int(ny), int(nz)


def volume_at(image: nib.spatialimages.SpatialImage, scan: int) -> npt.NDArray[np.generic]:
    """One volume of an image, (nx, ny, nz), whatever axes of length one it has beside that of time."""
    if n_volumes(image) == 1:
        return np.asarray(image.dataobj).reshape(spatial_shape(image))
    at = tuple(scan if size > 1 else 0 for size in image.shape[3:])
    return np.asarray(image.dataobj[(..., *at)])


def read_scan(image: nib.spatialimages.SpatialImage, path: Path, scan: int | None = None) -> Float32Array:
    """Volume `scan` of an open image, [z, y, x]; where that is None, of an image of one volume."""
    if scan is None and n_volumes(image) > 1:
        raise InputError(
            path,
            f"holds {n_volumes(image)} volumes, in a list of several files",
            expected="one volume per file, or a single 4D file",
            remedy="give one 4D file per run, or only 3D files",
        )
    with reading(path):
        data = volume_at(image, scan or 0)
    return np.ascontiguousarray(data.T, dtype=np.float32)


def _one_line(error: Exception) -> str:
    """Message of a library, some of which have several lines."""
    return " ".join(str(error).split())


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        path,
        f"its data cannot be read ({_one_line(error)})",
        expected="as many voxels as the header says, and the right checksum",
        remedy="the file is cut short or damaged: restore it",
    )
