"""Show what of a contrast survives thresholding: maps side by side, distribution of z, viewer.

Every coloured value is a value of a map (nearest neighbour).
"""

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import SpatialImage as Image

from firstlevel import stage
from firstlevel.io import images, masked, tables
from firstlevel.plotting import figures, nilearn_imports, overlay, sections
from firstlevel.plotting.viewer import page
from firstlevel.quality import z_spread

N_CUTS = 6
LABEL = 0.46  # inches above each row of cuts
WIDEST = 8.0  # of |z|, on the axis of the histogram
NAMES = {"uncorrected": "uncorrected, p <", "fdr": "false discovery rate", "bonferroni": "Bonferroni, p <"}


def plot_inference(
    *,
    z: Path,
    mask: Path,
    background: Path,
    uncorrected: Path,
    fdr: Path,
    bonferroni: Path,
    tdp: Path,
    table: Path,
    thresholds: Path,
    histogram: Path,
    viewer: Path,
    title: str,
    threshold: float,
    signed: bool = True,
) -> None:
    """Draw two figures and write the viewer, which shows |z| (`signed` false: z) above `threshold`."""
    nilearn_imports.load_plotting()
    rows = {row.values["method"]: row.values for row in tables.read_rows(table, ("method", "z_threshold"))}
    maps = {"uncorrected": uncorrected, "fdr": fdr, "bonferroni": bonferroni, "tdp": tdp}
    zmap, mean = sections.on_plain_grid(images.load(z), images.load(background))
    zmap, mean = sections.cropped_to_brain(zmap, mean)
    if not signed:
        zmap = sections.like(zmap, np.maximum(sections.finite(zmap), 0))
    _draw_thresholds(thresholds, title, rows, maps, zmap, mean, signed)
    _draw_histogram(histogram, title, masked.read_masked(z, masked.read_mask(mask)))
    with stage.atomic(viewer) as temporary:
        temporary.write_text(page(zmap, mean, title, threshold, signed), encoding="utf-8")


def _draw_thresholds(
    figure: Path,
    title: str,
    rows: dict[str, dict[str, str]],
    maps: dict[str, Path],
    zmap: Image,
    mean: Image,
    signed: bool,
) -> None:
    """Draw one row of axial cuts per method, the same cuts and colours in all."""
    from matplotlib import pyplot as plt
    from nilearn.plotting import plot_stat_map

    finite = [float(row["z_threshold"]) for row in rows.values() if row["z_threshold"] != "n/a"]
    lowest = min(finite)
    cuts = sections.through_activation(zmap, float(rows["uncorrected"]["z_threshold"]), "z", N_CUTS)
    width, height = sections.size(zmap, "z", cuts)
    whole = len(maps) * (height + LABEL)
    picture = plt.figure(figsize=(width, whole), facecolor="black")
    top = max(float(np.abs(sections.finite(zmap)).max()), 1.25 * lowest)
    colours = overlay.colours(lowest, top, signed)
    share = overlay.proportions()
    for number, (method, path) in enumerate(maps.items()):
        bottom = whole - (number + 1) * (height + LABEL)
        shown = _on_grid_of(zmap, path)
        end = 1.0 if method == "tdp" else top
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="empty mask")  # nothing passes: the label says so
            plot_stat_map(
                shown,
                bg_img=mean,
                figure=picture,
                axes=(0, bottom / whole, 1, height / whole),
                display_mode="z",
                cut_coords=cuts,
                threshold=1e-6,
                cmap=share if method == "tdp" else colours,
                vmin=-end if signed and method != "tdp" else 0.0,
                vmax=end,
                colorbar=False,
                black_bg=True,
                dim=0.5,
                draw_cross=False,
                annotate=number == 0,
            )
        said = _bounds(rows, shown) if method == "tdp" else _passed(method, rows[method])
        picture.text(0, (bottom + height + 0.12) / whole, said, color="white", fontsize=13, parse_math=False)
    divide = (height + LABEL) / whole
    overlay.add_z_bar(picture, colours, lowest, top, signed, (divide, 1 - LABEL / whole))
    overlay.add_bar(picture, share, (0, 1), [0, 0.5, 1], "share", (0, height / whole))
    heading = figures.heading(title, width)
    picture.text(0, 1 + 0.1 / whole, heading, color="white", fontsize=15, parse_math=False, va="bottom")
    figures.save(picture, figure)


def _on_grid_of(zmap: Image, path: Path) -> Image:
    """Another map of the same voxels, sampled as the z map was, nearest neighbour."""
    from nilearn.image import resample_to_img

    source = images.load(path)
    values = sections.like(source, sections.finite(source))
    how = {"interpolation": "nearest", "force_resample": True, "copy_header": True}
    sampled: Image = resample_to_img(values, zmap, **how)
    return sampled


def _passed(method: str, row: dict[str, str]) -> str:
    """Name of a method, its threshold, and what passes it."""
    two_sided = row["two_sided"] == "true"
    name = f"{NAMES[method]} {float(row['level']):g}, {'two' if two_sided else 'one'}-sided"
    if row["z_threshold"] == "n/a":
        return f"{name} · no voxel passes"
    bound = f"{'|z|' if two_sided else 'z'} > {float(row['z_threshold']):.2f}"
    extent = int(row["cluster_threshold"])
    joined = {"6": "", "18": " joined at edges", "26": " joined at corners"}[row["connectivity"]]
    clusters = f", clusters of {extent} voxels or more{joined}" if extent > 1 else ""
    n_voxels = int(row["n_voxels"])
    return f"{name} · {bound}{clusters} · {n_voxels:,} voxel{'' if n_voxels == 1 else 's'}"


def _bounds(rows: dict[str, dict[str, str]], proportion: Image) -> str:
    """What the map of true discoveries says."""
    level = float(rows["fdr"]["level"])
    name = f"true discoveries, {100 * (1 - level):g} % confidence"
    if not sections.finite(proportion).any():
        return f"{name} · none is certain in any cluster"
    return f"{name} · of a cluster, at least the proportion shown is active"


def _draw_histogram(figure: Path, title: str, z: npt.NDArray[np.float64]) -> None:
    """Draw the density of z of the tested voxels beside the one that it has where nothing is active."""
    from matplotlib import pyplot as plt

    found = z_spread.centre_and_width(z)
    z = z[(z != 0) & ~np.isnan(z)]
    end = min(max(5.0, float(np.abs(z).max(initial=0.0))), WIDEST)
    edges = np.linspace(-end, end, 121)
    beyond = int(np.count_nonzero(np.abs(z) > end))
    picture, axes = plt.subplots(figsize=(9, 4.6), layout="constrained")
    density = np.histogram(z, edges)[0] / (max(z.size, 1) * (edges[1] - edges[0]))
    axes.stairs(density, edges, fill=True, color=figures.COLOURS[4], alpha=0.75, label="z of the voxels")
    normal = np.exp(-(edges**2) / 2) / np.sqrt(2 * np.pi)
    axes.plot(edges, normal, color="0.15", linewidth=1.8, label="N(0, 1): nothing active")
    axes.set_xlim(-end, end)
    axes.set_ylim(0, None)
    axes.set_xlabel("z", fontsize=12)
    axes.set_ylabel("density", fontsize=12)
    axes.legend(frameon=False, fontsize=12)
    axes.spines[["top", "right"]].set_visible(False)
    heading = figures.heading(title, picture.get_size_inches()[0])
    axes.set_title(heading, loc="left", fontsize=14, pad=24, parse_math=False)
    said = "no voxel was tested"
    if found:
        said = f"{z.size:,} voxels · median {found[0]:.2f}, robust standard deviation {found[1]:.2f}"
    said = said.replace("-", "\N{MINUS SIGN}") + (f" · {beyond:,} beyond the axis" if beyond else "")
    axes.annotate(
        said, (0, 1), xytext=(0, 8), xycoords="axes fraction", textcoords="offset points", color="0.35",
        fontsize=11,
    )  # fmt: skip
    figures.save(picture, figure)


if __name__ == "__main__":
    stage.run(plot_inference, globals().get("snakemake"))
