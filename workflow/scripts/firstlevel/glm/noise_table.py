"""Table of the processes that the noise of a run was found to be, one row each, the largest share first."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from firstlevel.glm.autoregression import Processes
from firstlevel.glm.mixture import Mixture
from firstlevel.io import cells, table_writer

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
