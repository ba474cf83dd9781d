"""What a config asks of the runs: questions that rules and sources have in common. Standard library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from firstlevel.plan.runs import Run

WORDS = ("epi", "derivatives", "auto", "mean", "T1w")
"""What the keys mask and figures.background say in place of a path."""


def session_in_names(config: Mapping[str, Any]) -> str:
    """Part of a subject's file names where the config asks for one session alone: _ses-V0, else nothing.

    The maps of two configs, each for one session, so lie beside each other.
    """
    of_study = config["study"]
    sessions = of_study["bids"]["sessions"] if of_study["source"] == "bids" else None
    return f"_ses-{sessions[0]}" if sessions and len(set(sessions)) == 1 else ""


def slice_time_ref(config: Mapping[str, Any]) -> float | str:
    """Return where in an acquisition scans are sampled: a fraction, or auto, which asks the sidecars.

    Other studies than BIDS have none: there, auto is 0.0, the start of a scan as in nilearn's example, and
    middle is what auto is where no sidecar tells.
    """
    asked: float | str = config["design"]["slice_time_ref"]
    if asked == "auto" and config["study"]["source"] != "bids":
        return 0.0
    return "auto" if asked == "middle" else asked


def confounds_key(config: Mapping[str, Any]) -> str | None:
    """Config key that needs the runs' tables of confounds, None where none does."""
    study, design, censor = config["study"], config["design"], config["design"]["censor"]
    asked = {
        "design.confounds": design["confounds"],
        "design.fmriprep_confounds": design["fmriprep_confounds"]["strategy"],
        "design.censor.column": censor["column"],
        "design.censor.source": censor["framewise_displacement"] is not None
        and censor["source"] not in ("affines", *(["auto"] if study["source"] != "bids" else [])),
    }
    return next((key for key, value in asked.items() if value), None)


def confounds_of(config: Mapping[str, Any], run: Run) -> list[str]:
    """Table that the design of a run reads; none where nothing asks for it, or the design is given."""
    if run.design:
        return []
    censor = config["design"]["censor"]
    either = censor["framewise_displacement"] is not None and censor["source"] == "auto"
    return [run.confounds] if run.confounds and (either or confounds_key(config)) else []


def needs_motion(config: Mapping[str, Any], run: Run | None = None) -> bool:
    """Whether the design of a run (None: of any) needs what moved, which is known once it is resampled.

    Where the source of framewise displacement is auto, one 4D image with a table of confounds needs none: its
    header has one affine, and nothing beside it others.
    """
    censor = config["design"]["censor"]
    if run is not None and run.design:
        return False
    if config["design"]["motion_regressors"]:
        return True
    if censor["framewise_displacement"] is None or censor["source"] not in ("affines", "auto"):
        return False
    by_table = censor["source"] == "auto" and run is not None and run.confounds is not None
    return not (by_table and run is not None and len(run.images) == len(run.bold) == 1)
