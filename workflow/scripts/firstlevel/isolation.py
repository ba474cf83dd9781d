"""What the environment of a user's shell may not decide: which packages are loaded, how figures look.

Clusters set PYTHONPATH, Jupyter sets MPLBACKEND: both reach every job. Standard library only.
"""

from __future__ import annotations

import importlib.machinery
import os
import sysconfig
from collections.abc import Iterator, MutableMapping

PACKAGES = ("numpy", "scipy", "nibabel", "pandas", "matplotlib", "numba", "nilearn")
"""What the stages load."""
OTHER_PACKAGES = ("PYTHONPATH", "PYTHONHOME")
OTHER_BEHAVIOUR = (
    "PYTHONWARNINGS",  # error ends a stage at the first warning of a library
    "PYTHONOPTIMIZE",
    "PYTHONSAFEPATH",  # a stage finds the package beside its script
    "MPLBACKEND",
    "MATPLOTLIBRC",
    "NUMBA_DISABLE_JIT",
)


def isolate(environment: MutableMapping[str, str]) -> str | None:
    """Remove what would change or break the stages that this process starts; return a line to print.

    Packages from elsewhere are kept where the environment of this Python lacks some of the stages' own: they
    may be all that there is, as on clusters with modules. The line then says so.
    """
    for name in OTHER_BEHAVIOUR:
        environment.pop(name, None)
    if missing := [package for package in PACKAGES if not _is_here(package)]:
        if any(environment.get(name) for name in OTHER_PACKAGES):
            return (
                f"{', '.join(missing)} are not in the environment of this Python: packages are taken from "
                "PYTHONPATH, whose versions may differ from those of envs/run.lock.txt"
            )
        return None
    for name in OTHER_PACKAGES:
        environment.pop(name, None)
    environment["PYTHONNOUSERSITE"] = "1"
    return None


def _is_here(package: str) -> bool:
    """Whether the environment of this Python itself has a package."""
    folders = list(_site_packages())
    return importlib.machinery.PathFinder.find_spec(package, folders) is not None


def _site_packages() -> Iterator[str]:
    paths = sysconfig.get_paths()
    yield from dict.fromkeys(os.fspath(paths[kind]) for kind in ("platlib", "purelib"))
