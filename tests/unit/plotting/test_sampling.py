"""Cuts, grids and viewer against nilearn's, which drew them before; no picture loads it."""

import base64
import math
import zlib

import nibabel as nib
import numpy as np
import pytest
from blob_maps import CENTRE, OBLIQUE, PLAIN, SHAPE, distance
from nilearn.image import reorder_img, resample_img
from nilearn.signal import clean
from scipy import ndimage

from firstlevel.plotting import carpet, projection, sampling, sections, viewer

SINGLE = 1e-4  # of values near 100 in single precision
SHADES = 3  # of 255, one of the 1024 colours: nilearn takes the ends in double, and 0 as no value
FLIPPED = np.array([[0, -3.0, 0, 80], [0, 0, 4.0, -60], [5.0, 0, 0, 7], [0, 0, 0, 1]])  # axes are y, z, x


def volume(affine, shape=(14, 17, 11), seed=1):
    values = np.random.default_rng(seed).normal(100, 20, shape).astype(np.float32)
    return nib.Nifti1Image(values, affine)


@pytest.mark.parametrize("affine", [PLAIN, FLIPPED], ids=["plain", "turned"])
def test_ordered_axes_are_those_of_nilearn(affine):
    """The same voxels at the same places, with x, y and z ascending."""
    image = volume(affine)
    found, expected = sampling.ordered(image), reorder_img(image, copy_header=True)
    np.testing.assert_allclose(found.affine, expected.affine, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(found.get_fdata(), expected.get_fdata())


@pytest.mark.parametrize("linear", [False, True], ids=["nearest", "linear"])
@pytest.mark.parametrize("affine", [PLAIN, FLIPPED, OBLIQUE], ids=["plain", "turned", "oblique"])
def test_sampled_is_resampled_by_nilearn_within_the_image(affine, linear):
    """At all points that lie between centres of voxels; beyond by a voxel, nothing."""
    image = volume(affine)
    onto = nib.affines.from_matvec(np.diag([2.1, 1.7, 2.9]), affine[:3, 3] - [40.0, 35.0, 31.0])
    shape = (45, 61, 39)
    found = sampling.sampled(image, onto, shape, linear=linear).get_fdata()
    how = {"interpolation": "linear" if linear else "nearest", "force_resample": True, "copy_header": True}
    expected = resample_img(image, target_affine=onto, target_shape=shape, **how).get_fdata()
    places = nib.affines.apply_affine(np.linalg.inv(affine) @ onto, np.moveaxis(np.indices(shape), 0, -1))
    last = np.array(image.shape) - 1
    inside = np.all((places > 0.01) & (places < last - 0.01), axis=-1)
    halves = np.any(np.abs(places - np.floor(places) - 0.5) < 1e-3, axis=-1)  # either neighbour is nearest
    inside &= linear | ~halves
    assert inside.sum() > 500
    np.testing.assert_allclose(found[inside], expected[inside], rtol=0, atol=SINGLE)
    beyond = np.any((places < -1) | (places > last + 1), axis=-1)
    assert not found[beyond].any()


def test_a_voxel_reaches_half_way_to_the_next_at_the_rim_too():
    """Sampled on parts of its voxels a map keeps all of them, the outermost ones."""
    image = volume(np.diag([3.0, 3.0, 3.0, 1.0]), (4, 5, 3))
    onto = np.diag([1.0, 1.0, 1.0, 1.0])
    onto[:3, 3] = -1.0
    found = sampling.sampled(image, onto, (12, 15, 9), linear=False)
    expected = np.kron(np.asarray(image.dataobj), np.ones((3, 3, 3)))
    np.testing.assert_array_equal(found.get_fdata(), expected)


def blobs(seed):
    rng = np.random.default_rng(seed)
    values = ndimage.gaussian_filter(rng.normal(size=SHAPE), 1.5)
    affine = nib.affines.from_matvec(np.diag([3.0, 3.0, 4.0]), [-50.0, -70.0, -40.0])
    return nib.Nifti1Image((values / values.std()).astype(np.float32), affine)


def thresholded(image, threshold):
    values = image.get_fdata(dtype=np.float32)
    return sampling.like(image, np.where(np.abs(values) > threshold, values, 0))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("direction", "xyz")
@pytest.mark.parametrize("n_cuts", [1, 3, 6])
def test_cuts_go_through_the_highest_peaks_apart_from_each_other(seed, direction, n_cuts):
    """One after the other by brute force: the slice of the voxel that is highest with its neighbours."""
    image = blobs(seed)
    passing = thresholded(image, 2.5)
    strength = np.abs(passing.get_fdata())
    near = np.zeros((3, 3, 3))
    near[1, 1, :] = near[1, :, 1] = near[:, 1, 1] = 0.2
    near[1, 1, 1] = 1.0
    for _ in range(sections.WIDER):
        strength = ndimage.convolve(strength, near, mode="constant")
    strength[passing.get_fdata() == 0] = 0
    axis = "xyz".index(direction)
    places = image.affine[axis, 3] + image.affine[axis, axis] * np.arange(SHAPE[axis])
    profile = strength.max(axis=tuple({0, 1, 2} - {axis}))
    expected = []
    while len(expected) < n_cuts and profile.max() > 0:
        expected.append(places[profile.argmax()])
        profile[np.abs(places - expected[-1]) < sections.APART - 1e-3] = 0
    found = sections.through_activation(image, passing, direction, n_cuts)
    assert len(found) == n_cuts
    np.testing.assert_allclose(
        [min(np.abs(np.subtract(found, one))) for one in expected], 0, rtol=0, atol=1e-4
    )


def test_a_cluster_comes_before_higher_voxels_that_stand_alone():
    """Noise is cut when nothing else is left."""
    values = np.zeros(SHAPE, np.float32)
    values[10:13, 10:13, 4:7] = 4.0
    values[20, 20, 20] = 5.0
    image = sampling.like(blobs(0), values)
    (one,) = sections.through_activation(image, image, "z", 1)
    assert one == pytest.approx(-40.0 + 4.0 * 5, abs=1e-6)
    assert -40.0 + 4.0 * 20 in np.round(sections.through_activation(image, image, "z", 2), 6)


def test_more_cuts_than_slices_are_all_slices():
    """Each slice once, in order."""
    image = blobs(0)
    found = sections.through_activation(image, thresholded(image, 2.5), "z", 100)
    np.testing.assert_allclose(found, -40.0 + 4.0 * np.arange(SHAPE[2]), rtol=0, atol=1e-4)


def test_cuts_that_are_left_over_are_spread_and_without_peaks_even():
    """One blob has its cut, the others lie far from it; nothing above threshold: even steps."""
    values = np.zeros(SHAPE, np.float32)
    values[5, 5, 3] = 4.0
    image = blobs(0)
    found = sections.through_activation(image, sampling.like(image, values), "z", 3)
    assert found[0] == pytest.approx(-40.0 + 4.0 * 3, abs=1e-6)
    assert min(np.diff(found)) > 20
    found = sections.through_activation(image, sampling.like(image, 0 * values), "z", 3)
    np.testing.assert_allclose(np.diff(found), 4.0 * (SHAPE[2] - 1) / 4, rtol=0, atol=1e-6)


@pytest.mark.parametrize("affine", [PLAIN, OBLIQUE], ids=["plain", "oblique"])
def test_projection_misses_no_voxel_and_keeps_the_strongest(affine):
    """At the place of each voxel stands the value of the largest magnitude of all that lie along the axis."""
    rng = np.random.default_rng(4)
    values = np.where(distance(affine, CENTRE) < 60, rng.normal(size=SHAPE), 0).astype(np.float32)
    brain = nib.Nifti1Image(values, affine)
    passing = thresholded(brain, 3.0)
    there = np.argwhere(passing.get_fdata() != 0)
    assert len(there) > 10
    of = projection.frame(brain)
    for axis, (across, up) in projection.PLANES.items():
        seen = projection.along(passing, of, axis)
        assert set(np.unique(seen)) <= set(np.unique(passing.get_fdata(dtype=np.float32)))
        for voxel in there:
            mm = nib.affines.apply_affine(affine, voxel)
            column, row = (int(mm[k] - of.first[k]) for k in (across, up))
            own = passing.get_fdata()[tuple(voxel)]
            assert abs(seen[row, column]) >= abs(own)
            assert of.outlines[axis][row, column] > 0
        strongest = np.abs(passing.get_fdata()).max()
        assert np.abs(seen).max() == np.float32(strongest)


def test_outline_of_the_projection_is_the_edge_of_the_brain():
    """Brighter where a neighbour is outside, dark inside, black beyond."""
    inside = np.zeros((9, 9), bool)
    inside[2:7, 2:7] = True
    values = np.zeros((9, 9, 9), np.float32)
    values[2:7, 2:7, 2:7] = 1
    of = projection.frame(nib.Nifti1Image(values, np.eye(4)))
    grey = of.outlines["z"]
    rows, columns = np.nonzero(grey == projection.RIM)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (5, 9, 5, 9)
    assert np.count_nonzero(grey == projection.BRAIN) == 9
    assert np.count_nonzero(grey) == 25


@pytest.mark.parametrize("n_scans", [1, 2, 90])
def test_carpet_is_cleaned_as_by_nilearn(n_scans):
    """Without trend, of standard deviation 1; of one scan, nothing is left."""
    series = np.random.default_rng(2).normal(800, 9, (n_scans, 40)).cumsum(axis=0).astype(np.float32)
    found = carpet.standardised(series)
    if n_scans < 3:
        np.testing.assert_allclose(found, 0, rtol=0, atol=1e-6)
        return
    expected = clean(series.astype(np.float64), detrend=True, standardize="zscore_sample")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def unpacked(text, dtype):
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype)


def volume_of(data):
    """Values of the map of a viewer's data, (nx, ny, nz), NaN outside of the mask, and the affine."""
    (told,) = data["contrasts"]
    n_voxels = math.prod(told["shape"])
    inside = np.unpackbits(unpacked(data["masks"][told["mask"]], np.uint8))[:n_voxels].astype(bool)
    low, high = unpacked(told["z"], np.uint8).reshape(2, -1).astype(int)
    values = np.full(n_voxels, np.nan)
    values[inside] = ((low + 256 * high) ^ 0x8000) - 0x8000
    return values.reshape(told["shape"]) / viewer.PER_Z, np.array([*told["affine"], [0, 0, 0, 1]])


@pytest.mark.parametrize("affine", [PLAIN, FLIPPED, OBLIQUE], ids=["plain", "turned", "oblique"])
@pytest.mark.parametrize("signed", [True, False])
def test_the_viewer_holds_the_map_itself(affine, signed):
    """Every voxel of the mask at its place, to half a hundredth; of F none below 0. It starts at the peak."""
    values = 3 * np.random.default_rng(3).normal(size=SHAPE).astype(np.float32)
    inside = distance(affine, nib.affines.apply_affine(affine, np.array(SHAPE) / 2)) < 45
    assert inside.any()
    z = nib.Nifti1Image(values, affine)
    _, behind = sections.on_plain_grid(z, z)
    data = viewer.data_of(z, behind, inside, "key", "a", {"fdr": 3.2}, 3.2, signed)
    found, onto = volume_of(data)
    shown = values if signed else np.maximum(values, 0)
    np.testing.assert_array_equal(np.isnan(found), ~inside)
    np.testing.assert_allclose(found[inside], shown[inside], rtol=0, atol=0.5 / viewer.PER_Z + 1e-6)
    np.testing.assert_allclose(onto, affine, rtol=0, atol=1e-12)
    (told,) = data["contrasts"]
    peak = np.unravel_index(np.abs(np.where(inside, shown, 0)).argmax(), SHAPE)
    np.testing.assert_allclose(told["point"], nib.affines.apply_affine(affine, peak), rtol=0, atol=1e-9)
    assert told["limits"] == [["fdr", 3.2]]


def test_a_large_map_keeps_its_peaks_in_blocks(monkeypatch):
    """The strongest of each block of voxels stands for it, in the middle of the block."""
    monkeypatch.setattr(viewer, "MOST_VOXELS", 4000)
    values = np.random.default_rng(6).normal(size=(31, 34, 29)).astype(np.float32)
    inside = np.ones(values.shape, bool)
    affine = nib.affines.from_matvec(np.diag([3.0, 3.0, 4.0]), [-50.0, -70.0, -40.0])
    z = nib.Nifti1Image(values, affine)
    data = viewer.data_of(z, z, inside, "key", "a", {}, 3.0, signed=True)
    found, onto = volume_of(data)
    assert data["contrasts"][0]["factor"] == [2, 2, 2]
    for block in [(0, 0, 0), (3, 7, 5), (15, 16, 14)]:
        own = values[tuple(slice(2 * k, 2 * k + 2) for k in block)]
        assert found[block] == pytest.approx(own.flat[np.abs(own).argmax()], abs=0.006)
        middle = nib.affines.apply_affine(affine, 2 * np.array(block) + 0.5)
        np.testing.assert_allclose(nib.affines.apply_affine(onto, block), middle, rtol=0, atol=1e-9)


def test_background_of_the_viewer_lies_where_it_did():
    """On cubes, no more of them than asked for: a ramp along an axis keeps its value at each mm."""
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    ramp = np.broadcast_to(np.arange(80.0)[:, None, None], (80, 60, 40))
    z = nib.Nifti1Image(ramp.astype(np.float32), affine)
    data = viewer.data_of(z, z, np.ones(ramp.shape, bool), "key", "a", {}, 3.0, signed=True)
    (behind,) = data["backgrounds"].values()
    assert math.prod(behind["shape"]) < 1.25 * viewer.MOST_BEHIND
    grey = unpacked(behind["grey"], np.uint8).reshape(behind["shape"])
    places = behind["first"][0] + behind["side"] * np.arange(behind["shape"][0])
    middle = grey[:, grey.shape[1] // 2, grey.shape[2] // 2] / (
        255 // (viewer.GREYS - 1) * (viewer.GREYS - 1)
    )
    inner = slice(2, -2)
    np.testing.assert_allclose(middle[inner], (places / 2 / 79)[inner], rtol=0, atol=1.5 / viewer.GREYS)
