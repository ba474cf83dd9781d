"""Renamed keys of the config and their new names. Standard library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RENAMED = {
    "design.confounds": "confounds.columns",
    "design.confounds_first_row": "confounds.first_row",
    "design.fmriprep_confounds": "confounds.fmriprep",
    "design.motion_regressors": "confounds.motion",
    "design.censor": "confounds.censor",
    "design.censor.framewise_displacement": "confounds.censor.fd_threshold",
    "confounds.censor.framewise_displacement": "confounds.censor.fd_threshold",
    "quality.framewise_displacement": "quality.fd_threshold",
    "quality.framewise_displacement_share": "quality.fd_share",
    "study.path": "study.spm_multimodal.path",
    "study.base_url": "study.spm_multimodal.base_url",
    "inference.cluster_extent": "inference.cluster_threshold",
    "inference.peak_distance": "inference.min_distance",
    "report": "outputs",
    "figures.draw": "outputs",
}
"""Old key to new key."""
VALUES = {
    "report": {False: "outputs: [maps, figures]", True: "the default of outputs: leave it out"},
    "figures.draw": {False: "outputs: [maps]", True: "the default of outputs: leave it out"},
}
"""What an old value is now, where it has another form than before."""


def explained(key: str, value: Any) -> str | None:
    """New name of a key, and of renamed keys in its value; None if it was not renamed."""
    if key not in RENAMED:
        return None
    text = f"{key} is now {RENAMED[key]}"
    new_values = VALUES.get(key, {})
    if isinstance(value, bool) and value in new_values:
        text += f" ({key.rpartition('.')[2]}: {str(value).lower()} is {new_values[value]})"
    inner = value if isinstance(value, Mapping) else {}
    return "; ".join([text, *filter(None, (explained(f"{key}.{name}", inner[name]) for name in inner))])
