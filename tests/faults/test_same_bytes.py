"""Runs in other surroundings make the same files, byte by byte; no stage but the download needs a network."""

import os
import shutil
import time

import pytest
from chromium import without_network
from harness import MAPS, PAGES, different, files, leftovers, raw_copy
from studies import Study

from firstlevel.plan import clock, kernels

ODD = {
    "PYTHONHASHSEED": "11",
    "LC_ALL": "C",
    "LANG": "tr_TR.UTF-8",
    "TZ": "Pacific/Kiritimati",
    "COLUMNS": "40",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PYTHONWARNINGS": "error",
}
"""Another order of sets, plain ASCII, a clock 14 hours ahead, what Jupyter sets, warnings that stop."""
MATPLOTLIBRC = "text.usetex: True\nfont.size: 30\naxes.facecolor: red\nsavefig.dpi: 20\nfigure.dpi: 300\n"
KERNELS = ("Prescott", "Haswell", "SkylakeX")
"""OpenBLAS's kernels of 2004 without AVX, of 2013 with AVX2, of 2017 with AVX-512."""


def surroundings(**variables):
    """Beginning of a command that runs without network, with other environment variables and rights."""
    shell = ["sh", "-c", 'umask 077; exec "$@"', "sh"]
    return (*without_network(), "env", *(f"{name}={value}" for name, value in variables.items()), *shell)


DAY = 86_400 * 10**9
"""ns."""
SHORT = [
    "figures/sub-01_task-faces_run-1_design.png",
    "figures/sub-01_task-faces_contrast-facesMinusScrambled_desc-fdr_zmap.png",
    "figures/sub-01_task-faces_contrast-facesMinusScrambled_zmap.png",
]
"""Figures of the three kinds of drawing."""


def test_pages_and_figures_made_anew_elsewhere_are_the_same(tmp_path, small_study):
    """One core, no network, odd folder, other hash seed, locale, time zone, rights, packages, style."""
    folder = tmp_path / "other földer, with blanks" / "study"
    shutil.copytree(small_study.folder, folder, symlinks=True)
    study = Study(folder, small_study.config)
    for path in [*(study.results / name for name in SHORT), study.results / "report.html"]:
        path.unlink()
    for package in ("firstlevel", "nibabel", "matplotlib"):
        (tmp_path / "other" / package).mkdir(parents=True)
        (tmp_path / "other" / package / "__init__.py").write_text(
            "raise SystemExit('of another environment')"
        )
    (folder / "matplotlibrc").write_text(MATPLOTLIBRC)
    other = {"PYTHONPATH": str(tmp_path / "other"), "MATPLOTLIBRC": str(folder / "matplotlibrc")}
    study.snakemake("--cores", "1", under=surroundings(**ODD, **other))
    assert different(study, small_study) == []
    assert (study.results / "report.html").stat().st_mode & 0o777 == 0o600


def test_kernels_of_another_machine_give_the_same_design(tmp_path, small_study):
    """What differs between kernels in its last bits, and all that is made of it, does not: one is taken."""
    if not kernels.has_avx2():
        pytest.skip("the workflow takes one kernel on x86-64 machines with AVX2 only")
    study = raw_copy(small_study, tmp_path / "study", MAPS)
    names = ["run-1_design.tsv", "run-1_design.json"]
    study.snakemake(
        *(study.result(name).relative_to(study.folder) for name in names),
        under=surroundings(OPENBLAS_CORETYPE="Prescott"),
    )
    for name in names:
        assert study.result(name).read_bytes() == small_study.result(name).read_bytes()


def test_kernel_is_taken_back_where_the_processor_lacks_it(tmp_path):
    """On an older node, to which a newer machine has sent a job, numpy chooses by itself."""
    sent = {"OPENBLAS_CORETYPE": "Prescott", "HOME": "/"}
    tmp_path.joinpath("new").write_text("processor\t: 0\nflags\t\t: fpu avx avx2 fma bmi2\n")
    tmp_path.joinpath("old").write_text("processor\t: 0\nflags\t\t: fpu avx\nbugs\t\t: avx2 fma\n")
    kernels.choose(sent, tmp_path / "new")
    if kernels.platform.machine() == "x86_64":
        assert sent["OPENBLAS_CORETYPE"] == "Haswell"
        assert "X86_V4" in sent["NPY_DISABLE_CPU_FEATURES"]
    sent["OPENBLAS_CORETYPE"] = "Haswell"
    kernels.choose(sent, tmp_path / "old")
    assert "OPENBLAS_CORETYPE" not in sent
    assert sent["HOME"] == "/"


def test_files_from_the_future_keep_their_order(tmp_path):
    """They end just before now, one after the other; older files keep their times, and nothing is looked for
    where the sign is not from the future.
    """
    now, paths = time.time_ns(), [tmp_path / name for name in "abcd"]
    for path, shift in zip(paths, (3 * DAY, -DAY, DAY, 2 * DAY), strict=True):
        path.write_text("")
        os.utime(path, ns=(now + shift,) * 2)
    assert clock.set_back([tmp_path], [paths[1], tmp_path / "none"]) == 0
    assert clock.set_back([tmp_path], [paths[0]]) == 3
    times = {path.name: path.stat().st_mtime_ns for path in paths}
    assert sorted(times, key=times.get) == ["b", "c", "d", "a"]
    assert times["b"] == now - DAY
    assert now - DAY < times["c"] < times["a"] <= time.time_ns()


def test_study_goes_on_after_the_clock_went_back(long_tests, tmp_path, small_study):
    """Everything is from tomorrow, maps are missing: a plain start makes them, with the same bytes."""
    shutil.copytree(small_study.folder, tmp_path / "study", symlinks=True)
    study = Study(tmp_path / "study", small_study.config)
    for path in (study.folder / "results/node-subject/sub-01").glob("*_stat-z_statmap.nii.gz"):
        path.unlink()
    made = [path for part in ("results", "data") for path in files(study.folder / part)]
    for path in made:
        os.utime(path, ns=(path.stat().st_mtime_ns + DAY,) * 2)
    said = study.snakemake().stderr
    assert f"The clock has gone back: {len(made)} files" in said
    assert different(study, small_study) == []


WHOLE = {
    "one core, another folder, no network": (["--cores", "1"], ODD, PAGES),
    "four cores, greedy": (["--cores", "4", "--scheduler", "greedy"], {"PYTHONHASHSEED": "1"}, PAGES),
    "another order of jobs": (
        [
            "--prioritize",
            "results/node-subject/sub-01/sub-01_task-faces_contrast-effectsOfInterest_stat-z_statmap.nii.gz",
        ],
        {"PYTHONHASHSEED": "2"},
        MAPS,
    ),
    **{f"kernel {name}": ([], {"OPENBLAS_CORETYPE": name}, MAPS) for name in KERNELS},
    "several threads": ([], {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}, MAPS),
}


@pytest.mark.parametrize("name", WHOLE)
def test_whole_runs_in_other_surroundings_have_the_same_bytes(
    long_tests, tmp_path, small_study, own_workflow, name, capsys
):
    """From the raw volumes to the end, by a copy of the workflow in another folder."""
    arguments, variables, changes = WHOLE[name]
    if "kernel" in name and not kernels.has_avx2():
        pytest.skip("the workflow takes one kernel on x86-64 machines with AVX2 only")
    study = raw_copy(small_study, tmp_path / "ein Ordner mit Ümlaut" / "study", changes)
    study.root = own_workflow
    study.snakemake(*arguments, under=surroundings(**variables))
    found = different(study, small_study)
    with capsys.disabled():
        print(f"\n{name}: {len(list((study.folder / 'results').rglob('*.*')))} files, different: {found}")
    assert found == []
    assert leftovers(study) == []


def test_study_from_nothing_needs_no_network(long_tests, tmp_path, small_study):
    """The simulation included."""
    if not without_network():
        pytest.skip("this machine does not let us cut the network off")
    study = Study(tmp_path / "study", small_study.config)
    study.snakemake(under=tuple(without_network()))
    assert different(study, small_study) == []
