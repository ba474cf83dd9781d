"""The script that the workflow stands in for: nilearn's example from raw volumes to three z maps and figures.

    python nilearn_script.py STUDY OUTPUT [--figures]

STUDY is the folder of fMRI/ (``sub001`` of the SPM multimodal layout).
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import nilearn_reference as reference


def main(study: Path, output: Path, *, figures: bool) -> None:
    output.mkdir(parents=True, exist_ok=True)
    runs = reference.resampled_runs(study)
    mean = reference.mean_image(runs)
    designs = reference.design_matrices(study, runs[0].shape[3])
    model = reference.fitted_model(runs, designs)
    model.masker_.mask_img_.to_filename(output / "mask.nii.gz")
    for name, contrast in reference.CONTRASTS.items():
        z_map = reference.contrast_map(model, designs, contrast)
        z_map.to_filename(output / f"{name}.nii.gz")
        if figures:
            from nilearn.plotting import plot_stat_map

            plot_stat_map(
                z_map,
                bg_img=mean,
                threshold=3.0,
                display_mode="z",
                cut_coords=3,
                black_bg=True,
                title=name,
                output_file=output / f"{name}.png",
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), figures="--figures" in sys.argv)
