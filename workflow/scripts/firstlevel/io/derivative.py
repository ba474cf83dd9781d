"""The results as a dataset of the BIDS standard (a derivative): its description, and its list of maps.

Standard library only: every start of Snakemake pays for this import.
"""

from __future__ import annotations

from typing import Any

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
    "/maps.tsv",
    "/report.html",
    "/runs.tsv",
    "/sourcedata.tsv",
    "/sub-*/figures",
    "/sub-*/report.html",
    "/sub-*/*_desc-mean_boldref.nii.gz",
    "/sub-*/*_clusters.tsv",
    "/sub-*/*_desc-quality_timeseries.json",
    "/sub-*/*_desc-quality_timeseries.tsv",
    "/sub-*/*_contrasts.tsv",
    "/sub-*/*_design.json",
    "/sub-*/*_design.tsv",
    "/sub-*/*_events.json",
    "/sub-*/*_glm.json",
    "/sub-*/*_headers.json",
    "/sub-*/*_inference.tsv",
    "/sub-*/*_quality.json",
    "/sub-*/*_quality.tsv",
    "/sub-*/*_statmap.json",
    "/sub-*/*_statmap.nii.gz",
)
"""Results that BIDS has no names for yet. The validator knows one * between two slashes, and no more."""


def ignored(sessions: bool, runs_kept: bool) -> list[str]:
    """Lines of .bidsignore, for a study with or without sessions whose resampled runs are kept or not."""
    patterns = list(NOT_IN_BIDS)
    if sessions:  # BIDS wants a folder for each session, not only its name in the file's
        images = ("/sub-*/*_desc-fov_mask.nii.gz", "/sub-*/*_desc-resampled_bold.nii")
        patterns += [*images, "/sub-*/*_events.tsv"]
    if sessions or not runs_kept:  # no sidecar without its image
        patterns.append("/sub-*/*_desc-resampled_bold.json")
    return sorted(patterns)


def description(version: str, code_url: str | None) -> dict[str, Any]:
    """Content of dataset_description.json."""
    software = {"Name": SOFTWARE, "Version": version, **({"CodeURL": code_url} if code_url else {})}
    return {
        "Name": "First-level fMRI GLM",
        "BIDSVersion": "1.11.1",
        "DatasetType": "derivative",
        "GeneratedBy": [software],
    }
