"""Show a contrast: its z map over a background, what passes which threshold, how z is distributed, a viewer.

All four from maps that other stages saved, on one plain grid: the background is sampled once.
"""

from pathlib import Path

from firstlevel import stage
from firstlevel.io import images, masked, tables
from firstlevel.plotting import figures, histogram, sections, thresholds, viewer, zmap
from firstlevel.quality import z_spread


def plot_contrast(
    *,
    z: Path,
    mask: Path,
    background: Path,
    uncorrected: Path,
    fdr: Path,
    bonferroni: Path,
    tdp: Path,
    table: Path,
    zmap_figure: Path,
    thresholds_figure: Path,
    histogram_figure: Path,
    viewer_page: Path,
    title: str,
    threshold: float,
    display_mode: str,
    cut_coords: int | list[float],
    signed: bool = True,
) -> None:
    """Draw three figures and write the viewer; of maps that are not `signed` (F), only z above 0 is shown.

    z map and viewer show what is above `threshold`, the other rows what `table` says. `cut_coords` is the
    number of cuts of the z map per direction, or their positions in mm.
    """
    source = images.load(z)
    whole = not isinstance(cut_coords, int)
    shown, behind = sections.shown_over(source, images.load(background), signed, whole=whole)
    picture = zmap.draw(
        source,
        shown,
        behind,
        title=title,
        over=sections.background_named(background),
        threshold=threshold,
        display_mode=display_mode,
        cut_coords=cut_coords,
        signed=signed,
    )
    figures.save(picture, zmap_figure)

    brain, mean = sections.cropped_to_brain(shown, behind)
    rows = {row.values["method"]: row.values for row in tables.read_rows(table, ("method", "z_threshold"))}
    maps = {"uncorrected": uncorrected, "fdr": fdr, "bonferroni": bonferroni, thresholds.PROPORTION: tdp}
    loaded = {name: images.load(path) for name, path in maps.items()}
    figures.save(thresholds.draw(rows, loaded, brain, mean, title, signed), thresholds_figure)
    values = masked.read_masked(z, masked.read_mask(mask))
    figures.save(histogram.draw(values, z_spread.centre_and_width(values), title), histogram_figure)
    with stage.atomic(viewer_page) as temporary:
        temporary.write_text(viewer.page(brain, mean, title, threshold, signed), encoding="utf-8")


if __name__ == "__main__":
    stage.run(plot_contrast, globals().get("snakemake"))
