"""Processes that are killed at any moment: no half file, and the same bytes after a plain restart."""

import itertools
import os
import random
import shutil
import signal
from collections import Counter

import numpy as np
import pytest
from harness import (
    FIGURES,
    MAPS,
    PAGES,
    Running,
    different,
    digests,
    finished,
    killed,
    leftovers,
    problem,
    processes,
    raw_copy,
)
from studies import Study, merged

from firstlevel import stage
from firstlevel.io import image_writer

KINDS = {
    "maps": MAPS,
    "after an edit": MAPS,
    "from nothing": MAPS,
    "figures": FIGURES,
    "pages": PAGES,
}
"""What a study begins with, or what it makes."""
ORDER = ["maps", "after an edit", "figures", "from nothing", "maps", "pages", "after an edit", "maps", "maps"]
EDIT = {"resample": {"smoothing_fwhm": 9.0}, "glm": {"noise_model": "ols"}}
"""What a finished study had before, so that files of an earlier config lie under all final names."""


def drawn(rng):
    """Jobs to be done after a start until the kill, and s from then on: mostly while stages run."""
    steps = rng.randrange(6)
    return steps, rng.uniform(0.0, 1.5) if steps else rng.uniform(0.0, 6.0)


def prepared(kind, folder, small_study, edited):
    """Study that a draw begins with."""
    changes = KINDS[kind]
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


def killed_studies(n_draws, folder, small_study, edited):
    """Kill studies again and again until each is done: one line per kill, one per study; the bad ones."""
    rng, number, met = random.Random(20260), 0, Counter()
    for kind in itertools.cycle(ORDER):
        study = prepared(kind, folder, small_study, edited)
        for _ in range(10 if kind == "pages" else 6):
            draw = drawn(rng)
            found = killed(study, *draw)
            if found is None:
                break
            number += 1
            met.update(found.stages or ["no stage"])
            line = f"{number:3} {kind}: {found.steps} jobs done, then {', '.join(found.stages) or 'no stage'}"
            yield f"{line}; {found.looked} files looked at; {found.problems or 'all whole'}", found.problems
            if number == n_draws:
                break
        problems = [*finished(study), *leftovers(study), *different(study, small_study)]
        yield f"    {kind}: {problems or f'{len(digests(study))} files, same bytes'}", problems
        shutil.rmtree(folder)
        if number == n_draws:
            break
    yield f"    killed: {', '.join(f'{stage} {count}' for stage, count in sorted(met.items()))}", []


def test_runs_killed_at_random_moments_end_in_the_same_bytes(
    long_tests, tmp_path, small_study, edited, capsys
):
    """Whole process groups, over all stages: nothing half under a final name, no process left, same bytes."""
    bad = []
    for line, problems in killed_studies(long_tests, tmp_path / "study", small_study, edited):
        with capsys.disabled():
            print(line, flush=True)
        bad += problems
    assert bad == []


def test_half_files_are_seen(tmp_path):
    """Of each kind of file less than half is a problem, the whole is none."""
    volume = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    image_writer.write_image(tmp_path / "a.nii.gz", volume, np.eye(4))
    image_writer.write_image(tmp_path / "b.nii", volume, np.eye(4))
    (tmp_path / "c.json").write_text('{"a": 1}\n')
    (tmp_path / "d.tsv").write_text("a\tb\n1\t2\n")
    (tmp_path / "e.html").write_text("<html></html>\n")
    for path in sorted(tmp_path.iterdir()):
        assert problem(path) is None
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2 - 1])
        assert problem(path), path.name
    assert problem(tmp_path / "gone.json") is None


def test_second_start_and_sigkill(tmp_path, small_study):
    """A second start in one folder stops at the lock; the first, killed and started again, is whole."""
    study = raw_copy(small_study, tmp_path / "study", MAPS)
    with Running(study) as run:
        assert run.wait_for(lambda: (study.results / "sub-01_task-faces_run-1_events.tsv").exists())
        with run.held():  # else it may be done before the other one has started
            second = study.snakemake(check=False)
        assert second.returncode == 1
        assert "--unlock" in second.stderr
        assert run.wait_for(lambda: processes(study.folder)), run.said()
        stages, alive = run.kill()
    assert stages
    assert alive == {}
    study.snakemake("--unlock")
    with Running(study) as again:
        assert again.wait() == 0, again.said()
    assert run.broken + again.broken == []
    assert again.steps < 18  # not from the beginning
    assert leftovers(study) == []
    assert different(study, small_study) == []


@pytest.mark.parametrize(
    "name", ["resample_run", "fit_glm", "compute_contrast", "plot_contrast", "report_subject"]
)
def test_one_killed_stage_fails_alone(long_tests, tmp_path, small_study, name):
    """The run says which job failed, goes on with the others as asked, and the next start does the rest."""
    study = raw_copy(small_study, tmp_path / "study", PAGES)
    with Running(study, ("--keep-going",)) as run:
        assert run.wait_for(lambda: name in processes(study.folder).values()), run.said()
        pid = next(pid for pid, found in processes(study.folder).items() if found == name)
        os.kill(pid, signal.SIGKILL)
        assert run.wait() == 1
        assert f"Failed: {name} " in run.said()
    assert not any((study.folder / ".snakemake/locks").glob("*"))
    with Running(study) as again:
        assert again.wait() == 0, again.said()
    assert run.broken + again.broken == []
    assert leftovers(study) == []
    assert different(study, small_study) == []


def test_remains_of_a_killed_stage_go_at_the_next_run(tmp_path):
    """What a killed job had begun is gone once its file is made; what other jobs began stays."""
    mine = tmp_path / "sub-01_run-1_stat-z_statmap.nii.gz"
    other = tmp_path / "sub-01_run-1_stat-t_statmap.nii.gz"
    for path in (mine, other):
        path.with_name(f".{path.name}.k1ll3d.nii.gz").write_bytes(b"half")
    with stage.atomic(mine) as temporary:
        temporary.write_bytes(b"whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".{other.name}.k1ll3d.nii.gz", mine.name]
