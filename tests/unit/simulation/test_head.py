"""The head that is simulated: its templates, and its values at the voxels of another grid."""

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from firstlevel import third_party
from firstlevel.simulation import head

SINGLE_PRECISION = 1e-6  # relative: eight values are summed in another order


@pytest.mark.parametrize("seed", range(24))
def test_an_image_is_sampled_to_the_bit_as_scipy_does(seed):
    """Turned, mirrored and shifted by whole voxels, inside, at the rim and beyond: published studies stay."""
    rng = np.random.default_rng(seed)
    image = rng.normal(0, 850, rng.integers(2, 20, 3)).astype(np.float32)
    affine, target = np.diag([2.0, 2, 2, 1]), np.eye(4)
    affine[:3, 3] = rng.integers(-9, 0, 3)
    if seed % 3 == 0:
        target[:3] = affine[:3] * rng.choice([-1, 1])
    else:
        target[:3, :3] = rng.normal(0, 2, (3, 3))
        target[:3, 3] = rng.normal(5, 9, 3)
    shape = tuple(rng.integers(1, 20, 3))
    mapping = np.linalg.inv(affine) @ target
    expected = ndimage.affine_transform(
        image, mapping[:3, :3], mapping[:3, 3], shape, np.float32, order=1, prefilter=False
    )
    order = "CF"[seed % 2]
    ours = head.sample(np.asarray(image, order=order), affine, target, shape)
    assert ours.tobytes() == expected.tobytes()


def test_templates_are_means_of_blocks():
    """Each value is the mean of eight of those that come with nilearn, as shares of the highest."""
    folder = third_party.folder_of("nilearn") / "datasets" / "data"
    brain = head.templates()
    for tissue, ours in zip(("t1", "gm", "wm"), (brain.t1, brain.grey, brain.white), strict=True):
        image = nib.load(folder / head.TEMPLATE.format(tissue))
        fine = image.get_fdata() / image.get_fdata().max()
        x, y, z = ours.shape
        blocks = fine[: 2 * x, : 2 * y, : 2 * z].reshape(x, 2, y, 2, z, 2)
        np.testing.assert_allclose(ours, blocks.mean(axis=(1, 3, 5)), rtol=SINGLE_PRECISION, atol=0)
        assert ours.dtype == np.float32
    np.testing.assert_allclose(
        brain.affine @ [3, 4, 5, 1], (image.affine @ [6.5, 8.5, 10.5, 1]), rtol=0, atol=1e-9
    )
