"""The trials of a run, each with regressors of its own, beside all other regressors of its design.

Symbols: n scans, m trials, k regressors per trial (the response with its derivatives, or one per delay of an
FIR model). What a trial's map holds is its own response: the coefficient of the canonical response, to which
the derivatives are orthogonal, as in the design; of an FIR model the mean over its delays.

Trials have the height 1: what a column of the events would make of them is what single trials are to show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import FloatArray
from firstlevel.glm import design as designs
from firstlevel.glm import emptiness, regressors
from firstlevel.glm.design import DesignOptions
from firstlevel.glm.fir import fir
from firstlevel.glm.hrf import LENGTH
from firstlevel.glm.sampling import Basis, Events, orthogonalised, steps
from firstlevel.glm.selection import select
from firstlevel.io.designs import Design
from firstlevel.io.event_table import Event
from firstlevel.io.modulators import Modulators
from firstlevel.stage import InputError

SAME = 1e-8
"""Length of the difference between two trials' responses, of length 1 each, up to which they are the same."""
LIKE = 1e-6
"""How far the cosine of two responses is from 1 where their difference is worth to be computed."""


@dataclass(frozen=True)
class TrialColumns:
    """Regressors of the m trials of a run, and all others.

    Attributes
    ----------
    rows : lines of the events table, of which the header is 1.
    events : the trials, in the order of that table.
    conditions : that have trials, and `condition_of` the place there of each trial, (m,).
    sampled : (n, m, k), as sampled: those of several trials add up.
    kept : (m, k), weights of the coefficients of `sampled` in the response that is kept.
    others : (n, q), all other regressors, `names` theirs.
    left_out : regressors of the design that single trials replace, but for those of the conditions.
    censored : scans with a regressor of their own, counted from 0.
    empty : why next to nothing of a trial's response falls into the run, by its place.
    twins : which trial has the same response, of those that share theirs, by their place.
    """

    rows: list[int]
    events: list[Event]
    conditions: list[str]
    condition_of: npt.NDArray[np.intp]
    sampled: FloatArray
    kept: FloatArray
    others: FloatArray
    names: list[str]
    left_out: list[str]
    censored: list[int]
    empty: Mapping[int, str]
    twins: Mapping[int, str]

    @property
    def reasons(self) -> dict[int, str]:
        """Why a trial cannot be estimated, whatever the model, by its place."""
        return {**self.twins, **self.empty}

    @property
    def n_own(self) -> int:
        """Regressors of a trial."""
        return int(self.sampled.shape[2])

    def sums(self) -> FloatArray:
        """Regressors of each condition, (n, c, k): the sums of those of its trials."""
        places = range(len(self.conditions))
        return np.stack([self.sampled[:, self.condition_of == one].sum(axis=1) for one in places], axis=1)

    def label(self, place: int) -> str:
        """A trial in words."""
        event = self.events[place]
        return f"row {self.rows[place]}, {event.trial_type} at {event.onset:g} s"


def collect(
    table: Path,
    saved: Design,
    events: Sequence[Event],
    modulators: Modulators,
    options: DesignOptions,
    conditions: Sequence[str] | None,
) -> TrialColumns:
    """Trials of some conditions of a run (None: of all), and the rest of its design.

    Parameters
    ----------
    table : of the events, which messages name.
    saved, events, modulators, options : of the run, as ``make_design_matrix`` has them.

    Raises
    ------
    InputError : where there is no trial.
    """
    asked = dict.fromkeys(event.trial_type for event in events) if conditions is None else conditions
    places = [place for place, event in enumerate(events) if event.trial_type in asked]
    trials = [events[place] for place in places]
    if not trials:
        raise InputError(
            table,
            "has no trial of the conditions of design.single_trials",
            expected="at least one trial in the run",
            remedy="correct design.single_trials.conditions, or the events",
        )
    present = sorted({event.trial_type for event in trials})
    replaced = [name for one in present for name in designs.of_condition(one, options)]
    left_out = [
        name
        for one in present
        for modulator in modulators.get(one, {})
        for name in designs.of_condition(regressors.of_modulator(one, modulator), options)
    ]
    own = [k for k, name in enumerate(saved.names) if name not in {*replaced, *left_out}]
    censored = np.flatnonzero(~saved.kept).tolist()
    sampled, kept, empty = _sampled(trials, saved.frame_times, options, censored)
    return TrialColumns(
        rows=[place + 2 for place in places],
        events=trials,
        conditions=present,
        condition_of=np.array([present.index(event.trial_type) for event in trials], dtype=np.intp),
        sampled=sampled,
        kept=kept,
        others=saved.matrix[:, own],
        names=[saved.names[k] for k in own],
        left_out=[name for name in left_out if name in saved.names],
        censored=censored,
        empty=empty,
        twins=_twins(sampled, places),
    )


def _sampled(
    trials: Sequence[Event], times: FloatArray, options: DesignOptions, censored: Sequence[int]
) -> tuple[FloatArray, FloatArray, dict[int, str]]:
    """Regressors of each trial (n, m, k), weights of the response that is kept (m, k), why it is none."""
    labels = [f"{place:07d}" for place in range(len(trials))]
    of_labels = [replace(one, trial_type=labels[k], modulation=None) for k, one in enumerate(trials)]
    selection = select(of_labels, times, options.min_onset)
    is_fir = options.hrf_model == "fir"
    of_trials = [selection.events[name] for name in labels]
    if is_fir:
        delays, step = options.fir_seconds(times), steps(times)[0]
        sampled = np.stack([fir(one, times, delays, step) for one in of_trials], axis=1)
    else:
        sampled = responses(options.basis, of_trials, times)
    canonical = sampled[:, :, 0]
    if is_fir:
        kept = np.full(sampled.shape[1:], 1.0 / sampled.shape[2])
    else:
        squares = np.einsum("nm,nm->m", canonical, canonical)
        kept = np.einsum("nm,nmk->mk", canonical, sampled)
        kept /= np.where(squares > 0, squares, 1.0)[:, np.newaxis]
        kept[:, 0] = 1.0
    # the whole response of all others falls into scans that are kept
    doubtful = [
        k for k, one in enumerate(of_trials) if is_fir or _is_cut(one, times, options.basis, censored)
    ]
    columns = [name for k in doubtful for name in designs.of_condition(labels[k], options)]
    values = np.hstack([np.empty((len(times), 0)), *(orthogonalised(sampled[:, k]) for k in doubtful)])
    within = selection._replace(events={labels[k]: of_trials[k] for k in doubtful})
    empty = emptiness.empty_regressors(columns, values, times, within, options, censored)
    reasons = {}
    for place, label in ((k, labels[k]) for k in doubtful):
        own = designs.of_condition(label, options)
        found = [empty[name] for name in (own if is_fir else own[:1]) if name in empty]
        if label in selection.before:
            reasons[place] = f"it ends before min_onset ({options.min_onset:g} s from the first scan)"
        elif found and trials[place].onset > times[-1]:
            reasons[place] = "it begins after the last scan"
        elif found:
            reasons[place] = found[0].reason.replace("its events", "the trial")
    return sampled, kept, reasons


def _is_cut(one: Events, times: FloatArray, basis: Basis, censored: Sequence[int]) -> bool:
    """Whether a part of the response to a trial falls out of the run, or into censored scans."""
    if not one.onsets.size:
        return True
    begin, end = float(one.onsets[0]), float(one.ends[0]) + LENGTH + basis.derivative_step
    cut = times[list(censored)]
    return begin < times[0] or end > times[-1] or bool(((begin <= cut) & (cut <= end)).any())


def responses(basis: Basis, trials: Sequence[Events], times: FloatArray) -> FloatArray:
    """Response to each of m trials, of at most one event each, with its derivatives, (n, m, k).

    Trials whose responses do not meet are sampled together, which takes as long as one of them alone.
    """
    step = steps(times)[0]
    reach = LENGTH + basis.derivative_step + 2 * step
    spans = {
        place: (float(one.onsets[0]) - step, float(one.ends[0]) + reach)
        for place, one in enumerate(trials)
        if one.onsets.size
    }
    together: list[list[int]] = []
    for place in sorted(spans, key=lambda place: spans[place]):
        for group in together:
            if spans[group[-1]][1] < spans[place][0]:
                group.append(place)
                break
        else:
            together.append([place])
    sampled = np.zeros((len(times), len(trials), 1 + basis.derivative + basis.dispersion))
    for group in together:
        parts = zip(*(trials[place] for place in group), strict=True)
        columns = basis.sampled(Events(*map(np.concatenate, parts)), times)
        for place in group:
            begin, end = spans[place]
            within = (times >= begin) & (times <= end)
            sampled[within, place] = columns[within]
    return sampled


def _twins(sampled: FloatArray, places: Sequence[int]) -> dict[int, str]:
    """Trials whose regressors are those of another trial: nothing tells the two apart."""
    flat = sampled.transpose(1, 0, 2).reshape(sampled.shape[1], -1)
    lengths = np.linalg.norm(flat, axis=1)
    units = flat / np.where(lengths > 0, lengths, 1.0)[:, np.newaxis]
    found: dict[int, str] = {}
    for one, other in zip(*np.nonzero(np.triu(units @ units.T > 1 - LIKE, 1)), strict=True):
        if np.linalg.norm(units[one] - units[other]) <= SAME:
            for this, that in ((one, other), (other, one)):
                found.setdefault(int(this), f"its response is that of the trial in row {places[that] + 2}")
    return found
