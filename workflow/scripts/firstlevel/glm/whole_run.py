"""Fit a run from its images: one reading, whatever the noise model and the scaling of the signal."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from firstlevel.arrays import BoolArray, FloatArray
from firstlevel.glm import baseline, fit_checks, learnt, noise, run_sums, stream
from firstlevel.glm import fit as glm
from firstlevel.glm.masked_scans import MaskedScans
from firstlevel.io import masked
from firstlevel.io.scratch import Scratch


@dataclass(frozen=True)
class WholeRun:
    """What the fit of a run gives.

    Attributes
    ----------
    sums : over time, of which the betas have taken the memory.
    estimates : of all voxels, before they are scaled.
    maps : of all voxels, scaled.
    learnt : the noise, where it was learnt.
    pairs : (2, v), coefficients of ARMA(1,1) noise, where it is.
    grand_mean : what became 100, in units of the images; None where each voxel has its own.
    """

    sums: run_sums.RunSums
    estimates: stream.RunEstimates
    maps: glm.Estimates
    learnt: learnt.LearntNoise | None
    pairs: FloatArray | None
    grand_mean: float | None


def fit(
    scans: MaskedScans,
    design: glm.Design,
    counted: BoolArray,
    analysed: BoolArray,
    noise_model: str,
    scaling: baseline.Scaling,
    beside: Path,
) -> WholeRun:
    """Fit a run, and fill what `scans` keep of it.

    Parameters
    ----------
    counted : (n,), scans that are not censored.
    analysed : (v,), voxels of the mask that are.
    beside : a file in whose folder series may lie meanwhile: those of noise that is learnt.

    Raises
    ------
    InputError : where the data are not finite, or nothing changes over time.
    """
    in_percent, kind, place = scaling == "voxel", noise.MODELS[noise_model], scans.run.files[0]
    scratch = Scratch.beside(beside, scans.run.n_scans, analysed.size)
    with scratch if kind.needs_series else contextlib.nullcontext() as kept:
        read = kept.kept(scans.read()) if kept else scans.read()
        sums = run_sums.RunSums.of(read, design.factors.basis, counted, analysed.size)
        fit_checks.check_finite(scans.run, sums.signal)
        again, by_sums = (kept.again, "ols") if kept else (masked.again(scans.run, scans.inside), noise_model)
        found = stream.fit_run(sums, design, by_sums, analysed, again, in_percent=in_percent)
        fit_checks.check_fitted(place, found, scaling)
        of_noise, pairs = None, None
        if kept and kind.is_arma:
            pairs = learnt.fit_arma(sums, found, design, kept, in_percent=in_percent)
        elif kept:
            of_noise = learnt.fit_run(
                sums, found, design, noise_model, kept, scans.inside.T, in_percent=in_percent
            )
    grand_mean = baseline.grand_mean(place, scaling, found.mean, scans.spm_globals)
    # the fit is linear in the data, so that its results can be scaled in their place
    maps = found.maps if grand_mean is None else stream.scaled_by(found.maps, 100.0 / grand_mean)
    return WholeRun(sums, found, maps, of_noise, pairs, grand_mean)
