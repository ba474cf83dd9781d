"""Fit the GLM of one run, y = X b + e, voxel by voxel, with white or AR(1) noise, in one reading of the run.

Writes what every later stage needs in place of the data: betas, residual variance, AR(1) coefficients, R2,
temporal signal to noise ratio; the mean and the change of each volume; the series of some voxels. Data are
scaled to percent of each voxel's mean (``voxel``), or to 100 y / m, with m the mean over scans and the mask's
voxels (``grand_mean``) or over scans of SPM's global (``spm_global``). All maps are 0 at voxels that the run
does not have: constant over time, or outside of the field of view where that is given. The arithmetic is that
of nilearn's ``run_glm``; see ``firstlevel.glm.stream``.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from firstlevel import stage
from firstlevel.arrays import Float32Array, FloatArray
from firstlevel.glm import baseline, noise, run_sums, stream
from firstlevel.glm import fit as glm
from firstlevel.image import background
from firstlevel.io import designs, digests, image_writer, images, masked, sample, sidecars
from firstlevel.io.grids import Grid
from firstlevel.io.series import Series
from firstlevel.stage import InputError


def fit_glm(
    *,
    bold: list[Path],
    design: Path,
    mask: Path,
    beta: Path,
    sigma2: Path,
    ar1: Path,
    rsquared: Path,
    sidecar: Path,
    noise_model: str,
    signal_scaling: baseline.Scaling,
    design_json: Path,
    bold_json: Path | None = None,
    field_of_view: Path | None = None,
    tsnr: Path | None = None,
    signal: Path | None = None,
    series: Path | None = None,
) -> None:
    """Write the maps of one run, one volume of `beta` per design column, and the sidecar of the fit.

    `field_of_view` holds 1 where every volume of the run covers the voxel; None takes all voxels that vary.
    `bold_json` says what the run was made of. `tsnr` is a map, `signal` a table with a row per volume,
    `series` the data of a sample of the mask's voxels; None leaves them out.
    """
    saved = designs.read(design, design_json)
    columns, matrix = saved.names, saved.matrix
    model = glm.Design.of(matrix)
    _check_steps(saved, design_json, noise_model)
    if model.dof < 1:
        raise InputError(
            design,
            f"{len(matrix)} scans leave no degrees of freedom to {len(columns)} regressors",
            expected="more scans than regressors",
            remedy="use a simpler HRF model, a lower high_pass, or fewer confounds",
        )
    inside, grid = masked.read_mask(mask), Grid.of(mask)
    run = Series.of(bold)
    _check_shape(run, matrix, inside, design, mask)
    n_voxels = int(inside.sum())
    covered = np.ones(n_voxels, dtype=bool)
    if field_of_view:
        covered = masked.read_mask(field_of_view).T[inside.T]
    taken = sample.positions(n_voxels)
    some, of_spm = np.empty((run.n_scans, len(taken)), dtype=np.float32), []

    def scans() -> Iterator[Float32Array]:
        voxels = np.flatnonzero(inside.T)
        for scan, volume in enumerate(background.filled(run)):
            values = volume.ravel().take(voxels)
            some[scan] = values[taken]
            if signal_scaling == "spm_global":
                of_spm.append(glm.spm_global(volume))
            yield values

    sums = run_sums.RunSums.of(scans(), model.factors.basis, saved.kept, n_voxels)
    _check_finite(run, sums.signal)
    found = stream.fit_run(
        sums, model, noise_model, covered, masked.again(run, inside), in_percent=signal_scaling == "voxel"
    )
    first, maps = run.files[0], found.maps
    if found.n_missing == n_voxels:
        raise InputError(
            first,
            "no voxel of the mask changes over time",
            expected="a signal that changes over time",
            remedy="look at the run and at the mask",
        )
    logging.info("%d of %d voxels fitted", n_voxels - found.n_missing, n_voxels)
    if found.n_missing:
        logging.warning(
            "%d of %d voxels of the mask are missing in this run, of which %d never change over time",
            *(found.n_missing, n_voxels, found.n_constant),
        )
    if signal_scaling != "none" and found.centred > 0.5:
        raise baseline.missing(
            first, f"in {found.centred:.0%} of the voxels of the mask, the mean over time is"
        )
    grand_mean = baseline.grand_mean(first, signal_scaling, found.mean, of_spm)
    if grand_mean is not None:
        # the fit is linear in the data, so that its results can be scaled in their place
        maps = stream.scaled_by(maps, 100.0 / grand_mean)
    for path, values in (
        (beta, maps.beta),
        (sigma2, maps.sigma2),
        (ar1, maps.ar1),
        (rsquared, maps.rsquared),
        (tsnr, found.tsnr),
    ):
        if path:
            image_writer.write_masked(path, values, inside, grid.affine)
    if signal:
        sample.write_signal(signal, sums.signal, sums.change)
    if series:
        sample.write_series(series, some)
    content: dict[str, Any] = {
        "Columns": columns,
        "DegreesOfFreedom": model.dof,
        "Rank": model.factors.rank,
        "NumberOfVolumes": len(matrix),
        "NumberOfVoxels": n_voxels,
        "MissingVoxels": found.n_missing,
        "NoiseModel": noise_model,
        "SignalScaling": signal_scaling,
        "Inputs": digests.of_files([path for path in (bold_json, design, mask) if path]),
        "Software": stage.versions("numpy", "nibabel"),
    }
    if grand_mean is not None:
        content["GrandMean"] = grand_mean
    sidecars.write_json(sidecar, content)


def _check_shape(run: Series, matrix: FloatArray, inside: np.ndarray, design: Path, mask: Path) -> None:
    if run.n_scans != len(matrix):
        raise InputError(
            design,
            f"has {len(matrix)} rows for a run of {run.n_scans} scans",
            expected="one row per scan",
            remedy="make the design matrix of this run again",
        )
    shape = images.spatial_shape(images.load(run.files[0]))
    if shape != inside.shape:
        raise InputError(
            mask,
            f"has the shape {inside.shape}, and the run {shape}",
            expected="a mask on the grid of the run",
            remedy="make the mask of this subject again",
        )


def _check_finite(run: Series, signal: FloatArray) -> None:
    if not np.isfinite(signal).all():
        scan = int(np.flatnonzero(~np.isfinite(signal))[0])
        raise InputError(
            run.file_of(scan),
            f"volume {scan + 1} holds values in the mask that are not finite",
            expected="finite values; NaN only where every volume of the run has it, as background",
            remedy="restore the volume",
        )


def _check_steps(design: designs.Design, design_json: Path, noise_model: str) -> None:
    """AR(1) noise takes one step between any two scans."""
    if noise.MODELS[noise_model].whitens and not design.has_equal_steps:
        raise InputError(
            design_json,
            f"the scans are unequally spaced, but the noise model {noise_model} needs equal spacing",
            expected="equally spaced scans, or white noise",
            remedy="set glm.noise_model: ols, right where scans are so far apart that their noise is white",
        )


if __name__ == "__main__":
    stage.run(fit_glm, globals().get("snakemake"))
