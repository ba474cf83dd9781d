"""Events of a run that count, by condition, with the heights that modulators give them. Arrays only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from firstlevel.arrays import FloatArray
from firstlevel.glm import regressors
from firstlevel.glm.sampling import Events

if TYPE_CHECKING:
    from firstlevel.io.event_table import Event
    from firstlevel.io.modulators import Modulator, Modulators

FOLLOWS = 1e-10
"""Norm of what a modulator has beyond those before it, relative to its own, that is rounding."""


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
    centre, orthogonalised : see :class:`firstlevel.io.modulators.Modulator`.
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


def select(
    events: Sequence[Event], times: FloatArray, min_onset: float, modulators: Modulators | None = None
) -> Selection:
    """Events of a run by condition; those before `min_onset` (s from the first scan) do not count.

    A condition is followed by its modulators: the same events, of the heights that :func:`modulated` gives.
    """
    begin = float(times[0]) + min_onset
    selection = Selection({}, {}, {}, {}, [])
    by_condition: dict[str, list[Event]] = {}
    for row in events:
        by_condition.setdefault(row.trial_type, []).append(row)
    for condition, of_condition in sorted(by_condition.items()):
        kept = [row for row in of_condition if row.onset >= begin or row.onset + row.duration > begin]
        onsets, durations, heights = np.array(
            [(row.onset, row.duration, 1.0 if row.modulation is None else row.modulation) for row in kept],
            dtype=np.float64,
        ).reshape(-1, 3).T  # fmt: skip
        ends, early = onsets + durations, onsets < begin
        onsets, durations = np.where(early, begin, onsets), np.where(early, ends - begin, durations)
        selection.events[condition] = Events(onsets, durations, ends, heights)
        if any(row.modulation is not None for row in kept):
            mean = float(heights.mean())
            selection.modulations.append(
                Modulation(condition, condition, "modulation", "none", False, mean, 0)
            )
        its_modulators = (modulators or {}).get(condition, {})
        values = [np.array([dict(row.values)[how.column] for row in kept]) for how in its_modulators.values()]
        for (name, how), own_values, its_heights in zip(
            its_modulators.items(), values, modulated(values, list(its_modulators.values())), strict=True
        ):
            regressor = regressors.of_modulator(condition, name)
            if regressor in by_condition or regressor in selection.events:
                raise ValueError(f"two conditions or modulators have the name {regressor!r}")
            selection.events[regressor] = Events(onsets, durations, ends, its_heights)
            known = own_values[np.isfinite(own_values)]
            mean_value = float(known.mean()) if known.size else None
            selection.modulations.append(
                Modulation(
                    regressor, condition, how.column, how.centre, how.orthogonalise, mean_value,
                    len(own_values) - len(known),
                )
            )  # fmt: skip
        counts = (len(of_condition) - len(kept), int(early.sum()), int((onsets > times[-1]).sum()))
        for counted, count in zip(
            (selection.before, selection.clipped, selection.after), counts, strict=True
        ):
            if count:
                counted[condition] = count
    return selection


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
    heights_of_each = []
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
        heights_of_each.append(heights)
    return heights_of_each
