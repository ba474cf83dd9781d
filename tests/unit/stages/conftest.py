"""Runs and fits that tests of several stages start from."""

import nibabel as nib
import numpy as np
import pytest
from stage_calls import BASE, DESIGN_OPTIONS, MAPS, moved
from with_headers import make_design_matrix

from firstlevel.io import image_writer, table_writer
from fit_glm import fit_glm


@pytest.fixture
def runs(tmp_path):
    """Two runs of four volumes, each with its own affine; bright voxels make splines overshoot."""
    rng, made = np.random.default_rng(0), []
    for run in (1, 2):
        folder = tmp_path / f"run-{run}"
        folder.mkdir()
        volumes = []
        for scan in range(4):
            data = rng.integers(600, 800, (20, 22, 12)).astype(np.float32)
            data[8:12, 8:12, 5:7] += 300 * (scan == 2)
            affine = moved(BASE, 0.8 * scan + 2 * (run - 1), (0.4 * scan, 0.2 * scan, 1.5 * (run - 1)))
            nib.Nifti1Image(data, affine).to_filename(folder / f"v{scan}.nii")
            volumes.append((data.astype(np.float64), nib.load(folder / f"v{scan}.nii").affine))
        made.append((folder, volumes))
    return made


@pytest.fixture
def fitted(tmp_path):
    """Arguments of compute_contrast for one run: a small fit with columns a, b, rot_x, constant."""
    rng, n_scans = np.random.default_rng(0), 40
    nib.Nifti1Image(rng.normal(800, 8, (4, 4, 4, n_scans)).astype(np.float32), BASE).to_filename(
        tmp_path / "b.nii"
    )
    image_writer.write_image(tmp_path / "mask.nii.gz", np.ones((4, 4, 4), np.uint8), BASE)
    rows = [(4.0 * k, 1.0, "ab"[k % 2]) for k in range(18)]
    table_writer.write_table(tmp_path / "events.tsv", ("onset", "duration", "trial_type"), rows)
    confounds = [(x, 2.0) for x in rng.standard_normal(n_scans)]
    table_writer.write_table(tmp_path / "confounds.tsv", ("rot_x", "other"), confounds)
    design = tmp_path / "design.tsv"
    make_design_matrix(
        source=[tmp_path / "events.tsv"], bold=[tmp_path / "b.nii"],
        design=design, sidecar=tmp_path / "design.json",
        columns=["rot_x"], confounds=tmp_path / "confounds.tsv", **DESIGN_OPTIONS,
    )  # fmt: skip
    maps = {name: tmp_path / f"{name}.nii.gz" for name in ("beta", "sigma2", "ar1", "rsquared")}
    fit_glm(
        bold=[tmp_path / "b.nii"], design=design, mask=tmp_path / "mask.nii.gz",
        sidecar=tmp_path / "glm.json", design_json=tmp_path / "design.json", noise_model="ar1",
        signal_scaling="voxel", **maps,
    )  # fmt: skip
    outputs = {name: tmp_path / f"c_{name}.nii.gz" for name in MAPS}
    return {
        "betas": [maps["beta"]], "sigma2s": [maps["sigma2"]], "ar1s": [maps["ar1"]], "designs": [design],
        "design_jsons": [tmp_path / "design.json"], "fits": [tmp_path / "glm.json"],
        "mask": tmp_path / "mask.nii.gz", "sidecar": tmp_path / "c.json", **outputs,
    }  # fmt: skip
