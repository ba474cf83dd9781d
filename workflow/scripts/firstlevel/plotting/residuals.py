"""How many voxels have which lag-1 autocorrelation of the residuals, before and after whitening."""

from __future__ import annotations

from typing import Any

import numpy as np

from firstlevel.plotting import drawing, figures
from firstlevel.plotting.drawing import Figure

NAMES = {"Before": "ordinary least squares", "After": "whitened by the fit"}


def draw(residuals: dict[str, Any], title: str) -> Figure:
    """Draw the histograms that the measures of a run hold, with the median that white noise would have."""
    picture, [axes] = drawing.panels(9.4, [3.4])
    edges = np.asarray(residuals["HistogramEdges"])
    filled: list[int] = []
    for (part, name), colour in zip(NAMES.items(), (figures.COLOURS[1], figures.COLOURS[0]), strict=True):
        if part not in residuals:
            continue
        counts, median = residuals[part]["Histogram"], residuals[part]["MedianAutocorrelation"]
        filled += np.flatnonzero(counts).tolist()
        said = f"{name}: median {median:.2f}" if median is not None else f"{name}: not known"
        axes.stairs(counts, edges, color=colour, alpha=0.45, fill=True)
        axes.stairs(counts, edges, color=colour, linewidth=1.8, label=said.replace("-", "\N{MINUS SIGN}"))
    clean = residuals["After" if residuals["Whitened"] else "Before"]["OfWhiteNoise"]["MedianAutocorrelation"]
    ends = [edges[min(filled)], edges[max(filled) + 1]] if filled else [-1.0, 1.0]
    if clean is not None:  # else no two successive volumes are kept
        said = f"white noise after this design: median {clean:.2f}".replace("-", "\N{MINUS SIGN}")
        axes.axvline(clean, color=figures.DARK, linestyle="--", linewidth=1.5, label=said)
        ends.append(clean)
    axes.set_xlim(min(ends) - 0.04, max(ends) + 0.04)
    axes.set_ylim(0, None if filled else 1)
    axes.set_xlabel("lag-1 autocorrelation of the residuals", fontsize=12)
    axes.set_ylabel("voxels", fontsize=12)
    axes.locator_params(axis="y", integer=True)  # few voxels have no halves
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, loc="left", fontsize=14, pad=12, parse_math=False)
    picture.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.55 / 3.4), ncols=3, frameon=False, fontsize=10.5,
        borderaxespad=0,
    )  # fmt: skip
    return picture
