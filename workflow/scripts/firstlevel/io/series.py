"""The volumes of a run in time order: 3D images, or one 4D image."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from firstlevel.arrays import Float32Array
from firstlevel.io.grids import Grid
from firstlevel.io.images import load, n_volumes, opened, read_scan
from firstlevel.io.suffixes import COMPANIONS, SUFFIXES
from firstlevel.stage import InputError


@dataclass(frozen=True)
class Series:
    """The volumes of one run in time order: 3D images, or one 4D image.

    Attributes
    ----------
    files : one file per volume, or a single 4D file.
    n_scans : number of volumes.
    """

    files: tuple[Path, ...]
    n_scans: int

    @classmethod
    def of(cls, bold: list[Path]) -> Series:
        """Take a 4D image, 3D images in time order (with what lies beside them), or one folder of 3D images.

        Raises
        ------
        InputError : where there is no image, or a list of 3D images holds a 4D one.
        """
        paths = images_in(bold[0]) if len(bold) == 1 and bold[0].is_dir() else bold
        files = tuple(path for path in paths if path.suffix not in COMPANIONS)
        if not files:
            raise InputError(
                bold[0] if bold else "bold",
                "holds no image",
                expected=f"files that end with {', '.join(SUFFIXES)}",
                remedy="check the path of the run",
            )
        if len(files) > 1:
            return cls(files, len(files))
        return cls(files, n_volumes(load(files[0])))

    def check_length(self, n_scans: int) -> None:
        """Raise an InputError if a run is a single volume."""
        if n_scans < 2:
            raise InputError(
                self.files[0],
                "holds one volume",
                expected="a run: a 4D image, or a pattern of 3D images",
                remedy="give all volumes of the run, such as run-1/f*.img",
            )

    def file_of(self, scan: int) -> Path:
        """Return the file that holds a volume."""
        return self.files[scan if len(self.files) > 1 else 0]

    def grids(self) -> list[Grid]:
        """Return the grid of each volume, from headers and SPM's ``.mat`` alone."""
        if len(self.files) == 1:
            return Grid.of_volumes(self.files[0])
        return [Grid.of(file) for file in self.files]

    def volumes(self, digests: dict[Path, str] | None = None) -> Generator[Float32Array, None, None]:
        """Yield each volume as [z, y, x], single precision, with slope and intercept applied.

        The SHA-256 of a compressed 4D image comes into `digests` at the end, where they are given.
        """
        if len(self.files) > 1:
            for file in self.files:
                yield read_scan(load(file), file)
        else:
            with opened(self.files[0], digests) as image:
                for scan in range(self.n_scans):
                    yield read_scan(image, self.files[0], scan)


def images_in(folder: Path) -> list[Path]:
    """Images of a folder in name order; of a pair only the ``.img``.

    Dangling links and pipes are among them: reading them raises, so that no volume is lost in silence.
    """
    return sorted(file for file in folder.iterdir() if file.name.endswith(SUFFIXES) and not file.is_dir())


def header_of(image: Path) -> Path | None:
    """The ``.hdr`` that belongs to an ``.img``, None for the formats of one file."""
    return image.with_suffix(".hdr") if image.suffix == ".img" else None
