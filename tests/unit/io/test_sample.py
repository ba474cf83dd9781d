"""The voxels whose series are kept of every run."""

import numpy as np
import pytest

from firstlevel.io import sample


@pytest.mark.parametrize("shape", [(100, 100, 60), (80, 80, 60), (60, 60, 50), (64, 64, 32), (30, 1, 100)])
def test_sample_of_a_box_is_of_all_its_planes(shape):
    """Voxels are in the order of an image, x fastest; some steps are multiples of the length of a row."""
    places = np.nonzero(np.ones(shape, dtype=bool).T)
    taken = sample.positions(np.ones(shape, dtype=bool))
    assert sample.N_VOXELS - 16 < taken.size <= sample.N_VOXELS
    assert (np.diff(taken) > 0).all()
    for along, n_planes in zip(places, shape[::-1], strict=True):
        assert 2 * np.unique(along[taken]).size >= n_planes


def test_sample_of_other_masks_is_evenly_spaced():
    """All of a few voxels; of a brain, as many as are asked for."""
    x, y, z = np.mgrid[-1:1:40j, -1:1:48j, -1:1:40j]
    brain = x**2 + y**2 + z**2 < 1
    n_voxels = int(brain.sum())
    np.testing.assert_array_equal(sample.positions(brain), np.arange(3000) * n_voxels // 3000)
    np.testing.assert_array_equal(
        sample.positions(brain[:20, :12, :12]), np.arange(brain[:20, :12, :12].sum())
    )
    assert sample.positions(np.zeros((3, 3, 3), dtype=bool)).size == 0
