"""Show how the head moved in a run: translations and rotations of each volume."""

from pathlib import Path

import numpy as np

from firstlevel import figures, stage, tables

SMALLEST_RANGE = 0.1  # mm or degrees to each side: less is not blown up to look like motion
PANELS = (
    ("translation_mm", "translation (mm)", ("x", "y", "z")),
    ("rotation_deg", "rotation (degrees)", ("pitch", "roll", "yaw")),
)


def plot_motion(*, sidecar: Path, figure: Path, title: str) -> None:
    """Draw six curves in two panels, relative to the first volume of the first run."""
    from matplotlib import pyplot as plt

    moved = tables.read_json(sidecar)
    picture, panels = plt.subplots(2, 1, sharex=True, figsize=(11, 5.2), layout="constrained")
    for axes, (key, label, names) in zip(panels, PANELS, strict=True):
        curves = np.asarray(moved[key], dtype=np.float64).reshape(-1, 3)
        for curve, name, colour, style in zip(
            curves.T, names, figures.COLOURS, ("-", "--", ":"), strict=False
        ):
            marker = "o" if len(curve) == 1 else ""
            axes.plot(curve, color=colour, linestyle=style, linewidth=1.8, marker=marker, label=name)
        low, high = min(curves.min(), -SMALLEST_RANGE), max(curves.max(), SMALLEST_RANGE)
        axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
        axes.set_ylabel(label, fontsize=12)
        axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=12, handlelength=2.2)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.01)
    panels[1].set_xlabel("volume", fontsize=12)
    picture.align_ylabels()
    panels[0].set_title(title, loc="left", fontsize=14, pad=24, parse_math=False)
    moves = any(np.ptp(moved[key], axis=0).any() for key, *_ in PANELS)
    known = "relative to the first volume of the first run"
    unknown = "one affine for all volumes: the headers do not tell what moved between them"
    panels[0].annotate(
        known if moves or len(moved["translation_mm"]) == 1 else unknown, (0, 1), xytext=(0, 8),
        xycoords="axes fraction", textcoords="offset points", color="0.35", fontsize=11,
    )  # fmt: skip
    figures.save(picture, figure)


if __name__ == "__main__":
    stage.run(plot_motion, globals().get("snakemake"))
