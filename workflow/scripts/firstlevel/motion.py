"""What moved, read from the affines: in native space the headers hold the realignment."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def rigid_parameters(affine: FloatArray, reference: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Displacement of a volume against a reference, from their affines (4, 4).

    Returns
    -------
    translation : (3,), mm along x, y, z, of the origin of the reference's space.
    rotation : (3,), degrees: pitch, roll, yaw, about x, y, z.

    Notes
    -----
    ``affine @ inv(reference)`` is the movement in mm space, a translation after the rotations about
    x, y and z: SPM's parameters (``spm_imatrix``), with the signs of its ``rp_*.txt``. Zooms are taken
    out, so that rounding in the headers does not enter the angles.
    """
    move = affine @ np.linalg.inv(reference)
    rotation = move[:3, :3] / np.linalg.norm(move[:3, :3], axis=0)
    roll = np.arcsin(np.clip(rotation[0, 2], -1.0, 1.0))
    pitch = np.arctan2(rotation[1, 2], rotation[2, 2])
    yaw = np.arctan2(rotation[0, 1], rotation[0, 0])
    return move[:3, 3].copy(), np.degrees([pitch, roll, yaw])
