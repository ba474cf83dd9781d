"""Keep the user's shell environment from changing which packages are loaded and how figures look.

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
OTHER_BEHAVIOUR = ("PYTHON", "NUMBA_", "NUMPY_", "NPY_", "SCIPY_", "PANDAS_", "MPLBACKEND", "MATPLOTLIBRC")
"""How variables begin that change what the stages' packages do.

PYTHONWARNINGS=error ends a stage at the first warning of a library, PYTHONINSPECT waits for somebody to type,
numpy does not start with NPY_ENABLE_CPU_FEATURES beside our own choice, NUMBA_OPT may change numbers.
"""
KEPT = (
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHASHSEED",
    "PYTHONNOUSERSITE",
    "PYTHONPYCACHEPREFIX",
    "PYTHONUNBUFFERED",
    "NUMBA_CACHE_DIR",
)
"""Of these, what is about places and output alone."""


def isolate(environment: MutableMapping[str, str]) -> str | None:
    """Remove what would change or break the stages that this process starts; return a line to print.

    Packages from elsewhere are kept where the environment of this Python lacks some of the stages' own: they
    may be all that there is, as on clusters with modules. The line then says so.
    """
    for name in list(environment):
        if name.startswith(OTHER_BEHAVIOUR) and name not in (*KEPT, *OTHER_PACKAGES):
            del environment[name]
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
