"""What the response to events looks like at the times of the scans.

Three ways to sample it: ``exact`` has the closed form, ``nilearn`` and ``spm`` the sums over small bins of
these programs, written anew here, so that their numbers can be had. In all of them an event of no duration
counts as one of 1 s. Arrays only, numpy only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import FloatArray
from firstlevel.glm.hrf import LENGTH, Response

DISPERSION_STEP = 0.01
"""Difference of the dispersion that makes the dispersion derivative in SPM and nilearn."""
RATIOS = {"nilearn": 0.167, "exact": 0.167, "spm": 1 / 6}
"""Undershoot relative to the peak of SPM's response: rounded by nilearn."""
DERIVATIVE_STEPS = {"nilearn": 0.1, "exact": 0.1, "spm": 1.0}
"""s, shift whose difference is the time derivative."""
PAIRS = 32_000
"""Pairs of an event and a scan that are evaluated at a time: what fits a processor's cache is fastest."""
EQUAL = 1e-6
"""Difference between the steps of two scans, relative to a step, that is rounding."""
EARLIEST = -3600.0
"""s, before the first scan: no bins begin earlier, whatever min_onset is. Its responses have long ended."""
PEAK_STEP = 0.01
"""s, grid on which the peak is looked for; its height is then right to 1e-6."""


class Events(NamedTuple):
    """The m events of one condition: onsets, durations and ends in s, and heights; each (m,)."""

    onsets: FloatArray
    durations: FloatArray
    ends: FloatArray
    heights: FloatArray

    @property
    def impulses(self) -> npt.NDArray[np.bool_]:
        """Which have no duration."""
        found: npt.NDArray[np.bool_] = self.durations == 0
        return found


@dataclass(frozen=True)
class Basis:
    """The response with the derivatives that a model has, and how it is sampled.

    Attributes
    ----------
    response : the canonical one.
    derivative, dispersion : whether the model has these derivatives.
    sampling : nilearn, exact or spm.
    oversampling : bins per repetition time, of nilearn and spm.
    derivative_step : s, shift whose difference is the time derivative.
    min_onset : s, where nilearn's bins begin, relative to the first scan.
    """

    response: Response
    derivative: bool
    dispersion: bool
    sampling: str
    oversampling: int
    derivative_step: float
    min_onset: float

    @classmethod
    def of_model(
        cls,
        model: str,
        sampling: str,
        oversampling: int,
        min_onset: float,
        derivative_step: float | None = None,
        ratio: float | None = None,
    ) -> Basis:
        """Basis of a model such as "spm + derivative"; a step or ratio of None is that of the sampling."""
        name, *others = model.split(" + ")
        if name == "glover":
            response = Response(6.0, 12.0, 0.9, 0.9, 0.48)
        else:
            response = Response(ratio=RATIOS[sampling] if ratio is None else ratio)
        step = DERIVATIVE_STEPS[sampling] if derivative_step is None else derivative_step
        words = ("derivative" in others, "dispersion" in others)
        return cls(response, *words, sampling, oversampling, step, min_onset)

    def regressors(self, events: Events, times: FloatArray) -> FloatArray:
        """Response to the events of one condition and its derivatives at the times (s) of n scans, (n, k)."""
        return orthogonalised(self.sampled(events, times))

    def sampled(self, events: Events, times: FloatArray) -> FloatArray:
        """Return the same before they are made orthogonal: those of several events add up, (n, k)."""
        sample = {"nilearn": _as_nilearn, "exact": _exact, "spm": _as_spm}[self.sampling]
        return sample(self, events, times)

    def terms(self, sample: Callable[[Response, float], FloatArray]) -> FloatArray:
        """Response and derivatives, (n, k), of what samples a response that is shifted by some s to (n,)."""
        columns = [sample(self.response, 0.0)]
        if self.derivative:
            step = self.derivative_step
            columns.append(1.0 / step * (columns[0] - sample(self.response, step)))
        if self.dispersion:
            narrow = self.response
            if self.sampling == "nilearn":  # which takes 1 here of Glover's response, too
                narrow = replace(narrow, undershoot_dispersion=1.0)
            wide = replace(narrow, dispersion=narrow.dispersion + DISPERSION_STEP)
            columns.append(1.0 / DISPERSION_STEP * (sample(narrow, 0.0) - sample(wide, 0.0)))
        return np.column_stack(columns)

    def peak(self, duration: float, repetition_time: float) -> float:
        """Largest value over time of the canonical regressor to one event of that duration (s).

        Of nilearn on average over onsets, where a duration is at least a bin; SPM's are whole bins.
        """
        times = np.arange(0.0, 2 * LENGTH, PEAK_STEP)
        if duration == 0:
            return float(self.response.height(times).max())
        step = repetition_time / self.oversampling
        lasts = {
            "nilearn": max(duration, step),
            "exact": duration,
            "spm": step * (1 + int(_rounded(np.array([duration / step]))[0])),
        }[self.sampling]
        heights = self.response.plateau(times) - self.response.plateau(times - lasts)
        return float(heights.max())


def orthogonalised(columns: FloatArray) -> FloatArray:
    """Columns (n, k), each less its projection on those before it; nilearn's and SPM's serial order."""
    columns = columns.copy()
    heights = np.abs(columns).max(axis=0)
    units = columns / np.where(heights > 0, heights, 1.0)  # tiny ones have an infinite inverse
    for k in range(1, columns.shape[1]):
        before = units[:, :k]
        units[:, k] -= (units[:, k] @ before) @ np.linalg.pinv(before)
        columns[:, k] = units[:, k] * heights[k]
    return columns


def steps(times: FloatArray) -> tuple[float, bool]:
    """Time between scans (s), and whether all are that far apart; the median where they are not.

    Rounded to 1e-12 s: SPM's response ends at the last bin that is not beyond 32 s.
    """
    if len(times) < 2:
        return 1.0, False
    differences = np.diff(times)
    if np.ptp(differences) > EQUAL * differences.min():
        return float(np.median(differences)), False
    return round(float(times[-1] - times[0]) / len(differences), 12), True


def pairs(first: npt.NDArray[np.int64], last: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], ...]:
    """Pairs (event, scan) of events whose scans are first to last - 1; two arrays of the same length."""
    counts = np.maximum(last - first, 0)
    event = np.repeat(np.arange(len(counts)), counts)
    scan = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts - first, counts)
    return event, scan


def _exact(basis: Basis, events: Events, times: FloatArray) -> FloatArray:
    """Take the closed form: the integral of the response over each event, at any times."""
    return basis.terms(lambda response, shift: _convolved(response, events, times - shift))


def _convolved(response: Response, events: Events, times: FloatArray) -> FloatArray:
    """Sum over events of the response at the times of the scans (s, increasing), (n,).

    Notes
    -----
    With H the integral of the response, an event from o to e gives H(t - o) - H(t - e) at time t, and one
    of no duration the response itself, the limit of short events of unit area. Scans beyond the response
    are not looked at.
    """
    first = np.searchsorted(times, events.onsets)
    last = np.searchsorted(times, events.ends + LENGTH, side="right")
    blocks = 1 + int(np.maximum(last - first, 0).sum()) // PAIRS
    column = np.zeros(len(times))
    for chosen in np.array_split(np.arange(len(first)), blocks):
        event, scan = pairs(first[chosen], last[chosen])
        event = chosen[event]
        since, impulse = times[scan] - events.onsets[event], events.impulses[event]
        heights = np.empty(len(event))
        heights[impulse] = response.height(since[impulse])
        lasting = ~impulse
        until = times[scan[lasting]] - events.ends[event[lasting]]
        heights[lasting] = response.plateau(since[lasting]) - response.plateau(until)
        column += np.bincount(scan, heights * events.heights[event], minlength=len(times))
    return column


def _as_nilearn(basis: Basis, events: Events, times: FloatArray) -> FloatArray:
    """Sum as nilearn 0.13: bins of the repetition time over `oversampling`, each event in whole bins.

    Notes
    -----
    The response begins one bin after the event, its sum over bins is 1, and values between two bins are
    interpolated. An event of no duration takes one bin, of unit area here (nilearn: of height 1). Where
    scans are not equally far apart, nilearn's bins are not those of its response; here they are.
    """
    n, (_, equal) = len(times), steps(times)
    width = (float(np.diff(times).min()) if n > 1 else 1.0) / basis.oversampling
    min_onset = max(basis.min_onset, EARLIEST)
    begin = times.min() + min_onset
    if equal:
        end = times.max() * (1 + 1.0 / (n - 1))
        per_second = (n - 1) * 1.0 / (times.max() - times.min())
        count = int(np.rint(per_second * ((end - times.min() - min_onset) * basis.oversampling) + 1))
        bins = np.linspace(begin, end, count)
    else:
        bins = begin + width * np.arange(math.ceil((times.max() - begin) / width) + 2)
    heights = np.where(events.impulses, events.heights / width, events.heights)
    start = np.minimum(np.searchsorted(bins, events.onsets), len(bins) - 1)
    stop = np.minimum(np.searchsorted(bins, events.ends), len(bins) - 1)
    stop[(stop == start) & (stop < len(bins) - 1)] += 1
    course = np.zeros(len(bins))
    np.add.at(course, start, heights)
    np.subtract.at(course, stop, heights)
    course = np.cumsum(course)

    def kernel(response: Response, shift: float) -> FloatArray:
        stamps = np.linspace(0, LENGTH, int(np.rint(LENGTH / width))) - shift
        values = response.density(stamps - width)
        scaled: FloatArray = values / values.sum()
        return scaled

    kernels = basis.terms(kernel)
    responses = np.column_stack([np.convolve(course, values)[: len(bins)] for values in kernels.T])
    after = np.searchsorted(bins, times).clip(1, len(bins) - 1)
    before = after - 1
    slope = (responses[after] - responses[before]) / (bins[after] - bins[before])[:, np.newaxis]
    sampled: FloatArray = slope * (times - bins[before])[:, np.newaxis] + responses[before]
    return sampled


def _as_spm(basis: Basis, events: Events, times: FloatArray) -> FloatArray:
    """Sum as SPM12: `oversampling` microtime bins per scan, onsets and durations rounded to bins.

    Notes
    -----
    As spm_get_ons, spm_hrf, spm_get_bf and spm_fMRI_design do it: an event lasts one bin more than its
    duration; the response is sampled from 0 to 32 s with both ends and has the sum 1. SPM orthogonalises the
    functions of the basis and then their regressors, which comes to the latter alone. The scan's bin is that
    of its time: T0 is 1 more.
    An event of no duration has unit area also beside events that last, where SPM gives it one bin of 1.
    """
    step, equal = steps(times)
    width = step / basis.oversampling
    if equal:
        scans = _rounded(times[:1] / width) + basis.oversampling * np.arange(len(times))
    else:
        scans = _rounded(times / width)
    start = _rounded(events.onsets / width)
    stop = np.where(events.impulses, start, start + _rounded(events.durations / width)) + 1
    heights = np.where(events.impulses, events.heights / width, events.heights)
    length = math.floor(LENGTH / width) + 1
    origin = int(scans.min()) - length
    count = int(scans.max()) - origin + 1
    course = np.zeros(count + 1)
    np.add.at(course, (start - origin).clip(0, count), heights)
    np.subtract.at(course, (stop - origin).clip(0, count), heights)
    course = np.cumsum(course)[:count]

    def kernel(response: Response, shift: float) -> FloatArray:
        stamps = width * np.arange(length, dtype=np.float64) - shift
        values = response.density(stamps)
        scaled: FloatArray = values / values.sum()
        return scaled

    kernels = basis.terms(kernel)
    responses = [np.convolve(course, values)[:count] for values in kernels.T]
    return np.column_stack([response[scans - origin] for response in responses])


def _rounded(values: FloatArray) -> npt.NDArray[np.int64]:
    """Nearest whole numbers, halves away from zero."""
    return np.trunc(values + np.copysign(0.5, values)).astype(np.int64)
