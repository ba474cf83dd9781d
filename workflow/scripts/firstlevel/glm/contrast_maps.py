"""The files of a contrast: estimates of its runs in, maps of the test out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from firstlevel.arrays import BoolArray, FloatArray
from firstlevel.glm import fit as glm
from firstlevel.glm import noise_table
from firstlevel.glm.arma_contrasts import ArmaFit
from firstlevel.glm.contrast_options import ContrastOptions
from firstlevel.glm.contrasts import RunFit, Statistic, over_runs
from firstlevel.glm.mixture import Weighted
from firstlevel.io import image_writer, masked
from firstlevel.stage import InputError


class Maps(NamedTuple):
    """Paths of the maps of a contrast; `n_runs` is the number of runs that each voxel is tested over."""

    effect: Path
    variance: Path
    stat: Path
    p: Path
    z: Path
    n_runs: Path

    def write(self, tested: Statistic, inside: BoolArray, affine: FloatArray) -> None:
        """Write what was tested at the voxels `inside` the mask; one row of effects is a 3D image."""
        effect, variance = (
            values[0] if values.shape[:-1] == (1,) else values for values in (tested.effect, tested.variance)
        )
        single = (
            (self.effect, effect),
            (self.variance, variance),
            (self.stat, tested.stat),
            (self.z, tested.z),
        )
        for path, values in single:
            image_writer.write_masked(path, values, inside, affine)
        # single precision ends at 1e-45, where p of a strong effect has not; outside of the mask p is 1
        image_writer.write_masked(self.p, tested.p, inside, affine, np.float64, outside=1.0)
        image_writer.write_masked(self.n_runs, tested.n_runs.astype(np.uint8), inside, affine, np.uint8)


class Fit(NamedTuple):
    """Paths of what a contrast needs of the fit of a run, and of noise that is learnt, and of ARMA noise."""

    beta: Path
    sigma2: Path
    ar1: Path
    posterior: Path | None = None
    processes: Path | None = None
    arma: Path | None = None

    def read(self, design: glm.Design, inside: BoolArray) -> RunFit:
        """Read it at the voxels `inside` the mask."""
        betas, variances, coefficients = (masked.read_masked(path, inside) for path in self[:3])
        estimates = glm.Estimates(betas, variances, coefficients, rsquared=np.empty(0))
        if self.arma is None:
            return RunFit(design, estimates)
        return ArmaFit(design, estimates, masked.read_masked(self.arma, inside))


def test(
    fits: Sequence[Fit],
    designs: Sequence[glm.Design],
    vectors: Sequence[FloatArray],
    options: ContrastOptions,
    inside: BoolArray,
) -> Statistic:
    """Test a contrast over runs, of whose columns `vectors` are the weights, at the voxels `inside` the mask.

    Raises
    ------
    InputError : for the approximate F of noise that was learnt.
    """
    runs = [fit.read(design, inside) for fit, design in zip(fits, designs, strict=True)]
    asked = vectors, options.test, options.weights, options.coverage
    learnt = [(fit.posterior, fit.processes) for fit in fits if fit.posterior and fit.processes]
    if not learnt:
        return over_runs(runs, *asked)
    if options.test == "approximate":
        raise InputError(
            "config key fixed_effects.f_test",
            "the approximate F takes the noise for known, which is learnt here",
            expected="exact",
            remedy="set fixed_effects.f_test: exact",
        )
    from firstlevel.glm import learnt_contrasts  # with the scipy.linalg that other noise needs not

    of_learnt = []
    for run, (posterior, processes) in zip(runs, learnt, strict=True):
        mixture, saved = noise_table.read_with_posterior(processes, posterior, inside)
        weighted = Weighted.of(mixture, run.design.factors.basis)
        of_learnt.append(learnt_contrasts.LearntFit(run.design, run.estimates, weighted, saved))
    return learnt_contrasts.over_runs(of_learnt, *asked)
