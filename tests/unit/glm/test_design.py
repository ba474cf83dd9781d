"""Designs: responses, events, confounds, motion and censoring, against nilearn, SPM and closed forms."""

import inspect
import json
import logging
from math import factorial
from pathlib import Path

import exact_response
import nibabel as nib
import nilearn
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.glm.first_level import make_first_level_design_matrix
from nilearn.signal import create_cosine_drift
from studies import ROOT
from with_headers import make_design_matrix, write_run_events

from firstlevel.glm import design as designs
from firstlevel.image.motion import framewise_displacement
from firstlevel.io import cells, sidecars, table_writer
from firstlevel.io.event_table import Event
from firstlevel.stage import InputError

N_SCANS, REPETITION_TIME = 60, 2.0
EVENTS = [(-6.0, 1.0, "a"), (3.1, 1.0, "a"), (10.3, 0.5, "b"), (41.7, 6.0, "a"), (70.0, 2.5, "b")]
HRFS = ["spm", "glover"]
HRFS = [f"{name}{more}" for name in HRFS for more in ("", " + derivative", " + derivative + dispersion")]
OPTIONS = {
    "repetition_time": REPETITION_TIME,
    "slice_time_ref": 0.0,
    "hrf_model": "spm",
    "drift_model": "none",
    "high_pass": 0.01,
    "min_onset": -24,
    "oversampling": 16,
}
NO_CENSORING = {"fd_threshold": None, "source": "affines", "column": None}
NILEARN_ATOL = 2e-12
"""Rounding of log gamma, 100 times larger in the dispersion derivative; columns are about 1 high."""
SPM_ATOL = 1e-12
"""Distance from the columns that SPM wrote."""


def write_events(path, rows=EVENTS, columns=("onset", "duration", "trial_type")):
    table_writer.write_table(path, columns, rows)
    return path


@pytest.fixture
def made(tmp_path):
    """Function that makes a design of 60 scans with some options changed, and returns it with its sidecar."""
    nib.Nifti1Image(np.zeros((2, 2, 2, N_SCANS), np.int16), np.eye(4)).to_filename(tmp_path / "b.nii")

    def make(**changes):
        events = tmp_path / "events.tsv"
        if not events.exists():
            write_events(events)
        given = {"source": [events], "bold": [tmp_path / "b.nii"]} | OPTIONS | changes
        make_design_matrix(design=tmp_path / "d.tsv", sidecar=tmp_path / "d.json", **given)
        columns, values = cells.read_columns(tmp_path / "d.tsv")
        return pd.DataFrame(values, columns=columns), json.loads((tmp_path / "d.json").read_text())

    return make


def roles(sidecar):
    return {column["Name"]: column["Role"] for column in sidecar["Columns"]}


@pytest.mark.parametrize("min_onset", [-24.0, -4.0])
@pytest.mark.parametrize("oversampling", [16, 50])
@pytest.mark.parametrize("slice_time_ref", [0.0, 0.5])
@pytest.mark.parametrize("drift_model", ["cosine", "polynomial", "none"])
@pytest.mark.parametrize("hrf_model", HRFS)
@pytest.mark.filterwarnings("ignore")
def test_design_is_nilearns(made, hrf_model, drift_model, slice_time_ref, oversampling, min_onset):
    """Every response, drift, slice time, oversampling and earliest onset, names and order of columns too."""
    options = {
        "hrf_model": hrf_model, "min_onset": min_onset, "oversampling": oversampling,
        "drift_order": 3, "high_pass": 0.02,
    }  # fmt: skip
    ours, _ = made(drift_model=drift_model, slice_time_ref=slice_time_ref, **options)
    times = (np.arange(N_SCANS) + slice_time_ref) * REPETITION_TIME
    rows = [row for row in EVENTS if row[0] + row[1] > times[0] + min_onset]  # others are left out
    expected = make_first_level_design_matrix(
        times,
        pd.DataFrame(rows, columns=["onset", "duration", "trial_type"]),
        drift_model=None if drift_model == "none" else drift_model,
        **options,
    )
    assert list(ours) == list(expected)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=NILEARN_ATOL)


@pytest.mark.filterwarnings("ignore:.*null duration")
def test_event_of_no_duration_has_unit_area(tmp_path, made):
    """Nilearn's column times oversampling / TR, which changes no t: its stick is 1 high, and so TR / 16 s."""
    rows = [(10.3, 0.0, "a"), (41.7, 0.0, "a"), (70.0, 0.0, "a")]
    write_events(tmp_path / "events.tsv", rows)
    ours, sidecar = made(drift_model="cosine")
    table = pd.DataFrame(rows, columns=["onset", "duration", "trial_type"])
    expected = make_first_level_design_matrix(
        np.arange(N_SCANS) * REPETITION_TIME, table, hrf_model="spm", drift_model="cosine", oversampling=16
    )
    np.testing.assert_allclose(
        ours["a"], expected["a"] * 16 / REPETITION_TIME, rtol=0, atol=NILEARN_ATOL * 16
    )
    signal = np.random.default_rng(6).standard_normal(N_SCANS)
    t, theirs = (sm.OLS(signal, design).fit().tvalues["a"] for design in (ours, expected))
    assert t == pytest.approx(theirs, rel=1e-9)
    assert sidecar["Responses"]["a"]["EventDuration"] == 0
    assert "an event of no duration counts as one of 1 s" in sidecar["BetaUnit"]


@pytest.mark.parametrize("sampling", ["nilearn", "exact", "spm"])
def test_effect_times_peak_is_the_percent_signal_change_of_an_event(tmp_path, sampling):
    """A response that peaks at 1 % gives the same, whatever TR, bins and duration of the events are."""
    for repetition_time, oversampling in ((1.0, 50), (2.0, 50), (2.0, 16)):
        n_scans = round(300 / repetition_time)
        image = nib.Nifti1Image(np.zeros((2, 2, 2, n_scans), np.int16), np.eye(4))
        image.to_filename(tmp_path / "b.nii")
        for duration in (0.0, 1.0, 3.0):
            onsets = np.arange(10, 260, 25) + np.linspace(0, 2, 10, endpoint=False)
            write_events(tmp_path / "e.tsv", [(onset, duration, "a") for onset in onsets])
            make_design_matrix(
                source=[tmp_path / "e.tsv"], bold=[tmp_path / "b.nii"], design=tmp_path / "d.tsv",
                sidecar=tmp_path / "d.json", sampling=sampling, undershoot_ratio=0.167,
                **OPTIONS | {"repetition_time": repetition_time, "oversampling": oversampling},
            )  # fmt: skip
            column = np.array(cells.read_columns(tmp_path / "d.tsv", ["a"])[1])[:, 0]
            times, fine = repetition_time * np.arange(n_scans), np.arange(0, 40, 0.01)
            signal = sum(exact_response.response(times - onset, duration) for onset in onsets)
            signal /= exact_response.response(fine, duration).max()
            effect = np.linalg.lstsq(column[:, np.newaxis], signal, rcond=None)[0][0]
            peak = json.loads((tmp_path / "d.json").read_text())["Responses"]["a"]["Peak"]
            assert effect * peak == pytest.approx(1, rel=0.002 if sampling == "exact" else 0.02)


@pytest.mark.parametrize(("duration", "name"), [(0.0, "arr_0"), (10.0, "arr_1")])
def test_preset_spm12_gives_the_columns_that_spm_wrote(tmp_path, duration, name):
    """SPM's own design of 100 scans of 1 s, sampled at its second bin; nilearn ships it for its own tests."""
    spm = np.load(Path(inspect.getfile(nilearn)).parent / "glm/tests/spm_dmtx.npz")[name][:, :3]
    onsets = {"c0": [30, 50, 70], "c1": [10, 30, 80], "c2": [30, 40, 60]}
    rows = sorted((float(t), duration, c) for c, times in onsets.items() for t in times)
    nib.Nifti1Image(np.zeros((2, 2, 2, 100), np.int16), np.eye(4)).to_filename(tmp_path / "b.nii")
    preset = yaml.safe_load((ROOT / "config/spm12.yaml").read_text())["design"]
    assert preset.pop("slice_time_ref") == 7 / 16
    make_design_matrix(
        source=[write_events(tmp_path / "e.tsv", rows)], bold=[tmp_path / "b.nii"],
        design=tmp_path / "d.tsv", sidecar=tmp_path / "d.json",
        **OPTIONS | preset | {"repetition_time": 1.0, "slice_time_ref": 1 / 16},
    )  # fmt: skip
    columns, values = cells.read_columns(tmp_path / "d.tsv")
    assert columns == ["c0", "c1", "c2", "drift_1", "constant"]
    np.testing.assert_allclose(np.array(values)[:, :3], spm, rtol=0, atol=SPM_ATOL)
    sidecar = json.loads((tmp_path / "d.json").read_text())
    assert (sidecar["Sampling"], sidecar["UndershootRatio"], sidecar["DerivativeStep"]) == ("spm", 1 / 6, 1.0)


def test_fir_regressors_are_1_at_the_scan_after_the_delay(tmp_path, made):
    """In seconds and in scans, of events of any duration; the sidecar says the unit and that of beta."""
    write_events(tmp_path / "events.tsv", [(2.0 * scan, 3.0, "a") for scan in (5, 20, 33)])
    for delays, unit in (([0, 2, 4], "s"), ([0, 1, 2], "scans")):
        design, sidecar = made(hrf_model="fir", fir_delays=delays, fir_unit=unit)
        for scans, delay in enumerate(delays):
            expected = np.isin(np.arange(N_SCANS) - scans, (5, 20, 33)).astype(float)
            np.testing.assert_array_equal(design[f"a_delay_{delay}"], expected)
        assert roles(sidecar)[f"a_delay_{delays[-1]}"] == "condition"
        assert sidecar["FirDelays"] == delays
        assert sidecar["FirDelaysSeconds"] == [0.0, 2.0, 4.0]
        assert sidecar["Responses"] == {"a": {"EventDuration": 3.0, "Peak": 1.0}}
        assert not sidecar["DurationsUsed"]


NEAR_AN_EDGE = 3e-6
"""s; edges of bins lie 1e-6 s early in the code, and times are rounded to 1e-6 s here."""


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=8),
    st.lists(st.sampled_from([0, 0.5, 1.5, 2, 3, 5, 8, 12.25]), min_size=1, max_size=5, unique=True),
    st.sampled_from([0.7, 2 / 3, 2.0, 3.0]),
    st.sampled_from([0.0, 0.3, 0.5]),
)
@settings(max_examples=100, deadline=None)
def test_fir_bins_hold_each_scan_once(onsets, delays, repetition_time, slice_time_ref):
    """Brute force over scans and events; bins reach half-way to the neighbours and overlap nowhere."""
    times = designs.frame_times(80, repetition_time, slice_time_ref)
    rows = [Event(onset, 4.0, "a", 1 + k) for k, onset in enumerate(onsets)]
    options = designs.DesignOptions("fir", None, 0.01, -24, 50, fir_delays=delays)
    names, ours = designs.design_matrix(times, rows, options)
    assert names == [*(f"a_delay_{delay:g}" for delay in delays), "constant"]
    ordered = sorted(delays)
    expected = np.zeros((80, len(delays)))
    clear = np.ones(80, dtype=bool)
    for k, delay in enumerate(delays):
        at = ordered.index(delay)
        below = delay - ordered[at - 1] if at else None
        above = ordered[at + 1] - delay if at + 1 < len(ordered) else None
        below, above = (x or below or above or repetition_time for x in (below, above))
        for row in rows:
            since = np.round(times - row.onset, 6)
            low, high = round(delay - below / 2, 6), round(delay + above / 2, 6)
            expected[(since >= low) & (since < high), k] += row.modulation
            clear &= np.abs(times - row.onset - np.array([[low], [high]])).min(axis=0) > NEAR_AN_EDGE
    np.testing.assert_allclose(ours[clear, :-1], expected[clear], rtol=0, atol=1e-12)


@pytest.mark.parametrize("repetition_time", [0.7, 2 / 3, 1.1, 2.0])
def test_rounding_moves_no_scan_across_the_edge_of_a_bin(repetition_time):
    """Delays of half scans: each event has one scan in each bin, though edges fall on scans."""
    times = designs.frame_times(200, repetition_time, 0.0)
    rows = [Event(repetition_time * (k + 0.5), 0.0, "a") for k in range(3, 150, 10)]
    options = designs.DesignOptions("fir", None, 0.01, -24, 50, fir_delays=[0, 1, 2], fir_unit="scans")
    columns = designs.design_matrix(times, rows, options)[1][:, :3]
    assert columns.max() == 1
    np.testing.assert_array_equal(columns.sum(axis=0), [15, 15, 15])


def test_runs_of_different_repetition_times_have_bins_of_the_same_seconds():
    """A response that depends on time alone has the same heights in both."""
    heights = []
    for repetition_time, slice_time_ref in ((1.0, 0.0), (1.0, 0.5), (2.0, 0.0)):
        times = designs.frame_times(round(300 / repetition_time), repetition_time, slice_time_ref)
        onsets = np.random.default_rng(1).uniform(0, 280, 60).round(1)
        options = designs.DesignOptions("fir", None, 0.01, -24, 50, fir_delays=[0, 4, 8, 12])
        columns = designs.design_matrix(times, [Event(t, 0.0, "a") for t in onsets], options)[1][:, :4]
        since = times[:, np.newaxis] - onsets
        delayed = sum(
            np.sin(delay + 1) * ((since >= delay - 2) & (since < delay + 2)).sum(axis=1)
            for delay in (0, 4, 8, 12)
        )
        heights.append(np.linalg.lstsq(columns, delayed, rcond=None)[0])
    np.testing.assert_allclose(heights, np.sin([[1, 5, 9, 13]] * 3), rtol=0, atol=1e-9)


def test_events_before_min_onset_are_left_out_and_counted(tmp_path, made, caplog):
    """What ends before it is out, a block that lasts beyond it begins there; both by condition."""
    kept = [(-4.0, 0.0, "a"), (30.0, 1.0, "a"), (50.0, 2.0, "b")]
    early = [(-10.0, 1.0, "a"), (-8.0, 0.0, "a"), (-5.0, 1.0, "b"), (-4.0 - 1e-6, 0.0, "b")]
    blocks = [(-20.0, 30.0, "b")]
    write_events(tmp_path / "events.tsv", sorted([*early, *kept, *blocks]))
    late = [(130.0, 1.0, "b")]
    write_events(tmp_path / "events.tsv", sorted([*early, *kept, *blocks, *late]))
    for sampling in ("nilearn", "exact", "spm"):
        ours, sidecar = made(min_onset=-4.0, sampling=sampling)
        assert sidecar["EventsBeforeMinOnset"] == {"a": 2, "b": 2}
        assert sidecar["EventsClipped"] == {"b": 1}
        assert sidecar["EventsAfterEnd"] == {"b": 1}
        write_events(tmp_path / "clean.tsv", sorted([*kept, (-4.0, 14.0, "b")]))
        expected, clean = made(source=[tmp_path / "clean.tsv"], min_onset=-4.0, sampling=sampling)
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)
        assert not clean.keys() & {"EventsBeforeMinOnset", "EventsClipped", "EventsAfterEnd"}
    assert "events that end before design.min_onset are left out: a 2, b 2" in caplog.text


LATE = [(150.0 + k, 1.0, "b") for k in range(999)]
EMPTY = {
    "0.5 s before the last scan": ([(30.0, 1.0, "a"), (117.5, 1.0, "b")], ["b"]),
    "at the last scan": ([(30.0, 1.0, "a"), (118.0, 1.0, "b")], ["b"]),
    "no duration, 0.5 s before the last scan": ([(30.0, 0.0, "a"), (117.5, 0.0, "b")], ["b"]),
    "a block 0.5 s before the last scan": ([(30.0, 1.0, "a"), (117.5, 900.0, "b")], ["b"]),
    "after the last scan": ([(30.0, 1.0, "a"), (119.0, 1.0, "b")], ["b"]),
    "before min_onset": ([(30.0, 1.0, "a"), (-50.0, 1.0, "b")], ["b"]),
    "long before the run": ([(30.0, 1.0, "a"), (-37.0, 1.0, "b")], ["b"]),
    "6 s before the last scan": ([(30.0, 1.0, "a"), (112.0, 1.0, "b")], []),
    "a block 6 s before the last scan": ([(30.0, 1.0, "a"), (112.0, 900.0, "b")], []),
    "a response that reaches into the run": ([(30.0, 1.0, "a"), (-8.0, 1.0, "b")], []),
    "many events after the end": ([(30.0, 1.0, "a"), (50.0, 1.0, "b"), *LATE], []),
    "the whole run": ([(30.0, 1.0, "a"), (-20.0, 1000.0, "b")], []),
}  # fmt: skip


@pytest.mark.parametrize("hrf_model", ["spm", "glover + derivative + dispersion"])
@pytest.mark.parametrize("sampling", ["nilearn", "exact", "spm"])
@pytest.mark.parametrize("case", EMPTY)
def test_regressors_of_which_next_to_nothing_is_in_the_run_are_empty(
    tmp_path, made, case, sampling, hrf_model
):
    """Below 5 % of the full response: zeros, with the reason, and with all derivatives; others stay."""
    rows, empty = EMPTY[case]
    min_onset = -24 if case == "before min_onset" else -60
    write_events(tmp_path / "events.tsv", rows)
    design, sidecar = made(sampling=sampling, hrf_model=hrf_model, min_onset=min_onset)
    found = sidecar.get("EmptyRegressors", [])
    names = [row["Name"] for row in found]
    assert [name for name in names if "_" not in name] == empty
    assert {name for name in design if name.split("_")[0] in empty} <= set(names)
    assert [name for name in design if not design[name].any()] == names
    if "block" not in case and "whole" not in case:  # of which a derivative may have passed, or is to come
        assert len(names) == len(empty) * (3 if "derivative" in hrf_model else 1)
    for row in found:
        assert row["Reason"]
        assert row["Share"] is None or row["Share"] < 0.05


def test_share_of_an_empty_regressor_is_that_of_its_full_response(tmp_path, made, caplog):
    """Norm over the run against the norm of the whole response, by the closed form of the oracle."""
    write_events(tmp_path / "events.tsv", [(30.0, 1.0, "a"), (116.3, 1.0, "b")])
    _, sidecar = made(sampling="exact")
    (row,) = sidecar["EmptyRegressors"]
    times = 2.0 * np.arange(200)
    heights = exact_response.response(times - 116.3, 1.0)
    share = np.linalg.norm(heights[:N_SCANS]) / np.linalg.norm(heights)
    assert row["Share"] == pytest.approx(share, rel=1e-6)
    assert row["Reason"] == f"{100 * share:.2g} % of the response of its events falls into the run"
    assert f"b is empty, and not estimable in this run: {row['Reason']}" in caplog.text


def test_bins_that_are_too_coarse_for_the_response_are_an_error(tmp_path, made):
    """Of scans far apart the closed form is asked for, or more bins."""
    write_events(tmp_path / "events.tsv", [(30.0, 1.0, "a"), (700.0, 1.0, "a")])
    with pytest.raises(InputError, match="design.oversampling: is 2, which makes bins of 10 s"):
        made(repetition_time=20.0, oversampling=2)
    assert made(repetition_time=20.0, oversampling=2, sampling="exact")[0]["a"].any()


def test_fir_delays_are_empty_one_by_one(tmp_path, made):
    """An event 5 s before the last scan has none around 8 s; its delays before that have."""
    write_events(tmp_path / "events.tsv", [(30.0, 1.0, "a"), (113.0, 1.0, "b")])
    design, sidecar = made(hrf_model="fir", fir_delays=[0, 4, 8])
    assert [row["Name"] for row in sidecar["EmptyRegressors"]] == ["b_delay_8"]
    assert design["b_delay_4"].sum() == 2
    write_events(tmp_path / "events.tsv", [(30.0, 1.0, "a"), (118.0, 1.0, "b")])
    assert [row["Name"] for row in made(hrf_model="fir", fir_delays=[0, 4])[1]["EmptyRegressors"]] == [
        "b_delay_4"
    ]


@pytest.mark.parametrize("height", [0.0, 1e-17])
def test_modulator_that_is_constant_in_a_run_is_empty(tmp_path, made, height):
    """Centred, it is 0 or what rounding left of it; nothing of it is scaled up."""
    rows = [(10.0, 1.0, "a", 1.0), (40.0, 1.0, "a", 1.0), (10.0, 1.0, "m", height), (40.0, 1.0, "m", -height)]
    write_events(tmp_path / "events.tsv", rows, ("onset", "duration", "trial_type", "modulation"))
    design, sidecar = made(hrf_model="spm + derivative")
    assert not design[["m", "m_derivative"]].to_numpy().any()
    assert sidecar["EmptyRegressors"][0] == {
        "Name": "m", "Share": None, "Reason": "the modulation of every event is 0",
    }  # fmt: skip
    assert sidecar["Rank"] == 3


def test_modulators_of_any_unit_are_kept(tmp_path, made):
    """Heights of 1e-9 are a unit, not rounding."""
    rows = [(10.0, 1.0, "a", 1.0), (40.0, 1.0, "m", 2e-9), (70.0, 1.0, "m", -1e-9)]
    write_events(tmp_path / "events.tsv", rows, ("onset", "duration", "trial_type", "modulation"))
    design, sidecar = made(hrf_model="spm + derivative")
    assert design["m"].abs().max() > 1e-10
    assert design["m_derivative"].abs().max() > 1e-12
    assert "EmptyRegressors" not in sidecar


def test_cosines_follow_scans_that_are_not_equally_far_apart():
    """Their values are those of a dense run at the same times; equal steps give the usual ones to the bit."""
    dense = designs.frame_times(2001, 0.1, 0.0)
    options = designs.DesignOptions("spm", "cosine", 0.02, -24, 50)
    times = np.sort(np.random.default_rng(3).choice(dense, 100, replace=False))
    ours, fine = designs.drift(times, options), designs.drift(dense, options)
    span = times[-1] - times[0]
    assert ours.shape[1] == int(2 * 100 * 0.02 * span / 99) + 1
    phase = (times - times[0]) / span * 99 / 100 + 0.5 / 100
    for k in range(1, ours.shape[1]):
        np.testing.assert_allclose(
            ours[:, k - 1], np.sqrt(2 / 100) * np.cos(np.pi * k * phase), rtol=0, atol=1e-12
        )
    np.testing.assert_array_equal(fine, create_cosine_drift(0.02, dense))


def test_polynomial_drift_is_a_polynomial(made):
    """Order 2: powers of time and a constant span the drift."""
    design, sidecar = made(drift_model="polynomial", drift_order=2)
    drift = design[["drift_1", "drift_2", "constant"]].to_numpy()
    powers = np.vander(np.linspace(-1, 1, N_SCANS), 3)
    np.testing.assert_allclose(drift @ np.linalg.pinv(drift) @ powers, powers, rtol=0, atol=1e-10)
    assert sidecar["DriftOrder"] == 2
    assert roles(sidecar)["drift_2"] == "drift"


def extracted(tmp_path, text, **options):
    (tmp_path / "source.tsv").write_text(text)
    write_run_events(source=[tmp_path / "source.tsv"], events=tmp_path / "events.tsv", **options)
    return (tmp_path / "events.tsv").read_text()


MODULATED = (
    "onset\tduration\ttrial_type\tmodulation\tother\n3\t1\ta\t0.5\tx\n30\t1\ta\t-2\tx\n60\t2\tb\t1\tx\n"
)


@pytest.mark.filterwarnings("ignore")
def test_modulation_reaches_the_design_as_nilearn_uses_it(tmp_path, made):
    """The column is kept, scales each event, and its regressor is the sum of the events' own, so scaled."""
    text = extracted(tmp_path, MODULATED)
    assert text.splitlines()[:2] == ["onset\tduration\ttrial_type\tmodulation", "3.0\t1.0\ta\t0.5"]
    ours, _ = made()
    table = pd.read_csv(tmp_path / "source.tsv", sep="\t")
    options = {"hrf_model": "spm", "drift_model": None, "oversampling": 16}
    times = np.arange(N_SCANS) * REPETITION_TIME
    np.testing.assert_allclose(
        ours, make_first_level_design_matrix(times, table, **options), rtol=1e-6, atol=1e-12
    )
    single = [
        make_first_level_design_matrix(times, table.loc[[row]].drop(columns="modulation"), **options)["a"]
        for row in (0, 1)
    ]
    np.testing.assert_allclose(ours["a"], 0.5 * single[0] - 2 * single[1], rtol=1e-6, atol=1e-9)


def test_events_without_modulation_have_no_such_column(tmp_path):
    """A table without the column gives the three columns of always; n/a in it is an error."""
    text = extracted(tmp_path, "onset\tduration\ttrial_type\n3\t1\ta\n")
    assert text == "onset\tduration\ttrial_type\n3.0\t1.0\ta\n"
    with pytest.raises(InputError, match="row 3: modulation is 'n/a'"):
        extracted(tmp_path, MODULATED.replace("-2", "n/a"))


def test_conditions_merge_trial_types_by_name(tmp_path, caplog):
    """Listed trial types take the condition's name, others are left out and counted."""
    caplog.set_level(logging.INFO)
    source = "onset\tduration\ttrial_type\n" + "".join(f"{k}\t1\t{'abcd'[k % 4]}\n" for k in range(10))
    text = extracted(tmp_path, source, conditions={"x": ["a", "c"], "y": ["d", "e"]})
    names = [line.split("\t")[2] for line in text.splitlines()[1:]]
    assert names == ["x", "x", "y", "x", "x", "y", "x"]
    assert "b: 3 events left out" in caplog.text
    assert "has no trial type 'e'" in caplog.text
    with pytest.raises(InputError, match="has no event of a trial type"):
        extracted(tmp_path, source, conditions={"x": ["A"]})


def test_onsets_in_scans_become_seconds(tmp_path):
    """Onset and duration are multiplied by the repetition time; a duration of the config is in s already."""
    source = "onset\tduration\ttrial_type\n3\t1.5\ta\n"
    text = extracted(tmp_path, source, onset_unit="scans", repetition_time=2.5)
    assert text.splitlines()[1] == "7.5\t3.75\ta"
    text = extracted(tmp_path, source, onset_unit="scans", repetition_time=2.5, event_duration=1.0)
    assert text.splitlines()[1] == "7.5\t1.0\ta"
    assert extracted(tmp_path, source, onset_unit="s").splitlines()[1] == "3.0\t1.5\ta"


@pytest.fixture
def confounds(tmp_path):
    """Confounds as fMRIPrep writes them: motion with derivatives that begin with n/a, and marks."""
    rng = np.random.default_rng(3)
    parts = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
    six = pd.DataFrame(rng.standard_normal((N_SCANS, 6)).cumsum(axis=0) / 50, columns=list(parts))
    difference = six.diff().add_suffix("_derivative1")
    frame = pd.concat([six, difference, (six**2).add_suffix("_power2")], axis=1)
    frame = pd.concat([frame, (difference**2).add_suffix("_power2")], axis=1)
    frame["csf"], frame["white_matter"] = rng.standard_normal((2, N_SCANS))
    frame["framewise_displacement"] = rng.uniform(0, 0.3, N_SCANS)
    frame["std_dvars"] = 1.0
    frame.loc[0, ["framewise_displacement", "std_dvars"]] = np.nan
    frame.loc[[12, 40], "framewise_displacement"] = 0.9
    frame["non_steady_state_outlier00"] = (np.arange(N_SCANS) == 0).astype(int)
    frame["bad"] = np.isin(np.arange(N_SCANS), (7, 8)).astype(int)
    path = tmp_path / "sub-01_task-faces_desc-confounds_timeseries.tsv"
    frame.to_csv(path, sep="\t", index=False, na_rep="n/a")
    (tmp_path / path.name.replace(".tsv", ".json")).write_text("{}")
    return path, frame


def test_confounds_come_by_pattern_in_the_order_of_the_table(made, confounds):
    """Names and patterns choose columns, each once; a name without one is an error, a pattern adds none."""
    path, frame = confounds
    design, sidecar = made(confounds=path, columns=["white_matter", "rot_[xy]", "rot_x", "trans_?"])
    names = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "white_matter"]
    assert list(design) == ["a", "b", *names, "constant"]
    np.testing.assert_allclose(design[names], frame[names], rtol=1e-12, atol=0)
    assert {roles(sidecar)[name] for name in names} == {"confound"}
    with pytest.raises(InputError, match=r"has no column 'rot_q'.*confounds.columns asks for"):
        made(confounds=path, columns=["rot_q"])


def test_pattern_of_outliers_adds_nothing_to_a_run_without_any(made, confounds, caplog):
    """No mistake where another run has them, which the plan checks; the log says so."""
    caplog.set_level(logging.INFO)
    design, _ = made(confounds=confounds[0], columns=["*spoilt*", "trans_x"])
    assert list(design) == ["a", "b", "trans_x", "constant"]
    assert "no column that matches '*spoilt*': no confound is added for it" in caplog.text
    assert list(made(confounds=confounds[0], columns=["*spoilt*"])[0]) == ["a", "b", "constant"]


@pytest.mark.parametrize(
    "line", ["  {}", "{}\t", "{}", "{},", "# x y\n{}\t"], ids=["blanks", "tabs", "one", "commas", "comment"]
)
def test_table_without_a_header_has_columns_by_number(made, tmp_path, line):
    """As SPM and FSL write what moved: the first row is a scan, not a header; every row is as long."""
    values = np.random.default_rng(4).normal(size=(N_SCANS, 1 if line == "{}" else 3))
    path = tmp_path / "rp_b.txt"

    def written(row):
        start, *rest = (line.format(f"{value:.9e}") for value in row)
        text = "".join([start, *(part.rpartition("\n")[2] for part in rest)])
        return text.rstrip(",")

    path.write_text("\n".join(written(row).replace("# x y\n", "") for row in values) + "\n")
    if line.startswith("#"):
        path.write_text("# x y z\n" + path.read_text())
    names = [f"column_{number + 1}" for number in range(values.shape[1])]
    design, _ = made(confounds=path, columns=["*"])
    np.testing.assert_allclose(design[names], values, rtol=1e-8, atol=0)
    with pytest.raises(
        InputError, match="'trans_x'.*no header, so that its columns go by number(.|\n)*column_1"
    ):
        made(confounds=path, columns=["trans_x"])
    path.write_text(path.read_text() + "1 2 3 4\n")
    with pytest.raises(InputError, match="has 4 values where the first row has"):
        made(confounds=path, columns=["*"])


def test_auto_takes_displacement_from_the_affines_and_else_from_the_table(made, moved, confounds):
    """The affines count where they tell of motion; one for all leaves it to the table; none is an error."""
    censor = {"fd_threshold": 0.5, "source": "auto", "column": None}
    by_affines = {"moved": moved[0], "censor": censor | {"source": "affines"}}
    expected = made(**by_affines)[1]["CensoredScans"]
    both = made(moved=moved[0], confounds=confounds[0], censor=censor)[1]
    assert (both["CensoredScans"], both["FramewiseDisplacementFrom"]) == (expected, "the affines")
    still = {"Translation": [[1.0, 2, 3]] * N_SCANS, "Rotation": [[0.0] * 3] * N_SCANS}
    sidecars.write_json(moved[0], still)
    by_column = made(confounds=confounds[0], censor=censor | {"source": "framewise_displacement"})[1]
    for motion in (moved[0], None):
        found = made(moved=motion, confounds=confounds[0], censor=censor)[1]
        assert found["CensoredScans"] == by_column["CensoredScans"] != expected
        assert "framewise_displacement of the same" in found["FramewiseDisplacementFrom"]
    with pytest.raises(InputError, match="every volume has the same affine"):
        made(moved=moved[0], censor=censor)
    confounds[1][["csf"]].to_csv(confounds[0], sep="\t", index=False)
    with pytest.raises(InputError, match="has no motion columns, and the volumes share"):
        made(confounds=confounds[0], censor=censor)


def test_first_row_without_a_value_is_an_error_unless_told_otherwise(made, confounds):
    """n/a of a derivative names column and row; zero and second fill it in; a later n/a stays an error."""
    path, frame = confounds
    chosen = {"confounds": path, "columns": ["trans_x_derivative1"]}
    with pytest.raises(InputError, match=r"row 2: trans_x_derivative1 is 'n/a'(.|\n)*confounds.first_row"):
        made(**chosen)
    second = frame["trans_x_derivative1"][1]
    for first_row, value in (("zero", 0.0), ("second", second)):
        design, _ = made(first_row=first_row, **chosen)
        column = design["trans_x_derivative1"]
        np.testing.assert_allclose(column[:2], [value, second], rtol=1e-12, atol=0)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], lines[1], *lines[3:]]) + "\n")
    with pytest.raises(InputError, match="row 3: trans_x_derivative1 is 'n/a'"):
        made(first_row="zero", **chosen)


STRATEGY = {
    "motion": "full", "wm_csf": "basic", "global_signal": "basic", "compcor": "anat_combined",
    "n_compcor": "all", "scrub": 0, "fd_threshold": 0.5, "std_dvars_threshold": 1.5,
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_fmriprep_strategies_give_confounds_and_censor_what_they_scrub(tmp_path, made, confounds):
    """24 motion parameters and two means, centred on the scans kept, and a spike for each scan taken out."""
    path, frame = confounds
    image = tmp_path / "sub-01_task-faces_space-MNI_desc-preproc_bold.nii.gz"
    nib.load(tmp_path / "b.nii").to_filename(image)
    asked = STRATEGY | {"strategy": ["motion", "wm_csf", "scrub"]}
    design, sidecar = made(bold=[image], confounds=path, fmriprep=asked)
    censored = [0, 12, 40]
    assert sidecar["CensoredScans"] == censored
    assert [name for name in design if name.startswith("censor_")] == [f"censor_{n}" for n in censored]
    names = [*(name for name in frame if name.startswith(("trans", "rot"))), "csf", "white_matter"]
    assert len(names) == 26
    expected = frame[names].copy()
    expected.iloc[0] = expected.iloc[0].fillna(expected.iloc[1])
    expected -= expected.drop(index=censored).mean()
    np.testing.assert_allclose(design[names], expected, rtol=0, atol=1e-12)
    with pytest.raises(InputError, match="does not give the confounds of confounds.fmriprep"):
        made(bold=[image], confounds=path, fmriprep=asked | {"strategy": ["global_signal"]})


@pytest.fixture
def moved(tmp_path):
    """Sidecar of a resampled run whose head moved, and its six parameters in mm and degrees."""
    rng = np.random.default_rng(4)
    parameters = rng.standard_normal((N_SCANS, 6)).cumsum(axis=0) / 100
    parameters[30:, 0] += 1.0
    content = {"Translation": parameters[:, :3].tolist(), "Rotation": parameters[:, 3:].tolist()}
    sidecars.write_json(tmp_path / "moved.json", content)
    return tmp_path / "moved.json", parameters


@pytest.mark.parametrize("count", [6, 24])
def test_motion_regressors_come_from_the_affines(made, moved, count):
    """The six, their squares, backward differences and squares of these, scan by scan."""
    path, parameters = moved
    design, sidecar = made(moved=path, motion=count)
    names = [name for name, role in roles(sidecar).items() if role == "motion"]
    assert names[:4] == ["motion_x", "motion_y", "motion_z", "motion_pitch"]
    terms = ("", "_power2", "_derivative1", "_derivative1_power2")[: count // 6]  # as fMRIPrep has them
    assert names[3::6] == [f"motion_pitch{term}" for term in terms]
    expected = []
    for scan, row in enumerate(parameters):
        step = [now - before for now, before in zip(row, parameters[scan - 1], strict=True)]
        step = step if scan else [0.0] * 6
        every = [*row, *(x * x for x in row), *step, *(x * x for x in step)]
        expected.append(every[:count])
    np.testing.assert_allclose(design[names], expected, rtol=1e-12, atol=1e-15)
    assert len(names) == count


def test_framewise_displacement_is_that_of_power():
    """1 mm along x and 1 degree of yaw are 1 mm and pi / 180 * 50 mm; the sign does not matter."""
    parameters = np.zeros((4, 6))
    parameters[1:, 0], parameters[2:, 5], parameters[3:, 1] = 1.0, -1.0, -0.25
    ours = framewise_displacement(parameters)
    np.testing.assert_allclose(ours, [0.0, 1.0, np.pi / 180 * 50, 0.25], rtol=1e-12, atol=0)


def test_volumes_with_one_affine_tell_nothing_of_motion(tmp_path, made, moved):
    """Columns of zeros would pass for a head that lay still; another length is another run."""
    path, _ = moved
    still = {"Translation": [[1.0, 2, 3]] * N_SCANS, "Rotation": [[0.0] * 3] * N_SCANS}
    sidecars.write_json(path, still)
    with pytest.raises(InputError, match="every volume has the same affine"):
        made(moved=path, motion=6)
    sidecars.write_json(path, {name: values[:-1] for name, values in still.items()})
    with pytest.raises(InputError, match="has 59 volumes for a run of 60 scans"):
        made(moved=path, motion=6)


def test_censored_scans_are_out_of_the_fit(made, moved, confounds):
    """A fit with spikes has the estimates, variance and degrees of freedom of one without those scans."""
    censor = {"fd_threshold": 0.5, "source": "affines", "column": "bad"}
    design, sidecar = made(moved=moved[0], confounds=confounds[0], censor=censor)
    assert sidecar["CensoredScans"] == [7, 8, 30]
    assert [name for name, role in roles(sidecar).items() if role == "censor"] == [
        "censor_7", "censor_8", "censor_30",
    ]  # fmt: skip
    signal = np.random.default_rng(5).standard_normal(N_SCANS)
    names = ["a", "b", "constant"]
    whole = sm.OLS(signal, design).fit()
    kept = np.setdiff1d(np.arange(N_SCANS), [7, 8, 30])
    without = sm.OLS(signal[kept], design.loc[kept, names]).fit()
    np.testing.assert_allclose(whole.params[names], without.params, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(whole.bse[names], without.bse, rtol=1e-9, atol=0)
    assert whole.df_resid == without.df_resid


def test_framewise_displacement_comes_from_a_column_where_one_is_named(made, confounds):
    """The column's first row without a value counts as 0; a mark that is neither 0 nor 1 is an error."""
    path, frame = confounds
    frame.loc[1, "framewise_displacement"] = 0.9
    frame.to_csv(path, sep="\t", index=False, na_rep="n/a")
    censor = {"fd_threshold": 0.5, "source": "framewise_displacement", "column": None}
    assert made(confounds=path, censor=censor)[1]["CensoredScans"] == [1, 12, 40]
    with pytest.raises(InputError, match=r"confounds.censor.source asks for(.|\n)*framewise_displacement"):
        made(confounds=path, censor=censor | {"source": "framewise_displacment"})
    with pytest.raises(InputError, match="column csf: holds"):
        made(confounds=path, censor=NO_CENSORING | {"column": "csf"})


def test_sidecar_tells_what_each_condition_loses(made, confounds, caplog):
    """Events that begin in censored scans, and the regressor's sum of squares in them."""
    caplog.set_level(logging.INFO)
    path, frame = confounds
    frame["bad"] = np.isin(np.arange(N_SCANS), (5, 6, 35)).astype(int)
    frame.to_csv(path, sep="\t", index=False, na_rep="n/a")
    design, sidecar = made(confounds=path, censor=NO_CENSORING | {"column": "bad"})
    loss = sidecar["CensoringLoss"]
    assert {name: (row["Events"], row["EventsInCensoredScans"]) for name, row in loss.items()} == {
        "a": (3, 0), "b": (2, 2),
    }  # fmt: skip
    for name in ("a", "b"):
        share = sum(design[name][scan] ** 2 for scan in (5, 6, 35)) / sum(design[name] ** 2)
        assert loss[name]["EnergyShare"] == pytest.approx(share, rel=1e-9)
        assert share > 0
    assert "b: 2 of 2 events begin in censored scans" in caplog.text
    assert "CensoredScans" not in made(censor=NO_CENSORING)[1]


def test_condition_that_is_wholly_censored_is_empty(made, confounds):
    """Nothing of a response is left where all of its scans have a regressor of their own."""
    path, frame = confounds
    frame["bad"] = (np.arange(N_SCANS) < 20).astype(int)
    frame.to_csv(path, sep="\t", index=False, na_rep="n/a")
    write_events(path.parent / "events.tsv", [(2.0, 1.0, "a"), (60.0, 1.0, "b")])
    design, sidecar = made(confounds=path, censor=NO_CENSORING | {"column": "bad"})
    assert not design["a"].any()
    (row,) = sidecar["EmptyRegressors"]
    assert (row["Name"], row["Share"]) == ("a", 0)
    assert row["Reason"] == "0 % of the response of its events falls into the scans that are kept"
    assert sidecar["CensoringLoss"]["a"]["EnergyShare"] == pytest.approx(1, abs=1e-12)
    assert sidecar["Rank"] == len(design.columns) - 1


def test_too_few_scans_for_the_regressors_are_an_error(made, confounds):
    """60 scans, 58 of them censored, leave nothing to fit; no design is written."""
    path, frame = confounds
    frame["bad"] = (np.arange(N_SCANS) > 1).astype(int)
    frame.to_csv(path, sep="\t", index=False, na_rep="n/a")
    with pytest.raises(InputError, match="60 scans, 58 of them censored, for 61 regressors"):
        made(confounds=path, censor=NO_CENSORING | {"column": "bad"})
    assert not (path.parent / "d.tsv").exists()


def test_two_regressors_of_one_name_are_an_error(made, confounds):
    """A condition that is called like a confound is not silently overwritten."""
    path, _ = confounds
    write_events(path.parent / "events.tsv", [(2.0, 1.0, "csf")])
    with pytest.raises(InputError, match="two regressors have the name 'csf'"):
        made(confounds=path, columns=["csf"])


# ------------------------------------------------------------------------------------------ modulators

ONSETS = (2, 9, 21, 33, 50, 68)
GAIN = (
    "onset\tduration\ttrial_type\tgain\tloss\n"
    "2\t1\tgambles\t10\tn/a\n9\t2\tgambles\t40\t4\n21\t3\tgambles\t15\t8\n33\t1\tgambles\t30\t5\n"
    "50\t2\tgambles\t20\t1\n68\t3\tgambles\t25\t2\n15\t1\tpress\tn/a\tn/a\n"
)
GAINS, LOSSES = np.array([10.0, 40, 15, 30, 20, 25]), np.array([np.nan, 4, 8, 5, 1, 2])


def made_with_modulators(tmp_path, made, text, modulators, **changes):
    (tmp_path / "source.tsv").write_text(text)
    return made(source=[tmp_path / "source.tsv"], modulators=modulators, **changes)


def nilearn_column(heights, trial_type="gambles", **options):
    """Nilearn's regressor of the gambles with these modulations."""
    rows = [(onset, 1 + k % 3) for k, onset in enumerate(ONSETS)]
    table = pd.DataFrame(rows, columns=["onset", "duration"]).assign(trial_type="x", modulation=heights)
    times = np.arange(N_SCANS) * REPETITION_TIME
    return make_first_level_design_matrix(times, table, drift_model=None, oversampling=16, **options)


@pytest.mark.parametrize("hrf_model", ["spm", "spm + derivative", "glover + derivative + dispersion"])
@pytest.mark.filterwarnings("ignore")
def test_modulators_are_nilearns_modulation_by_centred_values(tmp_path, made, hrf_model):
    """Beside the plain condition, with the derivatives of the HRF; a missing value counts as the mean."""
    ours, sidecar = made_with_modulators(
        tmp_path, made, GAIN, {"gambles": ["gain", "loss"]}, hrf_model=hrf_model
    )
    suffixes = [name.removeprefix("x") for name in nilearn_column(np.ones(6), hrf_model=hrf_model)][:-1]
    heights = {
        "gambles": np.ones(6),
        "gambles_gain": GAINS - GAINS.mean(),
        "gambles_loss": np.nan_to_num(LOSSES - np.nanmean(LOSSES)),
    }
    expected = [f"{name}{suffix}" for name in [*heights, "press"] for suffix in suffixes]
    assert list(ours) == [*expected, "constant"]
    for name, high in heights.items():
        theirs = nilearn_column(high, hrf_model=hrf_model)
        for suffix in suffixes:
            scale = np.abs(theirs[f"x{suffix}"]).max()
            np.testing.assert_allclose(
                ours[f"{name}{suffix}"], theirs[f"x{suffix}"], rtol=0, atol=1e-9 * scale
            )
    assert sidecar["Modulators"] == [
        {"Name": "gambles_gain", "Condition": "gambles", "Column": "gain", "Centre": "run",
         "Orthogonalised": False, "Mean": 140 / 6, "Missing": 0},
        {"Name": "gambles_loss", "Condition": "gambles", "Column": "loss", "Centre": "run",
         "Orthogonalised": False, "Mean": 4.0, "Missing": 1},
    ]  # fmt: skip
    assert roles(sidecar)["gambles_gain"] == "condition"
    assert "for one unit of its column" in sidecar["BetaUnit"]


def test_modulator_of_an_fir_model_is_its_height_in_each_bin(tmp_path, made):
    """One regressor per delay, named as those of the condition."""
    ours, _ = made_with_modulators(
        tmp_path, made, GAIN, {"gambles": ["gain"]}, hrf_model="fir", fir_delays=[0.0, 2.0]
    )
    names = ["gambles_delay_0", "gambles_delay_2", "gambles_gain_delay_0", "gambles_gain_delay_2"]
    assert list(ours)[:4] == names
    plain = ours["gambles_delay_0"].to_numpy() > 0
    np.testing.assert_allclose(ours["gambles_gain_delay_0"][plain], GAINS - GAINS.mean(), rtol=0, atol=1e-12)


def test_modulator_that_is_constant_in_a_run_is_empty_and_its_condition_stays(tmp_path, made):
    """Its column is 0 and said to be empty; the plain condition is estimated."""
    text = GAIN.replace("\t40\t", "\t10\t")
    for value in ("15", "30", "20", "25"):
        text = text.replace(f"\t{value}\t", "\t10\t")
    ours, sidecar = made_with_modulators(tmp_path, made, text, {"gambles": ["gain"]})
    assert not ours["gambles_gain"].any()
    assert ours["gambles"].abs().max() > 0.1
    assert [one["Name"] for one in sidecar["EmptyRegressors"]] == ["gambles_gain"]


def test_censoring_counts_the_events_of_a_modulator(tmp_path, made):
    """Those are the events of its condition."""
    _, sidecar = made_with_modulators(
        tmp_path, made, GAIN, {"gambles": ["gain"]},
        censor=NO_CENSORING | {"column": "out"}, confounds=censored_table(tmp_path),
    )  # fmt: skip
    assert sidecar["CensoringLoss"]["gambles_gain"]["Events"] == 6


def censored_table(tmp_path):
    rows = [[float(k == 4)] for k in range(N_SCANS)]
    table_writer.write_table(tmp_path / "c.tsv", ["out"], rows)
    return tmp_path / "c.tsv"


def test_condition_with_the_name_of_a_modulator_is_refused(tmp_path, made):
    """One name, one regressor."""
    with pytest.raises(InputError, match="two regressors have the name 'gambles_gain'"):
        made_with_modulators(tmp_path, made, GAIN.replace("press", "gambles_gain"), {"gambles": ["gain"]})


def test_design_without_events_has_confounds_and_a_constant(tmp_path, made):
    """A model of a table alone."""
    table_writer.write_table(tmp_path / "c.tsv", ["rating"], [[float(k % 7)] for k in range(N_SCANS)])
    design, sidecar = made(
        source=[], rules={"needed": False}, confounds=tmp_path / "c.tsv", columns=["rating"]
    )
    assert list(design) == ["rating", "constant"]
    assert sidecar["Responses"] == {}


def test_gains_and_losses_of_a_gambling_task_are_found_again(tmp_path, made):
    """A mixed-gambles design: 60 gambles of 4 s, gain and loss apart, response times; betas are the truth."""
    rng = np.random.default_rng(2020)
    onsets = 1.5 + 1.9 * np.arange(60) + rng.uniform(0, 0.5, 60)
    gain, loss = 10.0 + 2 * rng.integers(0, 16, 60), 5.0 + rng.integers(0, 16, 60)
    time = rng.gamma(8, 0.2, 60)
    columns = np.column_stack([onsets, gain, loss, time]).tolist()
    lines = [f"{o}\t0.5\tgambles\t{g}\t{s}\t{t}\n" for o, g, s, t in columns]
    text = "onset\tduration\ttrial_type\tgain\tloss\tRT\n" + "".join(lines)
    design, _ = made_with_modulators(
        tmp_path, made, text, {"gambles": ["gain", "loss", "RT"]}, sampling="exact"
    )
    truth = {"gambles": 2.0, "gambles_gain": 0.11, "gambles_loss": -0.23, "gambles_RT": 0.7}
    times, response = np.arange(N_SCANS) * REPETITION_TIME, np.zeros(N_SCANS)
    heights = 2.0 + 0.11 * (gain - gain.mean()) - 0.23 * (loss - loss.mean()) + 0.7 * (time - time.mean())
    fine = np.arange(0, 120, 0.01)
    hrf = exact_hrf(np.arange(0, 32, 0.01) + 0.005)
    course = np.zeros(len(fine))
    for onset, height in zip(onsets, heights, strict=True):
        course[(fine >= onset) & (fine < onset + 0.5)] += height
    response = np.interp(times, fine + 0.01, 0.01 * np.convolve(course, hrf)[: len(fine)])
    betas, *_ = np.linalg.lstsq(design.to_numpy(), response + 100.0, rcond=None)
    found = dict(zip(design, betas, strict=True))
    for name, beta in truth.items():
        np.testing.assert_allclose(found[name], beta, rtol=GRID_RTOL)


GRID_RTOL = 0.005
"""Of events and responses on a grid of 0.01 s, events of 0.5 s; 0.003 is found."""


def exact_hrf(t):
    """Response of SPM at times in s, of unit area, from its formula."""
    gamma = lambda k: t ** (k - 1) * np.exp(-t) / factorial(k - 1)  # noqa: E731
    return (gamma(6) - 0.167 * gamma(16)) / (1 - 0.167)
