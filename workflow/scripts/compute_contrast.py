"""Test one contrast over the runs of a subject as fixed effects: effect, variance, t or F, p and z maps.

Works from the saved betas, residual variance, AR(1) map and design alone; the BOLD data are not read.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from firstlevel import contrasts, expressions, glm, images, stage, tables
from firstlevel.contrasts import RunFit
from firstlevel.glm import FloatArray
from firstlevel.images import Grid
from firstlevel.stage import InputError


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
    label: str,
) -> None:
    """Write the maps of one contrast: t where `rows` holds one expression, F where it holds several."""
    weights = [_weights(design, rows, label) for design in designs]
    inside, grid = images.read_mask(mask), Grid.of(mask)
    runs = [
        _run_fit(*paths, inside=inside) for paths in zip(betas, sigma2s, ar1s, designs, fits, strict=True)
    ]
    over_runs = contrasts.t_over_runs if len(rows) == 1 else contrasts.f_over_runs
    result = over_runs(runs, weights)
    maps = {
        effect: result.effect[0] if len(rows) == 1 else result.effect,
        variance: result.variance,
        stat: result.stat,
        p: result.p,
        z: result.z,
    }
    for path, values in maps.items():
        # single precision ends at 1e-45, where p of a strong effect has not
        images.write_masked(path, values, inside, grid.affine, np.float64 if path == p else np.float32)
    content: dict[str, Any] = {
        "Contrast": rows,
        "Label": label,
        "Statistic": "t" if len(rows) == 1 else "F",
        "DegreesOfFreedom": result.dof if len(rows) == 1 else [len(rows), result.dof],
        "Runs": [
            {"fit": fit.name, "weights": _named(design, c)}
            for fit, design, c in zip(fits, designs, weights, strict=True)
        ],
        "Software": stage.versions("numpy", "scipy", "nibabel"),
    }
    tables.write_json(sidecar, content)
    logging.info("%s over %d runs: z from %.2f to %.2f", label, len(runs), result.z.min(), result.z.max())


def _weights(design: Path, rows: list[str], label: str) -> FloatArray:
    """Contrast of one run as (q, p), in the order of its design's columns."""
    columns, values = tables.read_columns(design)
    try:
        weights = np.asarray([expressions.vector(expressions.parse(row), columns) for row in rows])
    except KeyError as error:
        name = error.args[0]
        raise InputError(
            design,
            f"the contrast {label} ({', '.join(rows)}) needs a regressor {name!r}, and this run has none",
            expected=f"one of: {', '.join(columns)}",
            remedy=f"{expressions.suggestion(name, columns)}correct the contrast, or the events of this run",
        ) from None
    if np.linalg.matrix_rank(weights) < len(weights):
        raise InputError(
            f"config key contrasts.{label}",
            "one of its rows follows from the others",
            expected="linearly independent rows",
            remedy="drop the row that repeats",
        )
    if not contrasts.is_estimable(np.asarray(values), weights):
        raise InputError(
            design,
            f"the contrast {label} ({', '.join(rows)}) cannot be estimated: its regressors depend on others",
            expected="a contrast in the row space of the design",
            remedy="look at the figure of the design, and remove the regressors that repeat",
        )
    return weights


def _run_fit(
    beta: Path, sigma2: Path, ar1: Path, design: Path, fit: Path, *, inside: npt.NDArray[np.bool_]
) -> RunFit:
    maps = [images.read_masked(path, inside) for path in (beta, sigma2, ar1)]
    estimates = glm.Estimates(beta=maps[0], sigma2=maps[1], ar1=maps[2], rsquared=np.empty(0))
    _, values = tables.read_columns(design)
    return RunFit(np.asarray(values), estimates, int(tables.read_json(fit)["DegreesOfFreedom"]))


def _named(design: Path, weights: FloatArray) -> list[dict[str, float]]:
    columns, _ = tables.read_columns(design)
    return [
        {name: value for name, value in zip(columns, row, strict=True) if value} for row in weights.tolist()
    ]


if __name__ == "__main__":
    stage.run(compute_contrast, globals().get("snakemake"))
