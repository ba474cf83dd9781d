"""Files of learnt noise: the table of its processes, the largest share first, and each voxel's posterior."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from firstlevel.arrays import BoolArray, UInt8Array
from firstlevel.glm import noise
from firstlevel.glm.autoregression import Processes
from firstlevel.glm.mixture import Mixture
from firstlevel.io import cells, masked, sidecars, table_writer
from firstlevel.stage import InputError

SHARE = "share"
"""Column of the share of the voxels; those of the coefficients, at lag 1 to q, are ar_1 to ar_q."""


def write(path: Path, found: Mixture) -> None:
    """Write the table, in full precision."""
    columns = [SHARE, *(f"ar_{lag}" for lag in range(1, found.processes.order + 1))]
    rows = np.column_stack([found.shares, found.processes.coefficients])
    table_writer.write_table(path, columns, rows.tolist())


def read(path: Path) -> Mixture:
    """Read it back."""
    values = np.asarray(cells.read_columns(path)[1], dtype=np.float64)
    return Mixture(Processes(values[:, 1:]), values[:, 0])


def check_fit(sidecar: Path, processes: Path | None, arma: Path | None) -> None:
    """Files of noise belong to the fit of a `sidecar`: those of an earlier one may still lie there.

    Raises
    ------
    InputError : for a fit whose noise model has no such files, or others.
    """
    name = sidecars.read_json(sidecar)["NoiseModel"]
    model = noise.MODELS[name]
    if (model.is_learnt, model.is_arma) != (processes is not None, arma is not None):
        raise InputError(
            sidecar,
            f"the run was fitted with the noise model {name}, and noise of another one is taken",
            expected="fits with the noise model of the config",
            remedy="fit the runs again: snakemake --forcerun fit_glm",
        )


def read_with_posterior(processes: Path, posterior: Path, inside: BoolArray) -> tuple[Mixture, UInt8Array]:
    """Read the table, and the posterior (G, v) in 255ths of the voxels `inside` a mask.

    Raises
    ------
    ValueError : where they are those of two fits.
    """
    found = read(processes)
    saved = np.atleast_2d(masked.read_masked(posterior, inside)).astype(np.uint8)
    if found.processes.n != len(saved):
        raise ValueError(f"{posterior} has {len(saved)} volumes for {found.processes.n} noise processes")
    return found, saved
