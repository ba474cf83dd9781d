"""What the terminal shows of a wrong input, and that odd names of folders go through every rule."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml
from catalogue import config, onsets, volume
from small_study import analyse, contents, make
from studies import ROOT, Study, merged

MOST_LINES = 40
"""Of a run, whatever becomes of it."""
SUFFIXES = (".tsv", ".nii", ".img", ".hdr")


def study_in(folder):
    """The small study, with its config as it stands in the folder."""
    return Study(folder, yaml.safe_load((folder / "config.yaml").read_text()))


def data_of(folder):
    """State of all that the user gave but the config, which the test itself writes."""
    made = {".snakemake", "logs", "benchmarks"}
    return {
        path: state
        for path, state in contents(folder).items()
        if path.suffix in SUFFIXES and not made & set(path.relative_to(folder).parts)
    }


def told(done):
    """What a user sees, which is a message and no Python."""
    shown = done.stdout + done.stderr
    assert done.returncode == 1
    assert "Traceback" not in shown
    assert ", in <module>" not in shown
    return shown


def test_mistake_at_the_start_is_one_message(tmp_path):
    """No line of the rules, no job, no result."""
    folder = make(tmp_path / "study")
    config("contrasts", {"a": "__import__('os')"})(folder)
    before = data_of(folder)
    shown = told(study_in(folder).snakemake(check=False))
    assert "config key contrasts.a: \"__import__('os')\" is not a weighted sum of regressors" in shown
    assert "to do:" in shown
    assert not (folder / "results").exists()
    assert data_of(folder) == before


def without_study(folder, *arguments):
    """Run Snakemake in a folder, with a config that need not be one."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_config_that_is_no_yaml_is_told_with_its_file_and_row(tmp_path):
    """Before Snakemake reads it, which says less; the document quotes what that says."""
    (tmp_path / "fine.yaml").write_text("contrasts: {a: faces}\n")
    (tmp_path / "mine.yaml").write_text("contrasts: {a: faces}\nstudy: {source: table\n")
    configs = ("--configfile", "fine.yaml", "mine.yaml")
    for snakefile in (("--snakefile", str(ROOT / "Snakefile")), (f"--snakefile={ROOT / 'Snakefile'}",)):
        shown = told(without_study(tmp_path, *snakefile, *configs))
        assert "mine.yaml, row 2: is no YAML: did not find expected ',' or '}'" in shown
        assert "\n  expected: " in shown
        assert "\n  to do: " in shown
        assert len(shown.splitlines()) == 4
    shown = told(without_study(tmp_path, *snakefile, "--workflow-profile", "none", *configs))
    assert "Config file is not valid JSON or YAML." in shown
    assert "`Config file is not valid JSON or YAML.`" in (ROOT / "docs/wrong-inputs.md").read_text()
    assert not (tmp_path / "results").exists()


def test_default_config_that_is_no_yaml_is_told_so_as_well(own_workflow):
    """The one that `make run` takes, where no other is given."""
    path = own_workflow / "config/config.yaml"
    path.write_text(path.read_text() + "\tglm: {}\n")
    shown = told(without_study(own_workflow))
    assert (
        f"config/config.yaml, row {len(path.read_text().splitlines())}: is no YAML: found character" in shown
    )
    assert "to do: indent with blanks, not tabs" in shown


def test_mistakes_in_jobs_are_a_message_each_and_no_file(tmp_path):
    """The messages of the stages are on the terminal; nothing half done stays."""
    folder = make(tmp_path / "study")
    volume(7, lambda data: data * np.nan)(folder)
    onsets(lambda seconds: 1000 * seconds)(folder)
    study, before = study_in(folder), data_of(folder)
    targets = [study.result(f"run-1_{end}") for end in ("design.tsv", "desc-resampled_bold.nii")]
    shown = told(
        study.snakemake("--keep-going", *(str(path.relative_to(folder)) for path in targets), check=False)
    )
    assert "make_design_matrix stopped. events1.tsv: every event begins after the end of the run" in shown
    assert "resample_run stopped. run-1/f007.img: volume 7 has 990 NaN voxels" in shown
    assert shown.count("to do:") >= 2
    for failed in ("make_design_matrix", "resample_run"):
        assert f"Failed: {failed} sub-01_task-faces_run-1; log: logs/{failed}/sub-01/" in shown
    assert re.search(r"^Jobs: 1 done, 2 failed, 0 reused", shown, re.MULTILINE)
    assert len(shown.splitlines()) <= MOST_LINES
    assert not any(path.exists() for path in targets)
    assert not list(folder.rglob("*statmap*"))
    assert data_of(folder) == before


def test_run_shows_few_lines_and_its_log_and_verbose_the_rest(tmp_path):
    """Warnings with their logs, how far it is, and at last what was reused, and its time and log."""
    folder = make(tmp_path / "study")
    events = folder / "events1.tsv"
    events.write_text(events.read_text() + events.read_text().splitlines()[-1] + "\n")  # a row again
    study = study_in(folder)
    study.config = merged(study.config, {"study": {"events": {"repeated": "once"}}})
    targets = [str(study.result(f"run-{run}_design.tsv").relative_to(folder)) for run in (1, 2)]
    shown = study.snakemake(*targets).stderr.splitlines()
    assert len(shown) <= MOST_LINES
    assert max(map(len, shown)) < 300
    to_do = shown.index("To do: 4 jobs")
    progress = [
        line
        for line in shown[to_do:]
        if re.match(r"  \d+ of 4 jobs, 0:\d\d: \w+ sub-01_task-faces_run-", line)
    ]
    assert 1 <= len(progress) <= 4
    assert progress[-1].startswith("  4 of 4 jobs")
    warnings = [line for line in shown if line.startswith("Warning: ")]
    assert len(warnings) == 1
    assert "events1.tsv: 1 rows repeat an earlier row" in warnings[0]
    assert "make_design_matrix sub-01_task-faces_run-1; logs/make_design_matrix/sub-01/" in warnings[0]
    assert shown[-2] == "Jobs: 4 done, 0 reused (up to date)"
    log = re.fullmatch(r"Time: 0:\d\d; log: (.*)", shown[-1]).group(1)
    kept = Path(log).read_text()
    for text in (
        "rule make_design_matrix:",
        "4 of 4 steps (100%) done",
        "Job stats:",
        "Select jobs to execute",
    ):
        assert text in kept
    again = study.snakemake(*targets).stderr.splitlines()
    assert again[-3].startswith("Nothing to be done")
    assert again[-2] == "Jobs: 0 done, 4 reused (up to date)"
    events.write_text("\n".join(events.read_text().splitlines()[:-1]) + "\n")
    part = study.snakemake("--verbose", *targets).stderr
    assert "rule make_design_matrix:" in part
    assert "To do:" not in part


def test_folders_with_quotes_blanks_and_signs_of_the_shell_reach_the_stages(tmp_path):
    """Data, results and logs in such folders: the images are those of the plain chain, byte by byte."""
    odd = 'd\'\u00e9t\u00e9 "1"; $(touch hacked) & `b` \u8138'
    folder = make(tmp_path / odd)
    config("pathvars", {"results": f"maps of {odd}", "logs": f"logs of {odd}"})(folder)
    run = "sub-01/sub-01_task-faces_run-2"
    made = [f"{run}_desc-mean_boldref.nii.gz", f"{run}_desc-resampled_bold.nii", f"node-run/{run}_design.tsv"]
    study_in(folder).snakemake(*(f"maps of {odd}/{name}" for name in made))
    plain = make(tmp_path / "plain")
    analyse(plain)
    for name in made[:2]:  # the last bits of a design are those of the kernels, which the workflow chooses
        own = (folder / f"maps of {odd}" / name).read_bytes()
        assert own == (plain / "results" / name).read_bytes()
    assert (folder / f"maps of {odd}" / made[2]).is_file()
    assert list((folder / f"logs of {odd}").rglob("*.log"))
    assert not list(tmp_path.rglob("hacked"))
    assert not (ROOT / "hacked").exists()
