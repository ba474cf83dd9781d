"""Fits with ARMA(1,1) noise as contrasts take them. Knows arrays only; symbols as in the module of these."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from firstlevel.arrays import FloatArray
from firstlevel.glm import arma
from firstlevel.glm.contrasts import RunFit

STEPS = 100
"""More than values of b, in whole steps of the grid."""


@dataclass(frozen=True)
class ArmaFit(RunFit):
    """One run: its design and estimates, and the coefficients a and b of the noise, (2, v)."""

    pairs: FloatArray

    @cached_property
    def _search(self) -> arma.Search:
        return arma.Search(self.design.factors.basis)

    @cached_property
    def _kinds(self) -> FloatArray:
        a, b = np.rint(self.pairs * arma.DIVISIONS / arma.LARGEST)
        return np.asarray(STEPS * a + (b + arma.DIVISIONS), dtype=np.float64)

    @property
    def kinds(self) -> FloatArray:
        """Number of the pair of a and b of each voxel, (v,)."""
        return self._kinds

    def covariance(self, kind: float) -> FloatArray:
        """Covariance of the betas, (p, p), with the noise of this pair, where sigma is 1."""
        a, b = divmod(round(kind), STEPS)
        transform = self.design.factors.transform
        unscaled: FloatArray = (
            transform @ self._search.whitened((a, b - arma.DIVISIONS)).inverse @ transform.T
        )
        return unscaled
