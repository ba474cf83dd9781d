"""Keys of the JSON files that a study writes: CamelCase, but for labels that the user has given."""

import json
import re

CAMEL_CASE = re.compile(r"[A-Z][A-Za-z0-9]*")
LABELLED = {
    "CensoringLoss": "conditions",
    "Conditions": "conditions",
    "Contrasts": "contrasts",
    "Efficiency": "contrasts",
    "EventsAfterEnd": "conditions",
    "EventsBeforeMinOnset": "conditions",
    "EventsClipped": "conditions",
    "EventsNotListed": "trial types",
    "Modulators": "conditions, and the columns of the events below them",
    "Responses": "conditions",
    "RowsLeftOut": "columns of the events",
    "Runs": "runs",
    "Software": "packages",
    "VarianceInflation": "regressors",
    "VoxelsByNumberOfRuns": "numbers",
    "Weights": "regressors",
    "Where": "columns of the events",
}
"""Fields that map from labels, and whose these are."""


def odd_keys(folder):
    """Keys below a folder that are neither CamelCase nor a label, with their files; and how many files."""
    paths = [path for path in sorted(folder.rglob("*.json")) if ".snakemake" not in path.parts]
    odd = [f"{path.name}: {where}" for path in paths for where in odd_in(json.loads(path.read_text()))]
    return odd, len(paths)


def odd_in(value, where="", labels=0):
    """The same of one value; its keys, and those of `labels` - 1 levels below it, are labels."""
    if isinstance(value, list):
        for item in value:
            yield from odd_in(item, where, labels if where.endswith("Weights") else 0)
    elif isinstance(value, dict):
        for key, inner in value.items():
            below = f"{where}.{key}".lstrip(".")
            if not labels and not CAMEL_CASE.fullmatch(key):
                yield below
            more = max(labels - 1, 0) if labels else (2 if key == "Modulators" else key in LABELLED)
            yield from odd_in(inner, below, more)
