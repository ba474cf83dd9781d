"""Keys of the config that stand at the wrong level, or have the name of another program. Standard library."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

MOST = 3
"""Keys that a hint names."""
CALLED = {
    "tr": "study.repetition_time",
    "hrf": "design.hrf_model",
    "basis_set": "design.hrf_model",
    "highpass": "design.high_pass",
    "hpf": "design.high_pass",
    "noise": "glm.noise_model",
    "participant_label": "study.bids.subjects",
    "participants": "study.bids.subjects",
    "regressors": "confounds.columns",
    "nuisance": "confounds.columns",
    "scrubbing": "confounds.censor",
    "threshold": "inference.p",
    "conditions": "study.conditions",
    "bids_dir": "study.bids.path",
    "data_dir": "study.bids.path",
    "fmriprep_dir": "study.bids.derivatives",
}
"""What others call a key, in the form of :func:`snake`."""

SELDOM = ("study.simulated.", "design.single_trials.")
"""Sections whose keys are seldom meant, where others have the same name."""
COLUMN = re.compile(
    r"(trans|rot)_[xyz]\w*|(csf|white_matter|global_signal)\w*|[atcw]_comp_cor_\d+|cosine\d+|motion_outlier\d+"
    r"|framewise_displacement|(std_)?dvars"
)
"""Columns of fMRIPrep's confounds."""


def suggestion(name: str, schema: Mapping[str, Any]) -> str:
    """'did you mean resample.smoothing_fwhm? ' for a key of another level; nothing where none is like it.

    Parameters
    ----------
    name : of the unknown key.
    schema : of the whole config.
    """
    if COLUMN.fullmatch(name):
        return f"did you mean confounds.columns: [{name}]? "
    found = _found(snake(name), list(paths(schema)))
    own = [key for key in found if not key.startswith(SELDOM)] or found
    if not own:
        return ""
    return f"did you mean {'one of ' if len(own) > 1 else ''}{', '.join(own[:MOST])}? "


def is_elsewhere(name: str, schema: Mapping[str, Any]) -> bool:
    """Whether a key of this name stands at some level, so that no other name is meant."""
    return any(_last(key) == snake(name) for key in paths(schema))


def paths(schema: Mapping[str, Any], section: str = "") -> Iterator[str]:
    """Every key and section of a config, with the sections that it is in."""
    for name, part in schema.get("properties", {}).items():
        yield f"{section}{name}"
        yield from paths(part, f"{section}{name}.")


def snake(name: str) -> str:
    """A name in the form of the config's: RepetitionTime and repetition-time are repetition_time."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")


def _found(name: str, known: list[str]) -> list[str]:
    """Keys of this name, then those that share its words, then those that are spelled nearly so."""
    called = [CALLED[name]] if CALLED.get(name) in known else []
    exact = [key for key in known if _last(key) == name]
    if called or (exact and "_" in name):
        return [*called, *exact]
    words = set(name.split("_"))
    sharing = [key for key in known if words <= (own := set(_last(key).split("_"))) or own <= words]
    if found := list(dict.fromkeys([*exact, *sharing])):
        return found
    near = difflib.get_close_matches(name, [_last(key) for key in known], n=MOST, cutoff=0.75)
    return [key for key in known if _last(key) in near]


def _last(key: str) -> str:
    return key.rpartition(".")[2]
