"""The design matrix of one run: conditions, regressors of no interest, drift.

Columns, their names and their order are those of nilearn's ``make_first_level_design_matrix``; the responses
are sampled by :mod:`firstlevel.glm.sampling`. Arrays only, numpy only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from firstlevel.glm import regressors
from firstlevel.glm.sampling import Basis, Events, orthogonalised, pairs, steps

if TYPE_CHECKING:
    from firstlevel.io.events import Modulator, Modulators
    from firstlevel.io.tables import Event

FloatArray = npt.NDArray[np.float64]

FOLLOWS = 1e-10
"""Norm of what a modulator has beyond those before it, relative to its own, that is rounding."""
EDGE = 1e-6
"""s, by which edges of FIR bins lie earlier than they say: rounded times must not move a scan across one."""


@dataclass(frozen=True)
class DesignOptions:
    """How conditions become regressors.

    Attributes
    ----------
    hrf_model : haemodynamic response, such as "spm + derivative", or "fir".
    drift_model : "cosine", "polynomial", or None for none.
    high_pass : Hz, cut-off of the cosine drift.
    min_onset : s from the first scan; events before it are left out.
    oversampling : bins per repetition time of the samplings nilearn and spm.
    drift_order : order of the polynomial drift.
    fir_delays : after onset, one regressor of an FIR model each.
    fir_unit : of the delays, "s" or "scans".
    sampling : "nilearn", "exact" or "spm".
    derivative_step, undershoot_ratio : of the response; None is that of the sampling.
    """

    hrf_model: str
    drift_model: str | None
    high_pass: float
    min_onset: float
    oversampling: int
    drift_order: int = 1
    fir_delays: Sequence[float] = ()
    fir_unit: str = "s"
    sampling: str = "nilearn"
    derivative_step: float | None = None
    undershoot_ratio: float | None = None

    @property
    def basis(self) -> Basis:
        """The response with its derivatives; not of an FIR model."""
        return Basis.of_model(
            self.hrf_model,
            self.sampling,
            self.oversampling,
            self.min_onset,
            self.derivative_step,
            self.undershoot_ratio,
        )

    def fir_seconds(self, times: FloatArray) -> FloatArray:
        """Delays of an FIR model in s, (d,), for scans at `times`."""
        step = steps(times)[0] if self.fir_unit == "scans" else 1.0
        return np.asarray(self.fir_delays, dtype=np.float64) * step


class Selection(NamedTuple):
    """Events that count, and of each condition how many do not, or not wholly; conditions with none left out.

    Attributes
    ----------
    events : of each condition, in the order of their names; none where all were left out.
    before : events that end before `min_onset`, which were left out.
    clipped : events that begin before `min_onset` and last beyond it, which begin there.
    after : events that begin after the last scan: they stay, and have no response.
    modulations : what modulates events and how; each modulator is in `events` by its own name.
    """

    events: dict[str, Events]
    before: dict[str, int]
    clipped: dict[str, int]
    after: dict[str, int]
    modulations: list[Modulation]


class Modulation(NamedTuple):
    """How the events of a condition are modulated in a run.

    Attributes
    ----------
    name : of the regressor, which is that of the condition where a column modulation scales its events.
    condition, column : whose events, and the column of the events table.
    centre, orthogonalised : see :class:`firstlevel.io.events.Modulator`.
    mean : of the values, in the column's unit; None where no event has one.
    missing : events without a value, which got the mean.
    """

    name: str
    condition: str
    column: str
    centre: str
    orthogonalised: bool
    mean: float | None
    missing: int


def frame_times(n_scans: int, repetition_time: float, slice_time_ref: float) -> FloatArray:
    """Time of each scan in seconds, (n,), at the fraction `slice_time_ref` of the repetition time."""
    return repetition_time * (np.arange(n_scans, dtype=np.float64) + slice_time_ref)


def select(
    rows: Sequence[Event], times: FloatArray, min_onset: float, modulators: Modulators | None = None
) -> Selection:
    """Events of a run by condition; those before `min_onset` (s from the first scan) do not count.

    A condition is followed by its modulators: the same events, of the heights that :func:`modulated` gives.
    """
    begin = float(times[0]) + min_onset
    found = Selection({}, {}, {}, {}, [])
    by_condition: dict[str, list[Event]] = {}
    for row in rows:
        by_condition.setdefault(row.trial_type, []).append(row)
    for condition, own in sorted(by_condition.items()):
        kept = [row for row in own if row.onset >= begin or row.onset + row.duration > begin]
        onsets, durations, heights = np.array(
            [(row.onset, row.duration, 1.0 if row.modulation is None else row.modulation) for row in kept],
            dtype=np.float64,
        ).reshape(-1, 3).T  # fmt: skip
        ends, early = onsets + durations, onsets < begin
        onsets, durations = np.where(early, begin, onsets), np.where(early, ends - begin, durations)
        found.events[condition] = Events(onsets, durations, ends, heights)
        if any(row.modulation is not None for row in kept):
            mean = float(heights.mean())
            found.modulations.append(Modulation(condition, condition, "modulation", "none", False, mean, 0))
        specified = (modulators or {}).get(condition, {})
        values = [np.array([dict(row.values)[how.column] for row in kept]) for how in specified.values()]
        for (name, how), own_values, high in zip(
            specified.items(), values, modulated(values, list(specified.values())), strict=True
        ):
            regressor = regressors.of_modulator(condition, name)
            if regressor in by_condition or regressor in found.events:
                raise ValueError(f"two conditions or modulators have the name {regressor!r}")
            found.events[regressor] = Events(onsets, durations, ends, high)
            known = own_values[np.isfinite(own_values)]
            mean_value = float(known.mean()) if known.size else None
            found.modulations.append(
                Modulation(
                    regressor, condition, how.column, how.centre, how.orthogonalise, mean_value,
                    len(own_values) - len(known),
                )
            )  # fmt: skip
        counts = (len(own) - len(kept), int(early.sum()), int((onsets > times[-1]).sum()))
        for counted, count in zip((found.before, found.clipped, found.after), counts, strict=True):
            if count:
                counted[condition] = count
    return found


def modulated(values: Sequence[FloatArray], how: Sequence[Modulator]) -> list[FloatArray]:
    """Heights of the m events of a condition for each of its modulators, (m,) each.

    Parameters
    ----------
    values : of each modulator, (m,), nan where one is missing.
    how : each is centred and orthogonalised.

    Notes
    -----
    A missing value is the mean of the others. The orthogonal part is what a regression of the values on the
    plain condition (ones) and the modulators before leaves, at the events: SPM's ``spm_orth``. What is
    constant, or follows from the modulators before, has a height of exactly 0.
    """
    before: list[FloatArray] = []
    found = []
    for own, spec in zip(values, how, strict=True):
        known = np.isfinite(own)
        mean = float(own[known].mean()) if known.any() else 0.0
        filled = np.where(known, own, mean)
        centred = np.zeros_like(filled) if not known.any() or np.ptp(own[known]) == 0 else filled - mean
        heights = centred if spec.centre == "run" or spec.orthogonalise else filled
        if spec.orthogonalise and before:
            basis = np.column_stack([column - column.mean() for column in before])
            scale = np.abs(basis).max(axis=0)
            basis = basis / np.where(scale > 0, scale, 1.0)
            left = centred - basis @ np.linalg.lstsq(basis, centred, rcond=None)[0]
            follows = np.linalg.norm(left) <= FOLLOWS * np.linalg.norm(centred)
            heights = np.zeros_like(left) if follows else left
        before.append(heights)
        found.append(heights)
    return found


def design_matrix(
    times: FloatArray,
    events: Sequence[Event],
    options: DesignOptions,
    confounds: FloatArray | None = None,
    confound_names: Sequence[str] = (),
    modulators: Modulators | None = None,
) -> tuple[list[str], FloatArray]:
    """Names of the regressors, and their values at `times` (s, increasing), (n, p).

    Conditions come first, by name, each before its modulators, then confounds (n, c), drift and constant.
    Events with a modulation are that high, all others 1; a condition of which no event counts has columns of
    zeros.
    """
    names: list[str] = []
    parts: list[FloatArray] = []
    for condition, its_events in select(events, times, options.min_onset, modulators).events.items():
        names += of_condition(condition, options)
        parts.append(responses(its_events, times, options))
    if confounds is not None:
        names += confound_names
        parts.append(confounds)
    parts.append(drift(times, options))
    names += [f"drift_{k}" for k in range(1, parts[-1].shape[1])]
    return [*names, "constant"], np.hstack(parts)


def of_condition(condition: str, options: DesignOptions) -> list[str]:
    """Names of the regressors that are made of the events of a condition."""
    return [
        *regressors.of_condition(condition, options.hrf_model, options.fir_delays),
        *regressors.of_derivatives(condition, options.hrf_model),
    ]


def responses(events: Events, times: FloatArray, options: DesignOptions) -> FloatArray:
    """Regressors of the events of one condition, (n, k)."""
    if options.hrf_model == "fir":
        return fir(events, times, options.fir_seconds(times), steps(times)[0])
    columns: FloatArray = options.basis.regressors(events, times)
    return columns


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


def drift(times: FloatArray, options: DesignOptions) -> FloatArray:
    """Drift and, last, the constant, (n, k + 1).

    Notes
    -----
    Cosines: the discrete cosine transform DCT-II up to the cut-off, at the times of the scans where these
    are not equally far apart. Polynomials: powers of time, each orthogonal to the lower ones.
    """
    n = len(times)
    constant = np.ones((n, 1))
    if options.drift_model is None or n < 2:
        return constant
    if options.drift_model == "polynomial":
        powers = (times / times.max())[:, np.newaxis] ** np.arange(options.drift_order + 1)
        orthogonal = orthogonalised(powers)
        return np.hstack([orthogonal[:, 1:], constant])
    step = (times[-1] - times[0]) / (n - 1)
    order = min(n - 1, int(np.floor(2 * n * options.high_pass * step)))
    places = np.arange(n) if steps(times)[1] else (times - times[0]) / step
    cosines = np.cos(np.outer((np.pi / n) * (places + 0.5), np.arange(1, order + 1)))
    return np.hstack([np.sqrt(2.0 / n) * cosines, constant])


def response_columns(conditions: Sequence[str], options: DesignOptions) -> dict[str, list[str]]:
    """Columns of each condition's response, without those of the HRF's derivatives."""
    return {name: regressors.of_condition(name, options.hrf_model, options.fir_delays) for name in conditions}


def role(column: str, responses: Mapping[str, Sequence[str]], nuisance: Mapping[str, str]) -> str:
    """What a column is for: condition, derivative, confound, motion, censor, drift or constant.

    Parameters
    ----------
    responses : columns of each condition's response.
    nuisance : roles of the regressors of no interest that were added.
    """
    if any(column in names for names in responses.values()):
        return "condition"
    if column in nuisance:
        return nuisance[column]
    if column == "constant":
        return "constant"
    return "drift" if column.startswith("drift_") else "derivative"
