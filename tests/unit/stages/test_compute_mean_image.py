"""The mean image over runs."""

import nibabel as nib
import numpy as np
from stage_calls import BASE

from compute_mean_image import compute_mean_image


def test_mean_image_counts_every_run_once(tmp_path, runs):
    """The mean over runs of different length is the mean of their means."""
    for name, n_scans in (("a.nii", 2), ("b.nii", 4)):
        volumes = [data for data, _ in runs[0][1][:n_scans]]
        nib.Nifti1Image(np.stack(volumes, axis=-1), BASE).to_filename(tmp_path / name)
    compute_mean_image(bold=[tmp_path / "a.nii", tmp_path / "b.nii"], mean=tmp_path / "mean.nii.gz")
    means = [nib.load(tmp_path / name).get_fdata().mean(axis=-1) for name in ("a.nii", "b.nii")]
    ours = nib.load(tmp_path / "mean.nii.gz").get_fdata()
    np.testing.assert_allclose(ours, np.mean(means, axis=0), rtol=1e-6, atol=0)
