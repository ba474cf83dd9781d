"""How the head moved in a run: translations and rotations of each volume."""

from __future__ import annotations

from firstlevel.image.motion import AFFINES, TABLE, Motion
from firstlevel.plotting import drawing, figures
from firstlevel.plotting.drawing import Figure

SMALLEST_RANGE = 0.1  # mm or degrees to each side: less is not blown up to look like motion
WIDTH, NUMBERS = 9.2, 0.7
"""Inches: of the panels, and of the numbers beside them, so that the labels stand below each other."""
PANELS = (("translation (mm)", ("x", "y", "z")), ("rotation (degrees)", ("pitch", "roll", "yaw")))


def draw(motion: Motion, n_scans: int, title: str) -> Figure:
    """Draw six curves in two panels, or write that motion is not motion."""
    picture, panels = drawing.panels(WIDTH, [2.0, 2.0])
    for number, (axes, (label, names)) in enumerate(zip(panels, PANELS, strict=True)):
        axes.set_ylabel(label, fontsize=12)
        axes.yaxis.set_label_coords(-NUMBERS / WIDTH, 0.5)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlim(-0.5 - 0.01 * n_scans, n_scans - 0.5 + 0.01 * n_scans)
        if motion.parameters is None:
            figures.say_instead(axes, "not known")
            continue
        curves = motion.parameters[:, 3 * number : 3 * number + 3]
        for curve, name, colour, style in zip(
            curves.T, names, figures.COLOURS, ("-", "--", ":"), strict=False
        ):
            marker = "o" if len(curve) == 1 else ""
            axes.plot(curve, color=colour, linestyle=style, linewidth=1.8, marker=marker, label=name)
        low, high = min(curves.min(), -SMALLEST_RANGE), max(curves.max(), SMALLEST_RANGE)
        axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
        axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=12, handlelength=2.2)
    panels[1].set_xlabel("volume", fontsize=12)
    panels[0].set_title(title, loc="left", fontsize=14, pad=24, parse_math=False)
    told = motion.origin
    if motion.source == AFFINES:
        told = "relative to the first volume of the first run"
    elif motion.source == TABLE:  # its name says again whose run it is, and is longer than the figure
        told = f"from the table of confounds{motion.unit and f', where rotations are in {motion.unit}'}"
    figures.subtitle(panels[0], told)
    return picture
