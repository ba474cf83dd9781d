"""Masks as users have them, against what they mean; on other grids, against nilearn."""

import json
import subprocess
import sys
import warnings

import nibabel as nib
import numpy as np
import pytest
from nilearn.image import resample_to_img
from nilearn.masking import compute_multi_epi_mask
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation
from studies import ROOT

from compute_mask import compute_mask
from firstlevel.image import alignment, masks
from firstlevel.image.epi_mask import epi_mask
from firstlevel.io import image_writer
from firstlevel.io.masked import read_mask
from firstlevel.stage import InputError

SHAPE = (10, 12, 8)
AFFINE = np.array([[-4.0, 0, 0, 18], [0, 4, 0, -22], [0, 0, 4, -14], [0, 0, 0, 1]])
SCRIPTS = ROOT / "workflow/scripts"


def head(shape=SHAPE, radius=0.95):
    """An ellipsoid that reaches the edges of the image."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) if n > 7 else np.zeros(n) for n in shape), indexing="ij")
    return sum(axis**2 for axis in axes) < radius


HEAD = head()


def saved(path, values, dtype=None, affine=AFFINE):
    """Write a mask, as its own type or stored in another one with a slope."""
    image = nib.Nifti1Image(values, affine)
    if dtype:
        image.set_data_dtype(dtype)
    image.to_filename(path)
    return path


MASKS = {
    "bytes of 0 and 1": (HEAD.astype(np.uint8), None),
    "0 and 255": (255 * HEAD.astype(np.uint8), None),
    "-1 and 1": (np.where(HEAD, 1, -1).astype(np.int16), None),
    "NaN and 1": (np.where(HEAD, 1, np.nan).astype(np.float32), None),
    "NaN, 0 and 1": (np.where(HEAD, 1, np.where(np.arange(8) < 4, 0, np.nan)).astype(np.float32), None),
    "NaN and 17": (np.where(HEAD, 17, np.nan).astype(np.float32), None),
    "0 and 0.2": (0.2 * HEAD.astype(np.float32), None),
    "a fourth axis of one": (HEAD.astype(np.uint8)[..., None], None),
    "five axes": (HEAD.astype(np.uint8)[..., None, None], None),
    "stored with a slope": (HEAD.astype(np.float64), np.int16),
    "stored with a slope in bytes": (0.7 * HEAD.astype(np.float64), np.uint8),
    "0 and 1, rounded in single precision": (HEAD * np.float32(1 - 6e-8) + np.float32(1e-9), None),
}


@pytest.mark.parametrize("name", MASKS)
def test_two_values_are_a_mask(tmp_path, caplog, name):
    """Whatever the two values are, the higher one is inside; nothing is said, since nothing was decided."""
    values, dtype = MASKS[name]
    given = masks.read_given_mask(saved(tmp_path / "mask.nii.gz", values, dtype))
    np.testing.assert_array_equal(given.inside, HEAD)
    assert given.threshold is None
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_one_value_above_zero_is_the_whole_image(tmp_path):
    """Of ones alone all is inside; of zeros, of what lies below and of NaN alone nothing is."""
    for value, expected in ((1, True), (0, False), (-3, False), (np.nan, False)):
        path = saved(tmp_path / "mask.nii", np.full(SHAPE, value, np.float32))
        assert (masks.read_given_mask(path).inside == expected).all()


PROBABILITY = gaussian_filter(HEAD.astype(float), 1.0)


@pytest.mark.parametrize(
    ("dtype", "outside"),
    [(np.float32, 0.0), (np.uint8, 0.0), (np.int16, 0.0), (np.float32, np.nan)],  # integers have no NaN
)
def test_probabilities_are_cut_at_one_half_and_it_is_said(tmp_path, caplog, dtype, outside):
    """The values of a probability map, stored as they are or as integers with a slope."""
    values = PROBABILITY if outside == 0 else np.where(PROBABILITY > 1e-3, PROBABILITY, np.nan)
    path = saved(tmp_path / "prob.nii.gz", values, dtype)
    given = masks.read_given_mask(path)
    stored = nib.load(path).get_fdata()
    np.testing.assert_array_equal(given.inside, np.nan_to_num(stored) >= 0.5)
    assert given.threshold == 0.5
    assert "taken as probabilities, thresholded at 0.5" in caplog.text


def test_probability_of_one_that_rounding_lifts_above_it_is_one(tmp_path):
    """Bytes with a slope of 1/255 in single precision: 255 of them are 1.00000006."""
    image = nib.Nifti1Image(np.round(255 * PROBABILITY / PROBABILITY.max()).astype(np.uint8), AFFINE)
    image.header.set_slope_inter(1 / 255, 0)
    image.to_filename(tmp_path / "prob.nii")
    raw = bytearray((tmp_path / "prob.nii").read_bytes())
    raw[352:] = image.get_fdata().astype(np.uint8).tobytes(order="F")
    (tmp_path / "prob.nii").write_bytes(raw)
    stored = nib.load(tmp_path / "prob.nii").get_fdata()
    assert 1 < stored.max() < 1 + 1e-6
    given = masks.read_given_mask(tmp_path / "prob.nii")
    np.testing.assert_array_equal(given.inside, stored >= 0.5)
    assert given.threshold == 0.5


REFUSED = {
    "segmentation": (
        np.where(HEAD, 1 + np.indices(SHAPE)[1] % 3, 0).astype(np.uint8),
        "4 values from 0 to 3",
    ),
    "segmentation without background": (np.where(HEAD, 2, 1).astype(np.uint8), "2 values from 1 to 2"),
    "ringing": (
        HEAD + np.random.default_rng(0).normal(0, 1e-3, SHAPE),
        "which are neither a mask nor probabilities",
    ),
    "percentages": (100 * PROBABILITY, "which are neither a mask nor probabilities"),
    "z values": (
        np.random.default_rng(0).standard_normal(SHAPE),
        "which are neither a mask nor probabilities",
    ),
    "two probabilities": (np.where(HEAD, 0.9, 0.2), "2 values from 0.2 to 0.9"),
    "NaN and labels": (np.where(HEAD, 1 + np.indices(SHAPE)[1] % 2, np.nan), "2 values from 1 to 2"),
    "infinite": (np.where(HEAD, np.inf, 0), "infinite voxels"),
    "two volumes": (np.stack([HEAD, HEAD], axis=-1).astype(np.uint8), "holds 2 volumes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_mask_is_refused_with_the_way_out(tmp_path, name):
    """Values that do not say what is inside are not taken to say that all above 0 is."""
    values, message = REFUSED[name]
    path = saved(tmp_path / "mask.nii.gz", values.astype(np.float32))
    with pytest.raises(InputError, match=message) as stop:
        masks.read_given_mask(path)
    assert "to do: " in str(stop.value)


@pytest.mark.parametrize("kind", ["complex", "colours"])
def test_masks_of_other_types_are_refused(tmp_path, kind):
    """As images of other types are."""
    values = HEAD.astype(np.complex64)
    if kind == "colours":
        values = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(InputError, match="complex numbers|colours"):
        masks.read_given_mask(saved(tmp_path / "mask.nii", values))


def turned(angles, shift, zooms):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * zooms
    affine[:3, 3] = shift
    return affine


@pytest.mark.parametrize(
    "own",
    [
        turned((0, 0, 0), (-20.3, -25.1, -17.2), (2.1, 1.9, 3.3)),
        turned((10, -7, 33), (-5, -30, -12), (1.7, 2.3, 2.9)),
        AFFINE @ np.diag([1.31, 0.77, 1.1, 1]),
    ],
    ids=["zoom", "oblique", "flipped"],
)
def test_mask_on_another_grid_is_nilearns_nearest_neighbour_away_from_the_rim(own):
    """Every voxel of the runs whose point lies a voxel or more within the mask's image."""
    inside = np.random.default_rng(1).random((14, 15, 11)) > 0.5
    mapping = alignment.voxel_map(own, AFFINE)
    ours, overlaps = masks.nearest(inside, mapping, SHAPE)
    expected = resample_to_img(
        nib.Nifti1Image(inside.astype(np.uint8), own),
        nib.Nifti1Image(np.zeros(SHAPE), AFFINE),
        interpolation="nearest",
        force_resample=True,
        copy_header=True,
    )
    at = np.einsum("ab,xyzb->xyza", mapping[:3, :3], np.moveaxis(np.indices(SHAPE), 0, -1)) + mapping[:3, 3]
    within = ((at >= 1) & (at <= np.array(inside.shape) - 2)).all(axis=-1)
    assert overlaps
    assert within.sum() > 100
    np.testing.assert_array_equal(ours[within], np.asarray(expected.dataobj)[within] > 0)
    beyond = ((at < -0.51) | (at > np.array(inside.shape) - 0.49)).any(axis=-1)
    assert not ours[beyond].any()


def test_mask_reaches_half_a_voxel_beyond_its_outermost_centres():
    """A voxel of a mask is a box, not a point: what lies in the outer half of it is inside."""
    whole = np.ones((5, 5, 5), bool)
    for shift, kept in ((0.49, True), (-0.49, True), (0.52, False), (-0.52, False)):
        mapping = np.eye(4)
        mapping[2, 3] = shift
        ours, _ = masks.nearest(whole, mapping, (5, 5, 5))
        assert ours[:, :, 1:4].all()
        assert ours[:, :, 4 if shift > 0 else 0].all() == kept
    mapping[0, 3] = 50
    assert masks.nearest(whole, mapping, (5, 5, 5))[1] is False


def test_half_way_between_two_voxels_one_side_wins_whatever_rounding_says():
    """A mask of half the voxel size, corner on corner: each point lies half-way between two of its voxels."""
    fine = np.random.default_rng(2).random((8, 8, 8)) > 0.5
    for noise in (-1e-9, 0, 1e-9):
        mapping = np.diag([2.0, 2, 2, 1])
        mapping[:3, 3] = 0.5 + noise
        np.testing.assert_array_equal(masks.nearest(fine, mapping, (4, 4, 4))[0], fine[1::2, 1::2, 1::2])


def mean_image(path, shape=SHAPE, affine=AFFINE, seed=0):
    """A bright head in weak noise."""
    rng, inside = np.random.default_rng(seed), head(shape, 0.6)
    image_writer.write_image(
        path, (800 * inside + rng.normal(30, 5, shape) + 40 * rng.random(shape)).astype(np.float32), affine
    )
    return path


def masked(tmp_path, means, own_mask=()):
    """Call compute_mask; return the mask and its sidecar."""
    out, sidecar = tmp_path / "out.nii.gz", tmp_path / "out.json"
    compute_mask(
        means=means, mask=out, own_mask=list(own_mask), sidecar=sidecar, fields_of_view=means,
    )  # fmt: skip
    return read_mask(out), json.loads(sidecar.read_text())


def test_threshold_stands_in_the_sidecar(tmp_path):
    """Of a probability 0.5, with the mask that it was put to; of a mask of two values nothing."""
    mean = mean_image(tmp_path / "mean.nii.gz")
    prob = saved(tmp_path / "prob.nii.gz", PROBABILITY.astype(np.float32))
    plain = saved(tmp_path / "plain.nii.gz", HEAD.astype(np.uint8))
    inside, said = masked(tmp_path, [mean], [prob])
    np.testing.assert_array_equal(inside, PROBABILITY.astype(np.float32) >= 0.5)
    assert (said["Threshold"], said["Masks"][0]["Threshold"]) == (0.5, 0.5)
    inside, said = masked(tmp_path, [mean], [plain])
    np.testing.assert_array_equal(inside, HEAD)
    assert "Threshold" not in said
    _, said = masked(tmp_path, [mean], [plain, prob, plain])
    assert [mask.get("Threshold") for mask in said["Masks"]] == [None, 0.5, None]


@pytest.mark.parametrize(
    ("sizes", "resampled"),
    [((3.992, 3.990), []), ((3.992, 3.9921), []), ((3.992, 3.995), []), ((4.0, 3.9), ["mask"])],
)
def test_mask_of_other_voxels_keeps_its_rim(tmp_path, sizes, resampled):
    """The brain reaches the first and the last slice; those of nearly one thickness are one grid."""
    affines = [np.diag([2.0, 2, z, 1]) for z in sizes]
    for affine in affines:
        affine[:3, 3] = [-9, -11, -3.5 * affine[2, 2]]
    inside = np.repeat(head((10, 12, 1)), 8, axis=2)
    mean = mean_image(tmp_path / "mean.nii.gz", affine=affines[0])
    own = saved(tmp_path / "own.nii.gz", inside.astype(np.uint8), affine=affines[1])
    ours, said = masked(tmp_path, [mean], [own])
    np.testing.assert_array_equal(ours, inside)
    assert said["ResampledByNearestNeighbour"] == resampled


def test_given_mask_does_without_nilearn(tmp_path):
    """Its import takes longer than all the rest of the stage."""
    mean = mean_image(tmp_path / "mean.nii.gz")
    own = saved(
        tmp_path / "own.nii.gz",
        head((20, 24, 16)).astype(np.uint8),
        affine=AFFINE @ np.diag([0.5, 0.5, 0.5, 1]),
    )
    code = (
        "import sys, compute_mask; from pathlib import Path as P; m, o, d = map(P, sys.argv[1:]);"
        "compute_mask.compute_mask(means=[], fields_of_view=[m], mask=d / 'k.nii', own_mask=[o],"
        " sidecar=d / 'k.json');"
        "print('nilearn' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, mean, own, tmp_path],
        cwd=SCRIPTS,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"


def test_epi_mask_of_usual_volumes_is_nilearns(tmp_path):
    """Voxel by voxel, of two runs."""
    shape = (24, 26, 12)
    means = [mean_image(tmp_path / f"mean{seed}.nii.gz", shape, seed=seed) for seed in (1, 2)]
    expected = compute_multi_epi_mask([nib.load(path) for path in means], threshold=0.5, connected=True)
    ours, said = masked(tmp_path, means)
    assert 500 < ours.sum() < ours.size / 2
    np.testing.assert_array_equal(ours, np.asarray(expected.dataobj) > 0)
    assert said["Source"] == "epi"


def noise(shape, rng):
    """Noise alone, smooth: many components, holes, touching the edges."""
    return 500 + 200 * gaussian_filter(rng.normal(size=shape), rng.uniform(0.6, 3)) * 8


def brain(shape, rng):
    """A head in noise, with a bright lone block, a slab of zeros and values that are no numbers."""
    values = 800 * head(shape, rng.uniform(0.4, 0.9)) + rng.normal(60, 30, shape)
    values[1:6, 1:6, 1:6] = 1500
    values[:, : rng.integers(0, 6)] = 0
    values[rng.random(shape) < 0.01] = rng.choice([np.nan, np.inf, -np.inf])
    return values


def levels(shape, rng):
    """Few distinct values: gaps of equal width, and components of equal size."""
    values = np.zeros(shape)
    values[:10, :, :] = values[-10:, :, :] = 400
    return values + 100 * rng.integers(0, 2, shape)


def sieve(shape, rng):
    """A head of which one side has no number at every third voxel: it is eroded away there."""
    values = 800 * head(shape, 0.9) + rng.normal(60, 30, shape)
    values[: shape[0] // 2][::3, ::3, ::3] = np.nan
    return values


@pytest.mark.parametrize("kind", [noise, brain, levels, sieve])
@pytest.mark.parametrize("seed", range(8))
def test_epi_mask_has_the_voxels_of_nilearns(tmp_path, kind, seed):
    """Of one to four runs and of any type: noise, gaps in the data, equal components, nothing left."""
    rng = np.random.default_rng(seed)
    shape, scale = (26, 22, 8 + int(rng.integers(0, 20))), 10.0 ** rng.integers(-2, 3)
    means = []
    for run in range(1 + seed % 4):
        means.append(tmp_path / f"mean{run}.nii.gz")
        values = kind(shape, rng) * scale
        stored = np.int16 if kind is levels and seed % 2 else np.float32
        with np.errstate(invalid="ignore"):
            nib.Nifti1Image(values.astype(stored), AFFINE).to_filename(means[-1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = compute_multi_epi_mask([nib.load(path) for path in means], threshold=0.5, connected=True)
    np.testing.assert_array_equal(epi_mask(means), np.asarray(expected.dataobj) > 0)


THIN = [(40, 20, 1), (30, 30, 2), (24, 3, 24), (4, 30, 26), (1, 30, 26), (26, 24, 4), (26, 24, 7)]


@pytest.mark.parametrize("shape", THIN)
def test_epi_mask_of_thin_volumes_is_that_of_stacks_of_their_slices(tmp_path, shape):
    """Two voxels are eroded from every side, so that nothing would be left of an axis of four or fewer."""
    mean = mean_image(tmp_path / "mean.nii.gz", shape)
    ours, _ = masked(tmp_path, [mean])
    inside, thin = head(shape, 0.6), int(np.argmin(shape))
    assert np.abs(ours.sum() - inside.sum()) < 0.2 * inside.sum()
    assert (ours & inside).sum() > 0.9 * ours.sum()
    if shape[thin] == 1:
        stack = np.repeat(nib.load(mean).get_fdata(dtype=np.float32), 41, axis=thin)
        tall = compute_multi_epi_mask([nib.Nifti1Image(stack, AFFINE)], threshold=0.5, connected=True)
        middle = np.take(np.asarray(tall.dataobj) > 0, [20], axis=thin)
        np.testing.assert_array_equal(ours, middle)


@pytest.mark.parametrize("n_slices", [3, 4, 6])
def test_brain_in_the_middle_slices_of_a_thin_volume_is_found(tmp_path, n_slices):
    """The outer slices may be empty: what is one or two slices thick is not eroded along them."""
    rng, shape = np.random.default_rng(0), (26, 24, n_slices)
    inside = np.repeat(head((26, 24, 1), 0.6), n_slices, axis=2)
    inside[:, :, [0, -1]] = False
    values = 800 * inside + rng.normal(30, 5, shape) + 40 * rng.random(shape)
    image_writer.write_image(tmp_path / "mean.nii.gz", values.astype(np.float32), AFFINE)
    ours, _ = masked(tmp_path, [tmp_path / "mean.nii.gz"])
    assert not ours[:, :, [0, -1]].any()
    assert (ours & inside).sum() > 0.95 * inside.sum()
    assert (ours & ~inside).sum() < 0.05 * inside.sum()
