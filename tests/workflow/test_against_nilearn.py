"""The whole chain, from raw volumes to z maps, against nilearn on the same files."""

import nibabel as nib
import nilearn_reference as reference
import numpy as np
import pytest
from nilearn.masking import compute_multi_epi_mask
from studies import SMALL, Study, merged

from firstlevel.image import alignment
from firstlevel.plotting import sections

RESAMPLED = 1e-3
"""Absolute, at values near 850: single-precision spline coefficients."""
SIGMA = 1e-3
"""Difference of betas in units of the residual standard deviation."""
Z = 1e-3
INNER = np.s_[1:-1, 1:-1, 1:-1]
"""All but the rim of an image."""
MOST_VOXELS = 0.999
"""The rest are AR(1) bins of 0.01 that flip on rounding of the resampled data to single precision."""


@pytest.fixture(scope="module")
def study(request, small_study, tmp_path_factory):
    """The small study; with --full-size, 2 x 390 volumes of 64 x 64 x 32."""
    if not request.config.getoption("--full-size"):
        return small_study
    full = {"study": {"simulated": {"n_scans": 390, "shape": [64, 64, 32], "voxel_size": [3.0, 3.0, 4.0]}}}
    study = Study(tmp_path_factory.mktemp("full"), merged(SMALL, full))
    study.snakemake()
    return study


@pytest.fixture(scope="module")
def trunk(study):
    return study.folder / "data/simulated/sub001"


@pytest.fixture(scope="module")
def runs(trunk):
    return reference.resampled_runs(trunk)


@pytest.fixture(scope="module")
def designs(trunk, runs):
    return reference.design_matrices(trunk, runs[0].shape[3])


@pytest.fixture(scope="module")
def model(study, runs, designs):
    return reference.fitted_model(runs, designs, nib.load(study.result("desc-brain_mask.nii.gz")))


def inside(study, image):
    mask = np.asarray(nib.load(study.result("desc-brain_mask.nii.gz")).dataobj) > 0
    return np.asarray(image.dataobj, dtype=np.float64)[mask]


def hardly_moved(trunk, number):
    """Volumes that have moved by less than a hundredth of a voxel: nilearn fills their rim with zeros."""
    first, *others = (nib.load(path) for path in sorted(trunk.glob(f"fMRI/Session{number}/*.img")))
    return {
        scan
        for scan, image in enumerate(others, start=1)
        if alignment.same_grid(image.shape[:3], image.affine, first.shape[:3], first.affine)
    }


def test_resampled_runs_match_concat_and_resample_img(study, trunk, runs):
    """Every voxel of every volume of both runs, inside the brain and out, but the rim that ours keep."""
    for number, expected in enumerate(runs, start=1):
        ours = nib.load(study.result(f"run-{number}_desc-resampled_bold.nii"))
        np.testing.assert_allclose(ours.affine, expected.affine, rtol=0, atol=1e-5)
        keep_their_rim = hardly_moved(trunk, number)
        assert len(keep_their_rim) <= 0.05 * ours.shape[3]
        for scan in range(ours.shape[3]):
            compared = INNER if scan in keep_their_rim else ...
            np.testing.assert_allclose(
                ours.dataobj[..., scan][compared],
                expected.dataobj[..., scan][compared],
                rtol=0,
                atol=RESAMPLED,
            )


def test_mean_image_and_mask_match(study, runs):
    """The mean of means is nilearn's, and the mask is its EPI mask of both runs, voxel by voxel."""
    means = [study.result(f"run-{number}_desc-mean_boldref.nii.gz") for number in (1, 2)]
    ours = sections.background_of(means)
    expected = reference.mean_image(runs)
    np.testing.assert_allclose(ours.get_fdata()[INNER], expected.get_fdata()[INNER], rtol=0, atol=RESAMPLED)
    mask = compute_multi_epi_mask(runs, threshold=0.5, connected=True)
    np.testing.assert_array_equal(
        nib.load(study.result("desc-brain_mask.nii.gz")).get_fdata(), mask.get_fdata()
    )


def test_designs_match(study, designs):
    """Each design, read back from its file, is nilearn's."""
    import pandas as pd

    for number, expected in enumerate(designs, start=1):
        ours = pd.read_csv(study.result(f"run-{number}_design.tsv"), sep="\t")
        assert list(ours) == list(expected)
        np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-12)


def test_betas_match(study, model):
    """Betas, residual variance and AR(1) of the whole chain are those of FirstLevelModel."""
    for number in (1, 2):
        ours = inside(study, nib.load(study.result(f"run-{number}_stat-beta_statmap.nii.gz"))).T
        sigma = np.sqrt(inside(study, nib.load(study.result(f"run-{number}_stat-sigma2_statmap.nii.gz"))))
        labels, results = model.labels_[number - 1], model.results_[number - 1]
        expected, variance = np.empty_like(ours), np.empty_like(sigma)
        for label, result in results.items():
            expected[:, labels == label], variance[labels == label] = result.theta, result.dispersion
        ar1 = inside(study, nib.load(study.result(f"run-{number}_stat-ar1_statmap.nii.gz")))
        for same in (np.abs(sigma**2 / variance - 1) <= SIGMA, np.abs(ar1 - labels.astype(float)) <= 1e-6):
            assert same.mean() >= MOST_VOXELS
        close = np.abs(ours - expected).max(axis=0) <= SIGMA * sigma
        print(f"run {number}: {close.mean():.5%} of {close.size} voxels within {SIGMA} sigma")
        assert close.mean() >= MOST_VOXELS


@pytest.mark.parametrize("name", reference.CONTRASTS)
def test_z_maps_match(study, model, designs, name):
    """Each z map over both runs, from our files alone, against compute_contrast."""
    expected = inside(study, reference.contrast_map(model, designs, reference.CONTRASTS[name]))
    ours = inside(study, nib.load(study.result(f"contrast-{name}_stat-z_statmap.nii.gz")))
    close = np.abs(ours - expected) <= Z
    print(f"{name}: {close.mean():.5%} of {close.size} voxels within {Z}, {(~close).sum()} beyond")
    assert np.abs(ours).max() > 3
    assert close.mean() >= MOST_VOXELS
