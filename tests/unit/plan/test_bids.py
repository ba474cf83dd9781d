"""A BIDS folder becomes rows of the run table: what is found, what is inherited, what is left out and why."""

import json
import os
import time
from pathlib import Path

import pytest
from checked_configs import SCHEMA

from firstlevel import texts
from firstlevel.names import entities_in
from firstlevel.plan import checks, status, study, summary
from firstlevel.plan import config as configs
from firstlevel.plan.runs import LeftOut
from firstlevel.plan.sources import bids
from firstlevel.stage import InputError


def put(root, *names, text=""):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def found(root, changes=None, **options):
    """Runs, and reasons by file name, of a study with these options of study.bids."""
    config = {
        "study": {"source": "bids", "bids": {"path": str(root), "task": "faces"} | options},
        "contrasts": {"a": "faces"},
    }
    config |= changes or {}
    configs.check_config(config, SCHEMA)
    runs, left_out = bids.find_runs(config)
    return runs, {Path(one.path).name: one.reason for one in left_out}


@pytest.fixture
def raw(tmp_path):
    """Two subjects with two runs each, one events table for all, sidecars at three levels."""
    root = tmp_path / "raw"
    for subject in ("01", "02"):
        for run in ("01", "02"):
            put(root, f"sub-{subject}/func/sub-{subject}_task-faces_run-{run}_bold.nii.gz")
    put(root, "task-faces_events.tsv", "task-faces_bold.json", "sub-01/sub-01_task-faces_bold.json")
    put(root, "sub-01/func/sub-01_task-faces_run-02_bold.json", "participants.tsv", "README", "sub-01.html")
    return root


@pytest.mark.parametrize("odd", ["<old>", "{x}", "{x,[a-z]+}", "\x1b[31m\u202e", "\udcff"])
def test_odd_name_leaves_its_run_out(raw, tmp_path, odd):
    """What Snakemake would replace, a terminal obey, or is no UTF-8: a row with a reason."""
    image = f"sub-03_task-faces_acq-{odd}_bold.nii.gz"
    put(raw, f"sub-03/func/{image}")
    config = {
        "study": {"source": "bids", "bids": {"path": str(raw), "task": "faces"}},
        "contrasts": {"a": "faces"},
    }
    configs.check_config(config, SCHEMA)
    runs, left_out = study.run_table(config, "data")
    assert [run.subject for run in runs] == ["01", "01", "02", "02"]
    assert image in [Path(one.path).name for one in left_out]
    found = study.Study.of(runs, left_out)
    maps = {label: [] for label in found.units}
    rows = summary.rows(found, {label: status.State("done") for label in maps})
    said = summary.plan(found, maps, config["study"])
    said += summary.write(tmp_path / "runs.tsv", rows, left_out)
    for text in (said, (tmp_path / "runs.tsv").read_text(encoding="utf-8")):
        assert not texts.UNSEEN.search(text)


@pytest.mark.parametrize("name", ["bold.nii.gz", "events.tsv", "bold.json"])
def test_pipe_device_or_circle_leaves_its_run_out(raw, name):
    """In place of an image, of events, of a sidecar: the other runs go on, and nothing waits."""
    for subject, make in {
        "03": os.mkfifo,
        "04": lambda path: path.symlink_to("/dev/zero"),
        "05": lambda path: path.symlink_to(path.name),
    }.items():
        start = f"sub-{subject}/func/sub-{subject}_task-faces_run-01"
        put(raw, f"{start}_bold.nii.gz")
        (raw / f"{start}_{name}").unlink(missing_ok=True)
        make(raw / f"{start}_{name}")
    runs, reasons = found(raw)
    assert {run.subject for run in runs} == {"01", "02"}
    told = [reason for file, reason in reasons.items() if file.startswith(("sub-03", "sub-04", "sub-05"))]
    assert len(told) == 3
    assert sum("not a file" in reason for reason in told) == 2
    assert sum("is a broken link" in reason for reason in told) == 1


def test_labels_keep_their_form_and_order(raw):
    """run-01 stays 01, and run 10 comes after run 9, however they are written."""
    put(raw, *(f"sub-01/func/sub-01_task-faces_run-{run}_bold.nii" for run in ("9", "10")))
    runs, _ = found(raw)
    assert [(run.subject, run.run) for run in runs] == [
        ("01", "01"), ("01", "02"), ("01", "9"), ("01", "10"), ("02", "01"), ("02", "02"),
    ]  # fmt: skip
    assert runs[0].wildcards == {"subject": "01", "run": "sub-01_task-faces_run-01"}


def test_events_are_those_of_the_nearest_folder_that_name_the_run_most_closely(raw):
    """A table beside the image wins over one above, and one with the run over one without."""
    put(raw, "sub-01/sub-01_task-faces_events.tsv", "sub-01/func/sub-01_task-faces_run-02_events.tsv")
    put(raw, "sub-01/func/sub-01_task-rest_events.tsv", "sub-01/func/sub-01_task-faces_acq-x_events.tsv")
    runs, _ = found(raw)
    assert [Path(run.events).relative_to(raw).as_posix() for run in runs] == [
        "sub-01/sub-01_task-faces_events.tsv",
        "sub-01/func/sub-01_task-faces_run-02_events.tsv",
        "task-faces_events.tsv",
        "task-faces_events.tsv",
    ]


def test_compressed_events_are_found_and_none_may_be_needed(tmp_path):
    """A table may be gzipped; a run without one is a run where study.events.needed is false."""
    put(tmp_path, *(f"sub-{n}/func/sub-{n}_task-faces_bold.nii.gz" for n in ("01", "02")))
    put(tmp_path, "sub-01/func/sub-01_task-faces_events.tsv.gz")
    study = {"source": "bids", "bids": {"path": str(tmp_path), "task": "faces"}}
    for needed in (True, False):
        runs, _ = found(tmp_path, {"study": study | {"events": {"needed": needed}}})
        names = [Path(run.events).name for run in runs]
        assert names == ["sub-01_task-faces_events.tsv.gz", ""][: 2 - needed]


def test_sidecars_are_inherited_from_the_root_down(raw):
    """The nearest comes last, where it decides."""
    runs, _ = found(raw)
    assert [Path(path).name for path in runs[1].sidecars] == [
        "task-faces_bold.json", "sub-01_task-faces_bold.json", "sub-01_task-faces_run-02_bold.json",
    ]  # fmt: skip
    assert [Path(path).name for path in runs[2].sidecars] == ["task-faces_bold.json"]


def test_sessions_are_walked_and_chosen(tmp_path):
    """Images below ses-* folders, with tables of the session; the config chooses sessions and runs."""
    root = tmp_path / "raw"
    for session in ("pre", "post"):
        put(
            root,
            *(f"sub-A/ses-{session}/func/sub-A_ses-{session}_task-faces_run-{r}_bold.nii.gz" for r in "12"),
        )
        put(root, f"sub-A/ses-{session}/sub-A_ses-{session}_task-faces_events.tsv")
    runs, _ = found(root)
    assert [(run.session, run.run) for run in runs] == [
        ("post", "1"),
        ("post", "2"),
        ("pre", "1"),
        ("pre", "2"),
    ]
    assert all(f"ses-{run.session}" in run.events for run in runs)
    runs, left_out = found(root, sessions=["pre"], runs=["2"])
    assert [(run.session, run.run) for run in runs] == [("pre", "2")]
    assert left_out["sub-A_ses-post_task-faces_run-1_bold.nii.gz"] == "ses-post is not in study.bids.sessions"
    assert left_out["sub-A_ses-pre_task-faces_run-1_bold.nii.gz"] == "run-1 is not in study.bids.runs"


def test_what_makes_no_run_is_listed_with_its_reason(raw):
    """Nothing disappears without a word."""
    (raw / "task-faces_events.tsv").unlink()
    put(raw, "sub-01/sub-01_task-faces_events.tsv", "sub-03/func/sub-03_task-rest_bold.nii.gz")
    put(raw, "sub-04/anat/sub-04_T1w.nii.gz", "sub-05/func/sub-05_task-faces_bold.nii.gz")
    put(raw, "sub-01/func/sub-02_task-faces_run-3_bold.nii.gz")
    runs, left_out = found(raw, exclude=["05"])
    assert [run.subject for run in runs] == ["01", "01"]
    assert left_out == {
        "sub-02_task-faces_run-01_bold.nii.gz": "has no events table",
        "sub-02_task-faces_run-02_bold.nii.gz": "has no events table",
        "sub-02_task-faces_run-3_bold.nii.gz": "its name and its folder differ in subject or session",
        "sub-03": "has no BOLD image of task faces",
        "sub-04": "has no BOLD image of task faces",
        "sub-05": "is in study.bids.exclude",
    }


def test_images_that_claim_one_run_are_left_out_until_one_is_chosen(raw):
    """Two acquisitions of a run are not mixed up; an entity chooses."""
    put(raw, *(f"sub-01/func/sub-01_task-faces_acq-{acq}_run-03_bold.nii.gz" for acq in ("fast", "slow")))
    runs, left_out = found(raw, subjects=["01"])
    assert len(runs) == 2
    assert left_out["sub-01_task-faces_acq-fast_run-03_bold.nii.gz"].startswith(
        "differs from sub-01_task-faces_acq-slow_run-03_bold.nii.gz in acq only"
    )
    assert left_out["sub-02"] == "is not in study.bids.subjects"
    runs, _ = found(raw, entities={"acq": "slow"})
    assert [Path(run.bold[0]).name for run in runs] == ["sub-01_task-faces_acq-slow_run-03_bold.nii.gz"]


def test_hidden_files_and_strays_are_no_part_of_a_study(raw):
    """The ._ files of macOS hold for nothing, and an image without a subject makes no run."""
    put(raw, "._task-faces_bold.json", "sub-01/func/._sub-01_task-faces_run-01_events.tsv")
    put(raw, "sub-01/func/task-faces_bold.nii.gz")
    runs, _ = found(raw)
    assert len(runs) == 4
    assert not any("._" in path for run in runs for path in (run.events, *run.sidecars))


def test_run_without_a_label_beside_labelled_ones_is_left_out(raw):
    """Its mean image would have the name of the subject's."""
    put(raw, "sub-01/func/sub-01_task-faces_bold.nii.gz", "sub-03/func/sub-03_task-faces_bold.nii.gz")
    runs, left_out = found(raw)
    assert [(run.subject, run.run) for run in runs if run.subject != "02"] == [
        ("01", "01"), ("01", "02"), ("03", None),
    ]  # fmt: skip
    assert left_out["sub-01_task-faces_bold.nii.gz"].startswith("has no session or run label")


def test_image_that_was_not_fetched_is_left_out(raw):
    """DataLad leaves a link to nothing, which must not stop the other subjects."""
    image = raw / "sub-01/func/sub-01_task-faces_run-01_bold.nii.gz"
    image.unlink()
    image.symlink_to("../../.git/annex/objects/nothing")
    runs, left_out = found(raw)
    assert len(runs) == 3
    assert left_out[image.name].endswith("is a broken link (datalad get fetches it)")


def test_condition_that_the_first_subject_lacks_can_be_tested(raw):
    """Someone else has it; a name that nobody has is a mistake."""
    event = "onset\tduration\ttrial_type\n1\t1\t{}\n"
    put(raw, "sub-01/sub-01_task-faces_events.tsv", text=event.format("faces"))
    put(raw, "sub-02/sub-02_task-faces_events.tsv", text=event.format("error"))
    config = {
        "study": {"source": "bids", "bids": {"path": str(raw), "task": "faces"}},
        "contrasts": {"a": "error"},
    }
    configs.check_config(config, SCHEMA)
    runs, _ = bids.find_runs(config)
    checks.check_contrasts(config, runs)
    with pytest.raises(
        InputError, match="(?s)no run of the study has a regressor 'eror'.*did you mean 'error'"
    ):
        checks.check_contrasts(config | {"contrasts": {"a": "eror"}}, runs)


@pytest.fixture
def preprocessed(raw):
    """Output of fMRIPrep beside the raw study: two spaces, masks, confounds; one run lacks both."""
    root = raw.parent / "derivatives"
    for subject in ("01", "02"):
        for run in ("01", "02"):
            start = f"sub-{subject}/func/sub-{subject}_task-faces_run-{run}"
            put(
                root, f"{start}_desc-preproc_bold.nii.gz", f"{start}_space-MNI_res-2_desc-preproc_bold.nii.gz"
            )
            put(root, f"{start}_space-MNI_res-2_boldref.nii.gz", f"{start}_desc-coreg_boldref.nii.gz")
            put(root, f"{start}_space-MNI_res-2_desc-preproc_bold.json")
            if (subject, run) != ("02", "02"):
                put(
                    root, f"{start}_space-MNI_res-2_desc-brain_mask.nii.gz", f"{start}_desc-brain_mask.nii.gz"
                )
                put(root, f"{start}_desc-confounds_timeseries.tsv")
    return root


def test_derivatives_bring_masks_and_confounds_and_the_raw_study_events(raw, preprocessed):
    """Each image has its own space's mask, the run's confounds, sidecars of both folders."""
    runs, left_out = found(raw, derivatives=str(preprocessed), space="MNI")
    assert len(runs) == 4
    assert left_out["sub-01_task-faces_run-01_desc-preproc_bold.nii.gz"].startswith("is in no named space")
    first = runs[0]
    assert Path(first.bold[0]).name == "sub-01_task-faces_run-01_space-MNI_res-2_desc-preproc_bold.nii.gz"
    assert Path(first.mask).name == "sub-01_task-faces_run-01_space-MNI_res-2_desc-brain_mask.nii.gz"
    assert Path(first.confounds).name == "sub-01_task-faces_run-01_desc-confounds_timeseries.tsv"
    assert first.events == str(raw / "task-faces_events.tsv")
    assert [Path(path).name for path in first.sidecars][-1].endswith("_desc-preproc_bold.json")
    assert str(raw / "task-faces_bold.json") in first.sidecars
    native, _ = found(raw, derivatives=str(preprocessed))
    assert Path(native[0].bold[0]).name == "sub-01_task-faces_run-01_desc-preproc_bold.nii.gz"
    assert Path(native[0].mask).name == "sub-01_task-faces_run-01_desc-brain_mask.nii.gz"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mask": "derivatives"}, "has no desc-brain_mask beside it"),
        ({"confounds": {"columns": ["rot_x"]}}, "has no confounds table, and confounds.columns asks"),
        (
            {"confounds": {"fmriprep": {"strategy": ["motion"]}}},
            "has no confounds table, and confounds.fmriprep asks",
        ),
        (
            {"confounds": {"censor": {"fd_threshold": 0.5, "source": "framewise_displacement"}}},
            "has no confounds table, and confounds.censor.source asks",
        ),
    ],
)
def test_run_without_what_the_model_asks_for_is_left_out(raw, preprocessed, changes, reason):
    """A missing mask or confounds table leaves out that run alone."""
    runs, left_out = found(raw, changes, derivatives=str(preprocessed), space="MNI")
    assert len(runs) == 3
    name = "sub-02_task-faces_run-02_space-MNI_res-2_desc-preproc_bold.nii.gz"
    assert left_out[name].startswith(reason)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "face"}, "no BOLD image of task 'face'.*did you mean 'faces'"),
        ({"subjects": ["1"]}, "there is no subject '1'"),
        ({"exclude": ["sub-01"]}, "there is no subject 'sub-01'.*did you mean '01'"),
        ({"space": "MNI"}, "no image of the task has space-MNI.*images without it: null"),
        ({"path": "nowhere"}, "study.bids.path .*nowhere.: there is no such folder"),
        ({"task": None}, "study.bids.task: is not set"),
        ({"runs": [1]}, "study.bids.runs.0: 1 is not of type 'string'"),
    ],
)
def test_what_cannot_be_found_is_an_error_with_what_there_is(raw, options, message):
    """A typo ends the start, with the nearest name."""
    with pytest.raises(InputError, match=f"(?s){message}"):
        found(raw, **options)


def test_thousand_subjects_are_indexed_in_a_moment(tmp_path):
    """Two scans of folders per subject and no file opened: far below the seconds of a full index."""
    for subject in range(1000):
        folder = tmp_path / f"sub-{subject:04d}/func"
        folder.mkdir(parents=True)
        for run in "12":
            for suffix in ("bold.nii.gz", "events.tsv"):
                (folder / f"sub-{subject:04d}_task-faces_run-{run}_{suffix}").touch()
    start = time.process_time()
    runs, _ = found(tmp_path)
    assert len(runs) == 2000
    assert time.process_time() - start < 1.5  # 0.2 s on a quiet machine


def test_summary_tells_done_failed_unfinished_and_left_out(raw, tmp_path):
    """The last message of a failed stage is the reason; maps made after a failure count as done."""
    put(raw, "sub-03/func/sub-03_task-faces_run-01_bold.nii.gz")
    runs, _ = found(raw)
    study_of = study.Study.of(runs, [LeftOut("sub-09", "has no BOLD image")])
    maps = {label: [tmp_path / f"{label}_z.nii.gz"] for label in study_of.units}
    left = {"Stage": "fit_glm", "Where": "a", "Problem": "b"}

    def fail(job, **labels):
        about = {"Labels": {key.capitalize(): value for key, value in labels.items()}}
        put(tmp_path / "logs/fit_glm", f"{job}.json", text=json.dumps(left | about))

    fail("second", subject="02", run="sub-02_task-faces_run-01")
    fail("first", subject="01", run="sub-01_task-faces_run-01")
    time.sleep(0.02)
    maps["sub-01_task-faces"][0].touch()
    fail("of_a_contrast_of_old", subject="01", unit="sub-01_task-faces", contrast="gone")
    states = status.states(study_of, maps, tmp_path / "logs", {"kept"}, ended_well=False)
    table = summary.rows(study_of, states)
    assert [(row[0], row[3], *row[6:]) for row in table] == [
        ("01", "01", "done", ""),
        ("01", "02", "done", ""),
        ("02", "01", "failed", "fit_glm stopped. a: b"),
        ("02", "02", "blocked", "another run of this subject failed: fit_glm stopped. a: b"),
        ("03", "01", "unfinished", "1 of 1 maps are missing"),
        ("n/a", "n/a", "left out", "has no BOLD image"),
    ]
    said = summary.write(tmp_path / "runs.tsv", table)
    assert "1 done, 1 failed, 1 unfinished, 1 left out" in said
    assert "sub-02: fit_glm stopped. a: b" in said
    assert len((tmp_path / "runs.tsv").read_text().splitlines()) == 7


def rows_of(root, changes=None, **options):
    """Runs, and what is left out, of a study with these options of study.bids."""
    config = {
        "study": {"source": "bids", "bids": {"path": str(root), "task": "faces"} | options},
        "contrasts": {"a": "faces"},
    } | (changes or {})
    configs.check_config(config, SCHEMA)
    return bids.find_runs(config)


def test_indices_are_whole_numbers(raw):
    """run-1 of the derivatives is run-01 of the raw study; each file keeps the name that it has."""
    derived = raw.parent / "out"
    put(derived, *(f"sub-01/func/sub-01_task-faces_run-{r}_desc-preproc_bold.nii.gz" for r in "12"))
    put(raw, "sub-01/func/sub-01_task-faces_run-01_events.tsv")
    runs, left_out = rows_of(raw, derivatives=str(derived), subjects=["01"], runs=["001", "2"])
    assert [(run.run, Path(run.events).name) for run in runs] == [
        ("1", "sub-01_task-faces_run-01_events.tsv"),
        ("2", "task-faces_events.tsv"),
    ]
    assert [one.status for one in left_out] == ["not selected"]  # subject 02


def test_two_images_that_differ_in_the_form_of_an_index_are_told(raw):
    """run-1 beside run-01 is one run twice: neither is taken."""
    put(raw, "sub-01/func/sub-01_task-faces_run-1_bold.nii.gz")
    runs, reasons = found(raw)
    assert len(runs) == 3
    assert "only in how run is written" in reasons["sub-01_task-faces_run-1_bold.nii.gz"]
    assert "only in how run is written" in reasons["sub-01_task-faces_run-01_bold.nii.gz"]


@pytest.mark.parametrize(
    ("entities", "chosen"),
    [
        ({"echo": None}, "run-1_bold"),
        ({"echo": "02"}, "run-1_echo-2_bold"),
        ({"echo": 1}, "run-1_echo-1_bold"),
    ],
)
def test_null_takes_the_image_without_the_entity(tmp_path, entities, chosen):
    """The combined image of a multi-echo run has no echo; the single ones are not selected."""
    root = tmp_path / "raw"
    names = [f"sub-01/func/sub-01_task-faces_run-1{echo}_bold.nii" for echo in ("", "_echo-1", "_echo-2")]
    put(root, *names, "task-faces_events.tsv")
    with pytest.raises(InputError, match="entities: {echo: null or '1' or '2'}"):
        rows_of(root)
    runs, left_out = rows_of(root, entities=entities)
    assert [Path(run.bold[0]).name for run in runs] == [f"sub-01_task-faces_{chosen}.nii"]
    assert {one.status for one in left_out} == {"not selected"}


def test_run_entities_tell_runs_apart(tmp_path):
    """dir-LR and dir-RL are two runs where they are asked to be; their labels stand in BIDS order."""
    root = tmp_path / "raw"
    for direction in ("LR", "RL"):
        start = f"sub-01/func/sub-01_task-faces_dir-{direction}"
        put(root, f"{start}_run-1_bold.nii.gz", f"{start}_run-1_events.tsv")
    with pytest.raises(InputError, match=r"in dir only.*run_entities: \[run, dir\]"):
        rows_of(root)
    runs, left_out = rows_of(root, run_entities=["run", "dir"])
    assert left_out == []
    assert [run.label.partition("_task-faces_")[2] for run in runs] == ["dir-LR_run-1", "dir-RL_run-1"]
    assert [run.within_session for run in runs] == ["dir-LR_run-1", "dir-RL_run-1"]
    assert ["dir-LR" in run.events for run in runs] == [True, False]
    assert runs[0].name == "subject 01, task faces, dir LR, run 1"


def test_runs_of_unlike_acquisitions_are_not_joined_unasked(raw):
    """A slab and a whole brain in two runs of one subject: both are left out until the config says which."""
    put(raw, "sub-02/func/sub-02_task-faces_acq-slab_run-3_bold.nii.gz")
    runs, reasons = found(raw)
    assert [run.subject for run in runs] == ["01", "01"]
    assert reasons["sub-02_task-faces_run-01_bold.nii.gz"].startswith(
        "runs of its subject differ in acq (none, slab): choose with study.bids.entities: {acq: null"
    )
    runs, _ = found(raw, entities={"acq": None})
    assert len(runs) == 4
    runs, _ = found(raw, run_entities=["run", "acq"])
    assert [run.within_session for run in runs][2:] == ["01", "02", "acq-slab_run-3"]


def test_raw_runs_without_a_derivative_are_rows(raw, preprocessed):
    """A run or a subject that was not preprocessed is listed once, with its labels."""
    put(raw, "sub-02/func/sub-02_task-faces_run-03_echo-1_bold.nii.gz")
    put(raw, "sub-02/func/sub-02_task-faces_run-03_echo-2_bold.nii.gz")
    put(raw, "sub-03/ses-a/func/sub-03_ses-a_task-faces_run-01_bold.nii.gz")
    put(raw, "sub-04/func/sub-04_task-rest_bold.nii.gz")
    _, left_out = rows_of(raw, derivatives=str(preprocessed), space="MNI")
    missing = [one for one in left_out if one.status == "left out"]
    assert [(one.subject, one.session, one.task, one.run, one.reason) for one in missing] == [
        ("02", None, "faces", "03", "has no preprocessed image"),
        ("03", "a", "faces", "01", "has no preprocessed image"),
        ("04", None, None, None, "has no BOLD image of task faces"),
    ]


def test_run_in_another_space_alone_is_left_out_and_others_are_not_selected(raw, preprocessed):
    """An image of a run that has the asked one, too, is no loss."""
    for file in (preprocessed / "sub-01/func").glob("*run-02_space-MNI*"):
        file.unlink()
    runs, left_out = rows_of(raw, derivatives=str(preprocessed), space="MNI")
    assert len(runs) == 3
    assert [(one.subject, one.run) for one in left_out if one.status == "left out"] == [("01", "02")]
    assert sum(one.status == "not selected" for one in left_out) == 3


@pytest.mark.parametrize(
    ("name", "labels", "reason"),
    [
        (
            "sub-01/func/sub-01_task-faces_run-7_events.tsv",
            ("01", None, "faces", "7"),
            "no BOLD image belongs to this events table",
        ),
        (
            "sub-02_pre/func/sub-02_pre_task-faces_bold.nii",
            (None,) * 4,
            "the name of the folder is not a label of letters, digits and +",
        ),
        (
            "sub-con-03/func/x_bold.nii",
            (None,) * 4,
            "the name of the folder is not a label of letters, digits and +",
        ),
        (
            "sub-01/ses-a_b/func/x_bold.nii",
            ("01", None, None, None),
            "the name of the folder is not a label of letters, digits and +",
        ),
        ("sub-01/sub-01_task-faces_bold.nii", ("01", None, "faces", None), "is not in a folder func"),
        ("sub-01/func/task-faces_bold.nii", (None, None, "faces", None), "its name has no sub-"),
    ],
)
def test_strays_are_rows(raw, name, labels, reason):
    """What a study could mean and cannot use is a row with what its name says."""
    put(raw, name)
    runs, left_out = rows_of(raw)
    assert len(runs) == 4
    assert [(one.subject, one.session, one.task, one.run, one.reason) for one in left_out] == [
        (*labels, reason)
    ]


def test_plus_is_part_of_a_label(tmp_path):
    """BIDS allows + in labels since 1.10."""
    put(tmp_path, "sub-03+a/ses-pre+1/func/sub-03+a_ses-pre+1_task-faces_bold.nii", "task-faces_events.tsv")
    runs, left_out = rows_of(tmp_path)
    assert [(run.subject, run.session) for run in runs] == [("03+a", "pre+1")]
    assert left_out == []


def test_exclusions_are_subjects_or_runs(raw):
    """A run is named by what it has in common with the entry, whatever the form of its number."""
    runs, left_out = rows_of(raw, exclude=["01", {"subject": "02", "run": 2}])
    assert [(run.subject, run.run) for run in runs] == [("02", "01")]
    assert {(one.status, one.reason) for one in left_out} == {("not selected", "is in study.bids.exclude")}
    with pytest.raises(InputError, match=r"study.bids.exclude: no image of the task has sub-02, run-3"):
        rows_of(raw, exclude=[{"subject": "02", "run": "3"}])
    with pytest.raises(
        InputError, match="there is no subject '2'.*did you mean '02'|there is no subject '2'"
    ):
        rows_of(raw, exclude=[{"subject": "2", "run": 1}])
    with pytest.raises(InputError, match=r"study.bids.exclude.0"):
        rows_of(raw, exclude=[{}])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sessions": ["pree"]}, "no image of the task has ses-pree.*did you mean 'pre'"),
        ({"entities": {"ech": "1"}}, "no image of the task has the entity 'ech'.*did you mean 'echo'"),
        ({"entities": {"echo": "12"}}, "no image of the task has echo-12.*one of: 1"),
        (
            {"space": "MNI152NLin6"},
            "no image of the task has space-MNI152NLin6.*did you mean 'MNI152NLin6Asym'",
        ),
        ({"space": None}, "study.bids.space: is null, and every image of the task is in a named space"),
        ({"run_entities": ["echo"]}, "study.bids.run_entities.0"),
    ],
)
def test_near_misses_are_named(tmp_path, options, message):
    """A label that no image has is a typo, told with the nearest one."""
    start = "sub-01/ses-pre/func/sub-01_ses-pre_task-faces_echo-1_space-MNI152NLin6Asym"
    put(tmp_path, f"{start}_bold.nii.gz", "task-faces_events.tsv")
    with pytest.raises(InputError, match=f"(?s){message}"):
        rows_of(tmp_path, **{"space": "MNI152NLin6Asym"} | options)


def test_events_that_miss_an_image_by_one_entity_are_named(tmp_path):
    """The reason says which table is there, and in what it differs."""
    start = "sub-01/func/sub-01_task-faces_run-1"
    put(tmp_path, f"{start}_bold.nii", f"{start}_acq-x_events.tsv")
    with pytest.raises(InputError, match="has no events table .*acq-x_events.tsv differs in acq"):
        rows_of(tmp_path)


@pytest.mark.parametrize(
    "what", ["_bold.json", "_desc-confounds_timeseries.tsv", "_space-MNI_res-2_desc-brain_mask.nii.gz"]
)
def test_any_file_of_a_run_that_was_not_fetched_leaves_it_out(raw, preprocessed, what):
    """Sidecar, confounds or mask: the others go on."""
    name = f"sub-01_task-faces_run-01{what}"
    file = preprocessed / "sub-01/func" / name
    file.unlink(missing_ok=True)
    file.symlink_to("../../.git/annex/objects/nothing")
    changes = {"mask": "derivatives", "confounds": {"columns": ["rot_x"]}}
    runs, reasons = found(raw, changes, derivatives=str(preprocessed), space="MNI")
    assert len(runs) == 2  # another one has neither mask nor confounds
    image = "sub-01_task-faces_run-01_space-MNI_res-2_desc-preproc_bold.nii.gz"
    assert reasons[image] == f"{name} is a broken link (datalad get fetches it)"


def test_names_of_fmriprep_1_and_cohorts_are_read(raw):
    """Names before fMRIPrep 1.2, label-brain masks, and a space with its cohort as TemplateFlow writes it."""
    derived = raw.parent / "out"
    start = "sub-01/func/sub-01_task-faces_run-01"
    put(derived, f"{start}_bold_space-MNI_preproc.nii.gz", f"{start}_bold_space-MNI_brainmask.nii.gz")
    put(derived, f"{start}_bold_confounds.tsv")
    for cohort in "12":
        put(derived, f"{start}_space-Kid_cohort-{cohort}_desc-preproc_bold.nii.gz")
        put(derived, f"{start}_space-Kid_cohort-{cohort}_label-brain_mask.nii.gz")
    changes = {"mask": "derivatives", "confounds": {"columns": ["rot_x"]}}
    runs, _ = rows_of(raw, changes, derivatives=str(derived), space="MNI")
    assert Path(runs[0].mask).name == "sub-01_task-faces_run-01_bold_space-MNI_brainmask.nii.gz"
    assert Path(runs[0].confounds).name == "sub-01_task-faces_run-01_bold_confounds.tsv"
    runs, _ = rows_of(raw, changes, derivatives=str(derived), space="Kid:cohort-2")
    assert Path(runs[0].mask).name.endswith("cohort-2_label-brain_mask.nii.gz")
    with pytest.raises(InputError, match="in cohort only"):
        rows_of(raw, changes, derivatives=str(derived), space="Kid")


def test_images_of_surfaces_alone_are_named(raw, preprocessed):
    """They are not read; the message says that they are what was found."""
    name = "sub-01_task-faces_hemi-L_space-fsaverage_bold.func.gii"
    derived = raw.parent / "out"
    put(derived, f"sub-01/func/{name}")
    with pytest.raises(InputError, match=f"no BOLD image of task 'faces'; {name} is a surface image"):
        rows_of(raw, derivatives=str(derived), space="fsaverage")
    start = "sub-02/func/sub-02_task-faces_run-03"
    put(raw, f"{start}_bold.nii")
    put(preprocessed, f"{start}_space-fsLR_den-91k_bold.dtseries.nii")
    _, reasons = found(raw, derivatives=str(preprocessed), space="MNI")
    assert reasons["sub-02_task-faces_run-03_bold.nii"].startswith(
        "has no preprocessed image except a surface image"
    )


def test_two_tables_of_confounds_are_named(raw, preprocessed):
    """Which of them holds is not guessed."""
    put(preprocessed, "sub-01/func/sub-01_task-faces_run-01_desc-confounds_regressors.tsv")
    changes = {"confounds": {"columns": ["rot_x"]}}
    _, reasons = found(raw, changes, derivatives=str(preprocessed), space="MNI")
    assert reasons["sub-01_task-faces_run-01_space-MNI_res-2_desc-preproc_bold.nii.gz"].startswith(
        "has two confounds tables: sub-01_task-faces_run-01_desc-confounds_regressors.tsv, "
    )


def test_root_bold_json_holds_for_all(raw):
    """A sidecar without any entity is inherited, before those that name more."""
    put(raw, "bold.json")
    runs, _ = found(raw)
    assert [Path(path).name for path in runs[3].sidecars] == ["bold.json", "task-faces_bold.json"]


def test_events_at_the_root_hold_for_subjects_without_raw_folders(raw, preprocessed):
    """Only derivatives and one table of events: the run is there."""
    (raw.parent / "other").mkdir()
    (raw / "task-faces_events.tsv").rename(raw.parent / "other/task-faces_events.tsv")
    runs, _ = found(raw.parent / "other", derivatives=str(preprocessed), space="MNI")
    assert len(runs) == 4


def test_folder_above_the_subjects_is_named(raw):
    """The way from derivatives to derivatives/fmriprep is told."""
    with pytest.raises(InputError, match=f"(?s)holds no folder sub-.*did you mean {raw}"):
        rows_of(raw, derivatives=str(raw.parent))


def test_home_folder_is_expanded(raw, monkeypatch):
    """~ is the home folder in every path of the config."""
    monkeypatch.setenv("HOME", str(raw.parent))
    runs, _ = rows_of("~/raw")
    assert runs[0].bold[0].startswith(str(raw))


def test_missing_can_be_an_error(raw):
    """study.on_missing: error stops with the reasons and how often each."""
    put(raw, "sub-03/func/sub-03_task-rest_bold.nii", "sub-04/func/sub-04_task-rest_bold.nii")
    config = {
        "study": {"source": "bids", "on_missing": "error", "bids": {"path": str(raw), "task": "faces"}},
        "contrasts": {"a": "faces"},
    }
    configs.check_config(config, SCHEMA)
    with pytest.raises(
        InputError, match="2 files or folders make no run: 2 x has no BOLD image of task faces"
    ):
        study.run_table(config, "data")
    config["study"]["bids"]["exclude"] = ["03", "04"]
    runs, left_out = study.run_table(config, "data")
    assert len(runs) == 4
    assert len(left_out) == 2


def test_one_session_alone_stands_in_the_names_of_its_maps(tmp_path):
    """Two configs, one per session, so write beside each other; a run without a label has the same names."""
    for session in ("V0", "V9"):
        for run in ("", "_run-1") if session == "V9" else ("",):
            put(tmp_path, f"sub-01/ses-{session}/func/sub-01_ses-{session}_task-faces{run}_bold.nii")
    put(tmp_path, "task-faces_events.tsv")
    names = {None: None, ("V0",): "V0", ("V0", "V9"): None}
    for sessions, name in names.items():
        config = {"study": {"source": "bids", "bids": {"sessions": sessions and list(sessions)}}}
        assert bids.session_of(config) == name
    assert len(rows_of(tmp_path)[0]) == 3
    runs, left_out = rows_of(tmp_path, sessions=["V9"])
    assert [run.run for run in runs] == ["1"]
    assert [one.reason for one in left_out if one.status == "left out"] == [
        "has no session or run label, as other runs of its subject have"
    ]
    runs, _ = rows_of(tmp_path, sessions=["V0"])
    assert [run.is_labelled_beside("V0") for run in runs] == [False]


def test_each_row_of_what_makes_no_run_has_the_labels_of_its_name(tmp_path):
    """Whatever the reason: subject, session, task and run as they are written, and only where they are."""
    root = tmp_path / "raw"
    header = "onset\tduration\ttrial_type\n"
    event = f"{header}0\t1\tfaces\n"

    def names(session, *ends):
        return [f"sub-01/ses-{session}/func/sub-01_ses-{session}_task-faces_{end}" for end in ends]

    put(root, *names("a", "run-01_bold.nii", "run-02_bold.nii"))  # a run; a table without events
    put(root, *names("a", "run-01_events.tsv"), text=event)
    put(root, *names("a", "run-02_events.tsv"), text=header)
    put(root, *names("a", "run-03_bold.nii"))  # no table
    put(root, *names("a", "run-04_events.tsv", "run-05_events.tsv.gz"), text=event)  # no image
    put(
        root, *names("b", "echo-1_run-01_bold.nii", "echo-2_run-01_bold.nii", "run-01_events.tsv"), text=event
    )
    for run in ("acq-x_dir-LR_run-07", "acq-y_run-08"):
        put(
            root,
            *(f"sub-05/func/sub-05_task-faces_{run}_{end}" for end in ("bold.nii", "events.tsv")),
            text=event,
        )
    put(root, *names("b", "run-1_x_bold.nii", "run-a-b_bold.nii"))
    put(root, "sub-01/ses-b/sub-01_ses-b_task-faces_run-08_bold.nii", "sub-02/anat/sub-02_T1w.nii")
    put(root, "sub-01/ses-b/func/sub-06_ses-b_task-faces_run-09_bold.nii", "sub-03_pre/func/x.nii")
    put(root, "sub-04+a/ses-c/func/sub-04+a_ses-c_task-faces_bold.nii", "sub-01/ses-d-e/func/x_bold.nii")
    options = {"source": "bids", "bids": {"path": str(root), "task": "faces", "exclude": [{"session": "c"}]}}
    config = {"study": options, "contrasts": {"a": "faces"}}
    configs.check_config(config, SCHEMA)
    runs, rows = study.run_table(config, "data")
    assert [run.name for run in runs] == ["subject 01, session a, task faces, run 01"]
    assert len(rows) >= 14
    for row in rows:
        name = Path(row.path).name
        of_name = entities_in(name) if "_task-" in name else {}
        said = [of_name.get(entity) for entity in ("sub", "ses", "task", "run")]
        if "_task-" in name:
            assert [row.subject, row.session, row.task, row.run] == said, row
        else:
            assert row.path.startswith(f"{root}/sub-"), row
            assert row.subject in (None, Path(row.path).parts[-1][4:], Path(row.path).parts[-2][4:]), row
        assert row.reason, row
    assert {Path(row.path).name for row in rows} >= {"sub-02", "sub-03_pre", "ses-d-e"}


@pytest.mark.parametrize("labels", [{"session": "a", "run": "2"}, {"run": "2"}, {"session": "a"}, {}])
def test_rows_of_a_table_without_events_have_its_labels(tmp_path, labels):
    """The run table says them, in whatever columns it has."""
    put(tmp_path, "bold.nii")
    put(tmp_path, "good.tsv", text="onset\tduration\ttrial_type\n0\t1\tfaces\n")
    put(tmp_path, "bare.tsv", text="onset\tduration\ttrial_type\n")
    columns = ["subject", "task", *labels, "bold", "events"]
    rows = [["01", "faces", *labels.values(), "bold.nii", "bare.tsv"]]
    rows.append(["02", "faces", *labels.values(), "bold.nii", "good.tsv"])
    put(tmp_path, "runs.tsv", text="\n".join("\t".join(row) for row in [columns, *rows]) + "\n")
    config = {"study": {"source": "table", "table": str(tmp_path / "runs.tsv")}, "contrasts": {"a": "faces"}}
    configs.check_config(config, SCHEMA)
    runs, [one] = study.run_table(config, "data")
    assert [run.subject for run in runs] == ["02"]
    assert (one.subject, one.session, one.task, one.run) == (
        "01", labels.get("session"), "faces", labels.get("run")
    )  # fmt: skip
