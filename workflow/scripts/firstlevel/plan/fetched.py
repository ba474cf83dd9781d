"""Whether a file has its content, or is only a link or pointer of git-annex (DataLad) or Git LFS.

Standard library: every start of Snakemake pays for this import.

Source: pointer files of git-annex (``/annex/objects/`` and a key, below 32 kB), Git LFS specification.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

LARGEST = 32768
"""Bytes from which on a file is no pointer, so that only small ones are opened."""
LFS = b"version https://git-lfs.github.com/spec/v1"
TEXTS = (b"/annex/objects/", b"version https://hawser.github.com/spec/v1", LFS)
"""What pointers begin with; the second is what LFS was called."""
NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""Errors of a link that leads nowhere."""
LINKED = b".git/annex/objects/"
"""In a link of git-annex, which a disk without links holds as a text: ../../.git/annex/objects/..."""
BY_DATALAD, BY_LFS = "datalad get fetches it", "git lfs pull fetches it"


MARKS = (".git", ".gitattributes", ".gitmodules", ".datalad")
"""What lies at the root of a study that may hold pointers, or of one around it."""


def missing(path: str, *, is_link: bool | None = None) -> str:
    """Name the command that fetches the content of a link or pointer; empty if the content is there.

    Parameters
    ----------
    is_link : whether it is a link, where that is known already.
    """
    try:
        if not 0 < os.stat(path).st_size < LARGEST:  # noqa: PTH116, a study has a hundred thousand
            return ""
        file = os.open(path, os.O_RDONLY)  # no pipe, whose size is 0
        try:
            start = os.read(file, 512)
        finally:
            os.close(file)
    except OSError as error:
        if error.errno not in NOWHERE:  # a folder, or what may not be read, as its own stage tells
            return ""
        is_link = os.path.islink(path) if is_link is None else is_link  # noqa: PTH114
        return BY_DATALAD if is_link else ""
    if start.startswith(TEXTS):
        return BY_LFS if start.startswith(TEXTS[1:]) else BY_DATALAD
    first = start.partition(b"\n")[0]
    return BY_DATALAD if first.startswith(b"../") and LINKED in first else ""


def may_be_missing(folder: Path) -> bool:
    """Whether a study is in a git repository, so that its files may be pointers."""
    here = folder.absolute()
    return any(os.path.lexists(above / mark) for above in (here, *here.parents) for mark in MARKS)
