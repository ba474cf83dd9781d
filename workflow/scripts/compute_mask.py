"""The mean image of the runs, and the voxels to analyse: nilearn's EPI mask of these means, or given masks.

Where the fields of view of the runs are given, voxels are left out that no run covers in all its volumes, or
that not every run does.
"""

import logging
from pathlib import Path
from typing import Literal

import numpy as np

from firstlevel import stage, texts
from firstlevel.image import masks
from firstlevel.image.epi_mask import epi_mask
from firstlevel.io import image_writer, masked, sidecars, suffixes
from firstlevel.io.grids import Grid
from firstlevel.io.series import Series
from firstlevel.stage import InputError


def compute_mask(
    *,
    means: list[Path],
    mean: Path,
    mask: Path,
    own_mask: list[Path],
    sidecar: Path,
    fields_of_view: list[Path],
    coverage: Literal["any", "all"] = "any",
) -> None:
    """Write the mask of a subject as uint8 on the grid of the runs' means, where it is from, and their mean.

    Each run counts once in the `mean` image, however long it is.
    `own_mask` is empty, or the user's mask (of a pair with its ``.hdr``), or the mask of every run.
    `fields_of_view` is empty, or for every run the voxels that all its volumes cover; `coverage` any keeps a
    voxel that is covered in some run, all one that is covered in every run.
    """
    grid = Grid.of(means[0])
    over_runs = np.zeros(grid.shape[::-1])
    for path in means:
        over_runs += next(Series.of([path]).volumes())
    image_writer.write_image(mean, (over_runs / len(means)).astype(np.float32).T, grid.affine)
    given = [path for path in own_mask if path.suffix not in suffixes.COMPANIONS]
    moved = [path for path in given if not masks.is_on(path, grid)]
    thresholds: dict[Path, float] = {}
    if given:
        masks_of_runs = [masks.on_grid(path, grid, thresholds) for path in given]
        inside = np.mean(masks_of_runs, axis=0) > masks.RUNS_THRESHOLD
    else:
        inside = epi_mask(means)
    left_out = np.zeros_like(inside)
    if fields_of_view:
        covered = [masked.read_mask(path) for path in fields_of_view]
        left_out = inside & ~(np.any(covered, axis=0) if coverage == "any" else np.all(covered, axis=0))
    found = inside.any()
    inside &= ~left_out
    if not inside.any():
        raise InputError(
            own_mask[0] if own_mask else means[0],
            "has no voxel that all volumes of a run cover" if found else "gives an empty mask",
            expected="a brain inside the field of view",
            remedy="look at the mean image and the field of view of each run"
            if found
            else "look at this mask over the mean image of each run, or set the config key mask to epi"
            if given
            else "look at the mean image of each run, or set the config key mask to a mask of your own",
        )
    image_writer.write_image(mask, inside.astype(np.uint8), grid.affine)
    content = {
        "Source": "given" if given else "epi",
        "Masks": [
            {"Name": texts.public(path, "mask"), "Sha256": stage.sha256(path)}
            | ({"Threshold": thresholds[path]} if path in thresholds else {})
            for path in given
        ],
        **({"Threshold": masks.THRESHOLD} if thresholds else {}),
        "ResampledByNearestNeighbour": [texts.public(path, "mask") for path in moved],
        "NumberOfVoxels": int(inside.sum()),
        "FieldOfView": "masked" if fields_of_view else "zeros",
        "VoxelsLeftOutForFieldOfView": int(left_out.sum()),
    }
    sidecars.write_json(sidecar, content)
    logging.info("%d voxels of %d in the mask", int(inside.sum()), inside.size)
    if fields_of_view:
        runs = "no run covers them" if coverage == "any" else "some run does not cover them"
        logging.info("%d voxels left out: %s in all its volumes", int(left_out.sum()), runs)


if __name__ == "__main__":
    stage.run(compute_mask, globals().get("snakemake"))
