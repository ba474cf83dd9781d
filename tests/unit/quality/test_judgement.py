"""What is judged of volumes, and their table: what is not known stays so, and limits are no part of it."""

import numpy as np
import pytest

from firstlevel.quality import head_motion, judgement, residuals, temporal, verdicts, volumes

KEPT = np.ones(6, dtype=bool)


def test_table_of_volumes_gives_back_what_was_measured(tmp_path):
    """Every column to the last bit; n/a for what is not known, and counts as whole numbers."""
    rng = np.random.default_rng(0)
    moved = head_motion.HeadMotion(np.full(6, np.nan), rng.random(6), rng.random(6))
    moved.framewise_displacement[0] = np.nan
    measured = volumes.of_run(moved, [0, 3, 0, 0, 1, 0], 100 + rng.random(6), rng.random(6))
    np.testing.assert_array_equal(measured[:3], moved)
    volumes.write(tmp_path / "v.tsv", measured)
    for column, values in measured._asdict().items():
        np.testing.assert_array_equal(volumes.read(tmp_path / "v.tsv", column), values)
    lines = [line.split("\t") for line in (tmp_path / "v.tsv").read_text().splitlines()]
    assert lines[0] == list(volumes.Volumes._fields)
    assert (lines[1][0], lines[1][1], lines[2][3]) == ("n/a", "n/a", "3")


def test_dvars_in_percent_need_a_mean_above_0():
    """Percent of the run's mean; of a mean of 0 there is none, and the first volume has no volume before."""
    change = np.array([9.0, 2.0, 4.0])
    dvars = temporal.dvars_in_percent(np.array([100.0, 200.0, 300.0]), change)
    np.testing.assert_array_equal(dvars, [np.nan, 1.0, 2.0])
    assert np.isnan(temporal.dvars_in_percent(np.array([-1.0, 0.0, 1.0]), change)).all()
    assert change[0] == 9.0  # what was given is left as it is


def test_volumes_above_a_limit_are_counted_where_motion_is_known():
    """At the limit is not above it; NaN does not count, and nothing but NaN is not known."""
    assert judgement.count_above(np.array([np.nan, 0.5, 0.6, 0.4]), 0.5) == 1
    assert judgement.count_above(np.array([np.nan, 0.1]), 0.5) == 0
    assert judgement.count_above(np.full(4, np.nan), 0.5) is None


def test_spikes_are_volumes_far_above_the_median():
    """By number, with the largest score; None where no DVARS is known."""
    dvars = np.array([np.nan, 1.0, 1.0, 3.0, 1.0, 1.0])
    assert judgement.find_spikes(dvars, KEPT, 5.0) == ([3], pytest.approx(20.0))  # deviation of at least 0.1
    assert judgement.find_spikes(np.full(6, np.nan), KEPT, 5.0) == ([], None)


@pytest.mark.parametrize(
    ("scaling", "grand_mean", "expected"),
    [("voxel", None, "voxel"), ("grand_mean", 800.0, 0.125), ("none", None, 1.0)],
)
def test_factor_to_what_was_fitted_is_that_of_the_fit(scaling, grand_mean, expected):
    """Percent of each voxel's mean, of one mean for all, or the data as they are."""
    assert residuals.factor(scaling, grand_mean) == expected


def test_verdicts_of_a_subject_are_counted_by_their_words():
    """Runs first, then their efficiencies beside each other, then contrasts."""

    def judged(name, word, **content):
        return judgement.Judged(content, [verdicts.Verdict(name, "n/a", "m", 1, 2, word, "A sentence.")])

    runs = {
        run: judged(run, word, Efficiency={"c": 1.0})
        for run, word in (("r1", verdicts.PASS), ("r2", verdicts.UNKNOWN))
    }
    content, listed = judgement.of_subject(
        runs, {"c": judged("n/a", verdicts.CHECK, Width=1.0)}, {"efficiency": 0.2}
    )
    assert [verdict.measure for verdict in listed] == ["m", "m", "efficiency", "efficiency", "m"]
    assert content["Verdicts"] == {"Pass": 3, "Check": 1, "Unknown": 1}
    assert content["Contrasts"] == {"c": {"Width": 1.0}}
    assert content["Limits"] == {"Efficiency": 0.2}
