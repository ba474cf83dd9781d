"""The workflow against the script that it stands in for, on 2 x 390 volumes of 64 x 64 x 32.

    make benchmark                   # prints the table of docs/performance.md
    python benchmark.py --repeats 5

Script and workflow run in turn, on the same volumes, with all cores and two jobs at a time. The study is
simulated once. Medians, and the range in brackets; ratios are of medians, script over workflow.
"""

import argparse
import json
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from measure import Cost, cost_of
from timed_study import CONTRASTS, PREFIX, ROOT, SIMULATED, Z_MAPS, snakemake

FIGURES = [f"results/sub-01/figures/sub-01_task-faces_contrast-{name}_zmap.png" for name in CONTRASTS]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--folder", type=Path, default=ROOT / ".benchmark", help="where everything is written"
    )
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    data = simulated(folder)
    costs: dict[str, list[Cost]] = {}

    def note(name: str, cost: Cost) -> None:
        costs.setdefault(name, []).append(cost)
        print(f"  {name}: {cost.wall:.1f} s wall, {cost.cpu:.1f} s CPU", file=sys.stderr, flush=True)

    for repeat in range(options.repeats):
        print(f"repeat {repeat + 1} of {options.repeats}", file=sys.stderr, flush=True)
        note("script", script(data, folder / "script", figures=True))
        shutil.rmtree(folder / "workflow", ignore_errors=True)
        note("cold", workflow(data, folder / "workflow", [*Z_MAPS, *FIGURES]))
        note("script without figures", script(data, folder / "script_plain", figures=False))
        shutil.rmtree(folder / "plain", ignore_errors=True)
        note("cold without figures", workflow(data, folder / "plain", Z_MAPS))
        note("report of the finished study", workflow(data, folder / "workflow", ["results/report.html"]))
        for name, extra in repeated_work(repeat):
            note(name, workflow(data, folder / "workflow", **extra))
    shutil.rmtree(folder / "first", ignore_errors=True)
    note("first run ever", first_run(data, folder / "first"))
    compare(folder)
    print(table(costs))
    (folder / "costs.json").write_text(
        json.dumps({name: [vars(cost) for cost in of] for name, of in costs.items()}, indent=1)
    )


def repeated_work(repeat: int) -> list[tuple[str, dict]]:
    """What is asked of a finished study; every repeat asks for something new."""
    name, other = f"new{repeat}", f"other{repeat}"
    contrasts = CONTRASTS | {
        name: f"faces - 0.{repeat + 1} * scrambled",
        other: f"faces + 0.{repeat + 1} * scrambled",
    }
    figure = FIGURES[0].replace("facesMinusScrambled", name)
    changed = {"figures": {"threshold": 3.5 + repeat / 10}}
    return [
        ("nothing to do", {"targets": [*Z_MAPS, *FIGURES]}),
        ("new contrast, z map and figure", {"targets": [figure], "contrasts": contrasts}),
        (
            "new contrast, z map",
            {"targets": [f"{PREFIX}{other}_stat-z_statmap.nii.gz"], "contrasts": contrasts},
        ),
        ("changed threshold, three figures", {"targets": FIGURES, "changes": changed}),
        ("threshold back", {"targets": FIGURES}),
    ]


def simulated(folder: Path) -> Path:
    """Folder of the raw volumes, simulated at the first call."""
    study = folder / "study"
    config = {"study": SIMULATED, "contrasts": CONTRASTS}
    cost_of(snakemake(config, study, ["--until", "simulate_dataset"]), study)
    return study / "data/simulated/sub001"


def script(data: Path, output: Path, *, figures: bool) -> Cost:
    command = [sys.executable, str(Path(__file__).with_name("nilearn_script.py")), str(data), str(output)]
    return cost_of([*command, *(["--figures"] if figures else [])], output)


def workflow(
    data: Path,
    folder: Path,
    targets: Sequence[str],
    contrasts: dict | None = None,
    changes: dict | None = None,
    environment: dict | None = None,
) -> Cost:
    config = {
        "study": SIMULATED,
        "contrasts": contrasts or CONTRASTS,
        "pathvars": {"data": str(data.parents[1])},
    }
    config |= changes or {}
    return cost_of(snakemake(config, folder, targets), folder, environment)


def first_run(data: Path, folder: Path) -> Cost:
    """Return the cost of a cold run for which nothing has been compiled yet."""
    return workflow(
        data, folder, [*Z_MAPS, *FIGURES], environment={"NUMBA_CACHE_DIR": str(folder / "compiled")}
    )


def compare(folder: Path) -> None:
    """Both must have made the same z maps, in the voxels that both masks hold."""
    for name, path in zip(CONTRASTS, Z_MAPS, strict=True):
        ours = nib.load(folder / "workflow" / path).get_fdata()
        theirs = nib.load(folder / "script" / f"{name}.nii.gz").get_fdata()
        both = (ours != 0) & (theirs != 0)
        close = np.abs(ours - theirs)[both] < 1e-3
        print(
            f"{name}: {close.mean():.3%} of {both.sum()} voxels within 0.001 of the script's z",
            file=sys.stderr,
        )
        if close.mean() < 0.999 or both.sum() < 0.95 * np.count_nonzero(ours):
            raise SystemExit(f"the z maps of {name} differ")


def table(costs: dict[str, list[Cost]]) -> str:
    """Markdown rows: each kind of work, and how the script compares with it."""
    lines = [
        "| work | wall (s) | CPU (s) | largest process (MB) | all processes (MB) | faster than the script |",
        "|---|---|---|---|---|---|",
    ]
    for name, of in costs.items():
        if name == "threshold back":
            continue
        against = (
            "script without figures" if name in ("cold without figures", "new contrast, z map") else "script"
        )
        ratio = median(costs[against], "wall") / median(of, "wall")
        shown = "" if name.startswith("script") else f"{ratio:.1f} x"
        figures = " | ".join(spread(of, figure) for figure in ("wall", "cpu", "largest", "tree"))
        lines.append(f"| {name} | {figures} | {shown} |")
    return "\n".join(lines)


def median(costs: list[Cost], figure: str) -> float:
    return statistics.median(getattr(cost, figure) for cost in costs)


def spread(costs: list[Cost], figure: str) -> str:
    values = sorted(getattr(cost, figure) for cost in costs)
    digits = 1 if figure in ("wall", "cpu") else 0
    shown = f"{median(costs, figure):.{digits}f}"
    return shown if len(values) == 1 else f"{shown} [{values[0]:.{digits}f}, {values[-1]:.{digits}f}]"


if __name__ == "__main__":
    main()
