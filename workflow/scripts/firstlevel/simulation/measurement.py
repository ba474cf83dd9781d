"""What a scanner measures of a head that moves and responds, with noise.

Two frames, both in mm. The head's is MNI152: in it the brain is still. The scanner's holds the grid that is
measured; the rigid transformation M(t) carries the head into it, and M(0) of run 1 is none. So volume t lies
at ``affine(t) = inv(M(t)) @ scanner_affine`` in the head's frame, as realignment writes it to a header.

A measured voxel at the point x of the head is

    y(t) = S(x, t) (1 + noise/100 e(t)) + background |e(t)|,
    S(x, t) = B(x) (1 + sum_k p_k(x) r_k(t) / 100 + d(x, t) / 100)

with B the baseline, p_k the response to condition k in percent per unit of its regressor r_k, d the drift in
percent, and e an AR(1) process of unit variance in each voxel of the scanner's grid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from firstlevel.arrays import Float32Array, FloatArray
from firstlevel.simulation.drift import drift_courses, drift_maps
from firstlevel.simulation.head import BRAIN_MEAN, Head, sample
from firstlevel.simulation.movement import head_motion, rigid
from firstlevel.simulation.paradigm import event_onsets, response_regressors
from firstlevel.simulation.parameters import Parameters

BACKGROUND = 0.2  # of the noise in the brain


@dataclass(frozen=True)
class Run:
    """One run of n scans.

    Attributes
    ----------
    onsets : in scans, per condition.
    movement : (n, 6), mm and degrees, of the head in the scanner.
    affines : (n, 4, 4), voxels to mm of the head.
    volumes : one after the other, each made when it is asked for.
    """

    onsets: list[FloatArray]
    movement: FloatArray
    affines: FloatArray
    volumes: Iterator[Float32Array]


def simulate_run(
    head: Head,
    scanner: FloatArray,
    parameters: Parameters,
    offset: FloatArray,
    stream: np.random.SeedSequence,
) -> Run:
    """Simulate one run, with random numbers of its own.

    Parameters
    ----------
    scanner : (4, 4), voxels to mm of the grid that is measured.
    offset : (6,), where the head lies as the run begins, of which it takes `parameters.motion` times.
    """
    timing, walking, drifting, measuring = (
        np.random.Generator(np.random.PCG64(part)) for part in stream.spawn(4)
    )
    n_scans, repetition_time = parameters.n_scans, parameters.repetition_time
    onsets = event_onsets(n_scans, repetition_time, timing)
    movement = head_motion(n_scans, parameters.motion, offset, walking)
    affines = np.stack([np.linalg.inv(rigid(row)) @ scanner for row in movement])
    courses = drift_courses(n_scans, repetition_time, drifting)
    maps = drift_maps(head, parameters.drift, drifting)
    measured = volumes(
        head,
        response_regressors(onsets, n_scans, repetition_time),
        (courses, maps),
        affines,
        parameters.shape,
        noise=parameters.noise,
        ar1=parameters.ar1,
        rng=measuring,
    )
    return Run(onsets, movement, affines, measured)


def volumes(
    head: Head,
    regressors: FloatArray,
    drifts: tuple[FloatArray, Float32Array],
    affines: FloatArray,
    shape: Sequence[int],
    noise: float,
    ar1: float,
    rng: np.random.Generator,
) -> Iterator[Float32Array]:
    """One measured volume after the other: `shape`, float32, nonnegative.

    `regressors` is (n, conditions); `drifts` are time courses (n, 2) and their maps (2, x, y, z) in percent
    on the head's grid; `affines` (n, 4, 4) lead from voxels to mm of the head. `noise` is a standard
    deviation in percent of the local signal, `ar1` its lag-1 autocorrelation.
    """
    courses, maps = drifts
    parts = np.concatenate([head.responses, maps])
    parts *= head.baseline
    parts /= np.float32(100)
    parts = parts.reshape(len(parts), -1)
    weights = np.concatenate([regressors, courses], axis=1).astype(np.float32)
    now = np.empty(parts.shape[1], np.float32)
    error = rng.standard_normal(tuple(shape), np.float32)
    for scan, affine in enumerate(affines):
        if scan:
            innovation = rng.standard_normal(tuple(shape), np.float32)
            error = np.float32(ar1) * error + np.float32(np.sqrt(1 - ar1**2)) * innovation
        np.matmul(weights[scan], parts, out=now)
        now += head.baseline.ravel()
        signal = sample(now.reshape(head.baseline.shape), head.affine, affine, shape)
        background = np.float32(BACKGROUND * noise / 100 * BRAIN_MEAN) * np.abs(error)
        yield np.clip(signal * (1 + np.float32(noise / 100) * error) + background, 0, None)
