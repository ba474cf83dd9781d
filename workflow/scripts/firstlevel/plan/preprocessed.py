"""Preprocessed data: the software that made them, and the anatomical image in their space.

Read from names and ``dataset_description.json`` as BIDS derivatives have them. Standard library.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firstlevel import names, texts
from firstlevel.io import sidecars
from firstlevel.plan import fetched
from firstlevel.plan.runs import Run
from firstlevel.stage import InputError

IMAGES = ("_desc-preproc_T1w.nii.gz", "_desc-preproc_T1w.nii")


def folder_of(config: Mapping[str, Any]) -> Path | None:
    """Folder of a study's preprocessed images; None where they are raw, or not of a BIDS study."""
    of_bids = config["study"]["bids"]
    if config["study"]["source"] != "bids" or not (of_bids["derivatives"] or of_bids["space"]):
        return None
    return Path(of_bids["derivatives"] or of_bids["path"])


def generated_by(folder: Path) -> list[str]:
    """Names and versions of the software that made a dataset, from its description; none if it lacks them.

    BIDS 1.4 and later have ``GeneratedBy``, older fMRIPrep ``PipelineDescription``.
    """
    try:
        description = sidecars.read_json(folder / "dataset_description.json")
    except (OSError, InputError):
        return []
    listed = (
        description.get("GeneratedBy", description.get("PipelineDescription"))
        if isinstance(description, dict)
        else None
    )
    makers = [one for one in (listed if isinstance(listed, list) else [listed]) if isinstance(one, dict)]
    return [
        " ".join(str(part) for part in (one["Name"], one.get("Version")) if part)
        for one in makers
        if one.get("Name")
    ]


def t1w_of(config: Mapping[str, Any], run: Run) -> str | None:
    """Path of a subject's preprocessed T1w in the space of a run; None where there is none.

    Of several the one of the run's session is taken, then that of its resolution, then the first by name.
    Images in the space T1w lie on the image that names no space. Content that was not fetched does not count.
    """
    root, space = folder_of(config), config["study"]["bids"]["space"]
    if root is None or space is None:
        return None
    subject = root / f"sub-{run.subject}"
    folders = [subject / "anat", *sorted(subject.glob("ses-*/anat"))]
    images = [
        str(path)
        for folder in folders
        if folder.is_dir()
        for path in folder.iterdir()
        if path.name.endswith(IMAGES) and not texts.odd_in(path.name)
    ]
    in_space = {None, "T1w"} if space == "T1w" else {space}
    own = names.entities_in(Path(run.images[0]).name)

    def far(path: str) -> tuple[bool, bool, bool, int, str]:
        entities = names.entities_in(Path(path).name)
        return (
            entities.get("ses") != run.session,
            "ses" in entities,
            entities.get("res") != own.get("res"),
            len(entities),
            path,
        )

    candidates = [path for path in images if names.entities_in(Path(path).name).get("space") in in_space]
    there = [path for path in candidates if Path(path).is_file() and not fetched.missing(path)]
    return min(there, key=far, default=None)
