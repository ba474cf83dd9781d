"""Measure how good one run and its fit are: motion, coverage, signal to noise, whiteness of the residuals.

Each volume: displacement and rotation against the run's first volume (of the voxel of the mask that moves
farthest) and framewise displacement (Power et al. 2012), by the affines, or by the confounds where all
volumes share one affine; the mean over the mask (global signal), and DVARS: root mean square over the mask of
the change from the volume before, in percent of the run's mean over mask and volumes. Each voxel: temporal
signal to noise ratio, the mean over the standard deviation that is left without drift and censored scans,
which the model takes out, too. Residuals: as ordinary least squares leaves them, and whitened as the fit has
done; see ``firstlevel.quality.measures``.
"""

from pathlib import Path
from typing import Any

import numpy as np

from firstlevel import stage
from firstlevel.glm import dependence
from firstlevel.image import motion
from firstlevel.io import designs, image_writer, images, masked, sidecars, table_writer
from firstlevel.io.grids import Grid
from firstlevel.quality import movement, one_pass, residuals, summaries
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
    bold: Path,
    bold_json: Path,
    field_of_view: Path,
    design: Path,
    design_json: Path,
    beta: Path,
    ar1: Path,
    rsquared: Path,
    fit: Path,
    mask: Path,
    timeseries: Path,
    tsnr: Path,
    measures: Path,
    lags: int,
    confounds: Path | None = None,
) -> None:
    """Write one row per volume, the map of tSNR, and the measures of the run.

    What is not known is n/a and null: motion where neither the affines nor the table of `confounds` tell of
    it, anything of no voxel.
    """
    saved = designs.read(design, design_json)
    matrix, kept = saved.matrix, saved.kept
    inside, grid, fitted = masked.read_mask(mask), Grid.of(mask), sidecars.read_json(fit)
    if images.n_volumes(images.load(bold)) != len(matrix):
        raise InputError(
            bold,
            f"has {images.n_volumes(images.load(bold))} volumes for a design of {len(matrix)} scans",
            expected="one row of the design per volume",
            remedy="make the design matrix of this run again",
        )
    whole = masked.read_masked(beta, inside).reshape(len(saved.names), -1)
    rho, explained = masked.read_masked(ar1, inside), masked.read_masked(rsquared, inside)
    slow = matrix[:, saved.columns("constant", "drift", "censor")]
    if not saved.columns("constant"):  # a given design may have it as a sum of others
        slow = np.hstack([slow, np.ones((len(matrix), 1))])
    unfitted = dependence.factorise(slow).basis
    scaling = one_pass.scaling(fitted)
    found = one_pass.gather(bold, inside, matrix, whole, rho, unfitted, kept, lags, scaling)
    image_writer.write_masked(tsnr, found.tsnr, inside, grid.affine)

    resampled = sidecars.read_json(bold_json)
    known = motion.of_run(resampled, confounds)
    moved = movement.of_mask(known, inside, grid, len(matrix))
    outside = resampled["VoxelsOutsideFieldOfView"]
    n_voxels = int(inside.sum())
    signal = found.total / n_voxels
    mean = float(signal.mean())
    dvars = 100 / mean * np.sqrt(found.changed / n_voxels) if mean > 0 else np.full(len(matrix), np.nan)
    dvars[0] = np.nan
    per_scan = (*moved, np.asarray(outside), signal, dvars)
    table_writer.write_table(
        timeseries, COLUMNS, zip(*(map(summaries.cell, values.tolist()) for values in per_scan), strict=True)
    )

    varies, covered = ~found.constant, masked.read_mask(field_of_view)[inside.nonzero()]
    content: dict[str, Any] = {
        "NumberOfVolumes": len(matrix),
        "CensoredVolumes": int((~kept).sum()),
        "NumberOfVoxels": n_voxels,
        "ConstantVoxels": int(found.constant.sum()),
        "OutsideFieldOfView": float(1 - covered.mean()),
        "MedianTsnr": summaries.quantile(found.tsnr[varies], 0.5),
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
