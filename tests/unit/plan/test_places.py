"""Folders for results: what of the user's they must not hold, and what in them must not be replaced."""

import base64
import json
from pathlib import Path

import pytest

from firstlevel import texts
from firstlevel.io import derivative, table_writer
from firstlevel.plan import places, summary
from firstlevel.stage import InputError

OURS = json.dumps(derivative.description("1.0", None))


def test_results_may_lie_in_a_new_folder_and_in_their_own(tmp_path):
    """The first start, one after a kill that left the table of runs alone, and every later one."""
    places.check_folder(tmp_path / "new")
    table_writer.write_table(tmp_path / "runs.tsv", summary.COLUMNS, [])
    (tmp_path / "report.html").write_text("ours")
    places.check_folder(tmp_path)
    (tmp_path / "dataset_description.json").write_text(OURS)
    table_writer.write_table(tmp_path / "maps.tsv", derivative.MAPS_COLUMNS, [])
    (tmp_path / ".bidsignore").write_text("".join(f"{line}\n" for line in derivative.ignored(True, False)))
    places.check_folder(tmp_path)


@pytest.mark.parametrize(
    "content",
    ['{"Name": "raw", "BIDSVersion": "1.8.0"}', '{"GeneratedBy": [{"Name": "fMRIPrep"}]}', "[]", "{"],
)
def test_description_of_another_dataset_is_not_replaced(tmp_path, content):
    """Results in the folder of raw data or of another derivative stop the start."""
    (tmp_path / "dataset_description.json").write_text(content)
    with pytest.raises(InputError, match="did not make"):
        places.check_folder(tmp_path)


@pytest.mark.parametrize("description", [None, OURS])
@pytest.mark.parametrize("name", ["runs.tsv", "maps.tsv", ".bidsignore"])
@pytest.mark.parametrize("content", ["subject\ttask\trun\tbold\tevents\n", "", "*.log\n", "\xff" * 5000])
def test_table_of_another_origin_is_not_replaced(tmp_path, name, content, description):
    """A run table of the user's own, a list of theirs, an empty file, a long line."""
    (tmp_path / name).write_text(content)
    if description:
        (tmp_path / "dataset_description.json").write_text(description)
    with pytest.raises(InputError, match=f"{name}: was not made by this workflow, which would replace it"):
        places.check_folder(tmp_path)


@pytest.mark.parametrize("name", ["runs.tsv", "report.html"])
def test_page_or_folder_of_another_origin_is_not_replaced(tmp_path, name):
    """A page where nothing says that the folder is ours; a folder under the name of a file."""
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=name):
        places.check_folder(tmp_path)


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A working directory with an input in a folder, results beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine/sub-01").mkdir(parents=True)
    (tmp_path / "mine/sub-01/run.nii").write_text("")
    (tmp_path / "runs.tsv").write_text("")
    (tmp_path / "results").mkdir()
    return tmp_path


HELD = {
    "itself": (".", "runs.tsv"),
    "above": ("..", "runs.tsv"),
    "some folders above": ("mine", "mine/sub-01/run.nii"),
    "a folder as input": ("mine", "mine"),
    "a folder as input, deeper": ("mine", "mine/sub-01"),
    "through dots": ("mine/sub-01/../../mine", "mine/sub-01/run.nii"),
    "dots in the input": ("mine", "results/../mine/sub-01/run.nii"),
    "results are a link": ("link", "mine/sub-01/run.nii"),
    "input is a link to what lies in the results": ("mine", "linked.nii"),
    "input through a linked folder": ("mine", "link/sub-01/run.nii"),
    "a link in the results": ("results", "results/elsewhere.tsv"),
    "an absolute path": ("{}/mine", "mine/sub-01/run.nii"),
}
"""Place of the results, and an input that could be replaced there."""


LINKS = {"link": "mine", "linked.nii": "mine/sub-01/run.nii", "results/elsewhere.tsv": "../runs.tsv"}


@pytest.mark.parametrize("name", HELD)
def test_input_in_a_folder_that_is_written_to_stops(study, name):
    """Whatever the path is written like."""
    results, given = HELD[name]
    for link, target in LINKS.items():
        (study / link).symlink_to(target)
    folders = {"logs": study / "logs", "results": study / results.format(study)}
    with pytest.raises(InputError, match=r"config key pathvars.results (.|\n)*, an input of the study"):
        places.check_apart(folders, [given])


def test_results_beside_and_below_inputs_are_fine(study):
    """As derivatives/firstlevel of a raw study are; and a folder that is not there holds nothing."""
    (study / "mine/derivatives/firstlevel").mkdir(parents=True)
    for results in ("results", "mine/derivatives/firstlevel", "mine/new", "result"):
        places.check_apart(
            {"results": study / results}, ["mine", "mine/sub-01/run.nii", "runs.tsv", "no.tsv"]
        )


FOREIGN = [
    "sub-01/report.html",
    "sub-01/sub-01_task-faces_run-1_events.tsv",
    "sub-01/sub-01_task-faces_desc-brain_mask.nii.gz",
    "sub-01/sub-01_task-faces_run-1_desc-resampled_bold.nii",
    "sub-01/sub-01_task-faces_contrast-a_stat-z_statmap.nii.gz",
    "sub-01/sub-01_task-faces_run-1_design.tsv",
    "sub-01/figures/sub-01_task-faces_run-1_carpet.png",
    "sub-01/figures/sub-01_task-faces_contrast-a_viewer.html",
]


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("link", [False, True])
def test_file_under_the_name_of_a_result_in_a_folder_that_is_not_ours_stops(
    tmp_path, monkeypatch, name, link
):
    """It would be taken for up to date. Not of a subject of another study; not where we were killed."""
    monkeypatch.chdir(tmp_path)
    path = Path("derivatives") / name
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "text.txt") if link else path.write_text("theirs")
    (tmp_path / "text.txt").write_text("theirs")
    with pytest.raises(InputError, match="would take it for a result"):
        places.check_folder(Path("derivatives"), ["01"])
    places.check_folder(Path("derivatives"), ["02"])
    record = Path(".snakemake/incomplete", base64.urlsafe_b64encode(str(path).encode()).decode())
    record.parent.mkdir(parents=True)
    record.write_text("{}")
    places.check_folder(Path("derivatives"), ["01"])


def test_record_of_a_long_path_is_found_where_snakemake_keeps_it(tmp_path, monkeypatch):
    """Its key is longer than a name of a file may be."""
    persistence = pytest.importorskip("snakemake.persistence.file")
    monkeypatch.chdir(tmp_path)
    path = Path("results", *["long" * 20] * 4, "sub-01_é_events.tsv")
    keeper = persistence.FilePersistence.__new__(persistence.FilePersistence)
    keeper._max_len = None
    Path(".snakemake/metadata").mkdir(parents=True)
    record = Path(keeper._record_path(".snakemake/metadata", str(path)))
    assert not places._is_recorded(path)
    record.parent.mkdir(parents=True)
    record.write_text("{}")
    assert places._is_recorded(path)


@pytest.mark.parametrize(
    "name",
    [
        "sub-01/func/sub-01_task-faces_bold.nii.gz",
        "sub-01/notes.txt",
        "sub-01/sub-01_scans.tsv",
        "sub-01/figures/sub-01_task-faces_desc-carpet_bold.svg",
        "sub-01/.sub-01_task-faces_events.tsv.x.tsv",
        "group.html",
        "participants.tsv",
    ],
)
def test_files_of_the_users_own_in_a_folder_for_results_are_no_reason_to_stop(tmp_path, name):
    """Nothing of ours has such a name."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("theirs")
    places.check_folder(tmp_path, ["01"])


@pytest.mark.parametrize("link", ["results/sub-01", "results/sub-01/figures"])
def test_folder_of_a_subject_that_is_a_link_to_inputs_stops(study, link):
    """Files are written below it."""
    (study / link).parent.mkdir(exist_ok=True)
    (study / link).symlink_to(study / "mine/sub-01")
    with pytest.raises(InputError, match=r"pathvars.results"):
        places.check_apart({"results": study / "results"}, ["mine/sub-01/run.nii"])


def test_images_of_the_users_own_where_the_workflow_would_fetch_are_kept(tmp_path, monkeypatch):
    """They were unpacked by hand: Snakemake would empty the folder first."""
    monkeypatch.chdir(tmp_path)
    session = Path("data/spm_multimodal/sub001/fMRI/Session1")
    places.check_made(session)
    session.mkdir(parents=True)
    places.check_made(session)
    (session / "f.img").write_text("theirs")
    with pytest.raises(InputError, match=r"study\.spm_multimodal\.path"):
        places.check_made(session)
    (session / places.TIMESTAMP).write_text("")
    places.check_made(session)


@pytest.mark.parametrize("path", ["no/../.", "mine/no/../../.", "no/such/../..", "{}/no/.."])
def test_dots_behind_a_folder_that_is_not_there_are_followed(study, path):
    """Snakemake makes the folder, and then they lead to the study itself."""
    (study / "results").rmdir()
    folder = places.located(path.format(study), "results")
    with pytest.raises(InputError, match=r"pathvars\.results"):
        places.check_apart({"results": folder}, ["runs.tsv"])


@pytest.mark.parametrize(
    "path", ["runs.tsv", "mine/sub-01/run.nii", "a{b}", "a\x1b[31mb", "caf\udce9", "a\u009bb", "a<b>"]
)
def test_folder_that_cannot_be_one_stops(study, path):
    """A file; a path that Snakemake would change, or print as a command."""
    with pytest.raises(InputError, match=r"config key pathvars\.results: ") as stopped:
        places.located(path, "results")
    assert not texts.UNSEEN.search(str(stopped.value))


@pytest.mark.parametrize(
    "path", ["results", "new", "a b/(c) [d]/é 'q\"", "mine/../new", "/tmp/../tmp/new", "{}"]
)
def test_folder_of_any_name_is_taken(study, path):
    """As it is written."""
    assert places.located(path, "results").resolve() == Path(path).resolve()
