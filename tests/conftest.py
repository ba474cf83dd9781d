"""What tests of the whole workflow share: how it is called, and one finished small study."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import forks
import nibabel as nib
import pytest
import yaml

from chromium import Browser, find_chromium

ROOT = Path(__file__).parents[1]
SMALL = {
    "study": {
        "source": "simulated",
        "repetition_time": 2.0,
        "event_duration": 1.0,
        "simulated": {"n_scans": 48, "shape": [26, 30, 16], "voxel_size": [7.0, 7.0, 8.0]},
    },
    "contrasts": {
        "facesMinusScrambled": "faces - scrambled",
        "scrambledMinusFaces": "scrambled - faces",
        "effectsOfInterest": ["faces", "scrambled"],
    },
    "report": False,
}
"""A study that the whole workflow goes through in seconds, without the pages of its report."""


def pytest_addoption(parser):
    parser.addoption(
        "--full-size", action="store_true", help="2 x 390 volumes of 64 x 64 x 32 where it matters"
    )
    parser.addoption(
        "--write-catalogue", action="store_true", help="write config/WRONG_INPUTS.md from tests/faults"
    )
    parser.addoption(
        "--draws", type=int, default=0, help="kill so many runs, and run all long tests of faults"
    )


def merged(config, changes):
    """Copy of a nested config with some values changed."""
    if not isinstance(config, dict) or not isinstance(changes, dict):
        return changes
    return {**config, **{key: merged(config.get(key, {}), value) for key, value in changes.items()}}


@dataclass
class Study:
    """A working directory with a config, run by the workflow in `root`."""

    folder: Path
    config: dict
    root: Path = ROOT
    task: str = "faces"

    @property
    def results(self):
        return self.folder / "results" / "sub-01"

    def result(self, name):
        return self.results / f"sub-01_task-{self.task}_{name}"

    def z_map(self, contrast):
        return nib.load(self.result(f"contrast-{contrast}_stat-z_statmap.nii.gz"))

    def command(self, *arguments, changes=None, under=()):
        """Command that runs Snakemake in the study's folder, under another command.

        `changes` are changed config keys of this one call.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        configfile = self.folder / "config.yaml"
        config = yaml.safe_dump(merged(self.config, changes or {}), sort_keys=False)
        if not configfile.exists() or configfile.read_text() != config:  # others may be reading it
            configfile.write_text(config)
        command = [*under, sys.executable, "-m", "snakemake", "--snakefile", str(self.root / "Snakefile")]
        command += ["--cores", "2", "--directory", str(self.folder)]
        return [*command, *arguments, "--configfile", str(configfile)]

    def snakemake(self, *arguments, changes=None, check=True, under=()):
        """Run the :meth:`command` to its end; a plan is made in a fork."""
        command = self.command(*arguments, changes=changes, under=under)
        if "--dry-run" in arguments:
            done = forks.snakemake(command[3:], self.root)
        else:
            done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"snakemake failed:\n{done.stdout}\n{done.stderr}")
        return done

    def planned(self, *arguments, changes=None):
        """Jobs that would run, as a count per rule."""
        shown = self.snakemake("--dry-run", *arguments, changes=changes).stdout
        table = shown.partition("Job stats:")[2].partition("total")[0]
        jobs = Counter(
            {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}
        )
        assert jobs or "Nothing to be done" in shown or re.search("^total +0$", shown, re.MULTILINE)
        del jobs["all"]
        return dict(jobs)


@pytest.fixture(scope="session")
def small_study(tmp_path_factory):
    """The small study, finished, with its pages. Tests leave its files as they are, or copy the folder.

    It is one for all processes of pytest-xdist: the first that needs it makes it, and others wait.
    """
    if find_spec("snakemake") is None:
        pytest.skip("no Snakemake in this environment, as beside nilearn 0.14")
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    study = Study(base / "small", SMALL | {"report": True})
    with (base / "small.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if not lock.read():
            study.snakemake()
            lock.write("finished")
    return study


@pytest.fixture
def long_tests(request):
    """How many runs to kill; a test of faults that takes long skips without `--draws`."""
    draws = request.config.getoption("--draws")
    if not draws:
        pytest.skip("takes minutes: `make faults` runs it")
    return draws


@pytest.fixture(scope="session")
def browser():
    """One headless Chromium without network for all pages; a test that needs it skips where there is none."""
    if find_chromium() is None:
        pytest.skip("no Chromium: install chromium, chromium-browser or google-chrome to test the pages")
    with Browser() as started:
        yield started


@pytest.fixture
def own_workflow(tmp_path):
    """Copy of the workflow that a test may edit."""
    ignored = shutil.ignore_patterns(".*", "results", "data", "logs", "benchmarks", "tests", "__pycache__")
    return Path(shutil.copytree(ROOT, tmp_path / "workflow", ignore=ignored, symlinks=True))


@pytest.fixture(scope="session")
def real_data():
    """Folder of the SPM auditory volumes; a test that needs it skips where it is not set."""
    folder = os.environ.get("FIRSTLEVEL_REAL_DATA")
    if not folder:
        pytest.skip("FIRSTLEVEL_REAL_DATA is not set: it names the folder of the SPM auditory (MoAE) volumes")
    return Path(folder)
