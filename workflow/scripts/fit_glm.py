"""Fit the GLM of one run, y = X b + e, voxel by voxel, with white or AR(1) noise.

Writes what every later stage needs in place of the data: betas, residual variance, AR(1) coefficients and
R2. The data are scaled to percent of each voxel's mean (``voxel``), or to 100 y / m, with m the mean over
scans and the mask's voxels (``grand_mean``) or over scans of SPM's global (``spm_global``). All maps are 0 at
voxels that the run does not have: constant over time, or outside of the field of view where that is given.
The arithmetic is that of nilearn's ``run_glm``; see ``firstlevel.glm.fit``.
"""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from firstlevel import stage
from firstlevel.arrays import FloatArray
from firstlevel.glm import baseline, blocks, noise
from firstlevel.glm import fit as glm
from firstlevel.io import designs, digests, image_writer, images, masked, sidecars
from firstlevel.io.grids import Grid
from firstlevel.io.series import Series
from firstlevel.stage import InputError


def fit_glm(
    *,
    bold: Path,
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
    field_of_view: Path | None = None,
) -> None:
    """Write the maps of one run, one volume of `beta` per design column, and the sidecar of the fit.

    `field_of_view` holds 1 where every volume of the run covers the voxel; None takes all voxels that vary.
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
    _check_shape(bold, matrix, inside, design, mask)
    n_voxels = int(inside.sum())
    covered = np.ones(n_voxels, dtype=bool)
    if field_of_view:
        covered = masked.read_mask(field_of_view).T[inside.T]
    basis = model.factors.basis
    run = noise.prepare(
        noise_model, basis, lambda: blocks.mean_autocorrelation(masked.blocks(bold, inside), covered, basis)
    )
    found = blocks.fit_blocks(
        masked.blocks(bold, inside), model, noise_model, run, covered, in_percent=signal_scaling == "voxel"
    )
    maps = found.maps
    if found.n_missing == n_voxels:
        raise InputError(
            bold,
            "none of the mask's voxels changes over time",
            expected="a signal",
            remedy="look at the run and at the mask",
        )
    if found.n_missing:
        logging.warning(
            "%d of %d voxels of the mask are missing in this run, of which %d never change over time",
            *(found.n_missing, n_voxels, found.n_constant),
        )
    if signal_scaling != "none" and found.centred > 0.5:
        raise baseline.missing(bold, f"in {found.centred:.0%} of the mask's voxels, the mean over time is")
    grand_mean = baseline.grand_mean(bold, Series.of([bold]).volumes(), signal_scaling, found.mean)
    if grand_mean is not None:
        # the fit is linear in the data, so that its results can be scaled in their place
        factor = 100.0 / grand_mean
        maps = replace(maps, beta=factor * maps.beta, sigma2=factor**2 * maps.sigma2)
    for path, values in (
        (beta, maps.beta),
        (sigma2, maps.sigma2),
        (ar1, maps.ar1),
        (rsquared, maps.rsquared),
    ):
        image_writer.write_masked(path, values, inside, grid.affine)
    content: dict[str, Any] = {
        "Columns": columns,
        "DegreesOfFreedom": model.dof,
        "Rank": model.factors.rank,
        "NumberOfVolumes": len(matrix),
        "NumberOfVoxels": n_voxels,
        "MissingVoxels": found.n_missing,
        "NoiseModel": noise_model,
        "SignalScaling": signal_scaling,
        "Inputs": digests.of_files([bold, design, mask]),
        "Software": stage.versions("numpy", "nibabel"),
    }
    if grand_mean is not None:
        content["GrandMean"] = grand_mean
    sidecars.write_json(sidecar, content)


def _check_shape(bold: Path, matrix: FloatArray, inside: np.ndarray, design: Path, mask: Path) -> None:
    n_scans = images.n_volumes(images.load(bold))
    if n_scans != len(matrix):
        raise InputError(
            design,
            f"has {len(matrix)} rows for a run of {n_scans} scans",
            expected="one row per scan",
            remedy="make the design matrix of this run again",
        )
    if Grid.of(bold).shape != inside.shape:
        raise InputError(
            mask,
            f"has the shape {inside.shape}, and the run {Grid.of(bold).shape}",
            expected="a mask on the grid of the run",
            remedy="make the mask of this subject again",
        )


def _check_steps(design: designs.Design, design_json: Path, noise_model: str) -> None:
    """AR(1) noise takes one step between any two scans."""
    if noise.MODELS[noise_model].whitens and not design.has_equal_steps:
        raise InputError(
            design_json,
            f"the scans come at unequal steps, and the noise model {noise_model} takes equal ones",
            expected="one time between any two scans, or white noise",
            remedy="set glm.noise_model: ols, right where scans are so far apart that their noise is white",
        )


if __name__ == "__main__":
    stage.run(fit_glm, globals().get("snakemake"))
