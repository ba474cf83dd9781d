"""matplotlib as it comes, whatever the user's settings say: import this before it.

It reads a matplotlibrc of the working directory, of MATPLOTLIBRC and of the home folder as it is imported,
and styles of the home folder as pyplot is. One that is not UTF-8 would end the import.
"""

import contextlib
import os
from pathlib import Path

for _name in ("MPLBACKEND", "MATPLOTLIBRC"):
    os.environ.pop(_name, None)

OWN = Path(__file__).parent
"""Folder with an empty matplotlibrc, which is found first, and no styles."""

with contextlib.chdir(OWN):
    import matplotlib

    _given = matplotlib.get_configdir
    setattr(matplotlib, "get_configdir", lambda: os.fspath(OWN))  # noqa: B010  no assignment to a function
    try:
        import matplotlib.style
        from matplotlib.figure import Figure
        from matplotlib.transforms import Bbox
    finally:
        setattr(matplotlib, "get_configdir", _given)  # noqa: B010

matplotlib.rcdefaults()
matplotlib.use("Agg")
matplotlib.rcParams["text.parse_math"] = False  # a condition may be called win_$5

__all__ = ["Bbox", "Figure"]
