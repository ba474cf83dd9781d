"""What a fit of the simulated study should find, as its sidecar says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from firstlevel.arrays import FloatArray
from firstlevel.simulation.head import REGIONS
from firstlevel.simulation.movement import CENTRE
from firstlevel.simulation.paradigm import CONDITIONS
from firstlevel.simulation.parameters import Parameters


def content(parameters: Parameters, movements: Mapping[int, FloatArray]) -> dict[str, Any]:
    """Parameters, places that respond with their peaks in percent per unit regressor, and motion.

    `movements` are those of the runs by their numbers, (n, 6) each.
    """
    return {
        "Parameters": parameters.content(),
        "Regions": [
            {
                "Name": region.name,
                "CentreInMNI": region.centre,
                "Fwhm": region.fwhm,
                "PeakPercent": {
                    condition: parameters.activation * peak
                    for condition, peak in zip(CONDITIONS, region.peaks, strict=True)
                },
            }
            for region in REGIONS
        ],
        "Motion": {f"run-{number}": movement.round(6).tolist() for number, movement in movements.items()},
        "MotionColumns": ["x mm", "y mm", "z mm", "x degrees", "y degrees", "z degrees"],
        "MotionCentre": CENTRE.tolist(),
    }
