"""The design matrix of one run: conditions convolved with the HRF, regressors of no interest, drift.

Made by nilearn's ``make_first_level_design_matrix`` at the times of the scans. Of no interest are confounds,
motion and one regressor for each censored scan, which takes that scan out of the fit.
"""

import logging
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from firstlevel import dependence, images, nuisance, regressors, repetition, stage, tables, timing
from firstlevel import design as designs
from firstlevel.images import Series
from firstlevel.stage import InputError
from firstlevel.tables import Event

if TYPE_CHECKING:
    import pandas as pd

MILLISECONDS = 10
"""Half of the onsets beyond so many lengths of the run are in another unit: no run breaks off so early."""
SCANS = 1.5
"""Whole onsets that leave the last third of a run empty, and fit its scans in number, may be in scans."""
NOTHING_LEFT = 1e-6
"""Share of a regressor's energy outside of the censored scans below which nothing of it can be estimated."""


def make_design_matrix(
    *,
    events: Path,
    bold: list[Path],
    design: Path,
    sidecar: Path,
    n_scans: int | None,
    repetition_time: repetition.RepetitionTime,
    slice_time_ref: timing.SliceTimeReference,
    hrf_model: str,
    drift_model: Literal["cosine", "polynomial", "none"],
    high_pass: float,
    min_onset: float,
    oversampling: int,
    confound_columns: list[str],
    drift_order: int = 1,
    fir_delays: list[int] | None = None,
    confounds_first_row: Literal["error", "zero", "second"] = "error",
    fmriprep_confounds: dict[str, Any] | None = None,
    motion_regressors: int = 0,
    censor: dict[str, Any] | None = None,
    confounds: Path | None = None,
    confounds_json: Path | None = None,
    motion: Path | None = None,
    sidecars: list[Path] | None = None,
    repetition_time_decides: bool = False,
) -> None:
    """Write the design, one row per scan and one column per regressor, and a sidecar that explains it.

    Of `bold` only the header is read; `n_scans` is None where it is to tell the number of volumes. `motion`
    is the sidecar of the resampled run, None where nothing asks for it; `confounds_json` is what nilearn
    reads beside the confounds of fMRIPrep.
    """
    series = Series.of(bold)
    n_scans = n_scans or series.n_scans
    series.check_length(n_scans)
    fields = repetition.read_fields(sidecars or ())
    header = images.header_time(series.files[0])
    volumes = repetition.volume_times(
        series.files[0], n_scans, header, fields, repetition_time, repetition_time_decides
    )
    scans = timing.scan_times(volumes, fields, slice_time_ref)
    times = scans.times
    scans.tell(series.files[0])
    rows = tables.read_events(events)
    warnings = [*scans.warnings, *_check_onsets(events, rows, n_scans, scans.end)]
    options = designs.DesignOptions(
        hrf_model=hrf_model,
        drift_model=None if drift_model == "none" else drift_model,
        high_pass=high_pass,
        min_onset=min_onset,
        oversampling=oversampling,
        drift_order=drift_order,
        fir_delays=fir_delays or [],
    )
    extra = nuisance.collect(
        image=series.files[0],
        table=confounds,
        motion=motion,
        n_scans=n_scans,
        columns=confound_columns,
        first_row=confounds_first_row,
        fmriprep=fmriprep_confounds or {},
        motion_count=motion_regressors,
        censor=censor or {},
    )
    conditions = sorted({row.trial_type for row in rows})
    responses = designs.response_columns(conditions, options)
    others = [name for condition in conditions for name in regressors.of_derivatives(condition, hrf_model)]
    _check_names(design, [*(name for names in responses.values() for name in names), *others, *extra.names])
    matrix = designs.design_matrix(times, rows, options, extra.values, extra.names)
    for condition in conditions:
        if all(row.onset > times[-1] for row in rows if row.trial_type == condition):
            # no response comes before its event: what is there is rounding, which a fit would scale up
            late = [*responses[condition], *regressors.of_derivatives(condition, hrf_model)]
            matrix[late] = 0.0
    values = matrix.to_numpy(dtype=np.float64)
    names = [str(name) for name in matrix.columns]
    if len(values) <= len(names):
        raise InputError(
            design,
            f"{n_scans} scans, {len(extra.censored)} of them censored, for {len(names)} regressors",
            expected="more scans than regressors",
            remedy="take fewer confounds, a shorter FIR model or a milder threshold of design.censor",
        )
    factors = dependence.factorise(values)
    content: dict[str, Any] = {
        "Columns": [{"name": name, "role": designs.role(name, responses, extra.roles)} for name in names],
        **scans.described(),
        "HrfModel": hrf_model,
        "DriftModel": drift_model,
        "HighPass": high_pass,
        "Rank": factors.rank,
        "ConditionNumber": factors.condition_number if factors.rank == len(names) else None,
    }
    if sources := factors.dependent_columns():
        content["DependentColumns"] = [
            {"name": names[k], "follows_from": [names[j] for j in of]} for k, of in sources.items()
        ]
        logging.warning("%s: dependent regressors: %s", design, dependence.described(sources, names))
    if warnings:
        content["Warnings"] = warnings
    if hrf_model == "fir":
        content["FirDelays"] = list(options.fir_delays)
    if drift_model == "polynomial":
        content["DriftOrder"] = drift_order
    if extra.may_censor:
        content["CensoredScans"] = extra.censored
        content["CensoringLoss"] = _loss(matrix, rows, responses, extra.censored, scans)
    tables.write_table(design, names, values.tolist())
    tables.write_json(sidecar, content)
    logging.info("%d scans, %d regressors, rank %d", *values.shape, content["Rank"])


def _loss(
    matrix: "pd.DataFrame",
    rows: list[Event],
    responses: dict[str, list[str]],
    censored: list[int],
    scans: timing.ScanTimes,
) -> dict[str, dict[str, float]]:
    """What each condition loses to censoring: events that begin in it, and the share of energy in it.

    Raises
    ------
    InputError : a regressor of a condition that has nothing left outside of the censored scans.
    """
    loss: dict[str, dict[str, float]] = {}
    for condition, columns in responses.items():
        shares = {name: nuisance.energy_share(matrix[[name]].to_numpy(), censored) for name in columns}
        if gone := [name for name, share in shares.items() if share > 1 - NOTHING_LEFT]:
            raise InputError(
                f"regressor {gone[0]}",
                f"lies wholly in the {len(censored)} censored scans",
                expected="scans of every condition that are kept",
                remedy="use a milder threshold in design.censor, or leave the run out",
            )
        onsets = [row.onset for row in rows if row.trial_type == condition]
        begun = sum(scans.scan_of(onset) in censored for onset in onsets)
        share = nuisance.energy_share(matrix[columns].to_numpy(), censored)
        loss[condition] = {"Events": len(onsets), "EventsInCensoredScans": begun, "EnergyShare": share}
        logging.info(
            "%s: %d of %d events begin in censored scans, with %.1f %% of its regressor's energy",
            *(condition, begun, len(onsets), 100 * share),
        )
    logging.info("%d of %d scans are censored", len(censored), len(matrix))
    return loss


def _check_names(path: Path, names: list[str]) -> None:
    """Each regressor has a name of its own."""
    if taken := [name for name in names if regressors.is_reserved(name)]:
        raise InputError(
            f"design {path.name}",
            f"a condition or confound has the name {taken[0]!r}, which is a regressor of the model",
            expected="names other than constant, drift_1, drift_2 ...",
            remedy="rename it in the events or in the table of confounds",
        )
    if doubled := [name for name, count in Counter(names).items() if count > 1]:
        raise InputError(
            f"design {path.name}",
            f"two regressors have the name {doubled[0]!r}",
            expected="conditions, confounds and motion with names of their own",
            remedy="rename the condition, or take the confound once",
        )


def _check_onsets(path: Path, rows: list[Event], n_scans: int, end: float) -> list[str]:
    """Warnings about onsets that the run of `n_scans`, which ends at `end` (s), makes doubtful.

    Events after its end have no response in it: all of them, or most of them far beyond, are an error.
    """
    onsets = sorted(row.onset for row in rows)
    middle = onsets[(len(rows) - 1) // 2]
    if middle > MILLISECONDS * end and onsets[0] < end:
        raise InputError(
            path,
            f"its onsets look like milliseconds: most are {middle:g} or more, and the run ends at {end:g} s",
            expected="onsets in seconds from the first scan",
            remedy="divide onsets and durations by 1000",
        )
    warnings = []
    ends_at = onsets[-1] + max(row.duration for row in rows)
    whole = len(onsets) > 2 and all(onset.is_integer() for onset in onsets)
    if whole and 0 < ends_at < n_scans and SCANS * ends_at < end:
        warnings.append(
            "onsets may be in scans: all are whole numbers, and the last event ends at "
            f"{ends_at:g}, in a run of {n_scans} scans and {end:g} s (if so, set onset_unit in the run table)"
        )
        logging.warning("%s: %s", path, warnings[0])
    beyond = [number for number, row in enumerate(rows, start=2) if row.onset >= end]
    if len(beyond) == len(rows):
        raise InputError(
            path,
            f"every event begins after the end of the run ({end:g} s)",
            expected="onsets in seconds from the first scan",
            remedy="check that onsets are not in milliseconds or scans, and that the events are this run's",
        )
    for number in beyond:
        onset = rows[number - 2].onset
        warnings.append(f"onset {onset:g} s is after the end of the run ({end:g} s)")
        logging.warning("%s, row %d: %s", path, number, warnings[-1])
    return warnings


if __name__ == "__main__":
    stage.run(make_design_matrix, globals().get("snakemake"))
