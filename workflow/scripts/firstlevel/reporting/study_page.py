"""The page of a whole study: what became of every subject, what was found, and the way to each page.

Snakemake itself writes it, too, when a subject failed: what is not there yet is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from firstlevel.reporting import pages

FOUND = ("peak_z", "n_voxels")


class Entry(NamedTuple):
    """One subject and task: number of runs; done, failed or unfinished, and why; _ses-V0 if in its names."""

    subject: str
    task: str
    n_runs: int
    status: str = "done"
    reason: str = ""
    session: str = ""


def entries(table: Iterable[Sequence[str]]) -> list[Entry]:
    """Return what became of each subject and task, from the table of runs (``summary.COLUMNS``)."""
    found: dict[tuple[str, str], Entry] = {}
    for subject, _, task, _, _, _, status, reason in table:
        if status in ("left out", "not selected"):
            continue
        so_far = found.get((subject, task), Entry(subject, task, 0, status, reason))
        if so_far.status == "blocked":  # another run of the subject tells why
            so_far = so_far._replace(status=status, reason=reason)
        found[subject, task] = so_far._replace(n_runs=so_far.n_runs + 1)
    return list(found.values())


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
        "n_look": sum(bool(row["n_look"]) for row in rows),
        "failed": [row for row in rows if row["reason"]],
        "left_out": left_out,
        "n_left_out": sum(number for _, number, _ in left_out),
        "galleries": [(label, _gallery(page.parent, rows, label)) for label in contrasts],
        "software": software,
    }
    pages.write(page, "study.html", values)


def _row(results: Path, entry: Entry, contrasts: Sequence[str]) -> dict[str, Any]:
    """Cells of one subject and task; of one without a page, those that its runs tell."""
    folder = results / f"sub-{entry.subject}"
    start = f"sub-{entry.subject}{entry.session}_task-{entry.task}"
    row = {**entry._asdict(), "start": start, "page": None, "n_look": 0}
    row["found"] = [dict.fromkeys(FOUND, "") for _ in contrasts]
    if entry.status == "done" and (folder / "report.html").is_file():
        row["page"] = f"sub-{entry.subject}/report.html"
        checks = pages.cells(folder / f"{start}_quality.tsv")
        row["n_look"] = sum(check["verdict"] == "look" for check in checks)
        row["found"] = [_found(folder, f"{start}_contrast-{label}") for label in contrasts]
    return row


def _found(folder: Path, start: str) -> dict[str, str]:
    peaks = pages.clusters(folder / f"{start}_clusters.tsv")
    passed = {row["method"]: row["n_voxels"] for row in pages.cells(folder / f"{start}_inference.tsv")}
    return {
        "peak_z": f"{float(peaks[0]['peak_z']):.2f}" if peaks else "none",
        "n_voxels": passed["fdr"],
    }


def _gallery(results: Path, rows: Iterable[dict[str, Any]], label: str) -> list[dict[str, str]]:
    """Return the z maps of one contrast, as links to the figures."""
    return [
        {
            "page": f"{row['page']}#{row['start']}_contrast-{label}",
            "src": f"sub-{row['subject']}/figures/{row['start']}_contrast-{label}_zmap.png",
            "alt": f"z map of {label} in sub-{row['subject']}, task {row['task']}",
            "caption": f"sub-{row['subject']}, task {row['task']}",
        }
        for row in rows
        if row["page"]
    ]
