"""Zip archives from elsewhere: what they should hold, what a file really is, what is taken from it.

Nothing that an archive says about itself is trusted. Names are checked before a byte is written, sizes are
counted while reading, and only the files that a registry names are written, to places that the registry
names. Standard library only.
"""

from __future__ import annotations

import json
import logging
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from firstlevel.stage import InputError

logger = logging.getLogger(__name__)

BLOCK = 1 << 20  # bytes read at once
HEADER_SIZE = 348  # bytes, of an Analyze or NIfTI-1 header
DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, UnicodeDecodeError)
DAMAGED = "the archive is damaged or was changed: run again to download it again, or use another mirror"


@dataclass(frozen=True)
class Series:
    """Files that an archive must hold: `count` of them match `pattern`, each with every one of `suffixes`.

    Parameters
    ----------
    output : the stage's output that they become.
    pattern : path below the subject's folder, without suffix; ``*`` does not match across folders.
    """

    output: str
    pattern: str
    suffixes: tuple[str, ...]
    count: int


@dataclass(frozen=True)
class Archive:
    """One archive of a study.

    Parameters
    ----------
    file : its name.
    size : bytes, None where the size is not published.
    unpacked_limit : bytes, of all members together.
    series : what must be in it.
    """

    file: str
    size: int | None
    unpacked_limit: int
    series: tuple[Series, ...]


def read_registry(registry: Path) -> list[Archive]:
    """Archives of a study; its description, citation and licence go to the log."""
    content = json.loads(registry.read_text(encoding="utf-8"))
    logger.info("%s", "\n".join(f"{key}: {content[key]}" for key in ("description", "citation", "license")))
    archives = []
    for item in content["archives"]:
        series = [
            Series(entry["output"], entry["pattern"], tuple(entry["suffixes"]), entry["count"])
            for entry in item["series"]
        ]
        archives.append(Archive(item["file"], item["size"], item["unpacked_limit"], tuple(series)))
    return archives


def places(
    archives: Iterable[Archive], unpacked: Path, outputs: Mapping[str, Path]
) -> list[tuple[Path, Path]]:
    """What was unpacked, and where it is to lie: a folder of many files, each file of others.

    `outputs` are the stage's, by the names that the registry gives to series.
    """
    moves: list[tuple[Path, Path]] = []
    for series in (item for archive in archives for item in archive.series):
        output = outputs[series.output]
        if "*" in series.pattern:
            moves.append(((unpacked / series.pattern).parent, output))
        else:
            moves += [
                (unpacked / (series.pattern + suffix), output.with_suffix(suffix))
                for suffix in series.suffixes
            ]
    return moves


def is_cut_short(path: Path) -> bool:
    """Whether a file begins as a zip archive (or is empty) but lacks an archive's end."""
    return _start(path)[:2] in (b"", b"P", b"PK") and not zipfile.is_zipfile(path)


def check_is_zip(path: Path, where: str, *, remedy: str) -> None:
    """Refuse a file that is not a zip archive; if it is an HTML page, quote it."""
    start = _start(path)
    expected = "a zip archive"
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        words = " ".join(re.sub(r"<[^>]*>?", " ", start.decode(errors="replace")).split())
        problem = f"the server sent an HTML page rather than an archive: {words[:80]!r}"
        raise InputError(where, problem, expected=expected, remedy=remedy)
    if not zipfile.is_zipfile(path):
        problem = f"not a zip archive, or only a part of one: it begins with {start[:16]!r}"
        raise InputError(where, problem, expected=expected, remedy=remedy)


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(2048)


def unpack(archive: Path, series: Sequence[Series], folder: Path, *, limit: int, where: str) -> None:
    """Write the files of `series` into `folder`, below the same paths as in their patterns.

    Every member is read to its end, wanted or not, so that its checksum is verified; together they may
    unpack to no more than `limit` bytes. `where` names the archive in errors.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            _check_members(where, members)
            wanted = _wanted(where, members, series)
            left = limit
            for member in members:
                with opened.open(member) as source, _target(folder, wanted.get(member)) as target:
                    left = _copy(source, target, left)
                if left < 0:
                    problem = f"unpacks to more than {limit:,} bytes, at {member.filename!r}"
                    raise InputError(where, problem, expected=f"at most {limit:,} bytes", remedy=DAMAGED)
    except DAMAGE as error:
        expected = "an archive that unpacks with every checksum right"
        raise InputError(where, f"cannot be unpacked: {error}", expected=expected, remedy=DAMAGED) from error
    for path in wanted.values():
        size, least = (folder / path).stat().st_size, HEADER_SIZE if path.suffix == ".hdr" else 1
        if size < least:
            expected = f"at least {least} bytes"
            raise InputError(where, f"{path} has {size} bytes", expected=expected, remedy=DAMAGED)


def _target(folder: Path, path: PurePosixPath | None) -> AbstractContextManager[IO[bytes] | None]:
    """Open the new file for a wanted member; nothing for any other."""
    if path is None:
        return nullcontext()
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    return (folder / path).open("xb")


def _copy(source: IO[bytes], target: IO[bytes] | None, left: int) -> int:
    """Read a member to its end, or until more than `left` bytes came; what remains of `left`."""
    while block := source.read(BLOCK):
        left -= len(block)
        if left < 0:
            break
        if target:
            target.write(block)
    return left


def _check_members(where: str, members: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse the whole archive if a member would land elsewhere, is not a plain file, or hides another."""
    seen: dict[str, str] = {}
    for member in members:
        name = member.orig_filename  # as stored: `filename` has been cut at a NUL already
        kind = stat.S_IFMT(member.external_attr >> 16)
        key = str(PurePosixPath(name)).casefold()
        problem = ""
        if name.startswith("/") or re.match(r"[A-Za-z]:", name):
            problem = "an absolute path"
        elif ".." in PurePosixPath(name).parts:
            problem = "a path that leaves its folder"
        elif "\\" in name or any(ord(letter) < 32 for letter in name) or not name:
            problem = "a backslash or a control character in a name, or no name"
        elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            problem = "a symbolic link" if stat.S_ISLNK(member.external_attr >> 16) else "a special file"
        elif member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.flag_bits & 1:
            problem = "encrypted, or compressed in an unusual way"
        elif key in seen:
            problem = f"a name that occurs twice (also as {seen[key]!r}; upper and lower case count as equal)"
        if problem:
            expected = "plain files with relative paths, each name once"
            raise InputError(where, f"{name!r} is {problem}", expected=expected, remedy=DAMAGED)
        seen[key] = name


def _wanted(
    where: str, members: Sequence[zipfile.ZipInfo], series: Sequence[Series]
) -> dict[zipfile.ZipInfo, PurePosixPath]:
    """Members to be written and their paths below the subject's folder, complete and in pairs.

    The patterns are held against the end of a member's path, so that the archive may put all of them into
    one and the same leading folder.
    """
    wanted: dict[zipfile.ZipInfo, PurePosixPath] = {}
    leading: set[str] = set()
    for item in series:
        depth = len(PurePosixPath(item.pattern).parts)
        stems: dict[str, set[str]] = {suffix: set() for suffix in item.suffixes}
        for member in members:
            path = PurePosixPath(member.filename)
            if member.is_dir() or path.suffix not in stems or not path.match(item.pattern + path.suffix):
                continue
            wanted[member] = PurePosixPath(*path.parts[-depth:])
            leading.add("/".join(path.parts[:-depth]))
            stems[path.suffix].add(path.stem)
        for suffix, names in stems.items():
            if odd := sorted(set.union(*stems.values()) - names):
                problem = f"{len(odd)} x {item.pattern}{suffix} missing, the first is {odd[0]}{suffix}"
                _refuse_layout(where, problem, item)
            if len(names) != item.count:
                _refuse_layout(where, f"{len(names)} files match {item.pattern}{suffix}", item)
    if len(leading) > 1:
        expected = "one folder for the whole study"
        problem = f"the files of the study lie in several folders: {', '.join(sorted(map(repr, leading)))}"
        raise InputError(where, problem, expected=expected, remedy=DAMAGED)
    return wanted


def _refuse_layout(where: str, problem: str, item: Series) -> None:
    expected = f"{item.count} x {item.pattern}, each with {' and '.join(item.suffixes)}"
    raise InputError(where, problem, expected=expected, remedy=DAMAGED)
