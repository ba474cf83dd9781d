"""Single trials in config and plan: what a wrong value gets, which runs have some, what is made of them."""

import copy
from pathlib import Path

import pytest
from checked_configs import CONTRASTS, checked
from small_study import CONFIG, make

from firstlevel import names
from firstlevel.plan import start, trials
from firstlevel.plan.model import Model
from firstlevel.stage import InputError

FOLDERS = {name: name for name in start.FOLDERS}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Folder of two runs of faces and scrambled faces."""
    monkeypatch.chdir(make(tmp_path / "study"))
    return Path()


def planned(asked):
    config = copy.deepcopy(CONFIG)
    config["design"] = {**config["design"], "single_trials": asked}
    return start.plan(config, FOLDERS)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"model": "lssa"}, "'lssa' is not one of"),
        ({"conditions": ["faces"]}, "'model' is a required property"),
        ({"model": "lss", "conditions": "faces"}, r"a list goes in brackets, such as \[faces\]"),
        ({"model": "lss", "conditions": []}, "conditions"),
        ({"model": "lss", "noise_model": "ar2"}, "'ar2' is not one of"),
        ({"model": "lss", "condition": ["faces"]}, "unknown key design.single_trials.condition .*conditions"),
        ("lss", "it is a section, with the keys model, conditions"),
        (
            {"model": "lss", "conditions": ["faces", "scrambed"]},
            "(?s)no run has events of the condition 'scrambed'.*: faces, scrambled.*did you mean 'scrambled'",
        ),
    ],
)
def test_wrong_value_ends_the_start(study, asked, message):
    with pytest.raises(InputError, match=message):
        planned(asked)


def test_without_the_key_nothing_is_made_and_a_word_on_it_is_said(study):
    """No file, no entry of the model; asked for by name, the target says what to set."""
    plan = planned(None)
    assert plan.targets.trials == []
    assert "SingleTrials" not in plan.model.content()["Nodes"][0]
    with pytest.raises(InputError, match=r"(?s)single_trials: is not set.*: \{model: lss, cond"):
        plan.asked_trials()


def test_maps_of_every_run_with_such_trials_are_made_with_whatever_else_is(study):
    """A run without the condition has none, and nobody need leave it out."""
    lines = Path("events2.tsv").read_text().splitlines(keepends=True)
    Path("events2.tsv").write_text("".join(line for line in lines if "scrambled" not in line))
    plan = planned({"model": "lss", "conditions": ["scrambled"]})
    only = "<results>/node-run/sub-01/sub-01_task-faces_run-1_stat-beta_desc-trials_statmap.nii.gz"
    assert plan.targets.trials == plan.asked_trials() == [only]
    assert only in plan.targets.chosen(["inference"])
    assert len(planned({"model": "lsa"}).targets.trials) == 2
    units = plan.study.units.values()
    assert plan.targets.trials_of(units, names.TRIALS)[0].endswith("run-1_desc-trials_statmap.tsv")


def test_wrong_events_of_a_run_are_told_by_their_own_job(study):
    """So its maps stay among what is made: nothing goes missing in silence."""
    plan = planned({"model": "lsa", "conditions": ["faces"]})
    Path("events2.tsv").write_text("onset\tduration\n1\t1\n")
    assert len(plan.targets.trials) == 2


@pytest.mark.parametrize(
    ("merged", "found"),
    [("null", ["faces", "scrambled"]), ("{all: [faces, scrambled]}", ["all"]), ("{a: [faces]}", ["a"])],
)
def test_conditions_of_a_study_without_events_files_are_known(merged, found):
    """Those of the simulated study, as study.conditions makes them."""
    study = f"study: {{source: simulated, repetition_time: 2, conditions: {merged}}}"
    config = checked(f"{CONTRASTS}{study}\ndesign: {{single_trials: {{model: lsa}}}}")
    run = start.study.run_table(config, "data")[0][0]
    assert trials.conditions_of(config, run) == found


def test_runs_of_ready_made_designs_have_no_trials(study):
    """There are no events to tell trials apart by."""
    Path("own.csv").write_text("faces,scrambled\n" + "".join(f"{k % 2},{k % 3}\n" for k in range(30)))
    config = copy.deepcopy(CONFIG)
    config["study"] = {**config["study"], "design": "own.csv"}
    config["design"] = {**config["design"], "single_trials": {"model": "lss"}}
    with pytest.raises(InputError, match="needs the events of trials, but every run has a ready-made design"):
        start.plan(config, FOLDERS)


def test_conditions_are_spelled_as_events_are():
    """In composed Unicode, in the model as in what the stage takes."""
    config = checked(CONTRASTS + "study: {source: simulated}\n")
    config["design"]["single_trials"] = {"model": "lss", "conditions": ["é"], "noise_model": None}
    model = Model.of(config)
    assert model.run.single_trials["conditions"] == ["\N{LATIN SMALL LETTER E WITH ACUTE}"]
    assert model.content()["Nodes"][0]["SingleTrials"]["Model"] == "lss"


def test_noise_of_single_trials_is_that_of_the_fit_unless_it_is_set(study):
    """One key for both, or one for each."""
    assert planned({"model": "lss"}).model.run.single_trials["noise_model"] == "ols"
    node = planned({"model": "lss", "noise_model": "ar1"}).model.run
    assert (node.single_trials["noise_model"], node.noise_model) == ("ar1", "ols")


def with_noise(of_fit, of_trials=None):
    """Plan of a study with noise models of its fit and of its single trials."""
    config = copy.deepcopy(CONFIG) | {"glm": {"noise_model": of_fit}}
    asked = {"model": "lss"} | ({"noise_model": of_trials} if of_trials else {})
    config["design"] = {**config["design"], "single_trials": asked}
    return start.plan(config, FOLDERS)


@pytest.mark.parametrize("of_fit", ["mixture", "arma11"])
def test_files_of_the_noise_are_read_where_it_is_that_of_the_fit(study, of_fit):
    """Named or not; single trials with another noise model have nothing to do with them."""
    files = {"noise": "file"}
    for of_trials in (None, of_fit):
        plan = with_noise(of_fit, of_trials)
        assert plan.model.run.single_trials["noise_model"] == of_fit
        assert plan.of_trials(files) == files
    plan = with_noise(of_fit, "ar1_corrected")
    assert plan.of_trials(files) == {}
    assert plan.model.run.noise_model == of_fit


@pytest.mark.parametrize("of_trials", ["mixture", "arma11"])
@pytest.mark.parametrize("of_fit", ["ar1", "mixture", "arma11"])
def test_noise_that_the_fit_does_not_find_is_refused_with_a_way_out(study, of_fit, of_trials):
    """Of either kind of fit; nothing else is refused."""
    if of_fit == of_trials:
        assert with_noise(of_fit, of_trials).targets.trials
        return
    message = f"(?s){of_trials} is the noise .* but glm.noise_model is {of_fit}"
    remedy = f"or one of: ols, ar1, ar1_corrected, ar1_pooled.*set glm.noise_model: {of_trials}"
    with pytest.raises(InputError, match=f"{message}.*{remedy}"):
        with_noise(of_fit, of_trials)
