"""The scratch file of a run: every value comes back as it went in, and nothing is left."""

import gc
from pathlib import Path

import numpy as np
import pytest

from firstlevel.io import scratch
from firstlevel.io.scratch import Scratch


@pytest.mark.parametrize("n_scans", [1, 15, 16, 17, 40])
@pytest.mark.parametrize("n_voxels", [1, 7, 8, 9, 21])
def test_what_is_written_by_scan_is_read_by_voxel(tmp_path, monkeypatch, n_scans, n_voxels):
    """Whole tiles and blocks, and parts of them at both ends; bit by bit, NaN and tiny values too."""
    monkeypatch.setattr(scratch, "BLOCK", 8)
    rng = np.random.default_rng(n_scans * n_voxels)
    series = rng.standard_normal((n_scans, n_voxels)).astype(np.float32) * np.float32(1e-41)
    series[0, 0] = np.nan
    with Scratch.beside(tmp_path / "beta.nii.gz", n_scans, n_voxels) as kept:
        for scan, given in zip(kept.kept(iter(series)), series, strict=True):
            assert scan.tobytes() == given.tobytes()
        for voxels, block in kept.blocks():
            assert block.tobytes() == series[:, voxels].tobytes()
        some = np.flatnonzero(rng.random(n_voxels) > 0.5)
        parts = list(kept.again(some))
        np.testing.assert_array_equal(np.concatenate([[], *(voxels for voxels, _ in parts)]), some)
        for voxels, block in parts:
            np.testing.assert_array_equal(block, series[:, voxels])
        assert sum(voxels.stop - voxels.start for voxels, _ in kept.blocks()) == n_voxels


def test_nothing_is_left_behind(tmp_path):
    """No name in the folder, neither meanwhile nor after an error; the descriptor is closed."""
    descriptors = Path("/proc/self/fd")
    before = {path.name for path in descriptors.iterdir()}
    with (
        pytest.raises(RuntimeError, match="full"),
        Scratch.beside(tmp_path / "new" / "beta.nii.gz", 2, 3) as kept,
    ):
        list(kept.kept(iter(np.ones((2, 3), np.float32))))
        assert list((tmp_path / "new").iterdir()) == []
        raise RuntimeError("full")
    gc.collect()
    assert list((tmp_path / "new").iterdir()) == []
    assert {path.name for path in descriptors.iterdir()} == before


@pytest.mark.parametrize("n_given", [1, 2])
def test_too_few_scans_are_not_read_back(tmp_path, n_given):
    """A run that ends early is an error, not zeros."""
    with (
        Scratch.beside(tmp_path / "b", 3, 4) as kept,
        pytest.raises(ValueError, match=f"{n_given} scans of 3"),
    ):
        list(kept.kept(iter(np.ones((n_given, 4), np.float32))))


def test_a_short_file_is_an_error(tmp_path):
    """What was never written is not read as something."""
    with Scratch.beside(tmp_path / "b", 3, 4) as kept, pytest.raises(OSError, match="ended before its time"):
        kept.block(0)
