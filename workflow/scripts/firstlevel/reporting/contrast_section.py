"""What the page of a subject shows of one contrast: maps, peaks, thresholds, and what the numbers mean."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firstlevel import names
from firstlevel.reporting import pages
from firstlevel.reporting.subject_files import SubjectFiles

THRESHOLDS = {"uncorrected": "uncorrected", "fdr": "FDR", "bonferroni": "Bonferroni"}
"""What a page calls the methods of the table of thresholds."""


def of_contrast(files: SubjectFiles, labels: Mapping[str, str], title: str) -> dict[str, Any]:
    """Values of the contrast of these `labels` (subject, unit, contrast) and this title."""
    sidecar = files.sidecar(names.CONTRAST_JSON, **labels)
    clusters = [_cluster(row) for row in pages.clusters(files.path(names.CLUSTERS, **labels))]
    peak = clusters[0] if clusters else None
    at = f"; peak z {peak['peak_z']} at ({peak['x']}, {peak['y']}, {peak['z']}) mm" if peak else ""
    viewer = files.path(names.contrast_figure("viewer", ".html"), **labels)
    return {
        "id": "{unit}_contrast-{contrast}".format(**labels),
        "label": labels["contrast"],
        "expression": ", ".join(sidecar["Contrast"]),
        "test": _test(sidecar),
        "n_runs": len(sidecar["Runs"]),
        "unit": _unit(sidecar),
        "coverage": _coverage(sidecar),
        "peak": peak,
        "clusters": clusters,
        "table": names.below(Path(".."), names.CLUSTERS, **labels).as_posix(),  # from the page
        "thresholds": [
            row | {"name": THRESHOLDS[row["method"]], "z_threshold": pages.rounded(row["z_threshold"])}
            for row in files.cells(names.THRESHOLDS, **labels)
        ],
        "zmap": files.picture(names.contrast_figure("zmap"), f"z map of {title}{at}", "", **labels),
        "viewer": viewer.read_text(encoding="utf-8"),
        "thresholded": files.picture(
            names.contrast_figure("thresholds"),
            f"{title}: thresholded z maps{at}",
            "What survives each threshold, and a lower bound of the share of active voxels per cluster.",
            **labels,
        ),
        "histogram": files.picture(
            names.contrast_figure("zhistogram"),
            f"{title}: histogram of z",
            "Distribution of z in the mask, against the standard normal of voxels without activation.",
            **labels,
        ),
    }


def _cluster(row: Mapping[str, str]) -> dict[str, str]:
    """Row of the table of clusters, in as many digits as a reader needs."""
    proportion = row["true_discovery_proportion"]
    return {
        **row,
        **{key: f"{float(row[key]):.0f}" for key in ("x", "y", "z", "size_mm3")},
        "peak_z": f"{float(row['peak_z']):.2f}",
        "share": f"{float(proportion):.0%}" if proportion != "n/a" else "",
    }


def _test(sidecar: Mapping[str, Any]) -> str:
    """Statistic with its degrees of freedom, and the number of runs."""
    dof, n_runs = sidecar["DegreesOfFreedom"], len(sidecar["Runs"])
    statistic = f"F({dof[0]}, {dof[1]})" if isinstance(dof, list) else f"t({dof})"
    return f"{statistic}, {n_runs} run{'s' if n_runs != 1 else ''}"


def _unit(sidecar: Mapping[str, Any]) -> str:
    """What an effect of 1 means, and what it is at the peak of the response to one event."""
    sentence = f"Effects are in {sidecar['EffectUnit'].partition(' (')[0]}"
    peaks = {
        condition: f"{response['Peak']:.3g} times that for one event of {condition} "
        f"({response['EventDuration']:g} s)"
        for run in sidecar["Runs"]
        for condition, response in run["Responses"].items()
    }
    return f"{sentence}; at the peak, {', '.join(peaks.values())}." if peaks else f"{sentence}."


def _coverage(sidecar: Mapping[str, Any]) -> str:
    """How many voxels are from fewer runs than others; nothing where all are from all."""
    counts = {int(n): count for n, count in sidecar["VoxelsByNumberOfRuns"].items()}
    fewer = {n: count for n, count in sorted(counts.items()) if count and n < max(counts)}
    if not fewer:
        return ""
    listed = ", ".join(f"{count:,} from {n} run{'s' if n != 1 else ''}" for n, count in fewer.items())
    return f"{sum(fewer.values()):,} of {sum(counts.values()):,} voxels are not in every run: {listed}."
