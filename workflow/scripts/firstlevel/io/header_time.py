"""The repetition time in the header of a 4D image."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib

from firstlevel.io.images import load, n_volumes
from firstlevel.io.time_axis import repetition_time

SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
"""In a unit of time, by nibabel's names."""


def read(bold: Path) -> float | None:
    """Return the repetition time (s) of a 4D header that names its unit."""
    image = load(bold)
    if n_volumes(image) == 1 or not isinstance(image.header, nib.Nifti1Header):
        return None
    try:
        unit = image.header.get_xyzt_units()[1]
    except KeyError:  # a code that stands for no unit
        return None
    zooms = [float(zoom) for zoom in image.header.get_zooms()[3:]]
    return repetition_time(image.shape[3:], zooms, SECONDS.get(unit))
