"""A BIDS folder as rows of the run table, from the names of its files alone.

No file is opened: a cluster parses the workflow anew in every job, and a study may have thousands of runs.
What a sidecar or a header says is read by the stage that needs it. Standard library.

Source: BIDS specification 1.10, file names (entities) and the inheritance principle.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from firstlevel import expressions, spm_affines, study
from firstlevel.stage import InputError
from firstlevel.study import LeftOut, Run

LABEL = re.compile("[A-Za-z0-9]+")
IMAGES = ("_bold.nii.gz", "_bold.nii")
CONFOUNDS = ("_desc-confounds_timeseries.tsv", "_desc-confounds_regressors.tsv")
ROW = ("sub", "ses", "task", "run")
"""Entities that name a row of the run table; all others choose one image for it."""
OF_DERIVATIVES = ("space", "res", "den", "desc")

Entities = Mapping[str, str]


@dataclass(frozen=True)
class _File:
    """A file by its path, its name and the entities in it."""

    path: str
    name: str
    entities: Entities
    is_link: bool


@dataclass(frozen=True)
class _Level:
    """The files of one folder that may hold for the runs below it."""

    events: Sequence[_File]
    sidecars: Sequence[_File]
    masks: Sequence[_File]
    confounds: Sequence[_File]
    images: Sequence[_File]
    affines: Sequence[_File]


def find_runs(config: Mapping[str, Any]) -> tuple[list[Run], list[LeftOut]]:
    """Rows of the run table that a BIDS study gives, and the images of it that are left out, each with why.

    Raises
    ------
    InputError : no such folder, an unknown task or subject (with the nearest known one), no run at all.
    """
    options = config["study"]["bids"]
    root = _root(options["path"], "study.bids.path")
    images_root = _root(options["derivatives"], "study.bids.derivatives") if options["derivatives"] else root
    subjects, left_out = _subjects(images_root, options)
    found = [(image, levels) for _, levels in _folders(images_root, subjects) for image in levels[-1].images]
    found = [(image, levels) for image, levels in found if "sub" in image.entities]
    own = [(image, levels) for image, levels in found if image.entities.get("task") == options["task"]]
    if not own:
        tasks = sorted({image.entities.get("task", "") for image, _ in found} - {""})
        raise InputError(
            f"config key study.bids.task ({images_root})",
            f"no BOLD image of task {options['task']!r}",
            expected=f"one of: {', '.join(tasks) or '(no BOLD image was found)'}",
            remedy=f"{expressions.suggestion(options['task'], tasks)}correct the task, or the folder",
        )
    chosen: list[tuple[_File, list[_Level]]] = []
    for image, levels in own:
        if reason := _not_asked_for(image.entities, options):
            left_out.append(LeftOut(image.path, reason))
        else:
            chosen.append((image, levels))
    raw = dict(_folders(root, subjects)) if images_root != root else {}
    runs = []
    for image, levels, reason in _one_per_row(chosen):
        run = reason or _run(image, levels, raw.get(_session_key(image.entities), []), config)
        if isinstance(run, str):
            left_out.append(LeftOut(image.path, run))
        else:
            runs.append(run)
    runs, bare = _one_form_of_labels(runs)
    left_out += bare
    with_image = {image.entities["sub"] for image, _ in own}
    left_out += [
        LeftOut(f"{images_root}/sub-{subject}", f"has no BOLD image of task {options['task']}")
        for subject in subjects
        if subject not in with_image
    ]
    if not runs:
        shown = "; ".join(sorted({f"{Path(one.path).name}: {one.reason}" for one in left_out})[:5])
        raise InputError(
            f"config key study.bids ({images_root})",
            f"no run is left of {len(own)} BOLD images of task {options['task']} ({shown})",
            expected="at least one run with its events",
            remedy="change what study.bids asks for, or add what is missing",
        )
    return sorted(runs, key=_in_order), sorted(left_out, key=lambda one: one.path)


def _one_form_of_labels(runs: Sequence[Run]) -> tuple[list[Run], list[LeftOut]]:
    """Runs without those that have no label beside others of their subject that have one."""
    labelled = {run.subject for run in runs if run.session or run.run}
    reason = "has no session or run label, as other runs of its subject have"
    bare = [run for run in runs if run.subject in labelled and not (run.session or run.run)]
    return [run for run in runs if run not in bare], [LeftOut(run.bold[0], reason) for run in bare]


def _root(path: str | None, key: str) -> Path:
    if path and Path(path).is_dir():
        return Path(study.plain(str(path), f"config key {key}", None))
    raise InputError(
        f"config key {key} ({Path(path).absolute() if path else 'not set'})",
        "there is no such folder",
        expected="the folder that holds sub-01, sub-02, ...",
        remedy="correct the path; it is relative to the working directory",
    )


def _subjects(root: Path, options: Mapping[str, Any]) -> tuple[list[str], list[LeftOut]]:
    """Labels of the subjects to analyse, and those that the config does not ask for."""
    with os.scandir(root) as entries:
        present = sorted(
            entry.name[4:]
            for entry in entries
            if entry.name.startswith("sub-") and LABEL.fullmatch(entry.name[4:]) and entry.is_dir()
        )
    for key in ("subjects", "exclude"):
        for label in options[key] or []:
            if label not in present:
                shown = ", ".join(present[:20]) + (", ..." if len(present) > 20 else "")
                raise InputError(
                    f"config key study.bids.{key} ({root})",
                    f"there is no subject {label!r}",
                    expected=f"labels without sub-, of: {shown or '(none was found)'}",
                    remedy=f"{expressions.suggestion(label.removeprefix('sub-'), present)}correct the label",
                )
    wanted = set(present if options["subjects"] is None else options["subjects"])
    asked = [s for s in present if s in wanted]
    excluded = set(options["exclude"] or [])
    left_out = [
        LeftOut(f"{root}/sub-{s}", "is not in study.bids.subjects") for s in set(present) - set(asked)
    ]
    left_out += [LeftOut(f"{root}/sub-{s}", "is in study.bids.exclude") for s in excluded & set(asked)]
    return [subject for subject in asked if subject not in excluded], left_out


def _not_asked_for(entities: Entities, options: Mapping[str, Any]) -> str:
    """Why the config does not ask for an image, or nothing where it does."""
    for entity, key in (("ses", "sessions"), ("run", "runs")):
        if options[key] is not None and entities.get(entity) not in options[key]:
            named = f"{entity}-{entities[entity]}" if entity in entities else f"an image without {entity}"
            return f"{named} is not in study.bids.{key}"
    space = entities.get("space")
    if space != options["space"]:
        asked = f"space-{options['space']}" if options["space"] else "images without space"
        return (
            f"is {f'in space-{space}' if space else 'in no named space'}; study.bids.space asks for {asked}"
        )
    for entity, label in options["entities"].items():
        if entities.get(entity) != label:
            return f"has not {entity}-{label}, which study.bids.entities asks for"
    return ""


def _session_key(entities: Entities) -> tuple[str, str]:
    return entities["sub"], entities.get("ses", "")


def _folders(root: Path, subjects: Iterable[str]) -> Iterator[tuple[tuple[str, str], list[_Level]]]:
    """Functional folders by subject and session, each as the levels from the root down to it."""
    top, present = _level(str(root))
    for subject in subjects:
        if f"sub-{subject}" not in present:
            continue
        own, folders = _level(f"{root}/sub-{subject}")
        if "func" in folders:
            yield (subject, ""), [top, own, _level(f"{root}/sub-{subject}/func")[0]]
        for session in (folder for folder in folders if folder.startswith("ses-")):
            above, inner = _level(f"{root}/sub-{subject}/{session}")
            if "func" in inner:
                yield (
                    (subject, session[4:]),
                    [top, own, above, _level(f"{root}/sub-{subject}/{session}/func")[0]],
                )


def _level(folder: str) -> tuple[_Level, list[str]]:
    """Files of a folder by what they are, and its subfolders."""
    kinds: dict[str, list[_File]] = {field.name: [] for field in fields(_Level)}
    folders = []
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            name = entry.name
            if name.startswith("."):  # of the system, such as ._sub-01_bold.json of macOS
                continue
            if "." not in name:
                folders.append(name)
            elif kind := _kind(name):
                kinds[kind].append(
                    _File(f"{folder}/{name}", name, study.entities_in(name), entry.is_symlink())
                )
    return _Level(**kinds), folders


def _kind(name: str) -> str:
    if name.endswith(IMAGES):
        return "images"
    if name.endswith(("_events.tsv", "_events.tsv.gz")):
        return "events"
    if name.endswith("_bold.json"):
        return "sidecars"
    if name.endswith("_bold" + spm_affines.SUFFIX):
        return "affines"
    if name.endswith(("_desc-brain_mask.nii.gz", "_desc-brain_mask.nii")):
        return "masks"
    return "confounds" if name.endswith(CONFOUNDS) else ""


def _one_per_row(
    chosen: Iterable[tuple[_File, list[_Level]]],
) -> Iterator[tuple[_File, list[_Level], str]]:
    """Images with the reason to leave them out, where several claim one row of the run table."""
    rows = defaultdict(list)
    for image, levels in chosen:
        rows[tuple(image.entities.get(entity) for entity in ROW)].append((image, levels))
    for claims in rows.values():
        preprocessed = [claim for claim in claims if claim[0].entities.get("desc") == "preproc"]
        kept = preprocessed if len(preprocessed) == 1 else claims
        for image, levels in claims:
            reason = ""
            if len(kept) > 1:
                other = next(claim[0] for claim in kept if claim[0] != image)
                differ = sorted(
                    entity
                    for entity in {**image.entities, **other.entities}
                    if image.entities.get(entity) != other.entities.get(entity)
                )
                reason = f"differs from {other.name} in {', '.join(differ) or 'its form'} only: "
                reason += "choose one with study.bids.entities"
            elif (image, levels) not in kept:
                reason = "desc-preproc is taken in its place"
            yield image, levels, reason


def _run(image: _File, levels: list[_Level], raw: list[_Level], config: Mapping[str, Any]) -> Run | str:
    """Row of an image, or the reason why it makes none."""
    entities = image.entities
    bad = [entity for entity in ROW if entity in entities and not LABEL.fullmatch(entities[entity])]
    if bad:
        return f"{bad[0]}-{entities[bad[0]]} is no label of letters and digits"
    folder = Path(image.path).parts
    if f"sub-{entities.get('sub')}" not in folder or (
        "ses" in entities and f"ses-{entities['ses']}" not in folder
    ):
        return "its name and its folder differ in subject or session"
    events = _nearest((level.events for level in [*raw, *levels]), entities)
    if not events and config["study"]["events"]["needed"]:
        return "has no events table"
    if len(events) > 1:
        return f"has two events tables: {events[0].name}, {events[1].name}"
    if broken := [file for file in (image, *events[:1]) if file.is_link and not Path(file.path).exists()]:
        return f"{broken[0].name} is a link to nothing (datalad get fetches it)"
    confounds = _nearest((level.confounds for level in levels), entities, ignored=OF_DERIVATIVES)
    if (key := study.confounds_key(config)) and len(confounds) != 1:
        return f"has no confounds table, and {key} asks for columns of it"
    masks = [mask for mask in levels[-1].masks if _but(mask.entities, "desc") == _but(entities, "desc")]
    if config["mask"] == "derivatives" and len(masks) != 1:
        return "has no desc-brain_mask beside it, and mask is derivatives"
    sidecars = [
        sidecar
        for level in [*raw, *levels]
        for sidecar in sorted(level.sidecars, key=lambda file: len(file.entities))
        if _applies(sidecar, entities)
    ]
    return Run(
        subject=entities["sub"],
        session=entities.get("ses"),
        task=entities["task"],
        run=entities.get("run"),
        bold=(image.path, *_affines_beside(image, levels[-1])),
        events=events[0].path if events else "",
        confounds=confounds[0].path if len(confounds) == 1 else None,
        repetition_time=config["study"]["repetition_time"],
        sidecars=tuple(sidecar.path for sidecar in sidecars),
        mask=masks[0].path if len(masks) == 1 else None,
    )


def _affines_beside(image: _File, level: _Level) -> list[str]:
    """The file in which SPM keeps the affines of a 4D image, where there is one."""
    name = spm_affines.name_beside(Path(image.path)).name
    return [file.path for file in level.affines if file.name == name]


def _nearest(
    levels: Iterable[Sequence[_File]], entities: Entities, ignored: Sequence[str] = ()
) -> list[_File]:
    """Files that hold for a run by inheritance: of the deepest folder, those that name it most closely."""
    for files in reversed(list(levels)):
        applying = [file for file in files if _applies(file, entities, ignored)]
        if applying:
            most = max(len(file.entities) for file in applying)
            return [file for file in applying if len(file.entities) == most]
    return []


def _applies(file: _File, entities: Entities, ignored: Sequence[str] = ()) -> bool:
    return all(
        entities.get(entity) == label for entity, label in file.entities.items() if entity not in ignored
    )


def _but(entities: Entities, left_out: str) -> dict[str, str]:
    return {entity: label for entity, label in entities.items() if entity != left_out}


def _in_order(run: Run) -> tuple[str, ...]:
    """Sort key: subject, session, run, in which run 2 comes before run 10."""
    number = (run.run or "").zfill(12)
    return run.subject, run.session or "", run.task, number
