"""Files whose content was not fetched: links and pointers of git-annex (DataLad) and Git LFS."""

import os
from pathlib import Path

import pytest
from checked_configs import SCHEMA

from firstlevel.plan import config as configs
from firstlevel.plan import fetched, preprocessed, study
from firstlevel.plan.runs import LEFT_OUT
from firstlevel.plan.sources import bids
from firstlevel.stage import InputError

EVENTS = "onset\tduration\ttrial_type\n0\t1\tfaces\n"
KEY = "MD5E-s86753--0123456789abcdef0123456789abcdef.nii.gz"
UNLOCKED = f"/annex/objects/{KEY}\n"
OF_LFS = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 86753\n"
POINTERS = {
    UNLOCKED: "datalad get",
    f"/annex/objects/{KEY}\nrun git annex get to fetch it\n": "datalad get",
    f"../../.git/annex/objects/Xk/2z/{KEY}/{KEY}": "datalad get",
    OF_LFS: "git lfs pull",
    OF_LFS.replace("git-lfs", "hawser"): "git lfs pull",
}
CONTENTS = [
    "",
    "\n",
    EVENTS,
    "{}",
    "a/annex/objects/x\n",
    "../x",
    "# /annex/objects/\n",
    UNLOCKED + "x" * 40000,
]


@pytest.mark.parametrize("content", POINTERS)
def test_pointers_are_known_by_how_they_begin(tmp_path, content):
    """Of git-annex unlocked, with more lines, or a link as a text; of Git LFS under both names."""
    path = tmp_path / "bold.nii.gz"
    path.write_text(content)
    assert POINTERS[content] in fetched.missing(str(path))


@pytest.mark.parametrize("content", CONTENTS)
def test_other_files_hold_what_they_hold(tmp_path, content):
    """An empty file, text, and what is too large for a pointer."""
    path = tmp_path / "bold.nii.gz"
    path.write_text(content)
    assert fetched.missing(str(path)) == ""


def test_links_are_followed(tmp_path):
    """One to nothing, in a circle or below a file has no content, one to a pointer neither; others have."""
    (tmp_path / "there").write_text(EVENTS)
    (tmp_path / "pointer").write_text(UNLOCKED)
    for name, target in {"a": "there", "b": "nowhere", "c": "c", "d": "there/x", "e": "pointer"}.items():
        (tmp_path / name).symlink_to(target)
    there = [name for name in "abcde" if not fetched.missing(str(tmp_path / name))]
    assert there == ["a"]
    assert not fetched.missing(str(tmp_path / "no link and no file"))
    assert not fetched.missing(str(tmp_path))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert not fetched.missing(str(tmp_path / "pipe"))


@pytest.fixture
def derived(tmp_path):
    """Two subjects with two runs each, raw, and preprocessed with all that lies beside images."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/task-faces_bold.json").write_text("{}")
    for subject in ("01", "02"):
        raw, func = tmp_path / f"raw/sub-{subject}/func", tmp_path / f"out/sub-{subject}/func"
        for folder in (raw, func):
            folder.mkdir(parents=True)
        for run in ("1", "2"):
            start = f"sub-{subject}_task-faces_run-{run}"
            (raw / f"{start}_events.tsv").write_text(EVENTS)
            (raw / f"{start}_bold.nii.gz").write_text(UNLOCKED)  # which is not read
            for end in ("space-MNI_desc-preproc_bold.nii.gz", "space-MNI_desc-brain_mask.nii.gz"):
                (func / f"{start}_{end}").write_bytes(b"\x1f\x8b image")
            (func / f"{start}_space-MNI_desc-preproc_bold.json").write_text("{}")
            (func / f"{start}_desc-confounds_timeseries.tsv").write_text("rot_x\n0\n")
            (func / f"{start}_desc-confounds_timeseries.json").write_text("{}")
    return tmp_path


def config_of(folder, **extra):
    config = {
        "study": {
            "source": "bids",
            "bids": {
                "path": str(folder / "raw"),
                "derivatives": str(folder / "out"),
                "task": "faces",
                "space": "MNI",
            },
        },
        "mask": "derivatives",
        "confounds": {"columns": ["rot_x"]} | extra,
        "contrasts": {"a": "faces"},
    }
    configs.check_config(config, SCHEMA)
    return config


@pytest.mark.parametrize("pointer", [UNLOCKED, OF_LFS])
@pytest.mark.parametrize(
    "name",
    [
        "out/sub-01/func/sub-01_task-faces_run-1_space-MNI_desc-preproc_bold.nii.gz",
        "out/sub-01/func/sub-01_task-faces_run-1_space-MNI_desc-preproc_bold.json",
        "out/sub-01/func/sub-01_task-faces_run-1_space-MNI_desc-brain_mask.nii.gz",
        "out/sub-01/func/sub-01_task-faces_run-1_desc-confounds_timeseries.tsv",
        "raw/sub-01/func/sub-01_task-faces_run-1_events.tsv",
    ],
)
def test_a_pointer_leaves_its_run_out_and_the_others_go_on(derived, name, pointer):
    """Whichever file of the run it stands for; the row has the labels of the run."""
    (derived / name).write_text(pointer)
    runs, left_out = bids.find_runs(config_of(derived))
    assert [(run.subject, run.run) for run in runs] == [("01", "2"), ("02", "1"), ("02", "2")]
    [one] = left_out
    assert one.reason == f"{Path(name).name} is a broken link ({POINTERS[pointer]} fetches it)"
    assert (one.subject, one.task, one.run, one.status) == ("01", "faces", "1", LEFT_OUT)


def test_what_fmriprep_says_of_confounds_is_fetched_where_a_strategy_reads_it(derived):
    name = "sub-01_task-faces_run-1_desc-confounds_timeseries.json"
    path = derived / "out/sub-01/func" / name
    strategy = {"strategy": ["motion"]}
    for spoil in (lambda: path.write_text(UNLOCKED), lambda: path.symlink_to("nothing")):
        path.unlink()
        spoil()
        assert not bids.find_runs(config_of(derived))[1]
        runs, [one] = bids.find_runs(config_of(derived, fmriprep=strategy))
        assert len(runs) == 3
        assert one.reason == f"{name} is a broken link (datalad get fetches it)"


def test_many_runs_are_looked_at_where_git_keeps_the_study(derived, monkeypatch):
    """Sizes of a hundred thousand files are asked for only where there may be pointers, links always."""
    monkeypatch.setattr(bids, "FEW", 1)
    monkeypatch.setattr(fetched, "may_be_missing", lambda folder: (folder / ".gitattributes").exists())
    name = derived / "out/sub-01/func/sub-01_task-faces_run-1_space-MNI_desc-brain_mask.nii.gz"
    name.write_text(UNLOCKED)
    assert len(bids.find_runs(config_of(derived))[0]) == 4
    (derived / "out/.gitattributes").touch()
    assert len(bids.find_runs(config_of(derived))[0]) == 3
    (derived / "out/.gitattributes").unlink()
    name.unlink()
    name.symlink_to("nothing")
    assert len(bids.find_runs(config_of(derived))[0]) == 3


@pytest.mark.parametrize("mark", [".git", ".gitattributes", ".gitmodules", ".datalad"])
def test_studies_that_git_keeps_are_known_by_what_lies_at_their_root(tmp_path, mark):
    """A folder, a file (of a submodule), or a link, at the root or above."""
    folder = tmp_path / "study/out"
    folder.mkdir(parents=True)
    assert not fetched.may_be_missing(folder) or any((tmp_path.parent / m).exists() for m in fetched.MARKS)
    (tmp_path / "study" / mark).symlink_to("elsewhere")
    assert fetched.may_be_missing(folder)


def test_a_t1w_that_was_not_fetched_is_no_background(derived):
    anat = derived / "out/sub-01/anat"
    anat.mkdir()
    image = anat / "sub-01_space-MNI_desc-preproc_T1w.nii.gz"
    image.write_bytes(b"\x1f\x8b image")
    config = config_of(derived)
    run = bids.find_runs(config)[0][0]
    assert preprocessed.t1w_of(config, run) == str(image)
    image.write_text(UNLOCKED)
    assert preprocessed.t1w_of(config, run) is None


@pytest.mark.parametrize("spoil", [UNLOCKED, OF_LFS, None], ids=["pointer", "lfs", "link"])
@pytest.mark.parametrize("name", ["bold.nii.gz", "events.tsv", "confounds.tsv", "volumes/f02.nii"])
def test_a_table_that_names_a_pointer_stops(tmp_path, name, spoil):
    """As one that names a missing file does: with the row, and what fetches it."""
    (tmp_path / "volumes").mkdir()
    for file in ("bold.nii.gz", "events.tsv", "confounds.tsv", *(f"volumes/f0{n}.nii" for n in (1, 2, 3))):
        (tmp_path / file).write_text(EVENTS)
    table = tmp_path / "runs.tsv"
    bold = "volumes/f*.nii" if "volumes" in name else "bold.nii.gz"
    table.write_text(
        f"subject\ttask\tbold\tevents\tconfounds\n01\tfaces\t{bold}\tevents.tsv\tconfounds.tsv\n"
    )
    config = {"study": {"source": "table", "table": str(table)}, "contrasts": {"a": "faces"}}
    configs.check_config(config, SCHEMA)
    assert len(study.run_table(config, "data")[0]) == 1
    if spoil:
        (tmp_path / name).write_text(spoil)
    else:
        (tmp_path / name).unlink()
        (tmp_path / name).symlink_to("nothing")
    by = POINTERS[spoil] if spoil else "datalad get"
    with pytest.raises(InputError, match=rf"runs.tsv, row 2: .*{name} is a broken link[^$]*{by} fetches"):
        study.run_table(config, "data")


@pytest.mark.parametrize("key", ["mask", "figures.background"])
def test_an_image_of_the_config_that_was_not_fetched_stops(tmp_path, key):
    """The mask, or what maps are drawn over: one pointer, one link."""
    pointer, link = tmp_path / "pointer.nii", tmp_path / "link.nii"
    pointer.write_text(UNLOCKED)
    link.symlink_to("nothing")
    outer, _, inner = key.partition(".")
    for image in (pointer, link):
        config = {"study": {"source": "simulated", "repetition_time": 2}, "contrasts": {"a": "faces"}}
        config[outer] = {inner: str(image)} if inner else str(image)
        with pytest.raises(InputError, match=rf"key {key} .*is a broken link[^$]*datalad get"):
            configs.check_config(config, SCHEMA)
