"""Commands of the documents, planned on a small study in place of the reader's."""

import re

import forks
import pytest
import yaml
from documents import COMMANDS
from studies import ROOT, SMALL

ELSEWHERE = {"--report", "--unlock", "--profile", "config/spm_multimodal.yaml"}
"""Of commands that other tests run, or that download."""
PLAIN = {"-n", "--keep-going", "--directory", "/data/faces"}
"""What makes no other plan of a command."""
PLANNED = sorted(
    {
        tuple(word for word in words[1:] if word not in PLAIN)
        for _, words in COMMANDS
        if words[0] == ".venv/bin/snakemake" and not ELSEWHERE & set(words)
    }
)


@pytest.mark.parametrize("words", PLANNED, ids=" ".join)
def test_commands_of_the_documents_plan_a_study(words, tmp_path):
    """From a folder like a clone, where configs and profiles are found by the paths of the pages."""
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(SMALL))
    for name in ("Snakefile", "config", "workflow", "profiles", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    done = forks.snakemake([*words, "--dry-run"], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^simulate_dataset +1$", done.stdout, re.MULTILINE)
