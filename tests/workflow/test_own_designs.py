"""Ready-made designs through the whole workflow."""

import json
import shutil

import pandas as pd
import pytest
from studies import Study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def given(tmp_path_factory, small_study):
    """The small study again, with the designs that its own runs had, as somebody else's files."""
    folder = tmp_path_factory.mktemp("given") / "study"
    shutil.copytree(
        small_study.folder, folder, symlinks=True, ignore=shutil.ignore_patterns("*.html", "figures")
    )
    (folder / "own").mkdir()
    for run, separator in ((1, "\t"), (2, ",")):
        design = pd.read_csv(small_study.result(f"run-{run}_design.tsv"), sep="\t")
        design.to_csv(folder / f"own/run-{run}", sep=separator)
    config = {**small_study.config, "study": {**small_study.config["study"], "design": "own/run-{run}"}}
    study = Study(folder, config)
    study.snakemake("--until", "compute_contrast", "compute_contrast_f")
    return study


def test_design_that_is_handed_back_gives_the_very_maps(given, small_study):
    """Every byte of the design, of every beta and of every z map."""
    for run in (1, 2):
        for name in ("design.tsv", "stat-beta_statmap.nii.gz", "stat-ar1_statmap.nii.gz"):
            name = f"run-{run}_{name}"
            assert given.result(name).read_bytes() == small_study.result(name).read_bytes()
        assert given.result(f"run-{run}_events.tsv").read_text() == "onset\tduration\ttrial_type\n"
        sidecar = json.loads(given.result(f"run-{run}_design.json").read_text())
        assert sidecar["DesignSource"] == "the given design"
        roles = {column["Name"]: column["Role"] for column in sidecar["Columns"]}
        assert (roles["faces"], roles["drift_1"], roles["constant"]) == ("given", "drift", "constant")
    for contrast in given.config["contrasts"]:
        for stat in ("effect", "variance", "z"):
            name = f"contrast-{contrast}_stat-{stat}_statmap.nii.gz"
            assert given.result(name).read_bytes() == small_study.result(name).read_bytes()
    said = json.loads(given.result("contrast-facesMinusScrambled_statmap.json").read_text())
    assert (
        said["EffectUnit"] == "percent of each voxel's mean, for one unit of the regressors that were given"
    )


def test_changed_design_is_read_again(given):
    """The file is an input: its run and the contrasts are made anew, the other run is not."""
    path = given.folder / "own/run-2"
    path.write_text(path.read_text().replace("0,", "0.0,", 1))
    jobs = given.planned("--until", "compute_contrast", "compute_contrast_f")
    assert jobs == {"make_design_matrix": 1, "fit_glm": 1, "compute_contrast": 2, "compute_contrast_f": 1}


def test_quality_holds_the_columns_that_contrasts_name(given):
    """What is of interest is not known of a given column but by the contrasts."""
    given.snakemake("results/node-subject/sub-01/sub-01_task-faces_quality.tsv")
    quality = pd.read_csv(given.result("quality.tsv"), sep="\t", keep_default_na=False)
    for measure in ("correlation", "vif"):
        judged = quality[quality["measure"] == measure]
        assert len(judged) == 2
        assert judged["sentence"].str.contains("faces|scrambled").all()
