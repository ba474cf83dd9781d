"""Files of a study as bytes: only regular files, with a limit on their size. Standard library.

A table may be a link to anything: a pipe that nobody writes to, a device without an end, a file of gigabytes.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from firstlevel.stage import InputError

MB = 10**6
MOST = {".json": 50 * MB, ".mat": 2000 * MB}
"""Bytes by the end of a name; sidecars with all that a scanner wrote have some MB."""
MOST_OF_TEXT = 500 * MB
"""Bytes of any other file that is read whole: of confounds, ten times the longest that fMRIPrep writes."""
MOST_OF_MATLAB = 50 * MB
"""Bytes that the variables of a MAT-file of onsets or affines unpack to: millions of numbers."""
MOST_OF_DESIGN = 2000 * MB
"""The same of SPM.mat, which holds covariances."""
MOST_VARIABLES = 10_000
DEEPEST = 100
"""How deep the parts of a variable lie in each other; those of SPM.mat some ten."""
DEFLATED = 1032
"""How many bytes one byte of a compressed file can hold at most. Source: zlib, technical details."""
MATLAB_MATRIX, MATLAB_PACKED = 14, 15
"""Kinds of elements of a MAT-file of version 5. Source: MAT-File Format, MathWorks."""


def check(path: Path) -> None:
    """Raise an InputError if a path is not a regular file, or the file is larger than its kind can be.

    What is not there, or a circle of links, raises the OSError of the system.
    """
    _check_state(path, path.stat())


def opened(path: Path) -> BinaryIO:
    """Open a regular file to read its bytes, checked as :func:`check` does, before and after it is open.

    A pipe that took its place in between does not wait: nothing blocks.
    """
    check(path)
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115  Path.open takes no opener
    try:
        _check_state(path, os.fstat(file.fileno()))
    except InputError:
        file.close()
        raise
    return file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _check_state(path: Path, state: os.stat_result) -> None:
    if stat.S_ISDIR(state.st_mode):
        raise InputError(path, "is a folder", expected="a file", remedy="name a file")
    if not stat.S_ISREG(state.st_mode):
        raise InputError(
            path,
            "is a pipe or a device, not a file on disk",
            expected="a regular file",
            remedy="copy its content into a file, or correct the path",
        )
    if state.st_size > (most := _most(path)):
        raise _too_long(path, most)


def read(path: Path) -> bytes:
    """Read the whole of a file that is not an image, unpacked if it is gzipped.

    Raises
    ------
    InputError : no regular file, too long for its kind, packed and damaged.
    """
    most = _most(path)
    with opened(path) as file:
        # files of /proc have the size 0, and may have no end; others may grow while they are read
        content = file.read(most + 1) if os.fstat(file.fileno()).st_size else b""
    if len(content) > most:
        raise _too_long(path, most)
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
            content = packed.read(most + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            path, f"cannot be unpacked ({error})", expected="a whole .gz file", remedy="compress it again"
        ) from None
    if len(content) > most:
        raise _too_long(path, most)
    return content


def check_matlab(path: Path, most: int) -> None:
    """Raise an InputError if the compressed variables of a MAT-file unpack to more than `most` bytes.

    They are unpacked piece by piece and kept nowhere. What is damaged is for its reader to tell.
    """
    total = n_variables = 0
    with opened(path) as file:
        order = {b"IM": "<", b"MI": ">"}.get(file.read(128)[126:])
        while order and len(tag := file.read(8)) == 8:
            kind, size = struct.unpack(f"{order}2I", tag)
            n_variables += 1
            if kind not in (MATLAB_MATRIX, MATLAB_PACKED):
                return
            if n_variables > MOST_VARIABLES:
                raise InputError(
                    path,
                    f"has more than {MOST_VARIABLES} variables",
                    expected="a file as SPM writes it",
                    remedy="check that this is the right file",
                )
            if kind == MATLAB_MATRIX:
                own = file.read(min(size, MOST_OF_MATLAB))
                _check_depth(path, tag + own, order)
                file.seek(size - len(own), os.SEEK_CUR)
                continue
            unpacking, begun = zlib.decompressobj(), bytearray()
            while size and (packed := file.read(min(size, MB))):
                size -= len(packed)
                while packed:
                    try:
                        piece = unpacking.decompress(packed, MB)
                    except zlib.error:
                        return
                    total += len(piece)
                    begun += piece if len(begun) < MOST_OF_MATLAB else b""
                    if total > most:
                        raise _too_long(path, most)
                    packed = unpacking.unconsumed_tail
            _check_depth(path, bytes(begun), order)


def _check_depth(path: Path, content: bytes, order: str) -> None:
    """Raise an InputError if cells are nested so deeply that their reader, in C, would crash."""
    at = 0
    ends: list[int] = []
    while at + 8 <= len(content):
        while ends and at >= ends[-1]:
            ends.pop()
        kind, size = struct.unpack_from(f"{order}2I", content, at)
        if kind >> 16:  # an element of at most four bytes
            at += 8
        elif kind != MATLAB_MATRIX:
            at += 8 + size + -size % 8
        else:
            at += 8
            ends.append(at + size)
            if len(ends) > DEEPEST:
                raise InputError(
                    path,
                    f"has cells or structures nested more than {DEEPEST} deep",
                    expected="a file as SPM writes it",
                    remedy="check that this is the right file",
                )


def _most(path: Path) -> int:
    return MOST.get(path.suffix.casefold(), MOST_OF_TEXT)


def _too_long(path: Path, most: int) -> InputError:
    return InputError(
        path,
        f"has more than {most // MB} MB",
        expected=f"at most {most // MB} MB, many times the size of such a file",
        remedy="check that this is the right file",
    )
