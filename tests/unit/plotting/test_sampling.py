"""Cuts, grids and viewer against nilearn's, which drew them before; no picture loads it."""

import base64
import io
import json
import math
import re
import warnings

import nibabel as nib
import nilearn
import numpy as np
import pytest
from blob_maps import CENTRE, OBLIQUE, PLAIN, SHAPE, distance
from nilearn.image import reorder_img, resample_img
from nilearn.plotting import find_cut_slices, view_img
from nilearn.signal import clean
from PIL import Image
from scipy import ndimage

from firstlevel.plotting import carpet, cuts, overlay, sampling, sections, viewer

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


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("direction", "xyz")
@pytest.mark.parametrize("n_cuts", [1, 3, 6])
def test_cuts_are_those_that_nilearn_finds(seed, direction, n_cuts):
    """Of the smoothed map, the strongest slices apart from each other."""
    image = blobs(seed)
    values = image.get_fdata(dtype=np.float32)
    weighted = sampling.like(image, np.where(np.abs(values) > 2.5, values, np.float32(0.01) * values))
    expected = find_cut_slices(weighted, direction=direction, n_cuts=n_cuts)
    found = sections.through_activation(image, 2.5, direction, n_cuts)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_more_cuts_than_slices_are_all_slices():
    """Each slice once, in order."""
    image = blobs(0)
    found = sections.through_activation(image, 2.5, "z", 100)
    np.testing.assert_allclose(found, -40.0 + 4.0 * np.arange(SHAPE[2]), rtol=0, atol=1e-9)


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


def pictures_of(page):
    """Pixels of the pictures of a viewer's page, RGBA, and what its script is told."""
    found = re.findall(r'<img\b[^>]*id="(\w+)"[^>]*src="data:image/png;base64,\s*([^"]*)"', page)
    found += [
        (b, a) for a, b in re.findall(r'<img\b[^>]*src="data:image/png;base64,([^"]*)"[^>]*id="(\w+)"', page)
    ]
    pixels = {
        name: np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))
        for name, data in found
    }
    return pixels, json.loads(re.search(r"brainsprite\((\{.*?\})\);", page).group(1))


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("threshold", [0.0, 2.0])
def test_the_viewer_holds_what_nilearns_does(signed, threshold):
    """The same sprites, pixel by pixel, and the same parameters."""
    zmap = blobs(3)
    values = zmap.get_fdata(dtype=np.float32)
    values[distance(zmap.affine, CENTRE) > 45] = 0
    zmap = sampling.like(zmap, values if signed else np.maximum(values, 0))
    rng = np.random.default_rng(5)
    mean = sampling.like(zmap, rng.uniform(0, 900, SHAPE).astype(np.float32))
    found, told = pictures_of(viewer.page(zmap, mean, "a", threshold, signed))
    cubes, behind = sections.isotropic(zmap, mean, viewer.MOST_VOXELS)
    top = max(float(np.abs(zmap.get_fdata()).max()), 1.25 * threshold)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        view = view_img(
            cubes, bg_img=behind, threshold=threshold, cmap=overlay.colours(threshold, top, signed),
            cut_coords=sections.through_activation(zmap, threshold, "ortho", 1), symmetric_cmap=signed,
            vmin=None if signed else 0.0, vmax=top, black_bg=True, dim=cuts.DIM,
            resampling_interpolation="nearest",
        )  # fmt: skip
    # nilearn 0.14 ends its names with digits of its own
    expected, theirs = pictures_of(re.sub(r"-[0-9a-f]{32}\b", "", view.get_standalone()))
    assert told.pop("colorMap") == pytest.approx(theirs.pop("colorMap"))
    ours, other = (np.array(one.pop("affine")) for one in (told, theirs))
    slices, others = (list(one.pop("numSlice").values()) for one in (told, theirs))
    if nilearn.__version__ < "0.14":  # draws the slice beside the one that it names (mended in 0.14.1)
        other[:3, 3] -= other[:3, :3].sum(axis=1)
        others = [math.floor(number + 1.5) for number in others]
    np.testing.assert_allclose(ours, other, rtol=0, atol=1e-5)
    assert slices == others
    assert told == theirs
    for name in ("spriteImg", "overlayImg"):
        shown = expected[name][..., 3] > 0
        np.testing.assert_array_equal(found[name][..., 3] > 0, shown, err_msg=name)
        difference = np.abs(found[name].astype(int) - expected[name])[shown]
        assert difference.max() <= SHADES, name
