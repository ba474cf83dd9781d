"""What became of every run of a study: done, failed and why, left out and why. Standard library."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from firstlevel import tables
from firstlevel.study import LeftOut, Run

COLUMNS = ("subject", "session", "task", "run", "bold", "events", "status", "reason")
STOPPED = re.compile(r"^\S+ \S+ ERROR (.*)", re.DOTALL | re.MULTILINE)
"""The message with which a stage ends its log."""


def rows(
    runs: Iterable[Run], left_out: Iterable[LeftOut], maps: Mapping[str, Sequence[Path]], logs: Path
) -> list[tuple[str, ...]]:
    """One row per run, then what is left out.

    Parameters
    ----------
    maps : the maps that each subject should have.
    logs : folder of the logs, one folder per stage.
    """
    failures = _failures(logs)
    states = {subject: _state(files, failures.get(subject)) for subject, files in maps.items()}
    table = []
    for run in runs:
        labels = [run.subject, run.session, run.task, run.run]
        status, reason = states[run.subject]
        bold = run.bold[0] if len(run.bold) == 1 else f"{run.bold[0]} and {len(run.bold) - 1} more"
        table.append((*(label or "n/a" for label in labels), bold, run.events, status, reason))
    for path, reason in left_out:
        table.append((*["n/a"] * 4, path, "n/a", "left out", reason))
    return table


def write(path: Path, table: Sequence[Sequence[str]]) -> str:
    """Write the table, and return it as a sentence."""
    tables.write_table(path, COLUMNS, [[" ".join(cell.split()) for cell in row] for row in table])
    subjects = {(row[0], row[6]): row[7] for row in table if row[0] != "n/a"}
    counts = Counter(status for _, status in subjects)
    n_left_out = sum(row[6] == "left out" for row in table)
    parts = [f"{count} {status}" for status, count in sorted(counts.items())]
    parts += [f"{n_left_out} images or folders left out"] * bool(n_left_out)
    lines = [f"Subjects: {', '.join(parts)}; {path} tells each."]
    failed = [(subject, reason) for (subject, status), reason in subjects.items() if status == "failed"]
    lines += [f"  sub-{subject}: {' '.join(reason.split())}" for subject, reason in failed[:10]]
    return "\n".join(lines)


def _state(maps: Sequence[Path], failure: tuple[int, str] | None) -> tuple[str, str]:
    """Whether a subject's maps are there, and none of them from before a stage stopped."""
    missing = [path for path in maps if not path.is_file()]
    if failure and (missing or min(path.stat().st_mtime_ns for path in maps) < failure[0]):
        return "failed", failure[1]
    return ("unfinished", f"{len(missing)} of {len(maps)} maps are missing") if missing else ("done", "")


def _failures(logs: Path) -> dict[str, tuple[int, str]]:
    """Time and message of the stage that stopped last, by subject."""
    last: dict[str, tuple[int, str]] = {}
    for log in logs.glob("*/sub-*.log"):
        if found := STOPPED.search(log.read_text(encoding="utf-8", errors="replace")):
            subject = log.name.split("_")[0].removeprefix("sub-")
            last[subject] = max(last.get(subject, (0, "")), (log.stat().st_mtime_ns, found[1].strip()))
    return last
