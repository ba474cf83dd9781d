"""The results as a dataset of the BIDS standard (a derivative): its description, and its list of maps.

Standard library only: every start of Snakemake pays for this import.
"""

from __future__ import annotations

from typing import Any

from firstlevel import names

DESCRIPTION = "dataset_description.json"
SOFTWARE = "fmri-firstlevel"

MAPS_COLUMNS = (
    "subject_label",
    "task",
    "map_name",
    "effects_map_path",
    "variance_map_path",
    "mask_path",
    "n_runs",
    "n_runs_left_out",
)
"""Of the table of all maps: nilearn's names for a second level, and how many runs a map is from."""

NOT_IN_BIDS = (
    names.MAPS,
    names.MODEL,
    names.RUNS,
    names.SOURCES,
    names.STUDY_PAGE,
    names.PAGE,
    names.EVENTS_JSON,
    names.HEADERS,
    names.MEAN_OF_RUN,
    f"{names.RESULTS}/sub-{{subject}}/figures",
    *(f"{names.RESULTS}/{node}" for node in names.NODES),
)
"""Results that BIDS has no names for yet. The validator knows one * between two slashes, and no more."""


def ignored(sessions: bool, runs_kept: bool) -> list[str]:
    """Lines of .bidsignore, for a study with or without sessions whose resampled runs are kept or not."""
    patterns = list(NOT_IN_BIDS)
    if sessions:  # BIDS wants a folder for each session, not only its name in the file's
        patterns += [names.FIELD_OF_VIEW, names.RESAMPLED, names.EVENTS]
    if sessions or not runs_kept:  # no sidecar without its image
        patterns.append(names.RESAMPLED_JSON)
    return sorted(pattern.removeprefix(names.RESULTS).format(subject="*", run="*") for pattern in patterns)


def description(version: str, code_url: str | None) -> dict[str, Any]:
    """Content of dataset_description.json."""
    software = {"Name": SOFTWARE, "Version": version, **({"CodeURL": code_url} if code_url else {})}
    return {
        "Name": "First-level fMRI GLM",
        "BIDSVersion": "1.11.1",
        "DatasetType": "derivative",
        "GeneratedBy": [software],
    }
