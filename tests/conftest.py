"""Fixtures of the whole workflow, one finished small study among them, and the options of the tests."""

import fcntl
import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from chromium import Browser, find_chromium
from studies import ALL_OUTPUTS, ROOT, SMALL, Study


def pytest_addoption(parser):
    parser.addoption(
        "--full-size", action="store_true", help="2 x 390 volumes of 64 x 64 x 32 where it matters"
    )
    parser.addoption(
        "--write-catalogue", action="store_true", help="write docs/wrong-inputs.md from tests/faults"
    )
    parser.addoption(
        "--draws", type=int, default=0, help="kill so many runs, and run all long tests of faults"
    )


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """One thread of BLAS for each process of tests: they share the cores."""
    import scipy.linalg  # noqa: F401 - loads its BLAS beside numpy's
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def small_study(tmp_path_factory):
    """The small study, finished, with its pages. Tests leave its files as they are, or copy the folder.

    It is one for all processes of pytest-xdist: the first that needs it makes it, and others wait.
    """
    if find_spec("snakemake") is None:
        pytest.skip("no Snakemake in this environment, as beside nilearn 0.14")
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    study = Study(base / "small", SMALL | {"outputs": ALL_OUTPUTS})
    with (base / "small.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if not lock.read():
            study.snakemake()
            lock.write("finished")
    return study


@pytest.fixture
def long_tests(request):
    """How many runs to kill; a test of faults that takes long skips without `--draws`."""
    draws = request.config.getoption("--draws")
    if not draws:
        pytest.skip("takes minutes: `make faults` runs it")
    return draws


@pytest.fixture(scope="session")
def browser():
    """One headless Chromium without network for all pages; a test that needs it skips where there is none."""
    if find_chromium() is None:
        pytest.skip("no Chromium: install chromium, chromium-browser or google-chrome to test the pages")
    with Browser() as started:
        yield started


@pytest.fixture
def own_workflow(tmp_path):
    """Copy of the workflow that a test may edit."""
    ignored = shutil.ignore_patterns(".*", "results", "data", "logs", "benchmarks", "tests", "__pycache__")
    return Path(shutil.copytree(ROOT, tmp_path / "workflow", ignore=ignored, symlinks=True))


@pytest.fixture(scope="session")
def real_data():
    """Folder of the SPM auditory volumes; a test that needs it skips where it is not set."""
    folder = os.environ.get("FIRSTLEVEL_REAL_DATA")
    if not folder:
        pytest.skip("FIRSTLEVEL_REAL_DATA is not set: it names the folder of the SPM auditory (MoAE) volumes")
    return Path(folder)
