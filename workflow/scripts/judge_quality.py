"""Judge the runs, designs and maps of a subject against the limits of the config, one sentence each.

Of each design: the highest correlation between two regressors of interest, variance inflation factors (of
conditions, their derivatives, confounds and motion, each against all other columns), the condition number of
the columns at unit length, and the efficiency of each contrast. Of each contrast: the centre and the width of
its z values, 0 and 1 of noise alone. Works from what other stages saved; the BOLD data are not read.
"""

import logging
from collections import defaultdict
from pathlib import Path
from typing import Any

from firstlevel import stage
from firstlevel.io import designs as designs_of_runs
from firstlevel.io import masked, sidecars, table_writer, tables
from firstlevel.quality import judgement, verdicts, volumes


def judge_quality(
    *,
    measures: list[Path],
    timeseries: list[Path],
    designs: list[Path],
    design_jsons: list[Path],
    contrasts: Path,
    zs: list[Path],
    contrast_jsons: list[Path],
    mask: Path,
    table: Path,
    sidecar: Path,
    runs: list[str],
    rows: dict[str, Any],
    limits: dict[str, float],
) -> None:
    """Write the table of verdicts, and what they rest on.

    `runs` are the beginnings of the runs' file names, `rows` the expressions of each contrast, in the order
    of `zs` and `contrast_jsons`; `contrasts` is the list of which run went into which contrast.
    """
    in_runs = _read_contrasts(contrasts)
    of_runs: dict[str, judgement.Judged] = {}
    for run, measured, series, design, design_json in zip(
        runs, measures, timeseries, designs, design_jsons, strict=True
    ):
        of_runs[run] = judgement.of_run(
            run,
            sidecars.read_json(measured),
            volumes.read(series, "framewise_displacement"),
            volumes.read(series, "dvars"),
            designs_of_runs.read(design, design_json),
            in_runs[run],
            rows,
            limits,
        )
    inside = masked.read_mask(mask)
    of_contrasts: dict[str, judgement.Judged] = {}
    for label, z, contrast_json in zip(rows, zs, contrast_jsons, strict=True):
        of_contrasts[label] = judgement.of_contrast(
            label, masked.read_masked(z, inside), sidecars.read_json(contrast_json), limits
        )
    content, judged = judgement.of_subject(of_runs, of_contrasts, limits)
    table_writer.write_table(table, verdicts.COLUMNS, judged)
    sidecars.write_json(sidecar, content | {"Software": stage.versions("numpy", "scipy", "nibabel")})
    counts = content["Verdicts"]
    logging.info("%d of %d measures pass, %d are not known", counts["Pass"], len(judged), counts["Unknown"])


def _read_contrasts(table: Path) -> dict[str, list[judgement.ContrastInRun]]:
    """Contrasts by run, of the list of which run went into which."""
    in_runs: dict[str, list[judgement.ContrastInRun]] = defaultdict(list)
    for row in tables.read_rows(table, required=("run", "contrast", "estimable", "reason")):
        values = row.values
        in_runs[values["run"]].append(
            judgement.ContrastInRun(values["contrast"], values["estimable"] == "true", values["reason"])
        )
    return in_runs


if __name__ == "__main__":
    stage.run(judge_quality, globals().get("snakemake"))
