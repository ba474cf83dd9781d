"""Single trials with each noise model, on noise that is known: levels of t, errors of betas.

    make compare-trial-noise    # prints the table of docs/single-trials.md

Runs of 390 scans at 2 s with a response every 7 s on average, of two conditions in random order; a brain of
the seven noises of docs/validation.md. t is that of beta less the true response: 0 at all trials or, in lsa
alone, one that varies from trial to trial, by as much as the error of a beta of least squares.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import scipy.stats

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests/support")]

import noises
from trial_runs import DESIGN, noise_of_fit, written_design

from firstlevel.glm import single_trials, trial_columns
from firstlevel.glm.dependence import factorise
from firstlevel.glm.design import DesignOptions
from firstlevel.glm.nuisance import Nuisance
from firstlevel.io.designs import Design

N_SCANS, TR = 390, 2.0
OPTIONS = DesignOptions("spm", "cosine", 1 / 128, -24, 50)
MODELS = ("ols", "ar1", "ar1_corrected", "ar1_pooled", "arma11", "mixture")
CASES = (("lsa", False), ("lss", False), ("lsa", True))
"""Model of the trials, and whether their responses vary."""


def run_of(rng: np.random.Generator) -> tuple[Design, trial_columns.TrialColumns]:
    """The design of a run, with its conditions, and the regressors of its trials."""
    times, events = TR * np.arange(N_SCANS), noises.random_events("events", N_SCANS * TR, rng)
    motion = [f"motion_{k}" for k in range(6)]
    nuisance = Nuisance(motion, noises.random_motion(N_SCANS, rng), {}, [], False)
    saved = written_design(times, events, OPTIONS, nuisance)
    return saved, trial_columns.collect(DESIGN, saved, events, {}, OPTIONS, None)


def brain(n_each: int, rng: np.random.Generator) -> np.ndarray:
    """Noise (n, v), as many voxels of each kind."""
    kinds = []
    for name in noises.SEVEN:
        numbers = noises.independent(name, N_SCANS, n_each, rng)
        kinds.append(noises.series(name, N_SCANS, TR, numbers, noises.varied(n_each, rng)))
    return np.hstack(kinds)


def draw(n_each: int, seed: int) -> dict[tuple[str, int], np.ndarray]:
    """Rates at .05 and .001 and mean squared error of beta, by noise model and number of the case."""
    rng = np.random.default_rng(seed)
    design, columns = run_of(rng)
    basis, noise = factorise(design.matrix).basis, brain(n_each, rng)
    spread = np.zeros((len(columns.events), 1))
    found = {}
    for case, (kind, varies) in enumerate(CASES):
        model = single_trials.model_of(kind, columns, DESIGN)
        kept = np.setdiff1d(np.arange(len(spread)), list(model.facts.reasons))
        true = np.zeros((len(spread), noise.shape[1]))
        if varies:
            true = spread * rng.standard_normal(true.shape)
            true[list(model.facts.reasons)] = 0
        data = noise + columns.sampled[:, :, 0] @ true
        for name in MODELS:
            saved = noise_of_fit(name, data, basis)
            [(_, beta, t)] = single_trials.fit(
                model, lambda data=data: [(slice(0, data.shape[1]), data)], name, saved
            )
            error = (beta - true)[kept]
            of_error = error * np.abs(t[kept] / beta[kept])
            p = 2 * scipy.stats.t.sf(np.abs(of_error), model.facts.dof[kept, np.newaxis])
            found[name, case] = np.array([np.mean(p < 0.05), np.mean(p < 0.001), np.mean(error**2)])
            if name == "ols" and kind == "lsa" and not varies:
                spread[kept] = np.sqrt(np.mean(error**2, axis=1, keepdims=True))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--voxels", type=int, default=400, help="of each noise")
    asked = parser.parse_args()
    draws = [draw(asked.voxels, seed) for seed in range(asked.draws)]
    of_kind = [f"{kind}{', trials vary' if varies else ''}: .05 / .001, error" for kind, varies in CASES]
    print("| noise model |", " | ".join(of_kind), "|")
    print("|---" * (1 + len(CASES)) + "|")
    for name in MODELS:
        cells = []
        for case in range(len(CASES)):
            level, far, squared = np.mean([each[name, case] for each in draws], axis=0)
            plain = np.mean([each["ols", case][2] for each in draws])
            cells.append(f"{100 * level:.1f} / {100 * far:.2f}, {100 * np.sqrt(squared / plain):.0f}")
        print(f"| `{name}` |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
