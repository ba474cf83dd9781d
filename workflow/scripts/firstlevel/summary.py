"""What became of every run of a study: done, failed and why, left out and why. Standard library."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from firstlevel import tables
from firstlevel.study import LeftOut, Run, entities_in

COLUMNS = ("subject", "session", "task", "run", "bold", "events", "status", "reason")
STOPPED = re.compile(r"^\S+ \S+ ERROR (.*)", re.DOTALL | re.MULTILINE)
"""The message with which a stage ends its log."""


def rows(
    runs: Iterable[Run],
    left_out: Iterable[LeftOut],
    maps: Mapping[tuple[str, str], Sequence[Path]],
    logs: Path,
    contrasts: Container[str],
) -> list[tuple[str, ...]]:
    """One row per run, then what is left out.

    Parameters
    ----------
    maps : the maps that each subject and task should have.
    logs : folder of the logs, one folder per stage.
    contrasts : labels of the contrasts of the study.
    """
    failures = _failures(logs, contrasts)
    states = {whose: _state(files, failures.get(whose)) for whose, files in maps.items()}
    table = []
    for run in runs:
        labels = [run.subject, run.session, run.task, run.run]
        status, reason = states[run.subject, run.task]
        failed = failures.get((run.subject, run.task))
        if status == "failed" and failed and failed.run and failed.run != (run.session, run.run):
            status, reason = "blocked", f"another run of this subject failed: {reason}"
        bold = run.bold[0] if len(run.bold) == 1 else f"{run.bold[0]} and {len(run.bold) - 1} more"
        table.append((*(label or "n/a" for label in labels), bold, run.events or "n/a", status, reason))
    for path, reason in left_out:
        table.append((*["n/a"] * 4, path, "n/a", "left out", reason))
    return table


class Failure(NamedTuple):
    """When a stage stopped and what it said; session and run labels where it was about one run."""

    time: int
    message: str
    run: tuple[str | None, str | None] | None


def write(path: Path, table: Sequence[Sequence[str]]) -> str:
    """Write the table, and return it as a sentence."""
    table = [[" ".join(cell.split()) for cell in row] for row in table]  # a cell is one line
    tables.write_table(path, COLUMNS, table)
    subjects = {(row[0], row[6]): row[7] for row in table if row[0] != "n/a" and row[6] != "blocked"}
    counts = Counter(status for _, status in subjects)
    n_left_out = sum(row[6] == "left out" for row in table)
    parts = [f"{count} {status}" for status, count in sorted(counts.items())]
    parts += [f"{n_left_out} left out"] * bool(n_left_out)
    lines = [f"Subjects: {', '.join(parts)}; {path} tells of every run."]
    failed = [(subject, reason) for (subject, status), reason in subjects.items() if status == "failed"]
    lines += [f"  sub-{subject}: {reason}" for subject, reason in failed[:10]]
    return "\n".join(lines)


def _state(maps: Sequence[Path], failure: Failure | None) -> tuple[str, str]:
    """Whether a subject's maps are there, and none of them from before a stage stopped."""
    missing = [path for path in maps if not path.is_file()]
    if failure and (missing or min(path.stat().st_mtime_ns for path in maps) < failure.time):
        return "failed", failure.message
    return ("unfinished", f"{len(missing)} of {len(maps)} maps are missing") if missing else ("done", "")


def _failures(logs: Path, contrasts: Container[str]) -> dict[tuple[str, str], Failure]:
    """Time and message of the stage that stopped last, by subject and task; contrasts of old do not count."""
    last: dict[tuple[str, str], Failure] = {}
    for log in logs.glob("*/sub-*_task-*.log"):
        labels = entities_in(log.name)
        if "contrast" in labels and labels["contrast"] not in contrasts:
            continue
        if found := STOPPED.search(log.read_text(encoding="utf-8", errors="replace")):
            whose = labels["sub"], labels["task"]
            run = (labels.get("ses"), labels.get("run"))
            time = log.stat().st_mtime_ns
            if whose not in last or last[whose].time < time:
                last[whose] = Failure(
                    time, "; ".join(found[1].strip().split("\n  ")), run if any(run) else None
                )
    return last
