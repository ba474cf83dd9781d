"""Binding of stages, whole files, errors, digests of code."""

import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest

from firstlevel import stage
from firstlevel.stage import InputError


class Namedlist(list):
    """Stands for Snakemake's: a list whose items have names."""

    def __init__(self, **named):
        super().__init__(named.values())
        self._named = named

    def items(self):
        return self._named.items()


def example(
    *, bold: list[Path], beta: Path, model: str, fwhm: float | None, own: Path | None = None, threads: int = 1
) -> None:
    """Write what it was called with."""
    beta.write_text(repr((bold, model, fwhm, own, threads)))


def job(tmp_path, **changes):
    parts = {
        "input": {"bold": ["a.nii", "b.nii"], "own": []},
        "output": {"beta": str(tmp_path / "beta")},
        "params": {"model": "ar1", "fwhm": None, "code": "digest"},
    } | changes
    named = {name: Namedlist(**values) for name, values in parts.items()}
    labels = Namedlist(subject="01", run="sub-01_task-x")
    return SimpleNamespace(**named, wildcards=labels, log=[str(tmp_path / "logs" / "job.log")], threads=3)


@pytest.fixture(autouse=True)
def fresh_logging(monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    yield
    logging.captureWarnings(False)


def test_rule_and_command_line_call_the_same_function(tmp_path):
    """The rule's keywords and the flags of the same names bind the same arguments."""
    stage.run(example, job(tmp_path))
    by_rule = (tmp_path / "beta").read_text()
    flags = ["--bold", "a.nii", "b.nii", "--beta", str(tmp_path / "beta"), "--model", "ar1", "--threads", "3"]
    stage.run(example, argv=flags)
    assert (
        by_rule
        == (tmp_path / "beta").read_text()
        == repr(([Path("a.nii"), Path("b.nii")], "ar1", None, None, 3))
    )


def test_a_choice_of_numbers_is_a_number_on_the_command_line(tmp_path):
    """Choices keep their type; what is none of them is refused."""

    def choose(*, path: Path, neighbours: Literal[6, 18]) -> None:
        path.write_text(repr(neighbours))

    path = tmp_path / "chosen"
    stage.run(choose, argv=["--path", str(path), "--neighbours", "18"])
    assert path.read_text() == "18"
    with pytest.raises(SystemExit):
        stage.run(choose, argv=["--path", str(path), "--neighbours", "7"])


@dataclass(frozen=True)
class Options:
    unit: Literal["s", "scans"] | None = None
    delays: tuple[float, ...] = ()
    table: Path | None = None


def with_options(*, path: Path, of_events: Options) -> None:
    path.write_text(repr(of_events))


@pytest.mark.parametrize("options", [{}, {"unit": "scans", "delays": [1, 2.5], "table": "a.tsv"}])
def test_a_dictionary_becomes_the_options_that_a_stage_asks_for(tmp_path, options):
    """By a rule, and as JSON on the command line; defaults are those of the options."""
    path = tmp_path / "made"
    expected = repr(Options(**options | {"table": Path("a.tsv")} if options else {}))
    stage.run(with_options, job(tmp_path, input={}, output={"path": path}, params={"of_events": options}))
    assert path.read_text() == expected
    path.unlink()
    stage.run(with_options, argv=["--path", str(path), "--of-events", json.dumps(options)])
    assert path.read_text() == expected


@pytest.mark.parametrize("options", [{"unit": "ms"}, {"onset_unit": "s"}])
def test_options_of_unknown_names_or_words_are_refused(tmp_path, capsys, options):
    """A word that stands for nothing would be taken for the default by what asks for another."""
    path = tmp_path / "made"
    with pytest.raises(TypeError):
        stage.run(with_options, job(tmp_path, input={}, output={"path": path}, params={"of_events": options}))
    with pytest.raises(SystemExit):
        stage.run(with_options, argv=["--path", str(path), "--of-events", json.dumps(options)])
    assert "--of-events: invalid" in capsys.readouterr().err
    assert not path.exists()


def test_single_file_for_a_list_is_a_list_of_one(tmp_path):
    """Snakemake gives a single input as a string."""
    stage.run(example, job(tmp_path, input={"bold": "run.nii"}))
    assert "[PosixPath('run.nii')]" in (tmp_path / "beta").read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"params": {"model": "ar1", "fwhm": None, "modle": 1}}, "does not know what its rule gives: modle"),
        ({"params": {"model": "ar1"}}, "lacks what its rule should give: fwhm"),
        ({"input": {"bold": "x", "beta": "y"}}, "the name 'beta' twice"),
    ],
)
def test_names_of_rule_and_function_must_agree(tmp_path, changes, message):
    """A missing, surplus or doubled name is an error that names it."""
    with pytest.raises(TypeError, match=message):
        stage.run(example, job(tmp_path, **changes))


def test_input_error_shows_its_message_and_logs_the_traceback(tmp_path, capsys):
    """The terminal shows what to do; only the log shows the traceback."""

    def stops(*, bold: list[Path], beta: Path, model: str, fwhm: float | None, own: Path | None) -> None:
        raise InputError("events.tsv", "onset is -3", expected="0 or more", remedy="correct it", row=7)

    with pytest.raises(SystemExit) as stopped:
        stage.run(stops, job(tmp_path))
    shown, logged = capsys.readouterr().err, (tmp_path / "logs" / "job.log").read_text()
    assert stopped.value.code == 1
    assert "events.tsv, row 7: onset is -3\n  expected: 0 or more\n  to do: correct it" in shown
    assert "Traceback" not in shown
    assert "Traceback" in logged
    assert "onset is -3" in logged


def test_failure_is_left_as_data_until_the_job_succeeds(tmp_path, capsys):
    """Beside the log: stage, labels and the message in its parts; a job that succeeds takes it away."""
    left = tmp_path / "logs" / "job.json"

    def stops():
        raise InputError("runs.tsv", "is wrong", expected="right", remedy="correct it", row=3)

    def breaks():
        raise ZeroDivisionError("0")

    calls = job(tmp_path, input={}, output={}, params={})
    for function, parts in (
        (
            stops,
            {"Where": "runs.tsv, row 3", "Problem": "is wrong", "Expected": "right", "Remedy": "correct it"},
        ),
        (breaks, {"Where": calls.log[0], "Problem": "ZeroDivisionError: 0"}),
    ):
        with pytest.raises(SystemExit):
            stage.run(function, calls)
        labels = {"Subject": "01", "Run": "sub-01_task-x"}
        assert json.loads(left.read_text()) == {"Stage": function.__name__, "Labels": labels, **parts}
    stage.run(lambda: None, calls)
    assert not left.exists()
    capsys.readouterr()


def test_other_errors_point_to_the_log(tmp_path, capsys):
    """A fault of ours says where its traceback is."""

    def fails(*, bold: list[Path], beta: Path, model: str, fwhm: float | None, own: Path | None) -> None:
        raise ZeroDivisionError("by zero")

    with pytest.raises(SystemExit):
        stage.run(fails, job(tmp_path))
    shown = capsys.readouterr().err
    assert "fails failed: ZeroDivisionError: by zero" in shown
    assert "job.log" in shown
    assert "Traceback" in (tmp_path / "logs" / "job.log").read_text()


def test_atomic_replaces_whole_and_keeps_the_old_file_on_failure(tmp_path):
    """A block that fails leaves the old file and nothing else."""
    path = tmp_path / "map.nii.gz"
    with stage.atomic(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.endswith(".nii.gz")
        temporary.write_text("whole")
        assert not path.exists()
    with pytest.raises(OSError, match="full"), stage.atomic(path) as temporary:
        temporary.write_text("ha")
        raise OSError("disk full")
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_every_stage_answers_for_help(capsys):
    """Each script builds a command line from its own annotations."""
    import importlib

    for script in sorted(Path(stage.SCRIPTS).glob("*.py")):
        function = getattr(importlib.import_module(script.stem), script.stem)
        with pytest.raises(SystemExit) as stopped:
            stage.run(function, argv=["--help"])
        assert stopped.value.code == 0
    assert "--" in capsys.readouterr().out
    assert sys.modules["fit_glm"].fit_glm.__doc__
