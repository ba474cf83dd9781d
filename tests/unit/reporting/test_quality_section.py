"""What a page says of quality: names and units; nothing unknown counts as fine, runs are left out once."""

import re
from pathlib import Path

import pytest

from firstlevel.quality import contrast_verdicts, run_verdicts
from firstlevel.reporting import quality_section

RUN = "sub-01_task-faces_run-2"
COLUMNS = ("run", "contrast", "measure", "value", "limit", "verdict", "sentence")


def row(*cells):
    return dict(zip(COLUMNS, cells, strict=True))


ROWS = [
    row(RUN, "n/a", "outside", "0.0267", "0.05", "pass", "A."),
    row(RUN, "n/a", "displacement", "n/a", "5.0", "n/a", "B."),
    row(RUN, "n/a", "tsnr", "29.99", "30.0", "check", "C."),
    row(RUN, "ab", "estimable", "false", "n/a", "check", "D."),
    row("n/a", "ab", "z_width", "1.5004", "0.8 to 1.5", "check", "E."),
    row("n/a", "ab", "z_centre", "-1.22", "1.0", "check", "F."),
]
PAIRS = [
    {"run": RUN, "contrast": contrast, "used": used, "reason": reason}
    for contrast, used, reason in (("ab", "false", "no b"), ("ba", "false", "no b"), ("a", "true", "n/a"))
]


def test_every_measure_has_a_name():
    """None of those that are judged reaches a reader by its key."""
    source = "".join(Path(module.__file__).read_text() for module in (run_verdicts, contrast_verdicts))
    judged = set(re.findall(r'(?:NOTHING|contrast), "(\w+)",', source))
    assert len(judged) > 12
    assert judged == quality_section.MEASURES.keys()


def test_checks_are_counted_and_folded_by_run_and_contrast():
    """What is not known is not fine; what is left out is told once, with all its contrasts."""
    shown = quality_section.of_unit(ROWS, PAIRS)
    assert (shown["n_checks"], shown["n_pass"], shown["n_to_check"], shown["n_unknown"]) == (6, 1, 4, 1)
    assert [group["name"] for group in shown["quality"]] == ["run 2", "ab"]
    assert [len(group["checks"]) for group in shown["quality"]] == [4, 2]
    assert [check["measure"] for check in shown["quality"][0]["told"]] == [
        "displacement",
        "tsnr",
        "estimable",
    ]
    assert [check["sentence"] for check in shown["warnings"]] == ["C.", "E.", "F."]
    assert shown["left_out"] == [{"run": "run 2", "contrasts": "ab, ba", "reason": "no b"}]


@pytest.mark.parametrize(
    ("number", "value", "limit", "unit"),
    [
        (0, "2.67", "5", "%"),
        (1, "n/a", "5", "mm"),
        (2, "29.99", "30", ""),
        (3, "no", "n/a", ""),
        (4, "1.5004", "0.8 to 1.5", ""),
        (5, "-1.22", "1", ""),
    ],
)
def test_values_are_in_their_unit_and_on_their_side_of_the_limit(number, value, limit, unit):
    check = quality_section._check(ROWS[number])
    assert (check["value"], check["limit"], check["unit"]) == (value, limit, unit)
