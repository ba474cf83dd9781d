"""When faces and scrambled faces are shown, and the responses that a model of them has. n scans."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from firstlevel.arrays import FloatArray
from firstlevel.glm.sampling import Basis, Events

CONDITIONS = ("faces", "scrambled")
EVENT_DURATION = 1.0  # s
RESPONSE = Basis.of_model("spm", "nilearn", 50, -24.0, None, None)  # nilearn's defaults
FIRST_EVENT, EVENT_INTERVAL, EVENT_JITTER, TAIL = 4.0, 6.0, 1.5, 18.0  # s


def fewest_scans(events: int, repetition_time: float) -> int:
    """Scans of a run that holds so many events, with time for the last response to fade."""
    return math.ceil((FIRST_EVENT + (events - 1) * EVENT_INTERVAL + TAIL) / repetition_time)


def event_onsets(n_scans: int, repetition_time: float, rng: np.random.Generator) -> list[FloatArray]:
    """Onsets in scans, sorted, per condition: as many of each (or one more of faces), in random order."""
    count = int((n_scans * repetition_time - FIRST_EVENT - TAIL) // EVENT_INTERVAL) + 1
    jitter = rng.uniform(-EVENT_JITTER, EVENT_JITTER, count)
    seconds = FIRST_EVENT + EVENT_INTERVAL * np.arange(count) + jitter
    labels = rng.permutation(np.arange(count) % len(CONDITIONS))
    scans = np.round(seconds / repetition_time, 3)
    return [scans[labels == k] for k in range(len(CONDITIONS))]


def response_regressors(onsets: Sequence[FloatArray], n_scans: int, repetition_time: float) -> FloatArray:
    """(n_scans, conditions): EVENT_DURATION long events, convolved with SPM's HRF, at each scan's start."""
    frame_times = np.arange(n_scans, dtype=np.float64) * repetition_time
    columns = []
    for condition in onsets:
        times = condition * repetition_time
        lasting, high = np.full_like(times, EVENT_DURATION), np.ones_like(times)
        events = Events(times, lasting, times + lasting, high)
        columns.append(RESPONSE.regressors(events, frame_times)[:, 0])
    return np.stack(columns, axis=1)
