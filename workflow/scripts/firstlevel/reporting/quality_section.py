"""What the page of a subject shows of its quality: measures by their names and units, folded by run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from firstlevel.quality import verdicts
from firstlevel.reporting import labels, pages


class Shown(NamedTuple):
    """What a page calls a measure, and the unit in which it shows it, `times` the value of the table."""

    name: str
    unit: str = ""
    times: int = 1


PERCENT = ("%", 100)
MEASURES = {
    "displacement": Shown("largest displacement of the brain", "mm"),
    "framewise_displacement": Shown("volumes that moved against the one before", *PERCENT),
    "dvars": Shown("largest DVARS above the median", "robust SD"),
    "outside": Shown("brain outside the field of view", *PERCENT),
    "zeros": Shown("brain analysed without data", *PERCENT),
    "tsnr": Shown("median tSNR"),
    "autocorrelation": Shown("autocorrelation of residuals beyond that of white noise"),
    "ljung_box": Shown("voxels with correlated residuals beyond those of white noise", *PERCENT),
    "correlation": Shown("largest correlation of two regressors"),
    "vif": Shown("largest variance inflation"),
    "condition_number": Shown("condition number of the design"),
    "estimable": Shown("contrast can be estimated"),
    "efficiency": Shown("efficiency against the other runs"),
    "z_width": Shown("width of z"),
    "z_centre": Shown("centre of z"),
    "missing": Shown("voxels that some run lacks", *PERCENT),
}
ANSWERS = {"true": "yes", "false": "no"}
LEFT_OUT = "estimable"
"""Measure whose failure the page tells once, as a run that is left out."""


def of_unit(rows: Iterable[Mapping[str, str]], pairs: Iterable[Mapping[str, str]]) -> dict[str, Any]:
    """Values of the quality of a unit.

    Parameters
    ----------
    rows : of its table of quality.
    pairs : of its table of runs in contrasts.

    Returns
    -------
    `quality`, groups of checks by run or contrast; `warnings`, checks that failed, without runs that are left
    out; `left_out`, those runs, each reason once; `n_checks`, `n_to_check` and `n_unknown`.
    """
    checks = [_check(row) for row in rows]
    groups: dict[str, list[dict[str, str]]] = {}
    for check in checks:
        groups.setdefault(check["group"], []).append(check)
    return {
        "quality": [_group(name, members) for name, members in groups.items()],
        "warnings": [
            check for check in checks if check["verdict"] == verdicts.CHECK and check["measure"] != LEFT_OUT
        ],
        "left_out": _left_out(pairs),
        "n_checks": len(checks),
        **_counts(checks),
    }


def _group(name: str, checks: Sequence[dict[str, str]]) -> dict[str, Any]:
    """Checks of a run or a contrast; what is not fine is told, the rest counted."""
    told = [check for check in checks if check["verdict"] != verdicts.PASS]
    return {"name": name, "checks": checks, "told": told, **_counts(checks)}


def _counts(checks: Iterable[Mapping[str, str]]) -> dict[str, int]:
    words = [check["verdict"] for check in checks]
    return {
        "n_pass": words.count(verdicts.PASS),
        "n_to_check": words.count(verdicts.CHECK),
        "n_unknown": words.count(verdicts.UNKNOWN),
    }


def _check(row: Mapping[str, str]) -> dict[str, str]:
    """One row of the table, with names for readers and what its cells are sorted by."""
    shown = MEASURES.get(row["measure"], Shown(row["measure"]))
    value, limit = row["value"], row["limit"]
    about = row["contrast"] if row["run"] != verdicts.NOTHING and row["contrast"] != verdicts.NOTHING else ""
    return {
        **row,
        "where": labels.called(row["run"], row["contrast"]),
        "group": labels.called(
            row["run"], row["contrast"] if row["run"] == verdicts.NOTHING else verdicts.NOTHING
        ),
        "name": f"{shown.name}, {about}" if about else shown.name,
        "unit": shown.unit,
        "value": _in_unit(value, limit, shown),
        "limit": _in_unit(limit, verdicts.NOTHING, shown),
        "value_order": pages.order(value),
        "limit_order": pages.order(limit),
    }


def _in_unit(text: str, limit: str, shown: Shown) -> str:
    """Number of a cell in the unit of the page, on its own side of the limit; other text as it is."""
    if text in ANSWERS:
        return ANSWERS[text]
    try:
        value = shown.times * float(text)
    except ValueError:
        return text
    bounds = [shown.times * float(part) for part in limit.split(" to ") if part != verdicts.NOTHING]
    if not bounds:
        return pages.rounded(str(value))
    nearest = min(bounds, key=lambda bound: abs(abs(value) - bound))
    sign = "-" if value < 0 else ""
    return sign + verdicts.told(abs(value), nearest, 3) if abs(value) < 1000 else f"{value:.0f}"


def _left_out(pairs: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """Runs that are left out of contrasts, each with its reason once."""
    found: dict[tuple[str, str], list[str]] = {}
    for pair in pairs:
        if pair["used"] == "false":
            found.setdefault((labels.called(pair["run"]), pair["reason"]), []).append(pair["contrast"])
    return [
        {"run": run, "contrasts": ", ".join(contrasts), "reason": reason}
        for (run, reason), contrasts in found.items()
    ]
