"""Wall time, CPU time and peak memory of a command with all processes that it starts."""

import os
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

POLL = 0.25
"""Seconds between two looks at the memory of the process tree; looking more often slows what is measured."""
MB = 1e6


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds, and peak memory in MB of the largest process and of all together."""

    wall: float
    cpu: float
    largest: float
    tree: float


def cost_of(
    command: list[str], folder: Path, variables: dict[str, str] | None = None, poll: float = POLL
) -> Cost:
    """Run a command to its end, on as many cores as the machine has, and account for it.

    CPU time and the largest process are the kernel's own accounting of everything waited for; the memory of
    the tree is the largest sum of proportional set sizes that polling saw, every `poll` seconds.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= variables or {}
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
        peak, ended = [0.0], threading.Event()
        watcher = threading.Thread(target=_watch, args=(process.pid, peak, ended, poll))
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        ended.set()
        watcher.join()
    if status:
        raise RuntimeError(f"{' '.join(command)} failed:\n{(folder / 'output.txt').read_text()}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / MB, peak[0] / MB)


def _watch(pid: int, peak: list[float], ended: threading.Event, poll: float) -> None:
    root = psutil.Process(pid)
    while not ended.wait(poll):
        total = 0
        try:
            for process in (root, *root.children(recursive=True)):
                total += _resident(process)
        except psutil.NoSuchProcess:
            continue
        peak[0] = max(peak[0], total)


def _resident(process: psutil.Process) -> int:
    """Bytes of a process, memory that it shares with others counted in part."""
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
    except (OSError, StopIteration):
        try:
            return process.memory_info().rss
        except psutil.NoSuchProcess:
            return 0
