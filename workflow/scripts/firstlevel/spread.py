"""Even samples of the voxels of a mask that do not lie in few of its planes. Knows arrays only.

Every so many voxels of a mask that is a box may all be in one plane, at the edge of the image, say, where a
step is a multiple of the length of an axis. In other masks rows differ in length, and no step does that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.intp]
N_TRIED = 16
"""Samples that are tried: one of so many steps has no factor in common with the length of an axis."""


def first_spread(samples: Iterable[Positions], places: Sequence[Positions]) -> Positions:
    """First of the `samples` that is in half of the planes of each axis; the very first where none is.

    Parameters
    ----------
    samples : positions among the voxels, the best ones first.
    places : coordinates (V,) of the voxels along each axis.
    """
    tried = []
    for sample in samples:
        if all(_is_spread(along, sample) for along in places):
            return sample
        tried.append(sample)
    return tried[0]


def _is_spread(along: Positions, sample: Positions) -> bool:
    return 2 * _n_planes(along[sample]) >= min(_n_planes(along), sample.size)


def _n_planes(along: Positions) -> int:
    return int(np.count_nonzero(np.bincount(along)))
