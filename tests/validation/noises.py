"""Gaussian noise of known covariance, and designs as people have them. Arrays only.

Every noise is defined by its autocorrelations, in closed form or as a sum of cosines with positive weights,
so that its covariance matrix is known exactly, whatever the number of scans. Series are the Cholesky factor
of that matrix times independent numbers.

Symbols: n scans, v voxels, p regressors.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.linalg
import scipy.ndimage
from numpy.typing import NDArray

from firstlevel.glm import design as designs
from firstlevel.io.event_table import Event

Array = NDArray[np.float64]
Autocorrelations = Callable[[int, float], Array]
"""Of a number of scans and the repetition time (s) the autocorrelations (n,), the first 1."""


def white(n: int, tr: float) -> Array:
    """1 at lag 0, else 0."""
    return (np.arange(n) == 0).astype(np.float64)


def ar1(coefficient: float, share: float = 1.0) -> Autocorrelations:
    """AR(1) with that share of the variance, the rest white."""

    def of(n: int, tr: float) -> Array:
        return np.where(np.arange(n) == 0, 1.0, share * coefficient ** np.arange(n))

    return of


def arma(ar: tuple[float, ...], ma: tuple[float, ...]) -> Autocorrelations:
    """x_t = sum a_i x_{t-i} + e_t + sum b_i e_{t-i}, from the weights of its innovations.

    The weights psi (x_t = sum psi_j e_{t-j}) are summed to where they are below rounding.
    """

    def of(n: int, tr: float) -> Array:
        psi = np.zeros(n + N_WEIGHTS)
        psi[: len(ma) + 1] = 1.0, *ma
        for t in range(1, psi.size):
            for lag, a in enumerate(ar[:t], start=1):
                psi[t] += a * psi[t - lag]
        covariance = np.array([psi[: psi.size - k] @ psi[k:] for k in range(n)])
        return covariance / covariance[0]

    return of


N_WEIGHTS = 2000
"""More than any process here remembers."""


def one_over_f(n: int, tr: float) -> Array:
    """Power 1 / (f + FLAT) up to the Nyquist frequency: cosines, equally far apart in log(f + FLAT)."""
    edges = np.log([FLAT, 0.5 / tr + FLAT])
    steps = edges[0] + (edges[1] - edges[0]) * (np.arange(N_COSINES) + 0.5) / N_COSINES
    frequency = np.exp(steps) - FLAT
    return np.array([np.cos(2 * np.pi * frequency * tr * k).mean() for k in range(n)])


FLAT = 0.004
"""Hz below which 1/f noise is flat: a run sees drifts to its own length."""
N_COSINES = 20000


def oscillation(frequency: float, width: float) -> Autocorrelations:
    """Of a Gaussian peak of the spectrum (Hz): sampled, it is aliased as by a scanner."""

    def of(n: int, tr: float) -> Array:
        lag = tr * np.arange(n)
        return np.cos(2 * np.pi * frequency * lag) * np.exp(-2 * (np.pi * width * lag) ** 2)

    return of


def sum_of(*parts: tuple[float, Autocorrelations]) -> Autocorrelations:
    """Independent noises, each with its share of the variance."""

    def of(n: int, tr: float) -> Array:
        return np.sum([share * part(n, tr) for share, part in parts], axis=0)

    return of


def physiology(of_white: float, slow: float, of_body: float) -> Autocorrelations:
    """White, 1/f, and half each of respiration (0.3 Hz) and heart beat (1.05 Hz)."""
    respiration, heart = oscillation(0.3, 0.03), oscillation(1.05, 0.05)
    return sum_of((of_white, white), (slow, one_over_f), (of_body / 2, respiration), (of_body / 2, heart))


def long_memory(d: float) -> Autocorrelations:
    """ARFIMA(0, d, 0): rho_k = rho_{k-1} (k - 1 + d) / (k - d) (Hosking 1981, Biometrika 68:165-176)."""

    def of(n: int, tr: float) -> Array:
        k = np.arange(1, n)
        return np.concatenate([[1.0], np.cumprod((k - 1 + d) / (k - d))])

    return of


def random_walk(share: float, corner: float) -> Autocorrelations:
    """Power 1 / (f^2 + corner^2) (Hz), aliased, with that share of the variance; the rest white."""

    def of(n: int, tr: float) -> Array:
        return ar1(float(np.exp(-2 * np.pi * corner * tr)), share)(n, tr)

    return of


@dataclass(frozen=True)
class Noise:
    """A stationary noise, or one whose standard deviation drifts linearly over the run.

    Attributes
    ----------
    autocorrelations : of the stationary noise.
    drifts : standard deviation at the end of the run less that at its start, in units of their mean.
    tails : degrees of freedom of Student's distribution of the independent numbers; None is normal.
    """

    autocorrelations: Autocorrelations
    drifts: float = 0.0
    tails: float | None = None

    def covariance(self, n: int, tr: float) -> Array:
        """(n, n), with a mean variance of 1."""
        deviation = 1 + self.drifts * (np.arange(n) / (n - 1) - 0.5)
        deviation /= np.sqrt(np.mean(deviation**2))
        stationary = scipy.linalg.toeplitz(self.autocorrelations(n, tr))
        return stationary * np.outer(deviation, deviation)


NOISES = {
    "white": Noise(white),
    "AR(1) .3": Noise(ar1(0.3)),
    "AR(1) + white": Noise(ar1(0.85, 0.5)),
    "ARMA(1,1)": Noise(arma((0.8,), (-0.4,))),
    "physiology": Noise(physiology(0.45, 0.35, 0.20)),
    "mostly 1/f": Noise(physiology(0.3, 0.7, 0.0)),
    # those that nobody had seen when the model was made
    "ARMA(2,1)": Noise(arma((1.1, -0.5), (0.4,))),
    "slow ARMA(2,1)": Noise(arma((1.3, -0.35), (-0.6,))),
    "long memory": Noise(long_memory(0.35)),
    "drifting variance": Noise(arma((0.8,), (-0.4,)), drifts=1.0),
    "heavy tails": Noise(ar1(0.85, 0.5), tails=5.0),
    "interpolated": Noise(arma((), (0.6,))),
    "negative AR(1)": Noise(ar1(-0.3)),
    "respiration": Noise(sum_of((0.6, white), (0.4, oscillation(0.3, 0.01)))),
    "random walk": Noise(random_walk(0.3, 0.004)),
}
VARIED = "varied"
"""AR(1) + white, in which each voxel has a coefficient and a share of its own: the seventh noise."""
SEVEN = ("white", "AR(1) .3", "AR(1) + white", "ARMA(1,1)", "physiology", "mostly 1/f", VARIED)
UNSEEN = tuple(NOISES)[len(SEVEN) - 1 :]
COEFFICIENTS, SHARES = (0.3, 0.9), (0.1, 0.9)
"""Ranges of the varied noise."""


@lru_cache(maxsize=16)
def factor(name: str, n: int, tr: float) -> Array:
    """Cholesky factor (n, n), lower, of the covariance of a noise."""
    lower: Array = np.linalg.cholesky(NOISES[name].covariance(n, tr))
    return lower


def series(name: str, n: int, tr: float, numbers: Array, of_voxel: Array | None = None) -> Array:
    """Noise (n, v) of unit variance, from independent standard normal `numbers` (n, v).

    The varied noise needs `of_voxel` (2, v), coefficient and share, and twice as many numbers, (2 n, v).
    """
    if name == VARIED:
        assert of_voxel is not None
        a, share = of_voxel
        slow = numbers[:n].copy()
        slow[1:] *= np.sqrt(1 - a**2)
        for t in range(1, n):
            slow[t] += a * slow[t - 1]
        return np.sqrt(share) * slow + np.sqrt(1 - share) * numbers[n:]
    noise: Array = factor(name, n, tr) @ numbers
    return noise


def independent(name: str, n: int, v: int, rng: np.random.Generator) -> Array:
    """The numbers that :func:`series` needs, of unit variance."""
    tails = NOISES[name].tails if name != VARIED else None
    if tails is not None:
        return rng.standard_t(tails, (n, v)) / np.sqrt(tails / (tails - 2))
    return rng.standard_normal((2 * n if name == VARIED else n, v))


def varied(v: int, rng: np.random.Generator) -> Array:
    """Coefficient and share of each voxel, (2, v)."""
    return np.stack([rng.uniform(*COEFFICIENTS, v), rng.uniform(*SHARES, v)])


OPTIONS = designs.DesignOptions("spm + derivative", "cosine", 1 / 128, -24, 50)
MOTION_FROM = 100
"""Scans from which a design has six motion columns."""


@dataclass(frozen=True)
class RandomDesign:
    """A design (n, p), the names of its columns, and weights: t of `a`, F of the rows of `joint` (2, p)."""

    matrix: Array
    names: list[str]
    t: Array
    joint: Array

    @property
    def is_drift(self) -> NDArray[np.bool_]:
        """Cosines, (p,)."""
        return np.array([name.startswith("drift_") for name in self.names])


def random_design(
    kind: str, n: int, tr: float, rng: np.random.Generator, censored: float = 0.0
) -> RandomDesign:
    """Blocks of one condition at a random phase ("blocks 20" s), or events of two in random order ("events").

    t tests the first condition; F it and the second one, or it and its derivative. `censored` is the share
    of scans that get a column of their own.
    """
    end = n * tr
    names, columns = [], np.zeros((n, 0))
    if n >= MOTION_FROM:
        names, columns = [f"motion_{k}" for k in range(6)], random_motion(n, rng)
    if censored:
        scans = np.sort(rng.choice(n, round(censored * n), replace=False))
        names = names + [f"censor_{scan}" for scan in scans]
        columns = np.column_stack([columns, np.eye(n)[:, scans]])
    times = designs.frame_times(n, tr, 0.0)
    order, matrix = designs.design_matrix(times, random_events(kind, end, rng), OPTIONS, columns, names)
    tested = ("a", "b" if "b" in order else "a_derivative")
    joint = np.zeros((2, len(order)))
    joint[[0, 1], [order.index(name) for name in tested]] = 1.0
    return RandomDesign(matrix, order, joint[:1], joint)


def random_events(kind: str, end: float, rng: np.random.Generator) -> list[Event]:
    """Events to the `end` (s) of a run."""
    if kind == "events":
        onsets = np.cumsum(3 + rng.exponential(4, int(end / 3) + 1))
        onsets = onsets[onsets < end - 12]
        labels = rng.permutation(np.arange(onsets.size) % 2)
        return [Event(float(onset), 1.0, "ab"[label]) for onset, label in zip(onsets, labels, strict=True)]
    length = float(kind.split()[1])
    onsets = np.arange(rng.uniform(-length, length), end, 2 * length)
    return [Event(float(onset), length, "a") for onset in onsets if onset > -length / 2]


def random_motion(n: int, rng: np.random.Generator) -> Array:
    """Six slow random walks, (n, 6)."""
    walk = np.cumsum(rng.standard_normal((n, 6)), axis=0) / np.sqrt(n)
    smooth: Array = scipy.ndimage.gaussian_filter1d(walk, 3.0, axis=0, mode="nearest")
    return smooth
