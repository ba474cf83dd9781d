"""Folders that are whole or absent. Standard library."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from firstlevel.stage import InputError


@contextlib.contextmanager
def temporary(path: Path) -> Iterator[Path]:
    """Give a new empty folder beside `path`, hidden, that is gone afterwards.

    What a job that was killed had left in it goes, too.
    """
    folder = path.with_name(f".{path.name}.partial")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a temporary folder that takes the place of `path` when the block ends well."""
    with temporary(path) as folder:
        yield folder
        shutil.rmtree(path, ignore_errors=True)
        folder.replace(path)


def check_free(*folders: Path, remedy: str) -> None:
    """Refuse a folder that holds something; one that is empty, or not there, is free."""
    for folder in folders:
        if folder.exists() and any(folder.iterdir()):
            raise InputError(folder, "not empty", expected="a folder that does not exist yet", remedy=remedy)


def move_all(moves: Iterable[tuple[Path, Path]]) -> None:
    """Move files and folders, each from and to, all or none.

    If one move fails, what was moved before is removed: it is not needed without the others.
    """
    placed: list[Path] = []
    try:
        for source, target in moves:
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
            placed.append(target)
    except BaseException:
        for target in placed:
            shutil.rmtree(target) if target.is_dir() else target.unlink()
        raise
