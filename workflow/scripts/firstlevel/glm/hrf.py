"""The haemodynamic response, a difference of two gamma densities of unit area, and its integral.

Arrays only, numpy only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from firstlevel.arrays import FloatArray

LENGTH = 32.0
"""s, length of the response in SPM and nilearn, which is cut off there."""


@dataclass(frozen=True)
class Response:
    """Gamma densities of shape delay / dispersion and scale dispersion (s), the second one subtracted."""

    delay: float = 6.0
    undershoot: float = 16.0
    dispersion: float = 1.0
    undershoot_dispersion: float = 1.0
    ratio: float = 0.167

    def density(self, times: FloatArray) -> FloatArray:
        """Height at times after onset (s), before it is scaled to unit area; 0 up to onset."""
        peak = _gamma_density(times, self.delay / self.dispersion, self.dispersion)
        trough = self.undershoot / self.undershoot_dispersion
        return peak - self.ratio * _gamma_density(times, trough, self.undershoot_dispersion)

    def integral(self, times: FloatArray) -> FloatArray:
        """Integral of `density` from onset to times after it (s)."""
        peak = _gamma_integral(self.delay / self.dispersion, times / self.dispersion)
        trough = self.undershoot / self.undershoot_dispersion
        return peak - self.ratio * _gamma_integral(trough, times / self.undershoot_dispersion)

    def height(self, times: FloatArray) -> FloatArray:
        """Response of unit area to an event of unit area, per s, at times after onset (s)."""
        heights = self.density(np.clip(times, 0.0, LENGTH)) / self._area
        return np.where(times <= LENGTH, heights, 0.0)

    def plateau(self, times: FloatArray) -> FloatArray:
        """Response to an event that lasts, at times after onset (s): rises from 0 to 1, where it stays."""
        return self.integral(np.clip(times, 0.0, LENGTH)) / self._area

    @property
    def _area(self) -> float:
        return float(self.integral(np.array([LENGTH]))[0])


def _gamma_density(times: FloatArray, shape: float, scale: float) -> FloatArray:
    """Gamma density at times (s); 0 up to time 0."""
    after = times > 0
    scaled = np.where(after, times, 1.0) / scale
    density = np.exp((shape - 1.0) * np.log(scaled) - scaled - math.lgamma(shape)) / scale
    return np.where(after, density, 0.0)


def _gamma_integral(shape: float, values: FloatArray) -> FloatArray:
    """Regularised lower incomplete gamma function P(shape, x) at values x >= 0.

    Notes
    -----
    P(a, x) = x^a e^-x / Gamma(a + 1) (1 + x / (a + 1) (1 + x / (a + 2) (1 + ...))), all of one sign
    (Abramowitz and Stegun 6.5.29). scipy.special, which has it, takes 0.3 s to import.
    """
    x = np.maximum(values, 0.0)
    series = np.ones_like(x)
    for k in range(_terms_needed(shape, float(x.max(initial=0.0))), 0, -1):
        series *= x / (shape + k)
        series += 1.0
    positive = np.where(x > 0, x, 1.0)
    scale = np.exp(shape * np.log(positive) - positive - math.lgamma(shape + 1.0))
    return np.where(x > 0, scale * series, 0.0)


def _terms_needed(shape: float, largest: float) -> int:
    """Terms of the series after which what is left is below rounding."""
    term, count = 1.0, 0
    while term > 1e-18:
        count += 1
        term *= largest / (shape + count)
    return count
