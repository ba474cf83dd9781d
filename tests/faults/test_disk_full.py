"""A disk that is full in the middle: a message says so, no half file, the same bytes once there is room."""

import subprocess
from contextlib import contextmanager

import numpy as np
import pytest
from harness import MAPS, Running, different, leftovers, problem, raw_copy

from firstlevel.io import grids, image_writer, series_writer


@contextmanager
def small_disk(folder, size):
    """Mount a disk of so many kB; gives what changes its size."""
    folder.mkdir(parents=True)
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(folder)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield lambda kb: subprocess.run(["mount", "-o", f"remount,size={kb}k", str(folder)], check=True)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_image_that_does_not_fit_leaves_the_old_one(tmp_path):
    """The error is the system's own, the file under the final name the one before."""
    path, rng = tmp_path / "disk" / "map.nii.gz", np.random.default_rng(0)
    with small_disk(path.parent, 128):
        image_writer.write_image(path, np.zeros((8, 8, 8), np.float32), np.eye(4))
        before = path.read_bytes()
        with pytest.raises(OSError, match="No space left on device"):
            image_writer.write_image(path, rng.standard_normal((64, 64, 32)), np.eye(4))
        assert path.read_bytes() == before
        assert problem(path) is None
        assert list(path.parent.iterdir()) == [path]
        writer = path.with_name("run.nii")
        with (
            pytest.raises(OSError, match="No space left on device"),
            series_writer.SeriesWriter(writer, grids.Grid((32, 32, 16), np.eye(4)), 4, 2.0) as series,
        ):
            for scan in range(4):
                series.write(scan, np.ones((16, 32, 32), np.float32))


@pytest.mark.parametrize("size", [600, 3000, 4500, 5500])
def test_study_on_a_full_disk_goes_on_once_there_is_room(long_tests, tmp_path, small_study, size, capsys):
    """Results of 7 MB on a disk that is full early, while the second run is resampled, in the fit, later."""
    study = raw_copy(small_study, tmp_path / "study", MAPS)
    with small_disk(study.folder / "results", size) as resize:
        with Running(study) as run:
            assert run.wait() == 1
        with capsys.disabled():
            failed = [line for line in run.said().splitlines() if "Errno" in line or "Failed: " in line]
            print(f"\n{size} kB:", *failed, sep="\n  ")
        assert "No space left on device" in run.said()
        assert leftovers(study) == []
        resize(100_000)
        with Running(study) as again:
            assert again.wait() == 0, again.said()
        assert run.broken + again.broken == []
        assert leftovers(study) == []
        assert different(study, small_study) == []
