"""The script that the workflow stands in for, as a user of nilearn writes it: z maps, figures, a report.

    python nilearn_script.py STUDY OUTPUT [--figures] [--report] [--subject LABEL]

STUDY holds fMRI/ (``sub001`` of the SPM multimodal layout; nilearn's example, from raw volumes), or is a
raw BIDS study with fMRIPrep's derivatives below it, as :func:`sized_studies.fmriprep` writes one.
"""

import argparse
import json
import sys
import warnings
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import nilearn_reference as reference


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("study", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--figures", action="store_true")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--subject", default="01")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    if (options.study / "fMRI").exists():
        maps, mean, model, contrasts = faces(options.study)
    else:
        maps, mean, model, contrasts = preprocessed(options.study, options.subject)
    model.masker_.mask_img_.to_filename(options.output / "mask.nii.gz")
    for name, z_map in maps.items():
        z_map.set_data_dtype("float32")  # it has the mask's, of whole numbers
        z_map.to_filename(options.output / f"{name}.nii.gz")
        if options.figures:
            from nilearn.plotting import plot_stat_map

            plot_stat_map(
                z_map,
                bg_img=mean,
                threshold=3.0,
                display_mode="z",
                cut_coords=3,
                black_bg=True,
                title=name,
                output_file=options.output / f"{name}.png",
            )
    if options.report:
        # its list of parameters, in which scikit-learn 1.7 looks for residuals that the model does not keep
        model._html_repr = str
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.generate_report(contrasts, bg_img=mean).save_as_html(options.output / "report.html")


def faces(study: Path):
    """Z maps, mean image, model and contrasts of two runs of raw volumes."""
    runs = reference.resampled_runs(study)
    designs = reference.design_matrices(study, runs[0].shape[3])
    model = reference.fitted_model(runs, designs)
    maps = {
        name: reference.contrast_map(model, designs, contrast)
        for name, contrast in reference.CONTRASTS.items()
    }
    contrasts = {"facesMinusScrambled": "faces - scrambled", "scrambledMinusFaces": "scrambled - faces"}
    return maps, reference.mean_image(runs), model, contrasts


def preprocessed(study: Path, subject: str):
    """Z map, mean image, model and contrast of the runs that fMRIPrep left of a subject."""
    from nilearn.glm.first_level import FirstLevelModel
    from nilearn.image import mean_img

    func = study / f"derivatives/fmriprep/sub-{subject}/func"
    images = sorted(func.glob("*_desc-preproc_bold.nii.gz"))
    sidecar = json.loads(Path(str(images[0]).replace(".nii.gz", ".json")).read_text())
    events = [pd.read_table(path) for path in sorted((study / f"sub-{subject}/func").glob("*_events.tsv"))]
    confounds = [pd.read_table(path) for path in sorted(func.glob("*_desc-confounds_timeseries.tsv"))]
    model = FirstLevelModel(
        t_r=sidecar["RepetitionTime"],
        slice_time_ref=sidecar["StartTime"] / sidecar["RepetitionTime"],
        hrf_model="spm + derivative",
        drift_model="cosine",
        high_pass=0.01,
        mask_img=str(next(func.glob("*run-1*_desc-brain_mask.nii.gz"))),
    )
    contrast = "faces - scrambled"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit([str(image) for image in images], events=events, confounds=confounds)
        z_map = model.compute_contrast(contrast, output_type="z_score")
    mean = mean_img([str(image) for image in images], copy_header=True)
    return {"facesMinusScrambled": z_map}, mean, model, {"facesMinusScrambled": contrast}


if __name__ == "__main__":
    main()
