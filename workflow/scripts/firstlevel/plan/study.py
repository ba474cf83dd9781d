"""A study as a table of runs.

A study comes by name (simulated, spm_multimodal), as a table or as a BIDS folder; each only makes rows of the
run table.
Standard library: every start of Snakemake pays for this import.
"""

from __future__ import annotations

import glob
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from firstlevel import texts
from firstlevel.io import events as events_of
from firstlevel.io import given_designs, spm_affines, tables
from firstlevel.plan import fetched
from firstlevel.stage import InputError

FACES = ("faces", "scrambled")
"""Conditions of the studies that come by name."""
TRUNK = "sub001"
NAME = re.compile(r"\bsub-[^\s,;:()]+")
COMPANIONS = (".hdr", spm_affines.SUFFIX)
"""What lies beside an image: the header of a pair, SPM's affines."""
IMAGES = (".nii", ".nii.gz", ".img")
"""What of a folder is a volume."""
OTHERS = ("acq", "ce", "rec", "dir")
"""Entities that may tell runs apart beside run, in the order of file names, where they stand before it."""
WORDS = ("epi", "derivatives", "auto", "mean", "T1w")
"""What the keys mask and figures.background say in place of a path."""
LEFT_OUT, NOT_SELECTED = "left out", "not selected"
"""What becomes of that which makes no run: it should, or the config does not ask for it."""


@dataclass(frozen=True)
class Run:
    """One row of the run table.

    Attributes
    ----------
    subject, session, task, run : labels; session and run may be absent.
    bold : a 4D image, or 3D images in time order, each with what lies beside it (the ``.hdr`` of a pair,
        a ``.mat`` of its name, where SPM keeps affines); or one folder of 3D images.
    events : events table (``.tsv``), SPM's multiple conditions (``.mat``), or a folder or pattern of FSL's or
        AFNI's files, one per condition; empty where the model needs none.
    confounds : table of confounds, one row per scan.
    repetition_time : seconds; None leaves it to header and sidecars, which must agree; the name of one of
        them (``header``, ``sidecar``) decides for it.
    sidecars : JSON files that hold for the run, the nearest last.
    mask : the run's own brain mask.
    others : further entities that tell the run apart from others, such as ``("dir", "LR")``.
    onset_unit : ``s`` or ``scans``; None stands for s in events tables and for scans in ``.mat`` files.
    design : a ready-made design matrix, which is taken as it is; events are none then.
    design_part : which session of that file is the run's, and how many runs of its subject name the file.
    """

    subject: str
    session: str | None
    task: str
    run: str | None
    bold: tuple[str, ...]
    events: str
    confounds: str | None
    repetition_time: float | str | None
    sidecars: tuple[str, ...] = ()
    mask: str | None = None
    onset_unit: str | None = None
    others: tuple[tuple[str, str], ...] = ()
    design: str | None = None
    design_part: tuple[int, int] = (1, 1)

    @property
    def label(self) -> str | None:
        """What tells the run apart within its session: 1, or dir-LR_run-1 where others do, too."""
        return run_label({**dict(self.others), **({"run": self.run} if self.run else {})})

    def is_labelled_beside(self, session: str) -> bool:
        """Whether its names differ from those of its subject, which may have the session, too."""
        return self.label is not None or (self.session is not None and not session)

    @property
    def name(self) -> str:
        """Labels as a reader says them."""
        return ", ".join(f"{entity} {label}" for entity, label in self.entities.items())

    @property
    def images(self) -> tuple[str, ...]:
        """The images of the run, without what lies beside them."""
        return tuple(file for file in self.bold if not file.endswith(COMPANIONS))

    @property
    def first(self) -> tuple[str, ...]:
        """The first image, with what lies beside it."""
        beside = itertools.takewhile(lambda file: file.endswith(COMPANIONS), self.bold[1:])
        return (self.bold[0], *beside)

    @property
    def entities(self) -> dict[str, str]:
        """Labels by BIDS entity name, without the absent ones."""
        labels = {"subject": self.subject, "session": self.session, "task": self.task}
        labels |= {**dict(self.others), "run": self.run}
        return {entity: label for entity, label in labels.items() if label is not None}

    @property
    def wildcards(self) -> dict[str, str]:
        """Values of the wildcards in file names, where session and run bear their prefix or are nothing.

        The run is all that tells it apart within its session: _dir-LR_run-1.
        """
        session = f"_ses-{self.session}" if self.session is not None else ""
        run = "".join(f"_{entity}-{label}" for entity, label in self.others)
        run += f"_run-{self.run}" if self.run is not None else ""
        return {"subject": self.subject, "session": session, "task": self.task, "run": run}


def entities_in(name: str) -> dict[str, str]:
    """Entities of a file name: sub-01_task-faces_bold.nii.gz gives sub and task."""
    return dict(part.split("-", 1) for part in name.partition(".")[0].split("_") if "-" in part)


def run_label(entities: Mapping[str, str]) -> str | None:
    """Label of a run, with the other entities that tell it apart where there are any."""
    others = [f"{entity}-{entities[entity]}" for entity in OTHERS if entity in entities]
    if not others:
        return entities.get("run")
    return "_".join([*others, *([f"run-{entities['run']}"] if "run" in entities else [])])


class LeftOut(NamedTuple):
    """A file or folder of a study that makes no run, and why; labels where its name says them."""

    path: str
    reason: str
    subject: str | None = None
    session: str | None = None
    task: str | None = None
    run: str | None = None
    status: str = LEFT_OUT


def run_table(config: Mapping[str, Any], data: str) -> tuple[list[Run], list[LeftOut]]:
    """Rows of the study that a checked config describes, and what of it is left out.

    Parameters
    ----------
    config : with all defaults filled in.
    data : folder (or path variable) of what the workflow itself makes or fetches.
    """
    study = config["study"]
    left_out: list[LeftOut] = []
    if study["source"] == "table":
        needed = study["events"]["needed"]
        needed = needed and not study["design"]
        runs = _rows_of_table(Path(study["table"]), study["repetition_time"], needs_events=needed)
    elif study["source"] == "bids":
        from firstlevel.plan import bids

        runs, left_out = bids.find_runs(config)
    else:
        return _with_designs(study["design"], _named_runs(study, data))
    runs, without_design = _with_designs(study["design"], runs, needed=study["source"] == "table")
    left_out = [*left_out, *without_design]
    if study["events"]["needed"]:
        runs, without = _with_events(runs)
        left_out = [*left_out, *without]
    if study["on_missing"] == "error":
        nothing_missing(left_out)
    numbers = [run for run in runs if isinstance(run.repetition_time, int | float)]
    if study["repetition_time_decides"] and not numbers:
        raise InputError(
            "config key study.repetition_time_decides",
            "is true, and no number is given that could decide",
            expected="study.repetition_time in seconds, or the column repetition_time of the run table",
            remedy="set it; study.repetition_time: header (or sidecar) lets one of these decide",
        )
    return runs, left_out


def inputs(config: Mapping[str, Any], runs: Iterable[Run]) -> Iterator[str]:
    """Every file and folder that the user gives, by its path: of the config, then of the runs."""
    of_study = config["study"]
    of_bids = of_study["bids"] if of_study["source"] == "bids" else {}
    given = [of_study["path"], of_study["table"], of_bids.get("path"), of_bids.get("derivatives")]
    given += [path for path in (config["mask"], config["figures"]["background"]) if path not in WORDS]
    yield from filter(None, given)
    if of_study["source"] in ("table", "bids"):
        for run in runs:
            yield from (
                *run.bold,
                *filter(None, (run.events, run.confounds, run.mask, run.design)),
                *run.sidecars,
            )


def made(config: Mapping[str, Any], runs: Iterable[Run]) -> list[Run]:
    """Runs whose images a rule makes or fetches, one folder each."""
    by_name = config["study"]["source"] not in ("table", "bids") and not config["study"]["path"]
    return list(runs) if by_name else []


def grouped(left_out: Iterable[LeftOut], status: str = LEFT_OUT) -> list[tuple[str, list[LeftOut]]]:
    """What makes no run by reason, the commonest first; names of files in reasons do not tell them apart."""
    groups: dict[str, list[LeftOut]] = {}
    for one in left_out:
        if one.status == status:
            groups.setdefault(NAME.sub("sub-...", one.reason), []).append(one)
    told = [(group[0].reason if len(group) == 1 else reason, group) for reason, group in groups.items()]
    return sorted(told, key=lambda one: -len(one[1]))


def nothing_missing(left_out: Sequence[LeftOut]) -> None:
    """Raise InputError where something is left out, with the reasons and how often."""
    if groups := grouped(left_out):
        told = "; ".join(f"{len(group)} x {reason} ({Path(group[0].path).name})" for reason, group in groups)
        raise InputError(
            "config key study.on_missing",
            f"is error, and {sum(len(group) for _, group in groups)} files or folders make no run: {told}",
            expected="a run of every image, events table and subject that study.bids asks for",
            remedy="complete them, name them in study.bids.exclude, or set study.on_missing: warn",
        )


def _with_events(runs: list[Run]) -> tuple[list[Run], list[LeftOut]]:
    """Runs but for those whose table of events is a header alone, and these with the reason."""
    bare = {events for events in {run.events for run in runs} if events_of.only_header(events)}
    kept = [run for run in runs if run.events not in bare]
    reason = "has no events: {} is a header alone (study.events.needed: false makes models without events)"
    without = [
        LeftOut(
            run.bold[0],
            reason.format(texts.public(Path(run.events), "its table of events")),
            *(run.subject, run.session, run.task, run.label),
        )
        for run in runs
        if run.events in bare
    ]
    if runs and not kept:
        raise InputError(
            runs[0].events,
            f"has no events, it is a header alone, as in all {len(runs)} runs",
            expected="one row per event, with onset and trial type",
            remedy="add the events; a model of confounds alone is study.events.needed: false",
        )
    return kept, without


def _with_designs(
    pattern: str | None, runs: list[Run], *, needed: bool = True
) -> tuple[list[Run], list[LeftOut]]:
    """Runs with the designs that the run table or a pattern gives them, and those whose file is not there.

    A run with a design of its own has no events. Where it is `needed`, a missing file stops.
    """
    kept, without = [], []
    for run in runs:
        path = run.design or (_filled(pattern, run) if pattern else None)
        if path and not Path(given_designs.located(path)[0]).is_file():
            if needed:
                raise InputError(
                    "config key study.design",
                    f"there is no file {path}, the design of {run.name}",
                    expected="a pattern of files that are there, relative to the working directory",
                    remedy="correct the pattern, or write the design of this run",
                )
            named = texts.public(Path(path), "that study.design names")
            reason = f"has no design matrix: there is no file {named}"
            labels = (run.subject, run.session, run.task, run.label)
            without.append(LeftOut(run.bold[0], reason, *labels))
            continue
        kept.append(run if path is None else replace(run, design=path, events=""))
    if runs and not kept:
        raise InputError(
            "config key study.design",
            f"no run has its design: there is no file {_filled(pattern, runs[0]) if pattern else ''}",
            expected="a pattern of files that are there, relative to the working directory",
            remedy="correct the pattern",
        )
    sharing: dict[tuple[str, str, str], int] = {}
    for run in kept:
        if run.design:
            key = (run.subject, run.task, run.design)
            sharing[key] = sharing.get(key, 0) + 1
    seen: dict[tuple[str, str, str], int] = {}
    return [_with_part(run, sharing, seen) if run.design else run for run in kept], without


def _with_part(
    run: Run, sharing: Mapping[tuple[str, str, str], int], seen: dict[tuple[str, str, str], int]
) -> Run:
    """Run that knows which session of its design is its own: the one named, or that of its place."""
    assert run.design is not None
    key = (run.subject, run.task, run.design)
    seen[key] = seen.get(key, 0) + 1
    path, part = given_designs.located(run.design)
    return replace(run, design=path, design_part=(part, 0) if part else (seen[key], sharing[key]))


def _filled(pattern: str, run: Run) -> str:
    """Path of a run's design from the pattern of the config, with the run's labels filled in."""
    labels = run.entities
    known = ["subject", "session", "task", "run", *OTHERS]
    for name in re.findall(r"{(.*?)}", pattern):
        if name not in labels:
            told = f"{run.name} has no {name}" if name in known else f"{name!r} is no label of a run"
            raise InputError(
                f"config key study.design ({pattern})",
                told,
                expected=f"names of labels in braces, of: {', '.join(labels)}",
                remedy=f"{texts.suggestion(name, known) if name not in known else ''}correct the pattern",
            )
    filled = re.sub(r"{(.*?)}", lambda found: labels[found[1]], pattern)
    return plain(texts.at_home(filled), "config key study.design", None)


def _named_runs(study: Mapping[str, Any], data: str) -> list[Run]:
    if study["repetition_time"] is None:
        raise InputError(
            "config key study.repetition_time",
            f"is not set, and the headers of the study {study['source']} do not say it",
            expected="seconds between two scans",
            remedy="set it; 2.0 for SPM multimodal faces",
        )
    if study["source"] == "spm_multimodal" and study["path"]:
        return [_named_run(n, _trunk(Path(study["path"])), study, made=False) for n in (1, 2)]
    return [_named_run(n, f"{data}/{study['source']}/{TRUNK}", study, made=True) for n in (1, 2)]


def session_in_names(config: Mapping[str, Any]) -> str:
    """Part of a subject's file names where the config asks for one session alone: _ses-V0, else nothing.

    The maps of two configs, each for one session, so lie beside each other.
    """
    of_study = config["study"]
    sessions = of_study["bids"]["sessions"] if of_study["source"] == "bids" else None
    return f"_ses-{sessions[0]}" if sessions and len(set(sessions)) == 1 else ""


def slice_time_ref(config: Mapping[str, Any]) -> float | str:
    """Return where in an acquisition scans are sampled: a fraction, or auto, which asks the sidecars.

    Other studies than BIDS have none: there, auto is 0.0, the start of a scan as in nilearn's example, and
    middle is what auto is where no sidecar tells.
    """
    asked: float | str = config["design"]["slice_time_ref"]
    if asked == "auto" and config["study"]["source"] != "bids":
        return 0.0
    return "auto" if asked == "middle" else asked


def confounds_key(config: Mapping[str, Any]) -> str | None:
    """Config key that needs the runs' tables of confounds, None where none does."""
    study, design, censor = config["study"], config["design"], config["design"]["censor"]
    asked = {
        "design.confounds": design["confounds"],
        "design.fmriprep_confounds": design["fmriprep_confounds"]["strategy"],
        "design.censor.column": censor["column"],
        "design.censor.source": censor["framewise_displacement"] is not None
        and censor["source"] not in ("affines", *(["auto"] if study["source"] != "bids" else [])),
    }
    return next((key for key, value in asked.items() if value), None)


def confounds_of(config: Mapping[str, Any], run: Run) -> list[str]:
    """Table that the design of a run reads; none where nothing asks for it, or the design is given."""
    if run.design:
        return []
    censor = config["design"]["censor"]
    either = censor["framewise_displacement"] is not None and censor["source"] == "auto"
    return [run.confounds] if run.confounds and (either or confounds_key(config)) else []


def needs_motion(config: Mapping[str, Any], run: Run | None = None) -> bool:
    """Whether the design of a run (None: of any) needs what moved, which is known once it is resampled.

    Where the source of framewise displacement is auto, one 4D image with a table of confounds needs none: its
    header has one affine, and nothing beside it others.
    """
    censor = config["design"]["censor"]
    if run is not None and run.design:
        return False
    if config["design"]["motion_regressors"]:
        return True
    if censor["framewise_displacement"] is None or censor["source"] not in ("affines", "auto"):
        return False
    by_table = censor["source"] == "auto" and run is not None and run.confounds is not None
    return not (by_table and run is not None and len(run.images) == len(run.bold) == 1)


def _named_run(number: int, trunk: str, study: Mapping[str, Any], *, made: bool) -> Run:
    """One of the two runs of the SPM multimodal layout, a folder where a rule makes it."""
    folder = f"{trunk}/fMRI/Session{number}"
    pattern = f"fMRI/Session{number}/fMETHODS-000{number + 4}-*-01.img"
    return Run(
        subject="01",
        session=None,
        task="faces",
        run=str(number),
        bold=(folder,) if made else _files(pattern, Path(trunk), "config key study.path"),
        events=f"{trunk}/fMRI/trials_ses{number}.mat",
        confounds=None,
        repetition_time=study["repetition_time"],
    )


def _trunk(path: Path) -> str:
    for trunk in (path, path / TRUNK):
        if (trunk / "fMRI").is_dir():
            return str(trunk)
    raise InputError(
        f"config key study.path ({path})",
        "does not hold the unpacked SPM multimodal faces",
        expected=f"the folder above fMRI/Session1, or the one above {TRUNK}/",
        remedy="correct the path, or leave it out and let the workflow download the data",
    )


def _rows_of_table(
    path: Path, default_repetition_time: float | None, *, needs_events: bool = True
) -> list[Run]:
    if not path.is_file():
        raise InputError(
            f"config key study.table ({path.absolute()})",
            "there is no such file",
            expected="the path of a run table",
            remedy="correct the path; it is relative to the working directory",
        )
    rows = tables.read_rows(path, required=("subject", "task", "bold"))
    if rows and needs_events and "design" not in rows[0].values:
        tables.read_rows(path, required=("subject", "task", "bold", "events"))
    known = ["subject", "session", "task", "run", "bold", "events", "design", "confounds"]
    known += ["repetition_time", "onset_unit"]
    if not rows:
        raise InputError(path, "has no rows", expected="one row per run", remedy="add the runs")
    if surplus := [column for column in rows[0].values if column not in known]:
        raise InputError(
            path,
            f"has the unknown column {surplus[0]!r}",
            expected=f"columns of: {', '.join(known)}",
            remedy=f"{texts.suggestion(surplus[0], known)}rename or remove it",
        )
    runs = [_run(path, row, default_repetition_time, needs_events=needs_events) for row in rows]
    _check_labels(path, rows, runs)
    return runs


def _run(
    path: Path, row: tables.Row, default_repetition_time: float | None, *, needs_events: bool = True
) -> Run:
    number = row.number

    def optional(column: str) -> str | None:
        value = row.values.get(column, "n/a")
        return None if value in tables.MISSING else value

    def located(column: str) -> str | None:
        value = optional(column)
        return None if value is None else plain(str(path.parent / texts.at_home(value)), path, number)

    labels = {entity: optional(entity) for entity in ("subject", "session", "task", "run")}
    for entity, label in labels.items():
        required = entity in ("subject", "task")
        if (label is None and required) or (label is not None and not re.fullmatch("[A-Za-z0-9+]+", label)):
            raise InputError(
                path,
                f"{entity} is {row.values.get(entity, '')!r}",
                expected="a label of letters and digits, such as 01",
                remedy="correct the label (without the prefix sub-, ses-, task- or run-)",
                row=number,
            )
    time = optional("repetition_time")
    if time is not None and not (re.fullmatch(r"\d+\.?\d*|\.\d+", time) and 0 < float(time) <= 100):
        raise InputError(
            path,
            f"repetition_time is {time!r}",
            expected="seconds, such as 2.0",
            remedy="correct it, or n/a to take the header's",
            row=number,
        )
    unit = optional("onset_unit")
    if unit not in (None, "s", "scans"):
        raise InputError(
            path,
            f"onset_unit is {unit!r}",
            expected="s or scans, the unit of onsets and durations",
            remedy="correct it, or n/a for seconds in a table and scans in a .mat",
            row=number,
        )
    bold, events, design = optional("bold"), located("events"), located("design")
    events = None if design else events
    if bold is None or (events is None and needs_events and not design):
        missing = "bold" if bold is None else "events"
        remedy = "add it" if bold is None else "add it; a model without events is study.events.needed: false"
        raise InputError(path, f"has no {missing}", expected="a path", remedy=remedy, row=number)
    confounds = located("confounds")
    for file in (events, confounds, given_designs.located(design)[0] if design else None):
        held = file == events and file is not None and (Path(file).is_dir() or glob.has_magic(file))
        if file is not None and not held:
            _fetched(file, path, number)
        if file is not None and not held and not Path(file).is_file():
            raise InputError(
                path,
                f"there is no file {file}",
                expected="a path relative to the run table",
                remedy="correct the path",
                row=number,
            )
    return Run(
        subject=str(labels["subject"]),
        session=labels["session"],
        task=str(labels["task"]),
        run=labels["run"],
        bold=_files(bold, path.parent, path, number),
        events=events or "",
        confounds=confounds,
        repetition_time=default_repetition_time if time is None else float(time),
        onset_unit=unit,
        design=design,
    )


def _files(pattern: str, folder: Path, where: Path | str, row: int | None = None) -> tuple[str, ...]:
    """Images of a path or glob below a folder, in name order, each followed by what lies beside it."""
    pattern = texts.at_home(pattern)
    literal = folder / pattern
    found = [str(literal)]
    if not literal.is_file():
        found = glob.glob(str(Path(glob.escape(str(folder))) / pattern))  # noqa: PTH207, it may be absolute
    images = sorted(image for image in found if not image.endswith(COMPANIONS))
    if not images:
        raise InputError(
            where,
            f"no image matches {literal}",
            expected="a 4D image, or a pattern of 3D images such as run-1/f*.img",
            remedy="correct the path; it is relative to the run table",
            row=row,
        )
    volumes = images
    if len(images) == 1 and Path(images[0]).is_dir():
        volumes = sorted(str(file) for file in Path(images[0]).iterdir() if file.name.endswith(IMAGES))
    if volumes != sorted(volumes, key=_by_number):
        raise InputError(
            where,
            f"names of {literal} are not in the order of their numbers: {Path(volumes[1]).name} comes second",
            expected="numbers with leading zeros, so that the order of names is the order of time",
            remedy="rename the images, or give one 4D image",
            row=row,
        )
    if gap := _gap(volumes):
        raise InputError(
            where,
            f"a number is left out of {literal}: between {Path(gap[0]).name} and {Path(gap[1]).name}",
            expected="every volume of the run: the time of each follows from its place",
            remedy="restore them (design.censor leaves scans out of the fit), or number what is whole anew",
            row=row,
        )
    files: list[str] = []
    for volume in volumes:
        _fetched(volume, where, row)
    for found_image in images:
        image = plain(found_image, where, row)
        files.append(image)
        if image.endswith(".img"):
            header = Path(image).with_suffix(".hdr")
            if not header.is_file():
                raise InputError(
                    where,
                    f"{image} has no header: there is no file {header}",
                    expected="a .hdr beside every .img",
                    remedy="restore the header, or leave the image out of the pattern",
                    row=row,
                )
            files.append(str(header))
        if affines := spm_affines.beside(Path(image)):
            files.append(str(affines))
    return tuple(files)


def _fetched(file: str, where: Path | str, row: int | None) -> None:
    """InputError where a file is a link or a pointer to content that was not fetched."""
    if by := fetched.missing(file):
        raise InputError(
            where,
            f"{file} is a link to nothing",
            expected="files whose content is there",
            remedy=f"{by}; or take the run out of the table",
            row=row,
        )


def with_companions(image: str) -> list[str]:
    """An image with its header, of a pair, and with SPM's affines where they lie beside it."""
    header = [str(Path(image).with_suffix(".hdr"))] if image.endswith(".img") else []
    affines = spm_affines.beside(Path(image))
    return [image, *header, *([str(affines)] if affines else [])]


def _gap(images: Sequence[str]) -> tuple[str, str] | None:
    """Two images between which volumes are missing, by the numbers in their names; None where none are.

    Numbers may begin anywhere and grow by any step, such as the number of slices. Those that follow no step
    (times of day) tell nothing, nor does a number beside another one that goes on evenly.
    """
    found = [[int(part) for part in re.findall(r"\d+", Path(image).name)] for image in images]
    if len(found) < 3 or len({len(numbers) for numbers in found}) > 1:
        return None
    gaps = []
    for column in zip(*found, strict=True):
        steps = [after - before for before, after in itertools.pairwise(column)]
        step = min(steps)
        if not any(steps):
            continue
        regular = step > 0 and all(one % step == 0 for one in steps) and 2 * steps.count(step) > len(steps)
        if not regular:
            continue
        if max(steps) == step:
            return None
        gaps.append(next(k for k, one in enumerate(steps) if one > step))
    return (images[gaps[0]], images[gaps[0] + 1]) if gaps else None


def _by_number(path: str) -> list[tuple[int, str]]:
    """Sort key in which 2 comes before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path)]


def plain(path: str, where: Path | str, row: int | None) -> str:
    """Return a path that Snakemake takes as it is, without wildcards, path variables, control characters."""
    if odd := texts.odd_in(path):
        raise InputError(
            where,
            f"the path {path} {odd}",
            expected="a path of UTF-8 text, without {names} or <names>",
            remedy="rename the file or folder",
            row=row,
        )
    return str(Path(path).absolute()) if path.startswith("~") else path  # nibabel takes ~ for a home


def _check_labels(path: Path, rows: Sequence[tables.Row], runs: Sequence[Run]) -> None:
    """No two rows with the same labels."""
    seen: dict[str, int] = {}
    bare = {(run.subject, run.task) for run in runs if not (run.session or run.run)}
    for row, run in zip(rows, runs, strict=True):
        if (run.session or run.run) and (run.subject, run.task) in bare:
            raise InputError(
                path,
                f"{run.name} has a label, another run of this subject and task has none",
                expected="a session or run label in every row of a subject and task, or one row without",
                remedy="label the other run, too",
                row=row.number,
            )
        if run.name in seen:
            raise InputError(
                path,
                f"{run.name} stands in row {seen[run.name]} already",
                expected="one row per run",
                remedy="give each run its own run (or session) label",
                row=row.number,
            )
        seen[run.name] = row.number
    if alike := tables.spelled_alike(seen):
        name, earlier = alike
        raise InputError(
            path,
            f"{name} differs from row {seen[earlier]} in case only",
            expected="labels that name different files on every disk",
            remedy="rename one of them",
            row=seen[name],
        )
