"""What the page of a subject shows of the single trials of one run."""

from __future__ import annotations

from typing import Any

from firstlevel import names
from firstlevel.reporting.subject_files import SubjectFiles

FILES = {
    "beta": names.TRIAL_BETA,
    "t": names.TRIAL_T,
    "which volume is which trial": names.TRIALS,
    "sidecar": names.TRIALS_JSON,
}
"""Files of single trials, by what the page calls them."""


def of_run(files: SubjectFiles, run: str) -> dict[str, Any] | None:
    """Model, conditions with their trials and collinearity, files; None for a run without single trials."""
    if not files.has(names.TRIALS_JSON, run=run):
        return None
    sidecar = files.sidecar(names.TRIALS_JSON, run=run)
    subject = names.entities_in(run)["sub"]
    return {
        "model": sidecar["Model"].upper(),
        "description": sidecar["ModelDescription"],
        "n_missing": sidecar["NumberOfTrials"] - sidecar["EstimableTrials"],
        "conditions": [_of_condition(name, one) for name, one in sidecar["Conditions"].items()],
        "files": [
            (name, pattern.format(subject=subject, run=run).replace(names.RESULTS, ".."))
            for name, pattern in FILES.items()
        ],
    }


def _of_condition(name: str, counts: dict[str, Any]) -> dict[str, Any]:
    inflation = counts.get("VarianceInflation")
    return {
        "name": name,
        "n_trials": counts["Trials"],
        "n_estimable": counts["Estimable"],
        "median": f"{inflation['Median']:.2f}" if inflation else "n/a",
        "largest": f"{inflation['Largest']:.2f}" if inflation else "n/a",
    }
