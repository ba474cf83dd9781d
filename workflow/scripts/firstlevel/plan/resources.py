"""Memory, disk and time that jobs ask for, from the sizes of the runs. Standard library."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from pathlib import Path

from firstlevel.io import headers
from firstlevel.plan.runs import Run
from firstlevel.plan.study import Study


class Sizes:
    """MB of the runs of a study, from headers, each read once."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self.stored = functools.cache(self._stored)
        self.resampled = functools.cache(self._resampled)

    def _stored(self, run: Run) -> float:
        """MB of a run's volumes, unpacked, as headers say; 0 for those that a rule has yet to make."""
        if header := headers.read(run.images[0]):
            return len(run.images) * header.n_bytes / 1e6
        return 3 * sum(Path(file).stat().st_size for file in run.bold if Path(file).is_file()) / 1e6

    def _resampled(self, run: Run) -> float:
        """MB of a run's scans in float32 on the reference's grid; twice the stored if headers do not tell."""
        first = self._study.unit_of[run.label].runs[0]
        own, target = headers.read(run.images[0]), headers.read(first.images[0])
        if not (own and target):  # images that a rule makes, or of a form that the plan does not read
            return 2 * self.stored(run)
        n_scans = len(run.images) * own.n_values // math.prod(own.shape)
        return 4 * n_scans * math.prod(target.shape) / 1e6

    def needed(self, runs: Iterable[Run], fixed: float, per_gb: float, attempt: int) -> int:
        """Amount that grows with the volumes of a job's runs, and with every new attempt."""
        held = sum(max(self.stored(run), self.resampled(run)) for run in runs)
        return round(attempt * (fixed + per_gb * held / 1000))

    def written(self, run: Run) -> int:
        """MB on the disk that a resampled run takes."""
        return round(100 + self.resampled(run))


def of_tables(run: Run, fixed: float, attempt: int, **per_mb: float) -> int:
    """MB of memory that grow with the tables of a run, by their attribute, and with every new attempt."""
    files = {name: getattr(run, name) for name in per_mb}
    grown = [
        per_mb[name] * Path(file).stat().st_size
        for name, file in files.items()
        if file and Path(file).is_file()
    ]
    return round(attempt * (fixed + sum(grown) / 1e6))
