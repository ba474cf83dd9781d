"""One beta and one t per trial, least squares all (LSA) or separate (LSS), from one pass over the data.

LSA is one model in which each trial has its own regressors. LSS has a model per trial: the trial, all other
trials of its condition together, each other condition, the rest of the design. That is LSS with one regressor
per condition, as in Turner et al. 2012, NeuroImage 62:1429-1438, and in nilearn's example. The first LSS, of
Mumford et al. 2012, NeuroImage 59:2636-2643, has one regressor for all other trials of any condition, which
takes their responses to be alike.

Knows arrays only. Symbols: n scans, v voxels, m trials.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from firstlevel.arrays import Float32Array, FloatArray
from firstlevel.glm import noise, trial_gls
from firstlevel.glm.lsa import Lsa
from firstlevel.glm.lss import Lss
from firstlevel.glm.saved_noise import SavedNoise
from firstlevel.glm.sums import Sums
from firstlevel.glm.trial_columns import TrialColumns
from firstlevel.glm.trial_models import Moments, TooManyError, TrialModel
from firstlevel.stage import InputError

Kind = Literal["lsa", "lss"]
VALUES = 2**19
"""Numbers in each of the arrays of a block of voxels; the memory of a fit is some twenty of these."""

Blocks = Callable[[], Iterable[tuple[slice, FloatArray]]]
"""Gives blocks of voxels, as often as it is called, and their scaled series, (n, v)."""


def smaller(
    blocks: Iterable[tuple[slice, Float32Array]], columns: TrialColumns
) -> Iterator[tuple[slice, Float32Array]]:
    """Blocks of voxels and their series (n, k), in parts so small that a fit of the trials takes little."""
    step = max(64, VALUES // (columns.n_own * len(columns.events)))
    for voxels, series in blocks:
        for low in range(0, series.shape[1], step):
            part = series[:, low : low + step]
            yield slice(voxels.start + low, voxels.start + low + part.shape[1]), part


def model_of(kind: Kind, columns: TrialColumns, design: Path) -> TrialModel:
    """Model of the trials; InputError, which names the file of the `design`, for too many regressors."""
    try:
        return Lsa.of(columns) if kind == "lsa" else Lss.of(columns)
    except TooManyError as error:
        raise InputError(
            design,
            f"no degrees of freedom are left to single trials ({kind}): {error}",
            expected="more scans than regressors",
            remedy="set design.single_trials.model: lss" if kind == "lsa" else "take a simpler HRF model",
        ) from None


def fit(
    model: TrialModel, blocks: Blocks, noise_model: str, saved: SavedNoise | None = None
) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
    """Yield beta and t of each block of voxels, (m, v) each.

    Those of a trial that is not estimable mean nothing. A noise model of AR(1) coefficients finds them anew
    for each model; one that pools over voxels goes twice through the blocks. Any other noise is what the fit
    of the run has `saved`.
    """
    if saved is not None:
        yield from trial_gls.fit(model, blocks(), saved)
        return
    how = noise.MODELS[noise_model]
    is_white = not how.whitens
    pooled = [0.0] * model.n_models
    if how.is_pooled:
        total, count = np.zeros(model.n_models), 0
        for _, data in blocks():
            moments = model.moments(model.sums(data, is_white=False))
            total += (moments.products / np.where(moments.squares > 0, moments.squares, 1.0)).sum(axis=0)
            count += data.shape[1]
        pooled = (total / max(count, 1)).tolist()
    runs = _prepared(model, noise_model, pooled)
    for voxels, data in blocks():
        sums = model.sums(data, is_white=is_white)
        rho = np.zeros((data.shape[1], model.n_models))
        if not is_white:
            rho = _coefficients(how, model.moments(sums), runs)
        yield voxels, *model.estimates(sums, rho)


def _prepared(model: TrialModel, noise_model: str, pooled: list[float]) -> list[noise.Run]:
    """What the noise model knows of each model; one for all where that is the same."""
    how = noise.MODELS[noise_model]
    is_same = not (how.needs_expected or how.is_pooled)
    places = range(1 if is_same else model.n_models)
    return [noise.prepare(noise_model, model.basis_of(k), partial(float, pooled[k])) for k in places]


def _coefficients(how: noise.NoiseModel, moments: Moments, runs: list[noise.Run]) -> FloatArray:
    """AR(1) coefficient of each voxel and model, (v, models)."""
    none = np.empty((0, 0))

    def of(squares: FloatArray, products: FloatArray, run: noise.Run) -> FloatArray:
        assert how.coefficients is not None
        return how.coefficients(Sums(none, none, squares, products, none, none), run)

    if len(runs) == 1:
        return of(moments.squares.ravel(), moments.products.ravel(), runs[0]).reshape(moments.squares.shape)
    return np.column_stack(
        [of(moments.squares[:, k], moments.products[:, k], run) for k, run in enumerate(runs)]
    )
