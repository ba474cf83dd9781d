"""A BIDS folder becomes rows of the run table: what is found, what is inherited, what is left out and why."""

import time
from pathlib import Path

import pytest
import yaml

from firstlevel import bids, summary
from firstlevel import config as configs
from firstlevel.stage import InputError
from firstlevel.study import LeftOut

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())


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


def test_labels_keep_their_form_and_order(raw):
    """run-01 stays 01, and run 10 comes after run 9, however they are written."""
    put(raw, *(f"sub-01/func/sub-01_task-faces_run-{run}_bold.nii" for run in ("9", "10")))
    runs, _ = found(raw)
    assert [(run.subject, run.run) for run in runs] == [
        ("01", "01"), ("01", "02"), ("01", "9"), ("01", "10"), ("02", "01"), ("02", "02"),
    ]  # fmt: skip
    assert runs[0].wildcards == {"subject": "01", "session": "", "task": "faces", "run": "_run-01"}


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
    assert left_out[image.name].endswith("is a link to nothing (datalad get fetches it)")


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
    configs.check_contrasts(config, runs)
    with pytest.raises(
        InputError, match="(?s)no run of the study has a regressor 'eror'.*did you mean 'error'"
    ):
        configs.check_contrasts(config | {"contrasts": {"a": "eror"}}, runs)


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
        ({"design": {"confounds": ["rot_x"]}}, "has no confounds table, and design.confounds asks"),
        (
            {"design": {"fmriprep_confounds": {"strategy": ["motion"]}}},
            "has no confounds table, and design.fmriprep_confounds asks",
        ),
        (
            {"design": {"censor": {"framewise_displacement": 0.5, "source": "framewise_displacement"}}},
            "has no confounds table, and design.censor.source asks",
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
        ({"space": "MNI"}, "no run is left of 4 BOLD images.*in no named space"),
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
    maps = {(subject, "faces"): [tmp_path / f"sub-{subject}_z.nii.gz"] for subject in ("01", "02", "03")}
    put(
        tmp_path / "logs/fit_glm",
        "sub-02_task-faces_run-01.log",
        text="2026-01-01 00:00:00,1 ERROR fit_glm stopped. a\n  b\n",
    )
    put(tmp_path / "logs/fit_glm", "sub-01_task-faces_run-01.log", text="2026-01-01 00:00:00,1 ERROR old\n")
    time.sleep(0.02)
    maps["01", "faces"][0].touch()
    put(
        tmp_path / "logs/compute_contrast",
        "sub-01_task-faces_contrast-gone.log",
        text="2026-01-01 00:00:00,1 ERROR of a contrast that the config has no more\n",
    )
    left_out = [LeftOut("sub-09", "has no BOLD image")]
    table = summary.rows(runs, left_out, maps, tmp_path / "logs", {"kept"})
    assert [(row[0], row[3], *row[6:]) for row in table] == [
        ("01", "01", "done", ""),
        ("01", "02", "done", ""),
        ("02", "01", "failed", "fit_glm stopped. a; b"),
        ("02", "02", "blocked", "another run of this subject failed: fit_glm stopped. a; b"),
        ("03", "01", "unfinished", "1 of 1 maps are missing"),
        ("n/a", "n/a", "left out", "has no BOLD image"),
    ]
    said = summary.write(tmp_path / "runs.tsv", table)
    assert "1 done, 1 failed, 1 unfinished, 1 left out" in said
    assert "sub-02: fit_glm stopped. a; b" in said
    assert len((tmp_path / "runs.tsv").read_text().splitlines()) == 7
