"""Centre and width of the z values of a map. Arrays only."""

from __future__ import annotations

import numpy as np
from scipy import special

from firstlevel.arrays import FloatArray


def centre_and_width(z: FloatArray) -> tuple[float, float] | None:
    """Median and robust standard deviation of z, 1.4826 times the median absolute deviation.

    0 and 1 for noise alone. Voxels that were not tested, with z of 0 or no number, do not count; None of no
    voxel.
    """
    tested = z[(z != 0) & ~np.isnan(z)]
    if not tested.size:
        return None
    median = float(np.median(tested))
    return median, float(np.median(np.abs(tested - median)) / special.ndtri(0.75))
