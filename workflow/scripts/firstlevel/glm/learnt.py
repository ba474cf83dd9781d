"""The fit of a run whose noise is learnt: from the series of its voxels, which are kept while the stage runs.

What does not depend on the noise, such as the voxels that the run has, is known from the sums over time
(:mod:`firstlevel.glm.stream`). Knows arrays only. Symbols: n scans, p regressors, v voxels, G processes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import BoolArray, Float32Array, FloatArray, UInt8Array
from firstlevel.glm import arma, local_prior, mixture, mixture_learning, noise, stream
from firstlevel.glm import fit as glm
from firstlevel.glm.mixture import Mixture
from firstlevel.glm.run_sums import RunSums
from firstlevel.glm.stream import RunEstimates


class Kept(Protocol):
    """Series of all voxels of a run."""

    def blocks(self) -> Iterator[tuple[slice, Float32Array]]:
        """Voxels of each block, a slice of a multiple of 512, and their series (n, k)."""

    def again(self, voxels: npt.NDArray[np.intp]) -> Iterator[tuple[npt.NDArray[np.intp], Float32Array]]:
        """Some of these voxels at a time, and their series (n, k)."""


@dataclass(frozen=True)
class LearntNoise:
    """The noise of a run and of its voxels.

    Attributes
    ----------
    weighted : the design under each of its processes.
    posterior : (G, v), of each voxel, in 255ths; 0 at voxels that the run has not.
    n_sampled : voxels that the processes were learnt from.
    """

    weighted: mixture.Weighted
    posterior: UInt8Array
    n_sampled: int

    @property
    def mixture(self) -> Mixture:
        """The processes and their shares."""
        return self.weighted.mixture


@dataclass(frozen=True)
class _Scaled:
    """Data as they are fitted, as stream.fit_run scales its sums: factor (y - base), both (v,)."""

    base: FloatArray
    factor: FloatArray

    @classmethod
    def of(cls, sums: RunSums, *, in_percent: bool) -> _Scaled:
        return cls(*stream.scaling_of(sums.mean, in_percent=in_percent))

    def data(self, raw: Float32Array, voxels: slice | npt.NDArray[np.intp]) -> FloatArray:
        data = raw.astype(np.float64)
        data -= self.base[voxels]
        data *= self.factor[voxels]
        return data


def fit_run(
    sums: RunSums,
    first: RunEstimates,
    model: glm.Design,
    noise_model: str,
    kept: Kept,
    inside: BoolArray,
    *,
    in_percent: bool,
) -> LearntNoise:
    """Learn the noise, and fit all voxels with it; neighbours are the prior of each voxel.

    Parameters
    ----------
    inside : mask (z, y, x) of the v voxels, in their order.
    first : the fit from the sums, by least squares, whose maps become those of this fit. The run has the
        voxels that have noise in it.
    in_percent : whether each voxel is scaled to percent of its mean.
    """
    learn = noise.MODELS[noise_model].learn
    assert learn is not None
    maps, basis, scaled = first.maps, model.factors.basis, _Scaled.of(sums, in_percent=in_percent)
    has = maps.sigma2 > 0
    series = _sample(has, kept, scaled, inside)
    weighted = mixture.Weighted.of(learn(series, basis), basis)
    n_sampled = series.shape[1]
    del series
    found = weighted.mixture
    logging.info(
        "%d noise processes of order %d, learnt from %d voxels; shares %s",
        *(found.processes.n, found.processes.order, n_sampled),
        ", ".join(f"{share:.3f}" for share in found.shares),
    )
    prior, place = _prior(weighted, has, kept, scaled, inside), np.maximum(np.cumsum(has) - 1, 0)
    posterior = np.zeros((found.processes.n, has.size), dtype=np.uint8)
    for voxels, raw in kept.blocks():
        there = has[voxels]
        of_voxels = prior[:, place[voxels]].astype(np.float64)
        fitted = weighted.fit(scaled.data(raw, voxels), of_voxels)
        stream.store(maps, voxels, _estimates(fitted, model), there)
        posterior[:, voxels] = mixture.to_bytes(fitted.posterior) * (maps.sigma2[voxels] > 0)
    return LearntNoise(weighted, posterior, n_sampled)


def fit_arma(
    sums: RunSums, first: RunEstimates, model: glm.Design, kept: Kept, *, in_percent: bool
) -> FloatArray:
    """Fit all voxels with ARMA(1,1) noise, as in `fit_run`; give its coefficients a and b, (2, v)."""
    maps, scaled = first.maps, _Scaled.of(sums, in_percent=in_percent)
    has, search = maps.sigma2 > 0, arma.Search(model.factors.basis)
    pairs = np.zeros((2, has.size))
    for voxels, raw in kept.blocks():
        there = has[voxels]
        fitted = search.fit(scaled.data(raw, voxels))
        stream.store(maps, voxels, _estimates(fitted, model), there)
        pairs[:, voxels] = np.array([fitted.a, fitted.b]) * there
    return pairs


def _estimates(fitted: mixture.Fitted | arma.Fitted, model: glm.Design) -> glm.Estimates:
    beta = model.factors.transform @ fitted.coefficients
    return glm.Estimates(beta, fitted.sigma2, fitted.ar1, fitted.rsquared)


def _prior(
    weighted: mixture.Weighted, has: BoolArray, kept: Kept, scaled: _Scaled, inside: BoolArray
) -> Float32Array:
    """Prior from its neighbours of each voxel that the run has, (G, k)."""
    shares = weighted.mixture.shares
    there = np.zeros(inside.shape, dtype=bool)
    there[inside] = has
    known = local_prior.thinned(there)
    places = np.flatnonzero(known[inside])
    first = np.empty((shares.size, places.size))
    for voxels, raw in kept.again(places):
        at = np.searchsorted(places, voxels)
        first[:, at] = weighted.posterior(scaled.data(raw, voxels))
    return local_prior.local_prior(first, known, there, shares)


def _sample(has: BoolArray, kept: Kept, scaled: _Scaled, inside: BoolArray) -> FloatArray:
    """Series of the voxels to learn from, (n, s), evenly spaced among those that the run has."""
    voxels = np.flatnonzero(has)
    places = [along[has] for along in np.nonzero(inside)]
    chosen = voxels[mixture_learning.sampled(voxels.size, places)]
    return np.hstack([scaled.data(raw, part) for part, raw in kept.again(chosen)])
