"""The workflow against the script that it stands in for, on three sizes of study, as users run them.

    make benchmark                              # prints the tables of docs/performance.md
    python benchmark.py --study fmriprep --repeats 5

Script and workflow run in turn on the same files, with all cores and two jobs at a time. Studies are made
once. Medians, and the range in brackets; ratios are of medians, script over workflow. ``everything`` is
what ``snakemake --cores 2`` makes; the script with a report makes nilearn's.
"""

import argparse
import json
import shutil
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from measure import MB, Cost, cost_of
from sized_studies import STUDIES, SizedStudy
from timed_study import ROOT, snakemake

MAPS, FIGURES, REPORT = "script, z maps", "script, z maps and figures", "script, z maps, figures and report"
AGAINST = {
    "everything": FIGURES,
    "everything, against a script with a report": REPORT,
    "z maps": MAPS,
    "z maps and their figures": FIGURES,
    "all figures, of a study that has its maps": None,
    "nothing to do": FIGURES,
    "a new contrast, its maps, figures and tables": FIGURES,
    "another threshold, all figures and tables": FIGURES,
    "first run ever, everything": FIGURES,
}
"""Work of the workflow, and the work of the script that gives the same."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--study", nargs="+", choices=STUDIES, default=list(STUDIES))
    parser.add_argument(
        "--folder", type=Path, default=ROOT / ".benchmark", help="where everything is written"
    )
    options = parser.parse_args()
    all_costs = {}
    for name in options.study:
        folder = options.folder.resolve() / name
        study = STUDIES[name](folder / "study")
        costs: dict[str, list[Cost]] = {}
        for repeat in range(options.repeats):
            print(f"{study.title}: repeat {repeat + 1} of {options.repeats}", file=sys.stderr, flush=True)
            for work, cost in measured(study, folder, repeat):
                costs.setdefault(work, []).append(cost)
                print(f"  {work}: {cost.wall:.1f} s wall, {cost.cpu:.1f} s CPU", file=sys.stderr, flush=True)
        print(f"\n{study.title}\n\n{table(costs)}\n", flush=True)
        print(f"written beside the inputs: {written(folder / 'everything') / study.n_runs:.0f} MB a run")
        print(*compare(study, folder), sep="\n", flush=True)
        all_costs[name] = {work: [vars(cost) for cost in of] for work, of in costs.items()}
    (options.folder / "costs.json").write_text(json.dumps(all_costs, indent=1))


def measured(study: SizedStudy, folder: Path, repeat: int) -> Iterator[tuple[str, Cost]]:
    """Each work once, script and workflow in turn; every repeat asks a finished study for something new."""
    z_maps = [zmap(study, name) for name in study.contrasts]
    figures = [f"results/sub-01/figures/{start(study, name)}_zmap.png" for name in study.contrasts]
    everything, plain = folder / "everything", folder / "plain"
    for old in (everything, plain, folder / "both"):
        shutil.rmtree(old, ignore_errors=True)
    yield FIGURES, script(study, folder, "--figures")
    yield "everything", workflow(study, everything)
    yield MAPS, script(study, folder)
    yield "z maps", workflow(study, plain, *z_maps)
    yield "all figures, of a study that has its maps", workflow(study, plain, "figures")
    yield "z maps and their figures", workflow(study, folder / "both", *z_maps, *figures)
    if repeat == 0:
        yield REPORT, script(study, folder, "--figures", "--report")
    yield "nothing to do", workflow(study, everything)
    contrasts = study.contrasts | {f"new{repeat}": f"faces - 0.{repeat + 1} * scrambled"}
    yield (
        "a new contrast, its maps, figures and tables",
        workflow(study, everything, "maps", "figures", "inference", contrasts=contrasts),
    )
    workflow(study, everything)
    yield (
        "another threshold, all figures and tables",
        workflow(study, everything, "figures", "inference", figures={"threshold": 3.5 + repeat / 10}),
    )
    workflow(study, everything)
    if repeat == 0:
        shutil.rmtree(plain)
        compiled = {"NUMBA_CACHE_DIR": str(plain / "compiled")}  # empty: nothing has been compiled yet
        yield "first run ever, everything", cost_of(snakemake(study.config, plain, []), plain, compiled)


def start(study: SizedStudy, contrast: str) -> str:
    """Start of the names of what is made of a contrast of the first subject."""
    bids = study.config["study"].get("bids")
    space = f"_space-{bids['space']}" if bids else ""
    return f"sub-01_task-faces{space}_contrast-{contrast}"


def zmap(study: SizedStudy, contrast: str) -> str:
    return f"results/node-subject/sub-01/{start(study, contrast)}_stat-z_statmap.nii.gz"


def script(study: SizedStudy, folder: Path, *options: str) -> Cost:
    output = folder / "script"
    program = str(Path(__file__).with_name("nilearn_script.py"))
    return cost_of([sys.executable, program, *study.script, str(output), *options], output)


def workflow(study: SizedStudy, folder: Path, *targets: str, **changes: dict) -> Cost:
    return cost_of(snakemake(study.config | changes, folder, targets), folder)


def written(folder: Path) -> float:
    """MB of all that a finished study holds."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / MB


def compare(study: SizedStudy, folder: Path) -> Iterator[str]:
    """Both must have made the same z maps, in the voxels that both masks hold."""
    for name in study.contrasts:
        ours = nib.load(folder / "everything" / zmap(study, name)).get_fdata()
        theirs = nib.load(folder / "script" / f"{name}.nii.gz").get_fdata()
        both = (ours != 0) & (theirs != 0)
        close = np.abs(ours - theirs)[both] < 1e-3
        yield f"{name}: {close.mean():.3%} of {both.sum()} voxels within 0.001 of the script's z"
        if close.mean() < 0.999 or both.sum() < 0.95 * np.count_nonzero(ours):
            raise SystemExit(f"the z maps of {name} differ")


def table(costs: dict[str, list[Cost]]) -> str:
    """Markdown rows: each kind of work, and how the script compares with it."""
    lines = [
        "| work | wall (s) | CPU (s) | largest process (MB) | all processes (MB) | faster than the script |",
        "|---|---|---|---|---|---|",
    ]
    costs = costs | {"everything, against a script with a report": costs["everything"]}
    for work in sorted(costs, key=[MAPS, FIGURES, REPORT, *AGAINST].index):
        of, against = costs[work], AGAINST.get(work)
        shown = f"{median(costs[against], 'wall') / median(of, 'wall'):.1f} x" if against else ""
        figures = " | ".join(spread(of, figure) for figure in ("wall", "cpu", "largest", "tree"))
        lines.append(f"| {work} | {figures} | {shown} |")
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
