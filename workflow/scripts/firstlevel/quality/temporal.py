"""How much a run changes from volume to volume. Arrays only; n scans."""

from __future__ import annotations

import numpy as np
from scipy import special

from firstlevel.arrays import BoolArray, FloatArray

LEAST_OF_MEDIAN, LEAST_DEVIATION = 0.03, 0.1
"""Of the DVARS' median, and percent: the deviation that DVARS are held against is not smaller."""


def dvars_in_percent(signal: FloatArray, change: FloatArray) -> FloatArray:
    """DVARS of each volume in percent of the run's mean, (n,); NaN for the first, and of a mean not above 0.

    Parameters
    ----------
    signal, change : (n,), mean over the mask, and root mean square of the change from the volume before.
    """
    mean = float(signal.mean())
    dvars: FloatArray = 100 / mean * change if mean > 0 else np.full(len(signal), np.nan)
    dvars[0] = np.nan
    return dvars


def dvars_scores(dvars: FloatArray, kept: BoolArray) -> tuple[float | None, float | None, FloatArray]:
    """Median of a run's DVARS, its robust deviation, and how many of these each volume lies above the median.

    Parameters
    ----------
    dvars : (n,), percent of the mean; NaN where there is none, as for the first volume.
    kept : (n,), volumes that are not censored. A volume that is, or that follows one that is, does not count.

    Returns
    -------
    Median and deviation (percent), None where nothing is known; the scores (n,), NaN of what does not count.

    Notes
    -----
    The deviation is 1.4826 times the median absolute deviation, and at least 3 % of the median and 0.1 %:
    the DVARS of many voxels of independent noise hardly varies, and any change of the signal would stand out.
    A volume that is 10 % too bright raises the DVARS of two from sqrt(2) s to sqrt(2 s^2 + 100), s the noise
    in percent: with s = 10, by 22 %, or 7 such deviations.
    """
    counts = kept & np.append(True, kept[:-1]) & np.isfinite(dvars)
    if not counts.any():
        return None, None, np.full(len(dvars), np.nan)
    median = float(np.median(dvars[counts]))
    spread = float(np.median(np.abs(dvars[counts] - median)) / special.ndtri(0.75))
    deviation = max(spread, LEAST_OF_MEDIAN * median, LEAST_DEVIATION)
    return median, deviation, np.where(counts, (dvars - median) / deviation, np.nan)
