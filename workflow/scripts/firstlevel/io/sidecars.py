"""Sidecars in and out: JSON objects. Standard library."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firstlevel.io import contents
from firstlevel.stage import InputError, atomic


def camel(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields with their keys as BIDS writes them: high_pass as HighPass; values as they are."""
    return {"".join(part.capitalize() for part in key.split("_")): value for key, value in fields.items()}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a sidecar with sorted keys, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a sidecar, a JSON object."""
    try:
        content = json.loads(contents.read(path).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(path, f"is not JSON ({error})", expected="JSON", remedy="correct it") from None
    if not isinstance(content, dict):
        raise InputError(path, "is not a JSON object", expected="names with values", remedy="correct it")
    return content
