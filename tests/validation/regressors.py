"""How far regressors are from the exact response: nilearn's own, and those of each sampling.

    make compare-regressors     # prints the table of docs/presets.md

One event per run, at random onsets. The exact response is a sum over 1 ms (tests/support/exact_response.py).
Lag and amplitude are those of the exact response that fit a regressor best: the largest lag in absolute
value, and the range of amplitudes. An event of no duration should have the amplitude 1, that of unit area.
"""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
from nilearn.glm.first_level import compute_regressor

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "workflow/scripts")]

import exact_response

from firstlevel.glm import sampling

REPETITION_TIMES = (0.72, 1.0, 2.0, 7.0)
DURATIONS = (0.0, 0.1, 0.5, 1.0, 5.0, 20.0)


def of_nilearn(times, onset, duration):
    return compute_regressor(np.array([[onset], [duration], [1.0]]), "spm", times)[0][:, 0]


def of_sampling(name):
    basis = sampling.Basis.of_model("spm", name, 16 if name == "spm" else 50, -24.0, ratio=0.167)

    def sample(times, onset, duration):
        event = sampling.Events(*np.array([[onset], [duration], [onset + duration], [1.0]]))
        return basis.regressors(event, times)[:, 0]

    return sample


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--onsets", type=int, default=200)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    kinds = {"nilearn 0.13": of_nilearn} | {
        f"sampling {name}": of_sampling(name) for name in ("nilearn", "exact", "spm")
    }
    print("| TR (s) | duration (s) |", " | ".join(f"{kind}: lag (s) | amplitude" for kind in kinds), "|")
    print("|---" * (2 + 2 * len(kinds)) + "|")
    for repetition_time in REPETITION_TIMES:
        for duration in DURATIONS:
            cells = []
            for sample in kinds.values():
                found = exact_response.measured(sample, repetition_time, duration, options.onsets)
                lags, amplitudes = found.T
                cells.append(f"{np.abs(lags).max():.3f} | {amplitudes.min():.3f}-{amplitudes.max():.3f}")
            print(f"| {repetition_time:g} | {duration:g} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
