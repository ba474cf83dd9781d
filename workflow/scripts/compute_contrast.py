"""Test one contrast over the runs of a subject as fixed effects: effect, variance, t or F, p and z maps.

Works from the saved betas, residual variance, AR(1) map and design alone; the BOLD data are not read.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from firstlevel import stage, texts
from firstlevel.arrays import FloatArray
from firstlevel.glm import contrasts, dependence, expressions
from firstlevel.glm import fit as glm
from firstlevel.glm.contrasts import RunFit
from firstlevel.io import cells, image_writer, masked, sidecars
from firstlevel.io.grids import Grid
from firstlevel.stage import InputError

APPROXIMATE_UNIT = "standard deviations of the noise, averaged over runs; not percent signal change"


@dataclass(frozen=True)
class Design:
    """Design of one run as saved: its file, its columns' names, its model, what its sidecar says."""

    path: Path
    columns: list[str]
    model: glm.Design
    sidecar: dict[str, Any]


def compute_contrast(
    *,
    betas: list[Path],
    sigma2s: list[Path],
    ar1s: list[Path],
    designs: list[Path],
    design_jsons: list[Path],
    fits: list[Path],
    mask: Path,
    effect: Path,
    variance: Path,
    stat: Path,
    p: Path,
    z: Path,
    n_runs: Path,
    sidecar: Path,
    rows: list[str],
    statistic: Literal["t", "F"],
    label: str,
    weights: contrasts.RunWeights = "equal",
    f_test: Literal["approximate", "exact"] = "approximate",
    coverage: contrasts.Coverage = "any",
    unestimable: Literal["stop", "empty"] = "stop",
) -> None:
    """Write the maps of one contrast: t of one expression in `rows`, or F of all of them jointly.

    A run that cannot estimate the contrast is left out, and the sidecar says why. Where no run can, the
    stage stops; `unestimable` empty writes files of no bytes in place of maps, and the sidecar. Each voxel is
    combined over the runs that have it (`coverage` any) or tested only where all have it; `n_runs` is the
    map of their number, 0 where nothing was tested.
    """
    _check_rows(rows, label)
    if statistic == "F" and f_test == "approximate" and weights == "precision":
        raise InputError(
            f"config key contrasts.{label}",
            "the approximate F has no weights of precision",
            expected="the exact F test, or equal weights",
            remedy="set fixed_effects.f_test: exact",
        )
    saved = [_read_design(*paths) for paths in zip(designs, design_jsons, strict=True)]
    _check_delays(saved, rows, label)
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
    content |= _unlike([design for design, reason in zip(saved, reasons, strict=True) if not reason], label)
    if all(reasons):
        if unestimable == "stop":
            raise _not_estimable(saved, reasons, rows, label)
        for path in (effect, variance, stat, p, z, n_runs):
            with stage.atomic(path):
                pass
        sidecars.write_json(sidecar, content | {"DegreesOfFreedom": None, "Runs": []})
        return
    inside, grid = masked.read_mask(mask), Grid.of(mask)
    runs, vectors, used = [], [], []
    for design, reason, beta, sigma2, ar1, fit in zip(
        saved, reasons, betas, sigma2s, ar1s, fits, strict=True
    ):
        if reason:
            continue
        maps = [masked.read_masked(path, inside) for path in (beta, sigma2, ar1)]
        estimates = glm.Estimates(beta=maps[0], sigma2=maps[1], ar1=maps[2], rsquared=np.empty(0))
        runs.append(RunFit(design.model, estimates))
        vectors.append(_vectors(design, rows))
        used.append(
            {
                "fit": fit.name,
                "weights": _named(design, vectors[-1]),
                "DegreesOfFreedom": design.model.dof,
                "Responses": _responses(design, rows),
            }
        )
    if statistic == "t":
        result = contrasts.t_over_runs(runs, vectors, weights, coverage)
    elif f_test == "exact":
        result = contrasts.exact_f_over_runs(runs, vectors, weights, coverage)
    else:
        result = contrasts.f_over_runs(runs, vectors, coverage)
    effects = result.effect[0] if len(rows) == 1 else result.effect
    variances = result.variance[0] if result.variance.shape[:-1] == (1,) else result.variance
    for path, values in ((effect, effects), (variance, variances), (stat, result.stat), (z, result.z)):
        image_writer.write_masked(path, values, inside, grid.affine)
    # single precision ends at 1e-45, where p of a strong effect has not; outside of the mask nothing is found
    image_writer.write_masked(p, result.p, inside, grid.affine, np.float64, outside=1.0)
    image_writer.write_masked(n_runs, result.n_runs.astype(np.uint8), inside, grid.affine, np.uint8)
    counts = np.bincount(result.n_runs, minlength=len(runs) + 1)
    dof = sum(run.design.dof for run in runs)
    content |= {
        "DegreesOfFreedom": dof if statistic == "t" else [len(rows), dof],
        "EffectUnit": _effect_unit(
            statistic,
            f_test,
            sidecars.read_json(fits[0])["SignalScaling"],
            [
                "DesignSource" in design.sidecar
                for design, reason in zip(saved, reasons, strict=True)
                if not reason
            ],
            _modulators(saved, rows),
        ),
        "Coverage": coverage,
        "VoxelsByNumberOfRuns": {str(n): int(count) for n, count in enumerate(counts)},
        "Runs": used,
    }
    sidecars.write_json(sidecar, content)
    if fewer := int(counts[:-1].sum()):
        logging.warning(
            "%d of %d voxels are not in all %d runs: %s",
            *(fewer, counts.sum(), len(runs)),
            ", ".join(f"{count} in {n}" for n, count in enumerate(counts) if count),
        )
    logging.info("%s over %d runs: z from %.2f to %.2f", label, len(runs), result.z.min(), result.z.max())


def _unlike(used: list[Design], label: str) -> dict[str, Any]:
    """Repetition times in s, where those of the runs of a contrast differ by 1 ms or more; the log tells."""
    times = sorted(
        {round(design.sidecar["RepetitionTime"], 3) for design in used if "RepetitionTime" in design.sidecar}
    )
    if len(times) < 2:
        return {}
    told = ", ".join(f"{time:g} s" for time in times)
    logging.warning("the runs of the contrast %s have different repetition times: %s", label, told)
    return {"RepetitionTimes": times}


def _modulators(designs: list[Design], rows: list[str]) -> list[str]:
    """Columns of the events that modulate a condition, of those regressors that the contrast names."""
    return list(
        dict.fromkeys(
            one["column"]
            for design in designs
            for one in design.sidecar.get("Modulators", [])
            if one["name"] != one["condition"] and one["name"] in _responses(design, rows)
        )
    )


def _effect_unit(statistic: str, f_test: str, scaling: str, given: list[bool], modulators: list[str]) -> str:
    """What 1 in the map of the effect means; of modulators, for one unit of their columns.

    `given` says which runs have a ready-made design.
    """
    if statistic == "F" and f_test == "approximate":
        return APPROXIMATE_UNIT
    unit = {
        "voxel": "percent of each voxel's mean",
        "grand_mean": "percent of the mean over the mask",
        "spm_global": "percent of SPM's global mean",
        "none": "units of the images",
    }[scaling]
    if all(given):
        return f"{unit}, for one unit of the regressors that were given"
    some = ", in runs of a given design for one unit of its regressors" if any(given) else ""
    per = f", for one unit of {' and of '.join(modulators)}" if modulators else ""
    return f"{unit}{per}, at the plateau of a sustained response{some} (times Peak: at the peak of one event)"


def _responses(design: Design, rows: list[str]) -> dict[str, Any]:
    """Of the conditions that the contrast names, the duration of an event and the peak of its response."""
    named = expressions.names(rows)
    return {
        condition: response
        for condition, response in design.sidecar.get("Responses", {}).items()
        if any(name == condition or name.startswith(f"{condition}_delay_") for name in named)
    }


def _check_delays(designs: list[Design], rows: list[str], label: str) -> None:
    """A delay of an FIR model is the same time after onset in every run."""
    named = [name for name in expressions.names(rows) if "_delay_" in name]
    seconds = {tuple(design.sidecar.get("FirDelaysSeconds", ())) for design in designs}
    if named and len(seconds) > 1:
        raise InputError(
            f"config key contrasts.{label}",
            f"{named[0]} is another time after onset in runs of another repetition time "
            f"({' and '.join(str(list(of)) for of in sorted(seconds))} s)",
            expected="the same seconds in all runs",
            remedy="set design.fir_unit: s, with design.fir_delays in seconds",
        )


def _read_design(path: Path, sidecar: Path) -> Design:
    columns, values = cells.read_columns(path)
    return Design(
        path, columns, glm.Design.of(np.asarray(values, dtype=np.float64)), sidecars.read_json(sidecar)
    )


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
    if design.model.factors.is_estimable(weights):
        return ""
    named = set(np.flatnonzero(weights.any(axis=0)).tolist())
    empty = {entry["name"]: entry["reason"] for entry in design.sidecar.get("EmptyRegressors", [])}
    if told := [
        f"{name}: {empty[name]}" for k, name in enumerate(design.columns) if k in named and name in empty
    ]:
        return f"empty regressors ({'; '.join(told)})"
    sources = design.model.factors.dependent_columns()
    # where the contrast lies across a dependence, all are told
    concerned = {k: of for k, of in sources.items() if named & {k, *of}} or sources
    return f"dependent regressors: {dependence.described(concerned, design.columns)}"


def _not_estimable(designs: list[Design], reasons: list[str], rows: list[str], label: str) -> InputError:
    """Say of each run why it cannot estimate the contrast."""
    columns = list(dict.fromkeys(name for design in designs for name in design.columns))
    near = [
        texts.suggestion(name, columns)
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
