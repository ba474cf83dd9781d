"""Responses to events: against nilearn, SPM's own columns, quadrature and sums over 1 ms."""

import inspect
import math
from pathlib import Path

import exact_response
import nilearn
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.glm.first_level import compute_regressor
from scipy.integrate import quad
from scipy.special import gammainc
from scipy.stats import gamma

from firstlevel.glm import hrf
from firstlevel.glm import sampling as sampled
from firstlevel.glm.sampling import Basis, Events

MODELS = [
    f"{name}{more}"
    for name in ("spm", "glover")
    for more in ("", " + derivative", " + derivative + dispersion")
]
EQUAL_ATOL = 3e-12
"""Relative to the peak of a column: rounding of log gamma, 100 times larger in the dispersion derivative."""
SPM_ATOL = 1e-12
"""Distance from SPM's own columns."""
QUADRATURE_ATOL = 1e-9
"""What scipy's adaptive quadrature of a response with a kink at 32 s reaches."""
LAG, AMPLITUDE = 1e-3, 1e-3
"""s and share: a fifth of what is asked for (0.5 %), and the step of the sum that is the oracle."""
SAMPLINGS = ("nilearn", "exact", "spm")


def events_of(onsets, durations, heights=None):
    onsets, durations = np.broadcast_arrays(np.array(onsets, float), durations)
    heights = np.ones_like(onsets) if heights is None else np.array(heights, float)
    return Events(onsets, durations.astype(float), onsets + durations, heights)


def basis_of(model, sampling, oversampling=None, min_onset=-24.0, **options):
    return Basis.of_model(
        model, sampling, oversampling or (16 if sampling == "spm" else 50), min_onset, **options
    )


def worst(ours, expected):
    """Largest difference of each column, relative to the expected peak."""
    return (np.abs(ours - expected).max(axis=0) / np.abs(expected).max(axis=0)).max()


@pytest.mark.parametrize("oversampling", [1, 16, 50])
@pytest.mark.parametrize("slice_time_ref", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("repetition_time", [0.72, 2.0, 7.0])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.filterwarnings("ignore")
def test_sampling_nilearn_is_nilearns(model, repetition_time, slice_time_ref, oversampling):
    """Every response, with events of all lengths and heights from before the run until after its end."""
    rng = np.random.default_rng(0)
    times = repetition_time * (np.arange(120) + slice_time_ref)
    onsets, durations = np.sort(rng.uniform(-20, times[-1] + 5, 25)), rng.choice([0.01, 0.3, 1, 5, 20], 25)
    heights = rng.normal(1, 1, 25)
    expected, _ = compute_regressor(
        (onsets, durations, heights), model, times, oversampling=oversampling, min_onset=-24
    )
    ours = basis_of(model, "nilearn", oversampling).regressors(events_of(onsets, durations, heights), times)
    assert worst(ours, expected) < EQUAL_ATOL


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("repetition_time", "oversampling"), [(0.72, 50), (2.0, 16), (7.0, 3)])
@pytest.mark.filterwarnings("ignore")
def test_events_of_no_duration_are_nilearns_in_another_unit(model, repetition_time, oversampling):
    """All columns of nilearn's times oversampling / TR: its stick is 1 high, ours has the area of 1 s."""
    times, onsets = repetition_time * np.arange(100), np.array([3.3, 20.0, 31.7, 60.1])
    expected, _ = compute_regressor(
        (onsets, 0 * onsets, 1 + 0 * onsets), model, times, oversampling=oversampling
    )
    ours = basis_of(model, "nilearn", oversampling).regressors(events_of(onsets, 0), times)
    assert worst(ours, expected * oversampling / repetition_time) < EQUAL_ATOL


@pytest.mark.parametrize("shape", [6.0, 16.0, 6 / 0.9, 12 / 0.9, 6 / 1.01, 6 / 0.91])
def test_incomplete_gamma_function_is_scipys(shape):
    """Over the whole length of the response, relative to each value."""
    values = np.linspace(0, 36, 2001)
    np.testing.assert_allclose(
        hrf._gamma_integral(shape, values), gammainc(shape, values), rtol=1e-13, atol=0
    )


@pytest.mark.parametrize("duration", [0.0, 0.05, 1.0, 40.0])
@pytest.mark.parametrize(("model", "ratio"), [("spm", 0.167), ("spm", 1 / 6), ("glover", None)])
def test_exact_regressors_are_the_integral(model, ratio, duration):
    """Two events at times of no grid, by adaptive quadrature of the densities that scipy has."""
    a, s, b, u, r = exact_response.SHAPES[model]
    r = r if ratio is None else ratio

    def density(t):
        return (gamma.pdf(t, a, scale=s) - r * gamma.pdf(t, b, scale=u)) * (0 <= t <= 32)

    area = quad(density, 0, 32, epsabs=1e-13, limit=200)[0]
    onsets, heights = [0.377, 11.2], [1.0, -0.6]
    times = np.array([-2.0, 0.4, 1.1, 5.3, 13.7, 20.9, 31.8, 43.1, 60.2, 90.0])
    expected = np.zeros(len(times))
    for onset, height in zip(onsets, heights, strict=True):
        for k, since in enumerate(times - onset):
            if duration == 0:
                expected[k] += height * density(since) / area
            else:
                low, high = np.clip([since - duration, since], 0, 32)
                expected[k] += height * quad(density, low, high, epsabs=1e-13, limit=200)[0] / area
    ours = basis_of(model, "exact", ratio=ratio).regressors(events_of(onsets, duration, heights), times)
    np.testing.assert_allclose(ours[:, 0], expected, rtol=0, atol=QUADRATURE_ATOL)


@pytest.mark.parametrize("duration", [0.0, 0.05, 0.1, 1.0, 20.0])
@pytest.mark.parametrize("repetition_time", [0.72, 2.0, 7.0])
@pytest.mark.parametrize("model", ["spm", "glover"])
def test_exact_regressors_neither_lag_nor_swell(model, repetition_time, duration):
    """A smaller version of the table that make compare-regressors prints."""
    basis = basis_of(model, "exact")
    found = exact_response.measured(
        lambda times, onset, lasts: basis.regressors(events_of([onset], lasts), times)[:, 0],
        *(repetition_time, duration, 12, 1, model),
    )
    lags, amplitudes = found.T
    assert np.abs(lags).max() < LAG
    assert np.abs(amplitudes - 1).max() < AMPLITUDE


def test_sampling_nilearn_lags_as_nilearn_does():
    """What the exact sampling is for: at TR 7 s nilearn's regressor is late, and a short event too high."""
    basis = basis_of("spm", "nilearn")
    lags, amplitudes = exact_response.measured(
        lambda times, onset, lasts: basis.regressors(events_of([onset], lasts), times)[:, 0], 7.0, 0.1, 12
    ).T
    assert np.abs(lags).max() > 0.15
    assert amplitudes.min() > 1.3


@pytest.mark.parametrize("model", ["spm", "glover"])
def test_exact_derivatives_are_differences_of_responses(model):
    """Responses 0.1 s later and of a dispersion 0.01 larger, each orthogonal to the columns before it."""
    times, events = 1.3 * np.arange(60), events_of([3.1, 20.4, 41.0], [0.3, 2.0, 7.0])
    a, s, b, u, r = exact_response.SHAPES[model]
    fine = np.arange(0, 32.0005, 1e-3)

    def response(shift=0.0, dispersion=s):
        heights = gamma.pdf(fine, 6 / dispersion, scale=dispersion) - r * gamma.pdf(fine, b, scale=u)
        areas = np.concatenate([[0], np.cumsum((heights[1:] + heights[:-1]) / 2)])
        return sum(
            np.interp(times - shift - o, fine, areas / areas[-1])
            - np.interp(times - shift - e, fine, areas / areas[-1])
            for o, e in zip(events.onsets, events.ends, strict=True)
        )

    assert a == 6 / s
    columns = [response(), (response() - response(0.1)) / 0.1, (response() - response(0, s + 0.01)) / 0.01]
    expected = np.column_stack(columns)
    for k in (1, 2):
        before = expected[:, :k]
        expected[:, k] -= before @ np.linalg.lstsq(before, expected[:, k], rcond=None)[0]
    ours = basis_of(f"{model} + derivative + dispersion", "exact").regressors(events, times)
    assert worst(ours, expected) < 1e-4  # the oracle's 1 ms, 100 times larger in differences of 0.01


def plain_spm(onsets, durations, repetition_time, n_scans, first_bin, bins=16, derivatives=True):
    """SPM12's columns of one condition, step by step and with its counting from 1."""
    dt = repetition_time / bins

    def response(p):
        u = [k - p[5] / (dt / bins) for k in range(math.ceil(32 / (dt / bins)) + 1)]
        heights = []
        for k in range(math.floor(32 / dt) + 1):
            t = u[k * bins] * dt / bins
            value = 0.0
            if t > 0:
                value = gamma.pdf(t, p[0] / p[2], scale=p[2]) - gamma.pdf(t, p[1] / p[3], scale=p[3]) / p[4]
            heights.append(value)
        return np.array(heights) / sum(heights)

    p = [6, 16, 1, 1, 6, 0, 32]
    functions = [response(p)]
    if derivatives:
        functions.append((functions[0] - response([*p[:5], 1.0, 32])) / 1.0)
        functions.append((functions[0] - response([6, 16, 1.01, 1, 6, 0, 32])) / 0.01)
    stimulus = np.zeros(n_scans * bins + 128)
    height = 1.0 if any(durations) else 1.0 / dt
    for onset, duration in zip(onsets, durations, strict=True):
        on = math.floor(onset / dt + 0.5) + 33
        off = math.floor(duration / dt + 0.5) + on + 1
        if on < len(stimulus):
            stimulus[on - 1] += height
        if off < len(stimulus):
            stimulus[off - 1] -= height
    stimulus = np.cumsum(stimulus)[: n_scans * bins + 32]
    columns = [
        np.convolve(stimulus, function)[[k * bins + first_bin + 32 - 1 for k in range(n_scans)]]
        for function in gram_schmidt(np.column_stack(functions)).T
    ]
    return gram_schmidt(np.column_stack(columns))


def gram_schmidt(columns):
    columns = columns.copy()
    for k in range(1, columns.shape[1]):
        q, _ = np.linalg.qr(columns[:, :k])
        columns[:, k] -= q @ (q.T @ columns[:, k])
    return columns


@pytest.mark.parametrize("duration", [0.0, 0.4, 10.0])
@pytest.mark.parametrize("repetition_time", [0.72, 1.0, 1.6, 2.0, 2.3, 7.0])
@pytest.mark.parametrize("first_bin", [1, 8, 9])
def test_sampling_spm_is_spms(repetition_time, duration, first_bin):
    """16 bins, rounding, the extra bin, a derivative of 1 s, both orthogonalisations; T0 is a bin more."""
    rng = np.random.default_rng(2)
    n_scans = 90
    onsets = np.sort(rng.uniform(-1.5 * repetition_time, n_scans * repetition_time, 20))
    times = repetition_time * (np.arange(n_scans) + (first_bin - 1) / 16)
    expected = plain_spm(onsets, [duration] * 20, repetition_time, n_scans, first_bin)
    basis = basis_of("spm + derivative + dispersion", "spm")
    ours = basis.regressors(events_of(onsets, duration), times)
    assert worst(ours, expected) < SPM_ATOL


@pytest.mark.parametrize(("duration", "name"), [(0.0, "arr_0"), (10.0, "arr_1")])
def test_sampling_spm_gives_the_columns_that_spm_wrote(duration, name):
    """SPM's own design of 100 scans of 1 s, which nilearn ships for its own tests."""
    spm = np.load(Path(inspect.getfile(nilearn)).parent / "glm/tests/spm_dmtx.npz")[name]
    onsets = ([30, 50, 70], [10, 30, 80], [30, 40, 60])
    for column, of_condition in zip(spm.T, onsets, strict=False):
        events = events_of(of_condition, duration)
        ours = basis_of("spm", "spm").regressors(events, np.arange(100) + 1 / 16)[:, 0]
        np.testing.assert_allclose(ours, column, rtol=0, atol=SPM_ATOL)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("model", ["spm", "glover"])
def test_event_of_no_duration_has_unit_area_beside_others(sampling, model):
    """In every sampling, repetition time and number of bins, alone or in a condition with blocks."""
    for repetition_time in (0.5, 1.0, 2.0):
        for oversampling in (10, 16, 50):
            times = repetition_time * np.arange(round(100 / repetition_time))
            basis = basis_of(model, sampling, oversampling)
            alone = basis.regressors(events_of([10.0], 0), times)[:, 0]
            beside = basis.regressors(events_of([10.0, 30.0], [0.0, 20.0]), times)[:, 0]
            block = basis.regressors(events_of([30.0], 20.0), times)[:, 0]
            assert alone.sum() * repetition_time == pytest.approx(1, abs=0.01)
            np.testing.assert_allclose(beside, alone + block, rtol=0, atol=1e-12)
            assert block.max() == pytest.approx(basis.peak(20.0, repetition_time), rel=0.02)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("duration", [0.0, 0.05, 1.0, 3.0, 15.0, 100.0])
def test_peak_is_the_largest_value_of_the_regressor(sampling, duration):
    """Over events at many times between two scans, on average: bins make some longer than others."""
    repetition_time, basis = 2.0, basis_of("spm", sampling)
    times = repetition_time * np.arange(90)
    found = []
    for onset in 10 + 2 * (np.arange(400) * 0.6180339887 % 1):  # even, and in step with no bins
        column = basis.regressors(events_of([onset], duration), times)[:, 0]
        found.append((onset, column))
    since = np.concatenate([times - onset for onset, _ in found])
    heights = np.concatenate([column for _, column in found])
    order = np.argsort(since)
    near = np.convolve(heights[order], np.ones(100) / 100, mode="valid").max()
    rel = 0.06 if sampling == "nilearn" else 0.01  # an event of 0.05 s takes one bin or two
    assert near == pytest.approx(basis.peak(duration, repetition_time), rel=rel)


onsets = st.lists(st.floats(-20, 110), min_size=1, max_size=6)
lengths = st.floats(0, 30)
heights = st.floats(-3, 3)


@given(onsets, lengths, heights, st.sampled_from([0.5, 2.0, 3.1]), st.floats(-50, 50))
@settings(max_examples=60, deadline=None)
def test_moving_events_and_scans_together_changes_nothing(at, duration, height, repetition_time, shift):
    """Only what lies between an event and a scan counts."""
    basis, times = basis_of("spm + derivative", "exact"), repetition_time * np.arange(50)
    here = basis.regressors(events_of(at, duration, [height] * len(at)), times)
    moved = events_of(np.array(at) + shift, duration, [height] * len(at))
    np.testing.assert_allclose(basis.regressors(moved, times + shift), here, rtol=0, atol=1e-10)


@given(onsets, lengths, heights, heights)
@settings(max_examples=60, deadline=None)
def test_regressors_are_linear_in_the_heights(at, duration, first, second):
    """In every sampling: twice the modulation is twice the canonical regressor."""
    times = 2.0 * np.arange(60)
    for sampling in SAMPLINGS:
        columns = [
            basis_of("spm", sampling).regressors(events_of(at, duration, [height] * len(at)), times)
            for height in (first, second, first + second)
        ]
        np.testing.assert_allclose(columns[0] + columns[1], columns[2], rtol=0, atol=1e-10)


@given(onsets, st.sampled_from(["spm", "glover"]))
@settings(max_examples=40, deadline=None)
def test_no_duration_is_the_limit_of_short_events_of_unit_area(at, model):
    """1 ms of height 1000, centred on the event; at 32 s the response is cut off at a height of 7e-5."""
    times, basis = 1.7 * np.arange(60), basis_of(model, "exact")
    short = events_of(np.array(at) - 5e-4, 1e-3, [1e3] * len(at))
    ours = basis.regressors(events_of(at, 0), times)
    np.testing.assert_allclose(ours, basis.regressors(short, times), rtol=0, atol=1e-4)


@given(onsets, lengths, st.sampled_from([2, 4, 8]))
@settings(max_examples=40, deadline=None)
def test_exact_regressors_do_not_depend_on_the_repetition_time(at, duration, factor):
    """Every second scan of a run of half the repetition time is a scan of the other."""
    basis, events = basis_of("spm", "exact"), events_of(at, duration)
    slow, fast = (
        basis.regressors(events, step * np.arange(n)) for step, n in ((2.0, 60), (2.0 / factor, 60 * factor))
    )
    np.testing.assert_allclose(fast[::factor], slow, rtol=0, atol=1e-12)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_scans_that_are_not_equally_far_apart(sampling):
    """Each scan shows the response at its own time, within the width of the bins (exact: to rounding)."""
    rng = np.random.default_rng(8)
    times = np.cumsum(rng.uniform(1.0, 3.0, 80))
    events = events_of([5.0, 31.3, 70.2, 110.0], [0.0, 1.0, 12.0, 4.0])
    ours = basis_of("spm", sampling, 50, ratio=0.167).regressors(events, times)[:, 0]
    expected = sum(
        exact_response.response(times - o, d) for o, d in zip(events.onsets, events.durations, strict=True)
    )
    assert np.abs(ours - expected).max() < {"exact": 1e-6}.get(sampling, 0.02)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("model", ["spm", "glover + derivative + dispersion"])
def test_odd_runs_and_events_give_finite_regressors(sampling, model):
    """One scan, two, a minute between scans; events in another century, of no height, on for ever."""
    events = events_of([-1e9, -1e4, 3.0, 5.0, 1e9], [0.0, 1e9, 0.0, 1e-9, 1.0], [1.0, 2.0, 1e-310, 1.0, 1.0])
    for times in ([0.5], [0.0, 2.0], [0.0, 60.0, 120.0], [0.0, 1.0, 9.0], 0.4 * np.arange(30)):
        ours = basis_of(model, sampling, 50, min_onset=-2e9).regressors(events, np.array(times))
        assert np.isfinite(ours).all()
        assert ours[0, 0] == pytest.approx(2.0, abs=1e-6)  # the one that has begun and does not end


def test_response_ends_at_32_s_with_all_of_its_area():
    """Nothing comes after it, and an event that lasts is at its plateau."""
    for response in (hrf.Response(), hrf.Response(6.0, 12.0, 0.9, 0.9, 0.48)):
        times = np.array([-1.0, 0.0, 32.0, 32.1, 99.0])
        np.testing.assert_array_equal(response.height(times)[[0, 1, 3, 4]], 0)
        np.testing.assert_allclose(response.plateau(times), [0, 0, 1, 1, 1], rtol=0, atol=1e-15)


def test_many_events_are_the_sum_of_each(monkeypatch):
    """Blocks of pairs of events and scans leave none out, whatever their size."""
    rng = np.random.default_rng(9)
    at, lasts, high = rng.uniform(0, 200, 70), rng.choice([0.0, 0.5, 30.0], 70), rng.normal(size=70)
    times, basis = 0.9 * np.arange(230), basis_of("spm", "exact")
    expected = sum(
        basis.regressors(events_of([o], d, [h]), times) for o, d, h in zip(at, lasts, high, strict=True)
    )
    for pairs in (1, 100, 10**6):
        monkeypatch.setattr(sampled, "PAIRS", pairs)
        ours = basis.regressors(events_of(at, lasts, high), times)
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)
