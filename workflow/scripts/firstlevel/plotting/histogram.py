"""The distribution of z of the tested voxels, with the standard normal of voxels without activation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from firstlevel.arrays import FloatArray
from firstlevel.plotting import drawing, figures
from firstlevel.plotting.drawing import Figure, NullLocator

STYLES = ("dotted", "dashed", "dashdot")
WIDEST = 8.0  # of |z|, on the axis of the histogram


LOWEST = 0.3
"""Of a voxel in a bin, where the axis begins: what is seen of a bin with one."""
NAMES = {"uncorrected": "uncorrected", "fdr": "FDR", "bonferroni": "Bonferroni"}


def draw(
    z: FloatArray,
    median_width: tuple[float, float] | None,
    title: str,
    thresholds: Mapping[str, float],
    two_sided: bool,
) -> Figure:
    """Draw the density of z (v,), 0 or NaN where not tested, with its median and robust width.

    The axis is logarithmic: the tails, where activation is, are some voxels of many thousands.

    Parameters
    ----------
    thresholds : of z, by their names; of its magnitude where tests are `two_sided`.
    """
    z = z[(z != 0) & ~np.isnan(z)]
    end = min(max(5.0, float(np.abs(z).max(initial=0.0))), WIDEST)
    edges = np.linspace(-end, end, 121)
    beyond = int(np.count_nonzero(np.abs(z) > end))
    picture, [axes] = drawing.panels(8.2, [3.6])
    density = np.histogram(z, edges)[0] / (max(z.size, 1) * (edges[1] - edges[0]))
    axes.stairs(density, edges, fill=True, color=figures.COLOURS[4], alpha=0.75, label="z of the voxels")
    lowest = LOWEST / (max(z.size, 1) * (edges[1] - edges[0]))
    normal = np.exp(-(edges**2) / 2) / np.sqrt(2 * np.pi)
    axes.plot(edges, normal, color=figures.DARK, linewidth=1.8, label="N(0, 1): nothing active")
    axes.set_xlim(-end, end)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(lowest, 3 * max(float(density.max()), 0.4))
    for number, (name, threshold) in enumerate(thresholds.items()):
        how: dict[str, Any] = {
            "color": figures.COLOURS[5],
            "linewidth": 1.1,
            "linestyle": STYLES[number % len(STYLES)],
        }
        label = f"{NAMES.get(name, name)}, {'|z|' if two_sided else 'z'} > {threshold:.2f}"
        for sign in (1, -1) if two_sided else (1,):
            if threshold < end:
                axes.axvline(sign * threshold, label=label, **how)
                label = ""
    axes.set_xlabel("z", fontsize=12)
    axes.set_ylabel("density", fontsize=12)
    axes.legend(frameon=False, fontsize=10, ncols=2, loc="lower center", bbox_to_anchor=(0.5, -0.42))
    axes.spines[["top", "right"]].set_visible(False)
    heading = figures.heading(title, float(picture.get_size_inches()[0]))
    axes.set_title(heading, loc="left", fontsize=14, pad=24, parse_math=False)
    caption = "no voxel was tested"
    if median_width:
        median, width = median_width
        caption = f"{z.size:,} voxels · median {median:.2f}, robust standard deviation {width:.2f}"
    caption = caption.replace("-", "\N{MINUS SIGN}") + (f" · {beyond:,} beyond the axis" if beyond else "")
    figures.subtitle(axes, caption)
    return picture
