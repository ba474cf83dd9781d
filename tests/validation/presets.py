"""What each difference between the presets does, on simulated studies with known truth.

    make compare-presets     # prints the table of docs/presets.md and draws its picture

Every variant is the preset `reference` with one change; the last is `recommended`. Studies of several seeds;
medians over them. Bias: slope of the estimated on the true effect of faces - scrambled, less 1. Sensitivity:
mean z, and share of z above 3.09, where the true effect is above half of its peak. False positives: share of
voxels without any true response with p below .05 and .001, for t (one-sided) and F.
"""

import argparse
import statistics
import sys
from pathlib import Path

import matplotlib as mpl
import nibabel as nib
import numpy as np
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from measure import cost_of
from timed_study import CONTRASTS, ROOT, SIMULATED, Z_MAPS, snakemake

mpl.use("Agg")
from matplotlib import pyplot as plt

CHANGES = {
    "reference": {},
    "direct interpolation": {"resample": {"strategy": "direct"}},
    "field of view masked": {"resample": {"field_of_view": "masked"}},
    "exact sampling": {"design": {"sampling": "exact"}},
    "slice_time_ref 0.5": {"design": {"slice_time_ref": 0.5}},
    "corrected AR(1)": {"glm": {"noise_model": "ar1_corrected"}},
    "mixture": {"glm": {"noise_model": "mixture"}},
    "precision weights, exact F": {"fixed_effects": {"weights": "precision", "f_test": "exact"}},
    "exact F": {"fixed_effects": {"f_test": "exact"}},
    "recommended": None,
}
COLUMNS = {
    "voxels": "voxels",
    "bias": "bias of the effect (%)",
    "z": "mean z where true",
    "found": "found (%)",
    "t05": "t p < .05 (%)",
    "t001": "t p < .001 (%)",
    "f05": "F p < .05 (%)",
    "f001": "F p < .001 (%)",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=CHANGES, default=[*CHANGES], help="variants")
    parser.add_argument("--folder", type=Path, default=ROOT / ".benchmark/presets")
    parser.add_argument("--picture", type=Path, default=ROOT / ".benchmark/presets.png")
    options = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {name: [] for name in options.only}
    for seed in range(1, options.seeds + 1):
        for name in options.only:
            folder = options.folder.resolve() / str(seed)
            found[name].append(measured(folder, seed, name, CHANGES[name]))
            print(f"  seed {seed}, {name}: {found[name][-1]}", file=sys.stderr, flush=True)
    medians = {name: {key: statistics.median(row[key] for row in rows) for key in COLUMNS}
               for name, rows in found.items()}  # fmt: skip
    print("| |", " | ".join(COLUMNS.values()), "|")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for name, row in medians.items():
        print(
            f"| {name} | {row['voxels']:.0f} |", " | ".join(f"{row[k]:.2f}" for k in list(COLUMNS)[1:]), "|"
        )
    draw(found, options.picture)


def measured(folder: Path, seed: int, name: str, changes: dict | None) -> dict[str, float]:
    """Run one variant of one study and hold its maps against the truth."""
    preset = yaml.safe_load(
        (ROOT / f"config/{'reference' if changes is not None else name}.yaml").read_text()
    )
    for section, values in (changes or {}).items():
        preset[section] = preset.get(section, {}) | values
    study = SIMULATED | {"simulated": {"seed": seed, "motion": 2.0}}
    config = {"study": study, "contrasts": CONTRASTS, "pathvars": {"data": str(folder / "data")}} | preset
    work = folder / name.replace(" ", "_")
    cost_of(snakemake(config, work, Z_MAPS), work)

    def result(part: str) -> np.ndarray:
        return nib.load(work / f"results/node-subject/sub-01/sub-01_task-faces_{part}.nii.gz").get_fdata()

    faces, scrambled = (
        nib.load(folder / f"data/simulated/truth_{condition}.nii.gz").get_fdata()
        for condition in ("faces", "scrambled")
    )
    mask = result("desc-brain_mask") > 0
    truth, silent = faces - scrambled, mask & (np.abs(faces) + np.abs(scrambled) < 1e-3)
    active, strong = mask & (truth > 0.25 * truth.max()), mask & (truth > 0.5 * truth.max())
    effect, z = (result(f"contrast-facesMinusScrambled_stat-{part}_statmap") for part in ("effect", "z"))
    t, f = (
        result(f"contrast-{c}_stat-p_statmap")[silent] for c in ("facesMinusScrambled", "effectsOfInterest")
    )
    return {
        "voxels": float(mask.sum()),
        "bias": 100
        * (float(np.dot(effect[active], truth[active]) / np.dot(truth[active], truth[active])) - 1),
        "z": float(z[strong].mean()),
        "found": 100 * float((z[strong] > 3.09).mean()),
        "t05": 100 * float((t < 0.05).mean()),
        "t001": 100 * float((t < 0.001).mean()),
        "f05": 100 * float((f < 0.05).mean()),
        "f001": 100 * float((f < 0.001).mean()),
    }


def draw(found: dict[str, list[dict[str, float]]], path: Path) -> None:
    """One dot per study and variant for bias, sensitivity and false positives; a line at what is right."""
    panels = {"bias": 0.0, "z": None, "t001": 0.1, "f001": 0.1}
    figure, axes = plt.subplots(1, len(panels), figsize=(11, 3.4), sharey=True, layout="constrained")
    names = list(found)[::-1]
    for ax, (key, right) in zip(axes, panels.items(), strict=True):
        for place, name in enumerate(names):
            values = [row[key] for row in found[name]]
            ax.plot(values, [place] * len(values), "o", color="C0", alpha=0.4)
            ax.plot(statistics.median(values), place, "|", color="k", markersize=16, markeredgewidth=2)
        if right is not None:
            ax.axvline(right, color="C3", linewidth=1)
        ax.set_xlabel(COLUMNS[key])
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="x", alpha=0.3)
    axes[0].set_yticks(range(len(names)), names)
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
