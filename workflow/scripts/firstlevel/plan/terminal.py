"""What a run shows on the terminal: how far it is, warnings of the jobs, failures, and how it ended.

Snakemake writes fifteen lines per job. Its log file keeps them, and so do ``--verbose`` and ``--dry-run``.
Here its handler for the terminal gets a filter, which shows its own lines in place of many of these records.
Standard library.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from firstlevel.plan import status
from firstlevel.texts import visible

WARNING = re.compile(r"^\d{4}-\d\d-\d\d [\d:,]+ WARNING (.+)$", re.MULTILINE)
"""A warning in the log of a stage (:func:`firstlevel.stage.run`)."""
MOST_WARNINGS = 30
OF_DISKS = 2.0
"""Seconds by which the times of files may differ from the clock's."""
N_LINES = 20
"""Lines of progress, at most, where there is no terminal to write one line again and again."""
REPLACED = ("workflow_started", "resources_info", "job_started", "shellcmd", "group_info")
"""Kinds of records that tell nothing more than the lines of this module."""
OF_THE_ENGINE = (
    "Assuming unrestricted shared filesystem",
    "Building DAG of jobs",
    "Complete log(s)",
    "Conda environments: ignored",
    "Elapsed time",
    "Group jobs: inactive",
    "Removing output files of failed job",
    "Removing temporary output",
    "Select jobs to execute",
    "Singularity containers: ignored",
    "Using shell",
)
"""How records of no kind begin that are about Snakemake's own work."""
TOLD = ("returned non-zero exit status 1.", "At least one job did not complete successfully.")
"""Ends of errors that say no more than the message of the stage, or the last lines, above them."""
NOTHING = "Nothing to be done"


class Progress(logging.Filter):
    """Filter of Snakemake's handler for the terminal: lets what is rare pass, and shows the rest itself.

    Parameters
    ----------
    stream : of the handler.
    started : seconds since the epoch.

    Attributes
    ----------
    if_nothing_is_to_be_done : gives the last lines of a run without jobs, for which Snakemake has no handler.
    """

    if_nothing_is_to_be_done: Callable[[], list[str]] = staticmethod(list)

    def __init__(self, stream: Any, started: float) -> None:
        super().__init__()
        self.stream, self.started = stream, started
        self._rewrites = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._lock = threading.RLock()  # jobs that end are told of by threads
        self._labels: dict[int, tuple[str, list[str]]] = {}
        self._running: dict[int, str] = {}
        self._failed: set[int] = set()
        self._told_at = 0
        self._last = ""
        self._how_far = "0 jobs"
        self._n_warnings = 0
        self._is_drawn = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether Snakemake is to show a record; shows what it means otherwise."""
        with self._lock:
            event = str(getattr(record, "event", None) or "")
            message = str(record.msg or "")
            if show := getattr(self, f"_{event}", None):
                show(vars(record))
                return False
            if event in REPLACED or (record.levelno <= logging.INFO and message.startswith(OF_THE_ENGINE)):
                return False
            if event == "error" and message.rstrip().endswith(TOLD):
                return False
            self.clear()
            if message.startswith(NOTHING):
                self._write(message)
                self._write("\n".join(self.if_nothing_is_to_be_done()))
                return False
            return True

    def clear(self) -> None:
        """Take the line of progress from the terminal, before another is written."""
        if self._is_drawn:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
            self._is_drawn = False

    def closing(
        self,
        *,
        page: Path | None,
        n_reused: int,
        n_needed: int,
        n_done: int,
        logs: Iterable[str],
        folder: str = "logs",
    ) -> list[str]:
        """Last lines of a run: what was reused, its time, its log, and where the report is.

        Parameters
        ----------
        page : first page of the report; None where the run was not about it.
        n_reused, n_needed, n_done : jobs whose results were up to date, that had to run, and that did.
        logs : of Snakemake.
        folder : with the logs of the stages.
        """
        self.clear()
        lines = []
        if (more := self._n_warnings - MOST_WARNINGS) > 0:
            lines.append(f"Warnings: {more} more; to read them: grep -r WARNING {shlex.quote(folder)}")
        counts = {
            "done": n_done,
            "failed": len(self._failed),
            "not run": n_needed - n_done - len(self._failed),
            "reused (up to date)": n_reused,
        }
        told = [
            f"{n} {what}" for what, n in counts.items() if n > 0 or what in ("done", "reused (up to date)")
        ]
        lines.append(f"Jobs: {', '.join(told)}")
        kept = "".join(f"; log: {visible(path)}" for path in logs)
        lines.append(f"Time: {duration(time.time() - self.started)}{kept}")
        return [*lines, *([how_to_open(page)] if page else [])]

    def _run_info(self, record: Mapping[str, Any]) -> None:
        self._write(f"To do: {record['stats']['total']} jobs")

    def _job_info(self, record: Mapping[str, Any]) -> None:
        labels = record["wildcards"] or {}
        name = labels.get("run") or labels.get("unit") or "".join(f"sub-{s}" for s in labels.values())
        contrast = labels.get("contrast")
        label = " ".join(filter(None, (record["rule_name"], name, contrast)))
        self._labels[record["jobid"]] = (label, [str(path) for path in record["log"]])
        self._running[record["jobid"]] = label
        self._draw()

    def _job_finished(self, record: Mapping[str, Any]) -> None:
        job = record["job_id"]
        self._failed.discard(job)
        self._last = self._running.pop(job, "")
        self._warn(*self._labels.get(job, ("", [])))

    def _progress(self, record: Mapping[str, Any]) -> None:
        done, total = record["done"], record["total"]
        self._how_far = f"{done} of {total} jobs, {duration(time.time() - self.started)}"
        step = max(1, -(-total // N_LINES))
        if self._rewrites:
            self._draw()
        elif done // step > self._told_at // step or done == total:
            self._write(f"  {self._how_far}: {self._last}")
        self._told_at = done

    def _job_error(self, record: Mapping[str, Any]) -> None:
        if record.get("indent"):  # of a group, which is told of as a whole
            return
        job = record["jobid"]
        self._running.pop(job, None)
        self._failed.add(job)
        label, logs = self._labels.get(job, (record["rule_name"], []))
        self._warn(label, logs)
        self._fail(label, logs, is_elsewhere="external_jobid" in (record.get("aux") or {}))

    def _group_error(self, record: Mapping[str, Any]) -> None:
        failed = [one for one in record["job_error_info"] if any(map(self._left, one["log"]))]
        for one in failed:
            self._failed.add(one["jobid"])
            label, logs = self._labels.get(one["jobid"], (one["rule_name"], [str(log) for log in one["log"]]))
            self._fail(label, logs, is_elsewhere=True)
        for one in record["job_error_info"]:
            self._running.pop(one["jobid"], None)
        if not failed:
            self._fail(f"group {record['groupid']}", [str(log) for log in record["aux_logs"]])

    def _fail(self, label: str, logs: Iterable[str], *, is_elsewhere: bool = False) -> None:
        logs = list(logs)
        left = next(filter(None, map(self._left, logs)), None)
        if left and is_elsewhere:  # on a node, whose standard error is not this terminal
            self._write(status.told(left))
        why = "" if left else " (no message of its own: killed, or out of memory?)"
        self._write(f"Failed: {label}{why}; log: {', '.join(logs) or 'none'}")

    def _warn(self, label: str, logs: Iterable[str]) -> None:
        """One line per warning in the logs of a job."""
        for log in logs:
            try:
                text = Path(log).read_text(encoding="utf-8", errors="replace")
            except OSError:  # on a node whose disk this is not
                continue
            for found in dict.fromkeys(WARNING.findall(text)):
                self._n_warnings += 1
                if self._n_warnings <= MOST_WARNINGS:
                    self._write(f"Warning: {found} ({label}; {log})")

    def _left(self, log: Any) -> dict[str, Any] | None:
        """What a job that failed in this run left beside its log; None where it was ended before it could."""
        path = Path(str(log)).with_suffix(".json")
        try:
            if path.stat().st_mtime < self.started - OF_DISKS:
                return None
            left: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            status.told(left)
        except (OSError, ValueError, LookupError, TypeError):
            return None
        return left

    def _draw(self) -> None:
        """Write the line of progress anew."""
        if not self._rewrites:
            return
        columns = shutil.get_terminal_size().columns
        line = f"{self._how_far}: {', '.join(self._running.values())}"
        self.stream.write(f"\r\x1b[K{visible(line)[: columns - 1]}")
        self.stream.flush()
        self._is_drawn = True

    def _write(self, line: str) -> None:
        self.clear()
        self.stream.write(f"{visible(line)}\n")
        self.stream.flush()


def attached(logger: logging.Logger, *, started: float, is_wanted: bool) -> Progress | None:
    """Give Snakemake's handler for the terminal the filter; None where it has none, or all is to be shown."""
    handlers = [one for one in logger.handlers if one.name == "DefaultStreamHandler"]
    if not is_wanted or not handlers:
        return None
    progress = Progress(getattr(handlers[0], "stream", sys.stderr), started)
    handlers[0].addFilter(progress)
    return progress


def duration(seconds: float) -> str:
    """Minutes and seconds, or hours with them: 0:07, 12:30, 3:05:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def how_to_open(page: Path) -> str:
    """Line that names a page and the command that shows it."""
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    if shutil.which(opener):
        return f"Report: {visible(str(page))}; to open it: {opener} {shlex.quote(str(page.absolute()))}"
    return f"Report: {visible(str(page))}; to open it in a browser: {page.absolute().as_uri()}"
