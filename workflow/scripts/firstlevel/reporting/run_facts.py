"""What the methods text says of a run: facts from the sidecars. Standard library."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Run(NamedTuple):
    """What the sidecars of a run tell: scans, repetition time (s), motion regressors, censored scans.

    `start_time` is the moment of a volume (s) at which the model is sampled, `start_source` where it is from,
    `modulators` what the sidecar of the design says of them. `n_drift` counts regressors of the drift model
    (None: not known), `n_cosines` confounds that are cosines, `n_copied` volumes that needed no resampling;
    `displacement_from` tells what censoring by motion rests on. `given` is the form of a ready-made design,
    `given_notes` what was done to it; `n_columns` counts the regressors of the run.
    """

    n_scans: int
    repetition_time: float
    n_motion: int
    n_confounds: int
    n_censored: int
    start_time: float = 0.0
    start_source: str = ""
    equal_steps: bool = True
    modulators: Sequence[Mapping[str, Any]] = ()
    has_events: bool = True
    n_drift: int | None = None
    n_cosines: int = 0
    n_copied: int | None = None
    displacement_from: str = ""
    given: str = ""
    given_notes: Sequence[str] = ()
    n_columns: int = 0


def is_cosine(name: str) -> bool:
    """Whether a confound is one of fMRIPrep's cosines, which model drift."""
    return re.fullmatch(r"cosine_?\d+", name, re.IGNORECASE) is not None


def value_range(values: Sequence[float]) -> str:
    """Lowest to highest of the values, or the one that all have."""
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
