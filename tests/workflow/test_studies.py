"""Whole studies: simulated with its truth, downloaded, from a table, on real volumes; and users' mistakes."""

import json
import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from http_study import first, make_archives, serve
from studies import SMALL, Study, merged


def test_activation_is_found_where_the_truth_has_it(small_study):
    """Voxels of strong true response have high z, the silent brain has z like a normal distribution."""
    truth = nib.load(small_study.folder / "data/simulated/truth_faces.nii.gz").get_fdata()
    truth -= nib.load(small_study.folder / "data/simulated/truth_scrambled.nii.gz").get_fdata()
    z = small_study.z_map("facesMinusScrambled").get_fdata()
    mask = nib.load(small_study.result("desc-brain_mask.nii.gz")).get_fdata() > 0
    strong, silent = mask & (truth > 0.5 * truth.max()), mask & (np.abs(truth) < 1e-3)
    assert z[strong].mean() > 2
    assert abs(z[silent].mean()) < 0.2
    assert 0.9 < z[silent].std() < 1.3


def test_both_signs_of_a_contrast_are_each_other_s_negative(small_study):
    """Faces - scrambled and scrambled - faces are one map with two signs."""
    forth, back = small_study.z_map("facesMinusScrambled"), small_study.z_map("scrambledMinusFaces")
    np.testing.assert_allclose(forth.get_fdata(), -back.get_fdata(), rtol=0, atol=1e-5)


def test_every_target_has_a_log_and_a_benchmark(small_study):
    """Each job says what it did and what it took."""
    for kind in ("logs", "benchmarks"):
        stages = {path.relative_to(small_study.folder / kind).parts[0].split(".")[0]
                  for path in (small_study.folder / kind).rglob("*") if path.is_file()}  # fmt: skip
        assert {"simulate_dataset", "resample_run", "fit_glm", "compute_contrast", "plot_contrast"} <= stages
    log = (small_study.folder / "logs/fit_glm/sub-01/sub-01_task-faces_run-1.log").read_text()
    assert "voxels fitted" in log


def test_results_name_no_folder_of_this_machine(small_study):
    """Sidecars and tables can be handed on: no absolute path in them."""
    for path in small_study.results.rglob("*"):
        if path.suffix in (".json", ".tsv"):
            assert str(small_study.folder) not in path.read_text()


@pytest.fixture(scope="module")
def archives(tmp_path_factory, small_study):
    """Both archives of the SPM study in their real layout, holding the small simulated one."""
    folder = tmp_path_factory.mktemp("server")
    study = small_study.folder / "data/simulated/sub001"
    clean = shutil.copytree(study, folder / "study", ignore=shutil.ignore_patterns(".snakemake*"))
    return make_archives(folder / "www", clean, volumes=SMALL["study"]["simulated"]["n_scans"])


def spm_study(folder, root, **of_data):
    study = {"source": "spm_multimodal", "repetition_time": 2.0, "event_duration": 1.0}
    config = {
        "study": study | {"spm_multimodal": of_data},
        "outputs": ["maps", "figures"],
    }
    return Study(folder, config | {"contrasts": SMALL["contrasts"]}, root)


@pytest.mark.slow
def test_downloaded_study_gives_the_maps_of_its_volumes(tmp_path, own_workflow, archives, small_study):
    """Fetched over HTTP from a server that first fails twice, the same volumes give the same bytes."""
    shutil.copy(archives, own_workflow / "resources/spm_multimodal.json")
    with serve(archives.parent, first(1, "500")) as url:
        study = spm_study(tmp_path / "fetched", own_workflow, base_url=url)
        study.snakemake("--until", "compute_contrast", "compute_contrast_f")
    for name in SMALL["contrasts"]:
        target = f"contrast-{name}_stat-z_statmap.nii.gz"
        assert study.result(target).read_bytes() == small_study.result(target).read_bytes()
    assert study.planned("--until", "compute_contrast") == {}


@pytest.mark.parametrize("answer", ["html", "404"])
def test_server_without_the_archive_leaves_nothing_unpacked(tmp_path, own_workflow, archives, answer):
    """A page in place of the archive ends with a readable message and no half study."""
    shutil.copy(archives, own_workflow / "resources/spm_multimodal.json")
    with serve(archives.parent, lambda *_: answer) as url:
        study = spm_study(tmp_path / "fetched", own_workflow, base_url=url)
        done = study.snakemake(check=False)
    assert done.returncode == 1
    assert "fetch_dataset stopped." in done.stderr
    assert "to do:" in done.stderr
    assert "Traceback" not in done.stderr
    assert not [path for path in (study.folder / "data").rglob("*") if path.is_file()]


def test_unpacked_study_is_used_where_it_lies(tmp_path, small_study):
    """study.spm_multimodal.path needs no download, and the folder is only read."""
    data = small_study.folder / "data/simulated"
    study = spm_study(tmp_path / "own", small_study.root, path=str(data))
    before = sorted((path, path.stat().st_mtime_ns) for path in data.rglob("*"))
    target = study.result("contrast-effectsOfInterest_stat-z_statmap.nii.gz")
    study.snakemake(str(target.relative_to(study.folder)))
    assert target.read_bytes() == small_study.result(target.name.split("task-faces_")[1]).read_bytes()
    assert before == sorted((path, path.stat().st_mtime_ns) for path in data.rglob("*"))


@pytest.fixture(scope="module")
def table_study(tmp_path_factory, small_study):
    """A study from a table: one run of 3D files, one 4D file, confounds, a mask, events in TSV."""
    base = tmp_path_factory.mktemp("table")
    folder = base / "my study"
    folder.mkdir()
    trunk = small_study.folder / "data/simulated/sub001/fMRI"
    shutil.copytree(trunk / "Session1", folder / "run one", ignore=shutil.ignore_patterns(".*"))
    resampled = nib.load(small_study.result("run-2_desc-resampled_bold.nii"))
    resampled.to_filename(folder / "run2.nii.gz")
    for run in (1, 2):
        shutil.copy(small_study.result(f"run-{run}_events.tsv"), folder / f"events{run}.tsv")
        rows = np.random.default_rng(run).standard_normal((resampled.shape[3], 1))
        (folder / f"confounds{run}.tsv").write_text("rot_x\n" + "".join(f"{x}\n" for (x,) in rows))
    (folder / "runs.tsv").write_text(
        "subject\tsession\ttask\trun\tbold\tevents\tconfounds\n"
        "A1\tpre\tfaces\t1\trun one/fM*.img\tevents1.tsv\tconfounds1.tsv\n"
        "A1\tpre\tfaces\t2\trun2.nii.gz\tevents2.tsv\tconfounds2.tsv\n"
    )
    config = {
        "study": {"source": "table", "table": str(folder / "runs.tsv"), "repetition_time": 2.0},
        "outputs": ["maps", "figures"],
        "resample": {"keep": True},
        "confounds": {"columns": ["rot_x"]},
        "contrasts": {"faces": "faces", "anyFaces": ["faces"]},
        "mask": str(folder / "mask.img"),
    }
    mask = nib.load(small_study.result("desc-brain_mask.nii.gz"))
    nib.Nifti1Pair(np.asarray(mask.dataobj), mask.affine).to_filename(folder / "mask.img")
    return Study(base / "work", config, small_study.root)


def test_table_study_with_sessions_confounds_and_blanks_in_its_paths(table_study):
    """A user's own runs, 3D or 4D, go the whole way."""
    table_study.snakemake()
    z = table_study.result("contrast-faces_stat-z_statmap.nii.gz", "A1")
    assert nib.load(z).get_fdata().max() > 3
    design = json.loads(table_study.result("run-2_design.json", "A1", "_ses-pre").read_text())
    assert {"Name": "rot_x", "Role": "confound"} in design["Columns"]
    figures = table_study.folder / "results/sub-A1/figures"
    assert (figures / "sub-A1_ses-pre_task-faces_run-1_motion.png").is_file()
    assert table_study.result("contrast-anyFaces_stat-F_statmap.nii.gz", "A1").is_file()
    assert table_study.planned() == {}


CONTRASTS = {
    "compute_contrast": 1,
    "compute_contrast_f": 1,
    "plot_contrast": 2,
    "list_maps": 1,
    "judge_quality": 1,
}
ONE_FIT = {"fit_glm": 1, "plot_run": 1} | CONTRASTS
ONE_DESIGN = {"make_design_matrix": 1} | ONE_FIT
MASK = {"compute_mask": 1} | dict.fromkeys(ONE_FIT, 2) | CONTRASTS
ONE_RUN = {"resample_run": 1}
ONE_HEADER = {"read_headers": 1}
INPUT_EDITS = {
    "events1.tsv": ONE_DESIGN,
    "confounds2.tsv": ONE_DESIGN,
    "mask.hdr": MASK,
    "mask.img": MASK,
    "run2.nii.gz": ONE_HEADER | ONE_DESIGN | ONE_RUN | MASK,
    "run one/fMETHODS-0005-00007-01.hdr": ONE_HEADER | ONE_DESIGN | ONE_RUN | MASK,
    "runs.tsv": {},
}
"""Files of the user, and the jobs that their edit plans."""


@pytest.mark.parametrize("name", INPUT_EDITS)
def test_edited_input_reruns_what_depends_on_it(table_study, name):
    """Every file of a study is tracked, the header of a pair too."""
    path = Path(table_study.config["study"]["table"]).parent / name
    before, times = path.read_bytes(), path.stat()
    try:
        path.write_bytes(before + b"\n")
        assert table_study.planned() == INPUT_EDITS[name]
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_touched_image_of_some_megabytes_reruns_nothing(table_study):
    """A copy with a new time stamp has the same content, which the profile lets Snakemake compare."""
    table_study.snakemake()
    image = Path(table_study.config["study"]["table"]).parent / "run2.nii.gz"
    assert image.stat().st_size > 1_000_000
    times = image.stat()
    try:
        image.touch()
        assert table_study.planned() == {}
    finally:
        os.utime(image, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_runs_that_are_not_kept_are_gone_after_the_fit(tmp_path, table_study):
    """keep: false frees the disk, and a new contrast needs no run again."""
    study = Study(tmp_path / "work", merged(table_study.config, {"resample": {"keep": False}}))
    results = study.folder / "results/sub-A1"
    z = "results/node-subject/sub-A1/sub-A1_task-faces_contrast-{}_stat-z_statmap.nii.gz"
    study.snakemake(z.format("faces"))
    assert not list(results.glob("*_desc-resampled_bold.nii"))
    assert study.planned(z.format("anyFaces")) == {"compute_contrast_f": 1}


def test_run_without_a_condition_is_left_out_of_its_contrasts(tmp_path, table_study):
    """Run 2 without scrambled faces: the difference is that of run 1, byte by byte, and the table says so."""
    source = Path(table_study.config["study"]["table"]).parent
    folder = shutil.copytree(source, tmp_path / "data", symlinks=True)
    events = (folder / "events2.tsv").read_text().splitlines(keepends=True)
    (folder / "events2.tsv").write_text("".join(line for line in events if "scrambled" not in line))
    config = merged(
        table_study.config,
        {
            "study": {"table": str(folder / "runs.tsv")},
            "mask": str(folder / "mask.img"),
            "fixed_effects": {"per_run": True},
        },
    )
    config["contrasts"] = {
        "faces": "faces",
        "difference": "faces - scrambled",
        "both": ["faces", "scrambled"],
    }
    both = Study(tmp_path / "both", config)
    start = "sub-A1_ses-pre_task-faces"
    per_run = {"compute_run_contrast": 3, "compute_run_contrast_f": 1}
    planned = both.planned()
    assert {name: planned[name] for name in per_run} == per_run
    both.snakemake("--until", "judge_quality", "compute_run_contrast", "compute_run_contrast_f")
    rows = [line.split("\t") for line in both.result("contrasts.tsv", "A1").read_text().splitlines()]
    absent = "no regressor 'scrambled'"
    assert rows == [
        ["run", "contrast", "estimable", "used", "reason"],
        *(
            [f"{start}_run-{run}", name, used, used, "n/a" if used == "true" else absent]
            for name in ("faces", "difference", "both")
            for run in (1, 2)
            for used in (["false"] if run == 2 and name != "faces" else ["true"])
        ),
    ]
    for name, statistic in (("difference", "t"), ("both", "F")):
        for kind in ("effect", "variance", statistic, "p", "z"):
            end = f"contrast-{name}_stat-{kind}_statmap.nii.gz"
            of_run = both.result(f"run-1_{end}", "A1", "_ses-pre")
            assert both.result(end, "A1").read_bytes() == of_run.read_bytes()
    end = "contrast-faces_stat-z_statmap.nii.gz"
    first, second, over = (
        nib.load(path).get_fdata()
        for path in (
            both.result(f"run-1_{end}", "A1", "_ses-pre"),
            both.result(f"run-2_{end}", "A1", "_ses-pre"),
            both.result(end, "A1"),
        )
    )
    assert over.max() > max(first.max(), second.max()) > 3
    assert not list((both.folder / "results/node-run/sub-A1").glob("*_run-2_contrast-difference*"))
    logs = both.folder / "logs/compute_contrast/sub-A1"
    logged = (logs / "sub-A1_task-faces_contrast-difference.log").read_text()
    assert "run-2_design.tsv is left out of the contrast difference: no regressor 'scrambled'" in logged
    assert both.planned("--until", "judge_quality", "compute_run_contrast") == {}


def test_run_that_repeats_a_regressor_fails_no_study(tmp_path, table_study):
    """Only its design tells: its own maps are of no number, and their sidecar says why."""
    source = Path(table_study.config["study"]["table"]).parent
    folder = shutil.copytree(source, tmp_path / "data", symlinks=True)
    rows = [line.split("\t") for line in (folder / "events2.tsv").read_text().splitlines()]
    again = ["\t".join([*row[:2], "again"]) for row in rows[1:] if row[2] == "faces"]
    (folder / "events2.tsv").write_text("\n".join(["\t".join(row) for row in rows] + again) + "\n")
    config = merged(
        table_study.config,
        {
            "study": {"table": str(folder / "runs.tsv")},
            "mask": str(folder / "mask.img"),
            "fixed_effects": {"per_run": True},
        },
    )
    config["contrasts"] = {"faces": "faces"}
    study = Study(tmp_path / "work", config)
    study.snakemake()
    own = [
        study.result(f"run-2_{end}", "A1", "_ses-pre")
        for end in ("contrast-faces_stat-z_statmap.nii.gz", "contrast-faces_statmap.json", "design.json")
    ]
    z = nib.load(own[0]).get_fdata()
    assert np.isnan(z[z != 0]).all()
    assert np.isnan(z).any()
    reason = json.loads(own[1].read_text())["RunsLeftOut"][0]["Reason"]
    assert reason.startswith("dependent regressors: ")
    assert "again" in reason
    assert json.loads(own[2].read_text())["DependentColumns"]
    assert study.planned() == {}


MISTAKES = {
    "unknown key": ({"desing": {}}, "did you mean 'design'?"),
    "wrong type": ({"figures": {"threshold": "high"}}, "figures.threshold: 'high' is not of type 'number'"),
    "unknown regressor": ({"contrasts": {"f": "face - scrambled"}}, "did you mean 'faces'?"),
    "code in a contrast": ({"contrasts": {"f": "__import__('os')"}}, "is not a weighted sum of regressors"),
    "missing table": ({"study": {"source": "table", "table": "no.tsv"}}, "no.tsv): there is no such file"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_in_the_config_stops_before_any_job(tmp_path, name):
    """One readable message, no traceback, no job."""
    changes, message = MISTAKES[name]
    study = Study(tmp_path / "study", SMALL)
    done = study.snakemake(changes=changes, check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert "to do:" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (study.folder / "data").exists()
    assert not (study.folder / "results").exists()


def test_results_among_the_user_s_files_stop_before_any_job(tmp_path):
    """The README's name of a run table is also that of the table of what became of the runs."""
    study = Study(tmp_path / "study", SMALL)
    study.folder.mkdir()
    (study.folder / "runs.tsv").write_text("mine\n")
    done = study.snakemake(changes={"pathvars": {"results": "."}}, check=False)
    assert done.returncode == 1
    assert "runs.tsv: was not made by this workflow" in done.stderr
    assert (study.folder / "runs.tsv").read_text() == "mine\n"
    (study.folder / "runs.tsv").unlink()
    done = study.snakemake(changes={"pathvars": {"results": "."}}, check=False)
    assert done.returncode == 1
    assert "config.yaml, an input of the study" in done.stderr


def test_figures_are_left_out_where_nobody_looks(tmp_path):
    """figures.draw: false plans the maps alone."""
    planned = Study(tmp_path / "study", SMALL).planned(changes={"outputs": ["maps"]})
    assert planned["compute_contrast"] == 2
    assert not [rule for rule in planned if rule.startswith("plot_")]


def test_user_s_config_replaces_the_default_study(tmp_path):
    """No contrast of the default study survives in a study of one's own."""
    study = Study(tmp_path / "study", merged(SMALL, {}))
    study.config["contrasts"] = {"onlyThis": "faces"}
    assert study.planned()["plot_contrast"] == 1
