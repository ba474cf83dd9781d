"""What of a run, its design and its mask cannot be fitted, before and after its one reading."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from firstlevel.arrays import BoolArray, FloatArray
from firstlevel.glm import baseline, noise
from firstlevel.glm import fit as glm
from firstlevel.glm.stream import RunEstimates
from firstlevel.io import images
from firstlevel.io.designs import Design
from firstlevel.io.series import Series
from firstlevel.stage import InputError


def check_steps(design: Design, sidecar: Path, noise_model: str) -> None:
    """AR(1) noise takes one step between any two scans, as the `sidecar` of the design tells them."""
    if noise.MODELS[noise_model].whitens and not design.has_equal_steps:
        raise InputError(
            sidecar,
            f"the scans are unequally spaced, but the noise model {noise_model} needs equal spacing",
            expected="equally spaced scans, or white noise",
            remedy="set glm.noise_model: ols, right where scans are so far apart that their noise is white",
        )


def check_dof(design: Design, model: glm.Design) -> None:
    """The regressors leave a degree of freedom to the residuals."""
    if model.dof < 1:
        raise InputError(
            design.path,
            f"{len(model.matrix)} scans leave no degrees of freedom to {len(design.names)} regressors",
            expected="more scans than regressors",
            remedy="use a simpler HRF model, a lower high_pass, or fewer confounds",
        )


def check_shapes(run: Series, design: Design, inside: BoolArray, mask: Path) -> None:
    """The design has a row for each scan, and the mask the grid of the run."""
    if run.n_scans != len(design.matrix):
        raise InputError(
            design.path,
            f"has {len(design.matrix)} rows for a run of {run.n_scans} scans",
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


def check_finite(run: Series, signal: FloatArray) -> None:
    """The mean over the mask of each volume, (n,), is finite, and so is each of its voxels."""
    if not np.isfinite(signal).all():
        scan = int(np.flatnonzero(~np.isfinite(signal))[0])
        raise InputError(
            run.file_of(scan),
            f"volume {scan + 1} holds values in the mask that are not finite",
            expected="finite values; NaN only where every volume of the run has it, as background",
            remedy="restore the volume",
        )


def check_fitted(bold: Path, fitted: RunEstimates, scaling: baseline.Scaling) -> None:
    """Some voxel changes over time, and most have a mean to be scaled by; the log counts the missing."""
    n_voxels = fitted.tsnr.size
    if fitted.n_missing == n_voxels:
        raise InputError(
            bold,
            "no voxel of the mask changes over time",
            expected="a signal that changes over time",
            remedy="look at the run and at the mask",
        )
    logging.info("%d of %d voxels fitted", n_voxels - fitted.n_missing, n_voxels)
    if fitted.n_missing:
        logging.warning(
            "%d of %d voxels of the mask are missing in this run, of which %d never change over time",
            *(fitted.n_missing, n_voxels, fitted.n_constant),
        )
    if scaling != "none" and fitted.centred > 0.5:
        raise baseline.missing(
            bold, f"in {fitted.centred:.0%} of the voxels of the mask, the mean over time is"
        )
