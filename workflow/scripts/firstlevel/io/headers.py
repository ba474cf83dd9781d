"""Headers of images as the plan reads them: matrix, voxel sizes, position, repetition time.

What an image holds is read by its stage, with nibabel. Standard library: every start of Snakemake pays for
this import.

Source: nifti1.h and nifti2.h; the sform counts before the qform.
"""

from __future__ import annotations

import functools
import gzip
import io
import math
import os
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from firstlevel.io import time_axis
from firstlevel.io.contents import DEFLATED

N_BYTES = 2048
"""Of a compressed file, in which its header of at most 544 bytes is, whatever the compression."""
MOST_BYTES = 2**17
"""Of a compressed file whose first bytes do not hold its header."""
SURE = 10**9
"""Bytes of volumes that are believed without a look at the size of the file."""
UNITS_OF_TIME = {8: 1.0, 16: 1e-3, 24: 1e-6}
"""Seconds in a unit of the fourth axis, by bits 4 to 6 of xyzt_units."""

Vector = tuple[float, float, float]


class Form(NamedTuple):
    """Where the fields of a header are, and how they are packed."""

    length: int
    dim: tuple[int, str]
    pixdim: tuple[int, str]
    codes: tuple[int, str]
    quaternion: tuple[int, str]
    rows: tuple[int, str]
    units: tuple[int, str]
    bits: tuple[int, str]


FORMS = {
    348: Form(348, (40, "8h"), (76, "8f"), (252, "2h"), (256, "6f"), (280, "12f"), (123, "b"), (72, "h")),
    540: Form(540, (16, "8q"), (104, "8d"), (344, "2i"), (352, "6d"), (400, "12d"), (500, "i"), (14, "h")),
}
"""NIfTI-1 (and Analyze, which has no affine) and NIfTI-2, by the number that a header begins with."""


@dataclass(frozen=True)
class Header:
    """Fields of a header that runs are compared by.

    Attributes
    ----------
    shape : (3,), voxels.
    zooms : (3,), mm.
    axes : the directions in which the voxel axes run, unit vectors in mm; None where no affine is known.
    centre : mm, of the field of view; None likewise.
    time : repetition time, s; None where the header says none, or not in which unit.
    n_values : of all volumes.
    n_bytes : of these values, as the file holds them uncompressed.
    """

    shape: tuple[int, int, int]
    zooms: Vector
    axes: tuple[Vector, Vector, Vector] | None
    centre: Vector | None
    time: float | None
    n_values: int
    n_bytes: int

    @property
    def told(self) -> str:
        """Matrix and size of voxels in words."""
        size = " x ".join(f"{zoom:.3g}" for zoom in self.zooms)
        return f"{' x '.join(map(str, self.shape))} voxels of {size} mm"


def read(path: str) -> Header | None:
    """Header of a NIfTI-1, NIfTI-2 or Analyze image, compressed or not; None where it cannot be read.

    What is wrong with an image is for the stage to say that reads it.
    """
    try:
        header = _parsed(_start(f"{path[:-4]}.hdr" if path.endswith(".img") else path))
        if header and header.n_bytes > SURE and header.n_bytes > DEFLATED * os.stat(path).st_size:  # noqa: PTH116
            return None  # memory and disk are not planned from what cannot be
        return header
    except (OSError, EOFError, struct.error, zlib.error, ArithmeticError, ValueError):
        return None


def _start(path: str) -> bytes:
    """First bytes of a file, unpacked."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe gives nothing, at once
    try:
        content = os.read(file, N_BYTES)
        if not path.endswith(".gz"):
            return content[:544]
        unpacked = zlib.decompressobj(31).decompress(content, 544)
        if len(unpacked) >= 540:
            return unpacked
        content += os.read(file, MOST_BYTES)  # of several members, or of a long name
    finally:
        os.close(file)
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
        return stream.read(544)


@functools.lru_cache(maxsize=4096)  # preprocessed runs have one header
def _parsed(content: bytes) -> Header | None:
    for order in "<>":
        form = FORMS.get(struct.unpack_from(f"{order}i", content)[0])
        if form and len(content) >= form.length:
            return _header(content, form, order)
    return None


def _header(content: bytes, form: Form, order: str) -> Header | None:
    def field(place: tuple[int, str]) -> tuple[Any, ...]:
        return struct.unpack_from(f"{order}{place[1]}", content, place[0])

    n_axes, *sizes = field(form.dim)
    if not 1 <= n_axes <= 7:
        return None
    sizes = [size if axis < n_axes else 1 for axis, size in enumerate(sizes)]
    turned, *pixdim = field(form.pixdim)
    if min(sizes) < 1:
        return None
    is_nifti = form.length == 540 or content[344:347] in (b"n+1", b"ni1")
    q_code, s_code = field(form.codes) if is_nifti else (0, 0)
    columns: list[Vector] = []
    origin: Vector = (0.0, 0.0, 0.0)
    if s_code > 0:
        sform = field(form.rows)
        columns = [(sform[axis], sform[axis + 4], sform[axis + 8]) for axis in range(3)]
        origin = sform[3], sform[7], sform[11]
    elif q_code > 0:
        b, c, d, *offset = field(form.quaternion)
        origin = _vector(offset)
        signs = (1.0, 1.0, -1.0 if turned < 0 else 1.0)
        columns = [
            _vector(value * abs(zoom) * sign for value in axis)
            for axis, zoom, sign in zip(_rotation(b, c, d), pixdim[:3], signs, strict=True)
        ]
    zooms = _vector(math.hypot(*axis) for axis in columns) if columns else _vector(map(abs, pixdim[:3]))
    if not all(math.isfinite(value) for value in (*zooms, *origin)) or min(zooms) <= 0:
        return None
    axes, centre = None, None
    if columns:
        x, y, z = (_vector(value / zoom for value in axis) for axis, zoom in zip(columns, zooms, strict=True))
        axes = (x, y, z)
        centre = _vector(
            start + sum((size - 1) / 2 * axis[k] for size, axis in zip(sizes[:3], columns, strict=True))
            for k, start in enumerate(origin)
        )
    (units,) = field(form.units)
    time = (
        time_axis.repetition_time(sizes[3:], pixdim[3:], UNITS_OF_TIME.get(units & 0x38))
        if is_nifti
        else None
    )
    (bits,) = field(form.bits)
    n_values = math.prod(sizes)
    n_bytes = n_values * max(bits, 8) // 8
    return Header((sizes[0], sizes[1], sizes[2]), zooms, axes, centre, time, n_values, n_bytes)


def _vector(values: Iterable[float]) -> Vector:
    x, y, z = values
    return x, y, z


def _rotation(b: float, c: float, d: float) -> list[Vector]:
    """Columns of the rotation of a unit quaternion a, b, c, d with a >= 0."""
    a = math.sqrt(max(0.0, 1 - b * b - c * c - d * d))
    return [
        (a * a + b * b - c * c - d * d, 2 * (b * c + a * d), 2 * (b * d - a * c)),
        (2 * (b * c - a * d), a * a + c * c - b * b - d * d, 2 * (c * d + a * b)),
        (2 * (b * d + a * c), 2 * (c * d - a * b), a * a + d * d - b * b - c * c),
    ]
