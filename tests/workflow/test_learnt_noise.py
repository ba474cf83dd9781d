"""A study whose noise is learnt, through the whole workflow."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest
from studies import Study, merged

pytestmark = pytest.mark.slow

MIXTURE = {"glm": {"noise_model": "mixture"}, "fixed_effects": {"per_run": True}}
UNTIL = (
    "--until",
    "compute_contrast",
    "compute_contrast_f",
    "compute_run_contrast",
    "compute_run_contrast_f",
)
OF_NOISE = ("stat-posterior_statmap.nii.gz", "desc-noise_processes.tsv")
PAGE = "results/sub-01/report.html"


@pytest.fixture(scope="module")
def learnt(tmp_path_factory, small_study):
    """The small study with another noise model, fitted again."""
    folder = tmp_path_factory.mktemp("learnt") / "study"
    shutil.copytree(small_study.folder, folder, symlinks=True)
    study = Study(folder, merged(small_study.config, MIXTURE))
    study.snakemake(
        PAGE,
        "results/node-run/sub-01/sub-01_task-faces_run-1_contrast-effectsOfInterest_stat-z_statmap.nii.gz",
    )
    return study


def bytes_of(study):
    """Every fit and every map of a contrast, by name."""
    folders = [study.folder / "results" / node for node in ("node-run", "node-subject")]
    return {
        path.name: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()
    }


def test_files_of_learnt_noise_are_there_with_that_model_alone(learnt, small_study):
    """Posterior, processes and a figure; the figure is on the page with what it shows."""
    for name in OF_NOISE:
        assert learnt.result(f"run-1_{name}").exists()
        assert not small_study.result(f"run-1_{name}").exists()
    figure = "figures/sub-01_task-faces_run-1_noise.png"
    assert (learnt.results / figure).exists()
    assert not (small_study.results / figure).exists()
    page = (learnt.folder / PAGE).read_text()
    assert "noise that is one of a few autoregressive processes" in page
    assert "Noise processes that the fit found" in page
    assert "Harville" in page
    assert "degrees of freedom)" in page


def test_active_voxels_are_found_as_with_ar1(learnt, small_study):
    """Maps of t correlate by more than .95, and no voxel is lost; F differs, as it is the exact one."""
    for contrast in ("facesMinusScrambled", "scrambledMinusFaces"):
        ours, theirs = (study.z_map(contrast).get_fdata() for study in (learnt, small_study))
        inside = theirs != 0
        assert (ours[inside] != 0).all()
        assert np.corrcoef(ours[inside], theirs[inside])[0, 1] > 0.95


def test_a_run_has_contrasts_of_its_own(learnt):
    """F of one run, with whole degrees of freedom and finite z; the sidecar tells the exact F."""
    name = "run-1_contrast-effectsOfInterest_"
    z = nib.load(learnt.result(f"{name}stat-z_statmap.nii.gz")).get_fdata()
    said = json.loads(learnt.result(f"{name}statmap.json").read_text())
    assert np.isfinite(z).all()
    assert z.any()
    assert said["FTest"] == "exact"
    assert "DegreesOfFreedomOfVoxels" not in said


def test_bytes_are_the_same_from_one_core(learnt):
    """Fits and contrasts made again, one job at a time."""
    before = bytes_of(learnt)
    learnt.snakemake("--cores", "1", "--forcerun", "fit_glm", *UNTIL[:3])
    after = bytes_of(learnt)
    assert [name for name in before if before[name] != after.get(name)] == []


def test_a_new_contrast_reads_no_data(learnt):
    """It needs fits alone: one job, without the runs."""
    changes = {"contrasts": {"faces": "faces"}, "fixed_effects": {"per_run": False}}
    assert learnt.planned(*UNTIL, changes=changes) == {"compute_contrast": 1}
    volumes = learnt.result("run-1_desc-resampled_bold.nii")
    aside = volumes.rename(volumes.with_name("aside.nii"))
    try:
        target = "results/node-subject/sub-01/sub-01_task-faces_contrast-faces_stat-z_statmap.nii.gz"
        learnt.snakemake(target, "--allowed-rules", "compute_contrast", changes=changes)
    finally:
        aside.rename(volumes)
    assert learnt.z_map("faces").get_fdata().any()


def test_another_noise_model_fits_again_and_reads_nothing_else(learnt):
    """Neither designs nor runs nor masks."""
    jobs = learnt.planned(*UNTIL, changes={"glm": {"noise_model": "ar1"}})
    assert jobs == {
        "fit_glm": 2, "compute_contrast": 2, "compute_contrast_f": 1, "compute_run_contrast": 4,
        "compute_run_contrast_f": 2,
    }  # fmt: skip
