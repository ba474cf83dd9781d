"""What is simulated: cells of design, scans, repetition time and noises, and one draw of each."""

import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import noises
import numpy as np
import scipy.ndimage
from noises import Array, RandomDesign
from numpy.typing import NDArray

TABLE = (
    ("blocks 20", 128, 2.0), ("events", 128, 2.0), ("blocks 20", 200, 2.0), ("blocks 30", 200, 2.0),
    ("events", 200, 2.0), ("blocks 20", 390, 2.0), ("blocks 30", 390, 2.0), ("events", 390, 2.0),
    ("blocks 20", 600, 0.7), ("blocks 30", 600, 0.7), ("events", 600, 0.7), ("blocks 42", 42, 7.0),
    ("events", 42, 7.0),
)  # fmt: skip
"""Design, scans and repetition time (s) of the cells in which all models stand side by side."""
SIDE_BY_SIDE = (
    "ols", "ar1", "ar1_corrected", "ar1_pooled", "spm_ar1", "arma11", "mixture", "neighbours", "oracle",
)  # fmt: skip
FAST = ("ar1", "ar1_corrected", "mixture")
DRAWS = 20
"""Where nothing else is said, each with a design of its own."""
SLOW, FEWER_DRAWS = ("spm_ar1", "arma11"), 5
"""Models whose fits take seconds, and how many draws are enough for rates far from the level."""
TABLE_DRAWS, IN_ALL_DRAWS = 60, ("mixture", "neighbours", "oracle")
"""Of 5,040 voxels: rates at .001 then have a standard error of .006 %, of other models in 20 draws .01 %."""
OF_ONE_TYPE = ("mixture",)
FROM_SCANS = 128
"""Fewer do not tell one noise from another; brains of one noise have as many or more."""
TOGETHER = "all in one brain"
VOXELS = 5040
"""Of one draw: 720 of each of seven noises."""
SHAPE = (63, 10, 8)
"""The same as a volume: each noise fills 9 x 10 x 8 of its voxels."""
LATE = 2.0
"""s by which the responses of active voxels come later than the model has them."""


@dataclass(frozen=True)
class Cell:
    """One kind of study without effect.

    Attributes
    ----------
    group : the table that it belongs to.
    kind, scans, repetition_time : of the design, s.
    brain : noises that share a brain, each in as many voxels.
    voxels, draws : of one draw, and how many draws; each draw has a design of its own.
    models : that are fitted.
    variant : what is special, for the name.
    runs : that are combined.
    censored : share of the scans that have a column of their own.
    fwhm : voxels, of spatial smoothing.
    active : share of the voxels that respond, in a way that the design does not quite have.
    """

    group: str
    kind: str
    scans: int
    repetition_time: float
    brain: tuple[str, ...] = noises.SEVEN
    voxels: int = VOXELS
    draws: int = DRAWS
    models: tuple[str, ...] = FAST
    variant: str = ""
    runs: int = 1
    censored: float = 0.0
    fwhm: float = 0.0
    active: float = 0.0

    def draws_of(self, model: str) -> int:
        """Fewer of slow models, and of those that are there to be compared with."""
        if model in SLOW:
            return min(self.draws, FEWER_DRAWS)
        return self.draws if model in IN_ALL_DRAWS else min(self.draws, DRAWS)

    @property
    def design(self) -> str:
        """Design and length in words."""
        kind = f"{self.kind} s" if self.kind != "events" else self.kind
        return f"{kind}, {self.scans} (TR {self.repetition_time:g} s)"

    @property
    def name(self) -> str:
        """Unique among all cells."""
        return "; ".join(part for part in (self.group, self.design, self.variant) if part)


def cells() -> Iterator[Cell]:
    """All cells, those of the side-by-side table first."""
    for design in TABLE:
        yield Cell("table", *design, draws=TABLE_DRAWS, models=SIDE_BY_SIDE)
    long_enough = [design for design in TABLE if design[1] >= FROM_SCANS]
    for design, noise in itertools.product(long_enough, noises.SEVEN):
        yield Cell("one type", *design, brain=(noise,), models=OF_ONE_TYPE, variant=noise)
    yield from conditions()
    yield from unseen()


def conditions() -> Iterator[Cell]:
    """Runs, censoring, smoothing, activation, masks."""
    short, long, events = ("blocks 20", 200, 2.0), ("blocks 20", 390, 2.0), ("events", 200, 2.0)
    for n_runs, design in itertools.product((2, 6), (("blocks 20", 128, 2.0), short, events)):
        yield Cell("runs", *design, draws=TABLE_DRAWS, runs=n_runs, variant=f"{n_runs} runs")
    for design in (("blocks 20", 128, 2.0), short, events, long):
        yield Cell("censored", *design, censored=0.1, variant="10 % of the scans")
    for design in (short, events, long):
        yield Cell("smoothed", *design, fwhm=2.0, variant="FWHM of 2 voxels")
    for design in (short, events, long):
        yield Cell("active", *design, draws=TABLE_DRAWS, active=0.05, variant="5 % of the voxels")
    for design, (voxels, draws) in itertools.product(
        (short, events), ((100, 1000), (1000, 100), (50000, 20))
    ):
        yield Cell("mask", *design, voxels=voxels, draws=draws, variant=f"{voxels:,} voxels")


def unseen() -> Iterator[Cell]:
    """Noises and repetition times that the model was not made with; each noise has a brain of its own."""
    designs = (("blocks 20", 200, 2.0), ("events", 200, 2.0))
    for design, noise in itertools.product(designs, noises.UNSEEN):
        yield Cell("unseen noise", *design, brain=(noise,), variant=noise)
    for design in designs:
        yield Cell("unseen noise", *design, brain=noises.UNSEEN, voxels=5400, variant=TOGETHER)
    for kind, (scans, tr) in itertools.product(
        ("blocks 20", "events"), ((1000, 0.4), (300, 1.4), (140, 3.0))
    ):
        yield Cell("unseen TR", kind, scans, tr, draws=TABLE_DRAWS)


@dataclass(frozen=True, eq=False)
class Study:
    """One draw of a cell; equal to itself alone.

    Attributes
    ----------
    designs, data : of each run; data are (n, v).
    noise : (v,), index of each voxel's noise in the cell's brain.
    null : (v,), voxels without a response.
    of_voxel : (2, v), of the varied noise.
    """

    designs: list[RandomDesign]
    data: list[Array]
    noise: NDArray[np.int64]
    null: NDArray[np.bool_]
    of_voxel: Array = field(repr=False)


def simulate(cell: Cell, draw: int) -> Study:
    """One draw; the same numbers whatever else is drawn."""
    rng = np.random.default_rng([zlib.crc32(cell.name.encode()), draw])
    noise = np.sort(np.arange(cell.voxels) % len(cell.brain))
    of_voxel = noises.varied(cell.voxels, rng)
    null = np.ones(cell.voxels, dtype=bool)
    if cell.active:
        null[rng.choice(cell.voxels, round(cell.active * cell.voxels), replace=False)] = False
    of_runs = [of_run(cell, noise, of_voxel, ~null, rng) for _ in range(cell.runs)]
    return Study([run[0] for run in of_runs], [run[1] for run in of_runs], noise, null, of_voxel)


def of_run(
    cell: Cell,
    noise: NDArray[np.int64],
    of_voxel: Array,
    active: NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[RandomDesign, Array]:
    """Design and data (n, v) of one run."""
    n, tr = cell.scans, cell.repetition_time
    design = noises.random_design(cell.kind, n, tr, rng, cell.censored)
    data = np.empty((n, cell.voxels))
    field = smooth_numbers(2 * n, cell.fwhm, rng) if cell.fwhm else None
    for index, name in enumerate(cell.brain):
        at = np.flatnonzero(noise == index)
        needed = 2 * n if name == noises.VARIED else n
        numbers = noises.independent(name, n, at.size, rng) if field is None else field[:needed, at]
        data[:, at] = noises.series(name, n, tr, numbers, of_voxel[:, at])
    if cell.active:
        data[:, active] += response(design, tr) * rng.uniform(0.5, 2.0, int(active.sum()))
    return design, data


def smooth_numbers(n: int, fwhm: float, rng: np.random.Generator) -> Array:
    """Normal numbers (n, v) of unit variance, smooth in space but not in time."""
    sigma = fwhm / np.sqrt(8 * np.log(2))
    numbers = rng.standard_normal((n, *SHAPE))
    impulse = np.zeros(SHAPE)
    impulse[tuple(size // 2 for size in SHAPE)] = 1.0
    kernel = scipy.ndimage.gaussian_filter(impulse, sigma, mode="wrap")
    smooth = scipy.ndimage.gaussian_filter(numbers, (0, sigma, sigma, sigma), mode="wrap")
    flat: Array = smooth.reshape(n, -1) / np.sqrt(np.sum(kernel**2))
    return flat


def response(design: RandomDesign, tr: float) -> Array:
    """The first condition's regressor, later by LATE, of unit variance, (n, 1)."""
    column = design.matrix[:, design.names.index("a")]
    scans = np.arange(column.size)
    late = np.interp(scans - LATE / tr, scans, column)
    scaled: Array = ((late - late.mean()) / late.std())[:, np.newaxis]
    return scaled
