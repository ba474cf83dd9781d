"""Estimate the response to each trial of one run: a beta and a t map per trial, in one reading of the run.

``lsa`` has all trials in one model. ``lss`` has a model per trial: its regressor, one for the other trials of
its condition, one per other condition. Noise, scaling and the rest of the design are those of the run's fit.
Maps are 0 at voxels that the run does not have, and NaN for a trial that is not estimable. The arithmetic is
that of a loop of fits; see ``firstlevel.glm.lss``.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from firstlevel import stage
from firstlevel.arrays import FloatArray
from firstlevel.glm import baseline, fit_checks, run_events, single_trials, trial_columns, trial_sidecar
from firstlevel.glm.design import DesignOptions
from firstlevel.glm.fit import percent_signal_change
from firstlevel.image import background
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
) -> None:
    """Write one volume per trial of `beta` and `t`, and the table `trials` that says which trial it is.

    `events`, `design`, `fit` and `sigma2` are those of the run's fit, with their sidecars. `conditions` are
    those whose trials are told apart, None for all; others keep their regressors.
    """
    saved = designs.read(design, design_json)
    fit_checks.check_steps(saved, design_json, noise_model)
    inside, grid, run = masked.read_mask(mask), Grid.of(mask), Series.of(bold)
    fit_checks.check_shapes(run, saved, inside, mask)
    rows, modulators = run_events.read(events, events_json)
    columns = trial_columns.collect(events, saved, rows, modulators, of_responses, conditions)
    of_trials = single_trials.model_of(model, columns, design)
    facts, n_trials = of_trials.facts, len(columns.events)
    trial_sidecar.tell(events, model, columns, facts)

    analysed = np.flatnonzero(masked.read_masked(sigma2, inside) > 0)
    taken = np.flatnonzero(inside.T)[analysed]
    grand_mean = sidecars.read_json(fit).get("GrandMean")
    factor = 1.0 if grand_mean is None else 100.0 / grand_mean
    with (
        Scratch.beside(beta, run.n_scans, taken.size) as scratch,
        ScratchMaps.beside(beta, taken.size) as betas,
        ScratchMaps.beside(beta, taken.size) as ts,
    ):
        for _ in scratch.kept(volume.ravel().take(taken) for volume in background.filled(run)):
            pass

        def blocks() -> Iterator[tuple[slice, FloatArray]]:
            for part, raw in single_trials.smaller(scratch.blocks(), columns):
                data = raw.astype(np.float64)
                yield part, percent_signal_change(data) if signal_scaling == "voxel" else data

        for part, of_beta, of_t in single_trials.fit(of_trials, blocks, noise_model):
            betas.write(part.start, factor * of_beta)
            ts.write(part.start, of_t)
        logging.info("%d trials, %d voxels", n_trials, taken.size)

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
    content["Inputs"] = digests.of_files([events, design, fit, mask])
    content["Software"] = stage.versions("numpy", "nibabel")
    sidecars.write_json(sidecar, content)


if __name__ == "__main__":
    stage.run(fit_trials, globals().get("snakemake"))
