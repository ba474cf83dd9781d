"""The page of a whole study: what became of every subject, what was found, and the way to each page.

Snakemake itself writes it, too, when a subject failed: what is not there yet is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from firstlevel import names
from firstlevel.reporting import pages

FOUND = ("peak_z", "n_voxels")


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
    values = {
        "entries": rows,
        "contrasts": contrasts,
        "counts": sorted(counts.items()),
        "n_subjects": len({row["subject"] for row in rows}),
        "n_to_check": sum(bool(row["n_to_check"]) for row in rows),
        "failed": [row for row in rows if row["reason"]],
        "left_out": left_out,
        "n_left_out": sum(number for _, number, _ in left_out),
        "galleries": [(label, _gallery(page.parent, rows, label)) for label in contrasts],
        "software": software,
    }
    pages.write(page, "study.html", values)


def _row(results: Path, entry: Entry, contrasts: Sequence[str]) -> dict[str, Any]:
    """Cells of one unit; of one without a page, those that its runs tell."""
    labels = {"subject": entry.subject, "unit": entry.label}
    row: dict[str, Any] = {**entry._asdict(), "page": None, "n_to_check": 0}
    row["found"] = [dict.fromkeys(FOUND, "") for _ in contrasts]
    page = names.below(results, names.PAGE, **labels)
    if entry.status == "done" and page.is_file():
        row["page"] = page.relative_to(results).as_posix()
        checks = pages.cells(names.below(results, names.QUALITY, **labels))
        row["n_to_check"] = sum(check["verdict"] == "check" for check in checks)
        row["found"] = [_found(results, {**labels, "contrast": label}) for label in contrasts]
    return row


def _found(results: Path, labels: Mapping[str, str]) -> dict[str, str]:
    peaks = pages.clusters(names.below(results, names.CLUSTERS, **labels))
    passed = pages.cells(names.below(results, names.THRESHOLDS, **labels))
    return {
        "peak_z": f"{float(peaks[0]['peak_z']):.2f}" if peaks else "none",
        "n_voxels": {row["method"]: row["n_voxels"] for row in passed}["fdr"],
    }


def _gallery(results: Path, rows: Iterable[dict[str, Any]], label: str) -> list[dict[str, str]]:
    """Return the z maps of one contrast, as links to the figures."""
    figure = names.contrast_figure("zmap")
    gallery = []
    for row in rows:
        if row["page"]:
            path = names.below(results, figure, subject=row["subject"], unit=row["label"], contrast=label)
            caption = f"sub-{row['subject']}, task {row['task']}"
            gallery.append(
                {
                    "page": f"{row['page']}#{row['label']}_contrast-{label}",
                    "src": path.relative_to(results).as_posix(),
                    "alt": f"z map of {label} in {caption}",
                    "caption": caption,
                }
            )
    return gallery
