"""A BIDS folder as rows of the run table, from the names of its files alone.

No file is opened but to see whether it was fetched: a cluster parses the workflow anew in every job, and a
study may have thousands of runs. What a sidecar or a header says is read by the stage that needs it.
Standard library.

Each image, events table and label folder that the study could mean is a run, or is listed with one reason.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from firstlevel import texts
from firstlevel.plan import fetched
from firstlevel.plan.runs import LEFT_OUT, NOT_SELECTED, LeftOut, Run, grouped, plain
from firstlevel.plan.sources import bids_choice, bids_files, bids_rows, bids_runs
from firstlevel.plan.sources.bids_files import LABEL, Entities, File, Level
from firstlevel.plan.sources.bids_rows import ImageLevels
from firstlevel.stage import InputError

FEW = 2000
"""Runs up to which files are always looked at: beyond it, sizes of a hundred thousand take longer than the
index, on a network disk a minute, and only a study that git keeps has pointers."""
ABOVE = "/"
"""In place of a session: the levels above all sessions of a subject."""


def session_of(config: Mapping[str, Any]) -> str | None:
    """Label of the session if a config selects just one, which is then part of the names of units, too.

    The maps of two configs, each for one session, so lie beside each other.
    """
    of_study = config["study"]
    sessions = of_study["bids"]["sessions"] if of_study["source"] == "bids" else None
    return sessions[0] if sessions and len(set(sessions)) == 1 else None


def find_runs(config: Mapping[str, Any]) -> tuple[list[Run], list[LeftOut]]:
    """Runs of a BIDS study, and files that make no run, each with the reason.

    Raises
    ------
    InputError : no such folder, an unknown task, subject, session, run, space or entity (with the nearest
        known one), an exclusion of nothing, no run at all.
    """
    options = config["study"]["bids"]
    root = _root(options["path"], "study.bids.path")
    derived_root = _root(options["derivatives"], "study.bids.derivatives") if options["derivatives"] else root
    choice = bids_choice.Choice(options)
    place, left_out = _subjects(list(dict.fromkeys((root, derived_root))), choice)
    subjects = list(place)
    derived, own, others = _images(derived_root, subjects, options["task"], left_out)
    raw: dict[tuple[str, str], list[Level]] = {}
    raw_images: list[ImageLevels] = []
    if derived_root != root:
        raw, raw_images, _ = _images(root, subjects, options["task"], left_out)
        raw |= {(subject, ABOVE): levels[:2] for (subject, _), levels in raw.items()}
        raw["", ABOVE] = [Level(str(root))]
    if not own:
        candidates = [*others, *(image for image, _ in raw_images)]
        raise _no_image(derived_root, options["task"], candidates, derived, _told(left_out))
    choice.check([image for image, _ in own], [image for image, _ in raw_images], subjects)
    chosen: list[ImageLevels] = []
    for image, levels in own:
        if refused := choice.refuses(image):
            left_out.append(bids_rows.row(image, *refused))
        else:
            chosen.append((image, levels))
    represented = {choice.run_of(image.entities) for image, _ in chosen}
    left_out = [_settled(row, choice, represented) for row in left_out]
    may_be_pointers = len(chosen) <= FEW or any(map(fetched.may_be_missing, (root, derived_root)))
    missing_content: dict[str, str] | None = {} if may_be_pointers else None
    runs = []
    for image, levels, reason in _one_per_row(chosen, choice):
        run = reason or bids_runs.run_of(
            image, levels, _raw_levels(raw, image.entities), config, missing_content
        )
        if isinstance(run, Run):
            runs.append(run)
        else:
            status = NOT_SELECTED if run == bids_choice.PREPROCESSED_TAKEN else LEFT_OUT
            left_out.append(bids_rows.row(image, run, status))
    runs, bare = _one_form_of_labels(runs, session_of(config))
    left_out += bare
    images = [*own, *raw_images]
    left_out += bids_rows.without_derivative(raw_images, own, derived, choice)
    left_out += bids_rows.events_without_image(
        images, [*derived.items(), *raw.items()], options["task"], choice
    )
    with_image = {image.entities.get("sub") for image, _ in images} | {row.subject for row in left_out}
    left_out += [
        LeftOut(place[subject], f"has no BOLD image of task {options['task']}", subject)
        for subject in subjects
        if subject not in with_image
    ]
    if not runs:
        raise InputError(
            f"config key study.bids ({derived_root})",
            f"no run is left of {len(own)} BOLD images of task {options['task']} ({_told(left_out)})",
            expected="at least one run with its events",
            remedy="change what study.bids selects, or add what is missing",
        )
    return sorted(runs, key=_in_order), sorted(left_out, key=lambda one: one.path)


def _raw_levels(raw: Mapping[tuple[str, str], list[Level]], entities: Entities) -> list[Level]:
    """Levels of the raw study that hold for an image, down to where it has the folders."""
    subject, session = entities["sub"], entities.get("ses", "")
    return raw.get((subject, session)) or raw.get((subject, ABOVE)) or raw.get(("", ABOVE), [])


def _told(left_out: Iterable[LeftOut]) -> str:
    """Reasons with their first example, the commonest first."""
    groups = [*grouped(left_out), *grouped(left_out, NOT_SELECTED)]
    told = []
    for _, group in groups[:6]:
        more = f" and {len(group) - 1} more" if len(group) > 1 else ""
        told.append(f"{Path(group[0].path).name}{more}: {group[0].reason}")
    return "; ".join(told)


def _settled(row: LeftOut, choice: bids_choice.Choice, represented: set[tuple[str | None, ...]]) -> LeftOut:
    """Mark an image of another form as not selected if its run has a selected image, else as left out."""
    if row.status != bids_choice.OTHER_FORM:
        return row
    name = row.path.rpartition("/")[2]
    has_image = choice.run_of(bids_files.entities_of(name.rpartition("_")[0])) in represented
    return row._replace(status=NOT_SELECTED if has_image else LEFT_OUT)


def _one_form_of_labels(runs: Sequence[Run], session: str | None) -> tuple[list[Run], list[LeftOut]]:
    """Leave out runs without a session or run label if other runs of their subject have one."""
    labelled = {run.subject for run in runs if run.is_labelled_beside(session)}
    reason = "has no session or run label, as other runs of its subject have"
    kept, bare = [], []
    for run in runs:
        if run.subject in labelled and not run.is_labelled_beside(session):
            bare.append(LeftOut(run.bold[0], reason, run.subject, run.session, run.task, run.run))
        else:
            kept.append(run)
    return kept, bare


def _root(path: str, key: str) -> Path:
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(
            f"config key {key} ({folder.absolute()})",
            "there is no such folder",
            expected="the folder that holds sub-01, sub-02, ...",
            remedy="correct the path; it is relative to the working directory",
        )
    holds = ("sub-*", "*events.tsv*") if key == "study.bids.path" else ("sub-*",)
    if not any(any(folder.glob(pattern)) for pattern in holds):
        below = sorted({str(inner.parent) for inner in folder.glob("*/sub-*")})
        raise InputError(
            f"config key {key} ({folder.absolute()})",
            "holds no folder sub-...",
            expected="the folder that holds sub-01, sub-02, ...",
            remedy=f"did you mean {below[0]}?" if below else "correct the path",
        )
    return Path(plain(path, f"config key {key}", None))


def _subjects(roots: Sequence[Path], choice: bids_choice.Choice) -> tuple[dict[str, str], list[LeftOut]]:
    """Folders of the subjects to analyse by label, and folders that are no subjects or not selected."""
    place: dict[str, str] = {}
    for root in roots:
        with os.scandir(root) as entries:
            for entry in entries:
                if entry.name.startswith("sub-") and entry.is_dir():
                    place.setdefault(entry.name[4:], f"{root}/{entry.name}")
    present = sorted(label for label in place if LABEL.fullmatch(label))
    labels = set(present)
    left_out = [LeftOut(path, bids_rows.NO_FOLDER) for label, path in place.items() if label not in present]
    options = choice.options
    for key, asked in (("subjects", options["subjects"] or []), ("exclude", choice.named_subjects)):
        for label in asked:
            if label not in labels:
                shown = ", ".join(present[:20]) + (", ..." if len(present) > 20 else "")
                raise InputError(
                    f"config key study.bids.{key} ({roots[-1]})",
                    f"there is no subject {label!r}",
                    expected=f"labels without sub-, of: {shown or '(none was found)'}",
                    remedy=f"{texts.suggestion(label.removeprefix('sub-'), present)}correct the label",
                )
    wanted = set(present if options["subjects"] is None else options["subjects"])
    kept = {}
    for label in present:
        if label not in wanted:
            reason = "is not in study.bids.subjects"
        elif label in choice.excluded_subjects:
            reason = "is in study.bids.exclude"
        else:
            kept[label] = place[label]
            continue
        left_out.append(LeftOut(place[label], reason, label, status=NOT_SELECTED))
    return kept, left_out


def _images(
    root: Path, subjects: Iterable[str], task: str, left_out: list[LeftOut]
) -> tuple[dict[tuple[str, str], list[Level]], list[ImageLevels], list[File]]:
    """Levels of each folder, its images of the task, and images of other tasks; strays become rows."""
    levels_of: dict[tuple[str, str], list[Level]] = {}
    own: list[ImageLevels] = []
    others: list[File] = []
    seen: set[int] = set()
    for key, levels, has_func in bids_files.folders(root, subjects):
        subject, session = key
        if session and not LABEL.fullmatch(session):
            left_out.append(
                LeftOut(
                    f"{root}/sub-{subject}/ses-{session}",
                    bids_rows.NO_FOLDER,
                    subject,
                )
            )
            continue
        levels_of[key] = levels
        for level in levels:
            in_func = has_func and level is levels[-1]
            if id(level) in seen or not level.images:
                continue
            seen.add(id(level))
            for image in level.images:
                if image.entities.get("task") == task and in_func and bids_rows.fits(image, key):
                    own.append((image, levels))
                elif reason := bids_rows.stray(image, key, task, in_func=in_func):
                    left_out.append(bids_rows.row(image, reason))
                else:
                    others.append(image)
    return levels_of, own, others


def _no_image(
    root: Path,
    task: str,
    images: Sequence[File],
    derived: Mapping[tuple[str, str], list[Level]],
    strays: str,
) -> InputError:
    """Make the error for a task without images, which lists what there is."""
    tasks = sorted({image.labels.get("task", "") for image in images} - {""})
    surfaces = [file for levels in derived.values() for file in levels[-1].surfaces]
    of_task = [file.name for file in surfaces if file.entities.get("task") == task]
    told = f"; {of_task[0]} is a surface image, which is not supported" if of_task else ""
    raw = "; the raw study has images of it, which were not preprocessed" if task in tasks else ""
    near = "" if task in tasks else texts.suggestion(task, tasks)
    return InputError(
        f"config key study.bids.task ({root})",
        f"no BOLD image of task {task!r}{told or raw or (f' ({strays})' if strays else '')}",
        expected="volumes (_bold.nii.gz)"
        if told or raw
        else f"one of: {', '.join(tasks) or '(no BOLD image was found)'}",
        remedy=f"{near}correct the task, or the folder",
    )


def _one_per_row(
    chosen: Iterable[ImageLevels], choice: bids_choice.Choice
) -> list[tuple[File, list[Level], str]]:
    """Images, each with a reason to leave it out if several belong to one run or its runs are unlike."""
    claims_of: dict[tuple[str | None, ...], list[ImageLevels]] = defaultdict(list)
    for image, levels in chosen:
        claims_of[choice.run_of(image.entities)].append((image, levels))
    settled: list[tuple[File, list[Level], str]] = []
    single: dict[str, list[ImageLevels]] = defaultdict(list)
    for claims in claims_of.values():
        preprocessed = [claim for claim in claims if claim[0].entities.get("desc") == "preproc"]
        kept = preprocessed if len(preprocessed) == 1 else claims
        if len(kept) == 1:
            single[kept[0][0].entities["sub"]].append(kept[0])
        for claim in claims:
            if len(kept) > 1:
                settled.append((*claim, choice.advice(claim[0], [image for image, _ in claims])))
            elif claim is not kept[0]:
                settled.append((*claim, bids_choice.PREPROCESSED_TAKEN))
    for of_subject in single.values():
        reason = choice.unlike([image for image, _ in of_subject])
        settled += [(image, levels, reason) for image, levels in of_subject]
    return settled


def _in_order(run: Run) -> tuple[Any, ...]:
    """Sort key: subject, session, run, in which run 2 comes before run 10."""
    number = (run.run or "").zfill(12)
    return run.subject, run.session or "", run.task, number, run.others
