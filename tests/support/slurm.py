"""A one-node SLURM on loopback: its daemons start, and stop, with a `with` block.

It needs root and Debian's slurmctld, slurmd, slurm-client and munge. Folders, munge's key and its socket are
its own. The configuration alone is at the default place, because srun in a job looks nowhere else; one that
is already there is left alone, and nothing starts.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
CONFIGURATION = Path("/etc/slurm/slurm.conf")
MARK = "# made by tests/support/slurm.py, process "
TEMPLATE = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobs.txt
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=16000
PartitionName=test Nodes=ALL Default=YES MaxTime=1-0 State=UP
"""


def why_not() -> str | None:
    """What keeps the cluster from being started here, or None."""
    paths = os.environ["PATH"] + ":/usr/sbin"
    if missing := [name for name in PROGRAMS if not shutil.which(name, path=paths)]:
        return f"these programs of SLURM are missing: {', '.join(missing)}"
    if os.geteuid() != 0:
        return "only root can start SLURM's daemons"
    if CONFIGURATION.exists():
        first = CONFIGURATION.read_text().partition("\n")[0]
        if not first.startswith(MARK) or Path(f"/proc/{first.removeprefix(MARK)}").exists():
            return f"{CONFIGURATION} belongs to another cluster"
    return None


def wait_for(what: str, check, seconds: float = 30) -> None:
    """Return when `check` holds."""
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.1)


def output_of(*command: str) -> str:
    """What a command prints, nothing where it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@contextmanager
def cluster() -> Iterator[Path]:
    """Folder of a running cluster: `jobs.txt` lists the jobs that ended, `*.log` what the daemons say."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key, host = folder / "munge.key", socket.gethostname().partition(".")[0]
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    files = [f"--{kind}-file={folder}/munged.{kind}" for kind in ("log", "pid", "seed")]
    munged = [
        "munged",
        "--foreground",
        "--force",
        f"--socket={folder}/munge.socket",
        f"--key-file={key}",
        *files,
    ]
    daemons: list[subprocess.Popen] = []

    def start(*command: str) -> None:
        environment = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
        with (folder / f"{command[0]}.log").open("ab") as log:
            daemons.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))

    CONFIGURATION.parent.mkdir(exist_ok=True)
    CONFIGURATION.write_text(f"{MARK}{os.getpid()}\n{TEMPLATE.format(folder=folder, host=host)}")
    try:
        start(*munged)
        wait_for("munged", (folder / "munge.socket").exists)
        start("slurmctld", "-D")
        start("slurmd", "-D", "-N", host)
        wait_for("the node", lambda: output_of("sinfo", "--noheader", "--format=%T").strip() == "idle")
        yield folder
    finally:
        output_of("scancel", f"--user={os.getuid()}")
        try:
            wait_for("the last job's end", lambda: not output_of("squeue", "--noheader"))
        finally:
            for daemon in reversed(daemons):
                daemon.send_signal(signal.SIGTERM)
                daemon.wait(timeout=30)
            CONFIGURATION.unlink()
            shutil.rmtree(folder, ignore_errors=True)
