"""A study: its runs, the units of runs that are combined, and what is left out.

A study comes by name (simulated, spm_multimodal), as a table or as a BIDS folder; each only makes rows of the
run table. Rules look runs and units up by the labels that begin the names of their files.
Standard library: every start of Snakemake pays for this import.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstlevel import names, texts
from firstlevel.io import event_sources
from firstlevel.plan.model import WORDS
from firstlevel.plan.runs import LeftOut, Run, nothing_missing
from firstlevel.plan.sources.named import runs_of
from firstlevel.plan.sources.own_designs import with_designs
from firstlevel.plan.sources.table import rows
from firstlevel.stage import InputError


@dataclass(frozen=True)
class Unit:
    """The runs of a subject and task, which are combined.

    Attributes
    ----------
    label : how the names of its files begin: what its runs share.
    session : where the study is about one session, which then stands in all names.
    """

    label: str
    subject: str
    session: str | None
    task: str
    runs: tuple[Run, ...]

    @property
    def wildcards(self) -> dict[str, str]:
        """Values of the wildcards in the names of its files."""
        return {"subject": self.subject, "unit": self.label}

    @property
    def title(self) -> str:
        """Labels for the title of a figure."""
        labels = {"session": self.session, "task": self.task}
        return ", ".join(
            [f"sub-{self.subject}", *(f"{key} {label}" for key, label in labels.items() if label)]
        )


@dataclass(frozen=True)
class Study:
    """Runs in the order of the run table, and what makes none.

    Attributes
    ----------
    session : label of the one session that the study is about, if it is about one.
    by_label : runs by their labels.
    units : by their labels, in the order of their first runs.
    of_subject : units of each subject.
    """

    runs: tuple[Run, ...]
    left_out: tuple[LeftOut, ...]
    session: str | None
    by_label: Mapping[str, Run]
    units: Mapping[str, Unit]
    of_subject: Mapping[str, tuple[Unit, ...]]

    @classmethod
    def of(cls, runs: Sequence[Run], left_out: Sequence[LeftOut] = (), session: str | None = None) -> Study:
        """Study of some runs."""
        groups: dict[tuple[str, str], list[Run]] = {}
        for run in runs:
            groups.setdefault((run.subject, run.task), []).append(run)
        units = [_unit(tuple(group), session) for group in groups.values()]
        of_subject: dict[str, tuple[Unit, ...]] = {}
        for unit in units:
            of_subject[unit.subject] = (*of_subject.get(unit.subject, ()), unit)
        return cls(
            runs=tuple(runs),
            left_out=tuple(left_out),
            session=session,
            by_label={run.label: run for run in runs},
            units={unit.label: unit for unit in units},
            of_subject=of_subject,
        )

    @functools.cached_property
    def unit_of(self) -> Mapping[str, Unit]:
        """The unit of each run, by the label of the run."""
        return {run.label: unit for unit in self.units.values() for run in unit.runs}

    @property
    def has_sessions(self) -> bool:
        """Whether any run has a session."""
        return any(run.session for run in self.runs)


def _unit(runs: tuple[Run, ...], session: str | None) -> Unit:
    """Unit of some runs of a subject and task; entities of images are those in which all runs agree."""
    shared = dict(set.intersection(*(set(run.of_image.items()) for run in runs)))
    own = {"sub": runs[0].subject, "ses": session, "task": runs[0].task}
    return Unit(names.labelled({**own, **shared}), runs[0].subject, session, runs[0].task, runs)


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
        runs = rows(Path(study["table"]), study["repetition_time"], needs_events=needed)
    elif study["source"] == "bids":
        from firstlevel.plan.sources import bids

        runs, left_out = bids.find_runs(config)
    else:
        return with_designs(study["design"], runs_of(study, data))
    runs, without_design = with_designs(study["design"], runs, needed=study["source"] == "table")
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
            "is true, but the study gives no repetition time",
            expected="study.repetition_time in seconds, or the column repetition_time of the run table",
            remedy="set it; study.repetition_time: header (or sidecar) lets one of these decide",
        )
    return runs, left_out


def inputs(config: Mapping[str, Any], runs: Iterable[Run]) -> Iterator[str]:
    """Every file and folder that the user gives, by its path: of the config, then of the runs."""
    of_study = config["study"]
    of_bids = of_study["bids"] if of_study["source"] == "bids" else {}
    given = [of_study["spm_multimodal"]["path"], of_study["table"]]
    given += [of_bids.get("path"), of_bids.get("derivatives")]
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
    study = config["study"]
    is_fetched = study["source"] == "spm_multimodal" and not study["spm_multimodal"]["path"]
    return list(runs) if study["source"] == "simulated" or is_fetched else []


def _with_events(runs: list[Run]) -> tuple[list[Run], list[LeftOut]]:
    """Runs, without those whose events table has only a header; and these with the reason."""
    bare = {events for events in {run.events for run in runs} if event_sources.only_header(events)}
    kept = [run for run in runs if run.events not in bare]
    reason = "has no events: {} has only a header (for models without events set study.events.needed: false)"
    without = [
        LeftOut(
            run.bold[0],
            reason.format(texts.public(Path(run.events), "its table of events")),
            *(run.subject, run.session, run.task, run.within_session),
        )
        for run in runs
        if run.events in bare
    ]
    if runs and not kept:
        raise InputError(
            runs[0].events,
            f"has a header but no events, as in all {len(runs)} runs",
            expected="one row per event, with onset and trial type",
            remedy="add the events; for a model of confounds alone set study.events.needed: false",
        )
    return kept, without
