"""Test one contrast over the runs of a subject as fixed effects: effect, variance, t or F, p and z maps.

Works from the saved betas, residual variance, noise and design alone; the BOLD data are not read. What
of the z map survives thresholding is found here too: a job of its own would take longer to start.
"""

import logging
from pathlib import Path
from typing import Any, Literal

from firstlevel import stage
from firstlevel.glm import contrast_maps, contrasts, effects, estimable, noise_table
from firstlevel.glm.contrast_options import ContrastOptions
from firstlevel.glm.estimable import RunDesign
from firstlevel.inference import findings
from firstlevel.inference.of_map import compute_inference
from firstlevel.io import designs as saved_designs
from firstlevel.io import masked, sidecars
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
    posteriors: list[Path] | None = None,
    processes: list[Path] | None = None,
    armas: list[Path] | None = None,
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
    contrast = ContrastOptions(label, rows, statistic, weights, f_test, coverage)
    contrast.check()
    of_runs = [RunDesign.of(saved_designs.read(*paths)) for paths in zip(designs, design_jsons, strict=True)]
    estimable.check_delays(of_runs, rows, label)
    reasons = [estimable.why_not(design, rows) for design in of_runs]
    used = [k for k, reason in enumerate(reasons) if not reason]
    of_used, names_of_fits = [of_runs[k] for k in used], [fit.name for fit in fits]
    content: dict[str, Any] = {
        **contrast.described(),
        **estimable.left_out(of_runs, names_of_fits, reasons, label),
        **effects.unlike_times(of_used, label),
        "Software": stage.versions("numpy", "scipy", "nibabel"),
    }
    inside, grid = masked.read_mask(mask), Grid.of(mask)
    maps = contrast_maps.Maps(effect=effect, variance=variance, stat=stat, p=p, z=z, n_runs=n_runs)
    if not used and unestimable == "stop":
        raise estimable.in_no_run(of_runs, reasons, rows, label)
    if not used:
        maps.write(contrasts.Statistic.missing(int(inside.sum())), inside, grid.affine)
        sidecars.write_json(sidecar, content | {"DegreesOfFreedom": None, "Runs": []})
        return
    nothing: list[Path | None] = [None] * len(betas)
    of_noise = [given or nothing for given in (posteriors, processes, armas)]
    paths = [contrast_maps.Fit(*of_run) for of_run in zip(betas, sigma2s, ar1s, *of_noise, strict=True)]
    for k in used:
        noise_table.check_fit(fits[k], paths[k].processes, paths[k].arma)
    models, vectors = [one.model for one in of_used], [one.vectors(rows) for one in of_used]
    tested = contrast_maps.test([paths[k] for k in used], models, vectors, contrast, inside)
    maps.write(tested, inside, grid.affine)
    scaling = sidecars.read_json(fits[0])["SignalScaling"]
    content |= effects.described(contrast, [names_of_fits[k] for k in used], of_used, tested, scaling)
    sidecars.write_json(sidecar, content)
    if inference is not None and uncorrected and fdr and bonferroni and tdp and thresholds and clusters:
        compute_inference(
            z=z, mask=mask, uncorrected=uncorrected, fdr=fdr, bonferroni=bonferroni, tdp=tdp,
            thresholds=thresholds, clusters=clusters, signed=statistic == "t",
            effect=effect if statistic == "t" else None,
            margin=tested.margin(findings.CONFIDENCE) if statistic == "t" else None, **inference,
        )  # fmt: skip
    logging.info("%s over %d runs: z from %.2f to %.2f", label, len(used), tested.z.min(), tested.z.max())


if __name__ == "__main__":
    stage.run(compute_contrast, globals().get("snakemake"))
