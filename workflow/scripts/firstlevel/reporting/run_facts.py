"""What the methods text says of a run: facts from the sidecars. Standard library."""

from __future__ import annotations

import re
from collections import Counter
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

    @classmethod
    def of(cls, resampled: Mapping[str, Any], design: Mapping[str, Any], fit: Mapping[str, Any]) -> Run:
        """Facts from the sidecars of the resampled run, of its design and of its fit."""
        columns = design["Columns"]
        roles = Counter(column["Role"] for column in columns)
        return cls(
            n_scans=fit["NumberOfVolumes"],
            repetition_time=design["RepetitionTime"],
            n_motion=roles["motion"],
            n_confounds=roles["confound"],
            n_censored=roles["censor"],
            start_time=design.get("StartTime", 0.0),
            start_source=design.get("SliceTimeSource", ""),
            equal_steps=design["EqualSteps"],
            modulators=design.get("Modulators", ()),
            has_events=roles["condition"] > 0,
            n_drift=roles["drift"],
            n_cosines=sum(column["Role"] == "confound" and is_cosine(column["Name"]) for column in columns),
            n_copied=resampled.get("VolumesCopied"),
            displacement_from=design.get("FramewiseDisplacementFrom", ""),
            given=design.get("DesignForm", ""),
            given_notes=design.get("DesignNotes", ()),
            n_columns=len(fit["Columns"]),
        )


def is_cosine(name: str) -> bool:
    """Whether a confound is one of fMRIPrep's cosines, which model drift."""
    return re.fullmatch(r"cosine_?\d+", name, re.IGNORECASE) is not None


def value_range(values: Sequence[float]) -> str:
    """Lowest to highest of the values, or the one that all have."""
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
