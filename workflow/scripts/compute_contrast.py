"""Test one contrast over the runs of a subject as fixed effects: effect, variance, t or F, p and z maps.

Works from the saved betas, residual variance, AR(1) map and design alone; the BOLD data are not read.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from firstlevel import contrasts, expressions, glm, images, stage, tables
from firstlevel.contrasts import RunFit
from firstlevel.glm import FloatArray
from firstlevel.images import Grid
from firstlevel.stage import InputError


@dataclass(frozen=True)
class Design:
    """Design of one run as saved: its file, the names of its columns, and the matrix (n, p)."""

    path: Path
    columns: list[str]
    matrix: FloatArray


def compute_contrast(
    *,
    betas: list[Path],
    sigma2s: list[Path],
    ar1s: list[Path],
    designs: list[Path],
    fits: list[Path],
    mask: Path,
    effect: Path,
    variance: Path,
    stat: Path,
    p: Path,
    z: Path,
    sidecar: Path,
    rows: list[str],
    statistic: Literal["t", "F"],
    label: str,
) -> None:
    """Write the maps of one contrast: t of one expression in `rows`, or F of all of them jointly."""
    inside, grid = images.read_mask(mask), Grid.of(mask)
    saved = [_read_design(path) for path in designs]
    weights = [_weights(design, rows, label) for design in saved]
    runs = []
    for design, beta, sigma2, ar1, fit in zip(saved, betas, sigma2s, ar1s, fits, strict=True):
        maps = [images.read_masked(path, inside) for path in (beta, sigma2, ar1)]
        estimates = glm.Estimates(beta=maps[0], sigma2=maps[1], ar1=maps[2], rsquared=np.empty(0))
        runs.append(RunFit(design.matrix, estimates, int(tables.read_json(fit)["DegreesOfFreedom"])))
    over_runs = contrasts.t_over_runs if statistic == "t" else contrasts.f_over_runs
    result = over_runs(runs, weights)
    effects = result.effect[0] if len(rows) == 1 else result.effect
    for path, values in ((effect, effects), (variance, result.variance), (stat, result.stat), (z, result.z)):
        images.write_masked(path, values, inside, grid.affine)
    # single precision ends at 1e-45, where p of a strong effect has not; outside of the mask nothing is found
    images.write_masked(p, result.p, inside, grid.affine, np.float64, outside=1.0)
    content: dict[str, Any] = {
        "Contrast": rows,
        "Label": label,
        "Statistic": statistic,
        "DegreesOfFreedom": result.dof if statistic == "t" else [len(rows), result.dof],
        "Runs": [
            {"fit": fit.name, "weights": _named(design, c)}
            for fit, design, c in zip(fits, saved, weights, strict=True)
        ],
        "Software": stage.versions("numpy", "scipy", "nibabel"),
    }
    tables.write_json(sidecar, content)
    logging.info("%s over %d runs: z from %.2f to %.2f", label, len(runs), result.z.min(), result.z.max())


def _read_design(path: Path) -> Design:
    columns, values = tables.read_columns(path)
    return Design(path, columns, np.asarray(values, dtype=np.float64))


def _weights(design: Design, rows: list[str], label: str) -> FloatArray:
    """Contrast of one run as (q, p), in the order of its design's columns."""
    try:
        weights = np.asarray([expressions.vector(expressions.parse(row), design.columns) for row in rows])
    except KeyError as error:
        name = error.args[0]
        raise InputError(
            design.path,
            f"the contrast {label} ({', '.join(rows)}) needs a regressor {name!r}, and this run has none",
            expected=f"one of: {', '.join(design.columns)}",
            remedy=f"{expressions.suggestion(name, design.columns)}correct it, or the events of this run",
        ) from None
    if np.linalg.matrix_rank(weights) < len(weights):
        raise InputError(
            f"config key contrasts.{label}",
            "one of its rows follows from the others",
            expected="linearly independent rows",
            remedy="drop the row that repeats",
        )
    if not contrasts.is_estimable(design.matrix, weights):
        raise InputError(
            design.path,
            f"the contrast {label} ({', '.join(rows)}) cannot be estimated: regressors are empty or repeat",
            expected="a contrast in the row space of the design",
            remedy="look at the figure of the design, and remove regressors that repeat or are empty",
        )
    return weights


def _named(design: Design, weights: FloatArray) -> list[dict[str, float]]:
    """Non-zero weights of each row by column."""
    return [
        {name: value for name, value in zip(design.columns, row, strict=True) if value}
        for row in weights.tolist()
    ]


if __name__ == "__main__":
    stage.run(compute_contrast, globals().get("snakemake"))
