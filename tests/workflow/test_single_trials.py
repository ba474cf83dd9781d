"""Single trials through the whole workflow, and the decoder of the documents on what it makes."""

import csv
import json
import re
import shutil

import nibabel as nib
import numpy as np
import pytest
import yaml
from documents import blocks
from studies import ROOT, SMALL, Study, merged

pytestmark = pytest.mark.slow

LSS = {"design": {"single_trials": {"model": "lss", "conditions": ["faces"]}}}
WELL_ABOVE, AT_CHANCE = 0.8, 0.06
"""Of accuracies: chance is 0.5, with a standard error of 0.055 of one run over 80 trials, 0.013 of 20."""
AS_TOLD = 0.03
"""The classifier's solver draws at random where to begin."""
ALIKE = 0.9
"""Of t values with one noise model and another, of 48 scans."""
BETA = "run-{}_stat-beta_desc-trials_statmap.nii.gz"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The small study with single trials of the faces, by the target of its own."""
    made = Study(tmp_path_factory.mktemp("trials") / "study", merged(SMALL, LSS))
    made.snakemake("trials")
    return made


def of_run(study, name):
    """Path of a file of single trials."""
    return study.folder / f"results/node-run/sub-01/sub-01_task-faces_{name}"


def table(study, run):
    with of_run(study, f"run-{run}_desc-trials_statmap.tsv").open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_target_makes_maps_of_every_run_and_no_contrast(study):
    """One volume per row, each face of the events once; other conditions keep a regressor."""
    for run in (1, 2):
        rows = table(study, run)
        beta = nib.load(of_run(study, BETA.format(run)))
        assert beta.get_data_dtype() == np.float32
        assert beta.shape == (26, 30, 16, len(rows))
        assert beta.shape == nib.load(of_run(study, BETA.format(run).replace("beta", "t"))).shape
        events = study.result(f"run-{run}_events.tsv").read_text().splitlines()
        assert len(rows) == sum(line.endswith("faces") for line in events)
        for row in rows:
            onset, duration, kind = events[int(row["row"]) - 1].split("\t")[:3]
            assert [row["onset"], row["duration"], row["trial_type"]] == [onset, duration, kind]
        said = json.loads(of_run(study, f"run-{run}_desc-trials_statmap.json").read_text())
        assert "scrambled" in said["OtherRegressors"]
    assert not list((study.folder / "results").rglob("*_contrast-*"))


def test_what_reruns_what(study):
    """Another model: its jobs alone. No single trials: no job of theirs. New contrasts: none either."""
    other = {"design": {"single_trials": {"model": "lsa"}}}
    assert study.planned("trials", changes=other) == {"fit_trials": 2, "trials": 1}
    everything = study.planned()
    assert "fit_trials" not in everything
    fresh = Study(study.folder.parent / "fresh", merged(SMALL, LSS))
    assert fresh.planned()["fit_trials"] == 2
    none = {"design": {"single_trials": None}}
    assert "fit_trials" not in fresh.planned(changes=none)


@pytest.mark.parametrize("noise_model", ["mixture", "arma11"])
def test_noise_of_the_fit_is_that_of_the_trials(study, tmp_path, noise_model):
    """From its files, which are made first; maps are finite, t near those of AR(1) noise, all told."""
    folder = shutil.copytree(study.folder, tmp_path / "study", symlinks=True)
    own = Study(folder, merged(study.config, {"glm": {"noise_model": noise_model}}))
    own.snakemake("trials")
    inside = nib.load(next((own.folder / "results").rglob("*_desc-brain_mask.nii.gz"))).get_fdata() > 0
    for run in (1, 2):
        said = json.loads(of_run(own, f"run-{run}_desc-trials_statmap.json").read_text())
        assert said["NoiseModel"] == noise_model
        assert said["NoiseIsOf"].startswith("the fit of the run")
        name = {"mixture": "stat-posterior", "arma11": "stat-arma"}[noise_model]
        assert any(name in one["Name"] for one in said["Inputs"])
        t, plain = (
            nib.load(of_run(each, BETA.format(run).replace("beta", "t"))).get_fdata()[inside]
            for each in (own, study)
        )
        assert np.isfinite(t).all()
        assert np.corrcoef(t.ravel(), plain.ravel())[0, 1] > ALIKE
    other = {"design": {"single_trials": {"noise_model": "ar1"}}}
    assert own.planned("trials", changes=other) == {"fit_trials": 2, "trials": 1}


def test_target_without_the_key_says_what_to_set(study):
    done = study.snakemake("--dry-run", "trials", changes={"design": {"single_trials": None}}, check=False)
    assert done.returncode
    assert "config key design.single_trials: is not set" in done.stdout + done.stderr


def test_decoder_of_the_documents_tells_faces_from_scrambled(tmp_path, monkeypatch, capsys):
    """The default study with the config of the page; then its code: far above chance, shuffled at chance."""
    page = "docs/single-trials.md"
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    default = Study(tmp_path / "default", merged(config, yaml.safe_load(blocks(page, "yaml")[0])))
    default.snakemake("trials")
    monkeypatch.chdir(default.folder)
    [code] = blocks(page, "python")
    exec(compile(code, page, "exec"), {})
    said = r"scrambled: ([\d.]+); shuffled: ([\d.]+)"
    decoded, shuffled = map(float, re.search(said, capsys.readouterr().out).groups())
    assert decoded > WELL_ABOVE
    assert abs(shuffled - 0.5) < AT_CHANCE
    told = map(float, re.search(said, (ROOT / page).read_text()).groups())
    np.testing.assert_allclose([decoded, shuffled], [*told], rtol=0, atol=AS_TOLD)
