"""The files of a BIDS folder by type, and which of them apply to which image.

No file is opened but to see whether it was fetched. Standard library.

Source: BIDS specification 1.10, file names (entities) and the inheritance principle.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from firstlevel import names
from firstlevel.plan import fetched

LABEL = re.compile("[A-Za-z0-9+]+")
INDICES = ("run", "echo")
"""Entities whose labels are whole numbers: run-1 and run-01 are one run."""
OF_DERIVATIVES = ("space", "cohort", "res", "den", "desc", "label", "variant")
"""Entities that preprocessing adds."""
ENDINGS = {
    "bold.nii.gz": "images",
    "bold.nii": "images",
    "preproc.nii.gz": "images",  # fMRIPrep 1.0 and 1.1: _bold_space-T1w_preproc.nii.gz
    "events.tsv": "events",
    "events.tsv.gz": "events",
    "bold.json": "sidecars",
    "mask.nii.gz": "masks",
    "mask.nii": "masks",
    "brainmask.nii.gz": "masks",
    "timeseries.tsv": "confounds",
    "regressors.tsv": "confounds",
    "confounds.tsv": "confounds",
    "bold.func.gii": "surfaces",
    "bold.dtseries.nii": "surfaces",
    "bold.mat": "affines",
}
ASKED = {
    "preproc.nii.gz": ("_bold_",),
    "mask.nii.gz": ("_desc-brain_", "_label-brain_"),
    "mask.nii": ("_desc-brain_", "_label-brain_"),
    "brainmask.nii.gz": ("_bold_",),
    "timeseries.tsv": ("_desc-confounds_",),
    "regressors.tsv": ("_desc-confounds_",),
    "confounds.tsv": ("_bold_",),
}
"""What a name of such an ending must hold besides."""

Entities = Mapping[str, str]


class File(NamedTuple):
    """A file by its path, its name and the entities in it, in which indices are without leading zeros."""

    path: str
    name: str
    entities: dict[str, str]
    is_link: bool

    @property
    def labels(self) -> dict[str, str]:
        """Entities as they are written."""
        for entity in INDICES:
            if entity in self.entities and f"_{entity}-{self.entities[entity]}_" not in self.name:
                return names.entities_in(self.name)
        return self.entities

    def fetched_by(self, missing_content: dict[str, str] | None) -> str:
        """Name the command that fetches the content of the file; empty if the content is there.

        `missing_content` holds the answers for files seen before, by path; with None only links are examined.
        """
        if missing_content is None:
            return fetched.missing(self.path, is_link=True) if self.is_link else ""
        if (command := missing_content.get(self.path)) is None:
            command = missing_content[self.path] = fetched.missing(self.path, is_link=self.is_link)
        return command


NONE: Sequence[File] = ()


class Level:
    """The files of one folder that may apply to the runs below it."""

    def __init__(self, folder: str) -> None:
        self.folders: list[str] = []
        kinds: dict[str, list[File]] = {}
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=attrgetter("name")):
                name = entry.name
                if name[0] == ".":  # of the system, such as ._sub-01_bold.json of macOS
                    continue
                if "." not in name:
                    self.folders.append(name)
                    continue
                start, _, ending = name.rpartition("_")
                if kind := ENDINGS.get(ending):
                    if ending in ASKED and not any(part in f"{start}_" for part in ASKED[ending]):
                        continue
                    file = File(f"{folder}/{name}", name, entities_of(start), entry.is_symlink())
                    kinds.setdefault(kind, []).append(file)
        self.events = kinds.get("events", NONE)
        self.sidecars = kinds.get("sidecars", NONE)
        self.masks = kinds.get("masks", NONE)
        self.confounds = kinds.get("confounds", NONE)
        self.images = kinds.get("images", NONE)
        self.surfaces = kinds.get("surfaces", NONE)
        self.affines = kinds.get("affines", NONE)


class _Pairs(dict[str, tuple[str, str]]):
    """Entity and label of a part of a name, each worked out once: names repeat them."""

    def __missing__(self, part: str) -> tuple[str, str]:
        entity, dash, label = part.partition("-")
        self[part] = pair = (entity, same(entity, label)) if dash else ("", "")
        return pair


_PAIRS = _Pairs()


def entities_of(start: str) -> dict[str, str]:
    """Entities of a file name, by which files are compared: run-01 is run-1."""
    entities = dict(map(_PAIRS.__getitem__, start.split("_")))
    entities.pop("", None)
    return entities


def same(entity: str, label: str) -> str:
    """Label in the form that all ways to write it share: an index without leading zeros."""
    if entity in INDICES and label[:1] == "0" and label.isdecimal():
        return label.lstrip("0") or "0"
    return label


def folders(root: Path, subjects: Iterable[str]) -> Iterator[tuple[tuple[str, str], list[Level], bool]]:
    """Folders of subjects and sessions, each as the levels from the root down to its func, if it has one."""
    top = Level(str(root))
    present = set(top.folders)
    for subject in subjects:
        if f"sub-{subject}" not in present:
            continue
        here = f"{root}/sub-{subject}"
        own = Level(here)
        sessions = [folder for folder in own.folders if folder.startswith("ses-")]
        if "func" in own.folders:
            yield (subject, ""), [top, own, Level(f"{here}/func")], True
        elif not sessions:
            yield (subject, ""), [top, own], False
        for session in sessions:
            above = Level(f"{here}/{session}")
            has_func = "func" in above.folders
            inner = [Level(f"{here}/{session}/func")] if has_func else []
            yield (subject, session[4:]), [top, own, above, *inner], has_func


def nearest(levels: Sequence[Sequence[File]], entities: Entities, ignored: Sequence[str] = ()) -> list[File]:
    """Files that apply to a run by inheritance: in the deepest folder, those with most entities."""
    for files in reversed(levels):
        holding = (
            [file for file in files if but(file.entities, *ignored).items() <= entities.items()]
            if ignored
            else [file for file in files if file.entities.items() <= entities.items()]
        )
        if holding:
            most = max(len(file.entities) for file in holding)
            return [file for file in holding if len(file.entities) == most]
    return []


def nearly(files: Iterable[File], entities: Entities) -> tuple[File, list[str]] | None:
    """The file that differs from an image in one entity only, and this entity; None if there is none."""
    for file in files:
        differ = [entity for entity, label in file.entities.items() if entities.get(entity) != label]
        if len(differ) == 1 and differ[0] not in ("sub", "ses", "task"):
            return file, differ
    return None


def but(entities: Entities, *left_out: str) -> dict[str, str]:
    """Entities without some of them."""
    return {entity: label for entity, label in entities.items() if entity not in left_out}


def masks_of(image: File, masks: Sequence[File]) -> list[File]:
    """Brain masks of an image: with the same entities, or else with fewer or other ones for the same scan.

    Echoes and parts of one scan have one mask; fMRIPrep names the resolution in the mask, and not in images
    that ICA-AROMA made beside it.
    """
    expected = {**image.entities, "desc": "brain"}
    if matches := [mask for mask in masks if mask.entities == expected]:
        return matches
    forms = ("desc", "label")
    for less in (
        forms,
        (*forms, "echo", "part", "variant"),
        (*forms, "echo", "part", "variant", "res", "den"),
    ):
        wanted = but(image.entities, *less)
        if matches := [mask for mask in masks if but(mask.entities, *less) == wanted]:
            return matches
    return []
