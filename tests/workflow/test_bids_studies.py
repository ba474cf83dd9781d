"""BIDS studies end to end: sessions, what is left out, derivatives, one broken of a dozen, a second level."""

import csv
import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from bids_study import CONTRASTS, true_difference, write_bids
from nilearn.glm.first_level import compute_regressor
from nilearn.glm.second_level import SecondLevelModel
from studies import ALL_OUTPUTS, Study, merged
from validator import errors

MAPS = "results/maps.tsv"


def study_of(folder, root, **bids):
    study = {"source": "bids", "bids": {"path": str(root), "task": "faces"} | bids}
    contrasts = {"facesMinusScrambled": "faces - scrambled"}
    config = {"study": study, "contrasts": contrasts, "outputs": ["maps", "figures"]}
    return Study(folder, config | {"resample": {"keep": True}})


def summary(study):
    with (study.folder / "results/runs.tsv").open() as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def z_of(study, subject):
    path = study.result("contrast-facesMinusScrambled_stat-z_statmap.nii.gz", subject)
    return nib.load(path).get_fdata()


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """Three subjects with two sessions of two runs; 03 has no events."""
    base = tmp_path_factory.mktemp("sessions")
    root = write_bids(base / "raw", ["01", "02", "03"], ["pre", "post"], without_events=["03"])
    study = study_of(base / "work", root)
    study.config["contrasts"] = CONTRASTS
    of_f = [study.result("contrast-anyFace_stat-z_statmap.nii.gz", f"0{n}") for n in (1, 2)]
    study.snakemake(MAPS, *(path.relative_to(study.folder) for path in of_f))
    return study


def test_sessions_are_combined_and_labels_kept(sessions):
    """Four runs of each subject go into one map, and each run has files of its own name."""
    for subject in ("01", "02"):
        assert z_of(sessions, subject).max() > 4
        folder = sessions.folder / f"results/node-run/sub-{subject}"
        names = sorted(path.name for path in folder.glob("*_glm.json"))
        assert names == [
            f"sub-{subject}_ses-{session}_task-faces_run-{run}_glm.json"
            for session in ("post", "pre")
            for run in ("01", "02")
        ]
    sidecar = sessions.result("contrast-anyFace_statmap.json")
    runs = json.loads(sidecar.read_text())["Runs"]
    assert len(runs) == 4


def test_summary_lists_what_was_used_and_what_was_left_out(sessions):
    """Eight runs done, four without events left out, in one table."""
    table = summary(sessions)
    assert sum(row["status"] == "done" for row in table) == 8
    left_out = [row for row in table if row["status"] == "left out"]
    assert {row["reason"] for row in left_out} == {"has no events table"}
    assert len(left_out) == 4
    assert all("sub-03" in row["bold"] for row in left_out)


def test_results_of_sessions_are_a_bids_derivative(sessions):
    """The official validator finds no error, with all files of all subjects there."""
    sessions.snakemake("results/dataset_description.json")
    assert errors(sessions.folder / "results") == set()


def test_finished_study_has_nothing_to_do_and_an_edit_reruns_its_run(sessions):
    """Sidecars and events are tracked; the summary is not in the way."""
    assert sessions.planned(MAPS) == {}
    raw = sessions.config["study"]["bids"]["path"]
    events = f"{raw}/sub-01/ses-pre/func/sub-01_ses-pre_task-faces_run-02_events.tsv"
    with open(events, "a") as table:  # noqa: PTH123
        table.write("80\t1\tfaces\n")
    assert sessions.planned(MAPS) == {
        "make_design_matrix": 1, "fit_glm": 1, "compute_contrast": 1, "list_maps": 1,
    }  # fmt: skip


def test_derivatives_with_masks_and_confounds(tmp_path):
    """Preprocessed images in a space, their masks and confounds, events of the raw study."""
    raw = write_bids(tmp_path / "raw", ["01"])
    folder = tmp_path / "derivatives/sub-01/func"
    folder.mkdir(parents=True)
    for run in ("01", "02"):
        image = nib.load(raw / f"sub-01/func/sub-01_task-faces_run-{run}_bold.nii.gz")
        start = folder / f"sub-01_task-faces_run-{run}"
        image.to_filename(f"{start}_space-MNI_desc-preproc_bold.nii.gz")
        mask = (image.get_fdata().mean(axis=-1) > 300).astype(np.uint8)
        mask[:5] = 0
        nib.Nifti1Image(mask, image.affine).to_filename(f"{start}_space-MNI_desc-brain_mask.nii.gz")
        rows = np.random.default_rng(int(run)).standard_normal(image.shape[3])
        (tmp_path / f"{start}_desc-confounds_timeseries.tsv").write_text(
            "rot_x\ttrans_x\n" + "".join(f"{x}\t0\n" for x in rows)
        )
    study = study_of(tmp_path / "work", raw, derivatives=str(tmp_path / "derivatives"), space="MNI")
    study.config |= {"mask": "derivatives", "confounds": {"columns": ["rot_x"]}}
    study.snakemake(MAPS)
    used = nib.load(study.result("space-MNI_desc-brain_mask.nii.gz"))
    np.testing.assert_array_equal(used.get_fdata(), mask)
    design = (study.result("run-02_space-MNI_design.tsv")).read_text()
    assert "rot_x" in design.splitlines()[0]
    assert (
        nib.load(study.result("space-MNI_contrast-facesMinusScrambled_stat-z_statmap.nii.gz"))
        .get_fdata()
        .max()
        > 3
    )


EFFECT, RECOVERED = 4.0, 0.02
"""Percent, and the share by which the mean of 120 voxels and 60 volumes with 0.4 % of noise may miss it."""


def test_start_time_of_a_derivative_is_where_its_model_is_sampled(tmp_path):
    """Corrected to 2.4 of 3 s, as the derivative's sidecar says and the raw one does not: the true effect."""
    rng, shape, times = np.random.default_rng(6), (8, 10, 6, 60), 3.0 * np.arange(60) + 2.4
    rows = [(round(5 + 12 * k + rng.uniform(0, 4), 2), 2.0) for k in range(14)]
    regressor = compute_regressor((*np.array(rows).T, np.ones(14)), "spm", times, oversampling=500)[0][:, 0]
    data = 800 + rng.normal(0, 3.2, shape)
    data[:4, :, :3] += 8 * EFFECT * regressor
    image = nib.Nifti1Image(data.astype(np.float32), np.diag([4.0, 4, 4, 1]))
    image.header.set_zooms((4, 4, 4, 3))
    image.header.set_xyzt_units("mm", "sec")
    raw, derived = (tmp_path / name / "sub-01/func/sub-01_task-faces" for name in ("raw", "derivatives"))
    for start, of, sidecar in (
        (raw, "bold", {"SliceTiming": [0, 1, 2]}),
        (derived, "space-MNI_desc-preproc_bold", {"SliceTimingCorrected": True, "StartTime": 2.4}),
    ):
        start.parent.mkdir(parents=True)
        image.to_filename(f"{start}_{of}.nii.gz")
        start.with_name(f"{start.name}_{of}.json").write_text(json.dumps({"RepetitionTime": 3.0} | sidecar))
    nib.Nifti1Image(np.ones(shape[:3], np.uint8), image.affine).to_filename(
        f"{derived}_space-MNI_desc-brain_mask.nii.gz"
    )
    lines = ["onset\tduration\ttrial_type", *(f"{onset}\t{duration}\tfaces" for onset, duration in rows)]
    raw.with_name(f"{raw.name}_events.tsv").write_text("\n".join(lines) + "\n")
    study = study_of(
        tmp_path / "work", tmp_path / "raw", derivatives=str(tmp_path / "derivatives"), space="MNI"
    )
    study.config |= {"mask": "derivatives", "design": {"hrf_model": "spm"}, "contrasts": {"faces": "faces"}}
    study.snakemake(MAPS)
    effect = nib.load(study.result("space-MNI_contrast-faces_stat-effect_statmap.nii.gz"))
    # in percent of the mean over time, which the response raises
    raised = 1 + EFFECT * regressor.mean() / 100
    assert effect.get_fdata()[:4, :, :3].mean() * raised == pytest.approx(EFFECT, rel=RECOVERED)
    design = json.loads((study.result("space-MNI_design.json")).read_text())
    assert design["SliceTimeSource"] == "StartTime of the sidecar"
    assert design["FrameTimes"][:2] == pytest.approx([2.4, 5.4], abs=1e-12)


SUBJECTS = [f"{number:02d}" for number in range(1, 13)]
BROKEN, WITH_RUNS = "07", "12"


@pytest.fixture(scope="module")
def dozen(tmp_path_factory):
    """Twelve subjects with one run each, but for one with two; the image of one is cut off."""
    base = tmp_path_factory.mktemp("dozen")
    root = write_bids(base / "raw", [s for s in SUBJECTS if s != WITH_RUNS], runs=[""])
    shutil.copytree(write_bids(base / "more", [WITH_RUNS]) / f"sub-{WITH_RUNS}", root / f"sub-{WITH_RUNS}")
    image = root / f"sub-{BROKEN}/func/sub-{BROKEN}_task-faces_bold.nii.gz"
    image.write_bytes(image.read_bytes()[:20_000])
    study = study_of(base / "work", root)
    study.config["outputs"] = ALL_OUTPUTS  # no target of this run: only what failed makes a page
    done = study.snakemake("--keep-going", MAPS, check=False)
    return study, done


def test_one_broken_subject_does_not_stop_the_others(dozen):
    """Eleven subjects finish; the summary, the table and the exit code tell of the twelfth."""
    study, done = dozen
    assert done.returncode == 1
    assert "Subjects: 11 done, 1 failed" in done.stderr
    assert f"sub-{BROKEN}: resample_run stopped." in done.stderr
    status = {row["subject"]: row for row in summary(study)}
    assert [s for s in SUBJECTS if status[s]["status"] == "done"] == [s for s in SUBJECTS if s != BROKEN]
    assert f"sub-{BROKEN}_task-faces_bold.nii.gz" in status[BROKEN]["reason"]
    assert not (study.folder / MAPS).exists()


def test_page_of_the_study_tells_what_failed(dozen):
    """It is there although the run ended with an error, and is made anew once the rest is done."""
    study, _ = dozen
    page = study.folder / "results/report.html"
    text = page.read_text()
    assert "11 done" in text
    assert "1 failed" in text
    assert f"sub-{BROKEN}, task faces: resample_run stopped." in text
    assert page.stat().st_mtime == 0
    planned = study.planned()
    assert (planned["report_subject"], planned["report_study"]) == (len(SUBJECTS), 1)


def test_second_level_takes_the_listed_maps(dozen, monkeypatch):
    """Without the broken subject the list is made; the group's map is where the truth is."""
    study, _ = dozen
    study.config = merged(study.config, {"study": {"bids": {"exclude": [BROKEN]}}})
    assert study.planned(MAPS) == {"list_maps": 1}
    study.snakemake(MAPS)
    monkeypatch.chdir(study.folder / "results")
    maps = pd.read_csv("maps.tsv", sep="\t", dtype=str)
    assert set(zip(maps["n_runs"], maps["n_runs_left_out"], strict=True)) == {("1", "0"), ("2", "0")}
    assert list(maps["subject_label"]) == [s for s in SUBJECTS if s != BROKEN]
    assert all(nib.load(path).shape == (26, 30, 16) for path in maps["variance_map_path"])
    group = SecondLevelModel().fit(maps).compute_contrast(first_level_contrast="facesMinusScrambled")
    truth = true_difference()
    assert group.get_fdata().max() > 3.5
    assert group.get_fdata()[truth > 0.5 * truth.max()].mean() > 2
