"""List which runs of a subject went into which contrast; compare runs, designs and maps with their limits.

Of each design: the highest correlation between two regressors of interest, variance inflation factors (of
conditions, their derivatives, confounds and motion, each against all other columns), the condition number of
the columns at unit length, and the efficiency of each contrast. Of each contrast: the centre and the width of
its z values, 0 and 1 of noise alone. Works from what other stages saved; the BOLD data are not read.
"""

import logging
from pathlib import Path
from typing import Any

from firstlevel import stage
from firstlevel.io import designs as designs_of_runs
from firstlevel.io import masked, sidecars, table_writer
from firstlevel.quality import judgement, used_runs, verdicts, volumes


def judge_quality(
    *,
    measures: list[Path],
    timeseries: list[Path],
    designs: list[Path],
    design_jsons: list[Path],
    zs: list[Path],
    contrast_jsons: list[Path],
    mask: Path,
    contrasts: Path,
    table: Path,
    sidecar: Path,
    runs: list[str],
    rows: dict[str, Any],
    limits: dict[str, float],
) -> None:
    """Write the table of verdicts, one sentence each, what they rest on, and which run is in which contrast.

    `runs` are the labels of the runs, `rows` the expressions of each contrast, in the order of `zs` and
    `contrast_jsons`.
    """
    of_jsons = [sidecars.read_json(path) for path in contrast_jsons]
    in_runs = used_runs.of_contrasts(of_jsons, runs)
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
            [each for each in in_runs if each.run == run],
            rows,
            limits,
        )
    inside = masked.read_mask(mask)
    of_contrasts: dict[str, judgement.Judged] = {}
    for label, z, content in zip(rows, zs, of_jsons, strict=True):
        of_contrasts[label] = judgement.of_contrast(label, masked.read_masked(z, inside), content, limits)
    content, judged = judgement.of_subject(of_runs, of_contrasts, limits)
    used_runs.write(contrasts, in_runs)
    table_writer.write_table(table, verdicts.COLUMNS, judged)
    sidecars.write_json(sidecar, content | {"Software": stage.versions("numpy", "scipy", "nibabel")})
    counts = content["Verdicts"]
    logging.info("%d of %d measures pass, %d are not known", counts["Pass"], len(judged), counts["Unknown"])


if __name__ == "__main__":
    stage.run(judge_quality, globals().get("snakemake"))
