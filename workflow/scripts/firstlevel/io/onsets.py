"""Whether the onsets and durations of a run's events are in seconds or in scans. Standard library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

SPM_SUFFIX = ".mat"


def are_in_scans(sources: Sequence[Path], unit: str | None) -> bool:
    """Whether onsets of a run are in scans: by `unit` (s or scans), or without it for SPM's files."""
    of_spm = len(sources) == 1 and sources[0].suffix == SPM_SUFFIX
    return unit == "scans" if unit else of_spm
