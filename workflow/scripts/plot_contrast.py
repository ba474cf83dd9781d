"""Show a contrast: what passes each threshold over a background, how z is distributed, a viewer.

All from maps that other stages saved, on one plain grid: the background is sampled once, and all pictures
have the same cuts and colours.
"""

from dataclasses import replace
from pathlib import Path

from firstlevel import stage
from firstlevel.io import images, masked, tables
from firstlevel.plotting import figures, histogram, overlay, projection, sections, thresholds, viewer, zmap
from firstlevel.quality import z_spread


def plot_contrast(
    *,
    z: Path,
    mask: Path,
    background: list[Path],
    uncorrected: Path,
    fdr: Path,
    bonferroni: Path,
    tdp: Path,
    table: Path,
    zmap_figure: Path,
    uncorrected_figure: Path,
    fdr_figure: Path,
    bonferroni_figure: Path,
    tdp_figure: Path,
    histogram_figure: Path,
    viewer_page: Path,
    of_runs: list[Path],
    runs: list[str],
    key: str,
    title: str,
    shown: str,
    threshold: float | None,
    display_mode: str,
    cut_coords: int | list[float],
    signed: bool = True,
    runs_figure: Path | None = None,
) -> None:
    """Draw the figures and write the viewer; of maps that are not `signed` (F), only z above 0 is shown.

    Parameters
    ----------
    background : one image, or the means of the runs, which are averaged: each counts once.
    table : of thresholds.
    of_runs : z maps of the runs of these labels, which `runs_figure` shows below each other.
    zmap_figure : of the threshold that the study chose; the other z maps are of one method each.
    key : that tells the contrast from the others of the subject.
    shown : the method of that threshold (uncorrected, fdr, bonferroni or tdp).
    threshold : of z, in its place; None for none.
    cut_coords : the number of cuts of the z map per direction, or their positions in mm.
    """
    source = images.load(z)
    whole = not isinstance(cut_coords, int)
    brain, mean = sections.shown_over(source, sections.background_of(background), signed, whole=whole)
    rows = {row.values["method"]: row.values for row in tables.read_rows(table, ("method", "z_threshold"))}
    bounds = thresholds.bounds(rows)
    own = {} if threshold is None else {"chosen": threshold}
    lowest = min([*bounds.values(), *own.values()])
    paths = {"uncorrected": uncorrected, "fdr": fdr, "bonferroni": bonferroni, thresholds.PROPORTION: tdp}
    pictures = {
        method: thresholds.of_method(method, rows, images.load(path), lowest)
        for method, path in paths.items()
    }
    chosen = pictures[shown] if threshold is None else thresholds.above(source, threshold, signed)
    if isinstance(cut_coords, int):
        brain, mean = sections.cropped_to_brain(brain, mean)
        places = sections.through_activation(brain, chosen.image, display_mode, cut_coords)
    else:
        places = sections.as_chosen(brain, display_mode, cut_coords)
    coloured = [picture.image for picture in (chosen, *pictures.values()) if picture.threshold is not None]
    canvas = zmap.Canvas(
        grid=brain,
        mean=mean,
        frame=projection.frame(source),
        scale=overlay.Scale.of(coloured, lowest, signed),
        display_mode=display_mode,
        places=places,
        title=title,
        over=sections.background_named(background[0]),
    )
    files = {
        "uncorrected": uncorrected_figure,
        "fdr": fdr_figure,
        "bonferroni": bonferroni_figure,
        thresholds.PROPORTION: tdp_figure,
    }
    for method, path in files.items():
        figures.save(zmap.draw(canvas, pictures[method]), path)
    if threshold is None:
        figures.copy(files[shown], zmap_figure)
    else:
        figures.save(zmap.draw(canvas, chosen), zmap_figure)

    bound = chosen.threshold if chosen.threshold is not None else lowest
    if runs_figure:
        shown_runs = thresholds.in_runs(of_runs, runs, bound, signed)
        drawn = (zmap.draw(replace(canvas, title=f"{title}: {run}"), one) for run, one in shown_runs)
        figures.save_column(drawn, runs_figure)

    inside = masked.read_mask(mask)
    values = masked.read_masked(z, inside)
    spread = z_spread.centre_and_width(values)
    two_sided = rows["uncorrected"]["two_sided"] == "true"
    figures.save(histogram.draw(values, spread, title, own or bounds, two_sided), histogram_figure)
    start = threshold if threshold is not None else bounds.get(shown, lowest)
    data = viewer.data_of(source, mean, inside, key, title, own | bounds, start, signed)
    with stage.atomic(viewer_page) as temporary:
        temporary.write_text(viewer.page(data), encoding="utf-8")


if __name__ == "__main__":
    stage.run(plot_contrast, globals().get("snakemake"))
