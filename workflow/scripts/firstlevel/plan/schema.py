"""Checks of a config against its JSON schema: defaults, types of values, unknown keys."""

from __future__ import annotations

import contextlib
import copy
import datetime
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from firstlevel import texts
from firstlevel.io import contents
from firstlevel.plan import misplaced, renamed
from firstlevel.stage import InputError

REFERENCE = "see config/README.md"
MOST_VALUES = 100_000
"""Values that a config may hold, aliases written out."""


def check_keys(files: Sequence[Path | str]) -> None:
    """Refuse duplicate keys in a mapping of a config file, and aliases that are circular or expand too much.

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
                raise too_deep(file) from None
            if root is not None and _check_node(root, Path(file), {}) > MOST_VALUES:
                raise InputError(
                    file,
                    f"its aliases expand to more than {MOST_VALUES} values",
                    expected="a config that people can read",
                    remedy="write the values out",
                )


def _check_node(node: Any, file: Path, sizes: dict[int, int | None]) -> int:
    """Return how many values a node stands for; `sizes` are those of nodes by identity, None while within."""
    if node.id == "scalar":
        return 1
    if id(node) in sizes:
        if (n_values := sizes[id(node)]) is None:
            raise InputError(
                file,
                "an alias refers to itself",
                expected="no circular aliases",
                remedy="write the values out",
                row=node.start_mark.line + 1,
            )
        return n_values
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


def check_values(value: Any, key: str) -> None:
    """Keys are text (YAML makes numbers of 1 and truth of yes), numbers are finite."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if not isinstance(name, str):
                raise InputError(
                    f"config key {key or 'of the whole file'}",
                    f"YAML reads the key {name!r} as a {type(name).__name__}",
                    expected="text",
                    remedy=f"put it into quotes or rename it: '{name}'",
                )
            check_values(inner, f"{key}.{name}".lstrip("."))
    elif isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"config key {key}", f"is {value}", expected="a finite number", remedy="correct it")


def fill_defaults(instance: Any, schema: Mapping[str, Any]) -> None:
    """Fill in, in place and at any depth, the defaults that a schema gives to keys left out."""
    if not isinstance(instance, dict):
        return
    for key, subschema in schema.get("properties", {}).items():
        if "default" in subschema and key not in instance:
            instance[key] = copy.deepcopy(subschema["default"])
        elif subschema.get("type") == "object" and "properties" in subschema:
            instance.setdefault(key, {})
        if key in instance:
            fill_defaults(instance[key], subschema)


def read_command_line(instance: dict[str, Any], schema: Mapping[str, Any]) -> None:
    """Numbers, lists and null that ``--config key={...}`` hands over as text, in place."""
    for key, subschema in schema.get("properties", {}).items():
        value = instance.get(key)
        if isinstance(value, dict) and "properties" in subschema:
            read_command_line(value, subschema)
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
    """Value of a text as YAML; the text itself if it is not YAML, for the schema to refuse."""
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text


def explained(error: Any, schema: Mapping[str, Any]) -> str:
    """One line of a validation error of a whole config: the key, and what is wrong with it."""
    key = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        known_keys = list(error.schema.get("properties", {}))
        unknown = [name for name in error.instance if name not in known_keys]
        if not known_keys:
            return f"{key}: {error.message}"
        return "; ".join(_unknown(key, name, error.instance[name], known_keys, schema) for name in unknown)
    problem = error.message
    if error.validator in ("oneOf", "anyOf", "pattern"):
        problem = f"{error.instance!r} is not valid"
    elif error.validator == "type":
        problem += _of_another_type(error.instance, error.validator_value, error.schema)
    about = error.schema.get("description") or ("" if error.validator == "type" else error.validator)
    return f"{key or 'the whole file'}: {problem}{f' ({about})' if about else ''}"


def _of_another_type(value: Any, wanted: str | Sequence[str], part: Mapping[str, Any]) -> str:
    """How to write what has the wrong type, mostly since YAML reads it otherwise than it was meant."""
    if "string" in wanted and isinstance(value, bool):
        return ": YAML reads yes, no, on and off as true and false; put the word in quotes"
    if "string" in wanted and isinstance(value, int | float):
        return ": YAML reads it as a number; put labels and names in quotes, such as '01'"
    if "string" in wanted and isinstance(value, datetime.date):
        return ": YAML reads it as a date; put it in quotes"
    if "array" in wanted and isinstance(value, str | int | float):
        plain = isinstance(value, str) and value.isidentifier()
        return f": a list goes in brackets, such as [{value if plain else repr(str(value))}]"
    if "object" in wanted and "properties" in part:
        return f": it is a section, with the keys {', '.join(part['properties'])}"
    return ""


def _unknown(
    section: str, name: str, value: Any, known_keys: Sequence[str], schema: Mapping[str, Any]
) -> str:
    """What an unknown key is called now, or the nearest known one, here or at another level."""
    key = ".".join(filter(None, (section, name)))
    here = "" if misplaced.is_elsewhere(name, schema) else texts.suggestion(name, known_keys)
    near = here or misplaced.suggestion(name, schema)
    return renamed.explained(key, value) or f"unknown key {key} ({near}known here: {', '.join(known_keys)})"


def too_deep(where: Path | str) -> InputError:
    """Say that values nest deeper than Python follows."""
    return InputError(
        where,
        "is nested hundreds of levels deep",
        expected="a config that people can read",
        remedy=REFERENCE,
    )
