"""BIDS folders with simulated runs, small enough for tests: one 4D image per run, events inherited or not."""

import functools
import json
from collections.abc import Iterable
from pathlib import Path

import nibabel as nib
import numpy as np

from firstlevel.simulation import drift, head, measurement, movement, paradigm

SHAPE, VOXEL_SIZE, N_SCANS, REPETITION_TIME = (26, 30, 16), (7.0, 7.0, 8.0), 48, 2.0
CONTRASTS = {"facesMinusScrambled": "faces - scrambled", "anyFace": ["faces", "scrambled"]}


@functools.cache
def _head():
    return head.make_head(*head.templates(), VOXEL_SIZE, 8.0)


def simulated_run(seed):
    """Image of a run without motion, and the text of its events table.

    Each volume is taken at one moment, the middle of its acquisition, where a study without StartTime samples
    its model: events are half a repetition time later than for volumes that are taken at their start.
    """
    timing, drifting, measuring = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3))
    onsets = paradigm.event_onsets(N_SCANS, REPETITION_TIME, timing)
    regressors = paradigm.response_regressors(onsets, N_SCANS, REPETITION_TIME)
    drifts = (
        drift.drift_courses(N_SCANS, REPETITION_TIME, drifting),
        drift.drift_maps(_head(), 1.0, drifting),
    )
    affine = movement.scanner_affine(SHAPE, VOXEL_SIZE)
    volumes = measurement.volumes(
        _head(), regressors, drifts, np.stack([affine] * N_SCANS), SHAPE, noise=1.0, ar1=0.3, rng=measuring
    )
    image = nib.Nifti1Image(np.stack(list(volumes), axis=-1).astype(np.float32), affine)
    image.header.set_zooms((*VOXEL_SIZE, REPETITION_TIME))
    image.header.set_xyzt_units("mm", "sec")
    rows = sorted(
        ((scan + 0.5) * REPETITION_TIME, name)
        for name, scans in zip(paradigm.CONDITIONS, onsets, strict=True)
        for scan in scans
    )
    return image, "onset\tduration\ttrial_type\n" + "".join(f"{onset:g}\t1\t{name}\n" for onset, name in rows)


def true_difference():
    """Response to faces less that to scrambled faces, in percent per unit, on the grid of all runs."""
    faces, scrambled = head.true_responses(_head(), movement.scanner_affine(SHAPE, VOXEL_SIZE), SHAPE)
    return faces - scrambled


def write_bids(
    root: Path,
    subjects: Iterable[str],
    sessions: Iterable[str] = ("",),
    runs: Iterable[str] = ("01", "02"),
    without_events: Iterable[str] = (),
) -> Path:
    """Write a raw BIDS study of task faces, with the sidecar of all runs at its root."""
    root.mkdir(parents=True)
    description = {"Name": "simulated faces", "BIDSVersion": "1.10.0", "DatasetType": "raw"}
    (root / "dataset_description.json").write_text(json.dumps(description))
    (root / "task-faces_bold.json").write_text(
        json.dumps({"RepetitionTime": REPETITION_TIME, "TaskName": "faces"})
    )
    for subject in subjects:
        for n_session, session in enumerate(sessions):
            for n_run, run in enumerate(runs):
                middle = f"_ses-{session}" if session else ""
                folder = root / f"sub-{subject}" / (f"ses-{session}" if session else "") / "func"
                folder.mkdir(parents=True, exist_ok=True)
                name = f"sub-{subject}{middle}_task-faces" + (f"_run-{run}" if run else "")
                image, events = simulated_run([*subject.encode(), n_session, n_run])
                image.to_filename(folder / f"{name}_bold.nii.gz")
                if subject not in without_events:
                    (folder / f"{name}_events.tsv").write_text(events)
    return root
