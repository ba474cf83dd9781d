"""The noise of each voxel of a run, as its fit has found and saved it, for other models of the same data.

Of noise that is learnt this is a posterior over the processes of the run, of ARMA(1,1) noise a pair of
coefficients. Either way a voxel has probabilities of a few covariances V, for innovations of variance 1.

Symbols: n scans, v voxels, G processes; e (n, k) residuals of a block of k voxels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import BoolArray, FloatArray, UInt8Array
from firstlevel.glm import arma_process, mixture, noise, noise_table
from firstlevel.glm.autoregression import Processes
from firstlevel.glm.residual_sums import squared_features
from firstlevel.glm.sums import dot
from firstlevel.io import masked

Voxels = npt.NDArray[np.intp]


class Part(NamedTuple):
    """The voxels of a block that may have one noise.

    Attributes
    ----------
    place : number of the noise.
    voxels : (k,), places in the block.
    weights : (k,), its probability at each.
    series : (k, n), their residuals.
    squares : (k,), e'V^-1 e.
    """

    place: int
    voxels: Voxels
    weights: FloatArray
    series: FloatArray
    squares: FloatArray


class SavedNoise(Protocol):
    """The noise of v voxels."""

    def part(self, voxels: Voxels) -> SavedNoise:
        """Noise of some voxels, in their order."""

    def alike(self) -> Voxels:
        """Order in which a block of voxels meets few kinds of noise, if there is one, (v,)."""

    def times_inverse(self, place: int, columns: FloatArray) -> FloatArray:
        """V^-1 x of columns (n, c), of the noise of this number."""

    def parts(self, voxels: slice, e: FloatArray) -> Iterator[Part]:
        """Split a block of voxels and their residuals by noise; a voxel may be in several parts."""


@dataclass(frozen=True)
class ProcessNoise:
    """Noise of one of the processes of a run, with a posterior (G, v) in 255ths."""

    processes: Processes
    posterior: UInt8Array

    def part(self, voxels: Voxels) -> ProcessNoise:
        """Noise of some voxels."""
        return ProcessNoise(self.processes, self.posterior[:, voxels])

    def alike(self) -> Voxels:
        """As they are: any block meets most processes."""
        return np.arange(self.posterior.shape[1])

    def times_inverse(self, place: int, columns: FloatArray) -> FloatArray:
        """V^-1 x of the process of this number."""
        product: FloatArray = Processes(self.processes.coefficients[[place]]).times_inverse(columns)[0]
        return product

    def parts(self, voxels: slice, e: FloatArray) -> Iterator[Part]:
        """One for each process that is possible at some voxel."""
        posterior = mixture.from_bytes(self.posterior[:, voxels])
        squares = self.processes.square_weights @ squared_features(e, self.processes.order)
        series = np.ascontiguousarray(e.T)
        for place, weights in enumerate(posterior):
            at = np.flatnonzero(weights)
            if at.size:
                there = series if at.size == len(series) else series[at]
                yield Part(place, at, weights[at], there, squares[place, at])


@dataclass(frozen=True)
class ArmaNoise:
    """ARMA(1,1) noise: the `numbers` in the grid of the pair of each voxel, (v,)."""

    numbers: Voxels

    @classmethod
    def of(cls, coefficients: FloatArray) -> ArmaNoise:
        """From a and b of each voxel, (2, v)."""
        return cls(arma_process.numbers(coefficients))

    def part(self, voxels: Voxels) -> ArmaNoise:
        """Noise of some voxels."""
        return ArmaNoise(self.numbers[voxels])

    def alike(self) -> Voxels:
        """By the pair."""
        return np.argsort(self.numbers, kind="stable")

    def times_inverse(self, place: int, columns: FloatArray) -> FloatArray:
        """V^-1 x of the pair of this number."""
        return arma_process.Precision.of(place, len(columns)).times(columns)

    def parts(self, voxels: slice, e: FloatArray) -> Iterator[Part]:
        """One for each pair."""
        numbers = self.numbers[voxels]
        for place in np.unique(numbers).tolist():
            at = np.flatnonzero(numbers == place)
            series = e[:, at]
            squares = dot(series, self.times_inverse(place, series))
            yield Part(place, at, np.ones(at.size), np.ascontiguousarray(series.T), squares)


def read(
    noise_model: str, inside: BoolArray, posterior: Path | None, processes: Path | None, pairs: Path | None
) -> SavedNoise | None:
    """Noise of the voxels `inside` the mask, from the files of the fit; None where a model saves none.

    Raises
    ------
    ValueError : without the files of a model that saves some, or with those of two fits.
    """
    if not noise.MODELS[noise_model].needs_series:
        return None
    if posterior and processes:
        found, saved = noise_table.read_with_posterior(processes, posterior, inside)
        return ProcessNoise(found.processes, saved)
    if pairs:
        return ArmaNoise.of(masked.read_masked(pairs, inside))
    raise ValueError(f"{noise_model} needs the noise that the fit of the run has saved")
