"""Judge the runs, designs and maps of a subject against the limits of the config, one sentence each.

Of each design: the highest correlation between two regressors of interest, variance inflation factors (of
conditions, their derivatives, confounds and motion, each against all other columns), the condition number of
the columns at unit length, and the efficiency of each contrast. Of each contrast: the centre and the width of
its z values, 0 and 1 of noise alone. Works from what other stages saved; the BOLD data are not read.
"""

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np

from firstlevel import stage
from firstlevel.arrays import FloatArray
from firstlevel.glm import expressions
from firstlevel.glm import fit as glm
from firstlevel.io import cells, masked, sidecars, table_writer, tables
from firstlevel.quality import collinearity, contrast_verdicts, run_verdicts, temporal, verdicts, z_spread

INFLATED = ("condition", "derivative", "confound", "motion", "given")
"""Roles of the columns that have a variance inflation factor: not drift, constant and censored scans."""


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
        n_above = _count_above(series, limits["framewise_displacement"])
        spikes, score = _spikes(series, design, design_json, limits["dvars"])
        of_runs[run] = {
            **_of_design(design, design_json, {label: rows[label] for label in estimable}, rows),
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
        centre = z_spread.centre_and_width(masked.read_masked(path, inside))
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
            "Limits": limits,
            "Verdicts": counts,
            "Software": stage.versions("numpy", "scipy", "nibabel"),
        },
    )
    logging.info(
        "%d of %d measures keep to their limits, of %d nothing is known",
        *(counts[verdicts.FINE], len(judged), counts[verdicts.UNKNOWN]),
    )


def of_efficiencies(efficiencies: dict[str, dict[str, float | None]], limit: float) -> list[verdicts.Verdict]:
    """Hold each run's efficiency for a contrast against the median of the other runs, if there are any."""
    judged = []
    for run, of_run in efficiencies.items():
        for label, own in of_run.items():
            others = [value for other, of in efficiencies.items() if other != run and (value := of[label])]
            if own is not None and others:
                share = own / float(np.median(others))
                judged.append(contrast_verdicts.of_efficiency(run, label, share, limit))
    return judged


def _count_above(timeseries: Path, limit: float) -> int | None:
    """Volumes of a framewise displacement above the limit; None where nothing is known of motion."""
    said = [row.values["framewise_displacement"] for row in tables.read_rows(timeseries)]
    known = [float(value) for value in said if value not in tables.MISSING]
    return sum(value > limit for value in known) if known else None


def _spikes(
    timeseries: Path, design: Path, design_json: Path, limit: float
) -> tuple[list[int], float | None]:
    """Volumes, counted from 0, whose DVARS is beyond the limit, and the largest score; None of none."""
    columns, values = cells.read_columns(design)
    roles = {column["name"]: column["role"] for column in sidecars.read_json(design_json)["Columns"]}
    censors = [k for k, name in enumerate(columns) if roles[name] == "censor"]
    kept = np.array([not any(row[k] for k in censors) for row in values], dtype=bool)
    said = [row.values["dvars"] for row in tables.read_rows(timeseries)]
    dvars = np.array([math.nan if value in tables.MISSING else float(value) for value in said])
    *_, scores = temporal.dvars_scores(dvars, kept)
    known = scores[np.isfinite(scores)]
    spikes = [int(scan) for scan in np.flatnonzero(np.nan_to_num(scores, nan=-np.inf) > limit)]
    return spikes, float(known.max()) if known.size else None


def _of_design(
    design: Path, design_json: Path, estimable: dict[str, Any], rows: dict[str, Any]
) -> dict[str, Any]:
    """Collinearity of one design, and its efficiency for each contrast; None of none, or of infinity.

    Of interest are the conditions, and of a given design the columns that a contrast of `rows` names.
    """
    columns, values = cells.read_columns(design)
    matrix: FloatArray = np.asarray(values, dtype=np.float64)
    roles = {column["name"]: column["role"] for column in sidecars.read_json(design_json)["Columns"]}
    named = {
        name for row in rows.values() for name in expressions.names([row] if isinstance(row, str) else row)
    }
    of_interest = [
        k
        for k, name in enumerate(columns)
        if roles[name] == "condition" or (roles[name] == "given" and name in named)
    ]
    pair = collinearity.largest_correlation(matrix, of_interest)
    inflation = {
        name: collinearity.variance_inflation(matrix, k)
        for k, name in enumerate(columns)
        if roles[name] in INFLATED
    }
    worst = max((columns[k] for k in of_interest), key=inflation.__getitem__, default=None)
    model = glm.Design.of(matrix)
    covariance = model.covariance(0.0)
    efficiency = {
        label: collinearity.efficiency(covariance, _weights(expression, columns))
        for label, expression in estimable.items()
    }
    return {
        "LargestCorrelation": pair and {"Value": pair[0], "Regressors": [columns[pair[1]], columns[pair[2]]]},
        "LargestVarianceInflation": worst and {"Value": _finite(inflation[worst]), "Regressor": worst},
        "VarianceInflation": {name: _finite(value) for name, value in inflation.items()},
        "ConditionNumber": _finite(model.factors.condition_number),
        "ConditionNumberOfInterest": _finite(collinearity.condition_of_interest(matrix, of_interest)),
        "Efficiency": {label: efficiency.get(label) for label in rows},
    }


def _weights(expression: str | list[str], columns: list[str]) -> FloatArray:
    """Contrast as (q, p), in the order of the design's columns."""
    rows = [expression] if isinstance(expression, str) else expression
    return np.asarray([expressions.vector(expressions.parse(row), columns) for row in rows])


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None


if __name__ == "__main__":
    stage.run(judge_quality, globals().get("snakemake"))
