"""Studies on arrays whose truth is known: random designs, AR(1) noise, effects in percent signal.

Every voxel is an independent draw, so a study of 2,000 voxels is 2,000 draws that share a design. Two runs
with designs of their own, as the workflow models them, and fixed effects over both.
"""

from dataclasses import dataclass

import numpy as np
import scipy.signal

from firstlevel.glm import contrasts
from firstlevel.glm import design as designs
from firstlevel.glm import fit as glm
from firstlevel.io.event_table import Event

OPTIONS = designs.DesignOptions("spm + derivative", "cosine", 0.01, -24, 50)
CONDITIONS = ("faces", "scrambled")
FIRST, TAIL, DURATION = 4.0, 18.0, 1.0  # s
NOISE = 1.0  # percent of the baseline
T_WEIGHTS = np.array([1.0, -1.0])
F_WEIGHTS = np.eye(2)


@dataclass(frozen=True)
class Timing:
    """Scans of a run, seconds between them, between events, and of a block."""

    n_scans: int
    repetition_time: float
    interval: float
    block: float


TIMINGS = {
    390: Timing(390, 2.0, 6.0, 16.0),
    128: Timing(128, 2.0, 6.0, 16.0),
    42: Timing(42, 7.0, 14.0, 28.0),
}
"""Runs by their scans; the short one has the times of SPM's auditory study."""


def random_events(kind, timing, rng):
    """Events in random order with jitter, or blocks in random order, a third of them rest."""
    end = timing.n_scans * timing.repetition_time
    if kind == "events":
        count = int((end - FIRST - TAIL) // timing.interval) + 1
        jitter = rng.uniform(-0.25, 0.25, count) * timing.interval
        onsets = FIRST + timing.interval * np.arange(count) + jitter
        labels, duration = rng.permutation(np.arange(count) % 2), DURATION
    else:
        count = int((end - FIRST) // timing.block)
        onsets = FIRST + timing.block * np.arange(count)
        labels, duration = rng.permutation(np.arange(count) % 3), timing.block
    return [
        Event(float(onset), duration, CONDITIONS[label])
        for onset, label in zip(onsets, labels, strict=True)
        if label < 2
    ]


def random_design(kind, timing, rng):
    """The design of a run as the stage makes it, (n, p); its first columns of interest by name."""
    times = designs.frame_times(timing.n_scans, timing.repetition_time, 0.0)
    names, matrix = designs.design_matrix(times, random_events(kind, timing, rng), OPTIONS)
    return matrix, [names.index(name) for name in CONDITIONS]


def ar1_noise(n_scans, rho, rng):
    """Stationary AR(1) series of unit variance, (n, v), one coefficient per voxel."""
    noise = rng.standard_normal((n_scans, len(rho)))
    for value in np.unique(rho[rho != 0]):
        at = rho == value
        of_rho = noise[:, at]
        of_rho[1:] *= np.sqrt(1 - value**2)
        noise[:, at] = scipy.signal.lfilter([1.0], [1.0, -value], of_rho, axis=0)
    return noise


@dataclass(frozen=True)
class Run:
    """Raw data (n, v), design (n, p), and the weights of the t and of the F contrast, (1, p) and (2, p)."""

    data: np.ndarray
    design: np.ndarray
    t: np.ndarray
    f: np.ndarray


def make_run(design, columns, rho, effects, rng):
    """A run of `rho` (v,) and `effects` (2, v), percent of the voxel's baseline per unit of its regressor."""
    noise = NOISE * ar1_noise(len(design), rho, rng)
    baseline = rng.uniform(500.0, 1000.0, len(rho))
    weights = np.zeros((2, design.shape[1]))
    weights[[0, 1], columns] = 1.0
    data = baseline * (1 + (design[:, columns] @ effects + noise) / 100)
    return Run(data, design, T_WEIGHTS[np.newaxis] @ weights, F_WEIGHTS @ weights)


def make_study(kind, timing, rho, effects, rng):
    """Two runs of one subject, each with a design of its own."""
    return [make_run(*random_design(kind, timing, rng), rho, effects, rng) for _ in range(2)]


def tested(runs, noise_model):
    """Fit the runs, and test them as the workflow does; each test by its name."""
    fits = []
    for run in runs:
        design = glm.Design.of(run.design)
        fits.append(
            contrasts.RunFit(design, glm.fit(glm.percent_signal_change(run.data), design, noise_model))
        )
    t, f = [run.t for run in runs], [run.f for run in runs]
    return {
        "t": contrasts.t_over_runs(fits, t),
        "t, precision": contrasts.t_over_runs(fits, t, "precision"),
        "F": contrasts.f_over_runs(fits, f),
        "exact F": contrasts.exact_f_over_runs(fits, f),
    }, np.mean([fit.estimates.ar1 for fit in fits], axis=0)
