"""Archives that are kept beside what was unpacked from them, each held to the SHA-256 of its first copy."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from firstlevel.io import archives, downloads
from firstlevel.io.archives import Archive
from firstlevel.stage import InputError, atomic, sha256

logger = logging.getLogger(__name__)


def take(archive: Archive, url: str, kept: Path, unpacked: Path) -> None:
    """Unpack an archive, the one at hand if it is the recorded one; keep and record it if all is well.

    Parameters
    ----------
    url : where it is downloaded from.
    kept : where it is at hand, or will be.
    unpacked : folder for what it holds.
    """
    remedy = (
        f"set {downloads.BASE_URL} to a mirror, or put a good copy at {kept}, "
        "or unpack the study by hand and set study.spm_multimodal.path to its folder"
    )
    recorded = recorded_sha256(kept)
    part = kept.with_name(f"{kept.name}.part")
    at_hand = kept.exists()
    if at_hand and recorded and sha256(kept) != recorded:
        logger.warning("%s is not the recorded archive (SHA-256 %s): downloading it again", kept, recorded)
        at_hand = False
    try:
        if at_hand:
            logger.info("%s is there already: not downloaded again", kept)
            file, where = kept, str(kept)
            remedy = f"remove it to download it again, or {remedy}"
        else:
            downloads.download(url, part, archive.unpacked_limit, remedy, archives.is_cut_short)
            file, where = part, url
        archives.check_is_zip(file, where, remedy=remedy)
        digest = sha256(file)
        check_identity(file, digest, recorded, archive, where=where)
        archives.unpack(file, archive.series, unpacked, limit=archive.unpacked_limit, where=where)
        file.replace(kept)
        if recorded is None:
            record_sha256(kept, digest)
            logger.info("recorded SHA-256 %s of %s", digest, kept.name)
    finally:
        part.unlink(missing_ok=True)


def record_of(archive: Path) -> Path:
    """The file beside an archive that holds its SHA-256, as ``sha256sum --check`` reads it."""
    return archive.with_name(f"{archive.name}.sha256")


def recorded_sha256(archive: Path) -> str | None:
    """SHA-256 that was recorded when the archive was first accepted, or None."""
    record = record_of(archive)
    if not record.exists():
        return None
    words = record.read_text(encoding="utf-8", errors="replace").split()
    if not words or not re.fullmatch(r"[0-9a-f]{64}", words[0]):
        expected = f"64 hexadecimal digits, two spaces, {archive.name}"
        raise InputError(record, "no SHA-256 in it", expected=expected, remedy="delete this record")
    return words[0]


def record_sha256(archive: Path, digest: str) -> None:
    """Record the SHA-256 to which every later download of the archive is held."""
    with atomic(record_of(archive)) as temporary:
        temporary.write_text(f"{digest}  {archive.name}\n", encoding="utf-8")


def check_identity(file: Path, digest: str, recorded: str | None, archive: Archive, *, where: str) -> None:
    """Compare a file with the `recorded` SHA-256 of this archive, if there is one, and with its size."""
    if recorded is not None and digest != recorded:
        problem = f"the archive has changed: SHA-256 {digest}"
        record = record_of(file.with_name(archive.file))
        remedy = f"if the change is expected, delete {record}; if not, use another mirror"
        raise InputError(where, problem, expected=f"SHA-256 {recorded}, as recorded before", remedy=remedy)
    size = file.stat().st_size
    if archive.size is not None and size != archive.size:
        remedy = f"use the original server or another mirror ({downloads.BASE_URL})"
        raise InputError(where, f"{size:,} bytes", expected=f"{archive.size:,} bytes", remedy=remedy)
