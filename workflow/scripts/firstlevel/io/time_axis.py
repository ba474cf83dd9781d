"""The repetition time among the sizes of voxels in a header. Standard library."""

from __future__ import annotations

from collections.abc import Sequence


def repetition_time(sizes: Sequence[int], zooms: Sequence[float], unit: float | None) -> float | None:
    """Repetition time (s) along the one axis longer than one; None where the header gives none.

    Parameters
    ----------
    sizes, zooms : of the fourth and further axes.
    unit : seconds in the unit of time; None where the header names none.
    """
    if unit is None or max(sizes) == 1:
        return None
    zoom = zooms[sizes.index(max(sizes))]
    if sizes[0] == 1 and zoom in (0, 1):
        # of (x, y, z, 1, t) what writers fill in, beside the time in the fourth place, or none
        zoom = next((other for other in zooms if other not in (0, 1)), 0.0)
    return zoom * unit if zoom > 0 else None
