"""What sidecar and log of a design tell: columns, times, responses, rank, what censoring takes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlevel.arrays import FloatArray
from firstlevel.glm import censoring, dependence, emptiness, timing
from firstlevel.glm import design as designs
from firstlevel.glm.assembly import Assembled
from firstlevel.glm.sampling import steps
from firstlevel.glm.selection import Modulation, Selection
from firstlevel.io.sidecars import camel

if TYPE_CHECKING:
    from firstlevel.io.event_table import Event

LEFT_OUT = {
    "EventsBeforeMinOnset": "events that end before design.min_onset are left out",
    "EventsClipped": "events that last beyond design.min_onset begin there",
}
ONE_UNIT = "One unit is 1 % of the mean (or one unit of the images, see glm.signal_scaling)"


def of_design(
    design: Path,
    made: Assembled,
    events: Sequence[Event],
    scans: timing.ScanTimes,
    options: designs.DesignOptions,
    warnings: Sequence[str],
) -> dict[str, Any]:
    """Sidecar of a design that was made of events; the log tells what a reader should know.

    Parameters
    ----------
    design : file that the log names.
    warnings : sentences on what is doubtful of the run's times, events and confounds.
    """
    nuisance = made.nuisance
    content = {
        "Columns": [
            {"Name": name, "Role": designs.role(name, made.responses, nuisance.roles)} for name in made.names
        ],
        **scans.described(),
        "DriftModel": options.drift_model or "none",
        "HighPass": options.high_pass,
        **of_responses(made.selection, scans.times, options),
    }
    if warnings:
        content["Warnings"] = list(warnings)
    if options.drift_model == "polynomial":
        content["DriftOrder"] = options.drift_order
    if nuisance.may_censor:
        content["CensoredScans"] = nuisance.censored
        content["CensoringLoss"] = of_censoring(made, events, scans)
    if nuisance.displacement_from:
        content["FramewiseDisplacementFrom"] = nuisance.displacement_from
    if made.empty:
        content["EmptyRegressors"] = of_empty(made.empty)
    for name, why in made.empty.items():
        logging.warning("%s: %s is empty, and not estimable in this run: %s", design, name, why.reason)
    return content | of_rank(design, made.names, made.values)


def of_responses(selection: Selection, times: FloatArray, options: designs.DesignOptions) -> dict[str, Any]:
    """What the sidecar tells of responses: the model, which events count, and what one unit of beta is."""
    content: dict[str, Any] = {"HrfModel": options.hrf_model}
    if selection.after:
        content["EventsAfterEnd"] = selection.after  # the log has each of them with its row
    for key, counts in {"EventsBeforeMinOnset": selection.before, "EventsClipped": selection.clipped}.items():
        if counts:
            content[key] = counts
            logging.warning("%s: %s", LEFT_OUT[key], ", ".join(f"{name} {n}" for name, n in counts.items()))
    of_modulators = ""
    if selection.modulations:
        of_modulators = ", or of a modulator for one unit of its column"
        content["Modulators"] = [camel(one._asdict()) for one in selection.modulations]
        for one in selection.modulations:
            _tell(one)
    durations = {name: events.durations for name, events in selection.events.items() if events.onsets.size}
    medians = {name: float(np.median(lasting)) for name, lasting in durations.items()}
    if options.hrf_model == "fir":
        logging.info("an FIR model uses the onsets of events: their durations are ignored")
        return content | {
            "FirDelays": list(options.fir_delays),
            "FirUnit": options.fir_unit,
            "FirDelaysSeconds": options.fir_seconds(times).tolist(),
            "DurationsUsed": False,
            "BetaUnit": f"{ONE_UNIT} in the bin of the delay, for an event of height 1{of_modulators}.",
            "Responses": {name: {"EventDuration": lasts, "Peak": 1.0} for name, lasts in medians.items()},
        }
    mixed = [name for name, lasting in durations.items() if 0 < (lasting == 0).sum() < lasting.size]
    if mixed:
        logging.warning(
            "events of duration 0 count as 1 s where others of the condition last longer%s: %s",
            " (SPM: as one bin)" if options.sampling == "spm" else "",
            ", ".join(mixed),
        )
    basis, (step, _) = options.basis, steps(times)
    return content | {
        "Sampling": options.sampling,
        "Oversampling": None if options.sampling == "exact" else options.oversampling,
        "DerivativeStep": basis.derivative_step,
        "UndershootRatio": basis.response.ratio,
        "BetaUnit": f"{ONE_UNIT} at the plateau of a sustained response; an event of no duration counts as "
        f"one of 1 s{of_modulators}. Times Peak: at the peak of the response to one event of EventDuration.",
        "Responses": {
            name: {"EventDuration": lasts, "Peak": basis.peak(lasts, step)} for name, lasts in medians.items()
        },
    }


def _tell(one: Modulation) -> None:
    """Say in the log how events were modulated, and which of them had no value."""
    if one.name == one.condition:
        logging.info("%s: the height of each event is its modulation, as given in the table", one.name)
        return
    how = ", orthogonal to what stands before it" if one.orthogonalised else ""
    if one.mean is None:
        logging.warning("%s: no event of %s has a value of %s", one.name, one.condition, one.column)
        return
    values = f"less their mean, {one.mean:.6g}" if one.centre == "run" else "as they are"
    logging.info("%s: events of %s modulated by %s, %s%s", one.name, one.condition, one.column, values, how)
    if one.missing:
        logging.warning("%s: %d events have no %s, and get the mean", one.name, one.missing, one.column)


def of_rank(design: Path, names: list[str], values: FloatArray) -> dict[str, Any]:
    """Rank, condition number and dependent columns of the design (n, p), for the sidecar."""
    factors = dependence.factorise(values)
    content: dict[str, Any] = {
        "Rank": factors.rank,
        "ConditionNumber": factors.condition_number if factors.rank == len(names) else None,
    }
    if sources := factors.dependent_columns():
        content["DependentColumns"] = [
            {"Name": names[k], "FollowsFrom": [names[j] for j in of]} for k, of in sources.items()
        ]
        logging.warning("%s: dependent regressors: %s", design, dependence.described(sources, names))
    return content


def of_empty(empty: Mapping[str, emptiness.Empty]) -> list[dict[str, Any]]:
    """Regressors that are 0 at every scan, each with its reason."""
    return [{"Name": name, **camel(why._asdict())} for name, why in empty.items()]


def of_censoring(
    made: Assembled, events: Sequence[Event], scans: timing.ScanTimes
) -> dict[str, dict[str, float]]:
    """What each condition loses to censoring: events that begin in it, and the share of energy in it."""
    censored = made.nuisance.censored
    loss: dict[str, dict[str, float]] = {}
    condition_of = {one.name: one.condition for one in made.selection.modulations}
    for name, columns in made.responses.items():
        onsets = [event.onset for event in events if event.trial_type == condition_of.get(name, name)]
        begun = sum(scans.scan_of(onset) in censored for onset in onsets)
        regressors = made.sampled[:, [made.names.index(column) for column in columns]]
        share = censoring.energy_share(regressors, censored)
        loss[name] = {"Events": len(onsets), "EventsInCensoredScans": begun, "EnergyShare": share}
        logging.info(
            "%s: %d of %d events begin in censored scans, with %.1f %% of its regressor's energy",
            *(name, begun, len(onsets), 100 * share),
        )
    logging.info("%d of %d scans are censored", len(censored), len(made.sampled))
    return loss
