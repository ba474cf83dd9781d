"""Which runs of a subject went into which contrast, and why others did not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from firstlevel import names
from firstlevel.io import table_writer


class ContrastInRun(NamedTuple):
    """A row of the table: whether a run can estimate a contrast and went into it, and why it did not."""

    run: str
    contrast: str
    estimable: bool
    used: bool
    reason: str


def of_contrasts(contents: Iterable[Mapping[str, Any]], runs: Sequence[str]) -> list[ContrastInRun]:
    """Each contrast in each run, by the sidecars of the contrasts; `runs` are the labels of the runs.

    Every run that can estimate a contrast is used for it.
    """
    listed = []
    for content in contents:
        used = {run["Fit"] for run in content["Runs"]}
        reasons = {run["Fit"]: run["Reason"] for run in content.get("RunsLeftOut", [])}
        for run in runs:
            fit = names.last(names.FIT_JSON, run=run)
            listed.append(
                ContrastInRun(run, content["Label"], fit not in reasons, fit in used, reasons.get(fit, "n/a"))
            )
    return listed


def write(path: Path, listed: Iterable[ContrastInRun]) -> None:
    """Write the table."""
    rows = [
        (each.run, each.contrast, str(each.estimable).lower(), str(each.used).lower(), each.reason)
        for each in listed
    ]
    table_writer.write_table(path, ContrastInRun._fields, rows)
