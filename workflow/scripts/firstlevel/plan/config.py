"""Checks of a study's config against its schema, and of its keys against each other, before any job starts.

Standard library, PyYAML and jsonschema: every start of Snakemake pays for this import.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firstlevel.glm import expressions
from firstlevel.io import spelling
from firstlevel.plan import fetched
from firstlevel.plan.model import f_test, rows_of
from firstlevel.plan.runs import plain
from firstlevel.plan.schema import (
    REFERENCE,
    check_values,
    explained,
    fill_defaults,
    read_command_line,
    too_deep,
)
from firstlevel.stage import InputError


def check_config(config: dict[str, Any], schema: Mapping[str, Any]) -> None:
    """Check a config against its JSON schema and fill in, in place, the defaults of missing keys.

    Raises
    ------
    InputError : unknown key (with the nearest known one), wrong type or value; all of them in one message.
    """
    from jsonschema import Draft202012Validator

    if not isinstance(config, dict):
        raise InputError(
            "config",
            "is not a mapping",
            expected="keys with values, such as contrasts: {...}",
            remedy=REFERENCE,
        )
    try:
        copy.deepcopy(config)  # as deep as whatever goes through it
    except RecursionError:
        raise too_deep("config") from None
    check_values(config, "")
    _expand_home(config)
    fill_defaults(config, schema)
    read_command_line(config, schema)
    errors = sorted(Draft202012Validator(schema).iter_errors(config), key=lambda error: error.json_path)
    if errors:
        raise InputError(
            "config",
            "; ".join(explained(error, schema) for error in errors),
            expected="known keys with values of the right kind",
            remedy=f"correct the config; {REFERENCE} for every key",
        )
    _check_source(config)
    _check_design(config)
    if config["mask"] not in ("epi", "derivatives"):
        _check_file("mask", config["mask"], "epi, or the path of a mask image")
    if config["figures"]["background"] not in ("auto", "mean", "T1w"):
        expected = "auto, mean, T1w, or the path of an image"
        _check_file("figures.background", config["figures"]["background"], expected)
    for label, expression in config["contrasts"].items():
        for text in rows_of(expression):
            try:
                expressions.parse(text)
            except expressions.ExpressionError as error:
                raise InputError(
                    f"config key contrasts.{label}",
                    str(error),
                    expected="regressor names with weights, such as: faces - 0.5 * scrambled",
                    remedy="correct it; names that are not plain words need quotes: 'go/no-go'",
                ) from None
    _check_fixed_effects(config)
    if alike := spelling.spelled_alike(config["contrasts"]):
        raise InputError(
            f"config key contrasts.{alike[0]}",
            f"differs from {alike[1]!r} in case only",
            expected="labels that differ in more than case, which some disks ignore",
            remedy="rename one of them",
        )


def _check_file(key: str, path: str, expected: str) -> None:
    """Check that the file of a config key exists and that Snakemake can use its name."""
    where = f"config key {key} ({Path(path).absolute()})"
    if by := fetched.missing(path):
        raise InputError(where, "is a broken link", expected="a file that exists", remedy=by)
    if not Path(path).is_file():
        raise InputError(
            where,
            "there is no such file",
            expected=expected,
            remedy="correct it; a path is relative to the working directory",
        )
    plain(path, where, None)


def _expand_home(config: dict[str, Any]) -> None:
    """Home folders (``~``) in the paths of a config, in place."""
    of_study = config.get("study")
    of_study = of_study if isinstance(of_study, dict) else {}
    of_bids = of_study.get("bids")
    of_bids = of_bids if isinstance(of_bids, dict) else {}
    of_faces = of_study.get("spm_multimodal")
    of_faces = of_faces if isinstance(of_faces, dict) else {}
    places = [(config, "mask"), (of_study, "table"), (of_study, "design"), (of_faces, "path")]
    for mapping, key in [*places, (of_bids, "path"), (of_bids, "derivatives")]:
        if isinstance(value := mapping.get(key), str) and value.startswith("~"):
            with contextlib.suppress(RuntimeError):  # no such user: the check of the path tells
                mapping[key] = str(Path(value).expanduser())


def _check_source(config: Mapping[str, Any]) -> None:
    """Check the keys that one kind of study needs."""
    source, of_bids = config["study"]["source"], config["study"]["bids"]
    needed = {"table": {"study.table": config["study"]["table"]}}
    needed["bids"] = {f"study.bids.{key}": of_bids[key] for key in ("path", "task")}
    for key, value in needed.get(source, {}).items():
        if not value:
            raise InputError(
                f"config key {key}",
                f"is not set, though study.source is {source}",
                expected={"table": "the path of a run table"}.get(key.split(".")[-1], "a folder, and a task"),
                remedy=f"set {key}; {REFERENCE}",
            )
    if config["mask"] == "derivatives" and not _has_derivatives(config):
        raise InputError(
            "config key mask",
            "is derivatives, but the study has none",
            expected="study.source bids with study.bids.derivatives",
            remedy="set study.bids.derivatives, or mask: epi",
        )


def _has_derivatives(config: Mapping[str, Any]) -> bool:
    """Whether the images of a study are preprocessed, with masks and confounds beside them."""
    of_bids = config["study"]["bids"]
    return config["study"]["source"] == "bids" and bool(of_bids["derivatives"] or of_bids["space"])


def _check_fixed_effects(config: Mapping[str, Any]) -> None:
    """Precision weights need the exact F test: the approximate one averages standardised effects."""
    how = config["fixed_effects"]
    f_contrasts = [
        label for label, expressions in config["contrasts"].items() if not isinstance(expressions, str)
    ]
    if how["weights"] == "precision" and f_test(config) == "approximate" and f_contrasts:
        raise InputError(
            "config key fixed_effects.f_test",
            f"is approximate, which cannot use precision weights ({', '.join(f_contrasts)})",
            expected="fixed_effects.f_test: exact, where fixed_effects.weights is precision",
            remedy="set fixed_effects.f_test: exact, or fixed_effects.weights: equal",
        )


def _check_design(config: Mapping[str, Any]) -> None:
    """Check keys of the design that depend on each other."""
    seen: dict[str, str] = {}
    for name, trial_types in (config["study"]["conditions"] or {}).items():
        for trial_type in trial_types:
            if trial_type in seen:
                raise InputError(
                    f"config key study.conditions.{name}",
                    f"{trial_type!r} is already in {seen[trial_type]!r}",
                    expected="each trial type in one condition",
                    remedy="take it out of one of them",
                )
            seen[trial_type] = name
    delays = config["design"]["fir_delays"]
    if config["design"]["fir_unit"] == "scans" and (parts := [delay for delay in delays if delay % 1]):
        raise InputError(
            "config key design.fir_delays",
            f"has {parts[0]:g}, though design.fir_unit is scans",
            expected="whole numbers of scans",
            remedy="round it, or set design.fir_unit: s",
        )
    strategy = config["confounds"]["fmriprep"]["strategy"]
    if strategy and not _has_derivatives(config):
        raise InputError(
            "config key confounds.fmriprep.strategy",
            "needs images and confounds of fMRIPrep",
            expected="study.source bids with study.bids.derivatives",
            remedy="set study.bids.derivatives, or name columns in confounds.columns",
        )
    if "compcor" in strategy and "high_pass" not in strategy:
        raise InputError(
            "config key confounds.fmriprep.strategy",
            "has compcor without high_pass, but fMRIPrep computes CompCor after a high-pass filter",
            expected="high_pass beside compcor",
            remedy="add high_pass, and set design.drift_model: none",
        )
    if "high_pass" in strategy and config["design"]["drift_model"] == "cosine":
        raise InputError(
            "config key design.drift_model",
            "is cosine, and the strategy high_pass of confounds.fmriprep adds the same drift again",
            expected="one model of drift",
            remedy="set design.drift_model: none, or take high_pass out",
        )
