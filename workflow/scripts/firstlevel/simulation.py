"""A head that moves in a scanner, responds to faces, and is measured with noise.

Two frames, both in mm. The head's is MNI152: in it the brain is still. The scanner's holds the grid that is
measured; the rigid transformation M(t) carries the head into it, and M(0) of run 1 is none. So volume t lies
at ``affine(t) = inv(M(t)) @ scanner_affine`` in the head's frame, as realignment writes it to a header.

A measured voxel at the point x of the head is

    y(t) = S(x, t) (1 + noise/100 e(t)) + background |e(t)|,
    S(x, t) = B(x) (1 + sum_k p_k(x) r_k(t) / 100 + d(x, t) / 100)

with B the baseline, p_k the response to condition k in percent per unit of its regressor r_k, d the drift in
percent, and e an AR(1) process of unit variance in each voxel of the scanner's grid.

The head is by definition trilinear between the nodes of its 2 mm grid: sampling it is exact, wherever it is.
It is blurred by the voxel size beforehand, as a scanner averages within voxels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from firstlevel.glm.sampling import Basis, Events

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]

CONDITIONS = ("faces", "scrambled")
EVENT_DURATION = 1.0  # s
RESPONSE = Basis.of_model("spm", "nilearn", 50, -24.0, None, None)  # nilearn's defaults
FIRST_EVENT, EVENT_INTERVAL, EVENT_JITTER, TAIL = 4.0, 6.0, 1.5, 18.0  # s
DRIFT_PERIOD = 256.0  # s, slower than the 128 s at which fMRI is usually filtered
BRAIN_MEAN = 850.0
TISSUES = {"grey": 1.0, "white": 0.8, "csf": 1.15, "scalp": 0.2}  # T2*-weighted contrast, grey matter = 1
BACKGROUND = 0.2  # of the noise in the brain
CENTRE = np.array([0.0, -18.0, 3.0])  # mm, of the measured grid, and what the head turns about
TILT = np.array([0.0, 0.0, 0.0, 6.0, -2.0, 3.0])  # mm and degrees, of the slices against the head
RUN_OFFSET = np.array([2.5, -2.0, 3.0, 2.0, -1.0, 1.5])  # mm and degrees, of run 2 where motion = 1
SMOOTH_STEPS = 3.0  # scans, standard deviation of the Gaussian that smooths the walk of the head


@dataclass(frozen=True)
class Region:
    """A place that responds: a Gaussian within grey matter, with peaks relative to `activation`."""

    name: str
    centre: tuple[float, float, float]  # mm, MNI152
    fwhm: float  # mm
    peaks: tuple[float, float]  # of CONDITIONS


REGIONS = (
    Region("right fusiform gyrus", (42.0, -52.0, -16.0), 16.0, (1.0, 0.25)),
    Region("left fusiform gyrus", (-40.0, -54.0, -16.0), 14.0, (0.7, 0.2)),
    Region("right occipital cortex", (18.0, -92.0, -4.0), 20.0, (0.8, 0.8)),
    Region("left occipital cortex", (-16.0, -94.0, -4.0), 20.0, (0.8, 0.8)),
)


@dataclass(frozen=True)
class Head:
    """Images of the head at the nodes of one grid.

    Attributes
    ----------
    affine : (4, 4), voxels to mm.
    baseline : (x, y, z), signal at rest.
    responses : (2, x, y, z), percent of the baseline per unit regressor, one map per condition.
    """

    affine: FloatArray
    baseline: Float32Array
    responses: Float32Array


def coordinates(shape: Sequence[int], affine: FloatArray) -> list[FloatArray]:
    """x, y and z in mm of a grid without rotation, each (1, 1, n)-shaped so that it broadcasts."""
    return list(np.ix_(*(affine[k, k] * np.arange(n) + affine[k, 3] for k, n in enumerate(shape))))


def make_head(
    t1: Float32Array,
    grey: Float32Array,
    white: Float32Array,
    affine: FloatArray,
    blur: Sequence[float],
    activation: float,
) -> Head:
    """The head at rest and its responses, from the templates of one brain.

    `t1` is (x, y, z) in [0, 1] without skull, `grey` and `white` are probabilities on the same grid, with
    `affine` (4, 4) without rotation. `blur` is the full width at half maximum in mm, per axis; `activation`
    the highest response to faces, in percent per unit regressor.
    """
    sigma = np.asarray(blur) / np.sqrt(8 * np.log(2)) / np.abs(np.diag(affine)[:3])
    brain = ndimage.binary_fill_holes(t1 > 0.15)
    distance = ndimage.distance_transform_edt(~brain, sampling=np.abs(np.diag(affine)[:3]))
    signal = (
        TISSUES["grey"] * grey
        + TISSUES["white"] * white
        + TISSUES["csf"] * np.clip(brain - grey - white, 0, None)
        + TISSUES["scalp"] * ((distance > 7) & (distance < 13))
    )
    x, y, z = coordinates(t1.shape, affine)
    bias = 0.85 + 0.15 * ((x / 70) ** 2 + ((y + 18) / 90) ** 2 + ((z - 3) / 70) ** 2) - 0.04 * y / 90
    baseline = ndimage.gaussian_filter(signal.astype(np.float32), sigma) * bias
    baseline *= BRAIN_MEAN / baseline[brain].mean()

    cortex = ndimage.gaussian_filter(np.where(brain, grey, 0).astype(np.float32), sigma)
    responses = np.zeros((len(CONDITIONS), *t1.shape), np.float32)
    for region in REGIONS:
        squares = sum((axis - c) ** 2 for axis, c in zip((x, y, z), region.centre, strict=True))
        blob = cortex * np.exp(-4 * np.log(2) * squares / region.fwhm**2)
        for response, peak in zip(responses, region.peaks, strict=True):
            response += activation * peak * blob / blob.max()
    return Head(affine, baseline.astype(np.float32), responses)


def scanner_affine(shape: Sequence[int], voxel_size: Sequence[float]) -> FloatArray:
    """(4, 4), voxels to mm of the measured grid: centred on the brain, oblique, x from right to left."""
    scale = np.diag([-voxel_size[0], voxel_size[1], voxel_size[2], 1.0])
    scale[:3, 3] = CENTRE - scale[:3, :3] @ (np.asarray(shape) - 1) / 2
    return rigid(TILT) @ scale


def rigid(parameters: FloatArray) -> FloatArray:
    """(4, 4) transformation from (6,) translations in mm and rotations in degrees about CENTRE, x, y, z."""
    a, b, c = np.deg2rad(parameters[3:])
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = x @ y @ z
    matrix[:3, 3] = CENTRE + parameters[:3] - matrix[:3, :3] @ CENTRE
    return matrix


def head_motion(n_scans: int, motion: float, offset: FloatArray, rng: np.random.Generator) -> FloatArray:
    """(n_scans, 6), mm and degrees: a smooth random walk from `offset`.

    Its standard deviation at the end of the run is about `motion`, in mm and in degrees.
    """
    walk: FloatArray = np.cumsum(rng.standard_normal((n_scans, 6)), axis=0) / np.sqrt(n_scans)
    walk = ndimage.gaussian_filter1d(walk, SMOOTH_STEPS, axis=0, mode="nearest")
    parameters: FloatArray = motion * (offset + walk - walk[0])
    return parameters


def fewest_scans(events: int, repetition_time: float) -> int:
    """Scans of a run that holds so many events, with time for the last response to fade."""
    return math.ceil((FIRST_EVENT + (events - 1) * EVENT_INTERVAL + TAIL) / repetition_time)


def event_onsets(n_scans: int, repetition_time: float, rng: np.random.Generator) -> list[FloatArray]:
    """Onsets in scans, sorted, per condition: as many of each (or one more of faces), in random order."""
    count = int((n_scans * repetition_time - FIRST_EVENT - TAIL) // EVENT_INTERVAL) + 1
    jitter = rng.uniform(-EVENT_JITTER, EVENT_JITTER, count)
    seconds = FIRST_EVENT + EVENT_INTERVAL * np.arange(count) + jitter
    labels = rng.permutation(np.arange(count) % len(CONDITIONS))
    scans = np.round(seconds / repetition_time, 3)
    return [scans[labels == k] for k in range(len(CONDITIONS))]


def response_regressors(onsets: Sequence[FloatArray], n_scans: int, repetition_time: float) -> FloatArray:
    """(n_scans, conditions): EVENT_DURATION long events, convolved with SPM's HRF, at each scan's start."""
    frame_times = np.arange(n_scans, dtype=np.float64) * repetition_time
    columns = []
    for condition in onsets:
        times = condition * repetition_time
        lasting, high = np.full_like(times, EVENT_DURATION), np.ones_like(times)
        events = Events(times, lasting, times + lasting, high)
        columns.append(RESPONSE.regressors(events, frame_times)[:, 0])
    return np.stack(columns, axis=1)


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
        maps.append(drift * np.clip(field / np.abs(field[inside]).max(), -1, 1))
    return np.stack(maps).astype(np.float32)


def sample(
    image: Float32Array, image_affine: FloatArray, affine: FloatArray, shape: Sequence[int]
) -> Float32Array:
    """An image of the head at the voxels of another grid, trilinear, 0 outside."""
    to_image = np.linalg.inv(image_affine) @ affine
    sampled: Float32Array = ndimage.affine_transform(
        image, to_image[:3, :3], to_image[:3, 3], tuple(shape), np.float32, order=1, prefilter=False
    )
    return sampled


def true_responses(head: Head, affine: FloatArray, shape: Sequence[int]) -> Float32Array:
    """(2, x, y, z), percent per unit regressor on a grid: what a fit without error would give."""
    baseline = sample(head.baseline, head.affine, affine, shape)
    inside = baseline > 1.0
    changes = [sample(head.baseline * r, head.affine, affine, shape) for r in head.responses]
    return np.stack([np.where(inside, c / np.where(inside, baseline, 1), 0) for c in changes])


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
    parts = head.baseline * np.concatenate([head.responses, maps]) / np.float32(100)
    parts = parts.reshape(len(parts), -1)
    weights = np.concatenate([regressors, courses], axis=1).astype(np.float32)
    error = rng.standard_normal(tuple(shape), np.float32)
    for scan, affine in enumerate(affines):
        if scan:
            innovation = rng.standard_normal(tuple(shape), np.float32)
            error = np.float32(ar1) * error + np.float32(np.sqrt(1 - ar1**2)) * innovation
        now = head.baseline + (weights[scan] @ parts).reshape(head.baseline.shape)
        signal = sample(now, head.affine, affine, shape)
        background = np.float32(BACKGROUND * noise / 100 * BRAIN_MEAN) * np.abs(error)
        yield np.clip(signal * (1 + np.float32(noise / 100) * error) + background, 0, None)
