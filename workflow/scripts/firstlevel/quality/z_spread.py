"""Centre and width of the z values of a map. Arrays only."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from firstlevel.arrays import FloatArray

QUARTILE = NormalDist().inv_cdf(0.75)
"""Median absolute deviation of the normal distribution; of the standard library, with scipy's last bit."""


def centre_and_width(z: FloatArray) -> tuple[float, float] | None:
    """Median and robust standard deviation of z, 1.4826 times the median absolute deviation.

    0 and 1 for noise alone. Voxels that were not tested, with z of 0 or no number, do not count; None of no
    voxel.
    """
    tested = z[(z != 0) & ~np.isnan(z)]
    if not tested.size:
        return None
    median = float(np.median(tested))
    return median, float(np.median(np.abs(tested - median)) / QUARTILE)
