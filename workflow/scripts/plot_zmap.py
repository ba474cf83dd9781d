"""Show a contrast: its z map above the threshold, in colour, over the mean functional image or the T1w.

Coordinates are mm of the scanner's (or template's) space, left is left. A map whose axes are oblique to
that space is first sampled on a finer, plain grid, nearest neighbour: every coloured value is a value of
the map, and cuts are cuts of the space. All cuts share one colour scale, which starts at the threshold
and ends at the map's peak.
"""

import warnings
from pathlib import Path

import numpy as np

from firstlevel import stage
from firstlevel.io import images
from firstlevel.plotting import figures, nilearn_imports, overlay, sections


def plot_zmap(
    *,
    z: Path,
    background: Path,
    figure: Path,
    title: str,
    threshold: float,
    display_mode: str,
    cut_coords: int | list[float],
    signed: bool = True,
) -> None:
    """Draw voxels with |z| above `threshold`; of maps that are not `signed` (F), only z above it.

    A small z of an F contrast says that there is no effect, not that there is a negative one.
    `cut_coords` is the number of cuts per direction, which then go through the activation, or their
    positions in mm: any number for x, y and z, one per direction for the other display modes.
    """
    nilearn_imports.load_plotting()
    from matplotlib import pyplot as plt
    from nilearn.plotting import plot_stat_map

    source = images.load(z)
    strength = np.abs(sections.finite(source)) if signed else sections.finite(source)
    n_above, peak = int(np.count_nonzero(strength > threshold)), float(strength.max())
    zmap, mean = sections.on_plain_grid(source, images.load(background))
    if isinstance(cut_coords, int):
        zmap, mean = sections.cropped_to_brain(zmap, mean)
    if not signed:
        zmap = sections.like(zmap, np.maximum(sections.finite(zmap), 0))
    if isinstance(cut_coords, int):
        cuts = sections.through_activation(zmap, threshold, display_mode, cut_coords)
    else:
        cuts = sections.as_chosen(zmap, display_mode, cut_coords)

    top = max(peak, 1.25 * threshold) or 1.0
    colours = overlay.colours(threshold, top, signed)
    picture = plt.figure(figsize=sections.size(zmap, display_mode, cuts), facecolor="black")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="empty mask")  # nothing shown: the subtitle says so
        display = plot_stat_map(
            zmap,
            bg_img=mean,
            figure=picture,
            display_mode=display_mode,
            cut_coords=cuts,
            threshold=float(threshold),
            cmap=colours,
            vmin=-top if signed else 0.0,
            vmax=top,
            colorbar=False,
            black_bg=True,
            dim=0.5,
            draw_cross=False,
        )
    if n_above:
        display.draw_cross(color="0.8", linewidth=0.7)
    overlay.add_z_bar(picture, colours, threshold, top, signed)
    found = f"{n_above:,} voxel{'s' if n_above > 1 else ''}" if n_above else "no voxel above threshold"
    width, height = picture.get_size_inches()
    heading = figures.heading(title, width)
    over = sections.background_named(background)
    bound = f"{'|z|' if signed else 'z'} > {float(threshold)}"
    picture.text(0, 1 + 0.48 / height, heading, color="white", fontsize=15, parse_math=False, va="bottom")
    picture.text(0, 1 + 0.16 / height, f"{bound}, uncorrected · {found}{over}", color="0.75", fontsize=12)
    figures.save(picture, figure)


if __name__ == "__main__":
    stage.run(plot_zmap, globals().get("snakemake"))
