"""The saved files of a subject that its page shows, found by the patterns of their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstlevel import names
from firstlevel.io import sidecars
from firstlevel.reporting import pages
from firstlevel.reporting.pages import Picture


@dataclass(frozen=True)
class SubjectFiles:
    """Tables, sidecars, figures and viewers of a subject, by name: no two of them share one."""

    by_name: Mapping[str, Path]

    @classmethod
    def of(cls, paths: Iterable[Path]) -> SubjectFiles:
        """Take files wherever they lie."""
        return cls({path.name: path for path in paths})

    def path(self, pattern: str, **labels: str) -> Path:
        """Path of a file, by a pattern of :mod:`firstlevel.names` and the labels that fill it."""
        return self.by_name[names.last(pattern, **labels)]

    def has(self, pattern: str, **labels: str) -> bool:
        """Whether there is such a file."""
        return names.last(pattern, **labels) in self.by_name

    def sidecar(self, pattern: str, **labels: str) -> dict[str, Any]:
        """Content of a sidecar."""
        return sidecars.read_json(self.path(pattern, **labels))

    def cells(self, pattern: str, **labels: str) -> list[dict[str, str]]:
        """Rows of a table, by column."""
        return pages.cells(self.path(pattern, **labels))

    def picture(self, pattern: str, alt: str, caption: str, **labels: str) -> Picture:
        """Read a figure, with what it shows."""
        return pages.picture(self.path(pattern, **labels), alt, caption)
