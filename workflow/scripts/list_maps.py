"""List the effect and variance maps of all subjects, for a second level.

The columns subject_label, map_name and effects_map_path are those that nilearn's SecondLevelModel takes.
Paths are relative to the folder of the table.
"""

import os
from pathlib import Path

from firstlevel import stage
from firstlevel.io import derivative, table_writer
from firstlevel.io.sidecars import read_json


def list_maps(
    *,
    effects: list[Path],
    variances: list[Path],
    masks: list[Path],
    sidecars: list[Path],
    table: Path,
    subjects: list[str],
    tasks: list[str],
    contrasts: list[str],
) -> None:
    """Write one row per subject, task and t contrast; every list has one item per row."""
    rows = []
    for *labels, effect, variance, mask, sidecar in zip(
        subjects, tasks, contrasts, effects, variances, masks, sidecars, strict=True
    ):
        paths = [os.path.relpath(path, table.parent) for path in (effect, variance, mask)]
        of_contrast = read_json(sidecar)
        n_runs = [len(of_contrast.get(key, ())) for key in ("Runs", "RunsLeftOut")]
        rows.append((*labels, *paths, *n_runs))
    table_writer.write_table(table, derivative.MAPS_COLUMNS, rows)


if __name__ == "__main__":
    stage.run(list_maps, globals().get("snakemake"))
