"""Text of the user's that something else reads: paths that Snakemake takes for patterns. Standard library."""

from __future__ import annotations

import re

FOR_SNAKEMAKE = re.compile(r"<[a-z][a-z0-9_]*>|\{\s*\w+\s*(,[^{}]*)?\}")
"""What Snakemake replaces in a path: a path variable, a wildcard with or without its regular expression."""


def pattern_in(path: str) -> str | None:
    """Return the part of a path that Snakemake would replace, None where it takes the path as it is."""
    found = FOR_SNAKEMAKE.search(path)
    return found[0] if found else None
