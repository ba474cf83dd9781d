"""Processes that are killed at any moment: no half file, and the same bytes after a plain restart."""

import os
import random
import shutil
import signal

import numpy as np
import pytest
from conftest import Study, merged
from faults.harness import (
    FIGURES,
    MAPS,
    PAGES,
    Running,
    different,
    kill_and_restart,
    leftovers,
    problem,
    processes,
    raw_copy,
)

from firstlevel import images, stage

KINDS = {
    "maps": (26, 16, MAPS),
    "from nothing": (6, 17, MAPS),
    "after an edit": (10, 15, MAPS),
    "figures": (6, 26, FIGURES),
    "pages": (4, 40, PAGES),
}
"""Share of 52 draws, about how many jobs, and what is made."""
EDIT = {"resample": {"smoothing_fwhm": 9.0}, "glm": {"noise_model": "ols"}}
"""What a finished study had before, so that files of an earlier config lie under all final names."""


def drawn(n_draws):
    """Draws as (kind, step, delay in s): seeded, each kind spread over all of its jobs."""
    rng = random.Random(20260)
    draws = []
    for kind, (share, n_jobs, _) in KINDS.items():
        count = max(1, round(n_draws * share / 52))
        for k in range(count):
            step = int((k + rng.random()) / count * n_jobs)
            draws.append((kind, step, rng.uniform(0.0, 1.2 if step else 4.0)))
    rng.shuffle(draws)
    return draws


def prepared(kind, folder, small_study, edited):
    """Study that a draw begins with."""
    changes = KINDS[kind][2]
    if kind == "from nothing":
        return Study(folder, merged(small_study.config, changes))
    if kind == "after an edit":
        shutil.copytree(edited().folder, folder)
        return Study(folder, merged(small_study.config, changes))
    return raw_copy(small_study, folder, changes)


@pytest.fixture(scope="module")
def edited(tmp_path_factory, small_study):
    """Finished study of another config, made once where a draw needs it."""
    made = []

    def study():
        if not made:
            made.append(raw_copy(small_study, tmp_path_factory.mktemp("edited") / "study", MAPS))
            made[0].snakemake(changes=EDIT)
        return made[0]

    return study


def test_runs_killed_at_random_moments_end_in_the_same_bytes(
    long_tests, tmp_path, small_study, edited, capsys
):
    """Whole process groups, over all stages: nothing half under a final name, no process left, same bytes."""
    problems, stages = [], set()
    for number, (kind, step, delay) in enumerate(drawn(long_tests), start=1):
        folder = tmp_path / "study"
        study = prepared(kind, folder, small_study, edited)
        found = kill_and_restart(study, small_study, step, delay)
        problems += [(number, kind, step, delay, what) for what in found.problems]
        stages |= set(found.stages)
        with capsys.disabled():
            verdict = found.problems or "same bytes"
            running = ", ".join(found.stages) or "no stage"
            print(
                f"{number:3} {kind:14} {found.steps:2} jobs done, {running}; lock {found.locked}; "
                f"{found.looked} files looked at; {verdict}",
                flush=True,
            )
        shutil.rmtree(folder)
    with capsys.disabled():
        print("stages that were killed:", ", ".join(sorted(stages)))
    assert problems == []


def test_half_files_are_seen(tmp_path):
    """Of each kind of file the first half is a problem, the whole is none."""
    volume = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    images.write_image(tmp_path / "a.nii.gz", volume, np.eye(4))
    images.write_image(tmp_path / "b.nii", volume, np.eye(4))
    (tmp_path / "c.json").write_text('{"a": 1}\n')
    (tmp_path / "d.tsv").write_text("a\tb\n1\t2\n")
    (tmp_path / "e.html").write_text("<html></html>\n")
    for path in sorted(tmp_path.iterdir()):
        assert problem(path) is None
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        assert problem(path), path.name
    assert problem(tmp_path / "gone.json") is None


def test_second_start_and_sigkill(tmp_path, small_study):
    """A second start in the same folder stops at the lock; the first, killed, then started again, is whole."""
    study = raw_copy(small_study, tmp_path / "study", MAPS)
    with Running(study) as run:
        assert run.wait_for(lambda: (study.results / "sub-01_task-faces_run-1_events.tsv").exists())
        second = study.snakemake(check=False)
        assert second.returncode == 1
        assert "--unlock" in second.stderr
        assert run.wait_for(lambda: "fit_glm" in processes(study.folder).values()), run.said()
        stages, alive = run.kill()
    assert "fit_glm" in stages
    assert alive == {}
    study.snakemake("--unlock")
    with Running(study) as again:
        assert again.wait() == 0, again.said()
    assert run.broken + again.broken == []
    assert again.steps < 14  # not from the beginning
    assert leftovers(study) == []
    assert different(study, small_study) == []


@pytest.mark.parametrize(
    "name", ["resample_run", "fit_glm", "compute_contrast", "plot_zmap", "report_subject"]
)
def test_one_killed_stage_fails_alone(long_tests, tmp_path, small_study, name):
    """The run says which job failed, goes on with the others as asked, and the next start does the rest."""
    study = raw_copy(small_study, tmp_path / "study", PAGES)
    with Running(study, ("--keep-going",)) as run:
        assert run.wait_for(lambda: name in processes(study.folder).values()), run.said()
        pid = next(pid for pid, found in processes(study.folder).items() if found == name)
        os.kill(pid, signal.SIGKILL)
        assert run.wait() == 1
        assert f"Error in rule {name}:" in run.said()
    assert not any((study.folder / ".snakemake/locks").glob("*"))
    with Running(study) as again:
        assert again.wait() == 0, again.said()
    assert run.broken + again.broken == []
    assert leftovers(study) == []
    assert different(study, small_study) == []


def test_remains_of_a_killed_stage_go_at_the_next_run(tmp_path):
    """What a killed job had begun is gone once the file is made, for every file that shares no name with it."""
    mine = tmp_path / "sub-01_run-1_stat-z_statmap.nii.gz"
    other = tmp_path / "sub-01_run-1_stat-t_statmap.nii.gz"
    for path in (mine, other):
        path.with_name(f".{path.name}.k1ll3d.nii.gz").write_bytes(b"half")
    with stage.atomic(mine) as temporary:
        temporary.write_bytes(b"whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".{other.name}.k1ll3d.nii.gz", mine.name]
