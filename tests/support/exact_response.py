"""The response to one event, by a sum over 1 ms, and how far a regressor is from it. Nothing of ours."""

from functools import cache

import numpy as np
from scipy.integrate import cumulative_trapezoid
from scipy.stats import gamma

LENGTH, STEP = 32.0, 1e-3
SHAPES = {"spm": (6.0, 1.0, 16.0, 1.0, 0.167), "glover": (6 / 0.9, 0.9, 12 / 0.9, 0.9, 0.48)}
"""Of both densities shape and scale (s), and the ratio of the second one; nilearn's numbers."""
RUN, ONSETS = 110.0, (10.0, 30.0)
"""s: length of the run around an event, and where it may begin; long enough for the longest response."""
ITERATIONS = 20
"""Gauss-Newton steps; lags are far below the width of the response, five are enough."""


@cache
def _table(model):
    peak, scale, trough, other, ratio = SHAPES[model]
    times = np.arange(0, LENGTH + STEP / 2, STEP)
    heights = gamma.pdf(times, peak, scale=scale) - ratio * gamma.pdf(times, trough, scale=other)
    areas = cumulative_trapezoid(heights, dx=STEP, initial=0)
    return times, heights / areas[-1], areas / areas[-1]


def response(since, duration, model="spm"):
    """Response at times since onset (s) to an event of that duration (s); of none: to one of unit area."""
    times, heights, areas = _table(model)
    if duration == 0:
        return np.interp(since, times, heights, left=0, right=0)
    return np.interp(since, times, areas) - np.interp(since - duration, times, areas)


def lag_and_amplitude(column, since, duration, model="spm"):
    """Delay (s) and scale of the response that fit a regressor best, by least squares."""
    lag, amplitude = 0.0, 0.0
    for _ in range(ITERATIONS):
        shifted = response(since - lag, duration, model)
        slope = (
            response(since - lag + STEP, duration, model) - response(since - lag - STEP, duration, model)
        ) / (2 * STEP)
        amplitude, moved = np.linalg.lstsq(np.column_stack([shifted, -slope]), column, rcond=None)[0]
        lag += moved / amplitude
    return lag, amplitude


def measured(sample, repetition_time, duration, count, seed=0, model="spm"):
    """Lags (s) and amplitudes, (count, 2), of regressors to one event at random onsets.

    Parameters
    ----------
    sample : function of times (s), onset and duration that gives the regressor.
    """
    times = repetition_time * np.arange(round(RUN / repetition_time))
    onsets = np.random.default_rng(seed).uniform(*ONSETS, count)
    return np.array(
        [
            lag_and_amplitude(sample(times, onset, duration), times - onset, duration, model)
            for onset in onsets
        ]
    )
