"""Calls of stages with the arguments that most tests leave as they are, and the grid of their runs."""

import json

import nibabel as nib
import numpy as np
from scipy.spatial.transform import Rotation
from with_headers import resample_run

from fit_glm import fit_glm

SINGLE_PRECISION = 1e-3

BASE = np.array([[3.0, 0.2, 0, -30], [-0.2, 3, 0.1, -35], [0, -0.1, 4, -20], [0, 0, 0, 1]])


def moved(affine, angle, shift):
    """Affine of a volume whose head has turned about z (degrees) and shifted (mm)."""
    move = np.eye(4)
    move[:3, :3] = Rotation.from_euler("z", angle, degrees=True).as_matrix()
    move[:3, 3] = shift
    return move @ affine


def resample(tmp_path, runs, number, **options):
    out = tmp_path / "out.nii"
    options = {"strategy": "sequential", "smoothing_fwhm": None, "repetition_time": 2.0} | options
    folder = runs[number][0]
    resample_run(
        bold=[folder], reference=[runs[0][0]], resampled=out, sidecar=tmp_path / "out.json",
        field_of_view=tmp_path / "fov.nii.gz", **options,
    )  # fmt: skip
    return nib.load(out)


DESIGN_OPTIONS = {
    "repetition_time": 2.0,
    "slice_time_ref": 0.5,
    "hrf_model": "glover",
    "drift_model": "none",
    "high_pass": 0.01,
    "min_onset": -24,
    "oversampling": 16,
}

MAPS = ("effect", "variance", "stat", "p", "z", "n_runs")


def refit(tmp_path, fitted, **options):
    """Fit the run of `fitted` anew; the maps by name, and what the sidecar says."""
    maps = {name: tmp_path / f"re_{name}.nii.gz" for name in ("beta", "sigma2", "ar1", "rsquared")}
    arguments = {
        "bold": [tmp_path / "b.nii"], "design": fitted["designs"][0], "mask": fitted["mask"],
        "noise_model": "ar1", "signal_scaling": "none", "sidecar": tmp_path / "re.json",
        "design_json": tmp_path / "design.json",
    }  # fmt: skip
    fit_glm(**(arguments | maps | options))
    read = {name: nib.load(path).get_fdata() for name, path in maps.items()}
    return read, json.loads((tmp_path / "re.json").read_text())
