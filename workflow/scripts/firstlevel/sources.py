"""What results say of the files that they are from, and what they do not: people publish results.

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
from firstlevel.study import COMPANIONS, Run

NAME = "sourcedata.tsv"
COLUMNS = ("subject", "session", "task", "run", "kind", "file", "sha256")
IMAGES = (".nii", ".nii.gz", ".img", ".mgz")
ABSOLUTE = re.compile(r"(?<![\w.~/\N{HORIZONTAL ELLIPSIS}])/(?:[^/\s:;,()'\"]+/)+")
"""Folders at the beginning of an absolute path, in a path or within a message."""


def folders(config: Mapping[str, Any]) -> list[str]:
    """Absolute paths of the working directory and of the study's roots, the longest first."""
    of_study = config["study"]
    given = [of_study["path"], of_study["table"] and Path(of_study["table"]).parent]
    if of_study["source"] == "bids":
        given += [of_study["bids"]["path"], of_study["bids"]["derivatives"]]
    found = {os.fspath(form) for one in (*filter(None, given), ".") for form in _forms(Path(one))}
    return sorted(found - {"/"}, key=lambda folder: -len(folder))


def _forms(folder: Path) -> tuple[Path, Path]:
    return folder.absolute(), folder.resolve()


def relative(text: str, folders: Iterable[str]) -> str:
    """Path, or message with paths, without the folders of this machine."""
    for folder in folders:
        text = text.replace(f"{folder}/", "")
    return ABSOLUTE.sub("\N{HORIZONTAL ELLIPSIS}/", text)


def shown(path: str, folders: Iterable[str]) -> str:
    """Path below the root of its study where its name is of BIDS; n/a of the user's own names."""
    return relative(path, folders) if texts.public(Path(path)) else "n/a"


def without_folders(config: Any, folders: Sequence[str]) -> Any:
    """Copy of a config whose paths are shown as :func:`relative` shows them."""
    if isinstance(config, Mapping):
        return {key: without_folders(value, folders) for key, value in config.items()}
    if isinstance(config, list):
        return [without_folders(value, folders) for value in config]
    return relative(config, folders) if isinstance(config, str) and config.startswith("/") else config


def rows(
    runs: Iterable[Run], sidecars: Mapping[str, Path], folders: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    """Every file that a run is from, with the digest of images that its resampled run has written down.

    Parameters
    ----------
    sidecars : of the resampled runs, by the name of the run.
    """
    for run in runs:
        labels = [label or "n/a" for label in (run.subject, run.session, run.task, run.label)]
        images = _images(run.bold)
        digests = _digests(sidecars[run.name], images)
        for file in images:
            yield (*labels, "bold", relative(file, folders), digests.get(file, "n/a"))
        others = {"events": run.events, "confounds": run.confounds, "mask": run.mask, "design": run.design}
        for kind, path in others.items():
            if path:
                yield (*labels, kind, relative(path, folders), "n/a")
        for path in run.sidecars:
            yield (*labels, "sidecar", relative(path, folders), "n/a")


def _images(bold: Sequence[str]) -> list[str]:
    """Images with the headers of pairs, then SPM's affines; of a folder the files in it."""
    if len(bold) == 1 and Path(bold[0]).is_dir():
        bold = [
            str(file)
            for image in sorted(Path(bold[0]).iterdir())
            if image.name.endswith(IMAGES)
            for file in (image, *([image.with_suffix(".hdr")] if image.suffix == ".img" else []))
        ]
    affines = COMPANIONS[1]
    return [*(file for file in bold if not file.endswith(affines)), *(f for f in bold if f.endswith(affines))]


def _digests(sidecar: Path, images: Sequence[str]) -> dict[str, str]:
    """SHA-256 by image, as far as the sidecar of the resampled run has one for each."""
    try:
        found = [one["sha256"] for one in json.loads(sidecar.read_bytes())["Inputs"]]
    except (OSError, ValueError, LookupError, TypeError):
        return {}
    without_affines = [file for file in images if not file.endswith(COMPANIONS[1])]
    for files in (images, without_affines):  # affines that the header's override are not read
        if len(files) == len(found):
            return dict(zip(files, found, strict=True))
    return {}
