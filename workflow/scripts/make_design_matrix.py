"""The design matrix of one run: conditions convolved with the HRF, regressors of no interest, drift.

Regressors are the response to the events at the times of the scans. Of no interest are confounds, motion and
one regressor for each censored scan, which takes that scan out of the fit. A regressor of which next to
nothing falls into the run is set to 0: its effect is not estimable there. A design that is given ready-made
is taken as it is.
"""

import logging
from pathlib import Path
from typing import Any, Literal

import numpy as np

from firstlevel import stage, texts
from firstlevel.arrays import FloatArray
from firstlevel.glm import (
    censoring,
    dependence,
    design_checks,
    emptiness,
    nuisance,
    timing,
)
from firstlevel.glm import design as designs
from firstlevel.glm.sampling import steps
from firstlevel.glm.selection import Modulation, Selection, select
from firstlevel.io import event_table, given_designs, repetition, run_headers, sidecars, table_writer
from firstlevel.io.event_table import Event
from firstlevel.io.given import CENSOR, Part
from firstlevel.io.modulators import Modulator
from firstlevel.io.sidecars import write_json
from firstlevel.stage import InputError

SAID = {
    "EventsBeforeMinOnset": "events that end before design.min_onset are left out",
    "EventsClipped": "events that last beyond design.min_onset begin there",
}
OTHER_STEP = 0.01
"""Share of the repetition time by which the index of a given design may differ in its steps."""
ONE_UNIT = "One unit is 1 % of the mean (or one unit of the images, see glm.signal_scaling)"


def make_design_matrix(
    *,
    events: Path,
    bold: list[Path],
    headers: Path,
    design: Path,
    sidecar: Path,
    slice_time_ref: timing.SliceTimeReference,
    hrf_model: str,
    drift_model: Literal["cosine", "polynomial", "none"],
    high_pass: float,
    min_onset: float,
    oversampling: int,
    confound_columns: list[str],
    drift_order: int = 1,
    fir_delays: list[float] | None = None,
    fir_unit: Literal["s", "scans"] = "s",
    sampling: Literal["nilearn", "exact", "spm"] = "nilearn",
    derivative_step: float | None = None,
    undershoot_ratio: float | None = None,
    confounds_first_row: Literal["error", "zero", "second"] = "error",
    fmriprep_confounds: dict[str, Any] | None = None,
    motion_regressors: int = 0,
    censor: dict[str, Any] | None = None,
    confounds: Path | None = None,
    confounds_json: Path | None = None,
    sidecars: list[Path] | None = None,
    events_json: Path | None = None,
    given: list[Path] | None = None,
    given_part: Part = (1, 1),
) -> None:
    """Write the design, one row per scan and one column per regressor, and a sidecar that explains it.

    `headers` tell when the volumes of `bold` begin and how they moved, `sidecars` are those that they are of.
    `confounds_json` is what nilearn reads beside the confounds of fMRIPrep, `events_json` says which columns
    of the events modulate which.
    `given` is a ready-made design and what is read with it: then only the times of the scans count beside it.
    """
    known = run_headers.read(headers)
    volumes, n_scans = repetition.VolumeTimes.of_headers(known), known.n_scans
    if given:
        _take(given[0], given_part, volumes, design, sidecar)
        return
    scans = timing.scan_times(volumes, repetition.fields_of(known, sidecars or []), slice_time_ref)
    times = scans.times
    scans.tell(bold[0])
    modulators = _modulators(events_json)
    columns = dict.fromkeys(how.column for own in modulators.values() for how in own.values())
    rows = event_table.read_events(events, list(columns), needed=False)
    warnings = [
        *scans.warnings,
        *(design_checks.check_onsets(events, rows, n_scans, scans.end) if rows else []),
    ]
    options = designs.DesignOptions(
        hrf_model=hrf_model,
        drift_model=None if drift_model == "none" else drift_model,
        high_pass=high_pass,
        min_onset=min_onset,
        oversampling=oversampling,
        drift_order=drift_order,
        fir_delays=fir_delays or [],
        fir_unit=fir_unit,
        sampling=sampling,
        derivative_step=derivative_step,
        undershoot_ratio=undershoot_ratio,
    )
    extra = nuisance.collect(
        image=bold[0],
        table=confounds,
        motion=headers,
        n_scans=n_scans,
        columns=confound_columns,
        first_row=confounds_first_row,
        fmriprep=fmriprep_confounds or {},
        motion_count=motion_regressors,
        censor=censor or {},
    )
    design_checks.check_bins(options, steps(times)[0])
    design_checks.check_modulators(design, rows, modulators)
    selection = select(rows, times, min_onset, modulators)
    responses = designs.response_columns(list(selection.events), options)
    made = [name for condition in selection.events for name in designs.of_condition(condition, options)]
    design_checks.check_names(design, [*made, *extra.names])
    if drift_model == "cosine":
        warnings += design_checks.drift_twice(extra.names)
    names, values = designs.design_matrix(times, rows, options, extra.values, extra.names, modulators)
    if len(values) <= len(names):
        raise InputError(
            design,
            f"{n_scans} scans, {len(extra.censored)} of them censored, for {len(names)} regressors",
            expected="more scans than regressors",
            remedy="take fewer confounds, a shorter FIR model or a milder threshold of design.censor",
        )
    content: dict[str, Any] = {
        "Columns": [{"name": name, "role": designs.role(name, responses, extra.roles)} for name in names],
        **scans.described(),
        "DriftModel": drift_model,
        "HighPass": high_pass,
        **_explained(selection, times, options),
    }
    if warnings:
        content["Warnings"] = warnings
    if drift_model == "polynomial":
        content["DriftOrder"] = drift_order
    if extra.may_censor:
        content["CensoredScans"] = extra.censored
        content["CensoringLoss"] = _loss(names, values, rows, selection, responses, extra.censored, scans)
    if extra.displacement_from:
        content["FramewiseDisplacementFrom"] = extra.displacement_from
    if empty := emptiness.empty_regressors(names, values, times, selection, options, extra.censored):
        content["EmptyRegressors"] = [{"name": name, **why._asdict()} for name, why in empty.items()]
        values[:, [names.index(name) for name in empty]] = 0.0
        for name, why in empty.items():
            logging.warning("%s: %s is empty, and not estimable in this run: %s", design, name, why.reason)
    content |= _rank(design, names, values)
    table_writer.write_table(design, names, values.tolist())
    write_json(sidecar, content)
    logging.info("%d scans, %d regressors, rank %d", *values.shape, content["Rank"])


def _take(path: Path, part: Part, volumes: repetition.VolumeTimes, design: Path, sidecar: Path) -> None:
    """Write a ready-made design as it is, with a constant where its columns make up none."""
    own, n_scans, seconds = given_designs.read(path, part), len(volumes.starts), volumes.repetition_time
    if len(own.rows) != n_scans:
        raise InputError(
            path,
            f"has {len(own.rows)} rows for a run of {n_scans} scans",
            expected="one row per scan",
            remedy="take the design of this run; rows of volumes that the images no longer have go, too",
        )
    names, values = own.names, np.array(own.rows, dtype=np.float64)
    notes, warnings = list(own.notes), list(volumes.warnings)
    named = texts.public(path, "the given design")
    if own.step not in (None, 1) and abs(own.step - seconds) > OTHER_STEP * seconds:
        told = f"its index counts in steps of {own.step:g}, the repetition time of the run is {seconds:g} s"
        warnings.append(f"{named} may be of another run: {told}")
    steps_of_first = np.diff(values[:, 0])
    if any(len(steps_of_first) and np.allclose(steps_of_first, one, rtol=1e-6) for one in (1.0, seconds)):
        told = "grows like an index, and is taken as a regressor: an index has no name in the header"
        warnings.append(f"{names[0]}, the first column of {named}, {told}")
    baseline = np.ones((n_scans, 1))
    spanned = np.hstack([values, baseline])
    if dependence.factorise(spanned).rank > dependence.factorise(values).rank:
        if "constant" in names:
            raise InputError(
                path,
                "its column 'constant' is not constant",
                expected="the same value at every scan",
                remedy="correct or rename it",
            )
        names, values = [*names, "constant"], spanned
        notes.append("no sum of its columns is constant: a constant is added, as the images have a mean")
    roles = [
        given_designs.role(name, column, own.roles)
        for name, column in zip(names, values.T.tolist(), strict=True)
    ]
    content: dict[str, Any] = {
        "DesignSource": named,
        "DesignForm": own.form,
        "DesignNotes": notes,
        "Columns": [{"name": name, "role": role} for name, role in zip(names, roles, strict=True)],
        "BetaUnit": f"{ONE_UNIT} for one unit of the column.",
        "FrameTimes": volumes.starts.tolist(),
        "RepetitionTime": seconds,
        "EqualSteps": volumes.equal,
        **_rank(design, names, values),
    }
    if content["Rank"] >= n_scans:
        raise InputError(
            path,
            f"{n_scans} scans for {len(names)} regressors of rank {content['Rank']}",
            expected="more scans than independent regressors",
            remedy="take some regressors out",
        )
    if warnings:
        content["Warnings"] = warnings
    if censored := [int(np.flatnonzero(values[:, k])[0]) for k, role in enumerate(roles) if role == CENSOR]:
        content["CensoredScans"] = sorted(censored)
    if empty := [name for name, column in zip(names, values.T, strict=True) if not column.any()]:
        why = emptiness.Empty(None, "it is 0 at every scan")
        content["EmptyRegressors"] = [{"name": name, **why._asdict()} for name in empty]
    table_writer.write_table(design, names, values.tolist())
    write_json(sidecar, content)
    logging.info("%s is taken as it is: events and the keys of design add nothing to it", path)
    for note in notes:
        logging.info("%s: %s", path, note)
    for warning in warnings:
        logging.warning("%s", warning)
    logging.info("%d scans, %d regressors, rank %d", *values.shape, content["Rank"])


def _explained(selection: Selection, times: FloatArray, options: designs.DesignOptions) -> dict[str, Any]:
    """What the sidecar tells of responses: the model, which events count, and what one unit of beta is."""
    content: dict[str, Any] = {"HrfModel": options.hrf_model}
    if selection.after:
        content["EventsAfterEnd"] = selection.after  # each of them is told with its row
    for key, counts in {"EventsBeforeMinOnset": selection.before, "EventsClipped": selection.clipped}.items():
        if counts:
            content[key] = counts
            logging.warning("%s: %s", SAID[key], ", ".join(f"{name} {n}" for name, n in counts.items()))
    of_modulators = ""
    if selection.modulations:
        of_modulators = ", or of a modulator for one unit of its column"
        content["Modulators"] = [one._asdict() for one in selection.modulations]
        for one in selection.modulations:
            _tell_of(one)
    durations = {name: events.durations for name, events in selection.events.items() if events.onsets.size}
    medians = {name: float(np.median(lasting)) for name, lasting in durations.items()}
    if options.hrf_model == "fir":
        logging.info("an FIR model counts from the onsets of events: their durations are not used")
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
            "events without a duration count as 1 s beside events that have one%s: %s",
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


def _tell_of(one: Modulation) -> None:
    """Say in the log how events were modulated, and which of them had no value."""
    if one.name == one.condition:
        logging.info("%s: each event is as high as its modulation, as it stands in the table", one.name)
        return
    how = ", orthogonal to what stands before it" if one.orthogonalised else ""
    if one.mean is None:
        logging.warning("%s: no event of %s has a value of %s", one.name, one.condition, one.column)
        return
    values = f"less their mean, {one.mean:.6g}" if one.centre == "run" else "as they are"
    logging.info("%s: events of %s modulated by %s, %s%s", one.name, one.condition, one.column, values, how)
    if one.missing:
        logging.warning("%s: %d events have no %s, and got the mean", one.name, one.missing, one.column)


def _rank(design: Path, names: list[str], values: FloatArray) -> dict[str, Any]:
    """Rank, condition number and dependent columns of the design (n, p), for the sidecar."""
    factors = dependence.factorise(values)
    content: dict[str, Any] = {
        "Rank": factors.rank,
        "ConditionNumber": factors.condition_number if factors.rank == len(names) else None,
    }
    if sources := factors.dependent_columns():
        content["DependentColumns"] = [
            {"name": names[k], "follows_from": [names[j] for j in of]} for k, of in sources.items()
        ]
        logging.warning("%s: dependent regressors: %s", design, dependence.described(sources, names))
    return content


def _loss(
    names: list[str],
    values: FloatArray,
    rows: list[Event],
    selection: Selection,
    responses: dict[str, list[str]],
    censored: list[int],
    scans: timing.ScanTimes,
) -> dict[str, dict[str, float]]:
    """What each condition loses to censoring: events that begin in it, and the share of energy in it."""
    loss: dict[str, dict[str, float]] = {}
    whose = {one.name: one.condition for one in selection.modulations}
    for condition, columns in responses.items():
        onsets = [row.onset for row in rows if row.trial_type == whose.get(condition, condition)]
        begun = sum(scans.scan_of(onset) in censored for onset in onsets)
        share = censoring.energy_share(values[:, [names.index(name) for name in columns]], censored)
        loss[condition] = {"Events": len(onsets), "EventsInCensoredScans": begun, "EnergyShare": share}
        logging.info(
            "%s: %d of %d events begin in censored scans, with %.1f %% of its regressor's energy",
            *(condition, begun, len(onsets), 100 * share),
        )
    logging.info("%d of %d scans are censored", len(censored), len(values))
    return loss


def _modulators(path: Path | None) -> dict[str, dict[str, Modulator]]:
    """Modulators by condition and name, as the stage before has written them beside the events."""
    said = {} if path is None else sidecars.read_json(path).get("Modulators", {})
    return {
        condition: {how["name"]: Modulator(how["column"], how["centre"], how["orthogonalise"]) for how in own}
        for condition, own in said.items()
    }


if __name__ == "__main__":
    stage.run(make_design_matrix, globals().get("snakemake"))
