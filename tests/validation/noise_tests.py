"""The tests of one draw by each model, and how often they find what is not there. Arrays only.

Symbols: n scans, p regressors, r rank, v voxels.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import noises
import numpy as np
import other_models
from noise_cells import SHAPE, Cell, Study
from noises import Array
from other_models import Tested

from firstlevel.arrays import BoolArray
from firstlevel.glm import (
    contrasts,
    local_prior,
    mixture,
    mixture_contrasts,
    mixture_effects,
    mixture_learning,
)
from firstlevel.glm import fit as glm
from firstlevel.inference.tails import f_to_z

LEVELS = (0.05, 0.01, 0.001)
TAILS = 10.0 ** -np.arange(0, 6.01, 0.25)
"""p at which the tails are counted."""
EFFECT = 4.5
"""Of a true effect, in standard errors of the oracle, for the power."""
BLOCK = 8192


@dataclass(frozen=True)
class Answer:
    """What a model says of one draw: t of the first condition, and p of other tests by name, (v,)."""

    t: Tested
    others: dict[str, Array]


def ours(model: str) -> Callable[[Cell, Study], Answer]:
    """A model of the project that whitens by AR(1), or by nothing."""

    def of(cell: Cell, study: Study) -> Answer:
        runs, t, joint = [], [], []
        for design, data in zip(study.designs, study.data, strict=True):
            runs.append(
                contrasts.RunFit(factors := glm.Design.of(design.matrix), glm.fit(data, factors, model))
            )
            t.append(design.t)
            joint.append(design.joint)
        others = {"F": contrasts.f_over_runs(runs, joint).p}
        if cell.runs > 1:
            others["t, precision"] = tested(contrasts.t_over_runs(runs, t, "precision")).p()
            others["exact F"] = contrasts.exact_f_over_runs(runs, joint).p
        return Answer(tested(contrasts.t_over_runs(runs, t)), others)

    return of


def tested(found: contrasts.Statistic) -> Tested:
    return Tested(found.effect[0], found.variance, found.dof)


def by_neighbours(cell: Cell, study: Study) -> Answer:
    """The mixture as the workflow fits it, neighbours as prior; one run, voxels that fill the volume."""
    part = mixed(study.designs[0], study.data[0], np.ones(SHAPE, dtype=bool))
    found = mixture_contrasts.over_runs([part.of_t], np.ones((1, cell.voxels), dtype=bool))
    return Answer(Tested(part.effects[0], found.variance, found.dof), {"F": part.p_of_f})


def by_mixture(cell: Cell, study: Study) -> Answer:
    """The mixture, by what is saved of it: sigma2 in single precision, the posterior in 255ths."""
    parts = [mixed(design, data) for design, data in zip(study.designs, study.data, strict=True)]
    has = np.ones((cell.runs, cell.voxels), dtype=bool)
    t = {
        weights: mixture_contrasts.over_runs([part.of_t for part in parts], has, weights)
        for weights in WEIGHTS
    }
    effects = np.array([part.effects[0] for part in parts])
    of_t = {
        weights: Tested(np.einsum("rv,rv->v", found.shares, effects), found.variance, found.dof)
        for weights, found in t.items()
    }
    if cell.runs == 1:
        return Answer(of_t["equal"], {"F": parts[0].p_of_f})
    joint = np.array([part.effects[1:] for part in parts])
    f, dof = mixture_contrasts.f_over_runs([part.of_f for part in parts], joint, has)
    others = {"t, precision": of_t["precision"].p(), "exact F": f_to_z(f, joint.shape[1], dof)[0]}
    return Answer(of_t["equal"], others)


WEIGHTS: tuple[mixture_contrasts.RunWeights, ...] = ("equal", "precision")


@dataclass(frozen=True)
class Mixed:
    """One run by the mixture: effects (3, v), of t and of the rows of F, their covariances, p of F."""

    effects: Array
    of_t: mixture_effects.Uncertain
    of_f: mixture_effects.Uncertain
    p_of_f: Array


def mixed(
    design: noises.RandomDesign,
    data: Array,
    inside: BoolArray | None = None,
    told: mixture.Mixture | None = None,
) -> Mixed:
    """Learn the noise of a run, fit it, and test what is kept.

    With a mask `inside` neighbours are the prior; noise that is `told` is not learnt.
    """
    factors = glm.Design.of(design.matrix).factors
    found = told or mixture_learning.learn(data[:, mixture_learning.sampled(data.shape[1])], factors.basis)
    weighted = mixture.Weighted.of(found, factors.basis)
    prior = None
    if inside is not None:
        known = local_prior.thinned(inside)
        first = weighted.posterior(data[:, known[inside]])
        prior = local_prior.local_prior(first, known, inside, found.shares)
    fits = [
        weighted.fit(data[:, at : at + BLOCK], None if prior is None else prior[:, at : at + BLOCK])
        for at in range(0, data.shape[1], BLOCK)
    ]
    coefficients = np.concatenate([fit.coefficients for fit in fits], axis=1)
    sigma2 = np.concatenate([fit.sigma2 for fit in fits]).astype(np.float32).astype(np.float64)
    posterior = mixture.from_bytes(mixture.to_bytes(np.concatenate([fit.posterior for fit in fits], axis=1)))
    t, joint = design.t @ factors.transform, design.joint @ factors.transform
    of_t, of_joint = (mixture_effects.Rows.of(weighted, c) for c in (t, joint))
    uncertain = [mixture_effects.of_effect(rows, sigma2, posterior) for rows in (of_t, of_joint)]
    _, p_of_f, _ = mixture_contrasts.f_of_run(of_joint, joint @ coefficients, sigma2, posterior)
    return Mixed(np.concatenate([t, joint]) @ coefficients, *uncertain, p_of_f)


def by_other(model: Callable[[noises.RandomDesign, Array], Tested]) -> Callable[[Cell, Study], Answer]:
    """A model of another program; one run."""

    def of(cell: Cell, study: Study) -> Answer:
        return Answer(model(study.designs[0], study.data[0]), {})

    return of


def by_oracle(cell: Cell, study: Study) -> Answer:
    """Generalised least squares with the true covariance of each voxel; one run."""
    return Answer(known(cell, study)[0], {})


@lru_cache(maxsize=1)
def known(cell: Cell, study: Study) -> tuple[Tested, Array]:
    """The oracle's t, and its true standard error (v,)."""
    parts = np.empty((4, cell.voxels))
    for index, name in enumerate(cell.brain):
        at = study.noise == index
        if name == noises.VARIED:
            found, error = other_models.oracle_of_varied(
                study.designs[0], study.data[0][:, at], study.of_voxel[:, at]
            )
        else:
            lower = noises.factor(name, cell.scans, cell.repetition_time)
            found, error = other_models.oracle(study.designs[0], study.data[0][:, at], lower)
        parts[:, at] = [found.effect, found.variance, found.dof, np.broadcast_to(error, found.dof.shape)]
    return Tested(*parts[:3]), parts[3]


MODELS: dict[str, Callable[[Cell, Study], Answer]] = {
    **{name: ours(name) for name in ("ols", "ar1", "ar1_corrected", "ar1_pooled")},
    "spm_ar1": by_other(other_models.spm_ar1),
    "arma11": by_other(other_models.arma11),
    "mixture": by_mixture,
    "neighbours": by_neighbours,
    "oracle": by_oracle,
}


def judged(cell: Cell, study: Study, model: str, error: Array | None) -> dict:
    """What one model finds in one draw: rates of each test in each noise, of voxels without a response.

    `error` (v,) is the oracle's, where the power is asked for.
    """
    start = time.process_time()
    answer = MODELS[model](cell, study)
    seconds = time.process_time() - start
    p, z = answer.t.p(), answer.t.z()
    found = answer.t.p(EFFECT * error) < LEVELS[-1] if error is not None else None
    rows = []
    for index, name in enumerate(cell.brain):
        at = (study.noise == index) & study.null
        quartiles = np.quantile(z[at], [0.25, 0.5, 0.75])
        row = {"noise": name, "voxels": int(at.sum()), "median": float(quartiles[1])}
        row["iqr"] = float(quartiles[2] - quartiles[0])
        row["hits"] = {test: counted(value[at]) for test, value in {"t": p, **answer.others}.items()}
        row["tails"] = [int((p[at] <= level).sum()) for level in TAILS]
        if found is not None:
            row["found"] = int(found[at].sum())
        rows.append(row)
    return {"seconds": seconds, "noises": rows}


def counted(p: Array) -> list[int]:
    """How many p are below each of LEVELS."""
    if not np.isfinite(p).all():
        raise ValueError(f"{int((~np.isfinite(p)).sum())} voxels have no p")
    return [int((p < level).sum()) for level in LEVELS]
