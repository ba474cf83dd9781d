"""Files of a BIDS study that make no run: one row each, with the labels in the name and a reason.

Standard library.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from firstlevel.plan.runs import LEFT_OUT, LeftOut
from firstlevel.plan.sources import bids_choice, bids_files
from firstlevel.plan.sources.bids_files import LABEL, Entities, File, Level

ROW = ("sub", "ses", "task", "run")
"""Entities that name a row of the run table; all others choose one image for it."""
NOT_OF_SCAN = {*bids_files.OF_DERIVATIVES, "echo", "part"}
NO_LABEL = " is not a label of letters, digits and +"
NO_FOLDER = "the name of the folder" + NO_LABEL
ImageLevels = tuple[File, list[Level]]


def row(file: File, reason: str, status: str = LEFT_OUT) -> LeftOut:
    """Row of a file that makes no run."""
    labels = file.labels
    subject, session, task, run = (labels.get(entity) for entity in ROW)
    return LeftOut(file.path, reason, subject, session, task, run, status)


def fits(image: File, key: tuple[str, str]) -> bool:
    """Whether labels of an image are labels, and those of its folder."""
    entities = image.entities
    return (
        entities.get("sub") == key[0]
        and entities.get("ses", key[1]) == key[1]
        and LABEL.fullmatch(entities.get("run", "0")) is not None
    )


def stray(image: File, key: tuple[str, str], task: str, *, in_func: bool) -> str:
    """Why an image of the task is not a run of its folder; empty if it is of another task."""
    labels = image.labels
    for entity in ROW:
        if entity in labels and not LABEL.fullmatch(labels[entity]):
            return f"{entity}-{labels[entity]}{NO_LABEL}"
    if labels.get("task") != task:
        return ""
    if "sub" not in labels:
        return "its name has no sub-"
    if not in_func:
        return "is not in a folder func"
    return "" if fits(image, key) else "its name and its folder differ in subject or session"


def same_run(file: File, image: File) -> bool:
    """Whether a file is of the run of an image."""
    return all(file.entities.get(entity) == image.entities.get(entity) for entity in ROW)


def without_derivative(
    raw: Sequence[ImageLevels],
    own: Sequence[ImageLevels],
    derived: Mapping[tuple[str, str], list[Level]],
    choice: bids_choice.Choice,
) -> list[LeftOut]:
    """Raw runs without a preprocessed image."""
    there = {_scan(image) for image, _ in own}
    left_out = []
    for image, _ in raw:
        key = _scan(image)
        if key in there:
            continue
        there.add(key)
        reason, status = choice.not_of_subset(image) or ("has no preprocessed image", LEFT_OUT)
        levels = derived.get((image.entities["sub"], image.entities.get("ses", "")))
        if levels and (near := next((one for one in levels[-1].surfaces if same_run(one, image)), None)):
            reason += f" except a surface image ({near.name})"
        left_out.append(row(image, reason, status))
    return left_out


def _scan(image: File) -> frozenset[tuple[str, str]]:
    """Entities of what was scanned, without those of preprocessing and of what it combines."""
    return frozenset([pair for pair in image.entities.items() if pair[0] not in NOT_OF_SCAN])


def events_without_image(
    images: Sequence[ImageLevels],
    folders: Iterable[tuple[tuple[str, str], list[Level]]],
    task: str,
    choice: bids_choice.Choice,
) -> list[LeftOut]:
    """Events tables of the task that apply to no image."""
    everywhere = [image.entities for image, _ in images]
    of_subject: dict[str, list[Entities]] = defaultdict(list)
    for entities in everywhere:
        of_subject[entities["sub"]].append(entities)
    left_out = []
    seen: set[int] = set()
    for (subject, _), levels in folders:
        for depth, level in enumerate(levels):
            if id(level) in seen:
                continue
            seen.add(id(level))
            candidates = of_subject.get(subject, []) if depth else everywhere
            for table in level.events:
                own = table.entities
                if own.get("task", task) == task and not any(
                    own.items() <= one.items() for one in candidates
                ):
                    reason = choice.not_of_subset(table)
                    left_out.append(row(table, *(reason or ("no BOLD image belongs to this events table",))))
    return left_out
