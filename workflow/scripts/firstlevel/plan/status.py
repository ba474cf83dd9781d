"""State of each unit of a study, from its maps and the records of failed jobs. Standard library.

A job that fails leaves a small JSON beside its log (:func:`firstlevel.stage.run`), which one that succeeds
removes.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from firstlevel.plan.study import Study, Unit


class Failure(NamedTuple):
    """A job that failed: time (ns), message, and the label of its run if it was the job of one run."""

    time: int
    message: str
    run: str | None


class State(NamedTuple):
    """done, failed (and why) or unfinished (and what is missing); the run that failed where it is known."""

    status: str
    reason: str = ""
    failed_run: str | None = None


def states(
    study: Study,
    maps: Mapping[str, Sequence[Path]],
    logs: Path,
    contrasts: Container[str],
    *,
    ended_well: bool,
) -> dict[str, State]:
    """State of each unit, by its label.

    Parameters
    ----------
    maps : the maps that each unit should have, by its label.
    logs : folder of the logs.
    contrasts : labels of the contrasts of the model; failures of others do not count.
    ended_well : whether all that was asked for is there; an older failure then counts for missing maps alone.
    """
    failures = _last_failures(study, logs, contrasts)
    return {label: _state(maps[label], failures.get(label), ended_well) for label in study.units}


def _state(maps: Sequence[Path], failure: Failure | None, ended_well: bool) -> State:
    missing = [path for path in maps if not path.is_file()]
    if failure and (missing or (not ended_well and _is_newer(failure, maps))):
        return State("failed", failure.message, failure.run)
    if missing:
        return State("unfinished", f"{len(missing)} of {len(maps)} maps are missing")
    return State("done")


def _is_newer(failure: Failure, maps: Iterable[Path]) -> bool:
    """Whether a stage has failed since the oldest map was made."""
    return min(path.stat().st_mtime_ns for path in maps) < failure.time


def _last_failures(study: Study, logs: Path, contrasts: Container[str]) -> dict[str, Failure]:
    """The failure of each unit that came last, by the label of the unit."""
    last: dict[str, Failure] = {}
    for path in logs.rglob("*.json"):
        try:
            left = json.loads(path.read_text(encoding="utf-8"))
            labels, message = left["Labels"], told(left)
        except (OSError, ValueError, LookupError, TypeError):  # is being written, or not ours
            continue
        if "Contrast" in labels and labels["Contrast"] not in contrasts:
            continue
        for unit in _units(study, labels):
            failure = Failure(path.stat().st_mtime_ns, message, labels.get("Run"))
            if unit.label not in last or last[unit.label].time < failure.time:
                last[unit.label] = failure
    return last


def told(left: Mapping[str, Any]) -> str:
    """Message of a failed job, in one line."""
    parts = [f"{left['Stage']} stopped. {left['Where']}: {left['Problem']}"]
    parts += [
        f"{name}: {left[key]}"
        for name, key in (("expected", "Expected"), ("to do", "Remedy"))
        if left.get(key)
    ]
    return "; ".join(parts)


def _units(study: Study, labels: Mapping[str, str]) -> Sequence[Unit]:
    """Units of a failed job; none if it belongs to another config."""
    if "Run" in labels:
        unit = study.unit_of.get(labels["Run"])
    elif "Unit" in labels:
        unit = study.units.get(labels["Unit"])
    else:
        return study.of_subject.get(labels.get("Subject", ""), ())
    return [unit] if unit else []
