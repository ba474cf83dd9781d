"""A study as fMRIPrep leaves it, end to end: what is found, what the maps say, what pages and text tell."""

import csv
import hashlib
import html
import json
import re

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from fmriprep_study import (
    EFFECT,
    EVENTS,
    MOTION,
    MOVED,
    N_SCANS,
    NOT_STEADY,
    REPETITION_TIME,
    SIGNALS,
    SPACE,
    START_TIME,
    TASK,
    active,
    brain,
    confounds,
    response,
    save,
    series,
    write_fmriprep,
)
from nilearn.glm.first_level import FirstLevelModel, make_first_level_design_matrix
from studies import Study

pytestmark = pytest.mark.slow

CONTRAST = "facesMinusHouses"
NO_MASK = "has no desc-brain_mask beside it, and mask is derivatives"
NO_DERIVATIVE = "has no preprocessed image"
SAME = 2e-3
"""Of maps near 5: their files are float32, and a coefficient of AR(1) may fall into another bin of 0.01."""
ROUNDED_DIFFERENTLY = 0.005
"""Share of voxels whose AR(1) coefficient lies so near to a bin's edge that rounding decides."""
RECOVERED = 0.25
"""Percent, of a mean over the 69 voxels that respond: three of its standard errors, at 0.7 % per voxel."""
ONE_RUN_EACH = ["01", {"subject": "02", "session": "pre"}, {"subject": "03", "session": "post"},
                {"subject": "03", "run": 2}]  # fmt: skip
"""Runs that are not asked for again where pages are made: pictures take most of the time."""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    base = tmp_path_factory.mktemp("fmriprep")
    write_fmriprep(base / "study")
    return base / "study"


@pytest.fixture(scope="module")
def finished(root):
    """Maps of all runs, and what the terminal showed."""
    bids = {
        "path": str(root),
        "derivatives": str(root / "derivatives/fmriprep"),
        "task": TASK,
        "space": SPACE,
    }
    strategy = ["high_pass", "motion", "wm_csf", "global_signal", "scrub"]
    of_fmriprep = {"strategy": strategy, "wm_csf": "full", "global_signal": "full"}
    config = {
        "study": {"source": "bids", "bids": bids},
        "mask": "derivatives",
        "design": {"drift_model": "none"},
        "confounds": {"fmriprep": of_fmriprep},
        "contrasts": {CONTRAST: "faces - houses"},
    }
    study = Study(root.parent / "work", config, task=TASK)
    return study, study.snakemake("results/maps.tsv").stderr


@pytest.fixture(scope="module")
def pages(finished):
    """Study with the pages of two runs, in a folder of its own."""
    study, _ = finished
    small = Study(study.folder.parent / "pages", json.loads(json.dumps(study.config)))
    small.config["study"]["bids"]["exclude"] = ONE_RUN_EACH
    small.snakemake()
    return small


def text_of(page):
    """Text of a page, its tags taken out and blanks made one."""
    bare = re.sub(r"<(script|style).*?</\1>", "", page.read_text(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", bare)))


def design_of(root, session, subject, run, named):
    """Design of a run as nilearn and its user would make it, without the project's own code."""
    name = f"sub-{subject}_ses-{session}_task-{TASK}_run-"
    events = pd.read_csv(root / f"sub-{subject}/ses-{session}/func/{name}{run}_events.tsv", sep="\t")
    folder = root / f"derivatives/fmriprep/sub-{subject}/ses-{session}/func"
    table = pd.read_csv(folder / f"{name}{named}_desc-confounds_timeseries.tsv", sep="\t")
    terms = [f"{one}{term}" for one in (*MOTION, *SIGNALS)
             for term in ("", "_derivative1", "_power2", "_derivative1_power2")]  # fmt: skip
    chosen = table[[*terms, "cosine00", "cosine01"]].bfill()
    bad = set(range(NOT_STEADY))
    bad |= set(np.flatnonzero((table["framewise_displacement"] > 0.5) | (table["std_dvars"] > 1.5)))
    spikes = pd.DataFrame({f"bad_{scan}": np.eye(N_SCANS)[scan] for scan in sorted(bad)})
    extra = pd.concat([chosen, spikes], axis=1)
    times = REPETITION_TIME * np.arange(N_SCANS) + START_TIME
    made = make_first_level_design_matrix(
        times, events, "spm + derivative", None, add_regs=extra.to_numpy(), add_reg_names=list(extra)
    )
    return made, nib.load(folder / f"{name}{named}_space-{SPACE}_desc-preproc_bold.nii.gz")


USED = {
    "01": [("post", "01", "01"), ("post", "02", "02"), ("pre", "01", "1"), ("pre", "02", "02")],
    "02": [("post", "01", "01"), ("pre", "01", "01"), ("pre", "02", "02")],
    "03": [("post", "01", "01"), ("post", "02", "02"), ("pre", "02", "02")],
}
"""Session and run of the raw data, and the run as the derivatives name it."""


def test_terminal_names_what_is_left_out_before_any_job_and_at_the_end(finished):
    """Subjects and runs found, to do and left out, with one line per reason."""
    _, shown = finished
    start, _, rest = shown.partition("To do: ")
    for part, word in ((start, "to do"), (rest, "done")):
        for line in (r"found +3 +12", rf"{word} +3 +10", r"left out +0 +2"):
            assert re.search(rf"^ *{line}$", part, re.MULTILINE), line
        assert f"left out, 1: {NO_MASK} (sub-03_ses-pre_task-{TASK}_run-01_space-" in part
        assert f"left out, 1: {NO_DERIVATIVE} (sub-02_ses-post_task-{TASK}_run-02_bold.nii.gz)" in part
    assert f"task {TASK}, space {SPACE}" in start


def test_table_of_runs_has_every_run_once(finished):
    """Ten done, with the names of the derivatives, and a reason for each of the other two."""
    study, _ = finished
    with (study.folder / "results/runs.tsv").open() as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    done = {
        subject: [
            (row["session"], row["run"])
            for row in rows
            if row["subject"] == subject and row["status"] == "done"
        ]
        for subject in USED
    }
    assert {subject: sorted(found) for subject, found in done.items()} == {
        subject: sorted((session, named) for session, _, named in used) for subject, used in USED.items()
    }
    left_out = {tuple(row[key] for key in ("subject", "session", "run")): row["reason"]
                for row in rows if row["status"] == "left out"}  # fmt: skip
    assert left_out == {("03", "pre", "01"): NO_MASK, ("02", "post", "02"): NO_DERIVATIVE}
    assert len(rows) == 12
    own = next(row for row in rows if (row["subject"], row["session"], row["run"]) == ("01", "pre", "1"))
    assert own["events"].endswith(f"sub-01_ses-pre_task-{TASK}_run-01_events.tsv")


@pytest.mark.parametrize("subject", USED)
def test_maps_are_those_of_nilearn_on_the_same_runs(finished, root, subject):
    """Effect and z of runs by nilearn's model, the design put together by hand; the effect is the truth."""
    study, _ = finished
    designs, images = zip(
        *(design_of(root, session, subject, *run) for session, *run in USED[subject]), strict=True
    )
    mask = nib.Nifti1Image(brain().astype(np.uint8), images[0].affine)
    model = FirstLevelModel(mask_img=mask, noise_model="ar1", signal_scaling=0, minimize_memory=False)
    model.fit(list(images), design_matrices=list(designs))
    expected = model.compute_contrast("faces - houses", output_type="all")
    start = (
        study.folder
        / f"results/node-subject/sub-{subject}/sub-{subject}_task-{TASK}_space-{SPACE}_contrast-{CONTRAST}"
    )
    for name, kind in (("effect", "effect_size"), ("z", "z_score")):
        own = nib.load(f"{start}_stat-{name}_statmap.nii.gz").get_fdata()[brain()]
        away = np.abs(own - expected[kind].get_fdata()[brain()])
        assert np.mean(away > SAME) <= ROUNDED_DIFFERENTLY, name
    effect = nib.load(f"{start}_stat-effect_statmap.nii.gz").get_fdata()
    assert effect[active()].mean() == pytest.approx(EFFECT["faces"] - EFFECT["houses"], abs=RECOVERED)
    assert effect[brain() & ~active()].mean() == pytest.approx(0, abs=RECOVERED)


def test_every_run_is_read_by_its_fit_alone(finished, root):
    """No stage before it reads the volumes; their mean is that of the file, and so is its digest."""
    study, _ = finished
    rules = {path.name for path in (study.folder / "benchmarks").iterdir()}
    assert "fit_glm" in rules
    assert not rules & {"read_run", "resample_run"}
    means = sorted((study.folder / "results").glob("sub-*/*_desc-mean_boldref.nii.gz"))
    assert len(means) > 3
    for path in means:
        name = path.name.replace("_desc-mean_boldref", "_desc-preproc_bold")
        [bold] = (root / "derivatives/fmriprep").rglob(name)
        expected = nib.load(bold).get_fdata().mean(axis=3)
        np.testing.assert_allclose(nib.load(path).get_fdata(), expected, rtol=1e-6, atol=1e-6)
        said = json.loads(
            path.with_name(name.replace("preproc_bold.nii.gz", "resampled_bold.json")).read_text()
        )
        assert said["Inputs"][0]["Sha256"] == hashlib.sha256(bold.read_bytes()).hexdigest()


def test_scans_that_moved_are_censored_in_the_run_that_moved(finished):
    """And fMRIPrep's non-steady-state scans in every run; the model is sampled at StartTime."""
    study, _ = finished
    for subject, used in USED.items():
        for session, _, named in used:
            design = study.result(f"run-{named}_space-{SPACE}_design.json", subject, f"_ses-{session}")
            said = json.loads(design.read_text())
            moved = list(MOVED) if (subject, session, named) == ("02", "post", "01") else []
            assert said["CensoredScans"] == [*range(NOT_STEADY), *moved]
            assert said["StartTime"] == START_TIME
            assert said["SliceTimeSource"] == "StartTime of the sidecar"


def test_methods_tell_what_was_done_and_nothing_else(pages):
    """Version, space, confounds with their numbers, cosines, scrubbing, the T1w; no other drift model."""
    text = text_of(pages.folder / "results/sub-02/report.html")
    text = text[text.rindex("1 run of 80 volumes") :]
    for told in (
        "1 run of 80 volumes (repetition time 2 s) entered the analysis.",
        f"Images were preprocessed with fMRIPrep 23.2.1 and analysed in the space {SPACE}.",
        "All volumes share one grid and were not resampled.",
        "sampled 1 s after the start of each volume (StartTime of the sidecar)",
        "Slow drifts were modelled by 2 cosines of the table of confounds.",
        "36 confounds were added (fMRIPrep's, selected as by nilearn's load_confounds: 24 of motion, "
        "8 of white matter and CSF, 4 of the global signal).",
        "4 volumes were censored, one regressor each (framewise displacement above 0.5 mm or standardised "
        "DVARS above 1.5 by the table of confounds, or fewer than 5 volumes between such ones; "
        "non-steady-state volumes found by fMRIPrep)",
        "Maps are drawn over the preprocessed T1w image of the subject in the same space.",
    ):
        assert told in text, told
    for untrue in ("Drifts were not modelled", "cosines below", "were combined", "resampled by", "Smoothed"):
        assert untrue not in text, untrue


def test_page_of_a_subject_shows_motion_of_the_table_and_what_was_left_out(pages):
    """Motion is known though all volumes share one affine, and the run without a derivative is named."""
    text = text_of(pages.folder / "results/sub-02/report.html")
    assert "2 of 80 volumes moved more than 0.5 mm against the one before (by the table of confounds)" in text
    assert "No volume, but for censored ones (4) and those right after them, changed more than" in text
    assert f"sub-02_ses-post_task-{TASK}_run-02_bold.nii.gz" in text
    assert NO_DERIVATIVE in text


def test_page_of_the_study_groups_what_is_left_out_by_reason(pages):
    """One line per reason, with how many; what is not asked for is not called left out."""
    text = text_of(pages.folder / "results/report.html")
    for reason in (NO_MASK, NO_DERIVATIVE):
        assert text.count(reason) == 1
    assert "1 done" in text


BRIGHT, FACTOR = 32, 1.1
"""A scan after houses and before faces, and how much too bright it is: it pulls the contrast down."""
NEGATIVE = 0.75
"""Share of the voxels without response below 0, where half would be if nothing leaked."""


def test_bright_volume_that_nobody_censors_leaks_into_the_map_and_is_told(tmp_path):
    """10 % of one scan makes most z negative, in nilearn's map, too, by what the design says; a verdict."""
    rng = np.random.default_rng(1)
    times = REPETITION_TIME * np.arange(N_SCANS) + START_TIME
    course = sum(EFFECT[kind] * response(EVENTS, times, kind) for kind in EFFECT)
    image = series(rng, confounds(rng), course, steady=True)
    data = image.get_fdata()
    data[..., BRIGHT] *= FACTOR
    bright = nib.Nifti1Image(data.astype(np.float32), image.affine, image.header)
    events = pd.DataFrame(EVENTS, columns=["onset", "duration", "trial_type"])
    mask = nib.Nifti1Image(brain().astype(np.uint8), image.affine)
    rows = {"subject": ["01"], "task": [TASK], "run": ["1"], "bold": ["b.nii.gz"], "events": ["e.tsv"]}
    for made, name in (
        (bright, "b.nii.gz"),
        (events, "e.tsv"),
        (mask, "m.nii.gz"),
        (pd.DataFrame(rows), "r.tsv"),
    ):
        save(made, tmp_path / name)
    config = {
        "study": {"source": "table", "table": "r.tsv"},
        "mask": "m.nii.gz",
        "design": {"slice_time_ref": 0.5},
        "contrasts": {CONTRAST: "faces - houses"},
    }
    study = Study(tmp_path, config, task=TASK)
    start = f"results/node-subject/sub-01/sub-01_task-{TASK}"
    study.snakemake(f"{start}_contrast-{CONTRAST}_stat-z_statmap.nii.gz", f"{start}_quality.tsv")
    design = make_first_level_design_matrix(times, events, "spm + derivative", "cosine", high_pass=0.01)
    model = FirstLevelModel(mask_img=mask, noise_model="ar1", signal_scaling=0).fit(
        bright, design_matrices=design
    )
    expected = model.compute_contrast("faces - houses").get_fdata()
    z = study.z_map(CONTRAST).get_fdata()
    assert np.mean(np.abs(z - expected)[brain()] > SAME) <= ROUNDED_DIFFERENTLY
    silent = brain() & ~active()
    assert np.mean(z[silent] < 0) > NEGATIVE
    weights = dict(zip(design, np.linalg.pinv(design.to_numpy()), strict=True))
    leaked = 100 * (FACTOR - 1) * (weights["faces"] - weights["houses"])[BRIGHT]
    effect = nib.load(study.result(f"contrast-{CONTRAST}_stat-effect_statmap.nii.gz")).get_fdata()
    assert effect[silent].mean() == pytest.approx(leaked, abs=RECOVERED)
    judged = pd.read_csv(study.result("quality.tsv"), sep="\t").set_index("measure").loc["dvars"]
    assert judged["verdict"] == "check"
    assert f"2 volumes ({BRIGHT}, {BRIGHT + 1}; the first is 0) changed far more" in judged["sentence"]
