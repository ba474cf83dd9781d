"""Studies as fMRIPrep leaves them, with known truth: raw data, images in a space, masks, confounds, a T1w.

Runs of 80 scans at 2 s on 10 x 11 x 9 voxels, slice times corrected to the middle of a repetition time.
"""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.glm.first_level import compute_regressor

SPACE, TASK = "MNI152NLin2009cAsym", "localizer"
SHAPE, N_SCANS, REPETITION_TIME, START_TIME = (10, 11, 9), 80, 2.0, 1.0
AFFINE = np.array([[-4.0, 0, 0, 18], [0, 4, 0, -22], [0, 0, 4, -14], [0, 0, 0, 1]])
EFFECT = {"faces": 3.0, "houses": 1.0}
"""Percent of the mean, in the voxels of :func:`active`."""
NOISE = 0.6
"""Percent, of each voxel and scan; what the confounds bring is as large again."""
MOTION = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
SIGNALS = ("csf", "white_matter", "global_signal")
MOVED = {30: 1.4, 55: 0.9}
"""mm, by which the head has jumped along x at a scan, in the run that moves."""
NOT_STEADY = 2
"""Scans at the start that fMRIPrep calls non-steady-state."""
EVENTS = [(5.0 + 9.3 * k + 1.7 * (k % 3), 2.0, ("faces", "houses")[k % 5 % 2]) for k in range(15)]


def brain():
    """Voxels of the head, in an ellipsoid that leaves a rim."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    return sum(axis**2 for axis in axes) < 0.95


def active():
    """Voxels that respond: the brain's upper left."""
    found = brain()
    found[:6] = False
    found[:, :, :4] = False
    return found


def response(events, times, condition, value=lambda row: 1.0):
    """Regressor of one condition by nilearn at fine steps, (n_scans,), each event of a height."""
    rows = [(onset, duration, value(row)) for onset, duration, *row in events if row[0] == condition]
    return compute_regressor(np.array(rows).T, "spm", times, oversampling=200)[0][:, 0]


def confounds(rng, *, moves=False):
    """Table of confounds as fMRIPrep 23 writes it: 36 parameters, cosines and what tells of outliers."""
    table = pd.DataFrame()
    walk = np.cumsum(rng.normal(0, [0.03] * 3 + [0.0003] * 3, (N_SCANS, 6)), axis=0)
    for scan, jump in MOVED.items() if moves else ():
        walk[scan:, 0] += jump
    courses = dict(zip(MOTION, walk.T, strict=True))
    courses |= {
        name: 800 * (1 + 0.01 * np.convolve(rng.normal(size=N_SCANS + 2), np.ones(3) / 3, "valid"))
        for name in SIGNALS
    }
    for name, course in courses.items():
        change = np.concatenate([[np.nan], np.diff(course)])
        table[name], table[f"{name}_derivative1"] = course, change
        table[f"{name}_power2"], table[f"{name}_derivative1_power2"] = course**2, change**2
    change = np.abs(np.diff(walk, axis=0))
    table["framewise_displacement"] = [np.nan, *(change[:, :3].sum(1) + 50 * change[:, 3:].sum(1))]
    spread = 1 + 0.08 * rng.normal(size=N_SCANS)
    spread[[scan for scan in MOVED if moves]] = 2.4
    table["std_dvars"] = [np.nan, *spread[1:]]
    table["dvars"] = 20 * table["std_dvars"]
    for k in range(2):
        table[f"cosine{k:02d}"] = np.sqrt(2 / N_SCANS) * np.cos(
            np.pi * (k + 1) * (np.arange(N_SCANS) + 0.5) / N_SCANS
        )
    for k in range(4):
        table[f"a_comp_cor_{k:02d}"] = rng.normal(size=N_SCANS)
    for scan in range(NOT_STEADY):
        table[f"non_steady_state_outlier{scan:02d}"] = np.eye(N_SCANS)[scan]
    for k, scan in enumerate(MOVED if moves else ()):
        table[f"motion_outlier{k:02d}"] = np.eye(N_SCANS)[scan]
    return table


def series(rng, table, courses, *, moves=False, steady=False):
    """Image of a run, float32: courses in percent where :func:`active`, and what the confounds bring."""
    inside = brain()
    brought = [*MOTION, *SIGNALS, "cosine00", "cosine01"]
    scaled = table[brought].to_numpy()
    scaled = (scaled - scaled.mean(0)) / scaled.std(0)
    percent = rng.normal(0, 0.25, (*SHAPE, len(brought))) @ scaled.T + rng.normal(
        0, NOISE, (*SHAPE, len(table))
    )
    percent[..., :NOT_STEADY] += 0.0 if steady else 6.0
    if moves:
        percent[..., list(MOVED)] += rng.normal(0, 8.0, (*SHAPE, len(MOVED)))
    percent[active()] += courses
    data = np.where(inside[..., None], 800 * (1 + percent / 100), 10 + np.abs(percent))
    return image(data.astype(np.float32))


def image(data, repetition_time=REPETITION_TIME, affine=AFFINE):
    """NIfTI of some values in the space of the study."""
    made = nib.Nifti1Image(data, affine)
    if data.ndim == 4:
        made.header.set_zooms((*np.abs(np.diag(affine)[:3]), repetition_time))
    made.header.set_xyzt_units("mm", "sec")
    made.set_sform(affine, 4)
    made.set_qform(affine, 4)
    return made


def save(data, path):
    """Write an image, or a table, or JSON, in a folder that need not be there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(data, pd.DataFrame):
        data.to_csv(path, sep="\t", na_rep="n/a", index=False)
    elif isinstance(data, dict):
        path.write_text(json.dumps(data))
    else:
        data.to_filename(path)


def describe(root):
    """Write descriptions of the raw study and of fMRIPrep's derivatives below it; return the latter."""
    derived = root / "derivatives/fmriprep"
    save(
        {"Name": "localizer", "BIDSVersion": "1.8.0", "DatasetType": "raw"}, root / "dataset_description.json"
    )
    save({"RepetitionTime": REPETITION_TIME, "TaskName": TASK, "SliceTiming": [0.0, 1.0]},
         root / f"task-{TASK}_bold.json")  # fmt: skip
    maker = {"Name": "fMRIPrep", "Version": "23.2.1", "CodeURL": "https://github.com/nipreps/fmriprep"}
    save(
        {"Name": "fMRIPrep - fMRI PREProcessing workflow", "BIDSVersion": "1.4.0",
         "DatasetType": "derivative", "GeneratedBy": [maker]},
        derived / "dataset_description.json",
    )  # fmt: skip
    return derived


def write_t1w(derived, subject):
    """T1w and its mask in the space: voxels of 2 mm, a field of view larger than the runs'."""
    shape = (24, 28, 22)
    affine = np.diag([-2.0, 2, 2, 1])
    affine[:3, 3] = 24, -28, -20
    places = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    mm = places @ affine[:3, :3] + affine[:3, 3]
    centre, half = AFFINE[:3, :3] @ (np.array(SHAPE) - 1) / 2 + AFFINE[:3, 3], 2.0 * (np.array(SHAPE) - 1)
    far = (((mm - centre) / half) ** 2).sum(-1)
    values = np.where(far < 0.55, 900, np.where(far < 0.95, 600, np.where(far < 1.2, 150, 20)))
    values = values + 40 * np.sin(mm[..., 0] / 2) * np.cos(mm[..., 1] / 3)
    start = derived / f"sub-{subject}/anat/sub-{subject}_space-{SPACE}"
    save(
        image(values.astype(np.float32), affine=affine),
        start.with_name(f"{start.name}_desc-preproc_T1w.nii.gz"),
    )
    save(image((far < 0.95).astype(np.uint8), affine=affine),
         start.with_name(f"{start.name}_desc-brain_mask.nii.gz"))  # fmt: skip


def write_fmriprep(root: Path) -> Path:
    """Three subjects, two sessions, two runs. Three things are as real studies have them.

    Of 02, run 02 of session post has no derivative; of 03, run 01 of session pre has no mask; the derivatives
    of 01 call run 01 of session pre run 1. In run 01 of session post of 02 the head moves.
    """
    derived = describe(root)
    times = REPETITION_TIME * np.arange(N_SCANS) + START_TIME
    for n_subject, subject in enumerate(("01", "02", "03")):
        write_t1w(derived, subject)
        for n_session, session in enumerate(("pre", "post")):
            for n_run, run in enumerate(("01", "02")):
                rng = np.random.default_rng([n_subject, n_session, n_run])
                folder = Path(f"sub-{subject}/ses-{session}")
                name = f"sub-{subject}_ses-{session}_task-{TASK}_run-"
                raw = root / folder / "func" / f"{name}{run}"
                shift = float(rng.uniform(0, 3))
                rows = [(round(onset + shift, 3), duration, kind) for onset, duration, kind in EVENTS]
                columns = ["onset", "duration", "trial_type"]
                save(pd.DataFrame(rows, columns=columns), raw.with_name(f"{raw.name}_events.tsv"))
                scanned = image(np.full((4, 4, 2, N_SCANS), 500, np.int16))
                save(scanned, raw.with_name(f"{raw.name}_bold.nii.gz"))
                if (subject, session, run) == ("02", "post", "02"):
                    continue
                moves = (subject, session, run) == ("02", "post", "01")
                table = confounds(rng, moves=moves)
                course = sum(EFFECT[kind] * response(rows, times, kind) for kind in EFFECT)
                named = "1" if (subject, session, run) == ("01", "pre", "01") else run
                start = derived / folder / "func" / f"{name}{named}"
                start_in_space = f"{start}_space-{SPACE}"
                save(
                    series(rng, table, course, moves=moves),
                    Path(f"{start_in_space}_desc-preproc_bold.nii.gz"),
                )
                sidecar = {"RepetitionTime": REPETITION_TIME, "SliceTimingCorrected": True}
                sidecar |= {"StartTime": START_TIME, "SkullStripped": False, "TaskName": TASK}
                save(sidecar, Path(f"{start_in_space}_desc-preproc_bold.json"))
                save(table, Path(f"{start}_desc-confounds_timeseries.tsv"))
                components = {
                    f"a_comp_cor_{k:02d}": {"Method": "aCompCor", "Mask": "combined", "Retained": True}
                    for k in range(4)
                }
                save(components, Path(f"{start}_desc-confounds_timeseries.json"))
                if (subject, session, run) != ("03", "pre", "01"):
                    mask = image(brain().astype(np.uint8))
                    save(mask, Path(f"{start_in_space}_desc-brain_mask.nii.gz"))
    return derived
