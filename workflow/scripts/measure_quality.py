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
from firstlevel.quality import head_motion, residuals, run_measures, volumes


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
    matrix, kept = saved.matrix, saved.kept
    inside, fitted = masked.read_mask(mask), sidecars.read_json(fit)
    sampled = sample.mask_of(inside)
    rho, explained, ratio = (masked.read_masked(path, inside) for path in (ar1, rsquared, tsnr))
    whiteness = residuals.of_sample(
        sample.read_series(series, len(matrix)),
        matrix,
        masked.read_masked(beta, sampled).reshape(len(saved.names), -1),
        masked.read_masked(ar1, sampled),
        kept,
        lags,
        residuals.factor_of(fitted),
    )

    resampled = sidecars.read_json(bold_json)
    moved = motion.of_run(resampled, confounds)
    of_head = head_motion.of_mask(moved, inside, Grid.of(mask), len(matrix))
    of_volumes = volumes.of_run(of_head, resampled["VoxelsOutsideFieldOfView"], *sample.read_signal(signal))
    volumes.write(timeseries, of_volumes)

    covered = masked.read_mask(field_of_view)[inside.nonzero()]
    content = run_measures.content(of_volumes, moved, kept, covered, ratio, explained)
    content["Residuals"] = residuals.content(whiteness, matrix, rho, kept, lags, fitted["NoiseModel"])
    content["Software"] = stage.versions("numpy", "scipy", "nibabel")
    sidecars.write_json(measures, content)


if __name__ == "__main__":
    stage.run(measure_quality, globals().get("snakemake"))
