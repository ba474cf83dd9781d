"""Measures of a unit that are held beside those of the others, from its saved files. Standard library."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from firstlevel import names
from firstlevel.io import sidecars


class Measure(NamedTuple):
    """What a page calls a measure: its name, its unit, and what it is in a sentence."""

    name: str
    unit: str
    meaning: str


OF_UNIT = {
    "fd": Measure(
        "framewise displacement",
        "mm",
        "Mean over the volumes of a run; of a subject's runs, the one that moved most.",
    ),
    "tsnr": Measure(
        "tSNR",
        "",
        "Median over the mask of a run, of the data as they were fitted; of a subject's runs, the lowest.",
    ),
    "lost": Measure(
        "voxels lost",
        "%",
        "Voxels of the mask that some run does not have; of a subject's contrasts, the one that lost most.",
    ),
}
OF_CONTRAST = {
    "z_width": Measure("width of z", "", "Robust standard deviation over the mask; noise alone has 1."),
    "z_centre": Measure("centre of z", "", "Median over the mask; noise alone has 0."),
    "active": Measure("active voxels", "", "Voxels above the FDR threshold."),
}
DIGITS = 4
"""Of a number that is drawn."""


def of_unit(results: Path, labels: Mapping[str, str], checks: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Measures of one unit, None where one is not known.

    Parameters
    ----------
    results : folder.
    labels : `subject` and `unit`.
    checks : rows of its table of quality.

    Returns
    -------
    fd (mm), tsnr, lost (percent); `contrasts`, by label, with z_width and z_centre; `limits`, by measure.
    """
    judged = sidecars.read_json(names.below(results, names.QUALITY_JSON, **labels))
    of_runs = [
        sidecars.read_json(path)
        for run in judged["Runs"]
        if (path := names.below(results, names.MEASURES, subject=labels["subject"], run=run)).is_file()
    ]
    lost = _known(_number(row["value"]) for row in checks if row["measure"] == "missing")
    return {
        "fd": max(_known(run["FramewiseDisplacement"]["Mean"] for run in of_runs), default=None),
        "tsnr": min(_known(run["MedianTsnr"] for run in of_runs), default=None),
        "lost": 100 * max(lost) if lost else None,
        "contrasts": {
            label: {"z_width": content["Width"], "z_centre": content["Median"]}
            for label, content in judged["Contrasts"].items()
        },
        "limits": _limits(judged["Limits"]),
    }


def few_digits(value: float | None) -> float | None:
    """Value in as many digits as a picture shows."""
    return None if value is None else float(f"{value:.{DIGITS}g}")


def _limits(limits: Mapping[str, float]) -> dict[str, list[float | None]]:
    """Lowest and highest value that passes, of those measures that are held against a limit."""
    return {
        "tsnr": [limits["Tsnr"], None],
        "lost": [None, 100 * limits["Missing"]],
        "z_width": [limits["ZNarrow"], limits["ZWide"]],
        "z_centre": [-limits["ZCentre"], limits["ZCentre"]],
    }


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _number(cell: str) -> float | None:
    return None if cell == "n/a" else float(cell)
