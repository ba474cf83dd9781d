"""What became of every run of a study: done, failed and why, left out and why. Standard library."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from firstlevel.io import table_writer, tables
from firstlevel.plan import provenance
from firstlevel.plan.runs import LEFT_OUT, NOT_SELECTED, OTHERS, LeftOut, Run, entities_in, grouped, run_label
from firstlevel.stage import InputError
from firstlevel.texts import visible

COLUMNS = ("subject", "session", "task", "run", "bold", "events", "status", "reason")
MAKES_NO_RUN = (LEFT_OUT, NOT_SELECTED)
ORDER = ("failed", "blocked", "unfinished", "to do", "done", *MAKES_NO_RUN)
"""What can become of a run; a subject of several states has the first of them."""
N_EXAMPLES = 3
SHORT = {"subject": "sub", "session": "ses", "task": "task", "run": "run"}
"""Entities of a run's name by the columns of the table."""
STOPPED = re.compile(r"^\S+ \S+ ERROR (.*)", re.DOTALL | re.MULTILINE)
"""The message with which a stage ends its log."""


def rows(
    runs: Iterable[Run],
    left_out: Iterable[LeftOut],
    maps: Mapping[tuple[str, str], Sequence[Path]],
    logs: Path,
    contrasts: Container[str],
    session: str = "",
    folders: Sequence[str] = (),
    config_files: Mapping[str, str] | None = None,
) -> list[tuple[str, ...]]:
    """One row per run, then what is left out.

    Parameters
    ----------
    maps : the maps that each subject and task should have.
    logs : folder of the logs, one folder per stage.
    contrasts : labels of the contrasts of the study.
    session : label of the one session that the study is about, which then stands in all names.
    folders : of this machine, which no cell names (see :mod:`firstlevel.plan.provenance`).
    config_files : what reasons call the files that the config names, by their paths.
    """
    runs = list(runs)
    failures = _failures(logs, contrasts, session)
    states = {whose: _state(files, failures.get(whose)) for whose, files in maps.items()}
    for whose, (status, reason) in states.items():
        if status == "failed":
            files = provenance.called(
                (run for run in runs if (run.subject, run.task) == whose), config_files or {}
            )
            states[whose] = (status, provenance.anonymous(reason, files, folders))
    table = []
    for run in runs:
        labels = [run.subject, run.session, run.task, run.label]
        status, reason = states[run.subject, run.task]
        failed = failures.get((run.subject, run.task))
        if status == "failed" and failed and failed.run and failed.run != (run.session, run.label):
            status, reason = "blocked", f"another run of this subject failed: {reason}"
        shown = (provenance.shown(path, folders) for path in (run.bold[0], run.events))
        table.append((*(label or "n/a" for label in labels), *shown, status, reason))
    return table + [_left_out(one, folders) for one in left_out]


def _left_out(one: LeftOut, folders: Sequence[str] = ()) -> tuple[str, ...]:
    """Row of what makes no run; an events table stands in its own column."""
    path = provenance.left_out(one.path, folders)
    files = ("n/a", path) if "_events.tsv" in path else (path, "n/a")
    labels = (one.subject, one.session, one.task, one.run)
    reason = provenance.relative(one.reason, folders)
    return (*(label or "n/a" for label in labels), *files, one.status, reason)


class Failure(NamedTuple):
    """When a stage stopped and what it said; session and run labels where it was about one run."""

    time: int
    message: str
    run: tuple[str | None, str | None] | None


def write(path: Path, table: Sequence[Sequence[str]], left_out: Sequence[LeftOut] = ()) -> str:
    """Write the table, and return it as a few lines: what failed, and how many runs became what."""
    table = [[" ".join(cell.split()) for cell in row] for row in table]  # a cell is one line
    table_writer.write_table(path, COLUMNS, table)
    states = {(row[0], row[6]): row[7] for row in table if row[6] not in ("blocked", *MAKES_NO_RUN)}
    counts = Counter(status for _, status in states)
    parts = [f"{count} {status}" for status, count in sorted(counts.items())]
    n_left_out = len(subjects_of(table, LEFT_OUT))
    parts += [f"{n_left_out} left out"] * bool(n_left_out)
    lines = [f"Subjects: {', '.join(parts)}; {path} tells of every run."]
    failed = [(subject, reason) for (subject, status), reason in states.items() if status == "failed"]
    lines += [f"  sub-{subject}: {reason}" for subject, reason in failed[:10]]
    return visible("\n".join([*lines, *counted(table), *reasons(left_out)]))


def plan(
    runs: Sequence[Run],
    left_out: Sequence[LeftOut],
    maps: Mapping[tuple[str, str], Sequence[Path]],
    study: Mapping[str, Any],
) -> str:
    """What is to be done, in a few lines: what was chosen, how many subjects and runs, what is left out.

    Done are those all of whose maps are there; whether they are made anew is for Snakemake to say.
    """
    states = {whose: "done" if all(map(Path.is_file, files)) else "to do" for whose, files in maps.items()}
    table: list[tuple[str | None, ...]] = [
        (run.subject, run.session, run.task, run.label, run.bold[0], "", states[run.subject, run.task], "")
        for run in runs
    ]
    table += [_left_out(one) for one in left_out]
    return visible("\n".join([*chosen(runs, study), *counted(table), *reasons(left_out)]))


def replaced(
    path: Path, runs: Iterable[Run], left_out: Iterable[LeftOut] = (), folders: Sequence[str] = ()
) -> list[str]:
    """A line on runs of an earlier config that the table of this one will be without, where there are any.

    One config per session, or per subject, into one folder: the maps stay, and the lists and pages of the
    study are those of the last one. Runs that are now left out are told of with their reason, elsewhere.

    Parameters
    ----------
    path : table of runs that an earlier config may have written.
    """
    try:
        rows = tables.read_rows(path, required=COLUMNS) if path.is_file() else []
    except InputError:
        return []
    known = {
        tuple(label or "n/a" for label in (run.subject, run.session, run.task, run.label)) for run in runs
    }
    told = {provenance.left_out(one.path, folders) for one in left_out if one.status == LEFT_OUT}
    gone = [
        row.values
        for row in rows
        if row.values["status"] not in MAKES_NO_RUN
        and row.values["bold"] not in told
        and tuple(row.values[column] for column in COLUMNS[:4]) not in known
    ]
    if not gone:
        return []
    names = ["_".join(filter(None, (_written(one, column) for column in SHORT))) for one in gone]
    shown = ", ".join(names[:N_EXAMPLES]) + (", ..." if len(names) > N_EXAMPLES else "")
    return [
        f"  {path} tells of {len(gone)} {'run' if len(gone) == 1 else 'runs'} that this config does not take "
        f"({shown}): it, maps.tsv and the pages will be without them, while their maps stay; give each "
        "config its own folder (pathvars.results) to keep both"
    ]


def _written(row: Mapping[str, str], column: str) -> str:
    """A label as it stands in names; that of a run may have its entities, such as dir-LR_run-1."""
    label = row[column]
    return "" if label == "n/a" else label if "-" in label else f"{SHORT[column]}-{label}"


def chosen(runs: Sequence[Run], study: Mapping[str, Any]) -> list[str]:
    """Which images a study takes; two cohorts of one space are told of."""
    if study["source"] != "bids":
        return [f"Study: {study['source']}"]
    of_bids = study["bids"]
    asked = [f"task {of_bids['task']}", f"space {of_bids['space']}" if of_bids["space"] else "no named space"]
    asked += [
        f"{entity} {'none' if label in (None, '') else label}"
        for entity, label in of_bids["entities"].items()
    ]
    asked += [f"runs told apart by {', '.join(of_bids['run_entities'])}"] * (
        of_bids["run_entities"] != ["run"]
    )
    lines = [f"Study: {of_bids['derivatives'] or of_bids['path']}, {', '.join(asked)}"]
    cohorts: dict[str, str] = {}
    for run in runs:
        if "_cohort-" in run.bold[0]:
            cohorts.setdefault(entities_in(Path(run.bold[0]).name)["cohort"], run.subject)
    if len(cohorts) > 1:
        told = ", ".join(f"cohort-{cohort} (sub-{subject})" for cohort, subject in sorted(cohorts.items()))
        lines.append(
            f"  space {of_bids['space']} is of {len(cohorts)} cohorts, whose templates differ: {told}"
        )
    return lines


def counted(table: Iterable[Sequence[str | None]]) -> list[str]:
    """Subjects and runs by what became of them, as lines of a table."""
    rows = list(table)
    n_of = {"subjects": _by_state(rows, _subject), "runs": _by_state(rows, _run)}
    found = {status for counts in n_of.values() for status in counts}
    lines = [f"  {'':12}{'subjects':>10}{'runs':>10}"]
    lines.append(f"  {'found':12}{n_of['subjects'].total():>10}{n_of['runs'].total():>10}")
    for status in (status for status in ORDER if status in found):
        lines.append(f"  {status:12}{n_of['subjects'][status]:>10}{n_of['runs'][status]:>10}")
    return lines


def subjects_of(table: Iterable[Sequence[str | None]], status: str) -> set[str]:
    """Subjects (or folders that are none) that became this and nothing before it in ORDER."""
    return {subject for subject, state in _states(table, _subject).items() if state == status}


def reasons(left_out: Iterable[LeftOut]) -> list[str]:
    """One line per reason to leave something out, with the first examples."""
    lines = []
    for reason, group in grouped(left_out):
        names = [Path(one.path).name for one in group[:N_EXAMPLES]]
        shown = ", ".join(names) + (", ..." if len(group) > N_EXAMPLES else "")
        lines.append(f"  left out, {len(group)}: {reason} ({shown})")
    return lines


def _by_state(
    table: Sequence[Sequence[str | None]], whose: Callable[[Sequence[str | None]], Any]
) -> Counter[str]:
    return Counter(_states(table, whose).values())


def _states(
    table: Iterable[Sequence[str | None]], whose: Callable[[Sequence[str | None]], Any]
) -> dict[Any, str]:
    """What became of each, where one that has several states has the first of ORDER."""
    states: dict[Any, str] = {}
    for row in table:
        if (key := whose(row)) is not None:
            status = str(row[6])
            earlier = states.get(key, status)
            states[key] = min(earlier, status, key=ORDER.index)
    return states


def _subject(row: Sequence[str | None]) -> str | None:
    """Subject of a row; the folder itself where its name is no label."""
    if row[0] not in (None, "n/a"):
        return row[0]
    name = Path(str(row[4])).name
    return name if name.startswith("sub-") and "_task-" not in name else None


def _run(row: Sequence[str | None]) -> tuple[str, ...] | None:
    """What names the run of a row; None where it is about a folder. Echoes, spaces and such are one run."""
    labels = entities_in(Path(str(row[4] if row[4] != "n/a" else row[5])).name)
    if row[6] in MAKES_NO_RUN and "task" not in labels:
        return None
    number = str(row[3] or "n/a")
    if "-" in number:  # dir-LR_run-1
        number = entities_in(number).get("run", "n/a")
    others = "_".join(f"{entity}-{labels[entity]}" for entity in OTHERS if entity in labels)
    return (str(row[0] or "n/a"), str(row[1] or "n/a"), number.lstrip("0"), others)


def _state(maps: Sequence[Path], failure: Failure | None) -> tuple[str, str]:
    """Whether a subject's maps are there, and none of them from before a stage stopped."""
    missing = [path for path in maps if not path.is_file()]
    if failure and (missing or min(path.stat().st_mtime_ns for path in maps) < failure.time):
        return "failed", failure.message
    return ("unfinished", f"{len(missing)} of {len(maps)} maps are missing") if missing else ("done", "")


def _failures(logs: Path, contrasts: Container[str], session: str) -> dict[tuple[str, str], Failure]:
    """Time and message of the stage that stopped last, by subject and task; contrasts of old do not count."""
    last: dict[tuple[str, str], Failure] = {}
    for log in logs.glob("*/sub-*_task-*.log"):
        labels = entities_in(log.name)
        if "contrast" in labels and labels["contrast"] not in contrasts:
            continue
        if session and labels.get("ses") != session:  # of another config
            continue
        if found := STOPPED.search(log.read_text(encoding="utf-8", errors="replace")):
            whose = labels["sub"], labels["task"]
            run = (None if session and run_label(labels) is None else labels.get("ses"), run_label(labels))
            time = log.stat().st_mtime_ns
            if whose not in last or last[whose].time < time:
                last[whose] = Failure(
                    time, "; ".join(found[1].strip().split("\n  ")), run if any(run) else None
                )
    return last
