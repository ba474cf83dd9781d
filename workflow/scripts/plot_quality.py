"""Show the quality of a run in five pictures.

Carpet: the signal of every voxel over time (Power 2017), detrended and standardised, below what moved and how
much the image changed. Maps of temporal signal to noise ratio and of R2. Correlation of the regressors,
without drift and constant. Residuals: how many voxels have which lag-1 autocorrelation, before and after
whitening.
"""

from pathlib import Path
from typing import Any

import numpy as np

from firstlevel import stage, texts
from firstlevel.io import designs, images, masked, sample, sidecars, tables
from firstlevel.plotting import figures, nilearn_imports, sections

N_CUTS = 8
DARK, GREY = "0.15", "0.35"


def plot_quality(
    *,
    series: Path,
    mask: Path,
    design: Path,
    design_json: Path,
    timeseries: Path,
    measures: Path,
    tsnr: Path,
    rsquared: Path,
    carpet_figure: Path,
    tsnr_figure: Path,
    rsquared_figure: Path,
    correlation_figure: Path,
    residuals_figure: Path,
    title: str,
) -> None:
    """Draw the five figures; `title` says whose run it is."""
    nilearn_imports.load_plotting()
    measured = sidecars.read_json(measures)
    inside = masked.read_mask(mask)
    _carpet(series, inside, timeseries, measured, carpet_figure, title)
    median = measured["MedianTsnr"]
    said = f"median over the mask {median:.0f}" if median is not None else "nothing varies"
    _map(tsnr, inside, tsnr_figure, f"{title}: temporal signal to noise ratio", said, "tSNR")
    median, high = measured["RSquared"]["Median"], measured["RSquared"]["Q95"]
    said = f"median {median:.2f}, a twentieth above {high:.2f}" if median is not None else "nothing varies"
    _map(rsquared, inside, rsquared_figure, f"{title}: variance that the model explains", said, "R²")
    _correlation(design, design_json, correlation_figure, title)
    _residuals(measured["Residuals"], residuals_figure, title)


def _carpet(
    sampled: Path, inside: np.ndarray, timeseries: Path, measured: dict[str, Any], figure: Path, title: str
) -> None:
    """Two curves and the carpet, over one axis of volumes."""
    import nibabel as nib
    from matplotlib import pyplot as plt
    from matplotlib.ticker import MaxNLocator
    from nilearn.plotting import plot_carpet

    series = sample.read_series(sampled)
    series = series[:, np.ptp(series, axis=0) > 0].T
    said = tables.read_rows(timeseries)
    picture = plt.figure(figsize=(11, 7), layout="constrained")
    grid = picture.add_gridspec(3, 2, height_ratios=[1, 1, 4], width_ratios=[60, 1])
    first: Any = None
    for number, (name, label, colour) in enumerate(
        (
            ("framewise_displacement", "framewise\ndispl. (mm)", figures.COLOURS[5]),
            ("dvars", "DVARS\n(%)", figures.COLOURS[0]),
        )
    ):
        first = axes = picture.add_subplot(grid[number, 0], sharex=first)
        values = [np.nan if row.values[name] in tables.MISSING else float(row.values[name]) for row in said]
        axes.plot(values, color=colour, linewidth=1.5)
        if np.isnan(values).all():
            axes.set_yticks([])
            text = f"not known: {measured['MotionFrom']}" if number == 0 else "not known"
            axes.text(
                0.5,
                0.5,
                text,
                transform=axes.transAxes,
                ha="center",
                va="center",
                color=GREY,
                parse_math=False,
            )
        else:
            axes.set_ylim(0, 1.08 * max(np.nanmax(values), 0.1))
            if number == 0 and measured["MotionSource"] == "confounds":
                axes.set_title("from the table of confounds", loc="right", fontsize=11, color=GREY)
        axes.set_ylabel(label, fontsize=11)
        axes.tick_params(labelbottom=False)
        axes.spines[["top", "right"]].set_visible(False)
        if number == 0:
            axes.set_title(title, loc="left", fontsize=14, pad=12, parse_math=False)
    axes = picture.add_subplot(grid[2, 0])
    if series.size:
        rows = nib.Nifti1Image(series[:, np.newaxis, np.newaxis].astype(np.float32), np.eye(4))
        every = nib.Nifti1Image(np.ones(rows.shape[:3], dtype=np.uint8), np.eye(4))
        plot_carpet(
            rows, every, t_r=1.0, figure=picture, axes=axes, standardize="zscore_sample", vmin=-2, vmax=2
        )
        shown = axes.images[0]
        shown.set_extent((-0.5, len(said) - 0.5, len(series) - 0.5, -0.5))  # of long runs it takes fewer
        bar = picture.colorbar(shown, cax=picture.add_subplot(grid[2, 1]), ticks=[-2, 0, 2])
        bar.set_label("standard deviations", fontsize=11)
        bar.outline.set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.sharex(first)
    axes.set_xlim(-0.5, len(said) - 0.5)
    axes.set_yticks([])
    axes.set_xlabel("volume", fontsize=12)
    axes.set_ylabel(f"{len(series):,} of {int(inside.sum()):,} voxels", fontsize=11)
    axes.spines[["top", "right", "bottom", "left"]].set_visible(False)
    figures.save(picture, figure)


def _map(path: Path, inside: np.ndarray, figure: Path, title: str, said: str, label: str) -> None:
    """Axial cuts through a map of the mask, dark to bright from 0 to its 99th percentile."""
    from matplotlib import pyplot as plt
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from nilearn.plotting import plot_img

    source = images.load(path)
    values = sections.finite(source)
    shape = sections.like(source, np.where(inside, np.float32(1), np.float32(0)))
    plain, _ = sections.on_plain_grid(source, source)
    whole, _ = sections.on_plain_grid(shape, source)
    brain, plain = sections.cropped_to_brain(whole, plain)
    heights = np.flatnonzero(sections.finite(brain).any(axis=(0, 1)))
    between = np.unique(np.linspace(heights[0], heights[-1], N_CUTS + 2)[1:-1].round())
    cuts = [float(height * brain.affine[2, 2] + brain.affine[2, 3]) for height in between]
    top = float(np.quantile(values[inside], 0.99)) or 1.0
    picture = plt.figure(figsize=sections.size(plain, "z", cuts), facecolor="black")
    display = plot_img(
        plain,
        figure=picture,
        display_mode="z",
        cut_coords=cuts,
        cmap="inferno",
        vmin=0.0,
        vmax=top,
        colorbar=False,
        black_bg=True,
        draw_cross=False,
        annotate=False,
    )
    display.annotate(size=11)
    width, height = picture.get_size_inches()
    tall = min(0.8 * height, 3.5) / height
    axes = picture.add_axes((1 + 0.25 / width, (1 - tall) / 2, 0.18 / width, tall))
    bar: Any = picture.colorbar(ScalarMappable(Normalize(0, top), "inferno"), cax=axes)
    bar.set_ticks([0, top])
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.2g}" if top < 10 else f"{value:.0f}")
    bar.ax.set_title(label, color="white", fontsize=13, pad=8)
    bar.ax.tick_params(color="white", labelcolor="white", labelsize=11)
    bar.outline.set_edgecolor("0.6")
    picture.text(0, 1 + 0.48 / height, title, color="white", fontsize=15, parse_math=False)
    picture.text(0, 1 + 0.16 / height, said, color="0.75", fontsize=12)
    figures.save(picture, figure)


def _correlation(design: Path, design_json: Path, figure: Path, title: str) -> None:
    """Matrix of correlations between the regressors that vary, those of censored scans left out."""
    import pandas as pd
    from matplotlib import pyplot as plt
    from nilearn.plotting import plot_design_matrix_correlation

    saved = designs.read(design, design_json)
    matrix = pd.DataFrame(saved.matrix, columns=saved.names)
    hidden = saved.columns("drift", "constant", "censor")
    shown = [name for k, name in enumerate(saved.names) if k not in hidden and np.ptp(matrix[name]) > 0]
    side = 2.2 + max(min(0.9 * len(shown), 2.8), min(0.42 * len(shown), 11.0))
    picture, axes = plt.subplots(figsize=(side + 1, side), layout="constrained")
    if shown:
        plot_design_matrix_correlation(matrix[shown], colorbar=False, axes=axes)
        image: Any = axes.images[0]
        image.set(cmap="RdBu_r", clim=(-1, 1))
        size = 10 if len(shown) <= 30 else 6
        names = [texts.shortened(name, figures.LABEL) for name in shown]
        turned: dict[str, Any] = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks(range(len(shown)), names, fontsize=size, parse_math=False, **turned)
        axes.set_yticks(range(len(shown)), names, fontsize=size, parse_math=False, rotation=0, va="center")
        if len(shown) <= 12:
            for i, row in enumerate(matrix[shown].corr().to_numpy()):
                for j, value in enumerate(row):
                    said = f"{value:.2f}".replace("-", "\N{MINUS SIGN}")
                    ink = "white" if abs(value) > 0.6 else DARK
                    axes.text(j, i, said, ha="center", va="center", color=ink, fontsize=10)
        bar = picture.colorbar(image, ax=axes, shrink=0.6, aspect=25, ticks=[-1, 0, 1])
        bar.set_label("correlation", fontsize=11)
    axes.set_title(title, loc="left", fontsize=14, pad=12, parse_math=False)
    figures.save(picture, figure)


def _residuals(residuals: dict[str, Any], figure: Path, title: str) -> None:
    """Histograms of the lag-1 autocorrelation, with the median that white noise would have."""
    from matplotlib import pyplot as plt

    picture, axes = plt.subplots(figsize=(9, 4.6), layout="constrained")
    edges = np.asarray(residuals["HistogramEdges"])
    names = {"Before": "ordinary least squares", "After": "whitened by the fit"}
    filled: list[int] = []
    for (part, name), colour in zip(names.items(), (figures.COLOURS[1], figures.COLOURS[0]), strict=True):
        if part not in residuals:
            continue
        counts, median = residuals[part]["Histogram"], residuals[part]["MedianAutocorrelation"]
        filled += np.flatnonzero(counts).tolist()
        said = f"{name}: median {median:.2f}" if median is not None else f"{name}: no voxel"
        axes.stairs(counts, edges, color=colour, alpha=0.45, fill=True)
        axes.stairs(counts, edges, color=colour, linewidth=1.8, label=said.replace("-", "\N{MINUS SIGN}"))
    clean = residuals["After" if residuals["Whitened"] else "Before"]["OfWhiteNoise"]["MedianAutocorrelation"]
    said = f"white noise after this design: median {clean:.2f}".replace("-", "\N{MINUS SIGN}")
    axes.axvline(clean, color=DARK, linestyle="--", linewidth=1.5, label=said)
    low, high = (edges[min(filled)], edges[max(filled) + 1]) if filled else (-1.0, 1.0)
    axes.set_xlim(min(low, clean) - 0.04, max(high, clean) + 0.04)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("lag-1 autocorrelation of the residuals", fontsize=12)
    axes.set_ylabel("voxels", fontsize=12)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, loc="left", fontsize=14, pad=12, parse_math=False)
    picture.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=10.5)
    figures.save(picture, figure)


if __name__ == "__main__":
    stage.run(plot_quality, globals().get("snakemake"))
