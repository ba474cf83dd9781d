"""Studies of the sizes that people have, written once into a folder, and the config of each.

``small`` and ``spm`` are raw 3D volumes of two runs, simulated by the workflow itself; ``fmriprep`` is what
fMRIPrep leaves of a subject in MNI space at 2 mm: two compressed runs with masks and confounds beside a raw
study.
"""

import json
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fmriprep_study import MOTION, SPACE, image
from measure import cost_of
from timed_study import CONTRASTS, SIMULATED, snakemake

TASK = "faces"
SHAPE, N_SCANS, REPETITION_TIME, START_TIME = (97, 115, 97), 300, 2.0, 1.0
AFFINE = np.array([[-2.0, 0, 0, 96], [0, 2, 0, -132], [0, 0, 2, -78], [0, 0, 0, 1]])
N_VOXELS = 235_375
"""Voxels of the brain in MNI space at 2 mm."""


@dataclass(frozen=True)
class SizedStudy:
    """A study to be timed.

    Attributes
    ----------
    title : what it is, for people.
    config : what the workflow is given, where the data lie in a folder.
    script : what :mod:`nilearn_script` is given, beside the folder that it writes to.
    contrasts : by name, as the config has them.
    n_runs : over which what is written is shared out.
    """

    title: str
    config: dict
    script: list[str]
    contrasts: dict
    n_runs: int = 2


def small(folder: Path) -> SizedStudy:
    """Two runs of 176 volumes of 64 x 64 x 24, three contrasts."""
    return _volumes("2 x 176 volumes of 64 x 64 x 24", folder, 176, [64, 64, 24])


def spm(folder: Path) -> SizedStudy:
    """Two runs of 390 volumes of 64 x 64 x 32, three contrasts: the size of SPM's multimodal faces."""
    return _volumes("2 x 390 volumes of 64 x 64 x 32", folder, 390, [64, 64, 32])


def _volumes(title: str, folder: Path, n_scans: int, shape: list[int]) -> SizedStudy:
    study = SIMULATED | {"simulated": {"n_scans": n_scans, "shape": shape}}
    cost_of(
        snakemake({"study": study, "contrasts": CONTRASTS}, folder, ["--until", "simulate_dataset"]), folder
    )
    config = {"study": study, "contrasts": CONTRASTS, "pathvars": {"data": str(folder / "data")}}
    return SizedStudy(title, config, [str(folder / "data/simulated/sub001")], CONTRASTS)


def fmriprep(folder: Path, n_subjects: int = 1) -> SizedStudy:
    """Two runs of 300 volumes in MNI space, 235,375 voxels in the mask, six confounds, one contrast.

    More subjects are links to the images of the first.
    """
    derived = folder / "derivatives/fmriprep"
    if not (folder / "written").exists():
        _describe(folder, derived)
        with ProcessPoolExecutor(2) as pool:
            list(pool.map(_write_run, [folder] * 2, [derived] * 2, [1, 2]))
        (folder / "written").touch()
    for subject in range(2, n_subjects + 1):
        _link_subject(folder, f"{subject:02d}")
    bids = {"path": str(folder), "derivatives": str(derived), "task": TASK, "space": SPACE}
    bids["subjects"] = [f"{subject:02d}" for subject in range(1, n_subjects + 1)]
    contrasts = {"facesMinusScrambled": "faces - scrambled"}
    config = {
        "study": {"source": "bids", "bids": bids},
        "mask": "derivatives",
        "confounds": {"columns": MOTION},
        "contrasts": contrasts,
    }
    return SizedStudy("2 x 300 volumes in MNI space, 2 mm", config, [str(folder)], contrasts)


STUDIES: dict[str, Callable[[Path], SizedStudy]] = {"small": small, "spm": spm, "fmriprep": fmriprep}


def _describe(folder: Path, derived: Path) -> None:
    for root, kind in ((folder, "raw"), (derived, "derivative")):
        root.mkdir(parents=True, exist_ok=True)
        content = {"Name": "timed", "BIDSVersion": "1.8.0", "DatasetType": kind}
        if kind == "derivative":
            content["GeneratedBy"] = [{"Name": "fMRIPrep", "Version": "23.2.1"}]
        (root / "dataset_description.json").write_text(json.dumps(content))


def _write_run(folder: Path, derived: Path, run: int) -> None:
    """Volumes of AR(1) noise with a response to faces in a ball, float32, compressed volume by volume."""
    rng = np.random.default_rng(run)
    start = f"sub-01_task-{TASK}_run-{run}"
    raw, func = folder / "sub-01/func", derived / "sub-01/func"
    for made in (raw, func):
        made.mkdir(parents=True, exist_ok=True)
    onsets = np.arange(10.0, N_SCANS * REPETITION_TIME - 20, 7.0) + rng.uniform(0, 2)
    kinds = rng.permutation(np.arange(len(onsets)) % 2)
    rows = [
        f"{onset:.2f}\t1\t{('faces', 'scrambled')[kind]}" for onset, kind in zip(onsets, kinds, strict=True)
    ]
    (raw / f"{start}_events.tsv").write_text("\n".join(["onset\tduration\ttrial_type", *rows]) + "\n")
    (raw / f"{start}_bold.nii.gz").touch()
    walk = np.cumsum(rng.normal(0, [0.02] * 3 + [0.0002] * 3, (N_SCANS, 6)), axis=0)
    lines = ["\t".join(f"{value:.8f}" for value in row) for row in walk]
    (func / f"{start}_desc-confounds_timeseries.tsv").write_text(
        "\n".join(["\t".join(MOTION), *lines]) + "\n"
    )
    named = func / f"{start}_space-{SPACE}"
    sidecar = {"RepetitionTime": REPETITION_TIME, "SliceTimingCorrected": True, "StartTime": START_TIME}
    named.with_name(f"{named.name}_desc-preproc_bold.json").write_text(json.dumps(sidecar))
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    distance = sum(axis**2 for axis in axes)
    inside = distance <= np.partition(distance.ravel(), N_VOXELS - 1)[N_VOXELS - 1]
    mask = image(inside.astype(np.uint8), affine=AFFINE)
    mask.to_filename(named.with_name(f"{named.name}_desc-brain_mask.nii.gz"))
    active = inside & (sum((axis - at) ** 2 for axis, at in zip(axes, (0.3, -0.5, -0.1), strict=True)) < 0.03)
    times = np.arange(N_SCANS) * REPETITION_TIME
    since = times[:, None] - onsets[kinds == 0]
    course = np.where(
        since > 0, np.clip(since, 0, None) ** 5 * np.exp(-np.clip(since, 0, None)) / 120, 0
    ).sum(1)
    mean = np.where(inside, 800 + 100 * np.cos(3 * axes[0]), 20).astype(np.float32)
    header = image(
        np.broadcast_to(np.zeros(1, np.float32), (*SHAPE, N_SCANS)), REPETITION_TIME, AFFINE
    ).header
    header.set_data_offset(352)
    header.set_slope_inter(1, 0)
    squeeze, noise = zlib.compressobj(level=1, wbits=31), np.zeros(SHAPE, np.float32)
    with named.with_name(f"{named.name}_desc-preproc_bold.nii.gz").open("wb") as file:
        file.write(squeeze.compress(header.binaryblock + bytes(4)))
        for scan in range(N_SCANS):
            noise = np.float32(0.3) * noise + rng.standard_normal(SHAPE, dtype=np.float32)
            volume = (
                mean + np.where(inside, np.float32(8) * noise, noise) + np.float32(16 * course[scan]) * active
            )
            file.write(squeeze.compress(volume.astype("<f4").tobytes(order="F")))
        file.write(squeeze.flush())


def _link_subject(folder: Path, subject: str) -> None:
    for first in (folder / "sub-01/func", folder / "derivatives/fmriprep/sub-01/func"):
        of_subject = first.parents[1] / f"sub-{subject}/func"
        of_subject.mkdir(parents=True, exist_ok=True)
        for file in first.iterdir():
            link = of_subject / file.name.replace("sub-01", f"sub-{subject}")
            if not link.exists():
                link.symlink_to(file)
