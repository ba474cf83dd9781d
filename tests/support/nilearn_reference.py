"""What nilearn's example "Single-subject data (two runs) in native space" does, as functions.

The reference that tests and the benchmark compare with: nilearn's own calls, nothing of ours.
"""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from nilearn.glm.first_level import FirstLevelModel, make_first_level_design_matrix
from nilearn.image import concat_imgs, mean_img, resample_img
from scipy.io import loadmat

CONTRASTS = {
    "facesMinusScrambled": {"faces": 1, "scrambled": -1},
    "scrambledMinusFaces": {"scrambled": 1, "faces": -1},
    "effectsOfInterest": [{"faces": 1}, {"scrambled": 1}],
}


def resampled_runs(trunk: Path):
    """Both runs on the grid of the first volume of run 1, interpolated as the example does."""
    runs = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in (1, 2):
            volumes = sorted((trunk / f"fMRI/Session{number}").glob("fMETHODS-*.img"))
            runs.append(concat_imgs([str(volume) for volume in volumes], auto_resample=True))
        affine, shape = runs[0].affine, runs[0].shape[:3]
        runs[1] = resample_img(runs[1], affine, shape, copy_header=True, force_resample=True)
    return runs


def design_matrices(trunk: Path, n_scans: int, repetition_time: float = 2.0):
    """Design of each run, from the onsets in scans."""
    designs = []
    for number in (1, 2):
        trials = loadmat(trunk / f"fMRI/trials_ses{number}.mat", squeeze_me=True)
        rows = [
            {"trial_type": str(name), "onset": onset * repetition_time, "duration": 1.0}
            for name, onsets in zip(trials["names"], trials["onsets"], strict=True)
            for onset in onsets
        ]
        designs.append(
            make_first_level_design_matrix(
                np.arange(n_scans) * repetition_time,
                pd.DataFrame(rows),
                hrf_model="spm + derivative",
                drift_model="cosine",
                high_pass=0.01,
            )
        )
    return designs


def mean_image(runs):
    """Mean over time and runs."""
    return mean_img(runs, copy_header=True)


def fitted_model(runs, designs, mask=None):
    """FirstLevelModel with its defaults: AR(1), percent signal change."""
    model = FirstLevelModel() if mask is None else FirstLevelModel(mask_img=mask)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(runs, design_matrices=designs)


def weights(design, contrast):
    """Vector or matrix of a contrast in the order of the design's columns."""
    rows = contrast if isinstance(contrast, list) else [contrast]
    matrix = np.array([[row.get(column, 0.0) for column in design.columns] for row in rows])
    return matrix if isinstance(contrast, list) else matrix[0]


def contrast_map(model, designs, contrast, output_type="z_score"):
    """One map of one contrast over both runs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.compute_contrast(
            [weights(design, contrast) for design in designs], output_type=output_type
        )
