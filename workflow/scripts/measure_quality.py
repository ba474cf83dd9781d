"""Measure how good one run and its fit are: motion, coverage, signal to noise, whiteness of the residuals.

Each volume: displacement and rotation against the run's first volume (of the voxel of the mask that moves
farthest) and framewise displacement (Power et al. 2012), by the affines, or by the confounds where all
volumes share one affine; the mean over the mask (global signal), and DVARS: root mean square over the mask of
the change from the volume before, in percent of the run's mean over mask and volumes. Residuals, of a sample
of the voxels: as ordinary least squares leaves them, and whitened as the fit has done. The run is not read
again: the fit has kept what is needed.
"""

from pathlib import Path

from firstlevel import stage
from firstlevel.image import motion
from firstlevel.io import designs, masked, sample, sidecars
from firstlevel.io.grids import Grid
from firstlevel.quality import residuals, run_measures, volumes


def measure_quality(
    *,
    series: Path,
    signal: Path,
    bold_json: Path,
    field_of_view: Path,
    design: Path,
    design_json: Path,
    beta: Path,
    ar1: Path,
    rsquared: Path,
    tsnr: Path,
    fit: Path,
    mask: Path,
    timeseries: Path,
    measures: Path,
    lags: int,
    confounds: Path | None = None,
) -> None:
    """Write one row per volume, and the measures of the run.

    `series` are those of a sample of the mask's voxels, `signal` the mean and the change of each volume.
    What is not known is n/a and null: motion where neither the affines nor the table of `confounds` tell of
    it, anything of no voxel.
    """
    saved = designs.read(design, design_json)
    inside, fit_content = masked.read_mask(mask), sidecars.read_json(fit)
    of_signal, of_change = sample.read_signal(signal)
    fitted = run_measures.Fitted(
        sampled=sample.positions(int(inside.sum())),
        series=sample.read_series(series, len(saved.matrix)),
        beta=masked.read_masked(beta, sample.mask_of(inside)).reshape(len(saved.names), -1),
        rho=masked.read_masked(ar1, inside),
        rsquared=masked.read_masked(rsquared, inside),
        tsnr=masked.read_masked(tsnr, inside),
        signal=of_signal,
        change=of_change,
        noise_model=fit_content["NoiseModel"],
        factor=residuals.factor_of(fit_content),
    )
    resampled = sidecars.read_json(bold_json)
    of_volumes, content = run_measures.of_run(
        saved,
        fitted,
        motion.of_run(resampled, confounds),
        resampled["VoxelsOutsideFieldOfView"],
        inside,
        Grid.of(mask),
        masked.read_mask(field_of_view).T[inside.T],
        lags,
    )
    volumes.write(timeseries, of_volumes)
    software = stage.versions("numpy", "scipy", "nibabel")
    sidecars.write_json(measures, content | {"Software": software})


if __name__ == "__main__":
    stage.run(measure_quality, globals().get("snakemake"))
