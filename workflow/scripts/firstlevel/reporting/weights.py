"""Weights of the contrasts below the design of a run, from their sidecars: no figure is drawn for them.

A picture of the design with its contrasts would be drawn anew, for every run, with each new contrast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MOST_COLUMNS, MOST_ROWS = 24, 48
"""Of the table: a design of hundreds of single trials has its weights in the sidecars."""


def of_run(contrasts: Mapping[str, Mapping[str, Any]], fit: str, columns: Sequence[str]) -> dict[str, Any]:
    """Table of the weights in one run.

    Parameters
    ----------
    contrasts : their sidecars, by label.
    fit : name of the sidecar of the run's fit.
    columns : of the design, in its order.

    Returns
    -------
    `columns` that have a weight; `rows`, (label, weights in this order), one per row of a contrast, the
    weights as text, empty for 0; `n_more_columns` and `n_more_rows` that are not shown.
    """
    rows = [
        (label, weights)
        for label, content in contrasts.items()
        for run in content["Runs"]
        if run["Fit"] == fit
        for weights in run["Weights"]
    ]
    used = {name for _, weights in rows for name in weights}
    weighted = [name for name in columns if name in used]
    shown = weighted[:MOST_COLUMNS]
    return {
        "columns": shown,
        "rows": [
            (label, [f"{weights[name]:.3g}" if weights.get(name) else "" for name in shown])
            for label, weights in rows[:MOST_ROWS]
        ],
        "n_more_columns": len(weighted) - len(shown),
        "n_more_rows": max(len(rows) - MOST_ROWS, 0),
    }
