"""SPM's ``.mat`` beside an image: the affines of its volumes, where they differ from the header's.

A header has room for one affine. Where SPM moves the volumes of a 4D image (realignment, reorientation), it
writes them to a file of the image's name: the variable ``mat``, (4, 4, n), from voxel indices counted from 1
to mm. A matrix of zeros leaves a volume to the header. SPM itself takes them before the header's, of 3D
images too. Source: ``spm_vol_nifti.m``, ``spm_get_space.m``, ``@nifti/private/read_extras.m`` of SPM12.

Standard library where nothing is read: every start of Snakemake pays for this import.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from firstlevel.io import contents
from firstlevel.stage import InputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SUFFIX = ".mat"


def name_beside(image: Path) -> Path:
    """Where SPM would keep the affines of an image: of run.nii, run.nii.gz and run.img in run.mat."""
    plain = image.with_suffix("") if image.suffix == ".gz" else image
    return plain.with_suffix(SUFFIX)


def beside(image: Path) -> Path | None:
    """The file of this name where there is one; a folder (of FSL's mcflirt) is none."""
    path = name_beside(image)
    return path if path.is_file() else None


def read(path: Path) -> npt.NDArray[np.float64] | None:
    """Affines (n, 4, 4) from voxel indices counted from 0 to mm, zeros where the header's holds.

    None where the file is something else, such as SPM's multiple conditions or a matrix of FSL's, which is
    text.

    Raises
    ------
    InputError : a file that may hold affines and cannot be read.
    """
    with contents.opened(path) as file:
        head = file.read(512)
    if head and b"\0" not in head:
        logging.info("%s is a text file, without affines of SPM", path.name)
        return None
    contents.check_matlab(path, contents.MOST_OF_MATLAB)
    import numpy as np
    from scipy.io import loadmat

    try:
        stored = loadmat(path, variable_names=["mat"]).get("mat")
    except Exception as error:  # whatever a damaged file makes of the reader
        why = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            path,
            f"cannot be read ({why}), and SPM keeps the affines of an image in a file of this name",
            expected="a MAT-file of version 7 or older",
            remedy="save it with -v7; rename it if it has nothing to do with the image",
        ) from error
    mat = np.asarray(stored) if stored is not None else np.empty(0)
    if mat.shape[:2] != (4, 4) or mat.ndim > 3 or mat.dtype.kind not in "iuf":
        logging.info("%s holds no affines of SPM", path.name)
        return None
    matrices = np.moveaxis(np.atleast_3d(mat).astype(np.float64), 2, 0)
    from_zero = np.eye(4)
    from_zero[:3, 3] = 1.0
    affines: npt.NDArray[np.float64] = matrices @ from_zero
    return affines
