"""Motion as regressors: the parameters of the affines, their squares and differences."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from firstlevel.arrays import FloatArray
from firstlevel.image.motion import parameters_of
from firstlevel.io import run_headers
from firstlevel.stage import InputError


def read_motion(path: Path, n_scans: int) -> FloatArray:
    """Displacement of each volume by its affine, (n, 6): mm along x, y, z, then degrees about them.

    Raises
    ------
    InputError : another length than the run, or one affine for all volumes, which says nothing of motion.
    """
    parameters = parameters_of(run_headers.read(path).motion)
    if len(parameters) != n_scans:
        raise InputError(
            path,
            f"has {len(parameters)} volumes for a run of {n_scans} scans",
            expected="one per scan",
            remedy="let the workflow read the headers of the run again",
        )
    if not np.ptp(parameters, axis=0).any():
        raise InputError(
            path,
            "every volume has the same affine, which says nothing about motion",
            expected="3D volumes with the affines of a realignment",
            remedy="take motion from a confounds table: confounds.columns, or confounds.censor.source",
        )
    return parameters


def motion_regressors(parameters: FloatArray, count: int) -> FloatArray:
    """The six parameters (n, 6), or with their squares, backward differences and squares of these (n, 24).

    The first row of the differences is 0.
    """
    difference = np.diff(parameters, axis=0, prepend=parameters[:1])
    terms = [parameters, parameters**2, difference, difference**2]
    return np.hstack(terms[: count // 6])
