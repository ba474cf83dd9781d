"""Volumes of a run that moved or changed beyond the limits, by the table that measure_quality has written."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from firstlevel.arrays import BoolArray
from firstlevel.io import tables
from firstlevel.quality.temporal import dvars_scores


def count_above(timeseries: Path, limit: float) -> int | None:
    """Volumes of a framewise displacement above the limit; None where nothing is known of motion."""
    cells = [row.values["framewise_displacement"] for row in tables.read_rows(timeseries)]
    known = [float(value) for value in cells if value not in tables.MISSING]
    return sum(value > limit for value in known) if known else None


def spikes(timeseries: Path, kept: BoolArray, limit: float) -> tuple[list[int], float | None]:
    """Volumes, counted from 0, whose DVARS is beyond the limit, and the largest score; None of none.

    `kept` (n,) says which scans count in the fit.
    """
    cells = [row.values["dvars"] for row in tables.read_rows(timeseries)]
    dvars = np.array([math.nan if value in tables.MISSING else float(value) for value in cells])
    *_, scores = dvars_scores(dvars, kept)
    known = scores[np.isfinite(scores)]
    beyond = [int(scan) for scan in np.flatnonzero(np.nan_to_num(scores, nan=-np.inf) > limit)]
    return beyond, float(known.max()) if known.size else None
