"""NIfTI in and out: series of volumes, blocks of a 4D file, maps inside a mask.

Knows files and grids, no statistics.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import logging
import math
import os
import re
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from firstlevel.io import contents, spm_affines
from firstlevel.io.headers import COMPANIONS, DEFLATED, SUFFIXES
from firstlevel.stage import InputError, atomic

BLOCK_BYTES = 32 * 2**20
"""Size of a block of a 4D file, in single precision as read; the memory of a stage follows it."""

UNREADABLE = (OSError, EOFError, ValueError, OverflowError, zlib.error)
"""What a damaged file raises, in its compression, its header or its data."""
SUFFIXES_OF_ARRAYS = (".nii", ".img", ".gz", ".mgh", ".mgz")
"""Of images whose data are one array behind a header of some bytes."""
BEYOND = 16 * 2**20
"""Bytes beyond the data of a compressed image that are read to come to its checksum."""
LONGEST_HEADER = 100 * 10**6
"""Bytes before the data of an image, with all extensions that a scanner's records fill."""
MOST_EXTENSIONS = 20_000
"""Steps in which the extensions of a header are read, two for each."""
FARTHEST = 1e6
"""mm, how far from the origin of its space no voxel of a head is."""

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Grid:
    """Where the voxels are: shape (nx, ny, nz) and affine (4, 4), voxel indices to mm.

    `source` is the ``.mat`` that the affine is from, None where it is the header's.
    """

    shape: tuple[int, int, int]
    affine: FloatArray
    source: Path | None = field(default=None, compare=False)

    @classmethod
    def of(cls, path: Path) -> Grid:
        """Return the grid of an image, of several volumes that of the first."""
        return cls.of_volumes(path)[0]

    @classmethod
    def of_volumes(cls, path: Path) -> list[Grid]:
        """Return the grid of each volume of an image; the header's is one for all of them.

        Raises
        ------
        InputError : an affine that is no place in mm, and not as many in SPM's ``.mat`` as there are volumes.
        """
        image = load(path)
        n_scans, shape = n_volumes(image), _shape3(image)
        header, source = np.asarray(image.affine, dtype=np.float64), spm_affines.beside(path)
        is_nifti = isinstance(image.header, nib.Nifti1Header)  # of Analyze, nibabel reads the .mat itself
        matrices = spm_affines.read(source) if source and is_nifti else None
        if source is None or matrices is None:
            _check_affine(header, shape, path, "")
            return [cls(shape, header)] * n_scans
        if len(matrices) != n_scans:
            raise InputError(
                source,
                f"holds the affines of {len(matrices)} volumes, and {path.name} has {n_scans}",
                expected="one affine per volume: SPM takes them before the header's",
                remedy="restore the .mat of this image, or remove it where the header's affine holds for all",
            )
        affines = [matrix if matrix.any() else header for matrix in matrices]
        for scan, affine in enumerate(affines):
            _check_affine(affine, shape, source if matrices[scan].any() else path, f" (volume {scan + 1})")
        return [cls(shape, affine, source) for affine in affines]


@dataclass(frozen=True)
class Series:
    """The volumes of one run in time order: 3D images, or one 4D image.

    Attributes
    ----------
    files : one file per volume, or a single 4D file.
    n_scans : number of volumes.
    """

    files: tuple[Path, ...]
    n_scans: int

    @classmethod
    def of(cls, bold: list[Path]) -> Series:
        """Take a 4D image, 3D images in time order (with what lies beside them), or one folder of 3D images.

        Raises
        ------
        InputError : where there is no image, or a list of 3D images holds a 4D one.
        """
        paths = images_in(bold[0]) if len(bold) == 1 and bold[0].is_dir() else bold
        files = tuple(path for path in paths if path.suffix not in COMPANIONS)
        if not files:
            raise InputError(
                bold[0] if bold else "bold",
                "holds no image",
                expected=f"files that end with {', '.join(SUFFIXES)}",
                remedy="check the path of the run",
            )
        if len(files) > 1:
            return cls(files, len(files))
        return cls(files, n_volumes(load(files[0])))

    def check_length(self, n_scans: int) -> None:
        """InputError where a run is a single volume."""
        if n_scans < 2:
            raise InputError(
                self.files[0],
                "holds one volume",
                expected="a run: a 4D image, or a pattern of 3D images",
                remedy="give all volumes of the run, such as run-1/f*.img",
            )

    def file_of(self, scan: int) -> Path:
        """Return the file that holds a volume."""
        return self.files[scan if len(self.files) > 1 else 0]

    def grids(self) -> list[Grid]:
        """Return the grid of each volume, from headers and SPM's ``.mat`` alone."""
        if len(self.files) == 1:
            return Grid.of_volumes(self.files[0])
        return [Grid.of(file) for file in self.files]

    def volumes(self) -> Generator[Float32Array, None, None]:
        """Yield each volume as [z, y, x], single precision, with slope and intercept applied."""
        if len(self.files) > 1:
            for file in self.files:
                yield _read(load(file), file)
        else:
            with _opened(self.files[0]) as image:
                for scan in range(self.n_scans):
                    yield _read(image, self.files[0], scan)


def load(path: Path) -> nib.spatialimages.SpatialImage:
    """Open an image without reading its data; what cannot be opened is an InputError."""
    _check_regular(path)
    try:
        image = nib.load(path, mmap=False, keep_file_open=True)
    except FileNotFoundError:
        raise InputError(
            path, "there is no such file", expected="an image", remedy="check the path in the study"
        ) from None
    except Exception as error:  # whatever a damaged header makes of the reader
        if found := re.search(r"vox offset (-?\d+) too low", str(error)):
            raise _misplaced(path, int(found[1])) from None
        known = isinstance(error, KeyError)
        why = f"its header has the unknown code {error.args[0]}" if known else _one_line(error)
        raise InputError(
            path,
            f"cannot be read ({why})",
            expected="a NIfTI image",
            remedy="restore the file or convert it again",
        ) from error
    if not isinstance(image, nib.spatialimages.SpatialImage):
        raise InputError(path, "is no image of voxels", expected="a NIfTI image", remedy="take another file")
    _check_size(image, path)
    _check_kind(image, path)
    return image


def _check_regular(path: Path) -> None:
    """No pipe or device: its end would never come."""
    for file in (path, *_of_pair(path)):
        if file.exists() and not file.is_file() and not (file.is_dir() and file != path):
            raise InputError(
                file,
                "is a folder, a pipe or a device",
                expected="an image, a file on a disk",
                remedy="correct the path",
            )
        if file.suffix.casefold() == spm_affines.SUFFIX and file.is_file():
            contents.check_matlab(file, contents.MOST_OF_MATLAB)


def _of_pair(path: Path) -> list[Path]:
    """What nibabel reads with an ``.img``, in any spelling: its header, and SPM's affines of Analyze."""
    plain = path.with_suffix("") if path.suffix.casefold() in (".gz", ".bz2", ".zst") else path
    if plain.suffix.casefold() not in (".img", ".hdr"):
        return []
    ends = [
        f".{end}{packed}" for end in ("hdr", "HDR", "img", "IMG") for packed in ("", ".gz", ".bz2", ".zst")
    ]
    return [plain.with_suffix(end) for end in (*ends, spm_affines.SUFFIX, ".MAT")]


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
            raise nib.spatialimages.HeaderDataError("its header goes on without an end")
        return bytes(self.file.read(n))


nib.nifti1.Nifti1Header.exts_klass = _Extensions  # what reads them has no other place for it


def _check_size(image: nib.spatialimages.SpatialImage, path: Path) -> None:
    """Hold what the header asks for to what the file can hold, before anything of that size is allocated."""
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
            raise _damaged(path, ValueError(f"its header asks for {claimed} bytes, and the file has {size}"))


def _check_kind(image: nib.spatialimages.SpatialImage, path: Path) -> None:
    """Values that are numbers on one scale, and that begin after the header."""
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


def _check_affine(affine: FloatArray, shape: tuple[int, int, int], path: Path, volume: str) -> None:
    """Each voxel has a place of its own, and none is a kilometre away."""
    flat = not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < 1e-9
    if flat or not np.array_equal(affine[3], (0, 0, 0, 1)):
        raise InputError(
            path,
            f"its affine cannot be inverted{volume}",
            expected="an affine that gives each voxel a place of its own, in mm",
            remedy="restore the header (sform or qform)",
        )
    reach = float((np.abs(affine[:3, :3]) @ (np.array(shape) - 1) + np.abs(affine[:3, 3])).max())
    if reach >= FARTHEST:
        raise InputError(
            path,
            f"its affine puts voxels up to {reach:.3g} mm from the origin{volume}",
            expected=f"places in mm, below {FARTHEST:g}",
            remedy="restore the header (sform or qform)",
        )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[nib.spatialimages.SpatialImage]:
    """Open an image to read its volumes in order; of a compressed one, the checksum is tested at the end."""
    image = load(path)
    if path.suffix != ".gz" or not isinstance(image, nib.filebasedimages.SerializableImage):
        yield image
        return
    with gzip.open(path) as stream:
        with _reading(path):
            opened = type(image).from_stream(stream)
        yield opened
        with _reading(path):
            for _ in range(BEYOND // 2**20):
                if not stream.read(2**20):
                    return
    logging.warning("%s goes on beyond its data: its checksum, at its end, was not tested", path)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Data that cannot be read are an InputError."""
    try:
        yield
    except UNREADABLE as error:
        raise _damaged(path, error) from error
    except MemoryError as error:
        raise InputError(
            path,
            "its header asks for more memory than there is",
            expected="volumes that fit into memory, one at a time",
            remedy="check the shape in its header; give the job more memory (mem_mb) where it is right",
        ) from error


def images_in(folder: Path) -> list[Path]:
    """Images of a folder in name order; of a pair only the ``.img``.

    Links to nothing and pipes are among them: whoever reads them tells, and no volume goes missing.
    """
    return sorted(file for file in folder.iterdir() if file.name.endswith(SUFFIXES) and not file.is_dir())


def header_of(image: Path) -> Path | None:
    """The ``.hdr`` that belongs to an ``.img``, None for the formats of one file."""
    return image.with_suffix(".hdr") if image.suffix == ".img" else None


def n_volumes(image: nib.spatialimages.SpatialImage) -> int:
    """Number of volumes of an image, along its one axis longer than one beyond the third."""
    return int(max(image.shape[3:], default=1))


def header_time(bold: Path) -> float | None:
    """Return the repetition time (s) of a 4D header that names its unit."""
    image = load(bold)
    if n_volumes(image) == 1 or not isinstance(image.header, nib.Nifti1Header):
        return None
    try:
        unit = image.header.get_xyzt_units()[1]
    except KeyError:  # a code that stands for no unit
        return None
    factor = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}.get(unit)
    zooms = [float(zoom) for zoom in image.header.get_zooms()[3:]]
    zoom = zooms.pop(int(np.argmax(image.shape[3:])))
    if image.shape[3] == 1 and zoom in (0, 1):
        # of (x, y, z, 1, t) what writers fill in, beside the time in the fourth place, or none
        zoom = next((other for other in zooms if other not in (0, 1)), 0.0)
    return zoom * factor if factor and zoom > 0 else None


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
        self._put(data.tobytes(), 352 + scan * self._stride)

    def read(self, scan: int) -> Float32Array:
        """Read back one volume, [z, y, x]."""
        raw = os.pread(self._file, self._stride, 352 + scan * self._stride)
        return np.frombuffer(raw, dtype="<f4").reshape(self._shape).copy()

    def _put(self, content: bytes, offset: int) -> None:
        """Write all of it: one call may write less, on a disk that is nearly full or over a network."""
        while len(content):
            written = os.pwrite(self._file, content, offset)
            content, offset = content[written:], offset + written


def blocks(path: Path, mask: npt.NDArray[np.bool_]) -> Iterator[tuple[slice, Float32Array]]:
    """Read a 4D image as blocks of voxels inside a mask, each over all scans.

    Yields
    ------
    The slice of the mask's voxels that the block holds, and their data (n, v) in single precision.

    Notes
    -----
    A block is a stack of whole slices of at most 32 MiB, or of rows of a slice that has more, so memory does
    not grow with a run's length.
    """
    image = load(path)
    n_scans = n_volumes(image)
    further = tuple(slice(None) for _ in image.shape[3:])
    per_slice = mask.shape[0] * mask.shape[1] * n_scans * 4
    step = max(1, BLOCK_BYTES // per_slice)
    rows = mask.shape[1] if per_slice <= BLOCK_BYTES else max(1, BLOCK_BYTES // (mask.shape[0] * n_scans * 4))
    start = 0
    for low, near in itertools.product(range(0, mask.shape[2], step), range(0, mask.shape[1], rows)):
        inside = mask[:, near : near + rows, low : low + step]
        count = int(inside.sum())
        if count:
            # [scan, z, y, x], so that the inner axis is the file's
            with _reading(path):
                at = (slice(None), slice(near, near + rows), slice(low, low + step), *further)
                slab = np.asarray(image.dataobj[at], dtype=np.float32)
            yield slice(start, start + count), slab.reshape((*inside.shape, n_scans)).T[:, inside.T]
        start += count


def read_mask(path: Path) -> npt.NDArray[np.bool_]:
    """Mask that a stage has written, as a boolean array (nx, ny, nz)."""
    return read_volume(path) > 0


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
    return _read(image, path).T


def read_masked(path: Path, mask: npt.NDArray[np.bool_]) -> FloatArray:
    """Values of a 3D or 4D image inside a mask, (v,) or (k, v), in the order of :func:`blocks`."""
    with _opened(path) as image, _reading(path):
        if len(image.shape) < 4:
            return np.asarray(image.dataobj, dtype=np.float64).reshape(_shape3(image)).T[mask.T]
        values = np.empty((n_volumes(image), int(mask.sum())))
        for k in range(len(values)):
            values[k] = _volume(image, k).T[mask.T]
    return values


def write_masked(
    path: Path,
    values: npt.NDArray[np.floating],
    mask: npt.NDArray[np.bool_],
    affine: FloatArray,
    dtype: npt.DTypeLike = np.float32,
    outside: float = 0.0,
) -> None:
    """Write values of voxels inside a mask, (v,) as 3D or (k, v) as 4D, and one value outside."""
    volume = np.full((*values.shape[:-1], *mask.shape[::-1]), outside, dtype=dtype)
    volume[..., mask.T] = values
    write_image(path, volume.T, affine)


def write_image(path: Path, data: npt.NDArray[np.generic], affine: FloatArray) -> None:
    """Write an image, whole or not at all; same data, same bytes."""
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1, strip_shears=True)
    image.header.set_xyzt_units("mm")
    payload = image.to_bytes()
    with atomic(path) as temporary:
        if path.suffix == ".gz":
            payload = gzip.compress(payload, compresslevel=1, mtime=0)
        temporary.write_bytes(payload)


def smoothed(volume: Float32Array, affine: FloatArray, fwhm: float) -> Float32Array:
    """Smooth one volume, [z, y, x], with a Gaussian of `fwhm` mm (nilearn's)."""
    from nilearn.image import smooth_img

    data = smooth_img(nib.Nifti1Image(volume.T, affine), fwhm).get_fdata(dtype=np.float32)
    return np.ascontiguousarray(data.T)


def _shape3(image: nib.spatialimages.SpatialImage) -> tuple[int, int, int]:
    """Voxels along x, y and z; an image of two dimensions is one slice."""
    nx, ny, nz = (*image.shape, 1)[:3]
    return int(nx), int(ny), int(nz)


def _volume(image: nib.spatialimages.SpatialImage, scan: int) -> npt.NDArray[np.generic]:
    """One volume of an image, (nx, ny, nz), whatever axes of length one it has beside that of time."""
    if n_volumes(image) == 1:
        return np.asarray(image.dataobj).reshape(_shape3(image))
    at = tuple(scan if size > 1 else 0 for size in image.shape[3:])
    return np.asarray(image.dataobj[(..., *at)])


def _read(image: nib.spatialimages.SpatialImage, path: Path, scan: int | None = None) -> Float32Array:
    if scan is None and n_volumes(image) > 1:
        raise InputError(
            path,
            f"holds {n_volumes(image)} volumes, in a list of several files",
            expected="one volume per file, or a single 4D file",
            remedy="give one 4D file per run, or only 3D files",
        )
    with _reading(path):
        data = _volume(image, scan or 0)
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
