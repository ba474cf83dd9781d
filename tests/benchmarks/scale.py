"""What planning costs as a study grows: BIDS folders of empty images, two runs and three contrasts each.

    make benchmark-scale

Index: a process that imports the reader of BIDS studies and finds the runs. Plan: a dry run of everything,
and of the maps alone (outputs: [maps]), which lists no job. Wall time in s, peak memory in MB.
"""

import argparse
import copy
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from measure import Cost, cost_of
from timed_study import CONTRASTS, ROOT, snakemake

sys.path.insert(0, str(ROOT / "workflow/scripts"))
from firstlevel.plan import config as configs

EVENTS = "onset\tduration\ttrial_type\n0\t1\tfaces\n4\t1\tscrambled\n"
NEVER = 3600.0
"""One process is all there is, and looking at the memory of a large one slows it by a third."""
INDEX = """
import sys, yaml
sys.path.insert(0, sys.argv[1])
from firstlevel.plan.sources import bids
print(len(bids.find_runs(yaml.safe_load(open(sys.argv[2])))[0]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--subjects", type=int, nargs="+", default=[10, 100, 1000, 3000])
    parser.add_argument("--folder", type=Path, default=ROOT / ".benchmark/scale")
    options = parser.parse_args()
    rows = []
    print("| subjects | runs | index (s) | plan (s) | MB | jobs | plan of maps alone (s) | MB | jobs |")
    print("|---|---|---|---|---|---|---|---|---|")
    for n_subjects in options.subjects:
        folder = options.folder.resolve() / str(n_subjects)
        study = empty_study(folder, n_subjects)
        config = {
            "study": {"source": "bids", "bids": {"path": str(study), "task": "faces"}},
        }
        plan, jobs = planned(config, folder / "everything")
        maps, fewer = planned(config | {"outputs": ["maps"]}, folder / "maps")
        index = indexed(config, folder / "everything", 2 * n_subjects)
        print(
            f"| {n_subjects} | {2 * n_subjects} | {index.wall:.2f} | {plan.wall:.1f} | {plan.largest:.0f} "
            f"| {jobs} | {maps.wall:.1f} | {maps.largest:.0f} | {fewer} |",
            flush=True,
        )
        rows.append((n_subjects, plan.wall))
        shutil.rmtree(folder)
    slope, start = np.polyfit(*np.array(rows).T, 1)
    print(f"plan: {start:.1f} s + {1000 * slope:.0f} ms per subject")


def empty_study(folder: Path, n_subjects: int) -> Path:
    """Lay out a raw study with the events of every run and images without content."""
    shutil.rmtree(folder, ignore_errors=True)
    root = folder / "raw"
    for subject in range(1, n_subjects + 1):
        func = root / f"sub-{subject:04d}/func"
        func.mkdir(parents=True)
        for run in ("01", "02"):
            start = f"sub-{subject:04d}_task-faces_run-{run}"
            (func / f"{start}_bold.nii.gz").touch()
            (func / f"{start}_events.tsv").write_text(EVENTS)
    (root / "task-faces_bold.json").write_text('{"RepetitionTime": 2.0}')
    return root


def planned(config: dict, folder: Path) -> tuple[Cost, int]:
    """Cost of a dry run, and its number of jobs."""
    command = snakemake(config | {"contrasts": CONTRASTS}, folder, ["--dry-run", "--quiet", "rules"])
    cost = cost_of(command, folder, poll=NEVER)
    counts = re.findall(r"^total +(\d+)$", (folder / "output.txt").read_text(), re.MULTILINE)
    return cost, int(counts[-1])


def indexed(config: dict, folder: Path, n_runs: int) -> Cost:
    """Cost of the index alone, in a process of its own."""
    checked = {**copy.deepcopy(config), "contrasts": CONTRASTS}
    configs.check_config(checked, yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text()))
    (folder / "checked.yaml").write_text(yaml.safe_dump(checked))
    command = [sys.executable, "-c", INDEX, str(ROOT / "workflow/scripts"), str(folder / "checked.yaml")]
    cost = cost_of(command, folder)
    if int((folder / "output.txt").read_text()) != n_runs:
        raise SystemExit("the index did not find every run")
    return cost


if __name__ == "__main__":
    main()
