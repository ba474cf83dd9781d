"""Python as `make run` sets it up: what envs/run.lock.txt does not name cannot be imported.

``python run_lock.py MODULE ARGUMENT...`` is ``python -m MODULE ARGUMENT...`` in that environment.
"""

import importlib.abc
import importlib.metadata
import re
import runpy
import sys
from pathlib import Path

LOCK = Path(__file__).parents[2] / "envs/run.lock.txt"


class _Locked(importlib.abc.MetaPathFinder):
    """Refuses the modules of packages that are installed, but not in the lock."""

    def __init__(self):
        locked = set(re.findall(r"^([a-z0-9-]+)==", LOCK.read_text(), re.MULTILINE)) | {"pip", "setuptools"}
        self.refused = {
            module
            for module, packages in importlib.metadata.packages_distributions().items()
            if not {re.sub(r"[-_.]+", "-", package).lower() for package in packages} & locked
        }

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.refused:
            raise ModuleNotFoundError(f"No module named {name!r} in {LOCK.name}", name=name)


if __name__ == "__main__":
    sys.meta_path.insert(0, _Locked())
    del sys.argv[0]
    sys.path[0] = ""
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
