"""Rigid movements: their parameters from affines, and back. Arrays only, numpy only."""

from __future__ import annotations

import numpy as np

from firstlevel.arrays import FloatArray


def rigid_motion(translation: FloatArray, rotation: FloatArray) -> FloatArray:
    """Movements (n, 4, 4) in mm space with these parameters, mm and degrees, both (n, 3).

    The inverse of :func:`rigid_parameters`: rotations about x, y and z (SPM's signs),
    then the translation.
    """
    a, b, c = np.radians(rotation).T
    one, zero = np.ones_like(a), np.zeros_like(a)

    def matrix(*rows: tuple[FloatArray, ...]) -> FloatArray:
        return np.moveaxis(np.array(rows), 2, 0)

    about_x = matrix((one, zero, zero), (zero, np.cos(a), np.sin(a)), (zero, -np.sin(a), np.cos(a)))
    about_y = matrix((np.cos(b), zero, np.sin(b)), (zero, one, zero), (-np.sin(b), zero, np.cos(b)))
    about_z = matrix((np.cos(c), np.sin(c), zero), (-np.sin(c), np.cos(c), zero), (zero, zero, one))
    moves = np.tile(np.eye(4), (len(translation), 1, 1))
    moves[:, :3, :3] = about_x @ about_y @ about_z
    moves[:, :3, 3] = translation
    return moves


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
