"""Estimate the response to each trial of one run: a beta and a t map per trial, in one reading of the run.

``lsa`` has all trials in one model. ``lss`` has a model per trial: its regressor, one for the other trials of
its condition, one per other condition. Scaling and the rest of the design are those of the run's fit, and so
is noise that the fit learnt or searched for: its files are read. AR(1) coefficients are found for each model.
Maps are 0 at voxels that the run does not have, and NaN for a trial that is not estimable. The arithmetic is
that of a loop of fits; see ``firstlevel.glm.lss`` and ``firstlevel.glm.trial_gls``.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from firstlevel import stage
from firstlevel.arrays import FloatArray
from firstlevel.glm import (
    baseline,
    fit_checks,
    noise_table,
    run_events,
    saved_noise,
    single_trials,
    trial_columns,
    trial_sidecar,
)
from firstlevel.glm.design import DesignOptions
from firstlevel.glm.fit import percent_signal_change
from firstlevel.glm.masked_scans import MaskedScans
from firstlevel.io import designs, digests, image_writer, masked, sidecars, table_writer
from firstlevel.io.grids import Grid
from firstlevel.io.scratch import Scratch
from firstlevel.io.scratch_maps import ScratchMaps
from firstlevel.io.series import Series


def fit_trials(
    *,
    bold: list[Path],
    events: Path,
    events_json: Path,
    design: Path,
    design_json: Path,
    fit: Path,
    sigma2: Path,
    mask: Path,
    beta: Path,
    t: Path,
    trials: Path,
    sidecar: Path,
    model: single_trials.Kind,
    conditions: list[str] | None,
    of_responses: DesignOptions,
    noise_model: str,
    signal_scaling: baseline.Scaling,
    posterior: Path | None = None,
    processes: Path | None = None,
    arma: Path | None = None,
) -> None:
    """Write one volume per trial of `beta` and `t`, and the table `trials` that says which trial it is.

    `events`, `design`, `fit` and `sigma2` are those of the run's fit, with their sidecars. `conditions` are
    those whose trials are told apart, None for all; others keep their regressors. `posterior` and `processes`
    are of the fit where its noise is learnt, `arma` where it is ARMA noise, of the same `noise_model`.
    """
    saved = designs.read(design, design_json)
    fit_checks.check_steps(saved, design_json, noise_model)
    inside, grid, run = masked.read_mask(mask), Grid.of(mask), Series.of(bold)
    fit_checks.check_shapes(run, saved, inside, mask)
    rows, modulators = run_events.read(events, events_json)
    columns = trial_columns.collect(events, saved, rows, modulators, of_responses, conditions)
    of_trials = single_trials.model_of(model, columns, design)
    facts, n_trials = of_trials.facts, len(columns.events)
    trial_sidecar.tell(events, model, columns, facts, noise_model)

    analysed = np.flatnonzero(masked.read_masked(sigma2, inside) > 0)
    noise = saved_noise.read(noise_model, inside, posterior, processes, arma)
    if noise:
        noise_table.check_fit(fit, processes, arma)
        analysed = analysed[noise.part(analysed).alike()]
        noise = noise.part(analysed)
    grand_mean = sidecars.read_json(fit).get("GrandMean")
    scans = MaskedScans.of(run, inside, has_spm_global=False)
    factor = 1.0 if grand_mean is None else 100.0 / grand_mean
    with (
        Scratch.beside(beta, run.n_scans, analysed.size) as scratch,
        ScratchMaps.beside(beta, analysed.size) as betas,
        ScratchMaps.beside(beta, analysed.size) as ts,
    ):
        for _ in scratch.kept(values[analysed] for values in scans.read()):
            pass

        def blocks() -> Iterator[tuple[slice, FloatArray]]:
            for part, raw in single_trials.smaller(scratch.blocks(), columns):
                data = raw.astype(np.float64)
                yield part, percent_signal_change(data) if signal_scaling == "voxel" else data

        for part, of_beta, of_t in single_trials.fit(of_trials, blocks, noise_model, noise):
            betas.write(part.start, factor * of_beta)
            ts.write(part.start, of_t)
        logging.info("%d trials, %d voxels", n_trials, analysed.size)

        def maps(found: ScratchMaps) -> Iterator[FloatArray]:
            for place in range(n_trials):
                values = np.zeros(int(inside.sum()))
                values[analysed] = found.read(place)
                yield np.full_like(values, np.nan) if place in facts.reasons else values

        image_writer.write_maps(beta, maps(betas), n_trials, inside, grid.affine)
        image_writer.write_maps(t, maps(ts), n_trials, inside, grid.affine)
    table_writer.write_table(trials, trial_sidecar.COLUMNS, trial_sidecar.rows(columns, facts))
    content = trial_sidecar.content(
        model, columns, facts, of_responses, noise_model, signal_scaling, grand_mean
    )
    content["Inputs"] = digests.of_files(
        [path for path in (events, design, fit, mask, posterior, processes, arma) if path]
    )
    content["Software"] = stage.versions("numpy", "nibabel")
    sidecars.write_json(sidecar, content)


if __name__ == "__main__":
    stage.run(fit_trials, globals().get("snakemake"))
