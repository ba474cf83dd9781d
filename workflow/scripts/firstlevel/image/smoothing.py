"""Smoothing of a volume."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from firstlevel.arrays import Float32Array, FloatArray


def smoothed(volume: Float32Array, affine: FloatArray, fwhm: float) -> Float32Array:
    """Smooth one volume, [z, y, x], with a Gaussian of `fwhm` mm (nilearn's)."""
    from nilearn.image import smooth_img

    data = smooth_img(nib.Nifti1Image(volume.T, affine), fwhm).get_fdata(dtype=np.float32)
    return np.ascontiguousarray(data.T)
