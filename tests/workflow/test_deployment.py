"""The workflow from a git repository, as snakedeploy writes it, and from workflow/Snakefile of a clone."""

import os
import re
import subprocess
import sys

import pytest
import yaml
from studies import ROOT, SMALL

EVENTS = "results/sub-01/sub-01_task-faces_run-1_events.tsv"
PAGE = (ROOT / "docs/deployment.md").read_text()
DEPLOYED = re.search(r"^```python\n(configfile:.*?)^```", PAGE, re.MULTILINE | re.DOTALL).group(1)


@pytest.fixture
def repository(own_workflow, tmp_path):
    """A git repository of this workflow with a tag, and its bare clone."""
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "a"], ["tag", "v0.1.0"]):
        subprocess.run(["git", *command], cwd=own_workflow, check=True)
    subprocess.run(["git", "clone", "-q", "--bare", own_workflow, tmp_path / "bare.git"], check=True)
    return own_workflow


def run(folder, tmp_path, *arguments):
    """Run Snakemake with a cache of its own, and with the bare clone in place of GitHub."""
    settings = tmp_path / "gitconfig"
    settings.write_text(
        f'[url "file://{tmp_path}/bare.git"]\n\tinsteadOf = https://github.com/owner/fmri-firstlevel\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "GIT_CONFIG_GLOBAL": str(settings)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("hosted", [True, False], ids=["github", "gitfile"])
def test_deployed_workflow_runs_from_its_tag(repository, tmp_path, hosted):
    """Stages import their package from the commit of the tag, although the clone has changed since."""
    (repository / "Snakefile").write_text("rule none:\n")
    text = DEPLOYED.replace("OWNER", "owner")
    if not hosted:
        text = text.replace('github("owner/fmri-firstlevel"', f'gitfile("{repository}"')
    folder = tmp_path / "deployed"
    (folder / "config").mkdir(parents=True)
    (folder / "config/config.yaml").write_text(yaml.safe_dump(SMALL))
    (folder / "Snakefile").write_text(text)
    run(folder, tmp_path, EVENTS)
    assert (folder / EVENTS).read_text().startswith("onset\tduration\ttrial_type\n")
    planned = run(folder, tmp_path, "--dry-run", "all")
    assert re.search(r"^plot_contrast +3$", planned, re.MULTILINE)


def test_snakefile_below_workflow_plans_what_the_top_one_plans(tmp_path):
    """As a main Snakefile, too, its default target is `all`."""
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(SMALL))
    tables = []
    for name in ("Snakefile", "workflow/Snakefile"):
        options = ["--snakefile", str(ROOT / name), "--configfile", "config.yaml"]
        shown = run(tmp_path, tmp_path, "--dry-run", *options)
        tables.append(shown.partition("Job stats:")[2].partition("total")[0])
    assert "all" in tables[0]
    assert tables[0] == tables[1]
