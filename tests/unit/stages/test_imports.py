"""What each stage loads: libraries that take long are only where nothing else does their work."""

import ast
import json
import subprocess
import sys

import pytest

from firstlevel.stage import SCRIPTS

HEAVY = ("nilearn", "pandas", "sklearn", "matplotlib.pyplot", "scipy.stats", "numba", "snakemake")
NEEDED = {"resample_run": {"numba"}, "simulate_dataset": {"numba"}}
"""What stages load of these as they are imported; all others load nothing of them."""
LATER = {
    "firstlevel/image/interpolation.py": {"nilearn.image"},  # only where resample.smoothing_fwhm asks for it
    "firstlevel/glm/confound_regressors.py": {"nilearn.interfaces.fmriprep"},  # only of its strategies
}
"""Files that import nilearn, now or when they come to it, and what of it."""
STAGES = sorted(path.stem for path in SCRIPTS.glob("*.py"))
LOADED = "import json, sys; sys.path.insert(0, {!r}); import {}; print(json.dumps(sorted(sys.modules)))"


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_loads_no_library_that_it_can_do_without(name):
    """Asked of a fresh interpreter that imports the stage as its job does."""
    command = [sys.executable, "-c", LOADED.format(str(SCRIPTS), name)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout)) & set(HEAVY) == NEEDED.get(name, set())


def test_nilearn_and_pandas_are_imported_in_these_places_alone():
    """Inside functions too: up to the z map, for what nilearn alone has."""
    found = {}
    for path in sorted([*SCRIPTS.glob("*.py"), *SCRIPTS.glob("firstlevel/**/*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            for module in modules:
                if module.partition(".")[0] in ("nilearn", "pandas", "sklearn"):
                    found.setdefault(path.relative_to(SCRIPTS).as_posix(), set()).add(module)
    assert found == LATER
