"""The study of the size of nilearn's example, whose runs benchmarks and comparisons call for and time."""

import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
CONTRASTS = {
    "facesMinusScrambled": "faces - scrambled",
    "scrambledMinusFaces": "scrambled - faces",
    "effectsOfInterest": ["faces", "scrambled"],
}
SIMULATED = {
    "source": "simulated",
    "repetition_time": 2.0,
    "event_duration": 1.0,
    "simulated": {"n_scans": 390},
}
PREFIX = "results/node-subject/sub-01/sub-01_task-faces_contrast-"
Z_MAPS = [f"{PREFIX}{name}_stat-z_statmap.nii.gz" for name in CONTRASTS]


def snakemake(config: dict, folder: Path, arguments: Sequence[str]) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2"]
    return [*command, *arguments, "--directory", str(folder), "--configfile", str(folder / "config.yaml")]
