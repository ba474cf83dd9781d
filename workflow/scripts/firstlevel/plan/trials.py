"""What the config asks of single trials, against the events of the study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from firstlevel import texts
from firstlevel.glm.noise import MODELS
from firstlevel.plan import checks
from firstlevel.plan.runs import Run
from firstlevel.stage import InputError


def conditions_of(config: Mapping[str, Any], run: Run) -> list[str]:
    """Conditions of a run whose trials are fitted one by one; none where the config asks for none.

    Raises
    ------
    InputError : events that cannot be read.
    """
    asked = config["design"]["single_trials"]
    if asked is None or run.design:
        return []
    present = checks.conditions_with_events(config, run)
    if asked["conditions"] is None:
        return present
    wanted = set(map(texts.composed, asked["conditions"]))
    return [name for name in present if name in wanted]


def check(config: Mapping[str, Any], runs: Sequence[Run]) -> None:
    """Each condition of design.single_trials occurs in some run; events are read until all are found.

    Raises
    ------
    InputError : an unknown condition, with the nearest known one; ready-made designs, which have no events;
        noise that the fit of the run should find, and does not.
    """
    asked = config["design"]["single_trials"]
    if asked is None:
        return
    with_events = [run for run in runs if not run.design]
    if not with_events:
        raise InputError(
            "config key design.single_trials",
            "needs the events of trials, but every run has a ready-made design",
            expected="runs with events",
            remedy="leave it out, or leave the designs (study.design) out",
        )
    noise_model, of_fit = asked["noise_model"] or config["glm"]["noise_model"], config["glm"]["noise_model"]
    if MODELS[noise_model].needs_series and noise_model != of_fit:
        others = [name for name, model in MODELS.items() if not model.needs_series]
        raise InputError(
            "config key design.single_trials.noise_model",
            f"{noise_model} is the noise that the fit of the run finds, but glm.noise_model is {of_fit}",
            expected=f"the noise model of the fit, or one of: {', '.join(others)}",
            remedy=f"set glm.noise_model: {noise_model}, or leave design.single_trials.noise_model out",
        )
    missing = dict.fromkeys(map(texts.composed, asked["conditions"] or ()))
    present: dict[str, None] = {}
    for run in with_events:
        if not missing.keys() - present.keys():
            return
        present |= dict.fromkeys(checks.conditions_with_events(config, run))
    for name in missing:
        if name not in present:
            raise InputError(
                "config key design.single_trials.conditions",
                f"no run has events of the condition {name!r}",
                expected=f"one of: {', '.join(present)}",
                remedy=f"{texts.suggestion(name, present)}correct the condition",
            )
