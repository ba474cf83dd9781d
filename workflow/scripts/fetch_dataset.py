"""Download the SPM multimodal faces study and unpack it.

The registry says which archives make up the study, how large they are and what they must hold. An archive
is received into ``<name>.part``, checked and unpacked into a hidden folder, and only then takes its name;
the outputs take theirs when all archives have been unpacked. So a file under its final name is whole.

No checksum is published. The SHA-256 of the first archive that passes every check is recorded beside it,
and later downloads are held to it. Archives are kept: an archive that is there already (also one put there
by hand) is not downloaded again.
"""

import contextlib
import logging
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from firstlevel import stage
from firstlevel.io import archives
from firstlevel.stage import InputError

WAITS = (2.0, 4.0, 8.0)  # s, before the second, third, fourth try
TIMEOUT = (10.0, 60.0)  # s without an answer: to connect, to send something more
CHUNK = 1 << 18  # bytes
PASSING = (408, 429)  # refusals that pass: request timeout, too many requests

logger = logging.getLogger(__name__)


def fetch_dataset(
    *,
    registry: Path,
    session1: Path,
    session2: Path,
    trials1: Path,
    trials2: Path,
    structural: Path,
    base_url: str,
) -> None:
    """Put the study's folders and files into place, all or none of them; keep the archives beside them."""
    outputs = {
        "session1": session1,
        "session2": session2,
        "trials1": trials1,
        "trials2": trials2,
        "structural": structural,
    }
    _check_is_free(session1, session2)
    base = _checked_url(base_url)
    subject = session1.parents[1]
    dataset = archives.read_registry(registry)
    with _temporary(subject.with_name(f".{subject.name}.partial")) as unpacked:
        for archive in dataset:
            _take(archive, f"{base}/{archive.file}", subject.with_name(archive.file), unpacked)
        _publish(dataset, unpacked, outputs)
    logger.info("study ready in %s", subject)


def _checked_url(base_url: str) -> str:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        expected = "http://... or https://..., the folder in which the archives lie"
        raise InputError(
            "study.spm_multimodal.base_url", f"{base_url!r}", expected=expected, remedy="correct the address"
        )
    return base_url.rstrip("/")


def _check_is_free(*folders: Path) -> None:
    for folder in folders:
        if folder.exists() and any(folder.iterdir()):
            raise InputError(
                folder,
                "not empty",
                expected="a folder that does not exist yet",
                remedy="remove it to unpack the study again",
            )


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """Give a new empty folder that is gone afterwards, and with it whatever a killed job had left in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _take(archive: archives.Archive, url: str, kept: Path, unpacked: Path) -> None:
    """Unpack an archive, the one at hand if it is the recorded one; keep and record it if all is well."""
    remedy = (
        f"set study.spm_multimodal.base_url to a mirror, or put a good copy at {kept}, "
        "or unpack the study by hand and set study.spm_multimodal.path to its folder"
    )
    known = archives.recorded_sha256(kept)
    part = kept.with_name(f"{kept.name}.part")
    at_hand = kept.exists()
    if at_hand and known and stage.sha256(kept) != known:
        logger.warning("%s is not the recorded archive (SHA-256 %s): downloading it again", kept, known)
        at_hand = False
    try:
        if at_hand:
            logger.info("%s is there already: not downloaded again", kept)
            file, where = kept, str(kept)
            remedy = f"remove it to download it again, or {remedy}"
        else:
            _download(url, part, archive.unpacked_limit, remedy)
            file, where = part, url
        archives.check_is_zip(file, where, remedy=remedy)
        digest = stage.sha256(file)
        archives.check_identity(file, digest, known, archive, where=where)
        archives.unpack(file, archive.series, unpacked, limit=archive.unpacked_limit, where=where)
        file.replace(kept)
        if known is None:
            archives.record_sha256(kept, digest)
            logger.info("recorded SHA-256 %s of %s", digest, kept.name)
    finally:
        part.unlink(missing_ok=True)


def _download(url: str, part: Path, limit: int, remedy: str) -> None:
    """Receive `url` into `part`; try again after a pause where that can help."""
    import requests

    for attempt, wait in enumerate((*WAITS, None), start=1):
        logger.info("downloading %s", url)
        problem = "the transfer ended before the archive did"
        try:
            _receive(url, part, limit)
            if not archives.is_cut_short(part):
                return
        except requests.RequestException as error:
            problem = f"{type(error).__name__}: {error}"
            status = error.response.status_code if error.response is not None else None
            if status is not None and 400 <= status < 500 and status not in PASSING:
                expected = "an archive at this address"
                raise InputError(url, f"HTTP status {status}", expected=expected, remedy=remedy) from error
        if wait is None:
            problem = f"no whole archive after {attempt} tries; the last: {problem}"
            raise InputError(url, problem, expected="a server that sends the whole archive", remedy=remedy)
        logger.warning("try %d of %d: %s; again in %g s", attempt, len(WAITS) + 1, problem, wait)
        time.sleep(wait)


def _receive(url: str, part: Path, limit: int) -> None:
    import pooch

    with _Receiver(url, part, limit) as receiver:
        pooch.HTTPDownloader(progressbar=receiver, chunk_size=CHUNK, timeout=TIMEOUT)(url, receiver, None)


class _Receiver:
    """What pooch writes and reports to: a file of bounded size, a bar on a terminal or lines in the log."""

    def __init__(self, url: str, part: Path, limit: int) -> None:
        from tqdm import tqdm

        self.url, self.limit = url, limit
        self.done = 0  # bytes
        self.total = 0  # bytes, 0 if unknown; pooch sets it from Content-Length
        self.step = 0  # of the line logged last
        self.file = part.open("wb")
        name = url.rpartition("/")[2]
        self.bar = tqdm(desc=name, unit="B", unit_scale=True, disable=not sys.stderr.isatty())

    def __enter__(self) -> "_Receiver":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()
        self.file.close()

    def write(self, block: bytes) -> None:
        """Take what came; more than the limit is an error."""
        self.done += len(block)
        if self.done > self.limit:
            remedy = "use the original server or another mirror (study.spm_multimodal.base_url)"
            expected = f"an archive of at most {self.limit:,} bytes"
            raise InputError(
                self.url,
                "the server sends more bytes than the archive can have",
                expected=expected,
                remedy=remedy,
            )
        self.file.write(block)

    def update(self, _size: int) -> None:
        """Show how far we are; pooch's own count is of chunks, whole or not."""
        self.bar.total = self.total or None
        self.bar.update(self.done - self.bar.n)
        step = self.done * 10 // self.total if self.total else self.done // 10_000_000
        if self.bar.disable and step > self.step:
            share = f"{100 * self.done // self.total} % of {self.total:,}" if self.total else f"{self.done:,}"
            logger.info("  %s bytes", share)
            self.step = step

    def flush(self) -> None:
        """Leave it to the file."""

    def reset(self) -> None:
        """Keep the count: pooch starts its own again to fill the bar."""

    def close(self) -> None:
        """Leave it to the end of the block."""


def _publish(dataset: Sequence[archives.Archive], unpacked: Path, outputs: Mapping[str, Path]) -> None:
    """Move what was unpacked to its final names; if one move fails, take the others back."""
    moves: list[tuple[Path, Path]] = []
    for series in (item for archive in dataset for item in archive.series):
        output = outputs[series.output]
        if "*" in series.pattern:
            moves.append(((unpacked / series.pattern).parent, output))
        else:
            moves += [(unpacked / (series.pattern + s), output.with_suffix(s)) for s in series.suffixes]
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


if __name__ == "__main__":
    stage.run(fetch_dataset, globals().get("snakemake"))
