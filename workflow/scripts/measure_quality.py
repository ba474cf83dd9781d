"""Measure how good one run and its fit are: motion, coverage, signal to noise, whiteness of the residuals.

Each volume: displacement and rotation against the run's first volume (of the voxel of the mask that moves
farthest) and framewise displacement (Power et al. 2012), by the affines, or by the confounds where all
volumes share one affine; the mean over the mask (global signal), and DVARS: root mean square over the mask of
the change from the volume before, in percent of the run's mean over mask and volumes. Each voxel: temporal
signal to noise ratio, the mean over the standard deviation that is left without drift and censored scans,
which the model takes out, too. Residuals: as ordinary least squares leaves them, and whitened as the fit has
done; see ``firstlevel.quality.whiteness``.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from firstlevel import stage
from firstlevel.arrays import BoolArray, Float32Array, FloatArray
from firstlevel.glm import dependence, noise
from firstlevel.image import motion, rigid
from firstlevel.io import cells, image_writer, images, masked, sidecars, table_writer
from firstlevel.io.grids import Grid
from firstlevel.quality import head_motion, temporal, whiteness
from firstlevel.stage import InputError

COLUMNS = (
    "displacement",
    "framewise_displacement",
    "rotation",
    "voxels_outside_fov",
    "global_signal",
    "dvars",
)


@dataclass
class Gathered:
    """What one reading of the run fills: per scan (n,) and per voxel (v,)."""

    total: FloatArray
    changed: FloatArray
    tsnr: FloatArray
    constant: BoolArray
    before: whiteness.Whiteness
    after: whiteness.Whiteness


def measure_quality(
    *,
    bold: Path,
    bold_json: Path,
    field_of_view: Path,
    design: Path,
    design_json: Path,
    beta: Path,
    ar1: Path,
    rsquared: Path,
    fit: Path,
    mask: Path,
    timeseries: Path,
    tsnr: Path,
    measures: Path,
    lags: int,
    confounds: Path | None = None,
) -> None:
    """Write one row per volume, the map of tSNR, and the measures of the run.

    What is not known is n/a and null: motion where neither the affines nor the table of `confounds` tell of
    it, anything of no voxel.
    """
    columns, rows = cells.read_columns(design)
    matrix = np.asarray(rows, dtype=np.float64)
    roles = np.array([column["role"] for column in sidecars.read_json(design_json)["Columns"]])
    kept = np.asarray(~matrix[:, roles == "censor"].any(axis=1), dtype=bool)
    inside, grid, fitted = masked.read_mask(mask), Grid.of(mask), sidecars.read_json(fit)
    if images.n_volumes(images.load(bold)) != len(matrix):
        raise InputError(
            bold,
            f"has {images.n_volumes(images.load(bold))} volumes for a design of {len(matrix)} scans",
            expected="one row of the design per volume",
            remedy="make the design matrix of this run again",
        )
    whole = masked.read_masked(beta, inside).reshape(len(columns), -1)
    rho, explained = masked.read_masked(ar1, inside), masked.read_masked(rsquared, inside)
    slow = matrix[:, np.isin(roles, ("constant", "drift", "censor"))]
    if "constant" not in roles:  # a given design may have it as a sum of others
        slow = np.hstack([slow, np.ones((len(matrix), 1))])
    unfitted = dependence.factorise(slow).basis
    found = _gather(bold, inside, matrix, whole, rho, unfitted, kept, lags, _scaling(fitted))
    image_writer.write_masked(tsnr, found.tsnr, inside, grid.affine)

    resampled = sidecars.read_json(bold_json)
    known = motion.of_run(resampled, confounds)
    moved = _moved(known, inside, grid, len(matrix))
    outside = resampled["voxels_outside_fov"]
    n_voxels = int(inside.sum())
    signal = found.total / n_voxels
    mean = float(signal.mean())
    dvars = 100 / mean * np.sqrt(found.changed / n_voxels) if mean > 0 else np.full(len(matrix), np.nan)
    dvars[0] = np.nan
    per_scan = (*moved, np.asarray(outside), signal, dvars)
    table_writer.write_table(
        timeseries, COLUMNS, zip(*(map(_cell, values.tolist()) for values in per_scan), strict=True)
    )

    varies, covered = ~found.constant, masked.read_mask(field_of_view)[inside.nonzero()]
    content: dict[str, Any] = {
        "NumberOfVolumes": len(matrix),
        "CensoredVolumes": int((~kept).sum()),
        "NumberOfVoxels": n_voxels,
        "ConstantVoxels": int(found.constant.sum()),
        "OutsideFieldOfView": float(1 - covered.mean()),
        "MedianTsnr": _quantile(found.tsnr[varies], 0.5),
        "RSquared": {"Median": _quantile(explained[varies], 0.5), "Q95": _quantile(explained[varies], 0.95)},
        "Residuals": _residuals(found, matrix, rho, kept, lags, fitted["NoiseModel"]),
        "Software": stage.versions("numpy", "scipy", "nibabel"),
    }
    content["MotionSource"], content["MotionFrom"] = known.source, known.said
    for name, values in zip(("Displacement", "FramewiseDisplacement", "Rotation"), moved, strict=True):
        content[name] = _mean_and_largest(values)
    median, deviation, _ = temporal.dvars_scores(dvars, kept)
    content["Dvars"] = {**_mean_and_largest(dvars), "Median": median, "RobustDeviation": deviation}
    sidecars.write_json(measures, content)


def _gather(
    bold: Path,
    inside: BoolArray,
    design: FloatArray,
    beta: FloatArray,
    rho: FloatArray,
    unfitted: FloatArray,
    kept: BoolArray,
    lags: int,
    scaling: float | Literal["voxel"],
) -> Gathered:
    """Read the run once, a chunk of voxels in memory at a time."""
    n_voxels = int(inside.sum())
    basis = dependence.factorise(design).basis
    total, changed = np.zeros((2, len(design)))
    ratio, *of_residuals = np.empty((5, n_voxels))
    constant = np.zeros(n_voxels, dtype=bool)
    before, after = whiteness.Whiteness(*of_residuals[:2]), whiteness.Whiteness(*of_residuals[2:])
    for voxels, block in masked.blocks(bold, inside):
        for start in range(voxels.start, voxels.stop, whiteness.CHUNK):
            chunk = slice(start, min(start + whiteness.CHUNK, voxels.stop))
            raw: Float32Array = block[:, chunk.start - voxels.start : chunk.stop - voxels.start]
            y = raw.astype(np.float64)
            total += y.sum(axis=1)
            change = y[1:] - y[:-1]
            changed[1:] += np.einsum("tv,tv->t", change, change)
            constant[chunk] = np.ptp(raw[kept], axis=0) == 0
            ratio[chunk] = temporal.tsnr(y, unfitted, kept)
            size = np.einsum("tv,tv->v", y, y)
            _store(before, chunk, whiteness.measure_whiteness(y - basis @ (basis.T @ y), kept, lags, size))
            factor = 100.0 / np.maximum(y.mean(axis=0), 1.0) if scaling == "voxel" else scaling
            scaled = factor * y - (100.0 if scaling == "voxel" else 0.0)
            residuals = whiteness.whitened(scaled - design @ beta[:, chunk], rho[chunk])
            _store(after, chunk, whiteness.measure_whiteness(residuals, kept, lags, factor**2 * size))
    return Gathered(total, changed, ratio, constant, before, after)


def _store(into: whiteness.Whiteness, chunk: slice, found: whiteness.Whiteness) -> None:
    into.lag1[chunk], into.p[chunk] = found.lag1, found.p


def _scaling(fitted: dict[str, Any]) -> float | Literal["voxel"]:
    """Factor from the data to what was fitted, or that it is each voxel's own."""
    if fitted["SignalScaling"] == "voxel":
        return "voxel"
    return 100.0 / float(fitted["GrandMean"]) if "GrandMean" in fitted else 1.0


def _moved(
    known: motion.Motion, inside: BoolArray, grid: Grid, n_scans: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Displacement, framewise displacement (mm) and rotation (degrees) of each volume; NaN where unknown.

    The parameters of a table turn the head about a centre that the table does not tell, and that realignment
    puts into the head: the centre of the mask stands for it.
    """
    nothing = np.full(n_scans, np.nan)
    framewise = nothing if known.framewise is None else known.framewise
    if known.parameters is None:
        return nothing, framewise, nothing
    ends = head_motion.outermost(inside)
    points = np.column_stack([ends, np.ones(len(ends))]) @ grid.affine[:3].T
    moves = rigid.rigid_motion(known.parameters[:, :3], known.parameters[:, 3:])
    if known.source == motion.TABLE:
        points = points - (np.argwhere(inside).mean(axis=0) @ grid.affine[:3, :3].T + grid.affine[:3, 3])
    return head_motion.displacements(moves, points), framewise, head_motion.rotation_angles(moves)


def _residuals(
    found: Gathered,
    design: FloatArray,
    rho: FloatArray,
    kept: BoolArray,
    lags: int,
    noise_model: str,
) -> dict[str, Any]:
    """Whiteness before and after whitening, each beside what white noise shows after the same design."""
    whitened = noise.MODELS[noise_model].whitens
    content: dict[str, Any] = {"NoiseModel": noise_model, "Whitened": whitened, "Lags": lags}
    content["Level"] = whiteness.LEVEL
    content["HistogramEdges"] = whiteness.EDGES.round(6).tolist()
    typical = float(np.median(rho)) if rho.size else 0.0
    parts = {"Before": (found.before, 0.0), **({"After": (found.after, typical)} if whitened else {})}
    for name, (series, coefficient) in parts.items():
        clean = whiteness.summary(whiteness.white_noise_through(design, coefficient, kept, lags))
        content[name] = {
            **whiteness.summary(series),
            "OfWhiteNoise": clean,
            "Histogram": whiteness.histogram(series),
        }
    return content


def _mean_and_largest(values: FloatArray) -> dict[str, float | None]:
    known = values[np.isfinite(values)]
    return {
        "Mean": float(known.mean()) if known.size else None,
        "Largest": float(known.max()) if known.size else None,
    }


def _quantile(values: FloatArray, share: float) -> float | None:
    return float(np.quantile(values, share)) if values.size else None


def _cell(value: float) -> object:
    """As a table has it: n/a for what is not known."""
    return value if np.isfinite(value) else "n/a"


if __name__ == "__main__":
    stage.run(measure_quality, globals().get("snakemake"))
