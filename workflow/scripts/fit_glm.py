"""Fit the GLM of one run, y = X b + e, voxel by voxel, with white or AR(1) noise.

Writes what every later stage needs in place of the data: betas (percent signal change where the scaling
is ``voxel``; ``grand_mean``: 100 y / m, m the mean over scans and voxels of the mask), residual variance,
AR(1) coefficients and R2. The arithmetic is that of nilearn's ``run_glm``; see ``firstlevel.glm``.
"""

import logging
from dataclasses import replace
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
    signal_scaling: Literal["voxel", "grand_mean", "none"],
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
    _check_shape(bold, matrix, inside, design, mask)
    n_voxels = int(inside.sum())
    maps = glm.Estimates(
        beta=np.empty((len(columns), n_voxels)),
        sigma2=np.empty(n_voxels),
        ar1=np.empty(n_voxels),
        rsquared=np.empty(n_voxels),
    )
    covariance = glm.cached_covariance(matrix)
    expected = glm.expected_autocorrelation(matrix) if noise_model == "ar1_corrected" else None
    total, n_constant = 0.0, 0
    for voxels, raw in images.blocks(bold, inside):
        block = raw.astype(np.float64)
        scaled = glm.percent_signal_change(block) if signal_scaling == "voxel" else block
        fitted = glm.fit(scaled, matrix, noise_model, covariance, expected)
        maps.beta[:, voxels] = fitted.beta
        maps.sigma2[voxels] = fitted.sigma2
        maps.ar1[voxels] = fitted.ar1
        maps.rsquared[voxels] = fitted.rsquared
        n_constant += _count_constant(raw)
        if signal_scaling == "grand_mean":
            total += float(block.sum())
        logging.info("%d of %d voxels fitted", voxels.stop, n_voxels)
    if n_constant:
        logging.warning(
            "%d voxels of the mask never change over time: nothing can be tested there", n_constant
        )
    if n_constant == n_voxels:
        raise InputError(
            bold,
            "none of the mask's voxels changes over time",
            expected="a signal",
            remedy="look at the run and at the mask",
        )
    if signal_scaling == "grand_mean":
        # the fit is linear in the data, so that its results can be scaled in their place
        factor = 100.0 / _grand_mean(total, n_voxels * len(matrix), bold)
        maps = replace(maps, beta=factor * maps.beta, sigma2=factor**2 * maps.sigma2)
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
    if signal_scaling == "grand_mean":
        content["GrandMean"] = 100.0 / factor
    tables.write_json(sidecar, content)


def _check_shape(bold: Path, matrix: glm.FloatArray, inside: np.ndarray, design: Path, mask: Path) -> None:
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


def _count_constant(block: images.Float32Array) -> int:
    """Voxels of a block (n, v) that never change; three scans rule most of them out."""
    alike = np.flatnonzero((block[0] == block[-1]) & (block[0] == block[len(block) // 2]))
    return int((np.ptp(block[:, alike], axis=0) == 0).sum())


def _grand_mean(total: float, count: int, bold: Path) -> float:
    mean = total / count
    if mean <= 0:
        raise InputError(
            bold,
            f"has the mean {mean:g} over the mask, which a signal cannot be a percentage of",
            expected="a mean above 0",
            remedy="take volumes that are not centred, or glm.signal_scaling: none",
        )
    return mean


if __name__ == "__main__":
    stage.run(fit_glm, globals().get("snakemake"))
