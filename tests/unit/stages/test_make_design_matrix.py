"""The design of a run as a stage makes it: columns, roles, options, and what it refuses."""

import json

import numpy as np
import pandas as pd
import pytest
from nilearn.glm.first_level import make_first_level_design_matrix
from stage_calls import DESIGN_OPTIONS
from with_headers import make_design_matrix

from firstlevel.io import cells, table_writer
from firstlevel.stage import InputError


def test_design_names_its_columns_and_their_roles(tmp_path, fitted):
    """Confounds come by name, and the sidecar says what each column is for."""
    content = json.loads((tmp_path / "design.json").read_text())
    assert [(column["Name"], column["Role"]) for column in content["Columns"]] == [
        ("a", "condition"), ("b", "condition"), ("rot_x", "confound"), ("constant", "constant"),
    ]  # fmt: skip
    assert content["FrameTimes"][:2] == [1.0, 3.0]
    assert content["Rank"] == 4
    assert content["ConditionNumber"] > 1


def test_confounds_of_another_length_are_an_error(tmp_path, fitted):
    """A confounds table that lost a row does not become a design."""
    path = tmp_path / "confounds.tsv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(InputError, match="has 39 rows for a run of 40 scans"):
        make_design_matrix(
            source=[tmp_path / "events.tsv"], bold=[tmp_path / "b.nii"], design=tmp_path / "d.tsv",
            sidecar=tmp_path / "d.json", columns=["rot_x"], confounds=path, **DESIGN_OPTIONS,
        )  # fmt: skip


def test_design_with_dependent_columns_says_which(tmp_path, fitted, caplog):
    """A confound that is given twice under two names is in the log and in the sidecar."""
    assert "DependentColumns" not in json.loads((tmp_path / "design.json").read_text())
    path = tmp_path / "confounds.tsv"
    values = [row[0] for row in cells.read_columns(path)[1]]
    table_writer.write_table(path, ("rot_x", "twice"), [(x, 2 * x) for x in values])
    make_design_matrix(
        source=[tmp_path / "events.tsv"], bold=[tmp_path / "b.nii"], design=tmp_path / "d.tsv",
        sidecar=tmp_path / "d.json", columns=["rot_x", "twice"], confounds=path, **DESIGN_OPTIONS,
    )  # fmt: skip
    content = json.loads((tmp_path / "d.json").read_text())
    assert content["Rank"] == len(content["Columns"]) - 1
    assert content["DependentColumns"] == [{"Name": "twice", "FollowsFrom": ["rot_x"]}]
    assert "dependent regressors: twice (follows from rot_x)" in caplog.text


def test_design_follows_every_option(tmp_path, fitted):
    """Cut-off, oversampling and earliest onset are those that were asked for."""
    events = tmp_path / "events.tsv"
    rows = [(-6.0, 1.0, "a"), (10.3, 1.0, "a"), (41.7, 1.0, "a")]
    table_writer.write_table(events, ("onset", "duration", "trial_type"), rows)
    options = {"hrf_model": "spm + derivative", "high_pass": 0.03, "min_onset": -4.0, "oversampling": 7}
    make_design_matrix(
        source=[events], bold=[tmp_path / "b.nii"], design=tmp_path / "d.tsv", sidecar=tmp_path / "d.json",
        repetition_time=2.0,
        slice_time_ref=0.0, drift_model="cosine", columns=[], **options,
    )  # fmt: skip
    table = pd.DataFrame(rows[1:], columns=["onset", "duration", "trial_type"])  # -6 s is before min_onset
    expected = make_first_level_design_matrix(np.arange(40) * 2.0, table, drift_model="cosine", **options)
    columns, values = cells.read_columns(tmp_path / "d.tsv")
    assert columns == list(expected)
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-12)


def test_events_after_the_end_of_the_run(tmp_path, fitted, caplog):
    """Some after the end are told in the log, all of them are an error."""
    events = tmp_path / "events.tsv"
    arguments = {
        "source": [events], "bold": [tmp_path / "b.nii"], "design": tmp_path / "d.tsv",
        "sidecar": tmp_path / "d.json", "columns": [], **DESIGN_OPTIONS,
    }  # fmt: skip
    events.write_text("onset\tduration\ttrial_type\n4\t1\ta\n5000\t1\ta\n")
    make_design_matrix(**arguments)
    assert "row 3: onset 5000 s is after the end of the run (80 s)" in caplog.text
    events.write_text("onset\tduration\ttrial_type\n4000\t1\ta\n5000\t1\ta\n")
    with pytest.raises(InputError, match="every event begins after the end of the run"):
        make_design_matrix(**arguments)


SOURCE = "onset\tduration\ttrial_type\n{0}\t1\tb\n2\t1\ta\n"


def test_events_and_design_are_made_in_one_go(tmp_path, fitted):
    """The design is that of the events as they are written: in order, in seconds of the run's own headers."""
    (tmp_path / "source.tsv").write_text(SOURCE.format(12))
    made = {}
    for unit in ("s", "scans"):
        make_design_matrix(
            source=[tmp_path / "source.tsv"], bold=[tmp_path / "b.nii"], design=tmp_path / "d.tsv",
            sidecar=tmp_path / "d.json", onset_unit=unit, **DESIGN_OPTIONS,
        )  # fmt: skip
        written = [row[:2] for row in cells.read_columns(tmp_path / "of_run.tsv", ["onset", "duration"])[1]]
        made[unit] = written, cells.read_columns(tmp_path / "d.tsv")[1]
    assert made["s"][0] == [[2.0, 1.0], [12.0, 1.0]]
    assert made["scans"][0] == [[4.0, 2.0], [24.0, 2.0]]
    for onsets, values in made.values():
        table = pd.DataFrame(onsets, columns=["onset", "duration"]).assign(trial_type=["a", "b"])
        options = {"hrf_model": "glover", "drift_model": None, "min_onset": -24, "oversampling": 16}
        expected = make_first_level_design_matrix(1.0 + 2.0 * np.arange(40), table, **options)
        np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("onset", "message"), [("-x", "row 2: onset is '-x'"), (9000, "look like milli")])
def test_wrong_events_stop_before_anything_is_written(tmp_path, fitted, onset, message):
    """Also those that only the length of the run shows; the message names the user's file."""
    (tmp_path / "source.tsv").write_text(SOURCE.format(onset) + f"{onset}\t1\tc\n{onset}\t1\td\n")
    for name in ("of_run.tsv", "of_run.json"):
        (tmp_path / name).unlink()
    with pytest.raises(InputError, match=rf"^{tmp_path}/source\.tsv.*{message}"):
        make_design_matrix(
            source=[tmp_path / "source.tsv"], bold=[tmp_path / "b.nii"], design=tmp_path / "d.tsv",
            sidecar=tmp_path / "d.json", **DESIGN_OPTIONS,
        )  # fmt: skip
    assert not [
        name for name in ("of_run.tsv", "of_run.json", "d.tsv", "d.json") if (tmp_path / name).exists()
    ]
