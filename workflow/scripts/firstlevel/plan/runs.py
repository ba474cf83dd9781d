"""Runs of a study, and files that make no run: the result of every source. Standard library."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from firstlevel import names, texts
from firstlevel.io import spm_affines
from firstlevel.io.suffixes import COMPANIONS
from firstlevel.stage import InputError

NAME = re.compile(r"\bsub-[^\s,;:()]+")
LEFT_OUT, NOT_SELECTED = "left out", "not selected"
"""What becomes of that which makes no run: it should, or the config does not ask for it."""


@dataclass(frozen=True)
class Run:
    """One row of the run table.

    Attributes
    ----------
    subject, session, task, run : labels; session and run may be absent.
    bold : a 4D image, or 3D images in time order, each with what lies beside it (the ``.hdr`` of a pair,
        a ``.mat`` of its name, where SPM keeps affines); or one folder of 3D images.
    events : events table (``.tsv``), SPM's multiple conditions (``.mat``), or a folder or pattern of FSL's or
        AFNI's files, one per condition; empty where the model needs none.
    confounds : table of confounds, one row per scan.
    repetition_time : seconds; None leaves it to header and sidecars, which must agree; the name of one of
        them (``header``, ``sidecar``) decides for it.
    sidecars : JSON files that hold for the run, the nearest last.
    mask : the run's own brain mask.
    others : further entities that tell the run apart from others, such as ``("dir", "LR")``.
    onset_unit : ``s`` or ``scans``; None stands for s in events tables and for scans in ``.mat`` files.
    design : a ready-made design matrix, which is taken as it is; events are none then.
    design_part : which session of that file is the run's, and how many runs of its subject name the file.
    """

    subject: str
    session: str | None
    task: str
    run: str | None
    bold: tuple[str, ...]
    events: str
    confounds: str | None
    repetition_time: float | str | None
    sidecars: tuple[str, ...] = ()
    mask: str | None = None
    onset_unit: str | None = None
    others: tuple[tuple[str, str], ...] = ()
    design: str | None = None
    design_part: tuple[int, int] = (1, 1)

    @functools.cached_property
    def label(self) -> str:
        """Prefix of the names of its files: all of its labels, and the space of its images."""
        own = {"sub": self.subject, "ses": self.session, "task": self.task, "run": self.run}
        return names.labelled({**own, **dict(self.others), **self.of_image})

    @functools.cached_property
    def of_image(self) -> dict[str, str]:
        """Entities of the grid of its images, where their names are of BIDS."""
        return names.entities_of_image(self.images[0])

    @property
    def within_session(self) -> str | None:
        """Label of the run within its session: 1, or dir-LR_run-1 if other entities distinguish runs, too."""
        return names.within_session({**dict(self.others), **({"run": self.run} if self.run else {})})

    def is_labelled_beside(self, session: str | None) -> bool:
        """Whether its labels are more than those of its unit, which may have the session, too."""
        return self.within_session is not None or (self.session is not None and session is None)

    @property
    def name(self) -> str:
        """Labels in words."""
        return ", ".join(f"{entity} {label}" for entity, label in self.entities.items())

    @property
    def title(self) -> str:
        """Labels for the title of a figure."""
        rest = {entity: label for entity, label in self.entities.items() if entity != "subject"}
        return ", ".join([f"sub-{self.subject}", *(f"{entity} {label}" for entity, label in rest.items())])

    @property
    def images(self) -> tuple[str, ...]:
        """The images of the run, without what lies beside them."""
        return tuple(file for file in self.bold if not file.endswith(COMPANIONS))

    @property
    def first(self) -> tuple[str, ...]:
        """The first image, with what lies beside it."""
        beside = itertools.takewhile(lambda file: file.endswith(COMPANIONS), self.bold[1:])
        return (self.bold[0], *beside)

    @property
    def entities(self) -> dict[str, str]:
        """Labels by BIDS entity name, without the absent ones."""
        labels = {"subject": self.subject, "session": self.session, "task": self.task}
        labels |= {**dict(self.others), "run": self.run}
        return {entity: label for entity, label in labels.items() if label is not None}

    @property
    def wildcards(self) -> dict[str, str]:
        """Values of the wildcards in the names of its files."""
        return {"subject": self.subject, "run": self.label}


class LeftOut(NamedTuple):
    """A file or folder of a study that makes no run, and why; labels where its name says them."""

    path: str
    reason: str
    subject: str | None = None
    session: str | None = None
    task: str | None = None
    run: str | None = None
    status: str = LEFT_OUT


def grouped(left_out: Iterable[LeftOut], status: str = LEFT_OUT) -> list[tuple[str, list[LeftOut]]]:
    """Left-out files grouped by reason, the commonest first; file names within a reason are ignored."""
    groups: dict[str, list[LeftOut]] = {}
    for one in left_out:
        if one.status == status:
            groups.setdefault(NAME.sub("sub-...", one.reason), []).append(one)
    told = [(group[0].reason if len(group) == 1 else reason, group) for reason, group in groups.items()]
    return sorted(told, key=lambda one: -len(one[1]))


def nothing_missing(left_out: Sequence[LeftOut]) -> None:
    """Raise an InputError if anything is left out, with the reasons and their counts."""
    if groups := grouped(left_out):
        told = "; ".join(f"{len(group)} x {reason} ({Path(group[0].path).name})" for reason, group in groups)
        raise InputError(
            "config key study.on_missing",
            f"is error, and {sum(len(group) for _, group in groups)} files or folders make no run: {told}",
            expected="every image, events table and subject that study.bids selects in a run",
            remedy="complete them, name them in study.bids.exclude, or set study.on_missing: warn",
        )


def with_companions(image: str) -> list[str]:
    """An image with its header, of a pair, and with SPM's affines where they lie beside it."""
    header = [str(Path(image).with_suffix(".hdr"))] if image.endswith(".img") else []
    affines = spm_affines.beside(Path(image))
    return [image, *header, *([str(affines)] if affines else [])]


def plain(path: str, where: Path | str, row: int | None) -> str:
    """Return a path that Snakemake can use unchanged: no wildcards, path variables or control characters."""
    if odd := texts.odd_in(path):
        raise InputError(
            where,
            f"the path {path} {odd}",
            expected="a path of UTF-8 text, without {names} or <names>",
            remedy="rename the file or folder",
            row=row,
        )
    return str(Path(path).absolute()) if path.startswith("~") else path  # nibabel takes ~ for a home
