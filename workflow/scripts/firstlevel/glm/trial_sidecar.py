"""What table, sidecar and log of a run's single trials tell."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from firstlevel.glm import effects, noise
from firstlevel.glm.baseline import Scaling
from firstlevel.glm.design import DesignOptions
from firstlevel.glm.single_trials import Kind
from firstlevel.glm.trial_columns import TrialColumns
from firstlevel.glm.trial_models import Facts

COLUMNS = ("volume", "onset", "duration", "trial_type", "row", "vif", "estimable", "reason")
"""Of the table, which has a row per volume; volumes are counted from 0, as nilearn's ``index_img`` does."""
MODELS = {
    "lsa": "least squares all: one model with regressors for each trial",
    "lss": "least squares separate: a model per trial, with one regressor for the trial, one for all other "
    "trials of its condition, one for each other condition (and the derivatives or delays of each)",
}


def rows(columns: TrialColumns, facts: Facts) -> list[list[object]]:
    """Rows of the table; a trial that is not estimable has no variance inflation."""
    return [
        [
            volume,
            event.onset,
            event.duration,
            event.trial_type,
            columns.rows[volume],
            "n/a" if (why := facts.reasons.get(volume)) else f"{facts.inflation[volume]:.4f}",
            "false" if why else "true",
            why or "n/a",
        ]
        for volume, event in enumerate(columns.events)
    ]


def content(
    kind: Kind,
    columns: TrialColumns,
    facts: Facts,
    options: DesignOptions,
    noise_model: str,
    scaling: Scaling,
    grand_mean: float | None,
) -> dict[str, Any]:
    """Fields of the sidecar."""
    kept = "the canonical response" if options.hrf_model != "fir" else "the mean over the delays"
    unit = effects.SCALED[scaling]
    if options.hrf_model != "fir":
        unit += ", at the plateau of a sustained response"
    fields: dict[str, Any] = {
        "Model": kind,
        "ModelDescription": MODELS[kind],
        "Conditions": {
            name: _of_condition(columns, facts, place) for place, name in enumerate(columns.conditions)
        },
        "NumberOfTrials": len(columns.events),
        "EstimableTrials": len(columns.events) - len(facts.reasons),
        "HrfModel": options.hrf_model,
        "BetaIsOf": kept,
        "BetaUnit": unit,
        "OtherRegressors": columns.names,
        "DegreesOfFreedom": _span(facts.dof.tolist()),
        "NoiseModel": noise_model,
        "NoiseIsOf": noise_is_of(kind, noise_model),
        "SignalScaling": scaling,
        "NotEstimable": "NaN at every voxel of the mask",
    }
    if columns.left_out:
        fields["RegressorsLeftOut"] = columns.left_out
    if grand_mean is not None:
        fields["GrandMean"] = grand_mean
    return fields


def _of_condition(columns: TrialColumns, facts: Facts, place: int) -> dict[str, Any]:
    """Counts of the trials of a condition, and the variance inflation of those that are estimable."""
    trials = np.flatnonzero(columns.condition_of == place).tolist()
    inflation = [float(facts.inflation[k]) for k in trials if k not in facts.reasons]
    found: dict[str, Any] = {"Trials": len(trials), "Estimable": len(inflation)}
    if inflation:
        found["VarianceInflation"] = {
            "Median": round(float(np.median(inflation)), 4),
            "Largest": round(max(inflation), 4),
        }
    return found


def _span(values: Sequence[int]) -> int | list[int]:
    """The value that all have, or the lowest and the highest."""
    low, high = min(values), max(values)
    return low if low == high else [low, high]


def noise_is_of(kind: Kind, noise_model: str) -> str:
    """What the noise of a voxel is estimated from."""
    how = noise.MODELS[noise_model]
    if how.needs_series:
        return "the fit of the run, whose design has a regressor per condition"
    if not how.whitens:
        return "no estimate: white noise"
    return "the residuals of the model" if kind == "lsa" else "the residuals of each trial's model"


def tell(path: Path, kind: Kind, columns: TrialColumns, facts: Facts, noise_model: str) -> None:
    """Log what was modelled, and each trial that has no estimate."""
    logging.info("noise %s, of %s", noise_model, noise_is_of(kind, noise_model))
    for place, name in enumerate(columns.conditions):
        count = int((columns.condition_of == place).sum())
        logging.info("%s: %d trials", name, count)
        if kind == "lss" and count == 1:
            logging.warning("%s: %s has one trial, and so no others beside it", path, name)
    if columns.left_out:
        logging.warning(
            "single trials replace the modulators of their conditions: %s", ", ".join(columns.left_out)
        )
    if any(event.modulation not in (None, 1.0) for event in columns.events):
        logging.warning("%s: each trial is modelled with the height 1, not that of its modulation", path)
    for place, why in sorted(facts.reasons.items()):
        logging.warning("%s, %s: not estimable, NaN in its volumes: %s", path, columns.label(place), why)
