"""The design matrix of one run: conditions convolved with the HRF, confounds, drift and a constant.

Made by nilearn's ``make_first_level_design_matrix`` at the times of the scans.
"""

import logging
from pathlib import Path
from typing import Any, Literal

import numpy as np

from firstlevel import dependence, images, stage, tables
from firstlevel import design as designs
from firstlevel.expressions import suggestion
from firstlevel.images import Series
from firstlevel.stage import InputError
from firstlevel.tables import Event


def make_design_matrix(
    *,
    events: Path,
    bold: list[Path],
    design: Path,
    sidecar: Path,
    n_scans: int | None,
    repetition_time: images.RepetitionTime,
    slice_time_ref: float,
    hrf_model: str,
    drift_model: Literal["cosine", "none"],
    high_pass: float,
    min_onset: float,
    oversampling: int,
    confound_columns: list[str],
    confounds: Path | None = None,
    sidecars: list[Path] | None = None,
) -> None:
    """Write the design, one row per scan and one column per regressor, and a sidecar that explains it.

    Of `bold` only the header is read; `n_scans` is None where it is to tell the number of volumes.
    """
    series = Series.of(bold)
    n_scans = n_scans or series.n_scans
    said = tables.repetition_time(sidecars or ())
    seconds = images.repetition_time(series.files[0], repetition_time, said)
    times = designs.frame_times(n_scans, seconds, slice_time_ref)
    rows = tables.read_events(events)
    _check_onsets(events, rows, n_scans * seconds)
    options = designs.DesignOptions(
        hrf_model=hrf_model,
        drift_model=None if drift_model == "none" else drift_model,
        high_pass=high_pass,
        min_onset=min_onset,
        oversampling=oversampling,
    )
    nuisance = _confounds(confounds, confound_columns, n_scans)
    matrix = designs.design_matrix(times, rows, options, nuisance, confound_columns)
    values = matrix.to_numpy(dtype=np.float64)
    names = [str(name) for name in matrix.columns]
    tables.write_table(design, names, values.tolist())
    conditions = sorted({row.trial_type for row in rows})
    content: dict[str, Any] = {
        "Columns": [
            {"name": name, "role": designs.role(name, conditions, confound_columns)} for name in names
        ],
        "FrameTimes": times.tolist(),
        "RepetitionTime": seconds,
        "SliceTimeReference": slice_time_ref,
        "HrfModel": hrf_model,
        "DriftModel": drift_model,
        "HighPass": high_pass,
        "Rank": int(np.linalg.matrix_rank(values)),
        "ConditionNumber": float(np.linalg.cond(values)),
    }
    if sources := dependence.dependent_columns(values):
        content["DependentColumns"] = [
            {"name": names[k], "follows_from": [names[j] for j in of]} for k, of in sources.items()
        ]
        logging.warning("%s: dependent regressors: %s", design, dependence.described(sources, names))
    tables.write_json(sidecar, content)
    logging.info("%d scans, %d regressors, rank %d", *values.shape, content["Rank"])


def _check_onsets(path: Path, rows: list[Event], end: float) -> None:
    """Events after the end of the run, in s, have no response in it: all of them are an error."""
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
        logging.warning("%s, row %d: onset %g s is after the end of the run (%g s)", path, number, onset, end)


def _confounds(path: Path | None, columns: list[str], n_scans: int) -> np.ndarray | None:
    """Return the chosen columns of a run's confounds table, (n, k)."""
    if path is None:
        return None
    present = list(tables.read_rows(path)[0].values)
    for name in columns:
        if name not in present:
            raise InputError(
                path,
                f"has no column {name!r}, which the config key design.confounds asks for",
                expected=f"one of: {', '.join(present)}",
                remedy=f"{suggestion(name, present)}correct design.confounds or the table",
            )
    _, rows = tables.read_columns(path, columns)
    if len(rows) != n_scans:
        raise InputError(
            path,
            f"has {len(rows)} rows for a run of {n_scans} scans",
            expected="one row per scan",
            remedy="take the confounds of this run",
        )
    return np.asarray(rows, dtype=np.float64)


if __name__ == "__main__":
    stage.run(make_design_matrix, globals().get("snakemake"))
