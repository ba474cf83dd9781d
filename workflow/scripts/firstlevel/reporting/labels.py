"""What a page calls a run, a contrast or a subject. Standard library."""

from __future__ import annotations

from firstlevel import names
from firstlevel.quality.verdicts import NOTHING

ENTITIES = {"ses": "session", "acq": "acq", "ce": "ce", "rec": "rec", "dir": "dir", "run": "run"}
"""Entities that tell the runs of a task apart, and what they are called."""


def called(run: str, contrast: str = NOTHING) -> str:
    """Return what the row of a table is about: a run, by its label, a contrast, both or the subject."""
    entities = names.entities_in(run)
    parts = [f"{name} {entities[entity]}" for entity, name in ENTITIES.items() if entity in entities]
    parts += [contrast] * (contrast != NOTHING)
    return ", ".join(parts) or ("run" if run != NOTHING else "subject")
