"""Status of every run of a study: done, failed and why, left out and why. Standard library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from firstlevel import names
from firstlevel.io import table_writer, tables
from firstlevel.plan import provenance
from firstlevel.plan.runs import LEFT_OUT, NOT_SELECTED, LeftOut, Run, grouped
from firstlevel.plan.status import State
from firstlevel.plan.study import Study
from firstlevel.stage import InputError
from firstlevel.texts import visible

COLUMNS = ("subject", "session", "task", "run", "bold", "events", "status", "reason")
MAKES_NO_RUN = (LEFT_OUT, NOT_SELECTED)
ORDER = ("failed", "blocked", "unfinished", "to do", "done", *MAKES_NO_RUN)
"""What can become of a run; a subject of several states has the first of them."""
N_EXAMPLES = 3
SHORT = {"subject": "sub", "session": "ses", "task": "task", "run": "run"}
"""Entities of a run's name by the columns of the table."""


def rows(
    study: Study,
    states: Mapping[str, State],
    folders: Sequence[str] = (),
) -> list[tuple[str, ...]]:
    """One row per run, then what is left out.

    Parameters
    ----------
    states : of the units, by their labels, as they may be published.
    folders : of this machine, which no cell names (see :mod:`firstlevel.plan.provenance`).
    """
    table = []
    for run in study.runs:
        state = states[study.unit_of[run.label].label]
        status, reason, _ = state
        if status == "failed" and state.failed_run not in (None, run.label):
            status, reason = "blocked", f"another run of this subject failed: {reason}"
        shown = (provenance.shown(path, folders) for path in (run.bold[0], run.events))
        table.append((*labels_of(run), *shown, status, reason))
    return table + [_left_out(one, folders) for one in study.left_out]


def labels_of(run: Run) -> list[str]:
    """Labels of a run as they stand in tables."""
    return [label or "n/a" for label in (run.subject, run.session, run.task, run.within_session)]


def _left_out(one: LeftOut, folders: Sequence[str] = ()) -> tuple[str, ...]:
    """Row of what makes no run; an events table stands in its own column."""
    path = provenance.left_out(one.path, folders)
    files = ("n/a", path) if "_events.tsv" in path else (path, "n/a")
    labels = (one.subject, one.session, one.task, one.run)
    reason = provenance.relative(one.reason, folders)
    return (*(label or "n/a" for label in labels), *files, one.status, reason)


def write(path: Path, table: Sequence[Sequence[str]], left_out: Sequence[LeftOut] = ()) -> str:
    """Write the table, and return a summary in a few lines: failures, and the number of runs by status."""
    table = [[" ".join(cell.split()) for cell in row] for row in table]  # a cell is one line
    table_writer.write_table(path, COLUMNS, table)
    states = {(row[0], row[6]): row[7] for row in table if row[6] not in ("blocked", *MAKES_NO_RUN)}
    counts = Counter(status for _, status in states)
    parts = [f"{count} {status}" for status, count in sorted(counts.items())]
    n_left_out = len(subjects_of(table, LEFT_OUT))
    parts += [f"{n_left_out} left out"] * bool(n_left_out)
    lines = [f"Subjects: {', '.join(parts)}; {path} lists every run."]
    failed = [(subject, reason) for (subject, status), reason in states.items() if status == "failed"]
    lines += [f"  sub-{subject}: {reason}" for subject, reason in failed[:10]]
    return visible("\n".join([*lines, *counted(table), *reasons(left_out)]))


def plan(study: Study, maps: Mapping[str, Sequence[Path]], source: Mapping[str, Any]) -> str:
    """Summary before the jobs: what was selected, number of subjects and runs, what is left out.

    Done are those all of whose maps are there; whether they are made anew is for Snakemake to say.

    Parameters
    ----------
    maps : the maps that each unit should have, by its label.
    source : section `study` of the config.
    """
    are_done = {label: all(map(Path.is_file, files)) for label, files in maps.items()}
    table: list[tuple[str | None, ...]] = [
        (
            *labels_of(run),
            run.bold[0],
            "",
            "done" if are_done[study.unit_of[run.label].label] else "to do",
            "",
        )
        for run in study.runs
    ]
    table += [_left_out(one) for one in study.left_out]
    return visible("\n".join([*chosen(study.runs, source), *counted(table), *reasons(study.left_out)]))


def replaced(
    path: Path, runs: Iterable[Run], left_out: Iterable[LeftOut] = (), folders: Sequence[str] = ()
) -> list[str]:
    """A line on runs of an earlier config that are not in this one's table, if there are any.

    One config per session, or per subject, into one folder: the maps stay, and the lists and pages of the
    study are those of the last one. Runs that are now left out are told of with their reason, elsewhere.

    Parameters
    ----------
    path : table of runs that an earlier config may have written.
    """
    try:
        former_rows = tables.read_rows(path, required=COLUMNS) if path.is_file() else []
    except InputError:
        return []
    labels_of_runs = {tuple(labels_of(run)) for run in runs}
    told = {provenance.left_out(one.path, folders) for one in left_out if one.status == LEFT_OUT}
    gone = [
        row.values
        for row in former_rows
        if row.values["status"] not in MAKES_NO_RUN
        and row.values["bold"] not in told
        and tuple(row.values[column] for column in COLUMNS[:4]) not in labels_of_runs
    ]
    if not gone:
        return []
    called = ["_".join(filter(None, (_written(one, column) for column in SHORT))) for one in gone]
    shown = ", ".join(called[:N_EXAMPLES]) + (", ..." if len(called) > N_EXAMPLES else "")
    return [
        f"  {path} lists {len(gone)} {'run' if len(gone) == 1 else 'runs'} that this config does not take "
        f"({shown}). The new table, maps.tsv and the pages leave them out; their maps stay. To keep both, "
        "give each config its own folder (pathvars.results)"
    ]


def _written(row: Mapping[str, str], column: str) -> str:
    """A label as it stands in names; that of a run may have its entities, such as dir-LR_run-1."""
    label = row[column]
    return "" if label == "n/a" else label if "-" in label else f"{SHORT[column]}-{label}"


def chosen(runs: Sequence[Run], study: Mapping[str, Any]) -> list[str]:
    """Which images a study selects; names the cohorts if a space has two."""
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
            cohorts.setdefault(names.entities_in(Path(run.bold[0]).name)["cohort"], run.subject)
    if len(cohorts) > 1:
        told = ", ".join(f"cohort-{cohort} (sub-{subject})" for cohort, subject in sorted(cohorts.items()))
        lines.append(
            f"  space {of_bids['space']} is of {len(cohorts)} cohorts, whose templates differ: {told}"
        )
    return lines


def counted(table: Iterable[Sequence[str | None]]) -> list[str]:
    """Number of subjects and runs by status, as lines of a table."""
    rows = list(table)
    n_of = {"subjects": _by_state(rows, _subject), "runs": _by_state(rows, _run)}
    statuses = {status for counts in n_of.values() for status in counts}
    lines = [f"  {'':12}{'subjects':>10}{'runs':>10}"]
    lines.append(f"  {'found':12}{n_of['subjects'].total():>10}{n_of['runs'].total():>10}")
    for status in (status for status in ORDER if status in statuses):
        lines.append(f"  {status:12}{n_of['subjects'][status]:>10}{n_of['runs'][status]:>10}")
    return lines


def subjects_of(table: Iterable[Sequence[str | None]], status: str) -> set[str]:
    """Subjects (or other folders) with this status, and none that comes before it in ORDER."""
    return {subject for subject, state in _states(table, _subject).items() if state == status}


def reasons(left_out: Iterable[LeftOut]) -> list[str]:
    """One line per reason to leave something out, with the first examples."""
    lines = []
    for reason, group in grouped(left_out):
        examples = [Path(one.path).name for one in group[:N_EXAMPLES]]
        shown = ", ".join(examples) + (", ..." if len(group) > N_EXAMPLES else "")
        lines.append(f"  left out, {len(group)}: {reason} ({shown})")
    return lines


def _by_state(
    table: Sequence[Sequence[str | None]], whose: Callable[[Sequence[str | None]], Any]
) -> Counter[str]:
    return Counter(_states(table, whose).values())


def _states(
    table: Iterable[Sequence[str | None]], whose: Callable[[Sequence[str | None]], Any]
) -> dict[Any, str]:
    """Status of each; if there are several, the first of ORDER."""
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
    """Key of the run of a row; None for a folder. Echoes, spaces and the like are one run."""
    labels = names.entities_in(Path(str(row[4] if row[4] != "n/a" else row[5])).name)
    if row[6] in MAKES_NO_RUN and "task" not in labels:
        return None
    number = str(row[3] or "n/a")
    if "-" in number:  # dir-LR_run-1
        number = names.entities_in(number).get("run", "n/a")
    others = "_".join(f"{entity}-{labels[entity]}" for entity in names.OTHERS if entity in labels)
    return (str(row[0] or "n/a"), str(row[1] or "n/a"), number.lstrip("0"), others)
