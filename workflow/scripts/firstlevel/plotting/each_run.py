"""A contrast in each of its runs: the same cuts, colours and threshold as over all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from firstlevel.io import images
from firstlevel.plotting import thresholds, zmap
from firstlevel.plotting.drawing import Figure


def draw(
    canvas: zmap.Canvas, paths: Sequence[Path], runs: Sequence[str], threshold: float, signed: bool
) -> Iterator[Figure]:
    """Draw the z map of each run of these labels above one threshold; NaN is a run that cannot tell."""
    for path, run in zip(paths, runs, strict=True):
        source = images.load(path)
        shown = thresholds.above(source, threshold, signed)
        n_above = np.count_nonzero(shown.image.dataobj)
        said = f"{'|z|' if signed else 'z'} > {threshold:.2f} in this run · {n_above:,} voxels"
        if np.isnan(source.dataobj).any():
            said = "this run cannot estimate the contrast"
        yield zmap.draw(replace(canvas, title=f"{canvas.title}: {run}"), replace(shown, said=said))
