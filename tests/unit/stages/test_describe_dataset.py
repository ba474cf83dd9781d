"""The description of the results."""

import json

from describe_dataset import describe_dataset


def described(folder, **options):
    options = {
        "version": "1.2.3",
        "code_url": None,
        "sessions": False,
        "runs_kept": True,
        "content": {},
    } | options
    paths = folder / "dataset_description.json", folder / ".bidsignore"
    describe_dataset(description=paths[0], bidsignore=paths[1], model=folder / "model.json", **options)
    return json.loads(paths[0].read_text()), paths[1].read_text().splitlines()


def test_description_names_the_software_and_its_version(tmp_path):
    """The address of the code is there where it is known."""
    content, _ = described(tmp_path, code_url="https://example.org/code")
    assert content["DatasetType"] == "derivative"
    software = {"Name": "fmri-firstlevel", "Version": "1.2.3", "CodeURL": "https://example.org/code"}
    assert content["GeneratedBy"] == [software]
    assert "CodeURL" not in described(tmp_path)[0]["GeneratedBy"][0]


def test_only_a_study_that_needs_it_ignores_runs_and_events(tmp_path):
    """What BIDS can check stays checked."""
    patterns = {
        key: set(described(tmp_path, sessions=key[0], runs_kept=key[1])[1])
        for key in ((False, True), (False, False), (True, True))
    }
    sidecar = "/sub-*/*_desc-resampled_bold.json"
    images = {"/sub-*/*_desc-fov_mask.nii.gz", "/sub-*/*_desc-resampled_bold.nii"}
    runs = {sidecar, *images, "/sub-*/*_events.tsv"}
    assert not runs & patterns[False, True]
    assert patterns[False, False] - patterns[False, True] == {sidecar}
    assert patterns[True, True] - patterns[False, True] == runs
