"""The design matrix of one run: conditions convolved with the HRF, regressors of no interest, drift.

Regressors are the response to the events at the times of the scans. Of no interest are confounds, motion and
one regressor for each censored scan, which takes that scan out of the fit. A regressor of which next to
nothing falls into the run is set to 0: its effect is not estimable there. A design that is given ready-made
is taken as it is.
"""

from pathlib import Path
from typing import Any, Literal

from firstlevel import stage
from firstlevel.glm import assembly, design_checks, explanation, nuisance, ready_made, timing
from firstlevel.glm import design as designs
from firstlevel.io import event_table, modulator_json, repetition, run_headers
from firstlevel.io.designs import Design
from firstlevel.io.given import Part
from firstlevel.io.modulators import columns as columns_of


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
    header = run_headers.read(headers)
    volumes = repetition.VolumeTimes.of_headers(header)
    if given:
        ready_made.taken(given[0], given_part, volumes, design).write(sidecar)
        return
    scans = timing.scan_times(volumes, repetition.fields_of(header, sidecars or []), slice_time_ref)
    scans.tell(bold[0])
    modulators = modulator_json.read(events_json)
    events_of_run = event_table.read_events(events, columns_of(modulators), needed=False)
    warnings = [
        *scans.warnings,
        *design_checks.check_onsets(events, events_of_run, header.n_scans, scans.end),
    ]
    options = designs.DesignOptions(
        hrf_model=hrf_model, drift_model=None if drift_model == "none" else drift_model,
        high_pass=high_pass, min_onset=min_onset, oversampling=oversampling, drift_order=drift_order,
        fir_delays=fir_delays or [], fir_unit=fir_unit, sampling=sampling,
        derivative_step=derivative_step, undershoot_ratio=undershoot_ratio,
    )  # fmt: skip
    of_no_interest = nuisance.collect(
        image=bold[0], table=confounds, headers=headers, n_scans=header.n_scans, columns=columns or [],
        first_row=first_row, fmriprep=fmriprep or {}, motion=motion, censor=censor or {},
    )  # fmt: skip
    made = assembly.assemble(design, scans.times, events_of_run, modulators, options, of_no_interest)
    warnings += design_checks.drift_twice(of_no_interest.names, options.drift_model)
    content = explanation.of_design(design, made, events_of_run, scans, options, warnings)
    Design(design, made.names, made.values, content).write(sidecar)


if __name__ == "__main__":
    stage.run(make_design_matrix, globals().get("snakemake"))
