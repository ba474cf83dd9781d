"""Peaks as a page lists them: clusters by their strongest z, with their further peaks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

SURVIVED = {"fdr": "FDR", "bonferroni": "Bonferroni"}
"""What a page calls the columns of the table that say what a peak survives."""
MINUS = "\N{MINUS SIGN}"


def of_table(rows: Sequence[Mapping[str, str]], key: str, *, two_sided: bool) -> list[list[dict[str, Any]]]:
    """Clusters of a saved table, each as its own row and those of its further peaks.

    They are numbered from 1 by the size of z, those of more than one voxel first.

    Parameters
    ----------
    rows : of the table, where further peaks follow their cluster.
    key : of the contrast, by which its page knows it.
    two_sided : whether p is of both tails.
    """
    clusters: list[list[Mapping[str, str]]] = []
    for row in rows:
        if row["n_voxels"] != "n/a":
            clusters.append([row])
        elif clusters and row["cluster_id"] != "n/a":
            clusters[-1].append(row)
    clusters.sort(key=lambda cluster: (cluster[0]["n_voxels"] == "1", -abs(float(cluster[0]["peak_z"]))))
    return [
        [_row(row, key, f"{number}{_letters(k)}", two_sided) for k, row in enumerate(cluster)]
        for number, cluster in enumerate(clusters, start=1)
    ]


def p_of(z: float, *, two_sided: bool) -> float:
    """Level of z of a normal distribution, of both tails or of the upper one."""
    return math.erfc(abs(z) / math.sqrt(2)) if two_sided else math.erfc(z / math.sqrt(2)) / 2


def _letters(number: int) -> str:
    """Nothing, a, b, ..., z, aa, ... as 0, 1, 2, ..."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters


def _with_interval(row: Mapping[str, str]) -> str:
    """Effect and, in brackets, its interval, in as many digits as tell its ends apart."""
    low, high = float(row["effect_low"]), float(row["effect_high"])
    width = abs(high - low)
    digits = max(0, 1 - math.floor(math.log10(width))) if width > 0 else 2
    said = [f"{float(row[name]):.{digits}f}" for name in ("effect", "effect_low", "effect_high")]
    return f"{said[0]} [{said[1]}, {said[2]}]".replace("-", MINUS)


def _row(row: Mapping[str, str], key: str, number: str, two_sided: bool) -> dict[str, Any]:
    """Row of the table of clusters, in as many digits as a reader needs."""
    z, mm = float(row["peak_z"]), [float(row[axis]) for axis in "xyz"]
    is_further = row["n_voxels"] == "n/a"
    share = row["true_discovery_proportion"]
    level = p_of(z, two_sided=two_sided)
    return {
        **row,
        "key": key,
        "number": number,
        "is_further": is_further,
        "mm": [f"{value:.3f}" for value in mm],
        "place": ", ".join(f"{round(value)}" for value in mm).replace("-", MINUS),
        "shown_effect": _with_interval(row) if row["effect"] != "n/a" else "",
        "shown_z": f"{z:.2f}".replace("-", MINUS),
        "p": f"{level:.2g}".replace("-", MINUS) if level >= 1e-300 else "< 1e\N{MINUS SIGN}300",
        "sort_p": f"{level:.6g}",
        "voxels": "" if is_further else row["n_voxels"],
        "mm3": "" if is_further else f"{float(row['size_mm3']):.0f}",
        "survives": ", ".join(name for method, name in SURVIVED.items() if row[method] == "true"),
        "certain": "" if is_further else row["true_discoveries"],
        "share": "" if share == "n/a" else f"{float(share):.0%}",
    }
