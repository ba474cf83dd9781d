"""Show the design matrix of a run: one row per scan, one column per regressor.

Each column is divided by its largest absolute value, so that regressors of any unit can be seen side by
side: white is zero, red positive, blue negative.
"""

from pathlib import Path

from firstlevel import stage, texts
from firstlevel.io import designs
from firstlevel.plotting import figures


def plot_design(*, design: Path, figure: Path, title: str) -> None:
    """Draw the matrix with the regressors' names above it."""
    import pandas as pd
    from matplotlib import pyplot as plt
    from nilearn.plotting import plot_design_matrix

    saved = designs.read(design)
    columns = saved.names
    matrix = pd.DataFrame(saved.matrix, columns=columns)
    largest = matrix.abs().max()
    picture, axes = plt.subplots(figsize=(2.0 + 0.27 * len(columns), 7.5), layout="constrained")
    plot_design_matrix(matrix / largest.where(largest > 0, 1.0), rescale=False, axes=axes)
    shown = axes.images[0]
    shown.set(cmap="RdBu_r", clim=(-1, 1))
    axes.set_xticks(
        range(len(columns)),
        [texts.shortened(name, figures.LABEL) for name in columns],
        rotation=60,
        ha="left",
        rotation_mode="anchor",
        parse_math=False,
    )
    axes.set_xticks([edge - 0.5 for edge in range(1, len(columns))], minor=True)
    axes.grid(which="minor", axis="x", color="0.8", linewidth=0.5)
    axes.tick_params(which="both", axis="x", length=0)
    axes.tick_params(labelsize=10)
    axes.set_ylabel("scan number", fontsize=12)
    bar = picture.colorbar(shown, ax=axes, shrink=0.5, aspect=25, ticks=[-1, 0, 1])
    bar.set_label("value / column's largest absolute value", fontsize=10)
    axes.set_title(title, loc="left", fontsize=14, pad=12, parse_math=False)
    figures.save(picture, figure)


if __name__ == "__main__":
    stage.run(plot_design, globals().get("snakemake"))
