"""Spelling of trial types: the plan and the stage refuse the same, with the same words."""

from pathlib import Path

import pytest
from with_headers import write_run_events

from firstlevel.glm import trial_types
from firstlevel.glm.trial_types import Place
from firstlevel.io import event_rules, events
from firstlevel.stage import InputError

HEADER = "onset\tduration\ttrial_type\n"


def refused(check, *arguments, **options):
    with pytest.raises(InputError) as told:
        check(*arguments, **options)
    return str(told.value)


def test_plan_and_stage_say_the_same_of_one_run(tmp_path):
    """File, row, and both spellings."""
    path = tmp_path / "events.tsv"
    path.write_text(HEADER + "1\t1\tfaces\n9\t1\thouses\n20\t1\tFaces\n")
    found = events.find([path], event_rules.Rules())
    by_plan = refused(trial_types.check_spelling, trial_types.places_of(path, found))
    by_stage = refused(write_run_events, source=[path], events=tmp_path / "out.tsv")
    assert by_plan == by_stage
    assert by_plan.startswith(f"{path}, row 4: the trial type 'Faces' differs from 'faces' in case")


def test_spelling_of_another_run_is_told_with_its_place():
    """The place of the earlier one is shown where it is another file, and has rows."""
    places = {"faces": Place(Path("a.tsv"), 2), "fa ces": Place(Path("b.tsv"), 5)}
    told = refused(trial_types.check_spelling, places)
    assert told.startswith("b.tsv, row 5: the trial type 'fa ces' differs from 'faces' (a.tsv, row 2) in")
    told = refused(
        trial_types.check_spelling, {"A": Place(Path("a.mat"), None), "a": Place(Path("b.mat"), None)}
    )
    assert told.startswith("b.mat: the trial type 'a' differs from 'A' in")
    trial_types.check_spelling({"faces": Place(Path("a.tsv"), 2), "places": Place(Path("b.tsv"), 2)})
