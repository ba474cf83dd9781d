"""Which images of a BIDS study the config selects, and advice where the selection is ambiguous.

Standard library.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from firstlevel import names, texts
from firstlevel.plan.runs import NOT_SELECTED
from firstlevel.plan.sources.bids_files import Entities, File, same
from firstlevel.stage import InputError

OTHER_FORM = "other form"
"""Status of an image whose run may have another image that is asked for."""
PREPROCESSED_TAKEN = "desc-preproc is used instead"
ACQUISITION = ("acq", "ce", "dir")
"""Entities of what was scanned; others are forms of one scan."""
SHORT = {"subject": "sub", "session": "ses"}


class Choice:
    """The part of a config that chooses among images."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = options
        self.others = [entity for entity in names.OTHERS if entity in options["run_entities"]]
        excluded = options["exclude"] or []
        self.rules = [
            {SHORT.get(key, key): same(SHORT.get(key, key), str(label)) for key, label in rule.items()}
            for rule in excluded
            if not isinstance(rule, str)
        ]
        self.excluded_subjects = [rule for rule in excluded if isinstance(rule, str)]
        self.excluded_subjects += [rule["sub"] for rule in self.rules if list(rule) == ["sub"]]
        self.rules = [rule for rule in self.rules if list(rule) != ["sub"]]
        self.named_subjects = [*self.excluded_subjects, *(r["sub"] for r in self.rules if "sub" in r)]
        self.runs = None if options["runs"] is None else {same("run", run) for run in options["runs"]}
        self.entities = {
            entity: None if label in (None, "") else same(entity, str(label))
            for entity, label in options["entities"].items()
        }
        parts = (options["space"] or "").replace("_", ":").split(":")
        self.space = parts[0] or None
        for part in parts[1:]:  # MNIPediatricAsym:cohort-1, as TemplateFlow and fMRIPrep write it
            entity, _, label = part.partition("-")
            self.entities.setdefault(entity, label)

    def run_of(self, entities: Entities) -> tuple[str | None, ...]:
        """Labels that identify a run."""
        others = [entities.get(entity) for entity in self.others]
        return (entities["sub"], entities.get("ses"), entities.get("run"), *others)

    def not_of_subset(self, file: File) -> tuple[str, str] | None:
        """Why sessions, runs and exclusions leave out a file, and its status; None where they do not."""
        entities, options = file.entities, self.options
        session = entities.get("ses")
        if options["sessions"] is not None and session not in options["sessions"]:
            return f"{_named('ses', session)} is not in study.bids.sessions", NOT_SELECTED
        if self.runs is not None and entities.get("run") not in self.runs:
            return f"{_named('run', file.labels.get('run'))} is not in study.bids.runs", NOT_SELECTED
        if any(rule.items() <= entities.items() for rule in self.rules):
            return "is in study.bids.exclude", NOT_SELECTED
        return None

    def refuses(self, image: File) -> tuple[str, str] | None:
        """Why the config does not ask for an image, and its status; None where it does."""
        if reason := self.not_of_subset(image):
            return reason
        entities = image.entities
        space = entities.get("space")
        if space != self.space:
            asked = f"space-{self.options['space']}" if self.space else "images without space"
            space_of_image = f"in space-{space}" if space else "in no named space"
            return f"is {space_of_image}; study.bids.space asks for {asked}", OTHER_FORM
        for entity, label in self.entities.items():
            if entities.get(entity) != label:
                status = NOT_SELECTED if entity in ACQUISITION else OTHER_FORM
                if label is None:
                    return f"has {entity}-{entities[entity]}; study.bids.entities asks for none", status
                return f"does not have {entity}-{label}, which study.bids asks for", status
        return None

    def check(self, images: Sequence[File], raw: Sequence[File], subjects: Sequence[str]) -> None:
        """Raise an InputError if a selected label does not occur, with the nearest one that does."""
        every = [*images, *raw]
        for key, entity in (("sessions", "ses"), ("runs", "run")):
            labels = _labels(every, entity)
            for label in self.options[key] or []:
                if same(entity, label) not in {same(entity, one) for one in labels}:
                    raise _nowhere(key, f"{entity}-{label}", label, labels)
        spaces = _labels(images, "space")
        if self.space and self.space not in spaces:
            raise _nowhere("space", f"space-{self.space}", self.space, spaces)
        if not self.space and all("space" in image.entities for image in images):
            raise InputError(
                "config key study.bids.space",
                "is null, and every image of the task is in a named space",
                expected=f"one of: {', '.join(spaces)}",
                remedy="set study.bids.space",
            )
        entities = {entity for image in images for entity in image.entities}
        for entity, label in self.entities.items():
            if label is None:
                continue
            if entity not in entities:
                raise _nowhere("entities", f"the entity {entity!r}", entity, sorted(entities))
            labels = _labels(images, entity)
            labels += ["null (without it)"] * any(entity not in image.entities for image in images)
            if label not in {same(entity, one) for one in labels}:
                raise _nowhere("entities", f"{entity}-{label}", label, labels)
        for rule in self.rules:
            if rule.get("sub", subjects[0]) in subjects and not any(
                rule.items() <= image.entities.items() for image in every
            ):
                text = ", ".join(f"{entity}-{label}" for entity, label in rule.items())
                near = next(
                    (f"{e}-{label}" for e, label in rule.items() if label not in _labels(every, e)), ""
                )
                raise InputError(
                    "config key study.bids.exclude",
                    f"no image of the task has {text}",
                    expected="labels of an image that is there",
                    remedy=f"correct {near or 'the labels'}, or take the entry out",
                )

    def advice(self, image: File, claims: Sequence[File]) -> str:
        """Advice if several images belong to one run."""
        other = next(claim for claim in claims if claim is not image)
        differ = [e for e in _union((image, other)) if image.entities.get(e) != other.entities.get(e)]
        if not differ:
            if image.labels != other.labels:
                written = f"{', '.join(_differently_written(image, other))}"
                reason = f"differs from {other.name} only in how {written} is written: "
                return f"{reason}indices are whole numbers, so both name one run; rename or remove one"
            return f"differs from {other.name} in file format only: remove one of the two"
        every = [e for e in _union(claims) if len({claim.entities.get(e) for claim in claims}) > 1]
        reason = f"differs from {other.name} in {', '.join(sorted(differ))} only: "
        reason += f"choose one with study.bids.entities: {{{', '.join(_example(e, claims) for e in every)}}}"
        if apart := [entity for entity in names.OTHERS if entity in every]:
            reason += f", or, if they are runs, study.bids.run_entities: [run, {', '.join(apart)}]"
        return reason

    def unlike(self, images: Sequence[File]) -> str:
        """Why the runs of a subject should not be combined without being asked for; empty if they may."""
        told_apart = {"sub", "ses", "task", "run", "dir", *self.others}
        first = images[0].entities
        differ = [
            entity
            for entity in _union(images)
            if entity not in told_apart and any(i.entities.get(entity) != first.get(entity) for i in images)
        ]
        if not differ:
            return ""
        entity = differ[0]
        labels = sorted({image.entities.get(entity) or "none" for image in images})
        reason = f"runs of its subject differ in {entity} ({', '.join(labels)}): "
        reason += f"choose with study.bids.entities: {{{_example(entity, images)}}}"
        if entity in names.OTHERS:
            reason += f", or take all as runs of one model with study.bids.run_entities: [run, {entity}]"
        return reason


def _example(entity: str, images: Iterable[File]) -> str:
    labels = sorted({image.entities.get(entity) or "" for image in images})
    return f"{entity}: " + " or ".join(f"'{label}'" if label else "null" for label in labels)


def _union(images: Iterable[File]) -> list[str]:
    return list(dict.fromkeys(entity for image in images for entity in image.entities))


def _differently_written(image: File, other: File) -> list[str]:
    mine, its = image.labels, other.labels
    return [entity for entity in mine if mine[entity] != its.get(entity)]


def _named(entity: str, label: str | None) -> str:
    return f"{entity}-{label}" if label is not None else f"a file without {entity}"


def _labels(images: Iterable[File], entity: str) -> list[str]:
    """Labels of an entity, as they are compared."""
    return sorted({image.entities[entity] for image in images if entity in image.entities})


def _nowhere(key: str, what: str, label: str, labels: Sequence[str]) -> InputError:
    shown = ", ".join(labels[:20]) + (", ..." if len(labels) > 20 else "")
    return InputError(
        f"config key study.bids.{key}",
        f"no image of the task has {what}",
        expected=f"one of: {shown or '(images without it: null)'}",
        remedy=f"{texts.suggestion(label, labels)}correct the label",
    )
