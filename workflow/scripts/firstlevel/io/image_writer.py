"""Images out: NIfTI-1, whole or not at all; same data, same bytes."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt

from firstlevel.arrays import FloatArray
from firstlevel.stage import atomic


def write_masked(
    path: Path,
    values: npt.NDArray[np.floating],
    mask: npt.NDArray[np.bool_],
    affine: FloatArray,
    dtype: npt.DTypeLike = np.float32,
    outside: float = 0.0,
) -> None:
    """Write values of voxels inside a mask, (v,) as 3D or (k, v) as 4D, and one value outside."""
    volume = np.full((*values.shape[:-1], *mask.shape[::-1]), outside, dtype=dtype)
    volume[..., mask.T] = values
    write_image(path, volume.T, affine)


def write_image(path: Path, data: npt.NDArray[np.generic], affine: FloatArray) -> None:
    """Write an image, whole or not at all; same data, same bytes."""
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1, strip_shears=True)
    image.header.set_xyzt_units("mm")
    payload = image.to_bytes()
    with atomic(path) as temporary:
        if path.suffix == ".gz":
            payload = gzip.compress(payload, compresslevel=1, mtime=0)
        temporary.write_bytes(payload)
