"""Grid of an image: shape and affine, from the header or SPM's ``.mat``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np

from firstlevel.arrays import FloatArray
from firstlevel.io import spm_affines
from firstlevel.io.images import load, n_volumes, spatial_shape
from firstlevel.stage import InputError

FARTHEST = 1e6
"""mm, how far from the origin of its space no voxel of a head is."""


@dataclass(frozen=True)
class Grid:
    """A grid of voxels: shape (nx, ny, nz) and affine (4, 4), voxel indices to mm.

    `source` is the ``.mat`` that the affine is from, None where it is the header's.
    """

    shape: tuple[int, int, int]
    affine: FloatArray
    source: Path | None = field(default=None, compare=False)

    @classmethod
    def of(cls, path: Path) -> Grid:
        """Return the grid of an image, of several volumes that of the first."""
        return cls.of_volumes(path)[0]

    @classmethod
    def of_volumes(cls, path: Path) -> list[Grid]:
        """Return the grid of each volume of an image; the header's is one for all of them.

        Raises
        ------
        InputError : a singular affine or one that leads too far, a ``.mat`` with another number of volumes.
        """
        image = load(path)
        n_scans, shape = n_volumes(image), spatial_shape(image)
        header, source = np.asarray(image.affine, dtype=np.float64), spm_affines.beside(path)
        is_nifti = isinstance(image.header, nib.Nifti1Header)  # of Analyze, nibabel reads the .mat itself
        matrices = spm_affines.read(source) if source and is_nifti else None
        if source is None or matrices is None:
            _check_affine(header, shape, path, "")
            return [cls(shape, header)] * n_scans
        if len(matrices) != n_scans:
            raise InputError(
                source,
                f"holds the affines of {len(matrices)} volumes, and {path.name} has {n_scans}",
                expected="one affine per volume: SPM takes them instead of the header's",
                remedy="restore the .mat of this image, or remove it if the header's affine holds for all",
            )
        affines = [matrix if matrix.any() else header for matrix in matrices]
        for scan, affine in enumerate(affines):
            _check_affine(affine, shape, source if matrices[scan].any() else path, f" (volume {scan + 1})")
        return [cls(shape, affine, source) for affine in affines]


def _check_affine(affine: FloatArray, shape: tuple[int, int, int], path: Path, volume: str) -> None:
    """Raise an InputError for a singular affine, or one that puts a voxel a kilometre away."""
    flat = not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < 1e-9
    if flat or not np.array_equal(affine[3], (0, 0, 0, 1)):
        raise InputError(
            path,
            f"its affine cannot be inverted{volume}",
            expected="an affine in mm that can be inverted",
            remedy="restore the header (sform or qform)",
        )
    reach = float((np.abs(affine[:3, :3]) @ (np.array(shape) - 1) + np.abs(affine[:3, 3])).max())
    if reach >= FARTHEST:
        raise InputError(
            path,
            f"its affine puts voxels up to {reach:.3g} mm from the origin{volume}",
            expected=f"coordinates in mm, below {FARTHEST:g}",
            remedy="restore the header (sform or qform)",
        )
