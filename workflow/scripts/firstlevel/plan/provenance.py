"""How results name their input files: no private names or folders, since people publish results.

Names that BIDS gives stand in results, below the root of their study. Names of the user's own
(JohnDoe_1980.img) stand in one table, sourcedata.tsv, which is no part of the derivative; the folders of a
machine nowhere. Standard library only.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from firstlevel import texts
from firstlevel.io.suffixes import COMPANIONS, SUFFIXES
from firstlevel.plan.model import WORDS
from firstlevel.plan.runs import LeftOut, Run

NAME = "sourcedata.tsv"
COLUMNS = ("subject", "session", "task", "run", "kind", "file", "sha256")
ABSOLUTE = re.compile(r"(?<![\w.~/\N{HORIZONTAL ELLIPSIS}])/(?:[^/\s:;,()'\"]+/)+")
"""Folders at the beginning of an absolute path, in a path or within a message."""
QUOTED = re.compile(r"""(['"])(?:file://)?/(?:(?!\1)[^/\n]+/)(?:(?!\1)[^\n])*?([^/\n]*?)\1""")
"""The same in quotes, where folders may have blanks."""
FOLDER = re.compile(r"(sub|ses)-[^_]+$")
"""How folders are called that BIDS gives."""


def folders(config: Mapping[str, Any]) -> list[str]:
    """Absolute paths of the working directory and of the study's roots, the longest first."""
    of_study = config["study"]
    given = [of_study["spm_multimodal"]["path"], of_study["table"] and Path(of_study["table"]).parent]
    if of_study["source"] == "bids":
        given += [of_study["bids"]["path"], of_study["bids"]["derivatives"]]
    spellings = {os.fspath(form) for one in (*filter(None, given), ".") for form in _forms(Path(one))}
    return sorted(spellings - {"/"}, key=lambda folder: (-len(folder), folder))


def _forms(folder: Path) -> tuple[Path, Path]:
    return folder.absolute(), folder.resolve()


def relative(text: str, folders: Iterable[str]) -> str:
    """Path, or message with paths, without the folders of this machine."""
    for folder in folders:
        text = text.replace(f"{folder}/", "")
    text = QUOTED.sub("\\1\N{HORIZONTAL ELLIPSIS}/\\2\\1", text)
    return ABSOLUTE.sub("\N{HORIZONTAL ELLIPSIS}/", text)


def of_path(path: str, folders: Iterable[str]) -> str:
    """Path below the root of its study, whatever its names are; elsewhere only the file name."""
    for folder in folders:
        if path.startswith(f"{folder}/"):
            return path[len(folder) + 1 :]
    return f"\N{HORIZONTAL ELLIPSIS}/{Path(path).name}" if path.startswith("/") else path


def shown(path: str, folders: Iterable[str]) -> str:
    """Path below the root of its study if its name follows BIDS; n/a for other names."""
    return of_path(path, folders) if texts.public(Path(path)) else "n/a"


def left_out(path: str, folders: Iterable[str]) -> str:
    """The same of a file or folder that makes no run, of which a folder's label is shown."""
    return of_path(path, folders) if FOLDER.match(Path(path).name) else shown(path, folders)


def called(runs: Iterable[Run], config_files: Mapping[str, str]) -> dict[str, str]:
    """Names for the files of some runs and of the config in published messages, by path."""
    name_of_file = dict(config_files)
    for run in runs:
        number = 0
        for file in run.bold:
            number += not file.endswith(COMPANIONS)
            name_of_file[file] = f"bold image {number}" if len(run.images) > 1 else "the bold image"
        others = {"events": run.events, "confounds": run.confounds, "mask": run.mask, "design": run.design}
        name_of_file |= {path: f"the file of {kind}" for kind, path in others.items() if path}
    return name_of_file


def anonymous(message: str, called: Mapping[str, str], folders: Iterable[str]) -> str:
    """Message in which private file names are replaced by what the files are, and folders are removed.

    Parameters
    ----------
    called : what each file that the message may name is called, by its path.
    """
    own = [path for path in called if not texts.public(Path(path))]
    for path in sorted(called, key=len, reverse=True):
        if texts.visible(Path(path).name) in message:
            instead = called[path] if path in own else of_path(path, folders)
            for form in (path, os.path.normpath(path), *map(str, _forms(Path(path)))):
                message = _replaced(message, form, instead)
    for path in own:
        message = _replaced(message, Path(path).name, called[path])
    for folder in sorted({str(Path(path).parent) for path in called}, key=len, reverse=True):
        if folder.startswith("/") and folder not in ("/", *folders):
            message = message.replace(texts.visible(folder), "its folder")
    return relative(message, folders)


def _replaced(message: str, name: str, instead: str) -> str:
    """Message with a name replaced, except where it is part of a longer name."""
    name = texts.visible(name)
    if name not in message:
        return message
    return re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", lambda _: instead, message)


def without_names(config: Mapping[str, Any], folders: Sequence[str]) -> dict[str, Any]:
    """Copy of a config without folders of this machine and private file names."""
    copy: dict[str, Any] = without_folders(config, folders)
    files = (("mask",), ("figures", "background"), ("study", "table"), ("study", "design"))
    for *sections, key in files:
        section = copy
        for name in sections:
            section = section[name]
        if (
            isinstance(section[key], str)
            and section[key] not in WORDS
            and not texts.public(Path(section[key]))
        ):
            section[key] = f"named in {NAME}"
    return copy


def without_folders(config: Any, folders: Sequence[str]) -> Any:
    """Copy of a config whose paths are shown as :func:`of_path` shows them."""
    if isinstance(config, Mapping):
        return {key: without_folders(value, folders) for key, value in config.items()}
    if isinstance(config, list):
        return [without_folders(value, folders) for value in config]
    return of_path(config, folders) if isinstance(config, str) and config.startswith("/") else config


def of_config(config: Mapping[str, Any]) -> dict[str, str]:
    """Names for the files of a config in messages and the table of sources, by path."""
    called = {config["study"]["table"]: "the run table", config["study"]["design"]: "the given design"}
    called |= {config["mask"]: "the mask", config["figures"]["background"]: "the background"}
    return {path: name for path, name in called.items() if path and path not in WORDS}


def rows(
    runs: Iterable[Run],
    sidecars: Mapping[str, Path],
    folders: Sequence[str],
    config_files: Mapping[str, str],
    without_run: Iterable[LeftOut],
) -> Iterator[tuple[str, ...]]:
    """Input files of every run, with the digests of images from the sidecar of its resampled run.

    Parameters
    ----------
    sidecars : of the resampled runs, by the label of the run.
    config_files : what the files that the config names are, by their paths.
    without_run : files that make no run; those that other tables do not name stand here.
    """
    for given, called in config_files.items():
        yield (*["n/a"] * 4, called.removeprefix("the "), of_path(given, folders), "n/a")
    for run in runs:
        labels = [label or "n/a" for label in (run.subject, run.session, run.task, run.within_session)]
        images = _images(run.bold)
        digests = _digests(sidecars[run.label], images)
        for file in images:
            yield (*labels, "bold", of_path(file, folders), digests.get(file, "n/a"))
        others = {"events": run.events, "confounds": run.confounds, "mask": run.mask, "design": run.design}
        for kind, path in others.items():
            if path:
                yield (*labels, kind, of_path(path, folders), "n/a")
        for path in run.sidecars:
            yield (*labels, "sidecar", of_path(path, folders), "n/a")
    for one in without_run:
        if left_out(one.path, folders) == "n/a":
            labels = [label or "n/a" for label in (one.subject, one.session, one.task, one.run)]
            yield (*labels, one.status, of_path(one.path, folders), "n/a")


def _images(bold: Sequence[str]) -> list[str]:
    """Images with the headers of pairs, then SPM's affines; of a folder the files in it."""
    if len(bold) == 1 and Path(bold[0]).is_dir():
        bold = [
            str(file)
            for image in sorted(Path(bold[0]).iterdir())
            if image.name.endswith(SUFFIXES)
            for file in (image, *([image.with_suffix(".hdr")] if image.suffix == ".img" else []))
        ]
    affines = COMPANIONS[1]
    return [*(file for file in bold if not file.endswith(affines)), *(f for f in bold if f.endswith(affines))]


def _digests(sidecar: Path, images: Sequence[str]) -> dict[str, str]:
    """SHA-256 by image, as far as the sidecar of the resampled run has one for each."""
    try:
        digests = [one["Sha256"] for one in json.loads(sidecar.read_bytes())["Inputs"]]
    except (OSError, ValueError, LookupError, TypeError):
        return {}
    without_affines = [file for file in images if not file.endswith(COMPANIONS[1])]
    for files in (images, without_affines):  # affines that the header's override are not read
        if len(files) == len(digests):
            return dict(zip(files, digests, strict=True))
    return {}
