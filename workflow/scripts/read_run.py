"""Read a run once where it lies, on the grid of its unit: check every volume, average them.

For the mask that is computed from the mean. Where masks are given, the fit reads the run so.
"""

from pathlib import Path

from firstlevel import stage
from firstlevel.image.in_place import InPlace
from firstlevel.io.series import Series


def read_run(
    *, bold: list[Path], reference: list[Path], headers: Path, field_of_view: Path, mean: Path, sidecar: Path
) -> None:
    """Write the mean over time of the run, and what it was made of as a sidecar.

    `headers` and `field_of_view` are those of the run, see ``read_headers``.
    """
    run = InPlace.of(Series.of(bold), reference, headers, field_of_view)
    for _ in run.volumes():
        pass
    run.write(mean, sidecar)


if __name__ == "__main__":
    stage.run(read_run, globals().get("snakemake"))
