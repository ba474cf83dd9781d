"""The signal of many voxels over time (Power 2017), below framewise displacement and DVARS."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from firstlevel.arrays import Float32Array, FloatArray
from firstlevel.plotting import drawing, figures
from firstlevel.plotting.drawing import Figure

MOST_COLUMNS = 800
"""Volumes up to which each has a column; of more, every second, fourth and so on is shown."""
DEVIATIONS = 2.0
"""Standard deviations from the mean that are black and white."""
CURVES = (
    ("framewise\ndispl. (mm)", figures.COLOURS[5]),
    ("DVARS\n(%)", figures.COLOURS[0]),
)


def draw(
    series: Float32Array,
    n_voxels: int,
    curves: Sequence[FloatArray],
    told: Sequence[str],
    note: str,
    title: str,
) -> Figure:
    """Draw two curves and the carpet, over one axis of volumes.

    Parameters
    ----------
    series : (n, v), signal of some of the `n_voxels` of the mask; those that never change are left out.
    curves : framewise displacement in mm and DVARS in percent, (n,) each, NaN where not known.
    told : what stands in place of a curve of which nothing is known.
    note : above the curves, on the right.
    """
    n_scans = len(series)
    series = series[:, np.ptp(series, axis=0) > 0]
    picture, panels = drawing.panels(9.2, [0.95, 0.95, 3.8])
    for axes, (label, colour), values, instead in zip(panels[:2], CURVES, curves, told, strict=True):
        axes.plot(values, color=colour, linewidth=1.5)
        if np.isnan(values).all():
            figures.say_instead(axes, instead)
        else:
            axes.set_ylim(0, 1.08 * max(float(np.nanmax(values)), 0.1))
        axes.set_ylabel(label, fontsize=11)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_title(title, loc="left", fontsize=14, pad=12, parse_math=False)
    panels[0].set_title(note, loc="right", fontsize=11, color=figures.GREY)
    axes = panels[2]
    if series.size:
        shown = axes.imshow(
            standardised(series)[:: -(-n_scans // MOST_COLUMNS)].T,
            cmap="gray", clim=(-DEVIATIONS, DEVIATIONS), interpolation="nearest", aspect="auto",
            extent=(-0.5, n_scans - 0.5, series.shape[1] - 0.5, -0.5),
        )  # fmt: skip
        ticks = [-DEVIATIONS, 0, DEVIATIONS]
        bar = drawing.add_bar(axes, shown, 1.0, ticks=ticks, format="{x:.0f}")
        bar.set_label("standard deviations", fontsize=11)
        bar.outline.set_visible(False)
    axes.xaxis.set_major_locator(drawing.MaxNLocator(10, integer=True))
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.set_xlim(-0.5, n_scans - 0.5)
    axes.set_yticks([])
    axes.set_xlabel("volume", fontsize=12)
    axes.set_ylabel(f"{series.shape[1]:,} of {n_voxels:,} voxels", fontsize=11)
    axes.spines[["top", "right", "bottom", "left"]].set_visible(False)
    return picture


def standardised(series: Float32Array) -> FloatArray:
    """Series (n, v) without linear trend, of mean 0 and standard deviation 1.

    As by nilearn's ``clean``: the line by least squares, the deviation with n - 1.
    """
    time = np.arange(len(series)) - (len(series) - 1) / 2
    centred = series - series.mean(axis=0, dtype=np.float64)
    if len(series) > 1:
        centred -= np.outer(time, time @ centred / (time @ time))
    deviation = np.sqrt((centred**2).sum(axis=0) / max(len(series) - 1, 1))
    scaled: FloatArray = centred / np.where(deviation > np.finfo(np.float32).eps, deviation, 1.0)
    return scaled
