"""The design of one run, put together: responses to events, regressors of no interest, drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from firstlevel.arrays import FloatArray
from firstlevel.glm import design as designs
from firstlevel.glm import design_checks, emptiness
from firstlevel.glm.nuisance import Nuisance
from firstlevel.glm.selection import Selection, select
from firstlevel.io.event_table import Event
from firstlevel.io.modulators import Modulators


@dataclass(frozen=True)
class Assembled:
    """Design of a run of n scans and p regressors, and what it was made of.

    Attributes
    ----------
    names, values : of the regressors, (n, p); 0 at every scan where a regressor is empty.
    sampled : (n, p), the same with empty regressors as they were sampled.
    empty : regressors of which next to nothing falls into the run, and why.
    selection : events that count.
    responses : columns of each condition's response.
    nuisance : regressors of no interest.
    """

    names: list[str]
    values: FloatArray
    sampled: FloatArray
    empty: Mapping[str, emptiness.Empty]
    selection: Selection
    responses: Mapping[str, Sequence[str]]
    nuisance: Nuisance


def assemble(
    design: Path,
    times: FloatArray,
    events: Sequence[Event],
    modulators: Modulators,
    options: designs.DesignOptions,
    nuisance: Nuisance,
) -> Assembled:
    """Sample the regressors of a run at the `times` of its scans (s, increasing).

    Parameters
    ----------
    design : file that messages name.

    Raises
    ------
    InputError : bins too coarse, names that regressors share, fewer scans than regressors.
    """
    design_checks.check_bins(options, times)
    design_checks.check_modulators(design, events, modulators)
    selection = select(events, times, options.min_onset, modulators)
    of_conditions = [name for one in selection.events for name in designs.of_condition(one, options)]
    design_checks.check_names(design, [*of_conditions, *nuisance.names])
    names, sampled = designs.design_matrix(
        times, events, options, nuisance.values, nuisance.names, modulators
    )
    design_checks.check_scans(design, sampled, len(nuisance.censored))
    empty = emptiness.empty_regressors(names, sampled, times, selection, options, nuisance.censored)
    values = sampled.copy()
    values[:, [names.index(name) for name in empty]] = 0.0
    responses = designs.response_columns(list(selection.events), options)
    return Assembled(names, values, sampled, empty, selection, responses, nuisance)
