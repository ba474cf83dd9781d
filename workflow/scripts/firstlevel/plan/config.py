"""The config of a study, held against its schema and the study's regressors before any job starts.

Standard library, PyYAML and jsonschema: every start of Snakemake pays for this import.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from firstlevel import texts
from firstlevel.glm import expressions, regressors
from firstlevel.glm.regressors import DRIFT
from firstlevel.io import confounds, contents, events, given_designs, spm_affines, tables
from firstlevel.plan import fetched
from firstlevel.plan.model import confounds_key, needs_motion
from firstlevel.plan.named import FACES
from firstlevel.plan.runs import Run, plain
from firstlevel.stage import InputError

REFERENCE = "see config/README.md"
MOST_VALUES = 100_000
"""Values that a config may hold, aliases written out."""


def check_config(config: dict[str, Any], schema: Mapping[str, Any]) -> None:
    """Hold a config against its JSON schema and fill in, in place, the defaults of the keys left out.

    Raises
    ------
    InputError : unknown key (with the nearest known one), wrong type or value; all of them in one message.
    """
    from jsonschema import Draft202012Validator

    if not isinstance(config, dict):
        raise InputError(
            "config", "is no mapping", expected="keys with values, such as contrasts: {...}", remedy=REFERENCE
        )
    try:
        copy.deepcopy(config)  # as deep as whatever goes through it
    except RecursionError:
        raise _too_deep("config") from None
    _check_values(config, "")
    _expand_home(config)
    _fill_defaults(config, schema)
    _read_command_line(config, schema)
    errors = sorted(Draft202012Validator(schema).iter_errors(config), key=lambda error: error.json_path)
    if errors:
        raise InputError(
            "config",
            "; ".join(_explained(error) for error in errors),
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
                    remedy="correct it; names that are no plain words stand in quotes: 'go/no-go'",
                ) from None
    _check_fixed_effects(config)
    if alike := tables.spelled_alike(config["contrasts"]):
        raise InputError(
            f"config key contrasts.{alike[0]}",
            f"differs from {alike[1]!r} in case only",
            expected="labels that name different files on every disk",
            remedy="rename one of them",
        )


def _check_file(key: str, path: str, expected: str) -> None:
    """The file of a config key is there, and Snakemake can take its name."""
    where = f"config key {key} ({Path(path).absolute()})"
    if by := fetched.missing(path):
        raise InputError(where, "is a link to nothing", expected="a file whose content is there", remedy=by)
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
    places = [(config, "mask"), (of_study, "table"), (of_study, "path"), (of_study, "design")]
    for mapping, key in [*places, (of_bids, "path"), (of_bids, "derivatives")]:
        if isinstance(value := mapping.get(key), str) and value.startswith("~"):
            with contextlib.suppress(RuntimeError):  # no such user: the check of the path tells
                mapping[key] = str(Path(value).expanduser())


def check_keys(files: Sequence[Path | str]) -> None:
    """No key stands twice in one mapping of a config file, and no alias holds itself or too much.

    YAML keeps the last of two keys without a word. A few lines of aliases can stand for millions of values.
    """
    import yaml

    for file in files:
        if not Path(file).is_file():  # a pipe, which Snakemake has read to its end
            continue
        with contextlib.suppress(yaml.YAMLError):  # Snakemake has read it, perhaps as JSON with tabs
            try:
                root = yaml.compose(contents.read(Path(file)).decode("utf-8-sig"))
            except RecursionError:
                raise _too_deep(file) from None
            if root is not None and _check_node(root, Path(file), {}) > MOST_VALUES:
                raise InputError(
                    file,
                    f"its aliases stand for more than {MOST_VALUES} values",
                    expected="a config that people can read",
                    remedy="write out what is meant",
                )


def _too_deep(where: Path | str) -> InputError:
    return InputError(
        where,
        "holds values in values in values, hundreds deep",
        expected="a config that people can read",
        remedy=REFERENCE,
    )


def _check_node(node: Any, file: Path, sizes: dict[int, int | None]) -> int:
    """Return how many values a node stands for; `sizes` are those of nodes by identity, None while within."""
    if node.id == "scalar":
        return 1
    if id(node) in sizes:
        if (known := sizes[id(node)]) is None:
            raise InputError(
                file,
                "an alias holds itself",
                expected="values that come to an end",
                remedy="write out what is meant",
                row=node.start_mark.line + 1,
            )
        return known
    sizes[id(node)] = None
    lines: dict[str, int] = {}
    total = 1
    for item in node.value:
        key, value = item if node.id == "mapping" else (None, item)
        if key is not None:
            row, name = key.start_mark.line + 1, str(key.value)
            if name in lines:
                raise InputError(
                    file,
                    f"has the key {name!r} twice, first in row {lines[name]}",
                    expected="each key once",
                    remedy="rename or remove one of them",
                    row=row,
                )
            lines[name] = row
        total += _check_node(value, file, sizes)
    sizes[id(node)] = total
    return total


def _check_source(config: Mapping[str, Any]) -> None:
    """Hold the keys that one kind of study needs."""
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
    """Weights of precision need the exact F: the approximate one averages standardised effects."""
    how = config["fixed_effects"]
    f_contrasts = [label for label, rows in config["contrasts"].items() if not isinstance(rows, str)]
    if how["weights"] == "precision" and how["f_test"] == "approximate" and f_contrasts:
        raise InputError(
            "config key fixed_effects.f_test",
            f"is approximate, which has no weights of precision ({', '.join(f_contrasts)})",
            expected="fixed_effects.f_test: exact, where fixed_effects.weights is precision",
            remedy="set fixed_effects.f_test: exact, or fixed_effects.weights: equal",
        )


def _check_design(config: Mapping[str, Any]) -> None:
    """Hold what one key of the model asks of another."""
    seen: dict[str, str] = {}
    for name, trial_types in (config["study"]["conditions"] or {}).items():
        for trial_type in trial_types:
            if trial_type in seen:
                raise InputError(
                    f"config key study.conditions.{name}",
                    f"{trial_type!r} stands in {seen[trial_type]!r} already",
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
    strategy = config["design"]["fmriprep_confounds"]["strategy"]
    if strategy and not _has_derivatives(config):
        raise InputError(
            "config key design.fmriprep_confounds.strategy",
            "needs images and confounds of fMRIPrep",
            expected="study.source bids with study.bids.derivatives",
            remedy="set study.bids.derivatives, or name columns in design.confounds",
        )
    if "compcor" in strategy and "high_pass" not in strategy:
        raise InputError(
            "config key design.fmriprep_confounds.strategy",
            "has compcor without high_pass, on which fMRIPrep's components rest",
            expected="high_pass beside compcor",
            remedy="add high_pass, and set design.drift_model: none",
        )
    if "high_pass" in strategy and config["design"]["drift_model"] == "cosine":
        raise InputError(
            "config key design.drift_model",
            "is cosine, and the strategy high_pass of design.fmriprep_confounds adds the same drift again",
            expected="one model of drift",
            remedy="set design.drift_model: none, or take high_pass out",
        )


def rows_of(expression: str | Sequence[str]) -> list[str]:
    """Expressions of a contrast: one of a t contrast, one per row of an F contrast."""
    return [expression] if isinstance(expression, str) else list(expression)


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
    known = list(dict.fromkeys(name for run in runs for name in regressors_of(config, run)))
    asked = {name for expression in config["contrasts"].values() for name in names_of(expression)}
    for run in all_runs[len(runs) :]:  # of a BIDS study; until all are found, which the first run mostly does
        if all(name in known or (DRIFT.fullmatch(name) and not given) for name in asked):
            break
        with contextlib.suppress(InputError):  # wrong events of one subject stop that subject, not the start
            known += [name for name in regressors_of(config, run) if name not in known]
    for label, expression in config["contrasts"].items():
        for name in names_of(expression):
            if name not in known and (given or not DRIFT.fullmatch(name)):
                near = texts.suggestion(name, known)
                raise InputError(
                    f"config key contrasts.{label}",
                    f"no run of the study has a regressor {name!r}",
                    expected=f"one of: {', '.join(known)}",
                    remedy=f"{near}correct the name, or the {'designs' if given else 'events'}",
                )


def _check_nothing_is_added(config: Mapping[str, Any]) -> None:
    """No key asks for regressors or conditions where every run has a design of its own."""
    design, censor = config["design"], config["design"]["censor"]
    asked = {
        "study.conditions": config["study"]["conditions"],
        "design.modulators": design["modulators"],
        "design.confounds": design["confounds"],
        "design.fmriprep_confounds.strategy": design["fmriprep_confounds"]["strategy"],
        "design.motion_regressors": design["motion_regressors"],
        "design.censor.framewise_displacement": censor["framewise_displacement"] is not None,
        "design.censor.column": censor["column"],
    }
    if key := next((key for key, value in asked.items() if value), None):
        raise InputError(
            f"config key {key}",
            "adds to designs that are made here, and every run has a design of its own, taken as it is",
            expected="regressors of no interest, censored scans included, as columns of these designs",
            remedy=f"add them there and leave {key} out, or leave the designs (study.design) out",
        )


def _check_given(runs: Sequence[Run], all_runs: Sequence[Run]) -> None:
    """Each design that is given has a known form and names of its own; of SPM's, those of `runs` are read."""
    for run in all_runs:
        if run.design and (run in runs or not given_designs.is_spm(Path(run.design))):
            given_designs.names(Path(run.design), run.design_part)


def regressors_of(config: Mapping[str, Any], run: Run) -> list[str]:
    """Names of a run's regressors but for the drift: conditions and modulators, confounds, constant."""
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
        *regressors.of_motion(design["motion_regressors"]),
        "constant",
    ]


def contrasts_of(config: Mapping[str, Any], run: Run) -> list[str]:
    """Labels of the contrasts all of whose regressors a run has, as far as its events tell."""
    known = regressors_of(config, run)
    return [
        label
        for label, expression in config["contrasts"].items()
        if all(name in known or DRIFT.fullmatch(name) for name in names_of(expression))
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
            key = "motion_regressors" if config["design"]["motion_regressors"] else "censor.source"
            raise InputError(
                f"config key design.{key}",
                f"{run.name} is one image ({run.images[0]}), whose header has one affine for all volumes",
                expected="3D volumes, each with the affine that realignment gave it, or SPM's .mat beside it",
                remedy="take motion from a confounds table: design.confounds, design.censor.source",
            )


def _check_confounds(config: Mapping[str, Any], runs: Sequence[Run]) -> None:
    """Each column that the config names is in the table of every run, each pattern matches in one at least.

    Of each table only the header is read. A table that is not there is no business of this check.
    """
    censor, named = config["design"]["censor"], [("design.confounds", config["design"]["confounds"])]
    named.append(("design.censor.column", [censor["column"]] if censor["column"] else []))
    by_limit = censor["framewise_displacement"] is not None
    by_column = by_limit and censor["source"] not in ("affines", "auto")
    named.append(("design.censor.source", [censor["source"]] if by_column else []))
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
                f"says nothing of motion, nor does the header of {run.images[0]}, one affine for all volumes",
                expected="framewise_displacement, or trans_x to rot_z (mm, radians)",
                remedy="name another column in design.censor.source, or set framewise_displacement: null",
            )


def _listed(runs: Sequence[Run], most: int = 3) -> str:
    return "; ".join(run.name for run in runs[:most]) + ("; ..." if len(runs) > most else "")


def _confounds_of(config: Mapping[str, Any], run: Run) -> list[str]:
    """Names of a run's confounds; its table is read only where the config has patterns or strategies."""
    names = [texts.composed(name) for name in config["design"]["confounds"]]
    strategy = config["design"]["fmriprep_confounds"]["strategy"]
    if run.confounds is None or not (strategy or any(map(regressors.is_pattern, names))):
        return names
    present = confounds.columns(Path(run.confounds))
    if strategy:  # which of them it takes is known to nilearn
        return present
    return [*dict.fromkeys(column for name in names for column in regressors.matching(name, present))]


def events_of(config: Mapping[str, Any], run: Run) -> events.Found:
    """Events of a run by the rules of the config, as the stage that writes them finds them."""
    study = config["study"]
    rules = events.Rules.of(study["events"], study["conditions"], config["design"]["modulators"])
    return events.find(events.files(run.events), rules)


def _conditions(config: Mapping[str, Any], run: Run) -> list[str]:
    """Names of the conditions of a run, as study.conditions makes them of the trial types, and modulators.

    Each condition is followed by its modulators, whose regressors are made in the same way.
    """
    if not _have_events(config):
        merged = config["study"]["conditions"]
        return [*FACES] if merged is None else [name for name, own in merged.items() if set(own) & set(FACES)]
    found = events_of(config, run)
    return [
        name
        for condition in found.conditions
        for name in (
            condition,
            *(regressors.of_modulator(condition, one) for one in found.modulators.get(condition, ())),
        )
    ]


def _have_events(config: Mapping[str, Any]) -> bool:
    """Whether runs have events of their own; those of studies that come by name are known without them."""
    return config["study"]["source"] in ("table", "bids")


def _check_conditions(config: Mapping[str, Any], runs: Sequence[Run]) -> None:
    """Each trial type of study.conditions is in some run; events are read until all are found."""
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
    """No trial type is spelled in two ways, in one run or in two: each would be a condition of its own."""
    first: dict[str, Run] = {}
    for run in runs:
        for name in trial_types_of(config, run):
            first.setdefault(name, run)
    if alike := tables.spelled_alike(first):
        name, other = alike
        place = f"{first[other].events}, row {row}" if (row := _row_of(config, first[other], other)) else ""
        beside = f"{other!r} ({place})" if first[other] is not first[name] and place else repr(other)
        raise tables.two_spellings(Path(first[name].events), _row_of(config, first[name], name), name, beside)


def _row_of(config: Mapping[str, Any], run: Run, trial_type: str) -> int | None:
    """Row of the first event of a trial type; a ``.mat`` has none."""
    found = events_of(config, run)
    return found.present.get(trial_type) if found.form != "spm" else None


def trial_types_of(config: Mapping[str, Any], run: Run) -> list[str]:
    """Trial types of a run's events, listed in study.conditions or not."""
    return list(events_of(config, run).present) if _have_events(config) else list(FACES)


def _check_modulators(config: Mapping[str, Any], runs: Sequence[Run]) -> None:
    """Each condition of design.modulators is one of some run; runs are read until all are found."""
    missing = dict.fromkeys(map(texts.composed, config["design"]["modulators"]))
    present: dict[str, None] = {}
    for run in runs:
        if not missing.keys() - present.keys():
            return
        present |= dict.fromkeys(events_of(config, run).conditions if _have_events(config) else FACES)
    for name in missing:
        if name not in present:
            raise InputError(
                f"config key design.modulators.{name}",
                "no run has events of this condition",
                expected=f"one of: {', '.join(present)}",
                remedy=f"{texts.suggestion(name, present)}correct the condition",
            )


def _check_values(value: Any, key: str) -> None:
    """Keys are text (YAML makes numbers of 1 and truth of yes), numbers are finite."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if not isinstance(name, str):
                raise InputError(
                    f"config key {key or 'of the whole file'}",
                    f"YAML takes the key {name!r} for a {type(name).__name__}",
                    expected="text",
                    remedy=f"put it into quotes or rename it: '{name}'",
                )
            _check_values(inner, f"{key}.{name}".lstrip("."))
    elif isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"config key {key}", f"is {value}", expected="a finite number", remedy="correct it")


def _fill_defaults(instance: Any, schema: Mapping[str, Any]) -> None:
    if not isinstance(instance, dict):
        return
    for key, subschema in schema.get("properties", {}).items():
        if "default" in subschema and key not in instance:
            instance[key] = copy.deepcopy(subschema["default"])
        elif subschema.get("type") == "object" and "properties" in subschema:
            instance.setdefault(key, {})
        if key in instance:
            _fill_defaults(instance[key], subschema)


def _read_command_line(instance: dict[str, Any], schema: Mapping[str, Any]) -> None:
    """Numbers, lists and null that ``--config key={...}`` hands over as text, in place."""
    for key, subschema in schema.get("properties", {}).items():
        value = instance.get(key)
        if isinstance(value, dict) and "properties" in subschema:
            _read_command_line(value, subschema)
        elif isinstance(value, list) and "string" not in str(subschema):
            instance[key] = [_plain(item) if isinstance(item, str) else item for item in value]
        elif isinstance(value, float) and value.is_integer() and "integer" in str(subschema):
            instance[key] = int(value)
        elif (
            isinstance(value, str)
            and not {"enum", "pattern"} & subschema.keys()
            and "string" not in str(subschema)
        ):
            instance[key] = _plain(value)


def _plain(text: str) -> Any:
    """What YAML makes of a text; the text itself where it is no YAML, for the schema to refuse."""
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text


def _explained(error: Any) -> str:
    """One line of a validation error: the key, and what is wrong with it."""
    key = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = [name for name in error.instance if name not in known]
        if not known:
            return f"{key}: {error.message}"
        lines = [
            f"unknown key {'.'.join(filter(None, (key, name)))} ({texts.suggestion(name, known)}"
            f"known here: {', '.join(known)})"
            for name in unknown
        ]
        return "; ".join(lines)
    problem = error.message
    if error.validator in ("oneOf", "anyOf", "pattern"):
        problem = f"{error.instance!r} does not fit"
    return f"{key or 'the whole file'}: {problem} ({error.schema.get('description', error.validator)})"
