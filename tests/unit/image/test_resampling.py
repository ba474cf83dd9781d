"""The resampling kernel against scipy.ndimage."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.ndimage import affine_transform, map_coordinates
from scipy.spatial.transform import Rotation

from firstlevel.image import alignment, resampling
from firstlevel.stage import SCRIPTS

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


@pytest.mark.parametrize("length", [1, 7, 8, 9, 63, 64, 65, 72, 127, 129, 200])
def test_rows_of_any_length_are_resampled(length):
    """Points are computed in pieces and vectors, which rows neither fill nor begin with."""
    long = (850 * np.random.default_rng(1).random((140, 5, 6))).astype(np.float32)
    matrix = mapping((3, -2, 9), (-7.3, 1.2, 0.9))
    shape = (length, 6, 5)
    expected = affine_transform(
        long.astype(np.float64), matrix[:3, :3], matrix[:3, 3], output_shape=shape, order=3
    )
    ours = resampling.resample(np.ascontiguousarray(long.T), matrix, shape).T
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


def points(matrix, shape):
    """Where each voxel of a grid lies in the source, (3, nx, ny, nz)."""
    return (
        np.einsum("ab,b...->a...", matrix[:3, :3], np.indices(shape).astype(float))
        + matrix[:3, 3, None, None, None]
    )


def clamped(volume, matrix, shape):
    """The spline at each point, those outside moved onto the rim."""
    at = points(matrix, shape)
    at = np.clip(at, 0, np.array(volume.shape)[:, None, None, None] - 1)
    return map_coordinates(volume.astype(np.float64), at, order=3, mode="mirror")


@pytest.mark.parametrize("seed", range(20))
def test_displacement_is_that_of_the_voxel_that_moves_farthest(seed):
    """Of all voxels, one by one."""
    rng, shape = np.random.default_rng(seed), (7, 1, 5)
    matrix = mapping(rng.normal(0, 2, 3), rng.normal(0, 1, 3), rng.uniform(0.8, 1.2, 3))
    farthest = np.abs(points(matrix, shape) - np.indices(shape)).max()
    assert alignment.displacement(matrix, shape) == pytest.approx(farthest, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (mapping((0, 0, 0), (0, 0, 0)), True),
        (mapping((0, 0, 0), (0.0099, -0.0099, 0.0099)), True),
        (mapping((0, 0, 0), (0, 0.0101, 0)), False),
        (mapping((0.02, 0, 0), (0, 0, 0)), True),
        (mapping((0.04, 0, 0), (0, 0, 0)), False),
        (mapping((0, 0, 0), (-0.0018, 0, 0), (3.992 / 3.990, 1, 1)), True),
        (mapping((0, 0, 0), (0, 0, 0), (1.002, 1, 1)), False),
    ],
)
def test_grids_are_the_same_below_a_hundredth_of_a_voxel(change, same):
    """Shifts, turns and zooms, of the whole or of the far corner; of another shape they never are."""
    affine, shape = mapping((5, -3, 8), (-90, -120, -70), (3, 3, 4)), (16, 18, 16)
    assert alignment.same_grid(shape, affine, shape, affine @ change) == same
    assert not alignment.same_grid(shape, affine, (16, 18, 15), affine @ change)


NEAR = {
    "shifted": mapping((0, 0, 0), (0.009, -0.009, 0.005)),
    "zoomed": mapping((0, 0, 0), (-0.004, 0, -0.004), (1.0005, 1, 1.001)),
    "turned": mapping((0.02, -0.01, 0.02), (0.002, -0.001, 0)),
    "whole slices and a little": mapping((0, 0, 0), (-1, 0, 3.0009)),
    "a little before the first": mapping((0, 0, 0), (-0.0009, 2, 0)),
    "flipped and a little": mapping((0, 0, 0), (16.0009, 0, 0), (-1.0, 1.0, 1.0)),
    "axes exchanged": mapping((0, 0, 0), (-0.0005, 0, 0))[[1, 0, 2, 3]],
}


@pytest.mark.parametrize("name", NEAR)
def test_rim_of_grids_that_differ_by_rounding_takes_the_values_at_the_rim(volume, name):
    """A face less than rounding outside is no face outside: against scipy at points moved onto the rim."""
    matrix, shape = NEAR[name], volume.shape
    ours = resampling.resample(np.ascontiguousarray(volume.T), matrix, shape).T
    at, far = points(matrix, shape), np.array(volume.shape)[:, None, None, None] - 1
    inside = ((at > -0.02) & (at < far + 0.02)).all(axis=0)
    lost = inside & ~((at >= 0) & (at <= far)).all(axis=0)
    assert lost.sum() > 60
    expected = np.where(inside, clamped(volume, matrix, shape), 0)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=SINGLE_PRECISION)
    covered = np.ones(shape[::-1], np.uint8)
    assert resampling.count_outside(matrix, shape, volume.shape, covered) == (~inside).sum()
    np.testing.assert_array_equal(covered.T, inside)


@pytest.mark.parametrize("shift", [(0, 0, -0.0011), (0, 0.0015, 0), (3.002, 0, 0)])
def test_rim_that_lies_farther_outside_stays_zero(volume, shift):
    """Where grids are not the same, a face is on the rim within a thousandth of a voxel."""
    matrix, shape = mapping((0, 0, 0), shift), (16, 13, 9)
    expected = affine_transform(
        volume.astype(np.float64), matrix[:3, :3], matrix[:3, 3], output_shape=shape, order=3
    )
    assert (expected == 0).any()
    ours = resampling.resample(np.ascontiguousarray(volume.T), matrix, shape).T
    np.testing.assert_array_equal(ours == 0, expected == 0)


THIN = {
    "in its plane": mapping((0, 0, 12), (1.3, -0.7, 0)),
    "out of it by less than half": mapping((0, 0, 0), (0.4, 0, 0.45)),
    "out of it by more than half": mapping((0, 0, 0), (0.4, 0, 0.6)),
    "tilted": mapping((6, 0, 0), (0.4, 0.2, -0.3)),
}


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("name", THIN)
def test_axis_of_one_voxel_is_not_interpolated(volume, name, axis):
    """A slice is a two-dimensional spline for whatever lies within half a voxel of it, and 0 beyond."""
    order = [(2, 0, 1), (0, 2, 1), (0, 1, 2)][axis]
    plane = volume[:, :, 4]
    matrix, slab = THIN[name], np.zeros((17, 13, 3))
    at = points(matrix, slab.shape)
    inside = (np.abs(at[2]) <= 0.5) & (at[:2] >= 0).all(axis=0) & (at[0] <= 16) & (at[1] <= 12)
    flat = map_coordinates(plane.astype(np.float64), at[:2], order=3, mode="mirror")
    expected = np.where(inside, flat, 0).transpose(order)
    turn = np.eye(4)[[*order, 3]]
    turned, shape = turn @ matrix @ turn.T, expected.shape
    source = np.ascontiguousarray(plane[:, :, None].transpose(order).T)
    ours = resampling.resample(source, turned, shape).T
    np.testing.assert_allclose(ours, expected, rtol=0, atol=SINGLE_PRECISION)
    covered = np.ones(shape[::-1], np.uint8)
    assert resampling.count_outside(turned, shape, source.shape[::-1], covered) == (~inside).sum()
    np.testing.assert_array_equal(covered.T, inside.transpose(order))
    np.testing.assert_array_equal(
        resampling.carried_coverage(np.ones(source.shape, np.uint8), turned, shape).T, inside.transpose(order)
    )


def test_voxel_map_goes_through_millimetres():
    """A voxel of the target and the voxel it maps to lie at the same place."""
    affine, target = mapping((5, 0, 0), (1, 2, 3), (3, 3, 4)), mapping((0, 8, 0), (0, 1, 0), (2, 2, 2))
    at = np.array([3.0, 1.0, 2.0, 1.0])
    np.testing.assert_allclose(
        affine @ alignment.voxel_map(affine, target) @ at, target @ at, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("seed", range(20))
def test_affines_are_equal_where_numpy_says_so(seed):
    """On both sides of the tolerance, relative and absolute, of either affine."""
    rng = np.random.default_rng(seed)
    affine = mapping(rng.normal(0, 5, 3), rng.normal(0, 90, 3), (3, 3, 4))
    other = affine.copy()
    row, column = rng.integers(0, 3), rng.integers(0, 4)
    allowed = 1e-8 + 1e-5 * abs(affine[row, column])
    other[row, column] += allowed * rng.choice([-1, 1]) * (1 + rng.choice([-3e-6, 3e-6]))
    for a, b in ((affine, other), (other, affine), (affine, np.full((4, 4), np.nan)), (affine, affine)):
        assert alignment.equal_affines(a, b) == np.allclose(a, b, rtol=1e-5, atol=1e-8)


def test_kernels_are_compiled_without_a_cache_where_none_can_be_written():
    """As in a read-only checkout of a user without a home, where numba raises an error."""
    code = (
        "from numba.core import caching; caching.CacheImpl._locator_classes = []\n"
        "import numpy as np; from firstlevel import compiled; from firstlevel.image import resampling\n"
        "assert not compiled.IS_CACHED\n"
        "volume = np.arange(60, dtype=np.float32).reshape(3, 4, 5)\n"
        "assert np.allclose(resampling.resample(volume, np.eye(4), (5, 4, 3)), volume, atol=1e-3)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS, check=True)
