"""Time and peak memory against scans, voxels and runs, as a table and a picture.

    make benchmark-scaling

One factor at a time, from raw volumes to three z maps with two cores; the volumes are simulated once and
linked. Time per stage is the benchmark file of its jobs; a line is fitted to the medians of the whole.
"""

import argparse
import csv
import shutil
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from measure import Cost, cost_of
from timed_study import CONTRASTS, ROOT, SIMULATED, Z_MAPS, snakemake

mpl.use("Agg")
from matplotlib import pyplot as plt

MILLION = 1e6
GRIDS = {3.0: [64, 64, 40], 2.0: [96, 96, 60]}
"""Voxels of a whole head, by their size in mm."""
N_SIMULATED = {3.0: 1600, 2.0: 400}
POINTS = {
    "scans": [(scans, 3.0, 1) for scans in (100, 200, 400, 800, 1600)],
    "voxels": [(400, 3.0, 1), (400, 2.0, 1)],
    "runs": [(200, 3.0, runs) for runs in (1, 2, 4, 8, 12)],
}
"""Scans per run, voxel size and runs of each measured study, by what varies."""
STAGES = (
    "read_headers", "resample_run", "compute_mask", "make_design_matrix", "fit_glm", "compute_contrast",
)  # fmt: skip


@dataclass
class Point:
    """Measured studies of one size: costs as a whole, and seconds per stage of each."""

    costs: list[Cost] = field(default_factory=list)
    stages: list[dict[str, float]] = field(default_factory=list)

    def median(self, figure: str) -> float:
        return statistics.median(getattr(cost, figure) for cost in self.costs)

    def stage(self, name: str) -> float:
        return statistics.median(stage[name] for stage in self.stages)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=ROOT / ".benchmark/scaling")
    parser.add_argument("--picture", type=Path, default=ROOT / ".benchmark/scaling.png")
    options = parser.parse_args()
    folder = options.folder.resolve()
    volumes = {size: simulated(folder, size) for size in GRIDS}
    points: dict[tuple[int, float, int], Point] = {}
    for repeat in range(options.repeats):
        print(f"repeat {repeat + 1} of {options.repeats}", file=sys.stderr, flush=True)
        for sizes in dict.fromkeys(size for of in POINTS.values() for size in of):
            point = points.setdefault(sizes, Point())
            measure(point, folder / "work", volumes[sizes[1]], *sizes)
            print(f"  {sizes}: {point.costs[-1]}", file=sys.stderr, flush=True)
    print(table(points))
    draw(points, options.picture)
    print(f"picture: {options.picture}")


def simulated(folder: Path, size: float) -> Path:
    """Folder with two sessions of volumes with a voxel size, simulated at the first call."""
    study = folder / f"volumes_{size:g}mm"
    given = {"n_scans": N_SIMULATED[size], "shape": GRIDS[size], "voxel_size": [size] * 3}
    config = {"study": SIMULATED | {"simulated": given}, "contrasts": CONTRASTS}
    cost_of(snakemake(config, study, ["--until", "simulate_dataset"]), study)
    return study / "data/simulated/sub001/fMRI"


def measure(point: Point, folder: Path, volumes: Path, n_scans: int, _size: float, n_runs: int) -> None:
    """Run one study from nothing and add what it cost."""
    shutil.rmtree(folder, ignore_errors=True)
    rows = ["subject\ttask\trun\tbold\tevents"]
    for run in range(1, n_runs + 1):
        links = folder / f"raw/run-{run}"
        links.mkdir(parents=True)
        session = volumes / f"Session{(run - 1) % 2 + 1}"
        for file in sorted(session.iterdir())[: 2 * n_scans]:
            (links / file.name).symlink_to(file)
        rows.append(f"01\tfaces\t{run}\traw/run-{run}/*.img\tevents.tsv")
    onsets = range(8, 2 * n_scans - 20, 8)
    events = [f"{onset}\t1\t{('faces', 'scrambled')[n * 7 % 5 % 2]}" for n, onset in enumerate(onsets)]
    for name, lines in (("runs.tsv", rows), ("events.tsv", ["onset\tduration\ttrial_type", *events])):
        (folder / name).write_text("\n".join(lines) + "\n")
    study = {"source": "table", "table": "runs.tsv", "repetition_time": 2.0}
    point.costs.append(cost_of(snakemake({"study": study, "contrasts": CONTRASTS}, folder, Z_MAPS), folder))
    point.stages.append({stage: seconds_of(folder / "benchmarks" / stage) for stage in STAGES})


def seconds_of(folder: Path) -> float:
    """Sum over the jobs of a stage, from their benchmark files."""
    total = 0.0
    for file in folder.glob("*/*.tsv"):
        with file.open() as lines:
            total += sum(float(row["s"]) for row in csv.DictReader(lines, delimiter="\t"))
    return total


def axis(factor: str, sizes: tuple[int, float, int]) -> float:
    """Where a study stands on the axis of a factor."""
    scans, size, runs = sizes
    return {"scans": scans, "voxels": np.prod(GRIDS[size]) / MILLION, "runs": runs}[factor]


def line(factor: str, points: dict[tuple[int, float, int], Point]) -> tuple[float, float, float]:
    """Slope and intercept of wall time (s), and its largest relative distance from that line."""
    x = np.array([axis(factor, sizes) for sizes in POINTS[factor]])
    y = np.array([points[sizes].median("wall") for sizes in POINTS[factor]])
    slope, start = np.polyfit(x, y, 1)
    return float(slope), float(start), float(np.max(np.abs(slope * x + start - y) / y))


def table(points: dict[tuple[int, float, int], Point]) -> str:
    lines = [
        "| scans per run | voxel (mm) | runs | wall (s) | CPU (s) | largest process (MB) | all (MB) |",
        "|---|---|---|---|---|---|---|",
    ]
    for (scans, size, runs), point in points.items():
        wall, cpu = (f"{point.median(figure):.1f}" for figure in ("wall", "cpu"))
        largest, tree = (f"{point.median(figure):.0f}" for figure in ("largest", "tree"))
        lines.append(f"| {scans} | {size:g} | {runs} | {wall} | {cpu} | {largest} | {tree} |")
    for factor in ("scans", "runs"):
        slope, start, off = line(factor, points)
        unit, step = {"scans": ("100 scans", 100), "runs": ("run", 1)}[factor]
        lines.append(
            f"{factor}: {start:.1f} s + {slope * step:.2f} s per {unit}, within {off:.0%} of that line"
        )
    return "\n".join(lines)


def draw(points: dict[tuple[int, float, int], Point], path: Path) -> None:
    """Seconds per stage and as a whole above, peak memory below, a column per factor."""
    figure, axes = plt.subplots(2, 3, figsize=(10, 5.5), sharey="row", layout="constrained")
    labels = {
        "scans": "scans of one run, 3 mm",
        "voxels": "million voxels of 3 and 2 mm, 400 scans",
        "runs": "runs of 200 scans, 3 mm",
    }
    for (above, below), factor in zip(axes.T, POINTS, strict=True):
        x = [axis(factor, sizes) for sizes in POINTS[factor]]
        of = [points[sizes] for sizes in POINTS[factor]]
        above.stackplot(
            x, [[point.stage(stage) for point in of] for stage in STAGES], labels=STAGES, alpha=0.85
        )
        above.plot(x, [point.median("wall") for point in of], "ko-", label="wall, 2 cores")
        for cost, label in (("largest", "largest process"), ("tree", "all processes")):
            below.plot(x, [point.median(cost) for point in of], "o-", label=label)
        below.set_ylim(0, 600)
        for ax in (above, below):
            ax.set_xlim(0, 1.05 * x[-1])
            ax.spines[["top", "right"]].set_visible(False)
            ax.grid(axis="y", alpha=0.3)
        below.set_xlabel(labels[factor])
    axes[0, 0].set_ylabel("seconds, summed over jobs")
    axes[1, 0].set_ylabel("peak memory (MB)")
    axes[0, 0].legend(frameon=False, fontsize=8)
    axes[1, 0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
