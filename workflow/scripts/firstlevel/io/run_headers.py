"""Headers of a run, read once by ``read_headers``: its volumes, their times and affines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from firstlevel.arrays import FloatArray
from firstlevel.io import sidecars, spm_affines


@dataclass(frozen=True)
class RunHeaders:
    """Headers of the n volumes of a run, and the timing fields of its sidecars.

    Attributes
    ----------
    n_scans : number of volumes.
    starts : (n,), s, when the volumes begin.
    repetition_time : s between two volumes; the median where steps differ.
    repetition_time_source : study, header, sidecar or VolumeTiming.
    equal_steps : whether all steps are the median within 1 %.
    warnings : sentences on what was decided against another source of time.
    fields : by name, the value of a field on time and the place of its sidecar among those of the run.
    shape : voxels along x, y and z of every volume.
    affines : (n, 4, 4), voxel indices to mm; (1, 4, 4) where all volumes share one.
    with_mat : places among the run's images of those whose affines are from SPM's ``.mat``.
    translation : (n, 3), mm along x, y, z against the first volume of the subject's first run.
    rotation : (n, 3), degrees about x, y, z.
    """

    n_scans: int
    starts: FloatArray
    repetition_time: float
    repetition_time_source: str
    equal_steps: bool
    warnings: tuple[str, ...]
    fields: Mapping[str, tuple[Any, int]]
    shape: tuple[int, int, int]
    affines: FloatArray
    with_mat: tuple[int, ...]
    translation: FloatArray
    rotation: FloatArray

    @property
    def motion(self) -> dict[str, list[list[float]]]:
        """Translation (mm) and rotation (degrees) of each volume, for the sidecar of the resampled run."""
        return {"Translation": self.translation.tolist(), "Rotation": self.rotation.tolist()}

    def mat_files(self, images: Sequence[Path]) -> list[Path | None]:
        """Of each image of the run, the ``.mat`` that its affines are from, None where its header holds."""
        return [
            spm_affines.name_beside(image) if k in self.with_mat else None for k, image in enumerate(images)
        ]

    def content(self) -> dict[str, Any]:
        """Return the fields of the JSON file; motion is one row where all volumes share an affine."""
        listed = slice(None) if len(self.affines) > 1 else slice(1)
        return {
            "NumberOfVolumes": self.n_scans,
            "VolumeTimes": self.starts.tolist(),
            "RepetitionTime": self.repetition_time,
            "RepetitionTimeSource": self.repetition_time_source,
            "EqualSteps": self.equal_steps,
            "Warnings": list(self.warnings),
            "TimingFields": {
                name: {"Value": value, "Sidecar": sidecar} for name, (value, sidecar) in self.fields.items()
            },
            "Shape": list(self.shape),
            "Affines": self.affines.tolist(),
            "ImagesWithMat": list(self.with_mat),
            "Translation": self.translation[listed].tolist(),
            "Rotation": self.rotation[listed].tolist(),
        }


def read(path: Path) -> RunHeaders:
    """Read what :meth:`RunHeaders.content` has given; JSON keeps numbers to their last bit."""
    content = sidecars.read_json(path)
    n_scans = content["NumberOfVolumes"]
    moved = (np.asarray(content[key], dtype=np.float64) for key in ("Translation", "Rotation"))
    translation, rotation = (np.repeat(rows, n_scans, axis=0) if len(rows) == 1 else rows for rows in moved)
    nx, ny, nz = content["Shape"]
    return RunHeaders(
        n_scans=n_scans,
        starts=np.asarray(content["VolumeTimes"], dtype=np.float64),
        repetition_time=content["RepetitionTime"],
        repetition_time_source=content["RepetitionTimeSource"],
        equal_steps=content["EqualSteps"],
        warnings=tuple(content["Warnings"]),
        fields={name: (field["Value"], field["Sidecar"]) for name, field in content["TimingFields"].items()},
        shape=(nx, ny, nz),
        affines=np.asarray(content["Affines"], dtype=np.float64),
        with_mat=tuple(content["ImagesWithMat"]),
        translation=translation,
        rotation=rotation,
    )
