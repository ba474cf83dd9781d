"""The anatomical image of preprocessed data, by name."""

from dataclasses import replace

import pytest
from checked_configs import SCHEMA

from firstlevel.plan import config as configs
from firstlevel.plan import preprocessed, runs
from firstlevel.stage import InputError


def checked(folder, space="MNI", **figures):
    config = {
        "study": {"source": "bids", "bids": {"path": str(folder), "task": "a", "space": space}},
        "contrasts": {"a": "a"},
        "figures": figures,
    }
    configs.check_config(config, SCHEMA)
    return config


def run_of(session=None, name="sub-01_task-a_space-MNI_desc-preproc_bold.nii.gz"):
    return runs.Run("01", session, "a", None, (name,), "e.tsv", None, None)


@pytest.fixture
def write(tmp_path):
    """Function that writes empty files of a subject's anatomy."""

    def make(*names):
        for name in names:
            path = tmp_path / "sub-01" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make


SUBJECTS = "anat/sub-01_space-MNI_desc-preproc_T1w.nii.gz"


@pytest.mark.parametrize(
    ("names", "session", "res", "taken"),
    [
        ([SUBJECTS], None, None, SUBJECTS),
        ([SUBJECTS, "anat/sub-01_space-MNI_res-2_desc-preproc_T1w.nii.gz"], None, "2", "res-2"),
        ([SUBJECTS, "anat/sub-01_space-MNI_res-2_desc-preproc_T1w.nii.gz"], None, None, SUBJECTS),
        ([SUBJECTS, "ses-b/anat/sub-01_ses-b_space-MNI_desc-preproc_T1w.nii.gz"], "b", None, "ses-b_"),
        ([SUBJECTS, "ses-b/anat/sub-01_ses-b_space-MNI_desc-preproc_T1w.nii.gz"], "a", None, SUBJECTS),
        (["ses-b/anat/sub-01_ses-b_space-MNI_desc-preproc_T1w.nii"], "a", None, "ses-b_"),
        (["anat/sub-01_desc-preproc_T1w.nii.gz"], None, None, None),
        (
            ["anat/sub-01_space-MNI_T2w.nii.gz", "anat/sub-01_space-MNI6_desc-preproc_T1w.nii.gz"],
            None,
            None,
            None,
        ),
        ([], None, None, None),
    ],
)
def test_t1w_is_of_the_runs_space_and_nearest_to_it(write, names, session, res, taken):
    """Of the run's session before others, of its resolution before others; of another space never."""
    folder = write(*names)
    own = f"sub-01_task-a_space-MNI_{f'res-{res}_' if res else ''}desc-preproc_bold.nii.gz"
    found = preprocessed.t1w_of(checked(folder), run_of(session, own))
    assert (found is None) == (taken is None)
    assert taken is None or taken in found


def test_native_space_of_the_t1w_names_none(write):
    """Runs in the space T1w lie on the image that names no space; raw runs and links to nothing have none."""
    folder = write("anat/sub-01_desc-preproc_T1w.nii.gz", SUBJECTS)
    run = replace(run_of(), bold=("sub-01_task-a_space-T1w_desc-preproc_bold.nii.gz",))
    assert preprocessed.t1w_of(checked(folder, "T1w"), run).endswith("anat/sub-01_desc-preproc_T1w.nii.gz")
    assert preprocessed.t1w_of(checked(folder, None), run) is None
    (folder / "sub-01" / SUBJECTS).unlink()
    (folder / "sub-01" / SUBJECTS).symlink_to("../.git/annex/objects/nothing")
    assert preprocessed.t1w_of(checked(folder), run_of()) is None


def test_a_background_that_is_no_file_stops_before_any_job(tmp_path):
    """A misspelled word is a path that leads nowhere; the message names the words."""
    for word in ("auto", "mean", "T1w"):
        checked(tmp_path, background=word)
    with pytest.raises(
        InputError, match=r"background (.|\n)*no such file(.|\n)*auto, mean, T1w, or the path"
    ):
        checked(tmp_path, background="t1w")
    (tmp_path / "t.nii").touch()
    checked(tmp_path, background=str(tmp_path / "t.nii"))
