"""How the head lies and moves in the scanner; mm and degrees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from firstlevel.arrays import FloatArray

CENTRE = np.array([0.0, -18.0, 3.0])  # mm, of the measured grid, and what the head turns about
TILT = np.array([0.0, 0.0, 0.0, 6.0, -2.0, 3.0])  # mm and degrees, of the slices against the head
RUN_OFFSET = np.array([2.5, -2.0, 3.0, 2.0, -1.0, 1.5])  # mm and degrees, of run 2 where motion = 1
SMOOTH_STEPS = 3.0  # scans, standard deviation of the Gaussian that smooths the walk of the head


def scanner_affine(shape: Sequence[int], voxel_size: Sequence[float]) -> FloatArray:
    """(4, 4), voxels to mm of the measured grid: centred on the brain, oblique, x from right to left."""
    scale = np.diag([-voxel_size[0], voxel_size[1], voxel_size[2], 1.0])
    scale[:3, 3] = CENTRE - scale[:3, :3] @ (np.asarray(shape) - 1) / 2
    return rigid(TILT) @ scale


def rigid(parameters: FloatArray) -> FloatArray:
    """(4, 4) transformation from (6,) translations in mm and rotations in degrees about CENTRE, x, y, z."""
    a, b, c = np.deg2rad(parameters[3:])
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = x @ y @ z
    matrix[:3, 3] = CENTRE + parameters[:3] - matrix[:3, :3] @ CENTRE
    return matrix


def head_motion(n_scans: int, motion: float, offset: FloatArray, rng: np.random.Generator) -> FloatArray:
    """(n_scans, 6), mm and degrees: a smooth random walk from `offset`.

    Its standard deviation at the end of the run is about `motion`, in mm and in degrees.
    """
    walk: FloatArray = np.cumsum(rng.standard_normal((n_scans, 6)), axis=0) / np.sqrt(n_scans)
    walk = ndimage.gaussian_filter1d(walk, SMOOTH_STEPS, axis=0, mode="nearest")
    parameters: FloatArray = motion * (offset + walk - walk[0])
    return parameters
