"""A study that is hurt while it runs: what runs of it, what is half done, and what its files are."""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import time
from base64 import urlsafe_b64decode
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import nibabel as nib
import numpy as np
import scipy.io
from PIL import Image
from studies import ALL_OUTPUTS, Study, merged

MAPS = {"outputs": ["maps"]}
"""Changes of the config: only what leads to maps, which takes seconds."""
FIGURES = {"outputs": ["maps", "figures"]}
PAGES = {"outputs": ALL_OUTPUTS}
PATIENCE = 300.0
"""Seconds until a run that should end counts as hanging."""


def _image(path):
    if path.suffix == ".gz":
        with gzip.open(path) as file:
            file.read()  # to the checksum
    np.asanyarray(nib.load(path).dataobj)


def _picture(path):
    with Image.open(path) as picture:
        picture.load()


def _ends_with(text):
    def check(path):
        if not path.read_bytes().endswith(text):
            raise ValueError(f"does not end with {text!r}")

    return check


WHOLE = {
    ".nii": _image,
    ".npy": np.load,
    ".gz": _image,
    ".img": _image,
    ".hdr": _image,
    ".json": lambda path: json.loads(path.read_bytes()),
    ".tsv": _ends_with(b"\n"),
    ".bidsignore": _ends_with(b"\n"),
    ".snakemake_timestamp": lambda path: None,  # Snakemake's, of a folder, and empty
    ".png": _picture,
    ".html": _ends_with(b"</html>\n"),
    ".mat": scipy.io.loadmat,
}
"""By the end of a name, what reads a file to its end, and fails where it is not whole."""


def problem(path):
    """Why a file is not whole, or None; a file that has gone in the meantime is no problem."""
    try:
        WHOLE[path.suffix or path.name](path)
    except FileNotFoundError:
        return None
    except Exception as error:
        return f"{path}: {type(error).__name__}: {error}"
    return None


def files(folder):
    """Every file below a folder, as it is now."""
    return [Path(place) / name for place, _, names in os.walk(folder) for name in names]


def is_temporary(path, folder):
    """Whether a name says that it is not final."""
    names = (".bidsignore", ".snakemake_timestamp")
    return any(part.startswith(".") and part not in names for part in path.relative_to(folder).parts)


def leftovers(study):
    """What is left under the name of something unfinished."""
    folders = [study.folder / name for name in ("results", "data")]
    return [path for folder in folders for path in files(folder) if is_temporary(path, folder)]


def digests(study):
    """Digest of every file below the results, by its name there."""
    folder = study.folder / "results"
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files(folder)}


def different(study, undisturbed):
    """Names below the results that the undisturbed study does not have, or that differ from its file."""
    known = digests(undisturbed)
    return sorted(name for name, digest in digests(study).items() if known.get(name) != digest)


def raw_copy(undisturbed, folder, changes):
    """Study with the raw volumes of another, linked, and what Snakemake knows of them; not yet analysed."""
    shutil.copytree(undisturbed.folder / "data", folder / "data", copy_function=os.link)
    known = undisturbed.folder / ".snakemake/metadata"
    for record in files(known):
        name = str(record.relative_to(known)).replace("/@", "").replace("/", "").lstrip("@")
        if urlsafe_b64decode(name).startswith(b"data/"):
            target = folder / ".snakemake/metadata" / record.relative_to(known)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(record, target)
    return Study(folder, merged(undisturbed.config, changes))


def processes(folder):
    """Stage (or None) of every process that works in a folder, by its number."""
    found = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and (entry / "cwd").readlink() == folder:
                command = (entry / "cmdline").read_bytes().decode().split("\0")
                stages = [re.search(r"\.snakemake/scripts/\w+\.(\w+)\.py$", word) for word in command]
                found[int(entry.name)] = next((match[1] for match in stages if match), None)
    return found


@dataclass
class Running:
    """A run of a study in a process group of its own, whose files are looked at while it goes on.

    Attributes
    ----------
    steps : jobs that Snakemake has called done.
    broken : what was found under a final name and was not whole.
    looked : how many files were looked at.
    """

    study: Study
    arguments: tuple[str, ...] = ()
    under: tuple[str, ...] = ()
    steps: int = 0
    broken: list[str] = field(default_factory=list)
    looked: int = 0

    def __enter__(self):
        self._seen = {}
        self.study.folder.mkdir(parents=True, exist_ok=True)
        self._said = (self.study.folder / "said.log").open("w+b")
        self._process = subprocess.Popen(
            self.study.command(*self.arguments, under=self.under),
            cwd=self.study.root,
            stdout=self._said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_):
        self.kill()
        self._said.close()

    def look(self):
        """Look at every file that came since the last look."""
        for folder in (self.study.folder / "results", self.study.folder / "data"):
            for path in files(folder):
                with suppress(FileNotFoundError):
                    state = path.stat()
                    now = (state.st_ino, state.st_mtime_ns)
                    if not is_temporary(path, folder) and self._seen.get(path) != now:
                        self._seen[path] = now
                        self.looked += 1
                        self.broken += filter(None, [problem(path)])
        self.steps = len(re.findall(rb" of \d+ steps \(", Path(self._said.name).read_bytes()))

    def wait_for(self, condition):
        """Look until something is so, or the run has ended; tell which."""
        start = time.monotonic()
        while not (true := condition()) and self._process.poll() is None:
            assert time.monotonic() - start < PATIENCE, self.said()
            self.look()
            time.sleep(0.02)
        return bool(true)

    def wait(self):
        """Return the exit status, once the run has ended by itself."""
        self.wait_for(lambda: False)
        self.look()
        return self._process.returncode

    @contextmanager
    def held(self):
        """Hold the whole group while something else happens."""
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)

    def kill(self):
        """End the whole group at once; return the stages that ran, and processes that are still there."""
        running = processes(self.study.folder)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        start = time.monotonic()
        while (alive := processes(self.study.folder)) and time.monotonic() - start < 5.0:
            time.sleep(0.01)
        self.look()
        return sorted(stage for stage in running.values() if stage), alive

    def said(self):
        """Return all that Snakemake has written."""
        return Path(self._said.name).read_text()


@dataclass(frozen=True)
class Killed:
    """What one kill met and left.

    Attributes
    ----------
    steps : jobs that were done since the start.
    stages : what ran.
    looked : files that were looked at.
    problems : files under a final name that were not whole, and processes that outlived the kill.
    """

    steps: int
    stages: list[str]
    looked: int
    problems: list[object]


def killed(study, steps, delay):
    """Start a study, kill its whole process group `delay` s after so many jobs are done, and unlock it.

    None where it came to its end before.
    """
    with Running(study) as run:
        run.wait_for(lambda: run.steps >= steps)
        end = time.monotonic() + delay
        if not run.wait_for(lambda: time.monotonic() >= end):
            assert run.wait() == 0, run.said()
            return None
        stages, alive = run.kill()
    shutil.rmtree(study.folder / ".snakemake/locks", ignore_errors=True)  # what --unlock does
    return Killed(run.steps, stages, run.looked, [*run.broken, *alive.items()])


def finished(study):
    """Start a study and let it finish; files that were not whole under a final name."""
    with Running(study) as run:
        assert run.wait() == 0, run.said()
    return run.broken
