"""Modulators of a run's conditions, as the sidecar of its events has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firstlevel.io import sidecars
from firstlevel.io.modulators import Modulator, Modulators


def content(modulators: Modulators, columns: Mapping[str, str]) -> dict[str, Any]:
    """Field of the sidecar: lists, since their order counts where they are orthogonalised.

    `columns` of the written events by those of the source.
    """
    return {
        condition: [
            {"Name": name, **sidecars.camel(how._replace(column=columns[how.column])._asdict())}
            for name, how in own.items()
        ]
        for condition, own in modulators.items()
    }


def read(path: Path | None) -> dict[str, dict[str, Modulator]]:
    """Modulators by condition and name; none where there is no sidecar."""
    told = {} if path is None else sidecars.read_json(path).get("Modulators", {})
    return {
        condition: {how["Name"]: Modulator(how["Column"], how["Centre"], how["Orthogonalise"]) for how in own}
        for condition, own in told.items()
    }
