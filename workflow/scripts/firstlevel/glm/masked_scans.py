"""The scans of a run inside its mask, read once, with what is kept of them on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from firstlevel.arrays import BoolArray, Float32Array
from firstlevel.glm.fit import spm_global
from firstlevel.image import background
from firstlevel.io import sample
from firstlevel.io.series import Series


@dataclass(frozen=True)
class MaskedScans:
    """A run of n scans and the v voxels inside its mask; :meth:`read` fills what is kept.

    Attributes
    ----------
    run : its files.
    volumes : reads them, [z, y, x], with background filled in.
    inside : the mask, (nx, ny, nz).
    has_spm_global : whether SPM's global is computed.
    taken : (k,), places of a sample among the mask's voxels, see :mod:`firstlevel.io.sample`.
    sampled : (n, k), its series.
    spm_globals : of each scan, where it is asked for.
    """

    run: Series
    volumes: Callable[[], Iterator[Float32Array]]
    inside: BoolArray
    has_spm_global: bool
    taken: npt.NDArray[np.intp]
    sampled: Float32Array
    spm_globals: list[float]

    @classmethod
    def of(
        cls,
        run: Series,
        inside: BoolArray,
        *,
        has_spm_global: bool,
        volumes: Callable[[], Iterator[Float32Array]] | None = None,
    ) -> MaskedScans:
        """Nothing is read yet; where `volumes` are None, they have been checked before."""
        taken = sample.positions(inside)
        sampled = np.empty((run.n_scans, taken.size), dtype=np.float32)
        return cls(
            run, volumes or partial(background.filled, run), inside, has_spm_global, taken, sampled, []
        )

    def read(self) -> Iterator[Float32Array]:
        """Yield the voxels of the mask, (v,), scan by scan."""
        voxels = np.flatnonzero(self.inside.T)
        for scan, volume in enumerate(self.volumes()):
            values = volume.ravel().take(voxels)
            self.sampled[scan] = values[self.taken]
            if self.has_spm_global:
                self.spm_globals.append(spm_global(volume))
            yield values
