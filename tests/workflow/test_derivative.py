"""The results are a BIDS derivative, by the official validator, which needs no network."""

import shutil
from pathlib import Path

import pytest
from validator import errors

from describe_dataset import describe_dataset


@pytest.fixture
def dataset(tmp_path, small_study):
    """Copy of the small study's results that a test may break."""
    return Path(shutil.copytree(small_study.folder / "results", tmp_path / "results"))


def test_results_are_a_bids_derivative(small_study):
    """No error in what the workflow wrote."""
    assert errors(small_study.folder / "results") == set()


def test_study_with_sessions_and_runs_that_are_not_kept(dataset):
    """The names of the files are fixed; the validator passes over those that it would place elsewhere."""
    options = {"description": dataset / "dataset_description.json", "bidsignore": dataset / ".bidsignore"}
    options |= {"model": dataset / "model.json", "content": {}}
    images = list(dataset.glob("*/*_bold.nii"))
    kept = [image.rename(dataset.parent / image.name) for image in images]
    assert {code for code, _ in errors(dataset)} == {"SIDECAR_WITHOUT_DATAFILE"}
    describe_dataset(**options, version="0", code_url=None, sessions=False, runs_kept=False)
    assert errors(dataset) == set()
    for image, path in zip(kept, images, strict=True):
        image.rename(path)
    for path in dataset.glob("sub-*/*_run-*"):
        path.rename(path.with_name(path.name.replace("_task", "_ses-pre_task")))
    assert len(errors(dataset)) == 6  # image, field of view and events of both runs
    describe_dataset(**options, version="0", code_url=None, sessions=True, runs_kept=True)
    assert errors(dataset) == set()


BREAKS = {
    "no description": (lambda d: (d / "dataset_description.json").unlink(), "MISSING_DATASET_DESCRIPTION"),
    "no .bidsignore": (lambda d: (d / ".bidsignore").unlink(), "NOT_INCLUDED"),
    "a name with a typo": (
        lambda d: (d / "sub-01/sub-01_task-faces_run-1_evnts.tsv").touch(),
        "NOT_INCLUDED",
    ),
    "events without onsets": (
        lambda d: (d / "sub-01/sub-01_task-faces_run-1_events.tsv").write_text("duration\n1\n"),
        "TSV_COLUMN_MISSING",
    ),
    "a run that is no image": (
        lambda d: (d / "sub-01/sub-01_task-faces_run-1_desc-resampled_bold.nii").write_bytes(b"no"),
        "NIFTI_HEADER_UNREADABLE",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_broken_dataset_is_not_valid(dataset, name):
    """The validator is not blind here."""
    break_it, code = BREAKS[name]
    break_it(dataset)
    assert code in {found for found, _ in errors(dataset)}
