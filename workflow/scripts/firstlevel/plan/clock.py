"""Files with times in the future, from before the computer's clock was set back. Standard library only.

Snakemake refuses a job whose output would be older than its input, so no job could follow on such files
before their time has come.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

STEP = 1_000_000
"""ns between two files that are set back."""


def set_back(folders: Iterable[Path], signs: Iterable[Path]) -> int:
    """Give files below `folders` that are from the future a time just before now, in the order they had.

    Only looks where one of `signs`, files and folders to which every run writes, is from the future itself.
    Returns how many files were set back.
    """
    now = time.time_ns()
    if not any(sign.exists() and sign.stat().st_mtime_ns > now for sign in signs):
        return 0
    paths = [
        Path(place) / name for folder in folders for place, _, names in os.walk(folder) for name in names
    ]
    times = sorted((path.stat().st_mtime_ns, path) for path in paths if not path.is_symlink())
    future = [path for written, path in times if written > now]
    for k, path in enumerate(future):
        os.utime(path, ns=(now + (k - len(future)) * STEP,) * 2)
    return len(future)
