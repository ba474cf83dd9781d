"""How columns of the events modulate the events of a condition. Standard library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Modulator(NamedTuple):
    """How a column modulates the events of a condition.

    Attributes
    ----------
    column : where its values are from.
    centre : ``run`` subtracts the mean of the condition's events in a run, ``none`` keeps the values.
    orthogonalise : against the condition and the modulators before it, at the events, as SPM does.
    """

    column: str
    centre: str = "run"
    orthogonalise: bool = False


Modulators = Mapping[str, Mapping[str, Modulator]]
"""By condition, and by name."""


def columns(modulators: Modulators) -> list[str]:
    """Columns of the events that modulate any condition, each once."""
    return list(dict.fromkeys(how.column for own in modulators.values() for how in own.values()))
