"""Subjects per hour of fMRIPrep's size, on two cores: the workflow, and the script run twice at a time.

    make benchmark-subjects

Twenty subjects of two runs in MNI space at 2 mm (:func:`sized_studies.fmriprep`; all but the first are links
to its images), everything that ``snakemake --cores 2`` makes. The script makes one z map and its figure of
each subject.
"""

import argparse
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from measure import Cost, cost_of
from sized_studies import fmriprep
from timed_study import ROOT, snakemake


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--subjects", type=int, default=20)
    parser.add_argument("--scripts", type=int, default=4, help="subjects that the script is timed on")
    parser.add_argument("--folder", type=Path, default=ROOT / ".benchmark")
    options = parser.parse_args()
    folder = options.folder.resolve()
    study = fmriprep(folder / "fmriprep/study", options.subjects)
    work = folder / "subjects"
    shutil.rmtree(work, ignore_errors=True)
    program = str(Path(__file__).with_name("nilearn_script.py"))

    def script(subject: int) -> Cost:
        label = f"{subject:02d}"
        command = [sys.executable, program, *study.script, str(work / label), "--figures", "--subject", label]
        return cost_of(command, work / label)

    begin = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        scripts = list(pool.map(script, range(1, options.scripts + 1)))
    row("script, two at a time", options.scripts, time.perf_counter() - begin, scripts)
    for title, targets in (("everything", []), ("z maps", ["maps"])):
        shutil.rmtree(work)
        cost = cost_of(snakemake(study.config, work, targets), work)
        row(title, options.subjects, cost.wall, [cost])


def row(title: str, n_subjects: int, wall: float, costs: list[Cost]) -> None:
    cpu, largest = sum(cost.cpu for cost in costs) / n_subjects, max(cost.largest for cost in costs)
    rate = 3600 * n_subjects / wall
    print(f"{title}: {rate:.0f} subjects an hour, {cpu:.1f} s CPU each, {largest:.0f} MB at most", flush=True)


if __name__ == "__main__":
    main()
