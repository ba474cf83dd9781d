"""What the page of a subject shows of one unit: the runs of a task that are combined, and their contrasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from firstlevel import names
from firstlevel.reporting import methods, quality_section, references, weights
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
    sidecars = {
        contrast: files.sidecar(names.CONTRAST_JSON, **of_labels, contrast=contrast)
        for contrast in unit["titles"]
    }
    runs = [of_run(files, run) for run in unit["runs"]]
    for run, values in zip(unit["runs"], runs, strict=True):
        fit = names.last(names.FIT_JSON, run=run)
        values["weights"] = weights.of_run(sidecars, fit, values["columns"])
    contrasts = [
        of_contrast(files, {**of_labels, "contrast": contrast}, sidecars[contrast], title, shown, n_shown)
        for contrast, title in unit["titles"].items()
    ]
    rows, pairs = (files.cells(table, **of_labels) for table in (names.QUALITY, names.CONTRASTS))
    facts = [run["facts"] for run in runs]
    text = methods.sentences(model, facts, versions, preprocessed_by, over_t1w=unit["over_t1w"])
    return {
        "name": task,
        "id": f"task-{task}",
        "contrasts": contrasts,
        "methods": [row["name"] for row in contrasts[0]["thresholds"]],
        "runs": runs,
        **quality_section.of_unit(rows, pairs),
        "methods_text": references.cited(text),
        "references": [references.with_address(reference) for reference in references.reference_list(text)],
    }
