"""The files of a contrast: estimates of its runs in, maps of the test out."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from firstlevel.arrays import BoolArray, FloatArray
from firstlevel.glm import fit as glm
from firstlevel.glm.contrasts import RunFit, Statistic
from firstlevel.io import image_writer, masked


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


def read_fit(design: glm.Design, beta: Path, sigma2: Path, ar1: Path, inside: BoolArray) -> RunFit:
    """Read of the fit of a run what a contrast needs, at the voxels `inside` the mask."""
    betas, variances, coefficients = (masked.read_masked(path, inside) for path in (beta, sigma2, ar1))
    return RunFit(design, glm.Estimates(betas, variances, coefficients, rsquared=np.empty(0)))
