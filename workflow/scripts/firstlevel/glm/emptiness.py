"""Regressors of which next to nothing falls into a run: a fit would scale up what is left of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from firstlevel.arrays import FloatArray
from firstlevel.glm import design as designs
from firstlevel.glm import fir
from firstlevel.glm.hrf import LENGTH
from firstlevel.glm.sampling import Events, steps
from firstlevel.glm.selection import Selection

NOTHING_LEFT = 0.05
"""Norm of a regressor, relative to the full response to its events, below which it tests next to nothing."""
NO_HEIGHT = 1e-12
"""Height of an event that is rounding, and norm of a regressor relative to its condition's."""


class Empty(NamedTuple):
    """A regressor of which next to nothing falls into the run: its share of the full response, and why."""

    share: float | None
    reason: str


def empty_regressors(
    names: Sequence[str],
    values: FloatArray,
    times: FloatArray,
    selection: Selection,
    options: designs.DesignOptions,
    censored: Sequence[int] = (),
) -> dict[str, Empty]:
    """Find the regressors of conditions of which next to nothing falls into the scans that are kept.

    Parameters
    ----------
    names, values : the design, (n, p), of scans at `times` (s).
    censored : scans that are not kept, counted from 0.

    Notes
    -----
    A regressor is held against the full response to its events: the same regressor at scans that go on
    before and after the run until every response has ended. Events without any response in the run are not
    part of it, and what lasts longer than the run is followed for one length of the response beyond it.
    """
    found: dict[str, Empty] = {}
    kept = np.setdiff1d(np.arange(len(times)), np.asarray(censored, dtype=np.int64))
    where = "the scans that are kept" if len(censored) else "the run"
    for condition, events in selection.events.items():
        columns = designs.of_condition(condition, options)
        if why := _without_response(events, times, condition in selection.before, options):
            found |= {name: Empty(None, why) for name in columns}
            continue
        own = np.linalg.norm(values[kept][:, [names.index(name) for name in columns]], axis=0)
        whole = np.linalg.norm(_full_responses(events, times, options), axis=0)
        for k, name in enumerate(columns):
            share = float(own[k] / whole[k]) if whole[k] > NO_HEIGHT * whole.max() else None
            if options.hrf_model != "fir" and k and columns[0] in found:
                found[name] = Empty(None, f"{columns[0]} is empty")
            elif share is None:
                found[name] = Empty(None, "its events have no such response at any scan")
            elif share < NOTHING_LEFT:
                part = f"{100 * share:.2g} % of the response of its events"
                found[name] = Empty(share, f"{part} falls into {where}")
    return found


def _without_response(
    events: Events, times: FloatArray, some_before: bool, options: designs.DesignOptions
) -> str:
    """Why the events of a condition have no response at all; nothing where they have one."""
    if not events.onsets.size:
        return f"every event ends before min_onset ({options.min_onset:g} s from the first scan)"
    if np.abs(events.heights).max() <= NO_HEIGHT:
        return "the modulation of every event is 0"
    lead, _ = _window(times, options)
    if (events.onsets + lead > times[-1]).all():
        return "every event begins after the last scan" + " or ends before min_onset" * some_before
    return ""


def _window(times: FloatArray, options: designs.DesignOptions) -> tuple[float, float]:
    """Begin and end of the response to an event, in s after its onset and its end."""
    if options.hrf_model == "fir":
        bins = fir.fir_bins(options.fir_seconds(times), steps(times)[0])
        return float(bins.min()), float(bins.max())
    return 0.0, LENGTH + options.basis.derivative_step


def _full_responses(events: Events, times: FloatArray, options: designs.DesignOptions) -> FloatArray:
    """Regressors of one condition at scans that hold the whole response to its events in the run, (m, k)."""
    (lead, tail), (step, _) = _window(times, options), steps(times)
    if options.hrf_model == "fir":
        events = events._replace(durations=np.zeros_like(events.durations), ends=events.onsets)
    inside = (events.onsets + lead <= times[-1]) & (events.ends + tail >= times[0])
    onsets = np.maximum(events.onsets[inside], times[0] - 2 * LENGTH - tail)
    ends = np.minimum(events.ends[inside], times[-1] + LENGTH)
    if not onsets.size:
        return np.zeros((1, len(designs.of_condition("", options))))
    low, high = onsets.min() + min(lead, 0.0) - step, ends.max() + tail + step
    before = times[0] - step * np.arange(np.ceil(max(times[0] - low, 0) / step), 0, -1)
    after = times[-1] + step * np.arange(1, np.ceil(max(high - times[-1], 0) / step) + 1)
    scans = np.concatenate([before, times, after])
    scans = scans[(scans >= low - step) & (scans <= high + step)]
    origin = scans[0]
    moved = Events(onsets - origin, ends - onsets, ends - origin, events.heights[inside])
    return designs.responses(moved, scans - origin, replace(options, min_onset=0.0))
