"""What the headers of a run tell: its volumes, when they begin, where they lie, and how they moved.

The repetition time is decided here, once for all stages: by the study, the header of a 4D image and the
sidecars, which must agree. The affines of volumes in native space hold their realignment; SPM's ``.mat``
counts before a header. No volume is read, but the first of a run that is not resampled, for its background.
"""

import logging
from pathlib import Path

import numpy as np

from firstlevel import stage
from firstlevel.image import alike
from firstlevel.image.background import covered_voxels
from firstlevel.image.rigid import rigid_parameters
from firstlevel.io import digests, header_time, image_writer, images, repetition
from firstlevel.io.grids import Grid
from firstlevel.io.run_headers import RunHeaders
from firstlevel.io.series import Series, header_of
from firstlevel.io.sidecars import write_json


def read_headers(
    *,
    bold: list[Path],
    reference: list[Path],
    headers: Path,
    field_of_view: Path | None = None,
    repetition_time: repetition.RepetitionTime,
    repetition_time_decides: bool = False,
    is_one_grid: bool = False,
    sidecars: list[Path] | None = None,
) -> None:
    """Write what the headers of the run `bold` and its `sidecars` (the nearest last) tell.

    `repetition_time` in s, or who is to say it; motion is against the first volume of `reference`, the
    subject's first run. `is_one_grid` says that all volumes lie on its grid: others are an error.
    `field_of_view` is uint8, 1 at the voxels that every volume covers; None where resampling decides it.
    """
    series, place = Series.of(bold), Series.of(reference).files[0]
    target = Grid.of(place)
    series.check_length(series.n_scans)
    sidecars, first = sidecars or [], series.files[0]
    fields = repetition.read_fields(sidecars)
    header = header_time.read(first)
    times = repetition.volume_times(
        first, series.n_scans, header, fields, repetition_time, repetition_time_decides
    )
    for warning in times.warnings:
        logging.warning("%s: %s", first, warning)
    grids = series.grids()
    alike.check_alike(series, grids)
    alike.check_size(series, grids[0], target)
    if is_one_grid:
        alike.check_one_grid(series, grids, target, place)
    affines = np.array([grid.affine for grid in grids])
    is_one = all(affine.tobytes() == affines[0].tobytes() for affine in affines)
    moved = [rigid_parameters(grid.affine, target.affine) for grid in grids]
    found = RunHeaders(
        n_scans=series.n_scans,
        starts=times.starts,
        repetition_time=times.repetition_time,
        repetition_time_source=times.source,
        equal_steps=times.equal,
        warnings=times.warnings,
        fields={name: (field.value, sidecars.index(field.file)) for name, field in fields.items()},
        shape=grids[0].shape,
        affines=affines[:1] if is_one else affines,
        with_mat=tuple(k for k, grid in enumerate(grids[: len(series.files)]) if grid.source),
        translation=np.array([translation.round(6) for translation, _ in moved]),
        rotation=np.array([rotation.round(6) for _, rotation in moved]),
    )
    files = [file for image in series.files for file in (image, header_of(image)) if file]
    content = found.content() | {
        "DataType": str(np.dtype(images.load(first).get_data_dtype()).name),
        "NumberOfFiles": len(files),
        "Bytes": sum(file.stat().st_size for file in files),
        "Sidecars": digests.of_files(sidecars),
    }
    if field_of_view:
        image_writer.write_image(field_of_view, covered_voxels(series, grids[0].shape).T, grids[0].affine)
    write_json(headers, content)
    how = "one affine for all" if is_one else "an affine each"
    logging.info("%d volumes, %g s apart (%s), %s", len(grids), times.repetition_time, times.source, how)


if __name__ == "__main__":
    stage.run(read_headers, globals().get("snakemake"))
