"""What the page of a subject shows of one contrast: maps, peaks, thresholds, and what the numbers mean."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firstlevel import names
from firstlevel.reporting import pages, peaks
from firstlevel.reporting.subject_files import SubjectFiles

THRESHOLDS = {"uncorrected": "uncorrected"} | peaks.SURVIVED
"""What a page calls the methods of the table of thresholds."""
METHODS = THRESHOLDS | {"tdp": "true discoveries"}
"""What a page calls the methods that have a map of what passes."""


def of_contrast(
    files: SubjectFiles,
    labels: Mapping[str, str],
    sidecar: Mapping[str, Any],
    title: str,
    shown: str | None,
    n_shown: int,
) -> dict[str, Any]:
    """Values of the contrast of these `labels` (subject, unit, contrast), with this sidecar and title.

    Parameters
    ----------
    shown : method of the threshold that is shown first; None for a threshold of the study's own.
    n_shown : clusters in a table.
    """
    thresholds = files.cells(names.THRESHOLDS, **labels)
    key = "{unit}_contrast-{contrast}".format(**labels)
    clusters = peaks.of_table(
        files.cells(names.CLUSTERS, **labels), key, two_sided=thresholds[0]["two_sided"] == "true"
    )
    peak = max((rows[0] for rows in clusters), key=lambda row: abs(float(row["peak_z"])), default=None)
    at = f"; peak z {peak['shown_z']} at ({peak['place']}) mm" if peak else ""
    larger = [rows for rows in clusters if rows[0]["n_voxels"] != "1"]
    single = [rows for rows in clusters if rows[0]["n_voxels"] == "1"]
    return {
        "id": key,
        "label": labels["contrast"],
        "expression": ", ".join(sidecar["Contrast"]),
        "test": _test(sidecar),
        "n_runs": len(sidecar["Runs"]),
        "unit": _unit(sidecar),
        "coverage": _coverage(sidecar),
        "peak": peak,
        "n_clusters": len(clusters),
        "n_larger": len(larger),
        "n_single": len(single),
        "clusters": [row for rows in larger[:n_shown] for row in rows],
        "singles": [row for rows in single[:n_shown] for row in rows],
        "space": names.entities_in(labels["unit"]).get("space", "the space of the first run"),
        "files": _files(sidecar["Statistic"], labels),
        "thresholds": [
            row | {"name": THRESHOLDS[row["method"]], "z_threshold": pages.rounded(row["z_threshold"])}
            for row in thresholds
        ],
        "pictures": _pictures(files, labels, title, at, shown),
        "histogram": files.picture(
            names.contrast_figure("zhistogram"),
            f"{title}: histogram of z",
            "Distribution of z in the mask on a logarithmic axis, against the standard normal of voxels "
            "without activation; lines are the thresholds.",
            **labels,
        ),
    }


def _pictures(
    files: SubjectFiles, labels: Mapping[str, str], title: str, at: str, shown: str | None
) -> list[dict[str, Any]]:
    """Z map of each threshold with its name: the chosen one first."""
    order = sorted(METHODS, key=lambda method: method != shown)
    kinds = {METHODS[method]: f"desc-{method}_zmap" for method in order}
    if shown is None:
        kinds = {"chosen threshold": "zmap", **kinds}
    patterns = {name: names.contrast_figure(kind) for name, kind in kinds.items()}
    if names.last(names.EACH_RUN, **labels) in files.by_name:
        patterns["each run"] = names.EACH_RUN
    return [
        {"name": name, "picture": files.picture(pattern, f"z map of {title}, {name}{at}", "", **labels)}
        for name, pattern in patterns.items()
    ]


def _files(statistic: str, labels: Mapping[str, str]) -> list[tuple[str, str]]:
    """Names of maps and tables with their addresses from the page."""
    maps = {"z": "z", "effect": "effect", "variance": "variance", "p": "p", statistic: statistic}
    patterns = {f"{name} map": names.map_of(kind) for name, kind in maps.items()}
    patterns |= {
        "uncorrected": names.UNCORRECTED,
        "FDR": names.FDR,
        "Bonferroni": names.BONFERRONI,
        "true discoveries": names.TRUE_DISCOVERIES,
        "table of all peaks": names.CLUSTERS,
        "table of thresholds": names.THRESHOLDS,
    }
    return [
        (name, names.below(Path(".."), pattern, **labels).as_posix()) for name, pattern in patterns.items()
    ]


def _test(sidecar: Mapping[str, Any]) -> str:
    """Statistic with its degrees of freedom, and the number of runs."""
    dof, n_runs = sidecar["DegreesOfFreedom"], len(sidecar["Runs"])
    statistic = f"F({dof[0]}, {_rounded(dof[1])})" if isinstance(dof, list) else f"t({_rounded(dof)})"
    runs = f"{n_runs} run{'s' if n_runs != 1 else ''}"
    if of_voxels := sidecar.get("DegreesOfFreedomOfVoxels"):
        low, high = of_voxels["Range"]
        return f"{statistic} in the median ({low:.0f} to {high:.0f} degrees of freedom), {runs}"
    return f"{statistic}, {runs}"


def _rounded(dof: float) -> str:
    """Degrees of freedom as they are where they are whole."""
    return f"{dof:.1f}" if dof % 1 else f"{dof:.0f}"


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
