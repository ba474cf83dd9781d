"""Regressors of a finite impulse response (FIR) model. Arrays only, numpy only."""

from __future__ import annotations

import numpy as np

from firstlevel.arrays import FloatArray
from firstlevel.glm.sampling import Events, pairs

EDGE = 1e-6
"""s, by which edges of FIR bins lie earlier than they say: rounded times must not move a scan across one."""


def fir(events: Events, times: FloatArray, delays: FloatArray, step: float) -> FloatArray:
    """Heights of the events whose bin of each delay (s) a scan lies in, (n, d)."""
    columns = np.zeros((len(times), len(delays)))
    for k, (early, late) in enumerate(fir_bins(delays, step)):
        first, last = (np.searchsorted(times, events.onsets + edge - EDGE) for edge in (early, late))
        event, scan = pairs(first, last)
        columns[:, k] = np.bincount(scan, events.heights[event], minlength=len(times))
    return columns


def fir_bins(delays: FloatArray, step: float) -> FloatArray:
    """First and last edge of the bin of each delay (s), (d, 2); a bin has its first edge, not its last.

    Edges are half-way between neighbouring delays, the outermost as far on the other side of their delay. A
    single delay has a bin of one repetition time.
    """
    order = np.argsort(delays)
    middles = (delays[order][1:] + delays[order][:-1]) / 2
    if not middles.size:
        return np.column_stack([delays - step / 2, delays + step / 2])
    low, high = delays[order[0]], delays[order[-1]]
    edges = np.concatenate([[2 * low - middles[0]], middles, [2 * high - middles[-1]]])
    bins = np.empty((len(delays), 2))
    bins[order] = np.column_stack([edges[:-1], edges[1:]])
    return bins
