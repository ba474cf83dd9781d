"""The workflow used from another folder, and as a module of another workflow."""

import os
import re
import subprocess
import sys

import forks
import pytest
import yaml
from studies import ROOT, SMALL, Study, merged

pytestmark = pytest.mark.slow

DEPLOYMENT = (ROOT / "docs/deployment.md").read_text()
README_MODULE = re.search(
    r"^```python\n(module firstlevel:.*?)^```", DEPLOYMENT, re.MULTILINE | re.DOTALL
).group(1)
EVENTS = "results/sub-01/sub-01_task-faces_run-1_events.tsv"
ONE_EVENTS_TABLE = {"fl_simulate_dataset": 1, "fl_read_headers": 1, "fl_make_design_matrix": 1}


def run(folder, *arguments):
    """Run Snakemake in a folder, which need not be that of the workflow; gives how it ended."""
    arguments = ["--cores", "2", *arguments]
    if "--dry-run" in arguments:
        done = forks.snakemake(arguments, folder)
    else:
        command = [sys.executable, "-m", "snakemake", *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done


def snakemake(folder, *arguments):
    """Standard output of a run that ends well."""
    done = run(folder, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def jobs(folder, *arguments):
    """Count of planned jobs per rule."""
    table = snakemake(folder, "--dry-run", *arguments).partition("Job stats:")[2].partition("total")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


@pytest.fixture(params=["here", "elsewhere"])
def cwd(request, tmp_path):
    """Folder that a command is started in: the study's own, or one that has nothing to do with it."""
    folder = tmp_path / request.param
    folder.mkdir()
    return folder


def test_directory_and_snakefile_are_enough(tmp_path, cwd):
    """All files are made below --directory, wherever the command is started."""
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(SMALL))
    study = tmp_path / "here"
    snakemake(
        cwd,
        *(EVENTS, "--snakefile", str(ROOT / "Snakefile"), "--directory", os.path.relpath(study, cwd)),
        *("--configfile", os.path.relpath(tmp_path / "config.yaml", cwd)),
    )
    made = {path.name for path in study.iterdir()}
    assert made == {".snakemake", "benchmarks", "data", "logs", "results"}
    assert (study / EVENTS).read_text().startswith("onset\tduration\ttrial_type\n")
    assert cwd == study or not [path for path in cwd.iterdir() if path.name != ".snakemake"]


@pytest.fixture
def importer(tmp_path):
    """Write the Snakefile and the config of another workflow, and give its folder."""

    def write(module=README_MODULE, config=SMALL, before="", after=""):
        text = module.replace("/path/to/fmri-firstlevel", str(ROOT))
        (tmp_path / "Snakefile").write_text(f'configfile: "mine.yaml"\n\n{before}\n{text}\n{after}')
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"firstlevel": config, "of": "another workflow"}))
        return tmp_path

    return write


OWN = f"""
rule count:
    input: "{EVENTS}"
    output: "count.txt"
    shell: "wc -l {{input}} > {{output}}"
"""


def test_module_of_the_readme_runs_in_another_workflow(importer):
    """A rule of another workflow takes a file of this one; names of rules and configs keep apart."""
    folder = importer(after=OWN)
    assert jobs(folder, "count") == ONE_EVENTS_TABLE | {"count": 1}
    snakemake(folder, "count")
    assert (folder / "count.txt").read_text().endswith(f" {EVENTS}\n")
    assert jobs(folder, "count") == {}


@pytest.mark.parametrize("prefix", ["", "other/"])
def test_module_ends_as_the_workflow_does(importer, prefix):
    """Its table and summary beside the importer's handlers; nothing where none of its jobs ran."""
    module = README_MODULE
    if prefix:
        module = module.replace("    config:", '    prefix:\n        "other"\n    config:')
    own = OWN.replace(EVENTS, prefix + EVENTS)
    handler = '\nonsuccess:\n    shell("touch handled.txt")\n'
    folder = importer(module=module, after=f'{own}{handler}\nrule alone:\n    output: touch("alone.txt")\n')
    table = folder / f"{prefix}results/runs.tsv"
    snakemake(folder, "alone")
    snakemake(folder, "--dry-run", "count")
    assert not table.exists()
    shown = run(folder, "count").stderr
    assert f"Subjects: 1 unfinished; {prefix}results/runs.tsv lists every run." in shown
    assert "localrules" not in shown
    assert (folder / "handled.txt").exists()
    rows = table.read_text().splitlines()
    assert [row.split("\t")[:4] for row in rows[1:]] == [
        ["01", "n/a", "faces", "1"],
        ["01", "n/a", "faces", "2"],
    ]
    assert all("unfinished" in row for row in rows[1:])


def test_module_tells_what_failed(importer):
    """The subject and the message, in the table of runs and at the end."""
    folder = importer(after=OWN)
    snakemake(folder, f"{EVENTS}".replace("_events.tsv", "_headers.json"))
    (folder / "data/simulated/sub001/fMRI/trials_ses1.mat").write_text("no matrix")
    done = run(folder, "count")
    assert done.returncode == 1
    assert "Subjects: 1 failed; results/runs.tsv lists every run." in done.stderr
    assert "failed\tmake_design_matrix stopped. " in (folder / "results/runs.tsv").read_text()


def test_module_plans_what_the_workflow_plans(importer, tmp_path):
    """Every rule of the whole study is there by its new name, and none is lost."""
    own = Study(tmp_path / "own", SMALL).planned()
    assert jobs(importer(), "fl_all") == {f"fl_{rule}": count for rule, count in own.items()} | {"fl_all": 1}


def test_importer_s_first_rule_stays_its_default(importer):
    """`snakemake` without a target makes what the importing workflow is about."""
    folder = importer(module=README_MODULE.partition("rule all:")[0], before=OWN)
    assert jobs(folder) == ONE_EVENTS_TABLE | {"count": 1}


def test_module_without_config_is_the_default_study(importer):
    """The default config is found beside this Snakefile, not beside the importer's."""
    folder = importer()
    text = (folder / "Snakefile").read_text()
    for part in ('configfile: "mine.yaml"\n', '    config:\n        config["firstlevel"]\n'):
        assert part in text
        text = text.replace(part, "")
    (folder / "Snakefile").write_text(text)
    assert jobs(folder, "fl_all")["fl_plot_contrast"] == 3


def test_two_studies_in_one_workflow(importer):
    """A prefix, or pathvars in the config, keep two modules apart."""
    second = """
module other:
    snakefile:
        "/path/to/fmri-firstlevel/Snakefile"
    config:
        config["firstlevel"] | {"contrasts": {"one": "faces"}, "pathvars": {"results": "second"}}
    prefix:
        "other"


use rule * from other as other_*
"""
    planned = jobs(importer(module=README_MODULE + second), "fl_all", "other_all")
    assert (planned["fl_plot_contrast"], planned["other_plot_contrast"]) == (3, 1)
    shown = snakemake(importer(module=README_MODULE + second), "--dry-run", "other_describe_dataset")
    assert "other/second/dataset_description.json" in shown


def test_two_clones_in_one_workflow_do_not_share_their_code(importer, own_workflow):
    """Another version beside this one: each plans with its own package."""
    path = own_workflow / "workflow/scripts/firstlevel/names.py"
    text = path.read_text()
    assert '"_quality.tsv"' in text
    path.write_text(text.replace('"_quality.tsv"', '"_judged.tsv"'))
    second = f"""
module other:
    snakefile:
        "{own_workflow}/Snakefile"
    config:
        config["firstlevel"] | {{"outputs": ["quality"]}}
    prefix:
        "other"


use rule * from other as other_*
"""
    config = SMALL | {"outputs": ["quality"]}
    for modules in (README_MODULE + second, second + README_MODULE):
        folder = importer(module=modules, config=config)
        for rule, end in (("fl_judge_quality", "_quality.tsv"), ("other_judge_quality", "_judged.tsv")):
            shown = snakemake(folder, "--dry-run", "fl_all", "other_all").partition(f"rule {rule}:")[2]
            assert f"sub-01_task-faces{end}" in shown.partition("log:")[0]


def test_results_in_the_folder_of_another_dataset_stop_the_start(tmp_path):
    """The description of raw data is not replaced by that of the results."""
    study = Study(tmp_path / "study", merged(SMALL, {"pathvars": {"results": "raw"}}))
    (study.folder / "raw").mkdir(parents=True)
    description = study.folder / "raw/dataset_description.json"
    description.write_text('{"Name": "raw data", "BIDSVersion": "1.8.0"}')
    done = study.snakemake(check=False)
    assert done.returncode == 1
    assert "raw/dataset_description.json: describes a dataset that this workflow did not make" in done.stderr
    assert "raw data" in description.read_text()
    assert not (study.folder / "data").exists()
