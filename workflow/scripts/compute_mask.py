"""The voxels to analyse: nilearn's EPI mask of the runs' mean images, or given masks.

Where the analysis is restricted to the fields of view of the runs, voxels are left out that no run covers in
all its volumes, or that not every run does.
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
from firstlevel.stage import InputError


def compute_mask(
    *,
    means: list[Path],
    own_mask: list[Path],
    fields_of_view: list[Path],
    mask: Path,
    sidecar: Path,
    is_masked: bool = False,
    coverage: Literal["any", "all"] = "any",
) -> None:
    """Write the mask of a unit as uint8 on the grid of its runs, and where it is from.

    `own_mask` is empty, or the user's mask (of a pair with its ``.hdr``), or the mask of every run; `means`
    are those of the runs where it is empty.
    `fields_of_view` are, for every run, the voxels that all its volumes cover. Where `is_masked`, `coverage`
    any keeps a voxel that is covered in some run, all one that is covered in every run.
    """
    grid = Grid.of(fields_of_view[0])
    given = [path for path in own_mask if path.suffix not in suffixes.COMPANIONS]
    moved = [path for path in given if not masks.is_on(path, grid)]
    thresholds: dict[Path, float] = {}
    if given:
        masks_of_runs = [masks.on_grid(path, grid, thresholds) for path in given]
        inside = np.mean(masks_of_runs, axis=0) > masks.RUNS_THRESHOLD
    else:
        inside = epi_mask(means)
    left_out = np.zeros_like(inside)
    if is_masked:
        covered = [masked.read_mask(path) for path in fields_of_view]
        left_out = inside & ~(np.any(covered, axis=0) if coverage == "any" else np.all(covered, axis=0))
    found = inside.any()
    inside &= ~left_out
    if not inside.any():
        raise InputError(
            own_mask[0] if own_mask else means[0],
            "has no voxel that all volumes of a run cover" if found else "gives an empty mask",
            expected="a brain inside the field of view",
            remedy="look at the field of view of each run"
            if found
            else "look at this mask over the images of each run, or set the config key mask to epi"
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
        "FieldOfView": "masked" if is_masked else "zeros",
        "VoxelsLeftOutForFieldOfView": int(left_out.sum()),
    }
    sidecars.write_json(sidecar, content)
    logging.info("%d voxels of %d in the mask", int(inside.sum()), inside.size)
    if is_masked:
        runs = "no run covers them" if coverage == "any" else "some run does not cover them"
        logging.info("%d voxels left out: %s in all its volumes", int(left_out.sum()), runs)


if __name__ == "__main__":
    stage.run(compute_mask, globals().get("snakemake"))
