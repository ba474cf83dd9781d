"""SHA-256 of every result of six small studies, to hold a change of structure to the bytes before it.

    python tests/benchmarks/golden.py make FOLDER            # runs the studies there, writes golden.tsv
    python tests/benchmarks/golden.py compare OLD NEW [MAP]  # two such tables; MAP: old and new name a row

The six are the default study, a table with sessions, a raw BIDS study, one as fMRIPrep leaves it with
confounds and modulators, maps of each run where one lacks a condition, and the preset `recommended`.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "workflow" / "scripts")]

import bids_study
import fmriprep_study

SIMULATED = {
    "study": {
        "source": "simulated",
        "repetition_time": 2.0,
        "event_duration": 1.0,
        "simulated": {"n_scans": 48, "shape": [26, 30, 16], "voxel_size": [7.0, 7.0, 8.0]},
    },
    "contrasts": {"difference": "faces - scrambled", "any": ["faces", "scrambled"]},
}
CONTRASTS = bids_study.CONTRASTS


def simulated(folder: Path) -> dict[str, Any]:
    """Two runs of 3D volumes, each with an affine of its own."""
    return SIMULATED


def recommended(folder: Path) -> dict[str, Any]:
    """The same with the preset's keys."""
    preset = yaml.safe_load((ROOT / "config/recommended.yaml").read_text())
    return preset | {"study": SIMULATED["study"], "contrasts": SIMULATED["contrasts"]}


def table(folder: Path, *, lacking: bool = False) -> dict[str, Any]:
    """Two sessions of one subject in a run table; the second may lack a condition."""
    rows = "subject\tsession\ttask\trun\tbold\tevents\n"
    for n, session in enumerate(("pre", "post")):
        image, events = bids_study.simulated_run([7, n])
        image.to_filename(folder / f"{session}.nii.gz")
        if lacking and n:
            events = "".join(line for line in events.splitlines(keepends=True) if "scrambled" not in line)
        (folder / f"{session}.tsv").write_text(events)
        rows += f"A1\t{session}\tfaces\t1\t{session}.nii.gz\t{session}.tsv\n"
    (folder / "table.tsv").write_text(rows)
    return {"study": {"source": "table", "table": "table.tsv"}, "contrasts": CONTRASTS}


def per_run(folder: Path) -> dict[str, Any]:
    """Maps of each run, the second without scrambled faces."""
    return table(folder, lacking=True) | {"fixed_effects": {"per_run": True}}


def raw_bids(folder: Path) -> dict[str, Any]:
    """One subject, two runs."""
    bids_study.write_bids(folder / "raw", ["01"])
    return {"study": {"source": "bids", "bids": {"path": "raw", "task": "faces"}}, "contrasts": CONTRASTS}


def fmriprep(folder: Path) -> dict[str, Any]:
    """One subject as fMRIPrep leaves it, with confounds, censoring and a modulator."""
    fmriprep_study.write_fmriprep(folder / "raw")
    study = {
        "source": "bids",
        "bids": {
            "path": "raw",
            "derivatives": "raw/derivatives/fmriprep",
            "task": fmriprep_study.TASK,
            "space": fmriprep_study.SPACE,
            "subjects": ["01"],
        },
    }
    confounds = {
        "columns": ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z", "csf"],
        "censor": {"fd_threshold": 0.5},
    }
    design = {"modulators": {"faces": ["duration"]}}
    contrasts = {"difference": "faces - houses", "any": ["faces", "houses"]}
    return {
        "study": study,
        "mask": "derivatives",
        "design": design,
        "confounds": confounds,
        "contrasts": contrasts,
    }


STUDIES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "default": simulated,
    "sessions": table,
    "bids": raw_bids,
    "fmriprep": fmriprep,
    "per_run": per_run,
    "recommended": recommended,
}


def make(folder: Path) -> None:
    """Run the studies and write the table of their results."""
    lines = []
    for name, build in STUDIES.items():
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
        (folder / name / "config.yaml").write_text(yaml.safe_dump(build(folder / name), sort_keys=False))
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2"]
        command += ["--directory", str(folder / name), "--configfile", str(folder / name / "config.yaml")]
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
        results = folder / name / "results"
        for path in sorted(path for path in results.rglob("*") if path.is_file()):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{name}\t{path.relative_to(results)}\t{digest}\n")
        print(f"{name}: {sum(line.startswith(name) for line in lines)} files", flush=True)
    (folder / "golden.tsv").write_text("".join(lines))


def compare(old: Path, new: Path, renames: Path | None = None) -> None:
    """Say how many files are equal, renamed, changed, gone and new, and name those that are not equal."""
    before, after = (
        {tuple(line.split("\t")[:2]): line.split("\t")[2] for line in path.read_text().splitlines()}
        for path in (old, new)
    )
    table = dict(line.split("\t") for line in renames.read_text().splitlines()) if renames else {}
    counts = dict.fromkeys(("equal", "renamed", "changed", "gone"), 0)
    for (study, name), digest in before.items():
        key = (study, table.get(name, name))
        state = "gone" if key not in after else "changed" if after.pop(key) != digest else "equal"
        state = "renamed" if state == "equal" and key[1] != name else state
        counts[state] += 1
        if state in ("changed", "gone"):
            print(f"{state}: {study} {name}")
    for study, name in after:
        print(f"new: {study} {name}")
    print(", ".join(f"{count} {state}" for state, count in counts.items()), f"{len(after)} new", sep=", ")


if __name__ == "__main__":
    arguments = [Path(argument) for argument in sys.argv[2:]]
    {"make": make, "compare": compare}[sys.argv[1]](*arguments)
