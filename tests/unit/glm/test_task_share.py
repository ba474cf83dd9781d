"""The share of the task against two fits of whitened data, one without the task."""

import numpy as np
import pytest

from firstlevel.glm import fit as glm
from firstlevel.glm.task_share import partial_rsquared

N_SCANS, N_VOXELS = 60, 12
SAME = 1e-9
"""Least squares by two ways, in double precision."""


def residual_squares(design, series):
    return np.sum((series - design @ np.linalg.lstsq(design, series, rcond=None)[0]) ** 2)


def example(kind):
    rng = np.random.default_rng(7)
    design = rng.standard_normal((N_SCANS, 6))
    design[:, 5] = 1.0
    if kind == "dependent":  # a condition that confounds tell, a confound twice
        design[:, 1] = design[:, 2] - design[:, 3]
        design[:, 4] = 3 * design[:, 3]
    data = (
        50 + np.cumsum(rng.standard_normal((N_SCANS, N_VOXELS)), axis=0) + design[:, :1] * np.arange(N_VOXELS)
    )
    return design, data


@pytest.mark.parametrize("noise_model", ["ols", "ar1", "ar1_corrected"])
@pytest.mark.parametrize("kind", ["of full rank", "dependent"])
def test_share_is_one_less_the_ratio_of_two_fits(kind, noise_model):
    """Each voxel whitened with its own coefficient; units of the columns do not matter."""
    design, data = example(kind)
    model = glm.Design.of(design * [1, 1e6, 1, 1e-4, 1, 1])
    maps = glm.fit(data, model, noise_model)
    share = partial_rsquared(model, maps, [2, 3, 4, 5])
    for voxel in range(N_VOXELS):
        rho = maps.ar1[voxel]
        series, columns = glm.whiten(data[:, voxel], rho), glm.whiten(design, rho)
        expected = 1 - residual_squares(columns, series) / residual_squares(columns[:, 2:], series)
        np.testing.assert_allclose(share[voxel], expected, rtol=0, atol=SAME)


def test_without_other_columns_it_is_the_share_of_all_squares():
    """Nothing to leave out: what is explained of the sum of squares; nothing where a voxel is constant."""
    design, data = example("of full rank")
    data[:, 0] = 0.0
    model = glm.Design.of(design)
    share = partial_rsquared(model, glm.fit(data, model, "ols"), [])
    assert share[0] == 0
    for voxel in range(1, N_VOXELS):
        expected = 1 - residual_squares(design, data[:, voxel]) / np.sum(data[:, voxel] ** 2)
        np.testing.assert_allclose(share[voxel], expected, rtol=0, atol=SAME)


def test_task_that_follows_from_confounds_explains_nothing():
    """All of it is theirs."""
    design, data = example("of full rank")
    design[:, 0], design[:, 1] = design[:, 2], design[:, 3] + design[:, 5]
    model = glm.Design.of(design)
    share = partial_rsquared(model, glm.fit(data, model, "ar1"), [2, 3, 4, 5])
    assert share.max() < SAME
