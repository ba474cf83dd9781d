"""The table of a study before its jobs and after them: what was found, what becomes of it, why not."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from firstlevel.plan import status, summary
from firstlevel.plan.runs import NOT_SELECTED, LeftOut, Run, grouped
from firstlevel.plan.status import State
from firstlevel.plan.study import Study
from firstlevel.reporting import study_page

SOURCE = {
    "source": "bids",
    "bids": {
        "path": "raw",
        "derivatives": "out",
        "task": "faces",
        "space": "MNI",
        "entities": {"echo": None},
        "run_entities": ["run", "dir"],
    },
}


def run_of(subject, run, extra="", others=()):
    labels = "".join(f"_{entity}-{label}" for entity, label in others)
    image = f"out/sub-{subject}_task-faces{labels}_run-{run}{extra}_desc-preproc_bold.nii.gz"
    return Run(subject, None, "faces", run, (image,), "e.tsv", None, 2.0, others=others)


def lines_of(text):
    """Cells of the lines of a table by their first word or words."""
    found = {}
    for line in text.splitlines():
        *name, subjects, runs = (
            line.split() if line.startswith("  ") and line.split()[-1].isdigit() else ["", "", ""]
        )
        found[" ".join(name)] = (subjects, runs)
    return found


def test_plan_counts_subjects_and_runs_apart(tmp_path):
    """A run counts once, however many images of it there are; what is not asked for is not left out."""
    runs = [run_of(subject, run) for subject in ("01", "02") for run in ("1", "2")]
    done = tmp_path / "z.nii.gz"
    done.touch()
    first, second = Study.of(runs).units
    maps = {first: [done], second: [done, tmp_path / "not there"]}
    name = "out/sub-{0}_task-faces_run-{1}{2}_bold.nii.gz".format
    left_out = [
        LeftOut(name("03", "01", "_echo-1"), "r", "03", None, "faces", "01"),
        LeftOut(name("03", "01", "_echo-2"), "r", "03", None, "faces", "01"),
        LeftOut(name("02", "3", ""), "r", "02", None, "faces", "3"),
        LeftOut(name("01", "01", "_space-T1w"), "other space", "01", None, "faces", "01", NOT_SELECTED),
        LeftOut("out/sub-04", "is excluded", "04", status=NOT_SELECTED),
        LeftOut("out/sub-05_pre", "no label"),
    ]
    said = lines_of(summary.plan(Study.of(runs, left_out), maps, SOURCE))
    assert said["found"] == ("5", "6")
    assert said["to do"] == ("1", "2")
    assert said["done"] == ("1", "2")
    assert said["left out"] == ("2", "2")
    assert said["not selected"] == ("1", "0")


def test_plan_says_what_was_chosen():
    """Folder, task, space, entities, and what tells runs apart."""
    study = Study.of([run_of("01", "1")])
    said = summary.plan(study, {label: [Path("none")] for label in study.units}, SOURCE)
    assert said.splitlines()[0] == (
        "Study: out, task faces, space MNI, echo none, runs told apart by run, dir"
    )


def test_two_cohorts_of_one_space_are_told():
    """Their templates differ, so a second level does not put like to like."""
    runs = [run_of("01", "1", "_space-MNI_cohort-1"), run_of("02", "1", "_space-MNI_cohort-2")]
    said = "\n".join(summary.chosen(runs, SOURCE))
    assert "2 cohorts, whose templates differ: cohort-1 (sub-01), cohort-2 (sub-02)" in said
    assert "cohorts" not in "\n".join(summary.chosen(runs[:1], SOURCE))


def test_one_line_per_reason_with_the_first_examples():
    """Names of files within a reason do not make reasons of their own; the commonest stands first."""
    left_out = [LeftOut("raw/sub-99", "has no image", "99")]
    left_out += [
        LeftOut(f"raw/sub-{n:04d}_bold.nii", f"sub-{n:04d}_mask.nii is a broken link", f"{n:04d}")
        for n in range(3000)
    ]
    left_out.append(LeftOut("raw/sub-98", "is not asked for", "98", status=NOT_SELECTED))
    assert summary.reasons(left_out) == [
        "  left out, 3000: sub-... is a broken link"
        " (sub-0000_bold.nii, sub-0001_bold.nii, sub-0002_bold.nii, ...)",
        "  left out, 1: has no image (sub-99)",
    ]
    assert [len(group) for _, group in grouped(left_out, NOT_SELECTED)] == [1]


def rows_of(study, state="unfinished"):
    """Rows of the table where every unit has the same state."""
    return summary.rows(study, dict.fromkeys(study.units, State(state)))


def fail(logs, stage, problem, **labels):
    """Leave what a failed job leaves beside its log."""
    left = {
        "Stage": stage,
        "Labels": {key.capitalize(): value for key, value in labels.items()},
        "Where": "a file",
        "Problem": problem,
        "Expected": "x",
        "Remedy": "y",
    }
    path = logs / stage / f"{labels.get('run', labels.get('unit', labels['subject']))}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(left))
    return path


def states_of(study, maps, logs, *, ended_well=False):
    return status.states(study, dict.fromkeys(study.units, maps), logs, ["faces"], ended_well=ended_well)


@pytest.mark.parametrize("others", [(), (("dir", "LR"),)])
def test_failure_of_one_run_is_that_run_s(tmp_path, others):
    """The others of its subject are blocked, also where direction tells runs apart."""
    second = (("dir", "RL"),) if others else ()
    runs = [run_of("01", "1", others=others), run_of("01", "1" if others else "2", others=second)]
    study = Study.of(runs)
    fail(tmp_path, "fit_glm", "is wrong", subject="01", run=runs[0].label)
    table = summary.rows(study, states_of(study, [tmp_path / "none"], tmp_path))
    assert [row[6] for row in table] == ["failed", "blocked"]
    assert table[0][7] == "fit_glm stopped. a file: is wrong; expected: x; to do: y"
    assert [row[3] for row in table] == (["dir-LR_run-1", "dir-RL_run-1"] if others else ["1", "2"])


def test_failure_of_a_page_or_figure_is_one_though_all_maps_are_there(tmp_path):
    """It is newer than the maps; where a later start ended well, it is of what nobody asks for any more."""
    study = Study.of([run_of("01", "1")])
    done = tmp_path / "z.nii.gz"
    done.touch()
    left = fail(tmp_path, "report_subject", "is wrong", subject="01")
    os.utime(left, ns=(2 * done.stat().st_mtime_ns,) * 2)
    [state] = states_of(study, [done], tmp_path).values()
    assert (state.status, state.failed_run) == ("failed", None)
    [state] = states_of(study, [done], tmp_path, ended_well=True).values()
    assert state.status == "done"
    os.utime(left, (0, 0))  # the maps were made since
    [state] = states_of(study, [done], tmp_path).values()
    assert state.status == "done"


def test_failures_of_another_config_do_not_count(tmp_path):
    """Of a session, a contrast, a subject that this study does not have; nor does what is no JSON of ours."""
    run = Run("01", "V9", "faces", None, ("b.nii",), "e.tsv", None, 2.0)
    study = Study.of([run], session="V9")
    fail(tmp_path, "fit_glm", "of the other", subject="01", run="sub-01_ses-V0_task-faces")
    fail(tmp_path, "compute_contrast", "of old", subject="01", unit=run.label, contrast="gone")
    fail(tmp_path, "report_subject", "of nobody", subject="99")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "foreign.json").write_text("[]")
    [state] = states_of(study, [tmp_path / "none"], tmp_path).values()
    assert state.status == "unfinished"
    fail(tmp_path, "fit_glm", "of this one", subject="01", run=run.label)
    [state] = states_of(study, [tmp_path / "none"], tmp_path).values()
    assert "of this one" in state.reason


def test_end_tells_what_became_of_each(tmp_path):
    """The file has every row with its labels; the lines count subjects and runs."""
    runs = [run_of("01", "1"), run_of("01", "2")]
    left_out = [
        LeftOut("raw/sub-02_task-faces_run-3_events.tsv", "no image", "02", None, "faces", "3"),
        LeftOut("raw/sub-03", "is excluded", "03", status=NOT_SELECTED),
    ]
    table = rows_of(Study.of(runs, left_out))
    said = summary.write(tmp_path / "runs.tsv", table, left_out)
    assert said.startswith("Subjects: 1 unfinished, 1 left out; ")
    assert lines_of(said)["unfinished"] == ("1", "2")
    assert lines_of(said)["left out"] == ("1", "1")
    assert lines_of(said)["not selected"] == ("1", "0")
    assert "left out, 1: no image (sub-02_task-faces_run-3_events.tsv)" in said
    assert (tmp_path / "runs.tsv").read_text().splitlines()[3:] == [
        "02\tn/a\tfaces\t3\tn/a\traw/sub-02_task-faces_run-3_events.tsv\tleft out\tno image",
        "03\tn/a\tn/a\tn/a\traw/sub-03\tn/a\tnot selected\tis excluded",
    ]


def test_runs_of_an_earlier_config_are_told_before_their_rows_go(tmp_path):
    """One config per session into one folder: V9's table has no rows of V0, whose maps stay."""
    path = tmp_path / "runs.tsv"
    assert summary.replaced(path, []) == []
    first = [replace(run_of(subject, run), session="V0") for subject in ("01", "02") for run in ("1", "2")]
    second = [replace(run, session="V9") for run in first]
    left_out = [
        LeftOut("sub-03", "has no BOLD image", "03"),
        LeftOut("x_task-faces", "r", status=NOT_SELECTED),
    ]
    summary.write(path, rows_of(Study.of(first, left_out)))
    assert summary.replaced(path, first) == []
    assert summary.replaced(path, [*first, *second]) == []
    [line] = summary.replaced(path, second)
    assert f"{path} lists 4 runs that this config does not take" in line
    assert "(sub-01_ses-V0_task-faces_run-1, sub-01_ses-V0_task-faces_run-2, sub-02_ses-V0" in line
    assert "pathvars.results" in line
    [line] = summary.replaced(path, first[1:])
    assert "lists 1 run that this config does not take (sub-01_ses-V0_task-faces_run-1)" in line
    now = LeftOut(first[0].bold[0], "has no mask", "01", "V0", "faces", "1")
    assert summary.replaced(path, first[1:], [now]) == []  # by its reason
    assert summary.replaced(path, first[1:], [now._replace(status=NOT_SELECTED)]) == [line]
    [line] = summary.replaced(path, [])
    assert "lists 4 runs" in line
    by_direction = [replace(first[0], others=(("dir", "LR"),))]
    summary.write(path, rows_of(Study.of(by_direction)))
    assert "(sub-01_ses-V0_task-faces_dir-LR_run-1)" in summary.replaced(path, first)[0]
    path.write_text("no table of ours\n")
    assert summary.replaced(path, second) == []


def test_thousands_of_rows_of_one_reason_are_one_line(tmp_path):
    """At the start, at the end and on the page of the study; each has its row in runs.tsv."""
    left_out = [
        LeftOut(f"raw/sub-{n:04d}_task-faces_bold.nii", f"sub-{n:04d}_mask.nii is a broken link", f"{n:04d}")
        for n in range(3000)
    ]
    study = Study.of([run_of("01", "1")], left_out)
    said = [
        summary.plan(study, {label: [] for label in study.units}, SOURCE),
        summary.write(tmp_path / "runs.tsv", rows_of(study), left_out),
    ]
    for text in said:
        assert text.count("is a broken link") == 1
        assert len(text.splitlines()) < 12
        assert "left out, 3000: sub-... is a broken link" in text
    assert (tmp_path / "runs.tsv").read_text().count("\n") == 3002
    examples = [
        [reason, len(group), [Path(one.path).name for one in group[: summary.N_EXAMPLES]]]
        for reason, group in grouped(left_out)
    ]
    study_page.write(tmp_path / "report.html", [], ["a"], examples, "software")
    page = (tmp_path / "report.html").read_text()
    assert page.count("is a broken link") == 1
    assert page.count("_task-faces_bold.nii") == summary.N_EXAMPLES
    assert ">3000<" in page
