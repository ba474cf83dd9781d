"""What the terminal shows of Snakemake's records, which it knows by their kind."""

import io
import json
import logging
import os
import time

import pytest

from firstlevel.plan import terminal

LOG_LINE = "2026-11-29 01:07:57,123"


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self):
        return True


def record(event=None, message="", level=logging.INFO, **extra):
    made = logging.LogRecord("snakemake", level, "", 0, message, (), None)
    vars(made).update(extra, event=event)
    return made


def job(number, rule="fit_glm", log=(), **wildcards):
    return record("job_info", jobid=number, rule_name=rule, log=list(log), wildcards=wildcards)


def failed(number, rule="fit_glm", log=(), **extra):
    return record("job_error", level=logging.ERROR, jobid=number, rule_name=rule, log=list(log), **extra)


def finish(progress, number, done, total):
    progress.filter(record("job_finished", job_id=number))
    progress.filter(record("progress", done=done, total=total))


def run(stream, total, wildcards=None, started=None):
    """Show a run of so many jobs to its end."""
    progress = terminal.Progress(stream, started or time.time())
    progress.filter(record("run_info", stats={"fit_glm": total, "total": total}))
    for number in range(1, total + 1):
        progress.filter(job(number, **(wildcards or {"subject": "01", "run": f"sub-01_run-{number}"})))
        finish(progress, number, number, total)
    return progress


@pytest.mark.parametrize(("total", "lines"), [(1, 1), (8, 8), (20, 20), (24, 12), (1000, 20), (19001, 20)])
def test_file_gets_at_most_twenty_lines_of_progress(total, lines):
    """However many jobs: the last line is always that of the last job."""
    stream = io.StringIO()
    run(stream, total)
    shown = stream.getvalue().splitlines()
    assert shown[0] == f"To do: {total} jobs"
    assert abs(len(shown) - 1 - lines) <= 1
    assert shown[-1].startswith(f"  {total} of {total} jobs, 0:0")
    assert shown[-1].endswith(f"fit_glm sub-01_run-{total}")


def test_terminal_rewrites_one_line_as_wide_as_it_is(monkeypatch):
    """No line break between the jobs, and none by a line that is too long."""
    monkeypatch.setattr(terminal.shutil, "get_terminal_size", lambda: os.terminal_size((30, 24)))
    stream = Terminal()
    progress = run(stream, 40, {"subject": "01", "run": "sub-01_task-" + 40 * "a"})
    progress.clear()
    shown = stream.getvalue().removeprefix("To do: 40 jobs\n")
    assert "\n" not in shown
    assert max(len(part) for part in shown.replace("\x1b[K", "").split("\r")) == 29
    assert shown.endswith("\r\x1b[K")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("workflow_started", "Workflow has started!"),
        ("resources_info", "Provided cores: 2"),
        (None, "Building DAG of jobs..."),
        (None, "Complete log(s): x"),
        ("error", "WorkflowError:\nAt least one job did not complete successfully."),
        ("error", "RuleException:\nCalledProcessError ...\nCommand 'x' returned non-zero exit status 1."),
    ],
)
def test_records_of_the_engine_are_left_to_its_log(kind, message):
    """Nothing is shown of them."""
    stream = io.StringIO()
    level = logging.ERROR if kind == "error" else logging.INFO
    assert not terminal.Progress(stream, 0).filter(record(kind, message, level))
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("kind", "message", "level"),
    [
        (None, "Unlocked working directory.", logging.INFO),
        (None, "Will exit after finishing currently running jobs (scheduler).", logging.INFO),
        (None, "Building DAG of jobs: a warning", logging.WARNING),
        ("error", "MissingOutputException in rule fit_glm", logging.ERROR),
        ("error", "CalledProcessError: Command 'x' died with <Signals.SIGKILL: 9>.", logging.ERROR),
        ("error", "Command 'x' returned non-zero exit status 137.", logging.ERROR),
    ],
)
def test_what_is_rare_passes(kind, message, level):
    """Snakemake shows it as ever."""
    assert terminal.Progress(io.StringIO(), 0).filter(record(kind, message, level))


def test_warnings_of_a_stage_are_a_line_each_with_its_log(tmp_path):
    """From the log of the job that ended: twice the same is one, and no command to the terminal passes."""
    log = tmp_path / "a.log"
    log.write_text(
        f"{LOG_LINE} INFO fine\n{LOG_LINE} WARNING ev.tsv: 3 rows\x1b[2J repeat\n"
        f"{LOG_LINE} WARNING /x.py:3: UserWarning: odd\n  warn()\n" + 2 * f"{LOG_LINE} WARNING again\n"
    )
    stream = io.StringIO()
    progress = terminal.Progress(stream, 0)
    progress.filter(job(1, log=[log], subject="01", unit="sub-01_task-a", contrast="c"))
    finish(progress, 1, 1, 1)
    label = f"(fit_glm sub-01_task-a c; {log})"
    assert stream.getvalue().splitlines()[:3] == [
        f"Warning: ev.tsv: 3 rows\\x1b[2J repeat {label}",
        f"Warning: /x.py:3: UserWarning: odd {label}",
        f"Warning: again {label}",
    ]


def test_many_warnings_are_counted_at_the_end(tmp_path):
    """A thousand of them do not fill the screen, and none is lost without a word."""
    log = tmp_path / "a.log"
    log.write_text("".join(f"{LOG_LINE} WARNING number {n}\n" for n in range(100)))
    stream = io.StringIO()
    progress = terminal.Progress(stream, 0)
    progress.filter(job(1, log=[log]))
    finish(progress, 1, 1, 1)
    assert stream.getvalue().count("Warning:") == terminal.MOST_WARNINGS
    end = progress.closing(page=None, n_reused=0, n_needed=1, n_done=1, logs=[], folder="my logs")
    assert end[0] == "Warnings: 70 more; to read them: grep -r WARNING 'my logs'"


def left_by(log, **changes):
    """Write what a failed stage leaves beside its log."""
    left = {
        "Stage": "fit_glm",
        "Labels": {},
        "Where": "a.nii",
        "Problem": "is bad",
        "Expected": "good",
        "Remedy": "do",
    }
    log.with_suffix(".json").write_text(json.dumps(left | changes))


def test_failure_is_a_line_whose_message_the_stage_has_shown(tmp_path):
    """On a node it could not: its message comes from the file that it left."""
    log = tmp_path / "a.log"
    left_by(log)
    for aux, told in (
        ({}, []),
        ({"external_jobid": "7"}, ["fit_glm stopped. a.nii: is bad; expected: good; to do: do"]),
    ):
        stream = io.StringIO()
        progress = terminal.Progress(stream, time.time())
        progress.filter(job(1, log=[log], subject="01", run="sub-01_run-2"))
        progress.filter(failed(1, log=[log], aux=aux))
        assert stream.getvalue().splitlines() == [*told, f"Failed: fit_glm sub-01_run-2; log: {log}"]


def test_job_that_was_killed_is_said_to_have_left_no_message(tmp_path):
    """What an earlier run left there is not its message."""
    log = tmp_path / "a.log"
    for since in (None, time.time() - 3600):
        if since:
            left_by(log)
            os.utime(log.with_suffix(".json"), (since, since))
        stream = io.StringIO()
        terminal.Progress(stream, time.time()).filter(failed(1, log=[log], aux={}))
        assert "(no message of its own: killed, or out of memory?)" in stream.getvalue()


def test_failed_group_names_the_job_that_failed(tmp_path):
    """A subject is one job of a cluster; the stages after the failed one are not failures."""
    logs = [tmp_path / f"{name}.log" for name in "ab"]
    left_by(logs[1])
    info = [{"jobid": n, "rule_name": "fit_glm", "log": [logs[n]]} for n in (0, 1)]
    stream = io.StringIO()
    progress = terminal.Progress(stream, time.time())
    progress.filter(record("group_error", groupid="g", aux_logs=["slurm.log"], job_error_info=info))
    progress.filter(failed(0, log=logs[:1], indent=True))
    assert stream.getvalue().splitlines() == [
        "fit_glm stopped. a.nii: is bad; expected: good; to do: do",
        f"Failed: fit_glm; log: {logs[1]}",
    ]
    assert "1 failed, 1 not run" in progress.closing(page=None, n_reused=0, n_needed=2, n_done=0, logs=[])[0]


def test_job_that_succeeds_at_its_second_try_is_no_failure(tmp_path):
    """The count at the end is that of jobs."""
    progress = terminal.Progress(io.StringIO(), time.time())
    progress.filter(failed(1, aux={}))
    finish(progress, 1, 1, 1)
    assert progress.closing(page=None, n_reused=2, n_needed=1, n_done=1, logs=[])[0] == (
        "Jobs: 1 done, 2 reused (up to date)"
    )


def test_last_line_is_where_the_report_is_and_how_to_open_it(tmp_path, monkeypatch):
    """A command where the system has one, quoted for the shell; an address elsewhere."""
    page = tmp_path / "my study" / "report.html"
    progress = terminal.Progress(io.StringIO(), time.time() - 3700)
    monkeypatch.setattr(terminal.shutil, "which", lambda name: f"/usr/bin/{name}")
    lines = progress.closing(page=page, n_reused=0, n_needed=0, n_done=0, logs=["x.log"])
    assert lines[-1].startswith(f"Report: {page}; to open it: ")
    assert lines[-1].endswith(f"open '{page}'")
    assert lines[-2].startswith("Time: 1:01:4")
    assert lines[-2].endswith("; log: x.log")
    monkeypatch.setattr(terminal.shutil, "which", lambda name: None)
    assert terminal.how_to_open(page).endswith("to open it in a browser: " + page.as_uri())


def test_nothing_to_do_tells_where_the_report_is():
    """Snakemake has no handler for such a run."""
    stream = io.StringIO()
    progress = terminal.Progress(stream, time.time())
    progress.if_nothing_is_to_be_done = lambda: ["Report: r"]
    assert not progress.filter(record(None, "Nothing to be done (all files are up to date)."))
    assert stream.getvalue() == "Nothing to be done (all files are up to date).\nReport: r\n"


def test_other_handlers_keep_everything():
    """The file of the log, and a run for which all is to be shown."""
    logger = logging.Logger("of a test")
    screen, file = logging.StreamHandler(io.StringIO()), logging.StreamHandler(io.StringIO())
    screen.name, file.name = "DefaultStreamHandler", "DefaultLogFileHandler"
    for handler in (screen, file):
        logger.addHandler(handler)
    assert terminal.attached(logger, started=0, is_wanted=False) is None
    assert terminal.attached(logging.Logger("none"), started=0, is_wanted=True) is None
    assert terminal.attached(logger, started=0, is_wanted=True).stream is screen.stream
    assert (len(screen.filters), len(file.filters)) == (1, 0)
