"""Slow changes of the signal that no event makes: courses over time, and how strong each is where."""

from __future__ import annotations

import numpy as np

from firstlevel.arrays import Float32Array, FloatArray
from firstlevel.simulation.head import BRAIN_MEAN, Head, coordinates

DRIFT_PERIOD = 256.0  # s, slower than the 128 s at which fMRI is usually filtered


def drift_courses(n_scans: int, repetition_time: float, rng: np.random.Generator) -> FloatArray:
    """(n_scans, 2), a line and a slow cosine of random phase, both within [-0.5, 0.5]."""
    times = np.arange(n_scans) * repetition_time
    phase = rng.uniform(0, 2 * np.pi)
    return np.stack(
        [np.linspace(-0.5, 0.5, n_scans), 0.5 * np.cos(2 * np.pi * times / DRIFT_PERIOD + phase)], axis=1
    )


def drift_maps(head: Head, drift: float, rng: np.random.Generator) -> Float32Array:
    """(2, x, y, z), percent: random gradients over the head, at most `drift` where the head is."""
    x, y, z = coordinates(head.baseline.shape, head.affine)
    inside = head.baseline > 0.1 * BRAIN_MEAN
    maps = []
    for a, b, c, d in rng.standard_normal((2, 4)):
        field = a + 0.5 * (b * x + c * (y + 18) + d * z) / 80
        strength = drift * np.clip(field / np.abs(field[inside]).max(), -1, 1)
        maps.append(strength.astype(np.float32))
    return np.stack(maps)
