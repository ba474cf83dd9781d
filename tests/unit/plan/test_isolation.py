"""What reaches the stages of the environment of a user's shell."""

from firstlevel.plan import isolation

SHELL = {
    "PATH": "/usr/bin",
    "HOME": "/home/someone",
    "PYTHONPATH": "/apps/python/site-packages",
    "PYTHONWARNINGS": "error",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "MATPLOTLIBRC": "/home/someone/talks",
    "PYTHONINSPECT": "1",
    "PYTHONIOENCODING": "ascii:strict",
    "PYTHONSTARTUP": "/home/someone/start.py",
    "PYTHONDEVMODE": "1",
    "PYTHONOPTIMIZE": "2",
    "NUMBA_OPT": "0",
    "NUMBA_NUM_THREADS": "many",
    "NUMBA_DISABLE_JIT": "1",
    "NPY_ENABLE_CPU_FEATURES": "AVX2",
    "SCIPY_ARRAY_API": "1",
    "PANDAS_COPY_ON_WRITE": "warn",
}


def test_only_what_a_shell_should_decide_reaches_the_stages():
    """Packages, warnings and looks are ours; paths stay."""
    kept = {"PATH": "/usr/bin", "HOME": "/home/someone", "NUMBA_CACHE_DIR": "/scratch", "PYTHONHASHSEED": "7"}
    environment = SHELL | kept
    assert isolation.isolate(environment) is None
    assert environment == kept | {"PYTHONNOUSERSITE": "1"}


def test_packages_that_are_elsewhere_only_are_kept_and_told_of(monkeypatch):
    """Clusters with modules: without PYTHONPATH there would be none."""
    monkeypatch.setattr(isolation, "PACKAGES", ("numpy", "no_such_package"))
    environment = dict(SHELL)
    line = isolation.isolate(environment)
    assert line.startswith("no_such_package are not in the environment of this Python: ")
    assert environment["PYTHONPATH"] == SHELL["PYTHONPATH"]
    assert "MPLBACKEND" not in environment
    del environment["PYTHONPATH"]
    assert isolation.isolate(environment) is None
