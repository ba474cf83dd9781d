"""p and z of t and F against exact values (exact_tails.py), nilearn and scipy, and what holds of them all."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from studies import ROOT

from firstlevel.inference import tails
from firstlevel.inference import thresholds as inference

RTOL = 1e-12
"""Of z: what scipy's ndtri_exp keeps beyond z = 100 (6.6e-13); before, 1e-15."""
ATOL = {"t": 5e-14, "F": 5e-12}
"""Of z: what scipy's p keep: of t 2.9e-14 near 0 with dof 1, of F 2e-11 of p with dof 1e6 and q 50."""
RTOL_OF_P = {"t": 2e-12, "F": 3e-11}
"""Of p: the same, and rounding of log p, to 1e-16 of some hundred."""
AS_NILEARN = 1e-12
"""Of z, where nilearn's p does not underflow."""
T = np.concatenate([np.geomspace(1e-3, 1e6, 400), np.linspace(28, 40, 400)])
DOF = (1, 2, 7.5, 30, 100, 766, 10_000, 1_000_000)


def exact(name):
    """Return the columns of exact_tails.tsv for one statistic: value, q, dof, log_tail, z."""
    with (ROOT / "tests/support/exact_tails.tsv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["statistic"] == name]
    return {
        key: np.array([float(row[key]) for row in rows]) for key in ("value", "q", "dof", "log_tail", "z")
    }


def test_z_and_p_of_t_are_exact_in_both_tails():
    """For dof from 1 to 1e6 and t to 1e6, where log p is -7e6."""
    known = exact("t")
    assert known["log_tail"].min() < -6e6
    for sign in (1, -1):
        p, z = tails.t_to_z(sign * known["value"], known["dof"])
        np.testing.assert_allclose(z, sign * known["z"], rtol=RTOL, atol=ATOL["t"])
        expected = np.exp(known["log_tail"]) if sign > 0 else -np.expm1(known["log_tail"])
        expected = np.clip(expected, tails.SMALLEST_P, tails.LARGEST_P)
        np.testing.assert_allclose(p, expected, rtol=RTOL_OF_P["t"], atol=0)


def test_z_and_p_of_f_are_exact_in_the_upper_tail():
    """For q from 1 to 50, dof from 1 to 1e6 and F to 1e6; scipy's own p end before 1e-300."""
    known = exact("F")
    p, z = tails.f_to_z(known["value"], known["q"], known["dof"])
    np.testing.assert_allclose(z, known["z"], rtol=RTOL, atol=ATOL["F"])
    expected = np.maximum(np.exp(known["log_tail"]), tails.SMALLEST_P)
    np.testing.assert_allclose(p, expected, rtol=RTOL_OF_P["F"], atol=0)


def test_z_of_f_is_exact_in_the_lower_tail_to_where_p_is_clipped():
    """Less than noise: z below 0, no lower than the quantile of the smallest p."""
    known = exact("lower F")
    p, z = tails.f_to_z(known["value"], known["q"], known["dof"])
    clipped = known["log_tail"] < np.log(tails.SMALLEST_P)
    np.testing.assert_allclose(z[~clipped], known["z"][~clipped], rtol=RTOL, atol=ATOL["F"])
    np.testing.assert_allclose(z[clipped], special.ndtri(tails.SMALLEST_P), rtol=RTOL, atol=0)
    np.testing.assert_allclose(
        p, np.minimum(-np.expm1(known["log_tail"]), tails.LARGEST_P), rtol=1e-12, atol=0
    )
    np.testing.assert_allclose(tails.f_to_z(0.0, 2, 100)[1], special.ndtri(1e-300), rtol=RTOL, atol=0)


@pytest.mark.parametrize("dof", [3, 40, 766, 100_000])
def test_z_is_nilearns_where_its_p_does_not_underflow(dof):
    """Same p, bit for bit, and z from the smaller tail; nilearn clips p, and with it z at 37.04."""
    from nilearn.glm._utils import z_score

    t = np.concatenate([-T, T, np.random.default_rng(1).normal(size=1000)])
    p, z = tails.t_to_z(t, dof)
    expected = z_score(stats.t.sf(t, dof), one_minus_pvalue=stats.t.cdf(t, dof))
    near = np.abs(z) < 36
    np.testing.assert_allclose(z[near], expected[near], rtol=0, atol=AS_NILEARN)
    assert np.array_equal(p[z < 30], np.clip(special.stdtr(dof, -t), 1e-300, 1 - 1e-16)[z < 30])
    assert np.abs(expected).max() <= 37.05
    f = np.concatenate([T, np.random.default_rng(1).chisquare(3, size=1000)])
    p, z = tails.f_to_z(f, 3, dof)
    expected = z_score(stats.f.sf(f, 3, dof), one_minus_pvalue=stats.f.cdf(f, 3, dof))
    near = np.abs(z) < 36
    np.testing.assert_allclose(z[near], expected[near], rtol=0, atol=AS_NILEARN)


@pytest.mark.parametrize("dof", DOF)
def test_a_larger_statistic_has_a_larger_z(dof):
    """No plateau, and no step where logarithms take over, for steps of a hundred-thousandth there."""
    switch = np.abs(special.stdtrit(dof, tails.FAR)) if dof > 1 else 3.18e199
    t = np.unique(np.concatenate([T, switch * (1 + np.linspace(-1e-3, 1e-3, 201))]))
    assert np.all(np.diff(tails.t_to_z(t, dof)[1]) > 0)
    for q in (1, 2, 50):
        f = np.unique(np.concatenate([T, (1 + np.linspace(-1e-3, 1e-3, 201)) * far_f(q, dof)]))
        z = tails.f_to_z(f, q, dof)[1]
        assert np.all(np.diff(z)[z[:-1] > -8] > 0)
        assert np.all(np.diff(z) >= 0)


def far_f(q, dof):
    """F whose tail is that where logarithms take over, or the largest there is."""
    low, high = 0.0, 700.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if special.fdtrc(q, dof, np.exp(middle)) > tails.FAR else (low, middle)
    return np.exp(low)


@given(st.floats(-1e9, 1e9), st.floats(0.5, 1e7))
def test_z_of_t_turns_over_with_its_sign(t, dof):
    """z(-t) is -z(t), to the last bit, and p are the two tails."""
    (p, z), (other, turned) = tails.t_to_z(t, dof), tails.t_to_z(-t, dof)
    assert z == -turned
    assert abs(p + other - 1) < 1e-12


@given(st.floats(0, 1e4), st.floats(1, 1e6))
def test_f_of_one_row_is_the_two_sided_t(t, dof):
    """F = t^2 with q = 1 has twice the tail of |t|, wherever that is."""
    upper = tails.f_to_z(t**2, 1, dof)[1]
    p = tails.t_to_z(t, dof)[1]
    twice = special.log_ndtr(-p) + np.log(2)
    if twice < -1:
        np.testing.assert_allclose(upper, -special.ndtri_exp(twice), rtol=RTOL, atol=1e-11)


def test_each_voxel_may_have_its_own_degrees_of_freedom():
    """Arrays of dof and of q give what numbers give voxel by voxel."""
    rng = np.random.default_rng(2)
    dof, q, stat = rng.integers(1, 900, 50), rng.integers(1, 5, 50), np.abs(rng.normal(size=50)) * 100
    for voxel in range(50):
        for whole, one in (
            (tails.t_to_z(stat, dof), tails.t_to_z(stat[voxel], dof[voxel])),
            (tails.f_to_z(stat, q, dof), tails.f_to_z(stat[voxel], q[voxel], dof[voxel])),
        ):
            assert whole[0][voxel] == one[0]
            assert whole[1][voxel] == one[1]


@pytest.mark.filterwarnings("error")
def test_what_is_no_number_or_infinite_makes_no_noise():
    """A t of 0 has z of 0, without a sign; infinity is finite and above all else; NaN stays where it is."""
    t = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e300])
    for dof in (1, 766, 1e6):
        p, z = tails.t_to_z(t, dof)
        assert z[:2].tolist() == [0, 0]
        assert not np.signbit(z[:2]).any()
        assert z[2] == -z[3] > z[5] > 37
        assert np.isfinite(z[2])
        assert np.isnan(z[4])
        assert np.isnan(p[4])
        p, z = tails.f_to_z(np.abs(t), 2, dof)
        assert np.isnan(z[4])
        assert z[2] > z[5] > 8
        assert np.isfinite(np.delete(z, 4)).all()


def test_a_peak_beyond_the_end_of_p_is_where_it_is():
    """The strongest t lies aside of a blob's middle, in a region all of which has the smallest p."""
    x = np.indices((20, 20, 20))
    near = ((x - np.array([9, 8, 8]).reshape(3, 1, 1, 1)) ** 2).sum(axis=0)
    t = 60 * np.exp(-near / 30)
    t[7, 10, 10] = 61.0
    p, z = tails.t_to_z(t, 10_000)
    assert np.count_nonzero(p == tails.SMALLEST_P) > 5
    found = inference.peaks(np.where(z > 3, z, 0), np.eye(4), distance=8.0)
    assert found[0].voxel == (7, 10, 10)
    assert found[0].z == pytest.approx(tails.t_to_z(61.0, 10_000)[1], rel=1e-12, abs=0)
    assert found[0].z > 50
