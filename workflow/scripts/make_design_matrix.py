"""The design matrix of one run: conditions convolved with the HRF, regressors of no interest, drift.

The user's events come first into one form, which is written, too. Regressors are the response to them at the
times of the scans. Of no interest are confounds, motion and one regressor for each censored scan, which takes
that scan out of the fit. A regressor of which next to nothing falls into the run is set to 0: its effect is
not estimable there. A design that is given ready-made is taken as it is.
"""

from pathlib import Path

from firstlevel import stage
from firstlevel.glm import assembly, design_checks, explanation, nuisance, run_events, timing
from firstlevel.glm.design import DesignOptions
from firstlevel.glm.nuisance import NuisanceOptions
from firstlevel.glm.run_events import EventOptions
from firstlevel.io import repetition, run_headers
from firstlevel.io.designs import Design
from firstlevel.io.given import Part


def make_design_matrix(
    *,
    source: list[Path],
    bold: list[Path],
    headers: Path,
    events: Path,
    events_json: Path,
    design: Path,
    sidecar: Path,
    of_events: EventOptions,
    of_responses: DesignOptions,
    of_no_interest: NuisanceOptions,
    slice_time_ref: timing.SliceTimeReference,
    confounds: Path | None = None,
    confounds_json: Path | None = None,
    sidecars: list[Path] | None = None,
    given: list[Path] | None = None,
    given_part: Part = (1, 1),
) -> None:
    """Write the events of one run, and its design: one row per scan and one column per regressor.

    `source` has the user's events: none where the run has none, a file, or one file per condition. `events`
    are those of the model, in order of onset; `events_json` says what was left out, and what modulates which.
    `headers` tell when the volumes of `bold` begin and how they moved, `sidecars` are those that they are of.
    `confounds` is the table for `of_no_interest`; `confounds_json` is what nilearn reads beside fMRIPrep's.
    `given` is a ready-made design and what is read with it: then only the times of the scans count beside it.
    """
    header = run_headers.read(headers)
    volumes = repetition.VolumeTimes.of_headers(header)
    of_model = run_events.collect(source, events, volumes.repetition_time, of_events)
    if given:
        from firstlevel.glm import ready_made  # with the readers of its forms, for few studies have one

        ready = ready_made.taken(given[0], given_part, volumes, design)
        of_model.write(events, events_json)
        ready.write(sidecar)
        return
    scans = timing.scan_times(volumes, repetition.fields_of(header, sidecars or []), slice_time_ref)
    scans.tell(bold[0])
    warnings = [
        *scans.warnings,
        *design_checks.check_onsets(events, of_model.rows, header.n_scans, scans.end, of_model.source),
    ]
    of_model.write(events, events_json)
    rows, modulators = run_events.read(events, events_json)
    added = nuisance.collect(bold[0], confounds, headers, header.n_scans, of_no_interest)
    made = assembly.assemble(design, scans.times, rows, modulators, of_responses, added)
    warnings += design_checks.drift_twice(added.names, of_responses.drift_model)
    content = explanation.of_design(design, made, rows, scans, of_responses, warnings)
    Design(design, made.names, made.values, content).write(sidecar)


if __name__ == "__main__":
    stage.run(make_design_matrix, globals().get("snakemake"))
