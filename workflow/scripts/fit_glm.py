"""Fit the GLM of one run, y = X b + e, voxel by voxel, with white or AR(1) noise.

Writes what every later stage needs in place of the data: betas (percent signal change where the scaling
is ``voxel``), residual variance, AR(1) coefficients and R2. The arithmetic is that of nilearn's
``run_glm``; see ``firstlevel.glm``.
"""

import logging
from pathlib import Path
from typing import Any, Literal

import numpy as np

from firstlevel import glm, images, stage, tables
from firstlevel.glm import NoiseModel
from firstlevel.images import Grid
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
    noise_model: NoiseModel,
    signal_scaling: Literal["voxel", "none"],
) -> None:
    """Write the maps of one run, one volume of `beta` per design column, and the sidecar of the fit."""
    columns, rows = tables.read_columns(design)
    matrix = np.asarray(rows, dtype=np.float64)
    dof = glm.degrees_of_freedom(matrix)
    if dof < 1:
        raise InputError(
            design,
            f"{len(matrix)} scans leave no degrees of freedom to {len(columns)} regressors",
            expected="more scans than regressors",
            remedy="use a simpler HRF model, a lower high_pass, or fewer confounds",
        )
    inside, grid = images.read_mask(mask), Grid.of(mask)
    n_voxels = int(inside.sum())
    maps = glm.Estimates(
        beta=np.empty((len(columns), n_voxels)),
        sigma2=np.empty(n_voxels),
        ar1=np.empty(n_voxels),
        rsquared=np.empty(n_voxels),
    )
    covariance = glm.cached_covariance(matrix)
    for voxels, raw in images.blocks(bold, inside):
        block = raw.astype(np.float64)
        scaled = glm.percent_signal_change(block) if signal_scaling == "voxel" else block
        fitted = glm.fit(scaled, matrix, noise_model, covariance)
        maps.beta[:, voxels] = fitted.beta
        maps.sigma2[voxels] = fitted.sigma2
        maps.ar1[voxels] = fitted.ar1
        maps.rsquared[voxels] = fitted.rsquared
        logging.info("%d of %d voxels fitted", voxels.stop, n_voxels)
    for path, values in (
        (beta, maps.beta),
        (sigma2, maps.sigma2),
        (ar1, maps.ar1),
        (rsquared, maps.rsquared),
    ):
        images.write_masked(path, values, inside, grid.affine)
    content: dict[str, Any] = {
        "Columns": columns,
        "DegreesOfFreedom": dof,
        "Rank": len(matrix) - dof,
        "NumberOfVolumes": len(matrix),
        "NumberOfVoxels": n_voxels,
        "NoiseModel": noise_model,
        "SignalScaling": signal_scaling,
        "sha256": {path.name: stage.sha256(path) for path in (bold, design, mask)},
        "Software": stage.versions("numpy", "nibabel"),
    }
    tables.write_json(sidecar, content)


if __name__ == "__main__":
    stage.run(fit_glm, globals().get("snakemake"))
