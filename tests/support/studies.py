"""The whole workflow in a folder of its own: how tests call it, and the small study that most run."""

import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import forks
import nibabel as nib
import yaml

ROOT = Path(__file__).parents[2]
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
    "resample": {"keep": True},
    "outputs": ["maps", "figures"],
}
"""A study that the whole workflow goes through in seconds, without the pages of its report."""


ALL_OUTPUTS = ["maps", "figures", "inference", "quality", "report"]
"""All outputs, as by default."""
OF_RUN = re.compile(
    r"(design\.(tsv|json)|glm\.json|stat-(beta|sigma2|ar1|arma|posterior|rsquared|taskrsquared|tsnr)_.*"
    r"|desc-(quality|signal|sample|noise)_.*)$"
)
OF_SUBJECT = re.compile(r"(space-\w+?_)?(contrasts\.tsv|quality\.\w+|desc-brain_mask.*)$")


def folder_of(name):
    """Folder below the results of a file whose name ends so, of one subject."""
    if "contrast-" in name:
        return "node-run/" if "run-" in name else "node-subject/"
    if OF_RUN.search(name):
        return "node-run/"
    return "node-subject/" if OF_SUBJECT.match(name) else ""


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

    def result(self, name, subject="01", session=""):
        """Path of a result of a subject, by the end of its name."""
        folder = self.folder / f"results/{folder_of(name)}sub-{subject}"
        return folder / f"sub-{subject}{session}_task-{self.task}_{name}"

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
