"""What legitimate studies look like is no mistake, and is not told as one."""

import pytest
from catalogue import both, config, events, renamed, same, series
from small_study import analyse, contents, make, refusal

from firstlevel.plan.sources import table


@pytest.mark.parametrize(
    ("names", "gap"),
    [
        (["f001", "f002", "f003", "f004", "f005"], None),
        (["fM-0005-00007-01", "fM-0005-00008-01", "fM-0005-00009-01", "fM-0005-00010-01"], None),
        (["f0034", "f0068", "f0102", "f0136"], None),  # a number per slice
        (["f001-101502", "f002-101504", "f003-101507", "f004-101509", "f005-101512"], None),  # a time beside
        (["101502", "101504", "101507", "101509", "101512"], None),  # times alone
        (["before", "middle", "then"], None),
        (["f001"], None),
        (["f001", "f002", "f004", "f005", "f006"], ("f002", "f004")),
        (["f0034", "f0068", "f0136", "f0170", "f0204"], ("f0068", "f0136")),
        (["f05-005", "f06-006", "f07-007", "f09-009"], ("f07-007", "f09-009")),
    ],
)
def test_gap_is_a_step_that_others_do_not_take(names, gap):
    """Numbers may begin anywhere, and grow by any step; times of day have none."""
    assert table._gap([f"run 2/{name}.img" for name in names]) == (
        gap and tuple(f"run 2/{name}.img" for name in gap)
    )


def rows(*lines):
    return events(lambda _: [line.split() for line in lines])


LEGITIMATE = {
    "a run that broke off": (
        rows("2 1 faces", "9 1 scrambled", "70 1 faces", "300 1 scrambled", "580 1 faces"),
        "is after the end of the run",
    ),
    "whole seconds through the run": (
        rows("0 4 faces", "12 4 scrambled", "24 4 faces", "36 4 scrambled"),
        "",
    ),
    "rest at the beginning": (rows("30 4 faces", "40 4 scrambled", "50 4 faces"), ""),
    "jittered onsets, the end of the run at rest": (
        rows("2.3 1 faces", "8.1 1 scrambled", "15.2 1 faces"),
        "",
    ),
    "one event": (rows("10 1 faces"), ""),
    "a header that is wrong, and a config that decides": (
        both(series(same, seconds=2.5), config("study.repetition_time_decides", True)),
        "the repetition time is the study's 2 s (study.repetition_time_decides), not the header's 2.5 s",
    ),
    "two conditions at one time": (rows("5 1 faces", "5 1 scrambled", "25 1 faces", "40 2 scrambled"), ""),
}


@pytest.mark.parametrize("name", LEGITIMATE)
@pytest.mark.filterwarnings("ignore")
def test_legitimate_events_are_not_told_as_wrong(tmp_path, caplog, name):
    """No error, and no warning but the one that is due."""
    edit, due = LEGITIMATE[name]
    folder = make(tmp_path / "study")
    edit(folder)
    config("contrasts", {"faces": "faces"})(folder)
    analyse(folder)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert bool(warnings) == bool(due)
    assert all(due in warning for warning in warnings)


@pytest.mark.filterwarnings("ignore")
def test_letters_of_both_cases_are_two_conditions_where_both_are_named(tmp_path):
    """What stops as a slip goes through once study.conditions says that it is none."""
    folder = make(tmp_path / "study")
    for run in (1, 2):
        renamed("faces", "B", run)(folder)
        renamed("scrambled", "b", run)(folder)
    config("contrasts", {"difference": "B - b"})(folder)
    before = contents(folder)
    assert "'b' differs from 'B' in case or blanks only" in refusal(folder)
    config("study.conditions", {"B": ["B"], "b": ["b"]})(folder)
    analyse(folder)
    assert len(before) == len(contents(folder))
