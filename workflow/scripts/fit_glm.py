"""Fit the GLM of one run, y = X b + e, voxel by voxel, with the noise of a model, in one reading of the run.

Writes what every later stage needs in place of the data: betas, residual variance, AR(1) coefficients, R2,
temporal signal to noise ratio; the series of some voxels; measures of how good the run and its fit are. Data
are scaled to percent of each voxel's mean (``voxel``), or to 100 y / m, with m the mean over scans and the
mask's voxels (``grand_mean``) or over scans of SPM's global (``spm_global``). All maps are 0 at voxels that
the run does not have: constant over time, or outside of the field of view where that is given. The arithmetic
is that of nilearn's ``run_glm``; see ``firstlevel.glm.stream``. Where the noise is learnt, a mixture of
processes, the series are kept in a scratch file meanwhile, and each voxel's posterior over the processes is
written, too; see ``firstlevel.glm.learnt``.

Where a mask is given, a run that lies on one grid is read here alone, so its mean over time and its sidecar
are written here; see ``firstlevel.image.in_place``.
"""

from pathlib import Path

import numpy as np

from firstlevel import stage
from firstlevel.glm import baseline, fit_checks, fit_sidecar, noise_table, whole_run
from firstlevel.glm import fit as glm
from firstlevel.glm.masked_scans import MaskedScans
from firstlevel.glm.task_share import partial_rsquared
from firstlevel.image import motion
from firstlevel.image.in_place import InPlace
from firstlevel.io import designs, digests, image_writer, masked, sample, sidecars
from firstlevel.io.grids import Grid
from firstlevel.io.series import Series
from firstlevel.quality import residuals, run_measures, volumes


def fit_glm(
    *,
    bold: list[Path],
    design: Path,
    mask: Path,
    beta: Path,
    sigma2: Path,
    ar1: Path,
    rsquared: Path,
    sidecar: Path,
    noise_model: str,
    signal_scaling: baseline.Scaling,
    design_json: Path,
    bold_json: Path | None = None,
    reference: list[Path] | None = None,
    headers: Path | None = None,
    mean: Path | None = None,
    field_of_view: Path | None = None,
    coverage: Path | None = None,
    posterior: Path | None = None,
    processes: Path | None = None,
    arma: Path | None = None,
    task_rsquared: Path | None = None,
    tsnr: Path | None = None,
    series: Path | None = None,
    timeseries: Path | None = None,
    measures: Path | None = None,
    lags: int = 10,
    confounds: Path | None = None,
) -> None:
    """Write the maps of one run, one volume of `beta` per design column, and the sidecar of the fit.

    `field_of_view` holds 1 where every volume of the run covers the voxel; None takes all voxels that vary.
    `coverage` is the same map where it is only measured. `reference` and `headers` are given where no stage
    has read the run: then its `mean` and `bold_json` are written. `posterior`, one volume per process, and
    the table of `processes` are of noise that is learnt; `arma`, two volumes, the coefficients of ARMA noise.
    `bold_json` says what the run was made of and how its volumes moved. `task_rsquared` is the share that the
    task explains of what drift, confounds and censored scans leave, `tsnr` a map, `series` the data of a
    sample of the mask's voxels, `timeseries` a table of quality with a row per volume, `measures` those of
    the run; None leaves them out. `lags` are those of the test of the residuals. Motion is from `bold_json`
    or, where all volumes share one affine, from the table of `confounds`.
    """
    saved = designs.read(design, design_json)
    model = glm.Design.of(saved.matrix)
    fit_checks.check_steps(saved, design_json, noise_model)
    fit_checks.check_dof(saved, model)
    inside, grid = masked.read_mask(mask), Grid.of(mask)
    run = Series.of(bold)
    fit_checks.check_shapes(run, saved, inside, mask)
    everywhere = np.ones(int(inside.sum()), dtype=bool)
    analysed = masked.read_mask(field_of_view).T[inside.T] if field_of_view else everywhere
    placed = InPlace.of(run, reference, headers, coverage) if reference and headers and coverage else None
    scans = MaskedScans.of(
        run,
        inside,
        has_spm_global=signal_scaling == "spm_global",
        volumes=placed.volumes if placed else None,
    )
    fitted = whole_run.fit(scans, model, saved.kept, analysed, noise_model, signal_scaling, beside=beta)
    if placed and mean and bold_json:
        placed.write(mean, bold_json)
    maps, found, tsnr_map = fitted.maps, fitted.learnt, fitted.estimates.tsnr

    for path, values in (
        (beta, maps.beta),
        (sigma2, maps.sigma2),
        (ar1, maps.ar1),
        (rsquared, maps.rsquared),
        (tsnr, tsnr_map),
    ):
        if path:
            image_writer.write_masked(path, values, inside, grid.affine)
    if task_rsquared:
        share = partial_rsquared(model, maps, saved.columns(*designs.NO_INTEREST), found, fitted.pairs)
        image_writer.write_masked(task_rsquared, share, inside, grid.affine)
    if found and posterior and processes:
        image_writer.write_masked(posterior, found.posterior, inside, grid.affine, np.uint8)
        noise_table.write(processes, found.mixture)
    if fitted.pairs is not None and arma:
        image_writer.write_masked(arma, fitted.pairs, inside, grid.affine)
    if series:
        sample.write_series(series, scans.sampled)
    if measures and timeseries and bold_json:
        resampled = sidecars.read_json(bold_json)
        factor = residuals.factor(signal_scaling, fitted.grand_mean)
        covered = masked.read_mask(coverage).T[inside.T] if coverage else analysed
        of_volumes, measured = run_measures.of_run(
            saved, run_measures.Fitted.of(
                maps, tsnr_map, scans.taken, scans.sampled, fitted.sums, noise_model, found, fitted.pairs,
                factor,
            ),
            motion.of_run(resampled, confounds), resampled["VoxelsOutsideFieldOfView"], inside, grid, covered,
            analysed, lags, resampled.get("SmoothingFwhm"),
        )  # fmt: skip
        volumes.write(timeseries, of_volumes)
        sidecars.write_json(measures, measured | {"Software": stage.versions("numpy", "scipy", "nibabel")})
    content = fit_sidecar.content(saved.names, model, fitted, noise_model, signal_scaling)
    content["Inputs"] = digests.of_files([path for path in (bold_json, design, mask) if path])
    content["Software"] = stage.versions("numpy", "nibabel")
    sidecars.write_json(sidecar, content)


if __name__ == "__main__":
    stage.run(fit_glm, globals().get("snakemake"))
