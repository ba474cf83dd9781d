"""Numbers that stand for many in a sidecar or a table: None, and n/a, for what is not known."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def mean_and_largest(values: FloatArray) -> dict[str, float | None]:
    """Of the values that are finite."""
    known = values[np.isfinite(values)]
    return {
        "Mean": float(known.mean()) if known.size else None,
        "Largest": float(known.max()) if known.size else None,
    }


def quantile(values: FloatArray, share: float) -> float | None:
    """Value below which a share of all lies; None of none."""
    return float(np.quantile(values, share)) if values.size else None


def cell(value: float) -> object:
    """As a table has it: n/a for what is not known."""
    return value if np.isfinite(value) else "n/a"


def finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None
