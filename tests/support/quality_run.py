"""One small run that is made, fitted, measured and judged by the stages themselves."""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from checked_configs import SCHEMA, keys
from nilearn.glm.first_level import make_first_level_design_matrix

from firstlevel.io import image_writer, table_writer
from fit_glm import fit_glm
from judge_quality import judge_quality

N = 160
SHAPE = (14, 14, 8)
AFFINE = np.diag([5.0, 5.0, 6.0, 1.0])
LIMITS = {
    key.removeprefix("quality."): part["default"]
    for key, part in keys(SCHEMA)
    if key.startswith("quality.") and key != "quality.lags"
}


@dataclass
class Run:
    """One run of a small box of a brain, made and fitted here, and what is measured of it."""

    folder: Path
    model: str = "ols"
    scaling: str = "voxel"

    def file(self, name):
        return self.folder / f"r_{name}"

    def measure(self, lags=10, confounds=None, *, analyse_all=False):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fit_glm(
                bold=[self.file("bold.nii")], bold_json=self.file("bold.json"), mask=self.file("mask.nii.gz"),
                field_of_view=None if analyse_all else self.file("fov.nii.gz"),
                coverage=self.file("fov.nii.gz"), design=self.file("design.tsv"),
                design_json=self.file("design.json"), beta=self.file("beta.nii.gz"),
                sigma2=self.file("sigma2.nii.gz"), ar1=self.file("ar1.nii.gz"),
                rsquared=self.file("rsquared.nii.gz"), task_rsquared=self.file("task.nii.gz"),
                posterior=self.file("posterior.nii.gz"), processes=self.file("processes.tsv"),
                arma=self.file("arma.nii.gz"), tsnr=self.file("tsnr.nii.gz"),
                sidecar=self.file("glm.json"), series=self.file("series.npy"), timeseries=self.file("ts.tsv"),
                measures=self.file("q.json"), noise_model=self.model, signal_scaling=self.scaling,
                lags=lags, confounds=confounds,
            )  # fmt: skip
        return json.loads(self.file("q.json").read_text(), parse_constant=pytest.fail)

    def judge(self, **limits):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            judge_quality(
                measures=[self.file("q.json")], timeseries=[self.file("ts.tsv")], runs=["r"],
                designs=[self.file("design.tsv")], design_jsons=[self.file("design.json")],
                contrasts=self.file("contrasts.tsv"), zs=[self.file("z.nii.gz")], rows={"ab": "a - b"},
                contrast_jsons=[self.file("contrast.json")],
                mask=self.file("mask.nii.gz"), table=self.file("quality.tsv"),
                sidecar=self.file("quality.json"), limits=LIMITS | limits,
            )  # fmt: skip
        json.loads(self.file("quality.json").read_text(), parse_constant=pytest.fail)
        return pd.read_csv(self.file("quality.tsv"), sep="\t", keep_default_na=False)

    def to_check(self):
        """Measures that are beyond their limits."""
        table = self.judge()
        return set(table["measure"][table["verdict"] == "check"])

    def edit(self, name, **changes):
        content = json.loads(self.file(name).read_text())
        self.file(name).write_text(json.dumps(content | changes))


def make_run(folder, rho=0.0, model="ols", noise=1.0, design=None, censored=()):
    """A run of AR(1) noise of `noise` percent about 800, with a little motion, fitted with `model`."""
    folder.mkdir(exist_ok=True)
    run, rng = Run(folder, model), np.random.default_rng(0)
    events = pd.DataFrame({"onset": np.arange(4, 2 * N - 20, 11.0), "duration": 1.0})
    events["trial_type"] = rng.permutation(["a", "b"] * len(events))[: len(events)]
    if design is None:
        design = make_first_level_design_matrix(2.0 * np.arange(N), events, hrf_model="spm")
    for scan in censored:
        design.insert(2, f"censor_{scan}", (np.arange(N) == scan).astype(float))
    inside = np.zeros(SHAPE, dtype=bool)
    inside[2:12, 2:12, 1:7] = True
    data = rng.normal(size=(N, inside.sum()))
    data[0] /= np.sqrt(1 - rho**2)
    for scan in range(1, N):
        data[scan] += rho * data[scan - 1]
    values = 800 + 8 * noise * data
    values[:, 5] = 700  # a voxel that never changes
    image_writer.write_masked(run.file("bold.nii"), values.astype(np.float32), inside, AFFINE)
    image_writer.write_image(run.file("mask.nii.gz"), inside.astype(np.uint8), AFFINE)
    image_writer.write_image(run.file("fov.nii.gz"), np.ones(SHAPE, np.uint8), AFFINE)
    wobble = 0.05 * np.sin(np.arange(3 * N).reshape(N, 3))
    moved = {"Translation": wobble.tolist(), "Rotation": wobble.tolist()}
    run.file("bold.json").write_text(json.dumps(moved | {"VoxelsOutsideFieldOfView": [0] * N}))
    write_design(run, design)
    combined = {"Label": "ab", "Runs": [{"Fit": "r_glm.json"}], "Coverage": "any"}
    combined["VoxelsByNumberOfRuns"] = {"0": 0, "1": int(inside.sum())}
    run.file("contrast.json").write_text(json.dumps(combined))
    image_writer.write_masked(run.file("z.nii.gz"), rng.normal(size=inside.sum()), inside, AFFINE)
    return run


def role(name):
    kinds = {"drift": "drift", "constant": "constant", "censor": "censor", "motion": "motion"}
    return kinds.get(name.split("_")[0], "condition")


def write_design(run, design):
    table_writer.write_table(run.file("design.tsv"), list(design.columns), design.to_numpy().tolist())
    columns = [{"Name": name, "Role": role(name)} for name in design.columns]
    run.file("design.json").write_text(json.dumps({"Columns": columns}))
