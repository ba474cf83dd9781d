"""Files from a server: tried again where that can help, and bounded in size."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from firstlevel.stage import InputError

WAITS = (2.0, 4.0, 8.0)  # s, before the second, third, fourth try
TIMEOUT = (10.0, 60.0)  # s without an answer: to connect, to send something more
CHUNK = 1 << 18  # bytes
PASSING = (408, 429)  # refusals that pass: request timeout, too many requests
BASE_URL = "study.spm_multimodal.base_url"
"""Config key that says where the archives lie."""

logger = logging.getLogger(__name__)


def checked_base(base_url: str) -> str:
    """Address of the folder in which the archives lie, without a slash at its end."""
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        expected = "http://... or https://..., the folder in which the archives lie"
        raise InputError(BASE_URL, f"{base_url!r}", expected=expected, remedy="correct the address")
    return base_url.rstrip("/")


def download(url: str, part: Path, limit: int, remedy: str, is_cut_short: Callable[[Path], bool]) -> None:
    """Receive `url` into `part`; try again after a pause where that can help.

    Parameters
    ----------
    limit : bytes that are taken at most.
    remedy : what the user can do where no try succeeds.
    is_cut_short : whether a file that was received is the beginning of one alone.
    """
    import requests

    for attempt, wait in enumerate((*WAITS, None), start=1):
        logger.info("downloading %s", url)
        problem = "the transfer ended before the archive did"
        try:
            _receive(url, part, limit)
            if not is_cut_short(part):
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

    def __enter__(self) -> _Receiver:
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
            remedy = f"use the original server or another mirror ({BASE_URL})"
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
