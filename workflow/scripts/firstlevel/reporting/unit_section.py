"""What the page of a subject shows of one unit: the runs of a task that are combined, and their contrasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from firstlevel import names
from firstlevel.quality import verdicts
from firstlevel.reporting import labels, methods, pages, references
from firstlevel.reporting.contrast_section import of_contrast
from firstlevel.reporting.run_section import of_run
from firstlevel.reporting.subject_files import SubjectFiles


def of_unit(
    files: SubjectFiles,
    unit: Mapping[str, Any],
    model: Mapping[str, Any],
    versions: Mapping[str, str],
    preprocessed_by: Sequence[str] | None,
    shown: str | None,
    n_shown: int,
) -> dict[str, Any]:
    """Values of a unit.

    Parameters
    ----------
    unit : `label`, `task`, `runs`, `titles` and `over_t1w`, see ``report_subject``.
    model : what was computed (``model.json``).
    versions : of packages, by name.
    preprocessed_by : names with versions of what made the images; None where these are not preprocessed.
    shown : method of the threshold that is shown first; None for a threshold of the study's own.
    n_shown : clusters in a table.
    """
    label, task = unit["label"], unit["task"]
    of_labels = {"subject": names.entities_in(label)["sub"], "unit": label}
    runs = [of_run(files, run) for run in unit["runs"]]
    contrasts = [
        of_contrast(files, {**of_labels, "contrast": contrast}, title, shown, n_shown)
        for contrast, title in unit["titles"].items()
    ]
    quality = [_check(row) for row in files.cells(names.QUALITY, **of_labels)]
    pairs = files.cells(names.CONTRASTS, **of_labels)
    facts = [run["facts"] for run in runs]
    text = methods.sentences(model, facts, versions, preprocessed_by, over_t1w=unit["over_t1w"])
    return {
        "name": task,
        "id": f"task-{task}",
        "contrasts": contrasts,
        "methods": [row["name"] for row in contrasts[0]["thresholds"]],
        "runs": runs,
        "quality": quality,
        "warnings": [row for row in quality if row["verdict"] == verdicts.CHECK],
        "n_unknown": sum(row["verdict"] == verdicts.UNKNOWN for row in quality),
        "left_out": [
            {**pair, "run": labels.called(pair["run"])} for pair in pairs if pair["used"] == "false"
        ],
        "methods_text": references.cited(text),
        "references": [references.with_address(reference) for reference in references.reference_list(text)],
    }


def _check(row: Mapping[str, str]) -> dict[str, str]:
    """One row of the table of quality, with what its cells are sorted by."""
    orders = {f"{key}_order": pages.order(row[key]) for key in ("value", "limit")}
    about = labels.called(row["run"], row["contrast"])
    return {**row, **orders, "where": about, "value": pages.rounded(row["value"])}
