"""Single trials against a loop of nilearn's fits: 200 trials, 400 scans, 50,000 voxels; CPU time of a thread.

Of noise that the fit of the run has found there is no such loop; finding it is the fit's, and not counted.

make benchmark-trials
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests/support")]

from nilearn.glm.first_level import make_first_level_design_matrix
from nilearn.glm.first_level.first_level import run_glm
from trial_runs import DESIGN, noise_of_fit, written_design

from firstlevel.glm import saved_noise, single_trials, trial_columns
from firstlevel.glm.dependence import factorise
from firstlevel.glm.design import DesignOptions
from firstlevel.io.event_table import Event

OPTIONS = {"lss": DesignOptions("spm + derivative", "cosine", 0.01, -24, 50)}
OPTIONS["lsa"] = DesignOptions("spm", "cosine", 0.01, -24, 50)  # with derivatives, more regressors than scans


def series(n_scans: int, n_voxels: int) -> np.ndarray:
    """AR(1) noise of a coefficient from 0 to 0.6 about 800, in single precision."""
    rng, rho = np.random.default_rng(0), np.linspace(0, 0.6, n_voxels, dtype=np.float32)
    made = rng.standard_normal((n_scans, n_voxels), dtype=np.float32)
    for scan in range(1, n_scans):
        made[scan] += rho * made[scan - 1]
    made *= 8
    made += 800
    return made


def ours(
    data: np.ndarray,
    times: np.ndarray,
    events: list[Event],
    kind: str,
    noise: str,
    known: saved_noise.SavedNoise | None = None,
) -> tuple[float, list]:
    """CPU seconds from events and series to all betas and t values, and these of the first trials."""
    start = time.process_time()
    saved = written_design(times, events, OPTIONS[kind])
    columns = trial_columns.collect(DESIGN, saved, events, {}, OPTIONS[kind], None)
    model = single_trials.model_of(kind, columns, DESIGN)

    def blocks():
        for part, raw in single_trials.smaller([(slice(0, data.shape[1]), data)], columns):
            yield part, raw.astype(np.float64)

    first = []
    for _, beta, t in single_trials.fit(model, blocks, noise, known):
        first.append((beta[:2].copy(), t[:2].copy()))
    return time.process_time() - start, [np.hstack(part) for part in zip(*first, strict=True)]


def nilearn_fit(data: np.ndarray, times: np.ndarray, table: pd.DataFrame, place: int, noise: str) -> tuple:
    """CPU seconds of one fit of nilearn's loop, with its design; beta and t."""
    start = time.process_time()
    alone = table.copy()
    alone.loc[place, "trial_type"] = "trial"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        design = make_first_level_design_matrix(times, alone, hrf_model="spm + derivative", high_pass=0.01)
    labels, results = run_glm(data, design.to_numpy(), noise_model=noise)
    vector = (design.columns == "trial").astype(float)
    beta, t = np.empty((2, data.shape[1]))
    for label, result in results.items():
        tested = result.Tcontrast(vector)
        beta[labels == label], t[labels == label] = np.squeeze(tested.effect), np.squeeze(tested.t)
    return time.process_time() - start, beta, t


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("trials", 200), ("scans", 400), ("voxels", 50_000), ("fits", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    rng = np.random.default_rng(1)
    times = 2.0 * np.arange(asked.scans)
    onsets = np.sort(rng.uniform(2, times[-1] - 20, asked.trials)).round(3)
    events = [Event(float(onset), 1.0, ("faces", "scrambled")[k % 2]) for k, onset in enumerate(onsets)]
    table = pd.DataFrame([(e.onset, e.duration, e.trial_type) for e in events])
    table.columns = ["onset", "duration", "trial_type"]
    data = series(asked.scans, asked.voxels)
    print(
        f"{asked.trials} trials, {asked.scans} scans, {asked.voxels:,} voxels; spm + derivative, of lsa spm"
    )
    for noise in ("ols", "ar1"):
        double = data.astype(np.float64)
        fits = [nilearn_fit(double, times, table, place, noise) for place in range(asked.fits)]
        del double
        loop = asked.trials * float(np.median([fit[0] for fit in fits]))
        taken, first = ours(data, times, events, "lss", noise)
        t = np.array([fit[2] for fit in fits[:2]])
        print(
            f"{noise}: {taken:.1f} s, nilearn's loop {loop:.0f} s (the median of {asked.fits} fits times "
            f"{asked.trials}): {loop / taken:.0f} times faster; t values differ by at most "
            f"{np.abs(t - first[1]).max():.1e}; lsa {ours(data, times, events, 'lsa', noise)[0]:.1f} s",
            flush=True,
        )
    basis = factorise(written_design(times, events, OPTIONS["lss"]).matrix).basis
    for noise in ("mixture", "arma11"):
        known = noise_of_fit(noise, data, basis)
        order = known.alike()
        taken = [ours(data[:, order], times, events, kind, noise, known.part(order))[0] for kind in OPTIONS]
        print(f"{noise}: {taken[0]:.1f} s; lsa {taken[1]:.1f} s", flush=True)


if __name__ == "__main__":
    main()
