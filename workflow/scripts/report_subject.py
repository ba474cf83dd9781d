"""Show one subject on one page: maps and peaks first, then the model, quality, methods and provenance.

The page is made from saved files alone and holds all that it shows: it can be mailed, printed and kept.
"""

from pathlib import Path
from typing import Any

import yaml

from firstlevel import stage
from firstlevel.io import sidecars
from firstlevel.reporting import pages, viewer_data
from firstlevel.reporting.subject_files import SubjectFiles
from firstlevel.reporting.unit_section import of_unit

PACKAGES = ("nilearn", "numpy", "scipy", "nibabel", "numba", "pandas", "matplotlib")
SHOWN_CLUSTERS = 6
SHOWN_INPUTS = 4


def report_subject(
    *,
    tsv: list[Path],
    json: list[Path],
    model: Path,
    png: list[Path],
    html: list[Path],
    page: Path,
    subject: str,
    units: list[dict[str, Any]],
    config: dict[str, Any],
    digests: dict[str, str],
    software: str,
    engine: str,
    left_out: list[list[str]],
    are_preprocessed: bool,
    preprocessed_by: list[str],
    trials: list[Path] | None = None,
) -> None:
    """Write the page of a subject.

    Parameters
    ----------
    tsv, json, png : tables, sidecars and figures of the subject, told apart by their names.
    html : the viewers of its contrasts, which become one.
    trials : sidecars of single trials, of the runs that have some.
    units : `label` and `task`, `runs` (their labels), `titles`, of the contrasts by label, and `over_t1w`,
        whether their maps are drawn over the T1w.
    model : what was computed (``model.json``).
    config : with all defaults filled in.
    digests : of the code of each stage.
    software, engine : names with versions of the workflow and of what runs it.
    are_preprocessed : whether the images are.
    preprocessed_by : names with versions of what made them; none where their dataset does not tell.
    left_out : paths of the study that made no run of this subject, each with the reason.
    """
    files = SubjectFiles.of([*tsv, *json, *png, *(trials or [])])
    content = sidecars.read_json(model)
    engine_name, _, engine_version = engine.partition(" ")
    versions = {engine_name: engine_version, **stage.versions(*PACKAGES)}
    shown = config["inference"]["shown"] if config["figures"]["threshold"] is None else None
    made_by = preprocessed_by if are_preprocessed else None
    values = {
        "subject": subject,
        "tasks": [of_unit(files, unit, content, versions, made_by, shown, SHOWN_CLUSTERS) for unit in units],
        "maps": viewer_data.merged([path.read_text(encoding="utf-8") for path in html]),
        "config": yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
        "versions": versions,
        "digests": digests,
        "software": software,
        "left_out": left_out,
        "shown_clusters": SHOWN_CLUSTERS,
        "shown_inputs": SHOWN_INPUTS,
    }
    pages.write(page, "subject.html", values)


if __name__ == "__main__":
    stage.run(report_subject, globals().get("snakemake"))
