"""The mean that data become a percentage of: that of the mask, or SPM's global; and data that have none."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from firstlevel.stage import InputError

Scaling = Literal["voxel", "grand_mean", "spm_global", "none"]


def grand_mean(bold: Path, scaling: Scaling, of_mask: float, of_spm: Sequence[float]) -> float | None:
    """What becomes 100: the mean of the mask, or the mean over scans of SPM's global; None where neither.

    Parameters
    ----------
    of_spm : SPM's global of each scan, where the scaling is that.

    Raises
    ------
    InputError : a mean that is not above 0.
    """
    if scaling not in ("grand_mean", "spm_global"):
        return None
    mean = of_mask
    if scaling == "spm_global":
        mean = float(np.mean(of_spm))
        logging.info("the mean over scans of SPM's global is %g; the mask's mean is %g", mean, of_mask)
    if mean <= 0:
        raise missing(bold, f"the mean over all is {mean:g},")
    return mean


def missing(bold: Path, what: str) -> InputError:
    """Say that data have no mean to be a percentage of."""
    return InputError(
        bold,
        f"{what} below 1 or below the standard deviation over time: percent signal change is undefined",
        expected="images with their baseline (denoising or rescaling may have removed it)",
        remedy="take images with their baseline; if only their unit is small, set glm.signal_scaling: "
        "grand_mean; glm.signal_scaling: none analyses the data in their own unit",
    )
