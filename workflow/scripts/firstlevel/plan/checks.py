"""Checks of the config against the user's files: contrasts, conditions, confounds, motion, designs."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from firstlevel import texts
from firstlevel.glm import expressions, regressors, trial_types
from firstlevel.glm.regressors import DRIFT
from firstlevel.io import (
    confounds,
    event_rules,
    event_sources,
    events,
    given_designs,
    spm_affines,
)
from firstlevel.plan.model import confounds_key, needs_motion, rows_of
from firstlevel.plan.runs import Run
from firstlevel.plan.sources.named import FACES
from firstlevel.stage import InputError


def check_contrasts(config: Mapping[str, Any], runs: Sequence[Run]) -> None:
    """Check that every name in a contrast is a regressor of a run, and that confounds have a table.

    A regressor that only some runs have is no mistake: the others are left out of its contrasts. Reads the
    names of conditions from the events; of a BIDS study only those of the first subject, since thousands
    of tables take their time: there the designs of the others tell. Raises InputError with the known names
    and the nearest one.
    """
    all_runs = runs
    if config["study"]["source"] == "bids":
        runs = [run for run in runs if run.subject == runs[0].subject]
    given = all(run.design for run in all_runs)
    if given:
        _check_nothing_is_added(config)
    _check_given(runs, all_runs)
    _check_conditions(config, all_runs)
    _check_modulators(config, all_runs)
    _check_motion(config, all_runs)
    if config["study"]["conditions"] is None:
        _check_spelling(config, runs)
    key = confounds_key(config)
    for run in runs:
        if key and run.confounds is None and not run.design:
            raise InputError(
                f"config key {key}",
                f"{run.name} has no table of confounds",
                expected="the column confounds in the run table",
                remedy="add the tables to the run table, or ask for no confounds",
            )
    _check_confounds(config, all_runs)
    regressors_known = list(dict.fromkeys(name for run in runs for name in regressors_of(config, run)))
    asked = {name for expression in config["contrasts"].values() for name in names_of(expression)}
    for run in all_runs[len(runs) :]:  # of a BIDS study; until all are found, which the first run mostly does
        if all(name in regressors_known or (DRIFT.fullmatch(name) and not given) for name in asked):
            break
        with contextlib.suppress(InputError):  # wrong events of one subject stop that subject, not the start
            regressors_known += [name for name in regressors_of(config, run) if name not in regressors_known]
    for label, expression in config["contrasts"].items():
        for name in names_of(expression):
            if name not in regressors_known and (given or not DRIFT.fullmatch(name)):
                near = texts.suggestion(name, regressors_known)
                raise InputError(
                    f"config key contrasts.{label}",
                    f"no run of the study has a regressor {name!r}",
                    expected=f"one of: {', '.join(regressors_known)}",
                    remedy=f"{near}correct the name, or the {'designs' if given else 'events'}",
                )


def _check_nothing_is_added(config: Mapping[str, Any]) -> None:
    """If every run has a ready-made design, no key may ask for further regressors or conditions."""
    extra, censor = config["confounds"], config["confounds"]["censor"]
    asked = {
        "study.conditions": config["study"]["conditions"],
        "design.modulators": config["design"]["modulators"],
        "confounds.columns": extra["columns"],
        "confounds.fmriprep.strategy": extra["fmriprep"]["strategy"],
        "confounds.motion": extra["motion"],
        "confounds.censor.fd_threshold": censor["fd_threshold"] is not None,
        "confounds.censor.column": censor["column"],
    }
    if key := next((key for key, value in asked.items() if value), None):
        raise InputError(
            f"config key {key}",
            "adds regressors to a design, but every run has a ready-made design, which is used unchanged",
            expected="all regressors of no interest, censored scans included, as columns of the designs",
            remedy=f"add them there and leave {key} out, or leave the designs (study.design) out",
        )


def _check_given(runs: Sequence[Run], all_runs: Sequence[Run]) -> None:
    """Check format and names of each ready-made design; of SPM's, read those of `runs`."""
    for run in all_runs:
        if run.design and (run in runs or not given_designs.is_spm(Path(run.design))):
            given_designs.names(Path(run.design), run.design_part)


def regressors_of(config: Mapping[str, Any], run: Run) -> list[str]:
    """Names of a run's regressors except drift: conditions and modulators, confounds, constant."""
    if run.design:
        own = given_designs.names(Path(run.design), run.design_part)
        return [*own, *(["constant"] if "constant" not in own else [])]
    design = config["design"]
    model = design["hrf_model"]
    names = [
        name
        for condition in _conditions(config, run)
        for name in (
            *regressors.of_condition(condition, model, design["fir_delays"]),
            *regressors.of_derivatives(condition, model),
        )
    ]
    return [
        *names,
        *_confounds_of(config, run),
        *regressors.of_motion(config["confounds"]["motion"]),
        "constant",
    ]


def contrasts_of(config: Mapping[str, Any], run: Run) -> list[str]:
    """Labels of the contrasts whose regressors are all in a run, judged from its events."""
    regressor_names = regressors_of(config, run)
    return [
        label
        for label, expression in config["contrasts"].items()
        if all(name in regressor_names or DRIFT.fullmatch(name) for name in names_of(expression))
    ]


def names_of(expression: str | Sequence[str]) -> list[str]:
    """Regressors that a contrast names."""
    return expressions.names(rows_of(expression))


def _check_motion(config: Mapping[str, Any], runs: Sequence[Run]) -> None:
    """Motion from the affines needs an affine per volume: 3D images, or SPM's ``.mat`` beside a 4D image."""
    if not needs_motion(config):
        return
    for run in runs:
        if not needs_motion(config, run):
            continue
        alone = config["study"]["source"] in ("table", "bids") and len(run.images) == 1
        beside = [Path(file) for file in run.bold if file.endswith(spm_affines.SUFFIX)]
        if alone and not any(spm_affines.read(file) is not None for file in beside):
            key = "motion" if config["confounds"]["motion"] else "censor.source"
            raise InputError(
                f"config key confounds.{key}",
                f"{run.name} is one image ({run.images[0]}), whose header has one affine for all volumes",
                expected="3D volumes, each with the affine that realignment gave it, or SPM's .mat beside it",
                remedy="take motion from a confounds table: confounds.columns, confounds.censor.source",
            )


def _check_confounds(config: Mapping[str, Any], runs: Sequence[Run]) -> None:
    """Columns in the config must be in the confounds table of every run, patterns must match in at least one.

    Of each table only the header is read. A table that is not there is no business of this check.
    """
    censor, named = config["confounds"]["censor"], [("confounds.columns", config["confounds"]["columns"])]
    named.append(("confounds.censor.column", [censor["column"]] if censor["column"] else []))
    by_limit = censor["fd_threshold"] is not None
    by_column = by_limit and censor["source"] not in ("affines", "auto")
    named.append(("confounds.censor.source", [censor["source"]] if by_column else []))
    if not (by_limit or any(names for _, names in named)):
        return
    paths = {
        run: Path(run.confounds)
        for run in runs
        if run.confounds and not run.design and Path(run.confounds).is_file()
    }
    present = {run: confounds.columns(path) for run, path in paths.items()}
    for key, name in ((key, name) for key, names in named for name in names):
        lacking = [run for run, columns in present.items() if not regressors.matching(name, columns)]
        if lacking and (len(lacking) == len(present) or not regressors.is_pattern(name)):
            others = f" ({len(lacking)} of {len(present)} runs lack it: {_listed(lacking)})"
            first = lacking[0]
            raise confounds.no_column(paths[first], name, present[first], key, others)
    if not (by_limit and censor["source"] == "auto"):
        return
    for run, columns in present.items():
        if not needs_motion(config, run) and not any(confounds.of_motion(paths[run], columns)):
            raise InputError(
                paths[run],
                f"has no motion columns, and {run.images[0]} has one affine for all volumes",
                expected="framewise_displacement, or trans_x to rot_z (mm, radians)",
                remedy="name another column in confounds.censor.source, or set censor.fd_threshold: null",
            )


def _listed(runs: Sequence[Run], most: int = 3) -> str:
    return "; ".join(run.name for run in runs[:most]) + ("; ..." if len(runs) > most else "")


def _confounds_of(config: Mapping[str, Any], run: Run) -> list[str]:
    """Names of a run's confounds; its table is read only where the config has patterns or strategies."""
    names = [texts.composed(name) for name in config["confounds"]["columns"]]
    strategy = config["confounds"]["fmriprep"]["strategy"]
    if run.confounds is None or not (strategy or any(map(regressors.is_pattern, names))):
        return names
    present = confounds.columns(Path(run.confounds))
    if strategy:  # which of them it takes is known to nilearn
        return present
    return [*dict.fromkeys(column for name in names for column in regressors.matching(name, present))]


def events_of(config: Mapping[str, Any], run: Run) -> events.RunEvents:
    """Events of a run by the rules of the config, as the stage that writes them finds them."""
    study = config["study"]
    rules = event_rules.Rules.of(study["events"], study["conditions"], config["design"]["modulators"])
    return events.find(event_sources.files(run.events), rules)


def _conditions(config: Mapping[str, Any], run: Run) -> list[str]:
    """Names of the conditions of a run, as study.conditions makes them of the trial types, and modulators.

    Each condition is followed by its modulators, whose regressors are made in the same way.
    """
    if not _have_events(config):
        return conditions_with_events(config, run)
    run_events = events_of(config, run)
    return [
        name
        for condition in run_events.conditions
        for name in (
            condition,
            *(regressors.of_modulator(condition, one) for one in run_events.modulators.get(condition, ())),
        )
    ]


def conditions_with_events(config: Mapping[str, Any], run: Run) -> list[str]:
    """Names of the conditions of a run, without modulators."""
    if _have_events(config):
        return events_of(config, run).conditions
    merged = config["study"]["conditions"]
    return [*FACES] if merged is None else [name for name, own in merged.items() if set(own) & set(FACES)]


def _have_events(config: Mapping[str, Any]) -> bool:
    """Whether runs have events files; the conditions of simulated and spm_multimodal are known without."""
    return config["study"]["source"] in ("table", "bids")


def _check_conditions(config: Mapping[str, Any], runs: Sequence[Run]) -> None:
    """Each trial type of study.conditions must occur in some run; events are read until all are found."""
    merged = config["study"]["conditions"] or {}
    missing = {texts.composed(one): name for name, listed in merged.items() for one in listed}
    present: set[str] = set()
    for run in runs:
        if not missing.keys() - present:
            return
        present |= set(trial_types_of(config, run))
    for trial_type in missing:
        if trial_type not in present:
            raise InputError(
                f"config key study.conditions.{missing[trial_type]}",
                f"no run has the trial type {trial_type!r}",
                expected=f"one of: {', '.join(sorted(present))}",
                remedy=f"{texts.suggestion(trial_type, present)}correct the trial type",
            )


def _check_spelling(config: Mapping[str, Any], runs: Sequence[Run]) -> None:
    """No trial type is spelled in two ways, in one run or in two."""
    if not _have_events(config):
        return
    first: dict[str, trial_types.Place] = {}
    for run in runs:
        for name, place in trial_types.places_of(Path(run.events), events_of(config, run)).items():
            first.setdefault(name, place)
    trial_types.check_spelling(first)


def trial_types_of(config: Mapping[str, Any], run: Run) -> list[str]:
    """Trial types of a run's events, listed in study.conditions or not."""
    return list(events_of(config, run).present) if _have_events(config) else list(FACES)


def _check_modulators(config: Mapping[str, Any], runs: Sequence[Run]) -> None:
    """Each condition of design.modulators must occur in some run; runs are read until all are found."""
    missing = dict.fromkeys(map(texts.composed, config["design"]["modulators"]))
    present: dict[str, None] = {}
    for run in runs:
        if not missing.keys() - present.keys():
            return
        present |= dict.fromkeys(conditions_with_events(config, run))
    for name in missing:
        if name not in present:
            raise InputError(
                f"config key design.modulators.{name}",
                "no run has events of this condition",
                expected=f"one of: {', '.join(present)}",
                remedy=f"{texts.suggestion(name, present)}correct the condition",
            )
