"""Fits with ARMA(1,1) noise as contrasts take them. Knows arrays only; symbols as in the module of these."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from firstlevel.arrays import FloatArray
from firstlevel.glm import arma, arma_process
from firstlevel.glm.contrasts import RunFit


@dataclass(frozen=True)
class ArmaFit(RunFit):
    """One run: its design and estimates, and the coefficients a and b of the noise, (2, v)."""

    pairs: FloatArray

    @cached_property
    def _search(self) -> arma.Search:
        return arma.Search(self.design.factors.basis)

    @cached_property
    def _kinds(self) -> FloatArray:
        return arma_process.numbers(self.pairs).astype(np.float64)

    @property
    def kinds(self) -> FloatArray:
        """Number of the pair of a and b of each voxel, (v,)."""
        return self._kinds

    def covariance(self, kind: float) -> FloatArray:
        """Covariance of the betas, (p, p), with the noise of this pair, where sigma is 1."""
        transform = self.design.factors.transform
        unscaled: FloatArray = transform @ self._search.inverse(round(kind)) @ transform.T
        return unscaled
