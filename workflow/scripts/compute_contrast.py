"""Test one contrast over the runs of a subject as fixed effects: effect, variance, t or F, p and z maps.

Works from the saved betas, residual variance, AR(1) map and design alone; the BOLD data are not read.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from firstlevel import contrasts, dependence, expressions, glm, images, stage, tables
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
    weights: contrasts.RunWeights = "equal",
    f_test: Literal["approximate", "exact"] = "approximate",
    unestimable: Literal["stop", "empty"] = "stop",
) -> None:
    """Write the maps of one contrast: t of one expression in `rows`, or F of all of them jointly.

    A run that cannot estimate the contrast is left out, and the sidecar says why. Where no run can, the
    stage stops; `unestimable` empty writes files of no bytes in place of maps, and the sidecar.
    """
    _check_rows(rows, label)
    if statistic == "F" and f_test == "approximate" and weights == "precision":
        raise InputError(
            f"config key contrasts.{label}",
            "the approximate F has no weights of precision",
            expected="the exact F test, or equal weights",
            remedy="set fixed_effects.f_test: exact",
        )
    saved = [_read_design(path) for path in designs]
    reasons = [_why_not_estimable(design, rows) for design in saved]
    content: dict[str, Any] = {
        "Contrast": rows,
        "Label": label,
        "Statistic": statistic,
        "Software": stage.versions("numpy", "scipy", "nibabel"),
    }
    if any(reasons):
        content["RunsLeftOut"] = [
            {"fit": fit.name, "reason": reason} for fit, reason in zip(fits, reasons, strict=True) if reason
        ]
    if weights != "equal":
        content["RunWeights"] = weights
    if f_test == "exact" and statistic == "F":
        content["FTest"] = f_test
    for design, reason in zip(saved, reasons, strict=True):
        if reason:
            logging.warning("%s is left out of the contrast %s: %s", design.path, label, reason)
    if all(reasons):
        if unestimable == "stop":
            raise _not_estimable(saved, reasons, rows, label)
        for path in (effect, variance, stat, p, z):
            with stage.atomic(path):
                pass
        tables.write_json(sidecar, content | {"DegreesOfFreedom": None, "Runs": []})
        return
    inside, grid = images.read_mask(mask), Grid.of(mask)
    runs, vectors, used = [], [], []
    for design, reason, beta, sigma2, ar1, fit in zip(
        saved, reasons, betas, sigma2s, ar1s, fits, strict=True
    ):
        if reason:
            continue
        maps = [images.read_masked(path, inside) for path in (beta, sigma2, ar1)]
        estimates = glm.Estimates(beta=maps[0], sigma2=maps[1], ar1=maps[2], rsquared=np.empty(0))
        runs.append(RunFit(design.matrix, estimates, int(tables.read_json(fit)["DegreesOfFreedom"])))
        vectors.append(_vectors(design, rows))
        used.append({"fit": fit.name, "weights": _named(design, vectors[-1])})
    if statistic == "t":
        result = contrasts.t_over_runs(runs, vectors, weights)
    elif f_test == "exact":
        result = contrasts.exact_f_over_runs(runs, vectors, weights)
    else:
        result = contrasts.f_over_runs(runs, vectors)
    effects = result.effect[0] if len(rows) == 1 else result.effect
    variances = result.variance[0] if result.variance.shape[:-1] == (1,) else result.variance
    for path, values in ((effect, effects), (variance, variances), (stat, result.stat), (z, result.z)):
        images.write_masked(path, values, inside, grid.affine)
    # single precision ends at 1e-45, where p of a strong effect has not; outside of the mask nothing is found
    images.write_masked(p, result.p, inside, grid.affine, np.float64, outside=1.0)
    dof = result.dof if statistic == "t" else [len(rows), result.dof]
    tables.write_json(sidecar, content | {"DegreesOfFreedom": dof, "Runs": used})
    logging.info("%s over %d runs: z from %.2f to %.2f", label, len(runs), result.z.min(), result.z.max())


def _read_design(path: Path) -> Design:
    columns, values = tables.read_columns(path)
    return Design(path, columns, np.asarray(values, dtype=np.float64))


def _check_rows(rows: list[str], label: str) -> None:
    """No row follows from the others; it would be tested twice."""
    parsed = [expressions.parse(row) for row in rows]
    names = expressions.names(rows)
    if np.linalg.matrix_rank([expressions.vector(weights, names) for weights in parsed]) < len(rows):
        raise InputError(
            f"config key contrasts.{label}",
            "one of its rows follows from the others",
            expected="linearly independent rows",
            remedy="drop the row that repeats",
        )


def _absent(design: Design, rows: list[str]) -> list[str]:
    """Regressors that the contrast names and the run has not."""
    return [name for name in expressions.names(rows) if name not in design.columns]


def _vectors(design: Design, rows: list[str]) -> FloatArray:
    """Contrast of one run as (q, p), in the order of its design's columns."""
    return np.asarray([expressions.vector(expressions.parse(row), design.columns) for row in rows])


def _why_not_estimable(design: Design, rows: list[str]) -> str:
    """What keeps a run from estimating the contrast; nothing where it can."""
    if absent := _absent(design, rows):
        return f"no regressor {', '.join(map(repr, absent))}"
    weights = _vectors(design, rows)
    if contrasts.is_estimable(design.matrix, weights):
        return ""
    named = set(np.flatnonzero(weights.any(axis=0)).tolist())
    sources = dependence.dependent_columns(design.matrix)
    # where rounding hides the dependence from the rank, or the contrast lies across it, all are told
    concerned = {k: of for k, of in sources.items() if named & {k, *of}} or sources
    return f"dependent regressors: {dependence.described(concerned, design.columns)}"


def _not_estimable(designs: list[Design], reasons: list[str], rows: list[str], label: str) -> InputError:
    """Say of each run why it cannot estimate the contrast."""
    columns = list(dict.fromkeys(name for design in designs for name in design.columns))
    near = [
        expressions.suggestion(name, columns)
        for name in dict.fromkeys(name for design in designs for name in _absent(design, rows))
        if name not in columns
    ]
    told = "; ".join(f"{design.path}: {reason}" for design, reason in zip(designs, reasons, strict=True))
    return InputError(
        f"config key contrasts.{label}",
        f"no run can estimate {', '.join(rows)} ({told})",
        expected=f"a contrast of regressors that a run tells apart; there are: {', '.join(columns)}",
        remedy=f"{''.join(near)}correct the contrast or the events; the figures of the designs show them",
    )


def _named(design: Design, weights: FloatArray) -> list[dict[str, float]]:
    """Non-zero weights of each row by column."""
    return [
        {name: value for name, value in zip(design.columns, row, strict=True) if value}
        for row in weights.tolist()
    ]


if __name__ == "__main__":
    stage.run(compute_contrast, globals().get("snakemake"))
