"""Show a run in eight pictures or nine: events, design, motion, the quality of the data and of the fit.

Carpet: the signal of many voxels over time (Power 2017), detrended and standardised, below what moved and how
much the image changed. Maps of temporal signal to noise ratio and of R2. Correlation of the regressors,
without drift and constant. Residuals: how many voxels have which lag-1 autocorrelation, before and after
whitening. Where the noise was learnt, the spectra of its processes, and how autocorrelated each voxel's is.
"""

from pathlib import Path

import numpy as np

from firstlevel import stage
from firstlevel.glm import noise_table
from firstlevel.image import motion
from firstlevel.io import designs, event_table, images, masked, sample, sidecars, tables
from firstlevel.plotting import (
    carpet,
    figures,
    matrices,
    motion_curves,
    noise,
    quality_maps,
    residuals,
    timeline,
)

CURVES = ("framewise_displacement", "dvars")
"""Columns of the series of a run that are drawn above its carpet."""


def plot_run(
    *,
    events: Path,
    design: Path,
    design_json: Path,
    series: Path,
    bold_json: Path,
    mask: Path,
    timeseries: Path,
    measures: Path,
    tsnr: Path,
    rsquared: Path,
    task_rsquared: Path,
    events_figure: Path,
    design_figure: Path,
    motion_figure: Path,
    carpet_figure: Path,
    tsnr_figure: Path,
    rsquared_figure: Path,
    correlation_figure: Path,
    residuals_figure: Path,
    title: str,
    confounds: Path | None = None,
    ar1: Path | None = None,
    processes: Path | None = None,
    noise_figure: Path | None = None,
) -> None:
    """Draw the figures; `title` says whose run it is.

    Motion is by the affines, or by the table of `confounds` where they tell nothing. The map `ar1` and the
    table of `processes` are of noise that was learnt.
    """
    figures.save(
        timeline.draw(event_table.read_events(events, needed=False), f"{title}: events"), events_figure
    )
    saved = designs.read(design, design_json)
    picture = matrices.draw(saved.names, saved.matrix, f"{title}: design matrix", saved.kinds)
    figures.save(picture, design_figure)
    hidden = saved.columns("drift", "constant", "censor")
    shown = [k for k in range(len(saved.names)) if k not in hidden]
    names = [saved.names[k] for k in shown]
    picture = matrices.draw_correlation(
        names, saved.matrix[:, shown], f"{title}: correlation of the regressors"
    )
    figures.save(picture, correlation_figure)
    moved, measured = sidecars.read_json(bold_json), sidecars.read_json(measures)
    known, n_scans = motion.of_run(moved, confounds), len(moved["Translation"])
    figures.save(motion_curves.draw(known, n_scans, f"{title}: head motion"), motion_figure)

    inside = masked.read_mask(mask)
    rows = tables.read_rows(timeseries)
    curves = [np.array([_number(row.values[name]) for row in rows]) for name in CURVES]
    told = [f"not known: {measured['MotionFrom']}", "not known"]
    note = "from the table of confounds" if measured["MotionSource"] == motion.TABLE else ""
    picture = carpet.draw(
        sample.read_series(series), int(inside.sum()), curves, told, note, f"{title}: carpet"
    )
    figures.save(picture, carpet_figure)
    median = measured["MedianTsnr"]
    said = f"median over the mask {median:.0f}" if median is not None else "nothing varies"
    source = images.load(tsnr)
    brain = quality_maps.frame(source, inside)
    picture = quality_maps.draw(
        source, inside, brain, f"{title}: temporal signal to noise ratio", said, "tSNR"
    )
    figures.save(picture, tsnr_figure)
    median, high = measured["RSquared"]["Median"], measured["RSquared"]["Q95"]
    said = f"median {median:.2f}, a twentieth above {high:.2f}" if median is not None else "nothing varies"
    of_model = f"{title}: variance that the model explains"
    of_task = f"{title}: variance that the task explains, of what drift and confounds leave"
    pictures = [
        quality_maps.draw(images.load(rsquared), inside, brain, of_model, said, "R²"),
        quality_maps.draw(images.load(task_rsquared), inside, brain, of_task, "partial R²", "R²"),
    ]
    figures.save_column(pictures, rsquared_figure)
    figures.save(residuals.draw(measured["Residuals"], f"{title}: residuals"), residuals_figure)
    if noise_figure and processes and ar1:
        found, time = noise_table.read(processes), saved.repetition_time
        picture = noise.draw(found, time, images.load(ar1), inside, brain, f"{title}: noise")
        figures.save(picture, noise_figure)


def _number(cell: str) -> float:
    return np.nan if cell in tables.MISSING else float(cell)


if __name__ == "__main__":
    stage.run(plot_run, globals().get("snakemake"))
