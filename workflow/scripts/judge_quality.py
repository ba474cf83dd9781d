"""Judge the runs, designs and maps of a subject against the limits of the config, one sentence each.

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
from firstlevel.io import masked, sidecars, table_writer, tables
from firstlevel.quality import contrast_verdicts, design_quality, run_verdicts, verdicts, volumes
from firstlevel.quality.efficiencies import of_efficiencies
from firstlevel.quality.z_spread import centre_and_width


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
    used = tables.read_rows(contrasts, required=("run", "contrast", "estimable", "reason"))
    judged: list[verdicts.Verdict] = []
    of_runs: dict[str, Any] = {}
    for run, found, series, design, design_json in zip(
        runs, measures, timeseries, designs, design_jsons, strict=True
    ):
        of_this = [row.values for row in used if row.values["run"] == run]
        estimable = [values["contrast"] for values in of_this if values["estimable"] == "true"]
        saved = designs_of_runs.read(design, design_json)
        n_above = volumes.count_above(series, limits["fd_threshold"])
        spikes, score = volumes.spikes(series, saved.kept, limits["dvars"])
        of_runs[run] = {
            **design_quality.of_design(saved, {label: rows[label] for label in estimable}, rows),
            "EstimableContrasts": estimable,
            "VolumesAboveFramewiseDisplacement": n_above,
            "DvarsSpikes": spikes,
            "LargestDvarsScore": score,
        }
        judged += run_verdicts.of_run(run, sidecars.read_json(found), n_above, of_runs[run], limits)
        judged += [
            contrast_verdicts.of_contrast_in_run(
                run, values["contrast"], values["estimable"] == "true", values["reason"]
            )
            for values in of_this
        ]
    judged += of_efficiencies({run: of_runs[run]["Efficiency"] for run in runs}, limits["efficiency"])
    inside = masked.read_mask(mask)
    of_contrasts: dict[str, Any] = {}
    for label, path, contrast_json in zip(rows, zs, contrast_jsons, strict=True):
        centre = centre_and_width(masked.read_masked(path, inside))
        median, width = centre or (None, None)
        of_contrasts[label] = {"Median": median, "Width": width}
        judged.append(contrast_verdicts.of_contrast(label, centre, limits))
        combined = sidecars.read_json(contrast_json)
        by_runs, coverage = combined["VoxelsByNumberOfRuns"], combined["Coverage"]
        judged.append(contrast_verdicts.of_coverage(label, by_runs, coverage, limits["missing"]))
    counts = {word: sum(verdict.verdict == word for verdict in judged) for word in verdicts.WORDS}
    table_writer.write_table(table, verdicts.COLUMNS, judged)
    sidecars.write_json(
        sidecar,
        {
            "Runs": of_runs,
            "Contrasts": of_contrasts,
            "Limits": sidecars.camel(limits),
            "Verdicts": {
                "Pass": counts[verdicts.PASS],
                "Check": counts[verdicts.CHECK],
                "Unknown": counts[verdicts.UNKNOWN],
            },
            "Software": stage.versions("numpy", "scipy", "nibabel"),
        },
    )
    logging.info(
        "%d of %d measures pass, %d are not known",
        *(counts[verdicts.PASS], len(judged), counts[verdicts.UNKNOWN]),
    )


if __name__ == "__main__":
    stage.run(judge_quality, globals().get("snakemake"))
