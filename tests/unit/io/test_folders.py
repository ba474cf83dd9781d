"""Folders that are whole or absent."""

import pytest

from firstlevel.io import folders
from firstlevel.stage import InputError


def test_a_folder_is_whole_or_absent(tmp_path):
    """A failure leaves no folder; a folder that is already there, as Snakemake makes it, is replaced."""
    session = tmp_path / "Session1"

    def fail():
        with folders.whole(session) as folder:
            (folder / "volume.img").touch()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []
    session.mkdir()
    (session / "old.img").touch()
    with folders.whole(session) as folder:
        (folder / "volume.img").touch()
    assert [path.name for path in session.iterdir()] == ["volume.img"]
    assert list(tmp_path.iterdir()) == [session]


def test_remains_of_a_killed_job_do_not_reach_a_new_folder(tmp_path):
    """A temporary folder is empty whatever was left in it, and gone afterwards."""
    left = tmp_path / ".Session1.partial/volume.img"
    left.parent.mkdir()
    left.touch()
    with folders.temporary(tmp_path / "Session1") as folder:
        assert folder == left.parent
        assert list(folder.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def test_moves_are_all_or_none(tmp_path):
    """A file and a folder of files; the second move fails where its source is missing, and the first goes."""
    (tmp_path / "new/Session1").mkdir(parents=True)
    for name in ("new/a.mat", "new/Session1/b.img"):
        (tmp_path / name).write_text(name)
    moves = [(tmp_path / "new" / name, tmp_path / "out/deep" / name) for name in ("Session1", "a.mat")]
    folders.move_all(moves)
    assert (tmp_path / "out/deep/a.mat").read_text() == "new/a.mat"
    assert (tmp_path / "out/deep/Session1/b.img").read_text() == "new/Session1/b.img"
    back = [(target, source) for source, target in moves]
    with pytest.raises(FileNotFoundError):
        folders.move_all([*back, (tmp_path / "none", tmp_path / "new/none")])
    assert list((tmp_path / "new").iterdir()) == []


def test_only_an_empty_folder_is_free(tmp_path):
    """Not there, or with nothing in it; a hidden file is something."""
    folders.check_free(tmp_path / "none", tmp_path, remedy="")
    (tmp_path / ".hidden").touch()
    with pytest.raises(InputError, match="not empty"):
        folders.check_free(tmp_path / "none", tmp_path, remedy="remove it")
