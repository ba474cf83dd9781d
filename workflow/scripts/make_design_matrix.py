"""The design matrix of one run: conditions convolved with the HRF, regressors of no interest, drift.

Regressors are the response to the events at the times of the scans. Of no interest are confounds, motion and
one regressor for each censored scan, which takes that scan out of the fit. A regressor of which next to
nothing falls into the run is set to 0: its effect is not estimable there. A design that is given ready-made
is taken as it is.
"""

import logging
from pathlib import Path
from typing import Any, Literal

from firstlevel import stage
from firstlevel.arrays import FloatArray
from firstlevel.glm import design as designs
from firstlevel.glm import design_checks, emptiness, explanation, nuisance, ready_made, timing
from firstlevel.glm.sampling import steps
from firstlevel.glm.selection import select
from firstlevel.io import event_table, modulator_json, repetition, run_headers, table_writer
from firstlevel.io.given import Part
from firstlevel.io.sidecars import camel, write_json
from firstlevel.stage import InputError


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
    drift_order: int = 1,
    fir_delays: list[float] | None = None,
    fir_unit: Literal["s", "scans"] = "s",
    sampling: Literal["nilearn", "exact", "spm"] = "nilearn",
    derivative_step: float | None = None,
    undershoot_ratio: float | None = None,
    columns: list[str] | None = None,
    first_row: Literal["error", "zero", "second"] = "error",
    fmriprep: dict[str, Any] | None = None,
    motion: int = 0,
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
    Of the table `confounds` come what `columns`, `first_row`, `fmriprep` and `censor` ask for; `motion` is
    the number of motion regressors. `confounds_json` is what nilearn reads beside the confounds of fMRIPrep,
    `events_json` says which columns of the events modulate which.
    `given` is a ready-made design and what is read with it: then only the times of the scans count beside it.
    """
    known = run_headers.read(headers)
    volumes, n_scans = repetition.VolumeTimes.of_headers(known), known.n_scans
    if given:
        names, values, content = ready_made.taken(given[0], given_part, volumes, design)
        _write(design, sidecar, names, values, content)
        return
    scans = timing.scan_times(volumes, repetition.fields_of(known, sidecars or []), slice_time_ref)
    times = scans.times
    scans.tell(bold[0])
    modulators = modulator_json.read(events_json)
    modulating = dict.fromkeys(how.column for own in modulators.values() for how in own.values())
    rows = event_table.read_events(events, list(modulating), needed=False)
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
        headers=headers,
        n_scans=n_scans,
        columns=columns or [],
        first_row=first_row,
        fmriprep=fmriprep or {},
        motion=motion,
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
            remedy="take fewer confounds, a shorter FIR model or a milder threshold of confounds.censor",
        )
    content = {
        "Columns": [{"Name": name, "Role": designs.role(name, responses, extra.roles)} for name in names],
        **scans.described(),
        "DriftModel": drift_model,
        "HighPass": high_pass,
        **explanation.of_responses(selection, times, options),
    }
    if warnings:
        content["Warnings"] = warnings
    if drift_model == "polynomial":
        content["DriftOrder"] = drift_order
    if extra.may_censor:
        content["CensoredScans"] = extra.censored
        content["CensoringLoss"] = explanation.of_censoring(
            names, values, rows, selection, responses, extra.censored, scans
        )
    if extra.displacement_from:
        content["FramewiseDisplacementFrom"] = extra.displacement_from
    if empty := emptiness.empty_regressors(names, values, times, selection, options, extra.censored):
        content["EmptyRegressors"] = [{"Name": name, **camel(why._asdict())} for name, why in empty.items()]
        values[:, [names.index(name) for name in empty]] = 0.0
        for name, why in empty.items():
            logging.warning("%s: %s is empty, and not estimable in this run: %s", design, name, why.reason)
    content |= explanation.of_rank(design, names, values)
    _write(design, sidecar, names, values, content)


def _write(
    design: Path, sidecar: Path, names: list[str], values: FloatArray, content: dict[str, Any]
) -> None:
    table_writer.write_table(design, names, values.tolist())
    write_json(sidecar, content)
    logging.info("%d scans, %d regressors, rank %d", *values.shape, content["Rank"])


if __name__ == "__main__":
    stage.run(make_design_matrix, globals().get("snakemake"))
