"""The plan: what is asked for, what stages read, what is computed, and what a job needs."""

import copy
import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import json_keys
import pytest
from checked_configs import SCHEMA
from small_study import CONFIG, make

from firstlevel import names
from firstlevel.plan import start
from firstlevel.plan.config import check_config
from firstlevel.plan.model import Model
from firstlevel.plan.plan import Plan
from firstlevel.plan.study import Study
from firstlevel.stage import InputError

FOLDERS = {name: name for name in start.FOLDERS}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Folder of two runs, one of 3D pairs and one 4D image."""
    monkeypatch.chdir(make(tmp_path / "study"))
    return Path()


def planned(**changes):
    return start.plan(copy.deepcopy(CONFIG | changes), FOLDERS)


def test_a_target_is_the_files_that_it_says(study):
    """Maps need no picture; figures are all that there are, as in the report; everything is each once."""
    targets = planned().targets
    pattern = "<results>/node-subject/sub-01/sub-01_task-faces_contrast-{}_stat-z_statmap.nii.gz"
    assert {pattern.format(name) for name in ("faces", "difference")} < set(targets.maps)
    assert not [file for file in targets.maps if file.endswith((".png", ".html"))]
    assert len(targets.figures) == 2 * 7 + 2 * 8
    assert len(targets.inference) == 2
    assert targets.quality == ["<results>/node-subject/sub-01/sub-01_task-faces_quality.tsv"]
    assert set(targets.figures) < set(targets.report)
    assert targets.report[-1] == names.STUDY_PAGE
    outputs = ["maps", "figures", "inference", "quality", "report"]
    everything = targets.chosen(outputs)
    assert len(everything) == len(set(everything))
    assert set(everything) == {file for name in outputs for file in getattr(targets, name)}
    assert targets.chosen(["inference"]) == targets.inference


def test_maps_of_each_run_are_those_that_its_events_allow(study):
    """Run 2 has no scrambled faces: its own difference is no target."""
    lines = Path("events2.tsv").read_text().splitlines(keepends=True)
    Path("events2.tsv").write_text("".join(line for line in lines if "scrambled" not in line))
    of_runs = [file for file in planned(fixed_effects={"per_run": True}).targets.maps if "/node-run/" in file]
    found = sorted(file.rpartition("task-faces_")[2].partition("_stat")[0] for file in of_runs)
    assert found == ["run-1_contrast-difference", "run-1_contrast-faces", "run-2_contrast-faces"]
    assert not [file for file in planned().targets.maps if "/node-run/" in file]


def test_stages_read_what_the_run_has(study):
    """Volumes with their headers, the first one as the reference of both runs, confounds where asked for."""
    plan = planned()
    first, second = plan.study.runs
    assert plan.inputs.reference(second) == ("run-1/f001.img", "run-1/f001.hdr")
    assert plan.inputs.events(first) == ["events1.tsv"]
    assert plan.inputs.confounds(first) == []
    assert plan.inputs.motion_table(first) == ["confounds1.tsv"]
    assert planned(confounds={"columns": ["rot_x"]}).inputs.confounds(first) == ["confounds1.tsv"]
    [unit] = plan.study.units.values()
    assert plan.inputs.own_mask(unit) == ["mask.nii"]
    means = [names.MEAN_OF_RUN.format(**run.wildcards) for run in (first, second)]
    assert plan.inputs.background(unit) == means
    with pytest.raises(InputError, match="is T1w, and sub-01_task-faces has no"):
        planned(figures={"background": "T1w"}).inputs.background(unit)


def test_field_of_view_is_read_where_the_analysis_keeps_to_it(study):
    """One file per run."""
    first, _ = planned().study.runs
    assert planned().inputs.field_of_view(first) == []
    masked = planned(resample={"field_of_view": "masked"}).inputs
    assert masked.field_of_view(first) == [names.FIELD_OF_VIEW.format(**first.wildcards)]


@pytest.mark.parametrize(
    ("strategy", "mask", "once"),
    [("none", "mask.nii", True), ("none", "epi", False), ("direct", "mask.nii", False)],
)
def test_the_fit_alone_reads_runs_of_one_grid_in_a_given_mask(study, strategy, mask, once):
    """A mask made from the means needs these first, and so does resampling."""
    plan = planned(resample={"strategy": strategy}, mask=mask)
    assert plan.model.reads_once == once
    assert plan.of_one_reading(mean="m") == ({"mean": "m"} if once else {})


def test_runs_of_one_grid_are_read_where_they_lie(study):
    """Files of the study with what lies beside them, and no run is kept; smoothing writes all runs anew."""
    plan = planned(resample={"strategy": "none", "keep": True})
    first, second = plan.study.runs
    assert plan.inputs.bold(first) == first.bold
    assert plan.inputs.bold(second) == ("run-2.nii",)
    assert not plan.model.resamples
    assert not plan.keeps_runs
    assert plan.model.headers["is_one_grid"]
    for changes in ({"strategy": "none", "smoothing_fwhm": 6.0}, {"strategy": "direct"}, {}):
        plan = planned(resample=changes | {"keep": True})
        assert plan.inputs.bold(second) == (names.RESAMPLED.format(**second.wildcards),)
        assert plan.model.resamples
        assert plan.keeps_runs
        assert plan.model.headers["is_one_grid"] == ("smoothing_fwhm" in changes)


@pytest.mark.parametrize(
    ("space", "asked", "strategy"),
    [
        (None, None, "sequential"),
        ("MNI", None, "none"),
        ("MNI", "direct", "direct"),
        (None, "none", "none"),
    ],
)
def test_images_of_a_named_space_lie_on_one_grid(tmp_path, space, asked, strategy):
    """What null stands for is decided in the model, and stands in model.json."""
    bids = {"path": str(tmp_path), "task": "faces", "space": space}
    model = Model.of(checked({"study": {"source": "bids", "bids": bids}, "resample": {"strategy": asked}}))
    assert model.resampling["strategy"] == strategy
    assert model.content()["Resampling"]["Strategy"] == strategy
    assert Model.of(checked({})).resampling["strategy"] == "sequential"


def test_jobs_ask_for_what_their_runs_are(study):
    """30 scans of 10 x 11 x 9 voxels in float32 are 0.12 MB; a second attempt gets twice as much."""
    plan = planned()
    for run in plan.study.runs:
        assert plan.sizes.stored(run) == pytest.approx(30 * 990 * 4 / 1e6, rel=0.2)
        assert plan.sizes.resampled(run) == pytest.approx(30 * 990 * 4 / 1e6)
    needed = [plan.sizes.needed(plan.study.runs, 100, 1000, attempt) for attempt in (1, 2)]
    assert needed == [100, 200]
    assert plan.sizes.needed(plan.study.runs, 0, 1e6, 1) == pytest.approx(2 * 30 * 990 * 4 / 1e3, rel=0.2)


def checked(changes):
    config = copy.deepcopy(CONFIG) | {"mask": "epi"} | changes
    check_config(config, SCHEMA)
    return config


def test_model_says_what_is_computed(tmp_path, monkeypatch):
    """Levels and contrasts as BIDS Stats Models has them, in CamelCase, and no path of the user's own."""
    (tmp_path / "Jane_Doe.nii").touch()
    (tmp_path / "runs.tsv").touch()
    monkeypatch.chdir(tmp_path)
    contrasts = {"faces": "faces", "any": ["faces", "scrambled"]}
    modulators = {"faces": {"rt_z": {"centre": "none"}}, "bet": ["gain"]}
    changes = {"design": {"modulators": modulators}, "glm": {"noise_model": "ar1_pooled"}}
    config = checked({"mask": "Jane_Doe.nii", "contrasts": contrasts, **changes})
    model = Model.of(config)
    content = json.loads(json.dumps(model.content()))
    assert [node["Level"] for node in content["Nodes"]] == ["Run", "Subject"]
    assert content["Nodes"][0]["Contrasts"] == [
        {"Name": "faces", "Rows": ["faces"], "Test": "t"},
        {"Name": "any", "Rows": ["faces", "scrambled"], "Test": "F"},
    ]
    assert content["Nodes"][0]["Noise"] == "ar1_pooled"
    assert content["Nodes"][0]["Design"]["HighPass"] == 0.01
    assert content["Nodes"][0]["Events"]["Modulators"] == {
        "faces": {"rt_z": {"Centre": "none"}},
        "bet": ["gain"],
    }
    assert content["Nodes"][0]["Confounds"]["Fmriprep"]["FdThreshold"] == 0.5
    assert [*json_keys.odd_in(content)] == []
    assert "Jane" not in json.dumps(content)
    assert model.of_statistic("F") == ["any"]
    assert model.contrasts["any"].name == "any of faces, scrambled (F)"


def test_titles_and_labels_of_figures(study):
    """Whom a figure shows, in its title and in the columns of Snakemake's own report."""

    class Wildcards(dict):
        def __getattr__(self, name):  # as Snakemake's: what is not there is no attribute
            if name in self:
                return self[name]
            raise AttributeError(name)

    plan = planned()
    of_run = Wildcards(plan.study.runs[1].wildcards)
    [unit] = plan.study.units.values()
    of_contrast = Wildcards(unit.wildcards, contrast="difference")
    assert plan.title(of_run) == "sub-01, task faces, run 2"
    assert plan.title(of_contrast) == "sub-01, task faces: faces - scrambled"
    assert plan.labels(of_run) == {"subject": "01", "task": "faces", "run": "2"}
    assert plan.labels(of_contrast) == {"subject": "01", "task": "faces", "contrast": "difference"}


def test_subjects_take_turns(study):
    """Jobs on images come before all others, which have 0, of the first subject; of the next after them."""
    one = planned()
    runs = [dataclasses.replace(run, subject=subject) for subject in "bca" for run in one.study.runs]
    plan = Plan(one.config, Study.of(runs), one.results, one.logs)
    first, second, third = (plan.turn(SimpleNamespace(subject=subject)) for subject in "bca")
    assert first > 0 > second > third


def test_process_of_a_job_checks_less_and_plans_the_same(study):
    """Contrasts and folders are the start's to check; runs and model are those of the plan."""
    wrong = copy.deepcopy(CONFIG) | {"contrasts": {"faces": "fases"}}
    with pytest.raises(InputError, match="did you mean"):
        start.plan(copy.deepcopy(wrong), FOLDERS)
    assert start.plan(wrong, FOLDERS, is_main=False).study.runs == planned().study.runs
