"""Measure how good one run and its fit are: motion, coverage, signal to noise, whiteness of the residuals.

Each volume: displacement and rotation against the run's first volume (of the voxel of the mask that moves
farthest) and framewise displacement (Power et al. 2012), by the affines, or by the confounds where all
volumes share one affine; the mean over the mask (global signal), and DVARS: root mean square over the mask of
the change from the volume before, in percent of the run's mean over mask and volumes. Residuals, of a sample
of the voxels: as ordinary least squares leaves them, and whitened as the fit has done. The run is not read
again: the fit has kept what is needed.
"""

from pathlib import Path
from typing import Any

import numpy as np

from firstlevel import stage
from firstlevel.image import motion
from firstlevel.io import designs, masked, sample, sidecars, table_writer
from firstlevel.io.grids import Grid
from firstlevel.quality import movement, residuals, sampled, summaries
from firstlevel.quality.temporal import dvars_scores
from firstlevel.stage import InputError

COLUMNS = (
    "displacement",
    "framewise_displacement",
    "rotation",
    "voxels_outside_fov",
    "global_signal",
    "dvars",
)


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
    inside, grid, fitted = masked.read_mask(mask), Grid.of(mask), sidecars.read_json(fit)
    some, over_time = sample.read_series(series), sample.read_signal(signal)
    if len(some) != len(matrix):
        raise InputError(
            series,
            f"has {len(some)} volumes for a design of {len(matrix)} scans",
            expected="one row of the design per volume",
            remedy="fit this run again",
        )
    taken = sample.mask_of(inside)
    rho, explained, ratio = (masked.read_masked(path, inside) for path in (ar1, rsquared, tsnr))
    whole = masked.read_masked(beta, taken).reshape(len(saved.names), -1)
    found = sampled.of_sample(
        some, matrix, whole, masked.read_masked(ar1, taken), kept, lags, sampled.scaling(fitted)
    )

    resampled = sidecars.read_json(bold_json)
    known = motion.of_run(resampled, confounds)
    moved = movement.of_mask(known, inside, grid, len(matrix))
    outside = resampled["VoxelsOutsideFieldOfView"]
    n_voxels = int(inside.sum())
    of_volumes, change = over_time
    mean = float(of_volumes.mean())
    dvars = 100 / mean * change if mean > 0 else np.full(len(matrix), np.nan)
    dvars[0] = np.nan
    per_scan = (*moved, np.asarray(outside), of_volumes, dvars)
    table_writer.write_table(
        timeseries, COLUMNS, zip(*(map(summaries.cell, values.tolist()) for values in per_scan), strict=True)
    )

    varies, covered = ratio != 0, masked.read_mask(field_of_view)[inside.nonzero()]
    content: dict[str, Any] = {
        "NumberOfVolumes": len(matrix),
        "CensoredVolumes": int((~kept).sum()),
        "NumberOfVoxels": n_voxels,
        "ConstantVoxels": int((~varies).sum()),
        "OutsideFieldOfView": float(1 - covered.mean()),
        "MedianTsnr": summaries.quantile(ratio[varies], 0.5),
        "RSquared": {
            "Median": summaries.quantile(explained[varies], 0.5),
            "Q95": summaries.quantile(explained[varies], 0.95),
        },
        "Residuals": residuals.described(found, matrix, rho, kept, lags, fitted["NoiseModel"]),
        "Software": stage.versions("numpy", "scipy", "nibabel"),
    }
    content["MotionSource"], content["MotionFrom"] = known.source, known.origin
    for name, values in zip(("Displacement", "FramewiseDisplacement", "Rotation"), moved, strict=True):
        content[name] = summaries.mean_and_largest(values)
    median, deviation, _ = dvars_scores(dvars, kept)
    content["Dvars"] = {**summaries.mean_and_largest(dvars), "Median": median, "RobustDeviation": deviation}
    sidecars.write_json(measures, content)


if __name__ == "__main__":
    stage.run(measure_quality, globals().get("snakemake"))
