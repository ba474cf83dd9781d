"""Noise processes that a fit has found: their spectra, and how autocorrelated the noise of each voxel is."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import SpatialImage as Image

from firstlevel.glm.mixture import Mixture
from firstlevel.plotting import cuts, drawing, overlay, quality_maps, sampling, sections
from firstlevel.plotting.drawing import Axes, Figure, Normalize

TALL, APART = 4.6, 1.6
"""Inches: of the spectra, and between them and the maps."""
N_FREQUENCIES = 400
THINNEST, THICKEST = 0.8, 5.0
"""Widths of lines in points: of no voxel, and of all."""
BRIGHTEST = 5.0
"""Value that would be white, where that of the mask is 1: grey shows the voxels that the run has not."""
LIGHT, DIM = "0.9", "0.75"
"""Letters on black."""


def draw(
    found: Mixture,
    repetition_time: float | None,
    ar1: Image,
    inside: npt.NDArray[np.bool_],
    brain: Image,
    title: str,
) -> Figure:
    """Draw the spectrum of each process, thicker with a larger share, above cuts through the map of `ar1`.

    Colours of both are lag-1 autocorrelations. `brain` is the frame of the mask, see ``quality_maps``.

    Parameters
    ----------
    repetition_time : s; None leaves frequencies in cycles per volume.
    ar1 : lag-1 autocorrelation of the noise of each voxel.
    """
    values = sampling.finite(ar1)[inside]
    values = values[values != 0]  # of the voxels that the run has
    of_processes = found.processes.autocorrelations(1)[:, 1]
    shown = np.concatenate([values, of_processes[found.shares > 0.01]])
    low, high = float(np.quantile(shown, 0.01)), float(np.quantile(shown, 0.99))
    ends = (min(low, 0.0), max(high, low + 0.1, 0.1))
    places = quality_maps.places(brain)
    width, height = sections.size(brain, "z", places)
    whole = height + APART + TALL
    picture = drawing.figure(width, whole, colour="black")
    axes = picture.add_axes((0, 1 - TALL / whole, 1, TALL / whole), facecolor="black")
    _spectra(axes, found, of_processes, Normalize(*ends), repetition_time)
    colours = overlay.proportions()
    layers = [cuts.Layer(brain, "gray", (0.0, BRIGHTEST)), cuts.Layer(ar1, colours, ends, threshold=0.0)]
    cuts.draw(picture, brain, layers, "z", places, (0, 0, 1, height / whole), annotated=11)
    overlay.add_bar(picture, colours, ends, [*ends], "lag-1", digits=2, within=(0.0, height / whole))
    above = height / whole
    median = f"{np.median(values):.2f}".replace("-", "\N{MINUS SIGN}") if values.size else "not known"
    how: dict[str, Any] = {"color": DIM, "fontsize": 14}
    said = f"lag-1 autocorrelation of the noise of each voxel, mean over the processes: median {median}"
    picture.text(0, above + 0.16 / whole, said, **how)
    picture.text(0, 1 + 0.52 / whole, title, color="white", fontsize=18, parse_math=False)
    one = found.processes.n == 1
    said = (
        f"{found.processes.n} autoregressive process{'' if one else 'es'} of order {found.processes.order}, "
        "by the share of the voxels; variance 1"
    )
    picture.text(0, 1 + 0.16 / whole, said, **how)
    return picture


def _spectra(
    axes: Axes, found: Mixture, lag1: npt.NDArray[np.float64], scale: Normalize, repetition_time: float | None
) -> None:
    frequencies = np.linspace(0, 0.5, N_FREQUENCIES)
    power = found.processes.spectra(frequencies) / found.processes.variance[:, np.newaxis]
    colours = overlay.proportions()(scale(lag1))
    for spectrum, share, colour in zip(power, found.shares, colours, strict=True):
        axes.semilogy(
            frequencies / (repetition_time or 1.0), spectrum, color=colour, alpha=0.9,
            linewidth=THINNEST + (THICKEST - THINNEST) * np.sqrt(share), label=_percent(share),
        )  # fmt: skip
    axes.axhline(1, color="0.5", linestyle=":", linewidth=1, zorder=0)
    axes.set_xlim(0, 0.5 / (repetition_time or 1.0))
    axes.set_ylim(max(power.min() / 1.3, 1e-4), power.max() * 1.3)
    axes.yaxis.set_major_locator(drawing.matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(drawing.matplotlib.ticker.NullFormatter())
    axes.set_xlabel("frequency (Hz)" if repetition_time else "frequency (cycles per volume)", fontsize=16)
    axes.set_ylabel("power (white noise: 1)", fontsize=16)
    for part in (axes.xaxis.label, axes.yaxis.label):
        part.set_color(LIGHT)
    axes.tick_params(which="both", color=DIM, labelcolor=LIGHT, labelsize=14)
    axes.spines[["top", "right"]].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(DIM)
    axes.legend(
        loc="center left", bbox_to_anchor=(1.005, 0.5), frameon=False, fontsize=14, labelcolor=LIGHT,
        handlelength=2.2, labelspacing=0.25, ncols=1 + (len(lag1) > 9),
    )  # fmt: skip


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.1f} %"
