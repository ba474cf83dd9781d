"""The design of NARPS: gambles without a trial type, modulated by gain, loss and response time.

Simulated in the layout of that study (Botvinik-Nezer et al. 2020, Nature 582:84-88): tables of onset,
duration, gain, loss, RT and participant_response, images under the names of fMRIPrep 1.1, 1 s between scans.
"""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from fmriprep_study import SHAPE, SPACE, brain, image, save
from nilearn.glm.first_level import compute_regressor, make_first_level_design_matrix
from studies import Study

pytestmark = pytest.mark.slow

SUBJECT, TASK, N_RUNS, N_SCANS, N_EVENTS = "001", "MGT", 4, 150, 20
MODULATORS = ("gain", "loss", "RT")
TRUTH = {"gambles": 1.5, "gain": 0.06, "loss": -0.09, "RT": 0.5}
"""Percent, for an average gamble, and for one unit more of each modulator."""
NOISE = 0.5
ANSWERS = ("strongly_accept", "weakly_accept", "weakly_reject", "strongly_reject")
RECOVERED = 0.04
"""Share by which a mean over 153 voxels or more may miss the truth: four standard errors are 0.036."""
SAME = 2e-5
"""Percent, of effects below 3 in files of float32."""
PLACES = {"gain": np.s_[2:5], "loss": np.s_[5:8]}
"""Along x: voxels that respond to gains, and those that respond to losses. All respond to gambles and RT."""


def gambles(rng):
    """Events of a run as NARPS has them; a gamble that got no answer has RT 0."""
    onsets = 4 + 6.8 * np.arange(N_EVENTS) + rng.uniform(0, 1.2, N_EVENTS)
    times = rng.uniform(0.8, 3.2, N_EVENTS).round(3)
    answers = rng.choice(ANSWERS, N_EVENTS).astype(object)
    times[7], answers[7] = 0, "NoResp"
    return pd.DataFrame(
        {
            "onset": onsets.round(3),
            "duration": 4,
            "gain": 2 * rng.integers(5, 21, N_EVENTS),
            "loss": rng.integers(5, 21, N_EVENTS),
            "RT": times,
            "participant_response": answers,
        }
    )


def centred(events):
    """Heights of the events for the plain condition and for each modulator, less its mean over the run."""
    return {"gambles": np.ones(N_EVENTS)} | {name: events[name] - events[name].mean() for name in MODULATORS}


def bold(events, rng):
    """Image of a run, sampled in the middle of each volume; what responds is told by PLACES."""
    times = np.arange(N_SCANS) + 0.5
    percent = rng.normal(0, NOISE, (*SHAPE, N_SCANS))
    for name, height in centred(events).items():
        rows = np.array([events["onset"], events["duration"], height], dtype=float)
        course = TRUTH[name] * compute_regressor(rows, "spm", times, oversampling=200)[0][:, 0]
        percent[PLACES.get(name, np.s_[:])] += course
    return image(np.where(brain()[..., None], 800 * (1 + percent / 100), 10).astype(np.float32), 1.0)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """One subject of four runs, analysed with all three modulators."""
    base = tmp_path_factory.mktemp("gambles")
    raw, derived = base / "raw", base / "raw/derivatives/fmriprep"
    for run in range(1, N_RUNS + 1):
        rng = np.random.default_rng(run)
        events = gambles(rng)
        name = f"sub-{SUBJECT}/func/sub-{SUBJECT}_task-{TASK}_run-{run:02d}"
        save(events, raw / f"{name}_events.tsv")
        save(image(np.full((3, 3, 2, N_SCANS), 400, np.int16), 1.0), raw / f"{name}_bold.nii.gz")
        save(bold(events, rng), derived / f"{name}_bold_space-{SPACE}_preproc.nii.gz")
        save(image(brain().astype(np.uint8)), derived / f"{name}_bold_space-{SPACE}_brainmask.nii.gz")
        walk = rng.normal(0, [0.03] * 3 + [0.0005] * 3, (N_SCANS, 6)).cumsum(axis=0)
        save(
            pd.DataFrame(walk, columns=["X", "Y", "Z", "RotX", "RotY", "RotZ"]),
            derived / f"{name}_bold_confounds.tsv",
        )
    save({"RepetitionTime": 1.0, "TaskName": TASK}, raw / f"task-{TASK}_bold.json")
    config = {
        "study": {
            "source": "bids",
            "bids": {"path": str(raw), "derivatives": str(derived), "task": TASK, "space": SPACE},
            "events": {"condition": "gambles"},
        },
        "mask": "derivatives",
        "design": {
            "hrf_model": "spm",
            "modulators": {"gambles": list(MODULATORS)},
        },
        "confounds": {"columns": ["X", "Y", "Z", "Rot*"]},
        "glm": {"noise_model": "ols"},
        "contrasts": {name: f"gambles_{name}" for name in MODULATORS} | {"gambles": "gambles"},
    }
    made = Study(base / "work", config, task=TASK)
    made.snakemake(*(effect_of(made, name).relative_to(made.folder) for name in TRUTH))
    return made, raw, derived


def effect_of(study, name):
    """Path of the effect of a contrast."""
    return study.result(f"space-{SPACE}_contrast-{name}_stat-effect_statmap.nii.gz", SUBJECT)


def effect(study, name):
    return nib.load(effect_of(study, name)).get_fdata()


def raised():
    """Share by which responses raise the mean over time, of which effects are percent."""
    return 1 + TRUTH["gambles"] * 4 * N_EVENTS / N_SCANS / 100


@pytest.mark.parametrize("name", TRUTH)
def test_betas_of_gain_and_loss_are_the_truth(study, name):
    """Where voxels respond, per unit of the column; nothing where they do not."""
    found = effect(study[0], name) * raised()
    responds = np.zeros(SHAPE, bool)
    responds[PLACES.get(name, np.s_[:])] = True
    assert found[brain() & responds].mean() == pytest.approx(TRUTH[name], rel=RECOVERED)
    if name in PLACES:
        assert abs(found[brain() & ~responds].mean()) < RECOVERED * abs(TRUTH[name])


@pytest.mark.parametrize("name", TRUTH)
def test_betas_are_those_of_least_squares(study, name):
    """Mean over runs of an ordinary fit, of regressors that nilearn makes of the heights."""
    _, raw, derived = study
    betas = []
    for run in range(1, N_RUNS + 1):
        start = f"sub-{SUBJECT}/func/sub-{SUBJECT}_task-{TASK}_run-{run:02d}"
        events = pd.read_csv(raw / f"{start}_events.tsv", sep="\t")
        parts = [
            events[["onset", "duration"]].assign(trial_type=of, modulation=height)
            for of, height in centred(events).items()
        ]
        extra = pd.read_csv(derived / f"{start}_bold_confounds.tsv", sep="\t")
        design = make_first_level_design_matrix(
            np.arange(N_SCANS) + 0.5, pd.concat(parts, ignore_index=True), "spm", "cosine", high_pass=0.01,
            add_regs=extra.to_numpy(), add_reg_names=list(extra),
        )  # fmt: skip
        y = nib.load(derived / f"{start}_bold_space-{SPACE}_preproc.nii.gz").get_fdata()[brain()].T
        y = 100 * (y / y.mean(axis=0) - 1)
        betas.append(np.linalg.lstsq(design.to_numpy(), y, rcond=None)[0][list(design).index(name)])
    np.testing.assert_allclose(effect(study[0], name)[brain()], np.mean(betas, axis=0), rtol=0, atol=SAME)


def test_sidecars_tell_what_modulated_the_gambles(study):
    """Condition, columns and their means in the design; the plain condition stays beside them."""
    run = f"run-01_space-{SPACE}"
    said = json.loads(study[0].result(f"{run}_events.json", SUBJECT).read_text())
    assert said["ConditionOfEveryRow"] == "gambles"
    design = json.loads(study[0].result(f"{run}_design.json", SUBJECT).read_text())
    events = pd.read_csv(
        study[1] / f"sub-{SUBJECT}/func/sub-{SUBJECT}_task-{TASK}_run-01_events.tsv", sep="\t"
    )
    gain = json.loads(study[0].result(f"space-{SPACE}_contrast-gain_statmap.json", SUBJECT).read_text())
    assert gain["EffectUnit"].startswith("percent of each voxel's mean, for one unit of gain, at the plateau")
    assert [one["Name"] for one in design["Modulators"]] == [f"gambles_{name}" for name in MODULATORS]
    assert [one["Mean"] for one in design["Modulators"]] == pytest.approx(
        [events[name].mean() for name in MODULATORS]
    )
    assert [one["Name"] for one in design["Columns"]][:4] == [
        "gambles",
        *(f"gambles_{name}" for name in MODULATORS),
    ]
