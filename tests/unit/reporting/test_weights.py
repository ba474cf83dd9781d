"""The table of weights below a design: those of this run, in the order of its columns."""

from firstlevel.reporting import weights

FIT = "sub-01_task-faces_run-2_glm.json"


def content(*rows, fit=FIT):
    return {
        "Runs": [{"Fit": "other_glm.json", "Weights": [{"other": 9.0}]}, {"Fit": fit, "Weights": [*rows]}]
    }


def test_weights_are_those_of_the_run_in_the_order_of_its_design():
    """One row per row of a contrast; nothing of other runs, no column without a weight."""
    contrasts = {
        "difference": content({"b": -1.0, "a": 1.0}),
        "any": content({"a": 1 / 3}, {"b": 1.0}),
        "elsewhere": content({"a": 1.0}, fit="third_glm.json"),
    }
    found = weights.of_run(contrasts, FIT, ["a", "drift", "b", "constant"])
    assert found["columns"] == ["a", "b"]
    assert found["rows"] == [("difference", ["1", "-1"]), ("any", ["0.333", ""]), ("any", ["", "1"])]
    assert (found["n_more_columns"], found["n_more_rows"]) == (0, 0)


def test_weights_that_are_not_shown_are_counted():
    """Hundreds of single trials would make a table that nobody reads."""
    names = [f"trial_{number}" for number in range(200)]
    contrasts = {name: content({name: 1.0}) for name in names}
    found = weights.of_run(contrasts, FIT, names)
    assert found["columns"] == names[: weights.MOST_COLUMNS]
    assert len(found["rows"]) == weights.MOST_ROWS
    assert found["n_more_columns"] == 200 - weights.MOST_COLUMNS
    assert found["n_more_rows"] == 200 - weights.MOST_ROWS
    assert weights.of_run({}, FIT, names)["rows"] == []
