"""What is measured of a run and its fit: each volume, and the content of the sidecar of quality. No files.

Measured of each volume: displacement and rotation against the run's first volume (of the voxel of the mask
that moves farthest), framewise displacement (Power et al. 2012), global signal, and DVARS in percent of the
mean; of the run: coverage, tSNR, R2, and the whiteness of the residuals of a sample of voxels, before and
after whitening.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import BoolArray, Float32Array, FloatArray
from firstlevel.glm.fit import Estimates
from firstlevel.glm.learnt import LearntNoise
from firstlevel.glm.run_sums import RunSums
from firstlevel.image.motion import Motion
from firstlevel.io.designs import Design
from firstlevel.io.grids import Grid
from firstlevel.quality import head_motion, residuals, volumes
from firstlevel.quality.temporal import dvars_scores
from firstlevel.quality.volumes import Volumes
from firstlevel.quality.whitening import ByCoefficient, ByPair, ByProcess, Whitening


@dataclass(frozen=True)
class Fitted:
    """What the fit of a run has left: n scans, p regressors, v voxels of the mask, k of them a sample.

    Attributes
    ----------
    sampled : (k,), places of the sample's voxels among those of the mask.
    series : (n, k), data of the sample.
    beta : (p, k), of the sample.
    whitening : how the sample was whitened.
    has : (v,), voxels that the run has: analysed, and not without noise.
    rsquared, tsnr : (v,), maps; 0 where the run has not the voxel, tsnr where what varies is rounding, too.
    has_zero : (v,), voxels that are 0 in some volume.
    signal, change : (n,), mean over the mask, and root mean square of the change from the volume before.
    noise_model : by its name.
    factor : from the data to what was fitted.
    """

    sampled: npt.NDArray[np.intp]
    series: Float32Array
    beta: FloatArray
    whitening: Whitening
    has: BoolArray
    rsquared: FloatArray
    tsnr: FloatArray
    has_zero: BoolArray
    signal: FloatArray
    change: FloatArray
    noise_model: str
    factor: residuals.Factor

    @classmethod
    def of(
        cls,
        maps: Estimates,
        tsnr: FloatArray,
        sampled: npt.NDArray[np.intp],
        series: Float32Array,
        sums: RunSums,
        noise_model: str,
        learnt: LearntNoise | None,
        pairs: FloatArray | None,
        factor: residuals.Factor,
    ) -> Fitted:
        """Take what a fit has at hand, as its files hold it: maps in single precision."""
        has = maps.sigma2 > 0
        beta, rho, rsquared, ratio = (
            values.astype(np.float32).astype(np.float64)
            for values in (maps.beta[:, sampled], maps.ar1, maps.rsquared, tsnr)
        )
        whitening: Whitening = ByCoefficient.of(rho, sampled, has)
        if learnt:
            whitening = ByProcess(learnt.mixture, learnt.posterior[:, sampled].argmax(axis=0))
        elif pairs is not None:
            whitening = ByPair(pairs[:, sampled], has[sampled])
        return cls(
            sampled, series, beta, whitening, has, rsquared, ratio, sums.has_zero, sums.signal, sums.change,
            noise_model, factor,
        )  # fmt: skip


def of_run(
    design: Design,
    fitted: Fitted,
    motion: Motion,
    outside: Sequence[int],
    mask: BoolArray,
    grid: Grid,
    covered: BoolArray,
    analysed: BoolArray,
    lags: int,
    smoothing_fwhm: float | None = None,
) -> tuple[Volumes, dict[str, Any]]:
    """Measures of each volume of a run, and those of the run; None where one is not known.

    Parameters
    ----------
    motion : what is known of the run's motion, and where it is from.
    outside : voxels of the grid that each volume does not cover.
    mask : on the `grid` of the run.
    covered : (v,), voxels that lie inside the field of view of all volumes.
    analysed : (v,), voxels that are fitted, whether covered or not.
    lags : of the test of the residuals.
    smoothing_fwhm : mm, of the data; None where they were not smoothed here.
    """
    matrix, kept = design.matrix, design.kept
    moved = head_motion.of_mask(motion, mask, grid, len(matrix))
    of_volumes = volumes.of_run(moved, outside, fitted.signal, fitted.change)
    whiteness = residuals.of_sample(
        fitted.series, matrix, fitted.beta, fitted.whitening, kept, lags, fitted.factor,
        fitted.has[fitted.sampled],
    )  # fmt: skip
    varies = fitted.tsnr != 0
    empty = ~covered | (fitted.has_zero & _are_intensities(fitted.signal))
    median, deviation, _ = dvars_scores(of_volumes.dvars, kept)
    return of_volumes, {
        "NumberOfVolumes": len(kept),
        "CensoredVolumes": int((~kept).sum()),
        "NumberOfVoxels": len(varies),
        "ConstantVoxels": int((analysed & ~varies).sum()),
        "OutsideFieldOfView": float(1 - covered.mean()),
        "FilledWithZeros": float((empty & analysed).mean()),
        "SmoothingFwhm": smoothing_fwhm,
        "MedianTsnr": _quantile(fitted.tsnr[varies], 0.5),
        "RSquared": {
            "Median": _quantile(fitted.rsquared[varies], 0.5),
            "Q95": _quantile(fitted.rsquared[varies], 0.95),
        },
        "MotionSource": motion.source,
        "MotionFrom": motion.origin,
        "Displacement": _mean_and_largest(of_volumes.displacement),
        "FramewiseDisplacement": _mean_and_largest(of_volumes.framewise_displacement),
        "Rotation": _mean_and_largest(of_volumes.rotation),
        "Dvars": {**_mean_and_largest(of_volumes.dvars), "Median": median, "RobustDeviation": deviation},
        "Residuals": residuals.content(whiteness, matrix, fitted.whitening, kept, lags, fitted.noise_model),
    }


def _are_intensities(signal: FloatArray) -> bool:
    """Whether 0 means no data: the mean over the mask (n,) is above 0 in every volume.

    Of data about a mean of 0, such as residuals, 0 is a value like any other.
    """
    return bool((signal > 0).all())


def _mean_and_largest(values: FloatArray) -> dict[str, float | None]:
    """Of the values that are finite."""
    finite = values[np.isfinite(values)]
    return {
        "Mean": float(finite.mean()) if finite.size else None,
        "Largest": float(finite.max()) if finite.size else None,
    }


def _quantile(values: FloatArray, share: float) -> float | None:
    """Value below which a share of all lies; None of none."""
    return float(np.quantile(values, share)) if values.size else None
