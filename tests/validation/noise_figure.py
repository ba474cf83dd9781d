"""The figure: false positives of every model in every cell, and the tails of z."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from noise_cells import SIDE_BY_SIDE
from noise_tables import ALL, BOUNDS, NAMES, Row, chosen
from noise_tests import LEVELS, TAILS

mpl.use("Agg")
from matplotlib import pyplot as plt

STYLES = {
    "ols": ("0.65", "x"), "ar1": ("#d95f02", "o"), "ar1_corrected": ("#e6ab02", "s"),
    "ar1_pooled": ("#a6761d", "D"), "spm_ar1": ("#7570b3", "v"), "arma11": ("#1b9e77", "^"),
    "mixture": ("#6baed6", "o"), "neighbours": ("#08519c", "o"), "oracle": ("0.2", "|"),
}  # fmt: skip
TICKS = ((4, 5, 6, 8, 10, 15, 20, 25), (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10))
OURS = ("mixture", "neighbours")
FEWEST = 20
"""Voxels expected below a p from which a tail is drawn."""


def draw(rows: Sequence[Row], path: Path) -> None:
    """Two panels of rates beside each other, tails to the right."""
    ours = chosen(rows, group="table", test="t", noise=ALL)
    designs = list(dict.fromkeys(row.design for row in ours))
    if not designs:
        return
    figure, axes = plt.subplots(
        1, 3, figsize=(12.5, 5.2), layout="constrained", gridspec_kw={"width_ratios": [1, 1, 0.85]}
    )
    for ax, level, ticks in zip(axes[:2], (0, 2), TICKS, strict=True):
        draw_rates(ax, ours, designs, level)
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.set_xlabel(f"voxels without effect with p < {LEVELS[level]:g} (%)")
    axes[0].set_yticks(range(len(designs)), designs)
    axes[1].set_yticks(range(len(designs)), [""] * len(designs))
    draw_tails(axes[2], ours)
    for ax, letter in zip(axes, "abc", strict=True):
        ax.set_title(letter, loc="left", fontweight="bold")
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=9, which="both")
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False, fontsize=9
    )
    figure.savefig(path, dpi=130)
    plt.close(figure)


def draw_rates(ax: plt.Axes, rows: Sequence[Row], designs: list[str], level: int) -> None:
    """A line per cell, a mark per model, on a logarithmic axis; accepted values in grey."""
    for model in SIDE_BY_SIDE:
        of = chosen(rows, model=model)
        colour, marker = STYLES[model]
        ax.plot(
            [row.rates[level] for row in of],
            [designs.index(row.design) for row in of],
            marker,
            color=colour,
            label=NAMES[model],
            markersize=8 if model in (*OURS, "oracle") else 6,
            markerfacecolor="none" if model in ("ar1", "ar1_corrected", "ar1_pooled") else colour,
            zorder=4 if model in OURS else 3,
        )
    ax.axvspan(*BOUNDS[level], color="0.9", zorder=0)
    ax.axvline(100 * LEVELS[level], color="0.6", linewidth=0.8, zorder=1)
    ax.set_xscale("log")
    ax.xaxis.set_minor_locator(mpl.ticker.NullLocator())
    ax.set_ylim(len(designs) - 0.5, -0.5)
    ax.grid(axis="y", alpha=0.3)


def draw_tails(ax: plt.Axes, rows: Sequence[Row]) -> None:
    """Over all cells, how many times more voxels than expected have so small a p."""
    for model in SIDE_BY_SIDE:
        if of := chosen(rows, model=model):
            n = sum(row.voxels for row in of)
            tails = np.sum([row.tails for row in of], axis=0) / n
            drawn = (n * TAILS >= FEWEST) & (tails > 0)
            colour, _ = STYLES[model]
            width = 2.5 if model in OURS else 1.3
            style = ":" if model == "oracle" else "-"
            ax.plot(TAILS[drawn], (tails / TAILS)[drawn], style, color=colour, linewidth=width)
    ax.axhline(1, color="0.6", linewidth=0.8, zorder=0)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.invert_xaxis()
    ticks = (0.5, 1, 2, 5, 10, 20, 50, 100, 200)
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.yaxis.set_minor_locator(mpl.ticker.NullLocator())
    ax.set_xlabel("p")
    ax.set_ylabel("voxels with a smaller p, over expected")
    ax.grid(alpha=0.3)
