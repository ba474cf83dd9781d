"""Which ready-made design a run has, from the run table or a pattern of the config. Standard library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from firstlevel import names, texts
from firstlevel.io import given_designs
from firstlevel.plan.runs import LeftOut, Run, plain
from firstlevel.stage import InputError


def with_designs(
    pattern: str | None, runs: list[Run], *, needed: bool = True
) -> tuple[list[Run], list[LeftOut]]:
    """Runs with their ready-made designs from the run table or a pattern, and runs whose file is missing.

    A run with a design of its own has no events. Where it is `needed`, a missing file stops.
    """
    kept, without = [], []
    for run in runs:
        path = run.design or (_filled(pattern, run) if pattern else None)
        if path and not Path(given_designs.located(path)[0]).is_file():
            if needed:
                raise InputError(
                    "config key study.design",
                    f"there is no file {path}, the design of {run.name}",
                    expected="a pattern of files that are there, relative to the working directory",
                    remedy="correct the pattern, or write the design of this run",
                )
            named = texts.public(Path(path), "that study.design names")
            reason = f"has no design matrix: there is no file {named}"
            labels = (run.subject, run.session, run.task, run.within_session)
            without.append(LeftOut(run.bold[0], reason, *labels))
            continue
        kept.append(run if path is None else replace(run, design=path, events=""))
    if runs and not kept:
        raise InputError(
            "config key study.design",
            f"no run has its design: there is no file {_filled(pattern, runs[0]) if pattern else ''}",
            expected="a pattern of files that are there, relative to the working directory",
            remedy="correct the pattern",
        )
    sharing: dict[tuple[str, str, str], int] = {}
    for run in kept:
        if run.design:
            key = (run.subject, run.task, run.design)
            sharing[key] = sharing.get(key, 0) + 1
    seen: dict[tuple[str, str, str], int] = {}
    return [_with_part(run, sharing, seen) if run.design else run for run in kept], without


def _with_part(
    run: Run, sharing: Mapping[tuple[str, str, str], int], seen: dict[tuple[str, str, str], int]
) -> Run:
    """Run with the session of its design: the one named, or by its position among the runs."""
    assert run.design is not None
    key = (run.subject, run.task, run.design)
    seen[key] = seen.get(key, 0) + 1
    path, part = given_designs.located(run.design)
    return replace(run, design=path, design_part=(part, 0) if part else (seen[key], sharing[key]))


def _filled(pattern: str, run: Run) -> str:
    """Path of a run's design from the pattern of the config, with the run's labels filled in."""
    labels = run.entities
    known_labels = ["subject", "session", "task", "run", *names.OTHERS]
    for name in re.findall(r"{(.*?)}", pattern):
        if name not in labels:
            known = name in known_labels
            raise InputError(
                f"config key study.design ({pattern})",
                f"{run.name} has no {name}" if known else f"{name!r} is not a label of a run",
                expected=f"labels in braces, of: {', '.join(labels)}",
                remedy=f"{'' if known else texts.suggestion(name, known_labels)}correct the pattern",
            )
    filled = re.sub(r"{(.*?)}", lambda field: labels[field[1]], pattern)
    return plain(texts.at_home(filled), "config key study.design", None)
