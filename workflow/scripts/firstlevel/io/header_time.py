"""The repetition time in the header of a 4D image."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from firstlevel.io.images import load, n_volumes


def read(bold: Path) -> float | None:
    """Return the repetition time (s) of a 4D header that names its unit."""
    image = load(bold)
    if n_volumes(image) == 1 or not isinstance(image.header, nib.Nifti1Header):
        return None
    try:
        unit = image.header.get_xyzt_units()[1]
    except KeyError:  # a code that stands for no unit
        return None
    factor = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}.get(unit)
    zooms = [float(zoom) for zoom in image.header.get_zooms()[3:]]
    zoom = zooms.pop(int(np.argmax(image.shape[3:])))
    if image.shape[3] == 1 and zoom in (0, 1):
        # of (x, y, z, 1, t) what writers fill in, beside the time in the fourth place, or none
        zoom = next((other for other in zooms if other not in (0, 1)), 0.0)
    return zoom * factor if factor and zoom > 0 else None
