"""What results say of the files that they are from: no folder of the machine, no name of the user's own."""

import json
from pathlib import Path

import pytest

from firstlevel.plan import provenance
from firstlevel.plan.runs import LeftOut, Run
from firstlevel.texts import visible

FOLDERS = ["/home/jane doe/study/raw", "/home/jane doe/study"]


def test_folders_are_those_of_the_study_the_longest_first(tmp_path, monkeypatch):
    """As given and with links followed."""
    (tmp_path / "disk/raw").mkdir(parents=True)
    (tmp_path / "link").symlink_to("disk")
    monkeypatch.chdir(tmp_path)
    config = {
        "study": {
            "source": "bids",
            "spm_multimodal": {"path": None},
            "table": None,
            "bids": {"path": "link/raw", "derivatives": None},
        }
    }
    assert provenance.folders(config) == sorted(
        {f"{tmp_path}/link/raw", f"{tmp_path}/disk/raw", str(tmp_path)},
        key=lambda folder: (-len(folder), folder),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/jane doe/study/raw/sub-01/func/sub-01_bold.nii", "sub-01/func/sub-01_bold.nii"),
        ("/home/jane doe/study/JohnDoe.nii", "JohnDoe.nii"),
        ("/home/john/x.nii, row 3: wrong; (/data/y.tsv)", "…/x.nii, row 3: wrong; (…/y.tsv)"),
        ("go/no-go and sub-01/x.nii", "go/no-go and sub-01/x.nii"),
        ("../raw/x.nii", "../raw/x.nii"),
        ("a / b", "a / b"),
    ],
)
def test_paths_are_relative_to_the_study(text, expected):
    """Alone and within a message; names with a slash stay."""
    assert provenance.relative(text, FOLDERS) == expected


def test_only_names_of_bids_are_shown():
    """JohnDoe_1980.img is the user's own."""
    assert (
        provenance.shown("/home/jane doe/study/raw/sub-01/sub-01_bold.nii", FOLDERS)
        == "sub-01/sub-01_bold.nii"
    )
    assert provenance.shown("raw/task-faces_events.tsv", FOLDERS) == "raw/task-faces_events.tsv"
    for path in ("/home/jane doe/study/JohnDoe_1980.img", "raw/sub-01/JohnDoe.nii", "", "subject.nii"):
        assert provenance.shown(path, FOLDERS) == "n/a"


def test_config_is_shown_without_folders():
    """Only of absolute paths; a contrast with a slash stays."""
    config = {"mask": "/home/jane doe/study/m.nii", "contrasts": {"a": "'go/no-go'"}, "n": 1, "l": ["/x/y/z"]}
    shown = provenance.without_folders(config, FOLDERS)
    assert shown == {"mask": "m.nii", "contrasts": {"a": "'go/no-go'"}, "n": 1, "l": ["…/z"]}


@pytest.mark.parametrize("n_digests", [0, 2, 4, 6])
def test_table_of_sources_has_every_file_with_the_digest_of_images(tmp_path, n_digests):
    """Pairs of files, SPM's affines where they were read; none where the numbers do not fit."""
    bold = (
        "JohnDoe-1.img",
        "JohnDoe-1.hdr",
        "JohnDoe-1.mat",
        "JohnDoe-2.img",
        "JohnDoe-2.hdr",
        "JohnDoe-2.mat",
    )
    run = Run("01", None, "faces", "1", bold, "trials.mat", "rp.txt", 2.0, sidecars=("x.json",))
    sidecar = tmp_path / "bold.json"
    if n_digests:
        sidecar.write_text(json.dumps({"Inputs": [{"Sha256": str(k)} for k in range(n_digests)]}))
    rows = list(provenance.rows([run], {run.label: sidecar}, FOLDERS, {}, []))
    assert all(row[:4] == ("01", "n/a", "faces", "1") for row in rows)
    images = [*bold[:2], *bold[3:5], bold[2], bold[5]]
    digests = [str(k) for k in range(n_digests)] if n_digests >= 4 else []
    digests += ["n/a"] * (6 - len(digests))
    expected = [("bold", file, digest) for file, digest in zip(images, digests, strict=True)]
    expected += [
        ("events", "trials.mat", "n/a"),
        ("confounds", "rp.txt", "n/a"),
        ("sidecar", "x.json", "n/a"),
    ]
    assert [row[4:] for row in rows] == expected


def test_images_of_a_folder_are_listed(tmp_path):
    """As those that a rule makes."""
    for name in ("b.img", "b.hdr", "a.img", "a.hdr", ".snakemake_timestamp"):
        (tmp_path / name).write_text("")
    assert [Path(file).name for file in provenance._images([str(tmp_path)])] == [
        "a.img",
        "a.hdr",
        "b.img",
        "b.hdr",
    ]


NAMES = [
    "/media/John Doe (1980's), lab/JohnDoe_1980.nii",
    "JohnDoe/JohnDoe 1980.nii.gz",
    "/mnt/[DOE] {}% $1/JohnDoe.img",
    "/a/\u202eJohnDoe\x1b[31m.nii",
    "../../JohnDoe/JohnDoe.mgz",
    "/home/jane doe/study/JohnDoe/doe+john.nii",
    "/home/JohnDoe/x\\1\\g<0>JohnDoe.nii",
    "~JohnDoe/JohnDoe.nii",
]


@pytest.mark.parametrize("path", NAMES)
@pytest.mark.parametrize("kind", ["bold", "events", "confounds", "mask", "design", "config"])
def test_message_that_is_published_names_no_file_or_folder_of_the_users_own(path, kind):
    """As stages write it: whole paths, names alone, folders alone, in quotes, as an address."""
    given = {"bold": ("a.nii",), "events": "e.tsv", "confounds": None, "repetition_time": 2.0}
    given |= {} if kind == "config" else {kind: (path,) if kind == "bold" else path}
    run = Run("01", None, "faces", "1", **given)
    called = provenance.called([run], {path: "the mask"} if kind == "config" else {})
    messages = [
        f"{path}: wrong",
        f"'{path}' and {Path(path).name}, row 3",
        f"no volume 2 in ({Path(path).name})",
    ]
    messages += [f"{Path(path).parent} cannot be read"] * path.startswith("/")
    for message in messages:
        shown = provenance.anonymous(visible(message), called, FOLDERS)
        assert "doe" not in shown.casefold().replace("its folder", "")
        assert shown.count("wrong") == message.count("wrong")


def test_message_keeps_names_of_bids_and_words_that_are_like_names():
    """A volume is told by its number; text that only has a name in it stays."""
    bold = ("/data/a b/1.img", "/data/a b/1.hdr", "/data/a b/2.img", "/data/a b/2.hdr")
    run = Run("01", None, "faces", "1", bold, "/data/a b/sub-01_task-faces_events.tsv", "on.txt", 2.0)
    called = provenance.called([run], {})
    assert provenance.anonymous("/data/a b/2.hdr: 11.img", called, []) == "bold image 2: 11.img"
    assert provenance.anonymous(f"{run.events}, row 2", called, []) == "…/sub-01_task-faces_events.tsv, row 2"
    assert provenance.anonymous("'go-on.txt' of on.txt", called, []) == "'go-on.txt' of the file of confounds"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("denied: '/home/John Doe/x.tsv'", "denied: '…/x.tsv'"),
        ('denied: "/home/John Doe\'s/x.tsv"', 'denied: "…/x.tsv"'),
        ("'go/no go' and 'a/b'", "'go/no go' and 'a/b'"),
        ("see 'file:///home/doe/x.tsv'", "see '…/x.tsv'"),
    ],
)
def test_quoted_paths_of_the_system_lose_folders_with_blanks(text, expected):
    """As Python writes them in its errors."""
    assert provenance.relative(text, []) == expected


def test_page_shows_the_config_without_names_of_the_users_own(tmp_path):
    """Mask, background, run table and designs; words and names of BIDS stay."""
    config = {
        "mask": "masks/JohnDoe.nii",
        "figures": {"background": "/home/jane doe/T1 JohnDoe.nii"},
        "study": {"table": "JohnDoe.tsv", "design": "d/sub-01_design.tsv"},
    }
    shown = provenance.without_names(config, FOLDERS)
    assert "Doe" not in str(shown)
    assert shown["study"]["design"] == "d/sub-01_design.tsv"
    assert provenance.without_names(config | {"mask": "epi"}, FOLDERS)["mask"] == "epi"
    assert config["mask"] == "masks/JohnDoe.nii"
    rows = list(provenance.rows([], {}, FOLDERS, provenance.of_config(config), []))
    assert ("n/a", "n/a", "n/a", "n/a", "mask", "masks/JohnDoe.nii", "n/a") in rows


def test_what_is_left_out_is_shown_by_its_folder_or_name_of_bids():
    """Folders of subjects are known by their names."""
    assert provenance.left_out("/home/jane doe/study/raw/sub-02", FOLDERS) == "sub-02"
    assert provenance.left_out("/home/John Doe/sub-01_bold.nii", FOLDERS) == "…/sub-01_bold.nii"
    odd = LeftOut("/home/jane doe/study/raw/sub-02/JohnDoe.nii", "its name has no sub-", task="faces")
    assert provenance.left_out(odd.path, FOLDERS) == "n/a"
    rows = list(provenance.rows([], {}, FOLDERS, {}, [odd, LeftOut("raw/sub-02", "is empty")]))
    assert rows == [("n/a", "n/a", "faces", "n/a", "left out", "sub-02/JohnDoe.nii", "n/a")]
