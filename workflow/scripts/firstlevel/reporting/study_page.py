"""The page of a whole study: what became of every subject, what was found, and the way to each page.

Snakemake itself writes it, too, when a subject failed: what is not there yet is left out. Measures of all
subjects are in the page once, as numbers; its script draws them, so that a thousand subjects fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from firstlevel import names
from firstlevel.reporting import pages, study_measures

FOUND = ("peak_z", "n_voxels")
FEWEST_IN_STRIPS = 3
"""Units from which measures are drawn beside each other."""
MOST_UNFOLDED = 24
"""Units up to which the maps of the first contrast are shown at once."""


class Entry(NamedTuple):
    """One unit: its labels, number of runs; done, failed or unfinished, and why."""

    subject: str
    task: str
    label: str
    n_runs: int
    status: str = "done"
    reason: str = ""


def write(
    page: Path,
    entries: Iterable[Entry],
    contrasts: Sequence[str],
    left_out: Sequence[Sequence[Any]],
    software: str,
) -> None:
    """Write the page, from the files below its own folder.

    Parameters
    ----------
    contrasts : labels.
    left_out : reasons why files or folders made no run, each with how often and the first examples.
    software : name and version.
    """
    rows = [_row(page.parent, entry, contrasts) for entry in entries]
    counts = Counter(row["status"] for row in rows)
    done = [row for row in rows if row["page"]]
    values = {
        "entries": rows,
        "contrasts": contrasts,
        "counts": sorted(counts.items()),
        "n_subjects": len({row["subject"] for row in rows}),
        "n_to_check": sum(bool(row["n_to_check"]) for row in rows),
        "failed": [row for row in rows if row["reason"]],
        "left_out": left_out,
        "n_left_out": sum(number for _, number, _ in left_out),
        "has_strips": len(done) >= FEWEST_IN_STRIPS,
        "unfolded": len(done) <= MOST_UNFOLDED,
        "drawn": _drawn(done, contrasts),
        "software": software,
    }
    pages.write(page, "study.html", values)


def _row(results: Path, entry: Entry, contrasts: Sequence[str]) -> dict[str, Any]:
    """Cells of one unit; of one without a page, those that its runs tell."""
    labels = {"subject": entry.subject, "unit": entry.label}
    row: dict[str, Any] = {**entry._asdict(), "page": None, "n_to_check": 0, "n_unknown": 0, "cells": []}
    row["found"] = [dict.fromkeys(FOUND, "") for _ in contrasts]
    page = names.below(results, names.PAGE, **labels)
    if entry.status == "done" and page.is_file():
        row["page"] = page.relative_to(results).as_posix()
        checks = pages.cells(names.below(results, names.QUALITY, **labels))
        row["n_to_check"] = sum(check["verdict"] == "check" for check in checks)
        row["n_unknown"] = sum(check["verdict"] == "n/a" for check in checks)
        row["found"] = [_found(results, {**labels, "contrast": label}) for label in contrasts]
        row["of_unit"] = study_measures.of_unit(results, labels, checks)
        row["cells"] = [_cell(row["of_unit"][name]) for name in study_measures.OF_UNIT]
    return row


def _found(results: Path, labels: Mapping[str, str]) -> dict[str, str]:
    peaks = pages.clusters(names.below(results, names.CLUSTERS, **labels))
    passed = pages.cells(names.below(results, names.THRESHOLDS, **labels))
    return {
        "peak_z": f"{float(peaks[0]['peak_z']):.2f}" if peaks else "none",
        "n_voxels": {row["method"]: row["n_voxels"] for row in passed}["fdr"],
    }


def _cell(value: float | None) -> str:
    return "n/a" if value is None else pages.rounded(str(value))


def _drawn(rows: Sequence[Mapping[str, Any]], contrasts: Sequence[str]) -> dict[str, Any]:
    """What the script of the page draws: the units that are done, and their measures in the same order."""
    limits: dict[str, list[float | None]] = next(
        (row["of_unit"]["limits"] for row in rows if row["of_unit"]["limits"]), {}
    )
    strips = [
        {**study_measures.OF_UNIT[name]._asdict(), "contrast": None, "limits": limits.get(name, []),
         "values": [study_measures.few_digits(row["of_unit"][name]) for row in rows]}
        for name in study_measures.OF_UNIT
    ]  # fmt: skip
    for number, label in enumerate(contrasts):
        of_contrast = {
            name: [row["of_unit"]["contrasts"].get(label, {}).get(name) for row in rows]
            for name in ("z_width", "z_centre")
        }
        of_contrast["active"] = [int(row["found"][number]["n_voxels"]) for row in rows]
        strips += [
            {**measure._asdict(), "contrast": label, "limits": limits.get(name, []),
             "values": list(map(study_measures.few_digits, of_contrast[name]))}
            for name, measure in study_measures.OF_CONTRAST.items()
        ]  # fmt: skip
    return {
        "units": [[row["subject"], row["label"], row["task"]] for row in rows],
        "contrasts": list(contrasts),
        "strips": strips,
        "page": names.PAGE.removeprefix(f"{names.RESULTS}/"),
        "figure": names.contrast_figure("zmap").removeprefix(f"{names.RESULTS}/"),
    }
