"""The resampling kernel against scipy.ndimage."""

import numpy as np
import pytest
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from firstlevel import resampling

SINGLE_PRECISION = 1e-3
"""Absolute, at values near 850: rounding of single-precision spline coefficients."""


@pytest.fixture(scope="module")
def volume():
    return (850 * np.random.default_rng(0).random((17, 13, 9))).astype(np.float32)


def mapping(angles, shift, zoom=(1.0, 1.0, 1.0)):
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * zoom
    matrix[:3, 3] = shift
    return matrix


MAPPINGS = {
    "identity": np.eye(4),
    "whole voxels": mapping((0, 0, 0), (2, -3, 1)),
    "to the very rim": mapping((0, 0, 0), (-1, 0, 0)),
    "half a voxel": mapping((0, 0, 0), (0.5, 0.5, 0.5)),
    "small motion": mapping((1.0, -0.7, 2.0), (0.3, -0.2, 0.9)),
    "large rotation": mapping((30, 45, -60), (6, 2, 3)),
    "zoom": mapping((3, 2, 1), (0.1, 0.2, 0.3), (0.6, 1.4, 0.9)),
    "flip": mapping((0, 0, 0), (16, 0, 0), (-1.0, 1.0, 1.0)),
    "nowhere near": mapping((0, 0, 0), (100, 0, 0)),
}


@pytest.mark.parametrize("shape", [(17, 13, 9), (11, 20, 7)])
@pytest.mark.parametrize("name", MAPPINGS)
def test_resample_matches_scipy(volume, name, shape):
    """Every voxel, at the rim and outside too, equals affine_transform of order 3."""
    matrix = MAPPINGS[name]
    expected = affine_transform(
        volume.astype(np.float64), matrix[:3, :3], matrix[:3, 3], output_shape=shape, order=3
    )
    ours = resampling.resample(np.ascontiguousarray(volume.T), matrix, shape).T
    np.testing.assert_allclose(ours, expected, rtol=0, atol=SINGLE_PRECISION)
    np.testing.assert_array_equal(ours == 0, expected == 0)


def test_thinnest_volume_is_resampled(volume):
    """Two slices are enough."""
    thin, matrix = volume[:, :, :2], mapping((0, 0, 4), (0.2, 0.1, 0.4))
    expected = affine_transform(thin.astype(np.float64), matrix[:3, :3], matrix[:3, 3], order=3)
    ours = resampling.resample(np.ascontiguousarray(thin.T), matrix, thin.shape).T
    np.testing.assert_allclose(ours, expected, rtol=0, atol=SINGLE_PRECISION)


@pytest.mark.parametrize("name", MAPPINGS)
def test_count_outside_matches_scipy(name):
    """Voxels that read from outside of the source are those where scipy fills in."""
    matrix, source, shape = MAPPINGS[name], (17, 13, 9), (11, 20, 7)
    filled = affine_transform(
        np.zeros(source), matrix[:3, :3], matrix[:3, 3], output_shape=shape, order=1, cval=1.0
    )
    covered = np.ones(shape[::-1], dtype=np.uint8)
    covered[0] = 0
    assert resampling.count_outside(matrix, shape, source, covered) == int((filled == 1.0).sum())
    expected = filled != 1.0
    expected[:, :, 0] = False
    np.testing.assert_array_equal(covered.T, expected)
    assert resampling.count_outside(matrix, shape, source) == int((filled == 1.0).sum())


def test_same_grid_asks_for_shape_and_affine():
    """Affines within rounding are the same grid, another shape or a hundredth of a millimetre is not."""
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    shifted = affine.copy()
    shifted[0, 3] += 0.01
    assert resampling.same_grid((2, 3, 4), affine, (2, 3, 4), affine * (1 + 1e-7))
    assert not resampling.same_grid((2, 3, 4), affine, (2, 3, 5), affine)
    assert not resampling.same_grid((2, 3, 4), affine, (2, 3, 4), shifted)


def test_voxel_map_goes_through_millimetres():
    """A voxel of the target and the voxel it maps to lie at the same place."""
    affine, target = mapping((5, 0, 0), (1, 2, 3), (3, 3, 4)), mapping((0, 8, 0), (0, 1, 0), (2, 2, 2))
    at = np.array([3.0, 1.0, 2.0, 1.0])
    np.testing.assert_allclose(
        affine @ resampling.voxel_map(affine, target) @ at, target @ at, rtol=1e-12, atol=1e-12
    )
