"""Test one contrast over the runs of a subject as fixed effects: effect, variance, t or F, p and z maps.

Works from the saved betas, residual variance, AR(1) map and design alone; the BOLD data are not read. Which
voxels and clusters of the z map hold up is found here too: a job of its own would take longer to start.
"""

import logging
from pathlib import Path
from typing import Any, Literal

import numpy as np

from firstlevel import stage
from firstlevel.glm import contrasts, effects, estimable
from firstlevel.glm import fit as glm
from firstlevel.glm.contrasts import RunFit
from firstlevel.glm.estimable import RunDesign
from firstlevel.inference.of_map import compute_inference
from firstlevel.io import designs as saved_designs
from firstlevel.io import image_writer, masked, sidecars
from firstlevel.io.grids import Grid


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
    unestimable: Literal["stop", "missing"] = "stop",
    inference: dict[str, Any] | None = None,
    uncorrected: Path | None = None,
    fdr: Path | None = None,
    bonferroni: Path | None = None,
    tdp: Path | None = None,
    thresholds: Path | None = None,
    clusters: Path | None = None,
) -> None:
    """Write the maps of one contrast: t of one expression in `rows`, or F of all of them jointly.

    A run that cannot estimate the contrast is left out, and the sidecar says why. Where no run can, the
    stage stops; `unestimable` missing writes maps of NaN instead, and says in the sidecar why. Each voxel is
    combined over the runs that have it (`coverage` any) or tested only where all have it; `n_runs` is the map
    of their number, 0 where nothing was tested. With `inference`, options of ``compute_inference``, it writes
    what of z survives thresholding to `uncorrected` and the other files.
    """
    estimable.check_rows(rows, label)
    is_approximate = statistic == "F" and f_test == "approximate"
    if is_approximate:
        estimable.check_weights(weights, label)
    saved = [RunDesign.of(saved_designs.read(*paths)) for paths in zip(designs, design_jsons, strict=True)]
    estimable.check_delays(saved, rows, label)
    reasons = [estimable.why_not(design, rows) for design in saved]
    used = [k for k, reason in enumerate(reasons) if not reason]
    content: dict[str, Any] = {
        "Contrast": rows,
        "Label": label,
        "Statistic": statistic,
        "Software": stage.versions("numpy", "scipy", "nibabel"),
        **({"RunWeights": weights} if weights != "equal" else {}),
        **({"FTest": f_test} if statistic == "F" and f_test == "exact" else {}),
        **estimable.left_out(saved, [fit.name for fit in fits], reasons, label),
        **effects.unlike_times([saved[k] for k in used], label),
    }
    inside, grid = masked.read_mask(mask), Grid.of(mask)
    if not used:
        if unestimable == "stop":
            raise estimable.in_no_run(saved, reasons, rows, label)
        missing = np.full(int(inside.sum()), np.nan)
        for path in (effect, variance, stat, z):
            image_writer.write_masked(path, missing, inside, grid.affine)
        image_writer.write_masked(p, missing, inside, grid.affine, np.float64, outside=1.0)
        image_writer.write_masked(n_runs, np.zeros(missing.size, np.uint8), inside, grid.affine, np.uint8)
        sidecars.write_json(sidecar, content | {"DegreesOfFreedom": None, "Runs": []})
        return
    runs = []
    for k in used:
        beta_map, sigma2_map, ar1_map = (
            masked.read_masked(paths[k], inside) for paths in (betas, sigma2s, ar1s)
        )
        estimates = glm.Estimates(beta=beta_map, sigma2=sigma2_map, ar1=ar1_map, rsquared=np.empty(0))
        runs.append(RunFit(saved[k].model, estimates))
    vectors = [saved[k].vectors(rows) for k in used]
    result = contrasts.over_runs(runs, vectors, "t" if statistic == "t" else f_test, weights, coverage)
    of_effect = result.effect[0] if len(rows) == 1 else result.effect
    of_variance = result.variance[0] if result.variance.shape[:-1] == (1,) else result.variance
    for path, values in ((effect, of_effect), (variance, of_variance), (stat, result.stat), (z, result.z)):
        image_writer.write_masked(path, values, inside, grid.affine)
    # single precision ends at 1e-45, where p of a strong effect has not; outside of the mask nothing is found
    image_writer.write_masked(p, result.p, inside, grid.affine, np.float64, outside=1.0)
    image_writer.write_masked(n_runs, result.n_runs.astype(np.uint8), inside, grid.affine, np.uint8)
    counts = np.bincount(result.n_runs, minlength=len(runs) + 1)
    dof, scaling = sum(run.design.dof for run in runs), sidecars.read_json(fits[0])["SignalScaling"]
    content |= {
        "DegreesOfFreedom": dof if statistic == "t" else [len(rows), dof],
        "EffectUnit": effects.unit([saved[k] for k in used], rows, scaling, is_standardised=is_approximate),
        "Coverage": coverage,
        "VoxelsByNumberOfRuns": {str(n): int(count) for n, count in enumerate(counts)},
        "Runs": [
            {
                "Fit": fits[k].name,
                "Weights": effects.weights_by_name(saved[k], of_run),
                "DegreesOfFreedom": saved[k].model.dof,
                "Responses": effects.responses(saved[k], rows),
            }
            for k, of_run in zip(used, vectors, strict=True)
        ],
    }
    sidecars.write_json(sidecar, content)
    if fewer := int(counts[:-1].sum()):
        logging.warning(
            "%d of %d voxels are not in all %d runs: %s",
            *(fewer, counts.sum(), len(runs)),
            ", ".join(f"{count} in {n}" for n, count in enumerate(counts) if count),
        )
    if inference is not None and uncorrected and fdr and bonferroni and tdp and thresholds and clusters:
        compute_inference(
            z=z,
            mask=mask,
            uncorrected=uncorrected,
            fdr=fdr,
            bonferroni=bonferroni,
            tdp=tdp,
            thresholds=thresholds,
            clusters=clusters,
            signed=statistic == "t",
            **inference,
        )
    logging.info("%s over %d runs: z from %.2f to %.2f", label, len(runs), result.z.min(), result.z.max())


if __name__ == "__main__":
    stage.run(compute_contrast, globals().get("snakemake"))
