"""Show how the head moved in a run: translations and rotations of each volume."""

from pathlib import Path

from firstlevel import stage
from firstlevel.image import motion
from firstlevel.io import sidecars
from firstlevel.plotting import figures

SMALLEST_RANGE = 0.1  # mm or degrees to each side: less is not blown up to look like motion
PANELS = (("translation (mm)", ("x", "y", "z")), ("rotation (degrees)", ("pitch", "roll", "yaw")))


def plot_motion(*, sidecar: Path, figure: Path, title: str, confounds: Path | None = None) -> None:
    """Draw six curves in two panels: by the affines, or by the table of confounds where they tell nothing."""
    from matplotlib import pyplot as plt

    moved = sidecars.read_json(sidecar)
    known = motion.of_run(moved, confounds)
    n_scans = len(moved["Translation"])
    picture, panels = plt.subplots(2, 1, sharex=True, figsize=(11, 5.2), layout="constrained")
    for number, (axes, (label, names)) in enumerate(zip(panels, PANELS, strict=True)):
        axes.set_ylabel(label, fontsize=12)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlim(-0.5 - 0.01 * n_scans, n_scans - 0.5 + 0.01 * n_scans)
        if known.parameters is None:
            axes.set_yticks([])
            axes.text(0.5, 0.5, "not known", transform=axes.transAxes, ha="center", va="center", color="0.35")
            continue
        curves = known.parameters[:, 3 * number : 3 * number + 3]
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
    picture.align_ylabels()
    panels[0].set_title(title, loc="left", fontsize=14, pad=24, parse_math=False)
    told = known.origin
    if known.source == motion.AFFINES:
        told = "relative to the first volume of the first run"
    elif known.source == motion.TABLE:  # its name says again whose run it is, and is longer than the figure
        told = f"from the table of confounds{known.unit and f', where rotations are in {known.unit}'}"
    panels[0].annotate(
        told, (0, 1), xytext=(0, 8), xycoords="axes fraction", textcoords="offset points", color="0.35",
        fontsize=11, parse_math=False,
    )  # fmt: skip
    figures.save(picture, figure)


if __name__ == "__main__":
    stage.run(plot_motion, globals().get("snakemake"))
