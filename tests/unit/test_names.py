"""Names of files: entities in their order, a folder for each level, no name twice."""

import re

import pytest

from firstlevel import names
from firstlevel.plan.runs import Run
from firstlevel.plan.study import Study

IMAGE = "sub-01_ses-a_task-x_dir-LR_run-2_space-MNIPediatricAsym_cohort-1_res-2_desc-preproc_bold.nii.gz"


def run_of(subject="01", session=None, run=None, image="b.nii", **others):
    return Run(subject, session, "x", run, (image,), "e.tsv", None, 2.0, others=tuple(others.items()))


def patterns():
    """Every pattern of the module, by its name."""
    own = {name: value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
    found = {name: value for name, value in own.items() if value.startswith(names.RESULTS + "/")}
    for node in names.NODES:
        for statistic in "tF":
            for kind, value in names.maps_of(statistic, node).items():
                found[f"{node} {statistic if kind == 'stat' else kind}"] = value
    found |= {kind: names.run_figure(kind) for kind in ("design", "events")}
    return found | {kind: names.contrast_figure(kind) for kind in ("zmap", "thresholds")}


def test_label_of_a_run_is_its_whole_prefix():
    """As BIDS orders entities, with the space of its images."""
    run = run_of(session="a", run="2", image=IMAGE, dir="LR")
    assert run.label == "sub-01_ses-a_task-x_dir-LR_run-2_space-MNIPediatricAsym_cohort-1_res-2"
    assert re.fullmatch(names.LABELLED, run.label)
    assert names.entities_in(run.label)["space"] == "MNIPediatricAsym"


def test_names_of_the_users_own_have_no_entities():
    """space-time.nii is no image in a space, nor has a BIDS name with an odd label one."""
    assert names.entities_of_image("/a/study_space-time_res-2.nii") == {}
    assert names.entities_of_image("sub-01_space-a!b_bold.nii") == {}


def test_unit_has_what_its_runs_share():
    """Runs of two cohorts are one unit of their space; a study of one session has it, too."""
    runs = [
        run_of(run=number, image=f"sub-01_run-{number}_space-MNI_cohort-{number}_res-2_bold.nii")
        for number in "12"
    ]
    [unit] = Study.of(runs).units.values()
    assert unit.label == "sub-01_task-x_space-MNI_res-2"
    [unit] = Study.of([run_of(session="a", run="1")], session="a").units.values()
    assert unit.label == "sub-01_ses-a_task-x"
    assert unit.title == "sub-01, session a, task x"


def test_two_spaces_have_no_name_in_common():
    """Of the same subject, in the same folder of results."""
    made = []
    for space in ("MNI", "T1w"):
        study = Study.of([run_of(run="1", image=f"sub-01_task-x_run-1_space-{space}_bold.nii")])
        [unit], [run] = study.units.values(), study.runs
        labels = {**unit.wildcards, **run.wildcards, "contrast": "c"}
        made.append(
            {value.format(**labels) for value in patterns().values() if "{run}" in value or "{unit}" in value}
        )
    assert not made[0] & made[1]


def test_no_two_files_of_a_run_and_its_unit_have_one_name():
    """Though both have the same label, as in a study of one run per subject."""
    labels = {"subject": "01", "run": "sub-01_task-x", "unit": "sub-01_task-x", "contrast": "c"}
    distinct = {}
    for value in patterns().values():
        distinct.setdefault(value.format(**labels), set()).add(value)
    assert all(len(same) == 1 for same in distinct.values())


@pytest.mark.parametrize("label", ["sub-01", "sub-01_task-x_run-1", "sub-A+1_task-x_space-T1w_den-10k"])
def test_wildcards_take_labels_and_nothing_behind_them(label):
    """A name ends its label where something begins that is no entity of it."""
    assert re.fullmatch(names.LABELLED, label)
    for more in ("_contrast-a", "_desc-b", "_stat-z", "_x", "/", "_run-"):
        assert not re.fullmatch(names.LABELLED, label + more)


def test_path_of_a_result(tmp_path):
    """Below the folder of the results, and alone."""
    path = names.below(tmp_path, names.DESIGN, subject="01", run="sub-01_task-x")
    assert path == tmp_path / "node-run/sub-01/sub-01_task-x_design.tsv"
    assert names.last(names.DESIGN, run="sub-01_task-x") == path.name
