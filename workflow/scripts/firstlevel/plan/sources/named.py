"""Studies that come by name: simulated, or SPM multimodal faces, fetched or unpacked. Standard library."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firstlevel.plan.runs import Run
from firstlevel.plan.sources.table import files
from firstlevel.stage import InputError

FACES = ("faces", "scrambled")
"""Conditions of the studies that come by name."""
TRUNK = "sub001"


def runs_of(study: Mapping[str, Any], data: str) -> list[Run]:
    """Both runs of a simulated or spm_multimodal study; `data` is the folder of the raw data."""
    if study["repetition_time"] is None:
        raise InputError(
            "config key study.repetition_time",
            f"is not set, and the headers of the study {study['source']} do not say it",
            expected="seconds between two scans",
            remedy="set it; 2.0 for SPM multimodal faces",
        )
    if study["source"] == "spm_multimodal" and (path := study["spm_multimodal"]["path"]):
        return [_named_run(n, _trunk(Path(path)), study, made=False) for n in (1, 2)]
    return [_named_run(n, f"{data}/{study['source']}/{TRUNK}", study, made=True) for n in (1, 2)]


def _named_run(number: int, trunk: str, study: Mapping[str, Any], *, made: bool) -> Run:
    """One of the two runs of the SPM multimodal layout, a folder where a rule makes it."""
    folder = f"{trunk}/fMRI/Session{number}"
    pattern = f"fMRI/Session{number}/fMETHODS-000{number + 4}-*-01.img"
    return Run(
        subject="01",
        session=None,
        task="faces",
        run=str(number),
        bold=(folder,) if made else files(pattern, Path(trunk), "config key study.spm_multimodal.path"),
        events=f"{trunk}/fMRI/trials_ses{number}.mat",
        confounds=None,
        repetition_time=study["repetition_time"],
    )


def _trunk(path: Path) -> str:
    for trunk in (path, path / TRUNK):
        if (trunk / "fMRI").is_dir():
            return str(trunk)
    raise InputError(
        f"config key study.spm_multimodal.path ({path})",
        "does not hold the unpacked SPM multimodal faces",
        expected=f"the folder above fMRI/Session1, or the one above {TRUNK}/",
        remedy="correct the path, or leave it out and let the workflow download the data",
    )
