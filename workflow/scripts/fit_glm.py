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
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from firstlevel import stage
from firstlevel.glm import fit as glm
from firstlevel.glm import noise
from firstlevel.glm.sums import sums_over_time
from firstlevel.io import designs, images, tables
from firstlevel.io.images import Grid, Series
from firstlevel.stage import InputError

Scaling = Literal["voxel", "grand_mean", "spm_global", "none"]
LOOKED_AT = 5000
"""Voxels, evenly taken from the mask, that tell whether the data have a mean to be a percentage of."""


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
    signal_scaling: Scaling,
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
    inside, grid = images.read_mask(mask), Grid.of(mask)
    _check_shape(bold, matrix, inside, design, mask)
    n_voxels = int(inside.sum())
    maps = glm.Estimates(
        beta=np.empty((len(columns), n_voxels)),
        sigma2=np.empty(n_voxels),
        ar1=np.empty(n_voxels),
        rsquared=np.empty(n_voxels),
    )
    covered = np.ones(n_voxels, dtype=bool)
    if field_of_view:
        covered = images.read_mask(field_of_view).T[inside.T]
    basis = model.factors.basis
    run = noise.prepare(noise_model, basis, lambda: _autocorrelation(bold, inside, covered, basis))
    total, n_had, n_constant, centred = 0.0, 0, 0, np.zeros(0, dtype=bool)
    for voxels, raw in images.blocks(bold, inside):
        block = raw.astype(np.float64)
        scaled = glm.percent_signal_change(block) if signal_scaling == "voxel" else block
        fitted = glm.fit(scaled, model, noise_model, run)
        constant = _is_constant(raw)
        has = covered[voxels] & ~constant
        maps.beta[:, voxels] = fitted.beta * has
        maps.sigma2[voxels] = fitted.sigma2 * has
        maps.ar1[voxels] = fitted.ar1 * has
        maps.rsquared[voxels] = fitted.rsquared * has
        n_constant += int(constant.sum())
        n_had += int(has.sum())
        total += float(block.sum(axis=0)[has].sum())
        some = block[:, has][:, :: 1 + n_voxels // LOOKED_AT]
        centred = np.append(centred, _is_centred(some, 1.0 if signal_scaling == "voxel" else 0.0))
        logging.info("%d of %d voxels fitted", voxels.stop, n_voxels)
    n_missing = int((maps.sigma2 == 0).sum())
    if n_missing == n_voxels:
        raise InputError(
            bold,
            "none of the mask's voxels changes over time",
            expected="a signal",
            remedy="look at the run and at the mask",
        )
    if n_missing:
        logging.warning(
            "%d of %d voxels of the mask are missing in this run, of which %d never change over time",
            *(n_missing, n_voxels, n_constant),
        )
    if signal_scaling != "none" and centred.mean() > 0.5:
        raise _no_baseline(bold, f"in {centred.mean():.0%} of the mask's voxels, the mean over time is")
    grand_mean = _grand_mean(bold, signal_scaling, total / (n_had * len(matrix)))
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
        images.write_masked(path, values, inside, grid.affine)
    content: dict[str, Any] = {
        "Columns": columns,
        "DegreesOfFreedom": model.dof,
        "Rank": model.factors.rank,
        "NumberOfVolumes": len(matrix),
        "NumberOfVoxels": n_voxels,
        "MissingVoxels": n_missing,
        "NoiseModel": noise_model,
        "SignalScaling": signal_scaling,
        "sha256": {path.name: stage.sha256(path) for path in (bold, design, mask)},
        "Software": stage.versions("numpy", "nibabel"),
    }
    if grand_mean is not None:
        content["GrandMean"] = grand_mean
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


def _autocorrelation(
    bold: Path, inside: np.ndarray, covered: npt.NDArray[np.bool_], basis: glm.FloatArray
) -> float:
    """Mean over the voxels that the run has of the lag-1 autocorrelation of their residuals."""
    total, count = 0.0, 0
    for voxels, raw in images.blocks(bold, inside):
        has = covered[voxels] & ~_is_constant(raw)
        observed = noise.observed_autocorrelation(sums_over_time(basis, raw[:, has].astype(np.float64)))
        total, count = total + float(observed.sum()), count + observed.size
    return total / max(count, 1)


def _check_steps(design: designs.Design, design_json: Path, noise_model: str) -> None:
    """AR(1) noise takes one step between any two scans."""
    if noise.MODELS[noise_model].whitens and not design.has_equal_steps:
        raise InputError(
            design_json,
            f"the scans come at unequal steps, and the noise model {noise_model} takes equal ones",
            expected="one time between any two scans, or white noise",
            remedy="set glm.noise_model: ols, right where scans are so far apart that their noise is white",
        )


def _is_constant(block: images.Float32Array) -> npt.NDArray[np.bool_]:
    """Voxels of a block (n, v) that never change; three scans rule most of them out."""
    alike: npt.NDArray[np.bool_] = (block[0] == block[-1]) & (block[0] == block[len(block) // 2])
    alike[alike] = np.ptp(block[:, alike], axis=0) == 0
    return alike


def _is_centred(block: glm.FloatArray, least: float) -> npt.NDArray[np.bool_]:
    """Voxels of a block (n, v) whose mean is below their deviation over time, or below `least`."""
    mean = block.mean(axis=0)
    below: npt.NDArray[np.bool_] = mean < np.maximum(block.std(axis=0), least)
    return below


def _no_baseline(bold: Path, what: str) -> InputError:
    return InputError(
        bold,
        f"{what} below 1 or below the deviation over time: nothing to take a percentage of",
        expected="images with their baseline, which denoising or rescaling may have taken out",
        remedy="take images with their baseline; if only their unit is small, set glm.signal_scaling: "
        "grand_mean; glm.signal_scaling: none analyses the data in their own unit",
    )


def _grand_mean(bold: Path, scaling: Scaling, of_mask: float) -> float | None:
    """What becomes 100: the mean of the mask, or the mean over scans of SPM's global; None where neither."""
    if scaling not in ("grand_mean", "spm_global"):
        return None
    mean = of_mask
    if scaling == "spm_global":
        mean = float(np.mean([glm.spm_global(volume) for volume in Series.of([bold]).volumes()]))
        logging.info("the mean over scans of SPM's global is %g; the mask's mean is %g", mean, of_mask)
    if mean <= 0:
        raise _no_baseline(bold, f"the mean over all is {mean:g},")
    return mean


if __name__ == "__main__":
    stage.run(fit_glm, globals().get("snakemake"))
