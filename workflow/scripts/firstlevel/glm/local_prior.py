"""Shares of noise processes near each voxel, as its prior in a second fit. Knows arrays only.

With one prior for the whole brain p is right on average over all voxels, too small where noise is stronger
than usual and too large where it is weaker. Where noise of one kind lies together, neighbours tell.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from firstlevel.arrays import BoolArray, FloatArray

WIDTH = 1.5
"""Standard deviation of the Gaussian over which neighbours are averaged, in voxels."""
CUT = 3
"""Voxels to either side that it covers."""
N_TIMES = 3
"""Repetitions of prior and posterior; more change little."""
GLOBAL = 0.1
"""Share of the prior that is the same at all voxels: neighbours do not rule out what exists."""


def local_prior(posterior: FloatArray, inside: BoolArray, shares: FloatArray) -> FloatArray:
    """Prior of each voxel from the posteriors of its neighbours, its own left out, (G, v).

    Parameters
    ----------
    posterior : (G, v), of a fit with the `shares` as prior.
    inside : mask (x, y, z) of the v voxels, in the order of their posteriors; others do not count.
    shares : (G,), of the whole mask, above 0; the prior of a voxel without neighbours.

    Notes
    -----
    Expectation and maximisation with shares that are averages over neighbours: each posterior is made anew
    with the prior found so far, as the likelihood is the first posterior over its prior.
    """
    own = np.zeros([2 * CUT + 1] * 3)
    own[CUT, CUT, CUT] = 1.0
    at_itself = float(_smoothed(own)[CUT, CUT, CUT])
    neighbours = _smoothed(inside.astype(np.float64))[inside] - at_itself
    alone = neighbours < at_itself / 1000  # rounding
    everywhere = shares[:, np.newaxis]
    likelihood, volume = posterior / everywhere, np.zeros(inside.shape)
    for _ in range(N_TIMES):
        prior = np.empty_like(posterior)
        for g, of_process in enumerate(posterior):
            volume[inside] = of_process
            near = np.maximum(_smoothed(volume)[inside] - at_itself * of_process, 0.0)
            prior[g] = np.where(alone, shares[g], near / np.where(alone, 1.0, neighbours))
        prior = (1 - GLOBAL) * prior / prior.sum(axis=0) + GLOBAL * everywhere
        posterior = prior * likelihood
        posterior /= posterior.sum(axis=0)
    return prior


def _smoothed(volume: FloatArray) -> FloatArray:
    smooth: FloatArray = gaussian_filter(volume, WIDTH, mode="constant", radius=CUT)
    return smooth
