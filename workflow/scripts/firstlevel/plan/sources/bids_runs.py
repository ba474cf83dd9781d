"""The run of one image of a BIDS study: its events, sidecars, confounds and mask. Standard library."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firstlevel import names, texts
from firstlevel.io import spm_affines
from firstlevel.plan import fetched
from firstlevel.plan.model import confounds_key
from firstlevel.plan.runs import Run
from firstlevel.plan.sources import bids_files, bids_rows
from firstlevel.plan.sources.bids_files import File, Level


def run_of(
    image: File,
    levels: list[Level],
    raw: list[Level],
    config: Mapping[str, Any],
    missing_content: dict[str, str] | None,
) -> Run | str:
    """Row of an image, or the reason why it makes none; `missing_content` as of :meth:`File.fetched_by`."""
    entities = image.entities
    all_levels = [*raw, *levels]
    own = config["study"]["design"]  # which needs no events, nor that there is one table of them
    events = [] if own else bids_files.nearest([level.events for level in all_levels], entities)
    if not events and config["study"]["events"]["needed"] and not own:
        near = bids_files.nearly((file for level in all_levels for file in level.events), entities)
        told = f" ({near[0].name} differs in {near[1][0]})" if near else ""
        if (
            len(raw) > 1
            and "ses" not in entities
            and (session := [f for f in raw[1].folders if f.startswith("ses-")])
        ):
            told = f" (the raw study has {session[0]}, and the name of this image has no session)"
        return f"has no events table{told}"
    if len(events) > 1:
        return f"has two events tables: {events[0].name}, {events[1].name}"
    tables = [level.confounds for level in levels]
    confounds = bids_files.nearest(tables, {**entities, "desc": "confounds"})
    confounds = confounds or bids_files.nearest(tables, entities, bids_files.OF_DERIVATIVES)
    if (key := confounds_key(config)) and not confounds:
        return f"has no confounds table, and {key} asks for columns of it"
    if key and len(confounds) > 1:
        return f"has two confounds tables: {confounds[0].name}, {confounds[1].name}"
    masks = bids_files.masks_of(image, levels[-1].masks)
    if own_mask := config["mask"] == "derivatives":
        if not masks:
            other = next((mask for mask in levels[-1].masks if bids_rows.same_run(mask, image)), None)
            there = f" (there is {other.name})" if other else ""
            return f"has no desc-brain_mask beside it, and mask is derivatives{there}"
        if len(masks) > 1:
            return f"has two masks: {masks[0].name}, {masks[1].name}"
    sidecars = [
        sidecar
        for level in all_levels
        for sidecar in (sorted(level.sidecars, key=_n_entities) if level.sidecars else ())
        if sidecar.entities.items() <= entities.items()
    ]
    read = (image, *events[:1], *sidecars, *confounds[:1], *(masks if own_mask else ()))
    for file in read:
        if (missing_content is not None or file.is_link) and (by := file.fetched_by(missing_content)):
            return f"{file.name} is a broken link ({by})"
        if missing_content is not None and not Path(file.path).is_file():
            return f"{file.name} is a folder, a pipe or a device, not a file"
    if confounds and config["confounds"]["fmriprep"]["strategy"]:
        sidecar = Path(confounds[0].path).with_suffix(".json")
        if by := fetched.missing(str(sidecar)):
            return f"{sidecar.name} is a broken link ({by})"
    affines = _affines_beside(image, levels[-1])
    for name in (*(file.name for file in read), *map(os.path.basename, affines)):
        if odd := texts.odd_in(name):
            return f"{name} {odd}: rename it"
    labels = image.labels
    return Run(
        subject=labels["sub"],
        session=labels.get("ses"),
        task=labels["task"],
        run=labels.get("run"),
        bold=(image.path, *affines),
        events=events[0].path if events else "",
        confounds=confounds[0].path if len(confounds) == 1 else None,
        repetition_time=config["study"]["repetition_time"],
        sidecars=tuple([sidecar.path for sidecar in sidecars]),
        mask=masks[0].path if len(masks) == 1 else None,
        others=tuple(
            (entity, labels[entity])
            for entity in names.OTHERS
            if entity in config["study"]["bids"]["run_entities"] and entity in labels
        ),
    )


def _n_entities(file: File) -> int:
    return len(file.entities)


def _affines_beside(image: File, level: Level) -> list[str]:
    """The file in which SPM keeps the affines of a 4D image, where there is one."""
    if not level.affines:
        return []
    name = spm_affines.name_beside(Path(image.path)).name
    return [file.path for file in level.affines if file.name == name]
