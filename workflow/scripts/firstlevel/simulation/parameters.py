"""What a simulated study is made with."""

from __future__ import annotations

import dataclasses
from typing import Any

from firstlevel.io.sidecars import camel
from firstlevel.simulation.paradigm import fewest_scans
from firstlevel.stage import InputError

FEWEST_EVENTS = 4  # two per condition


@dataclasses.dataclass(frozen=True)
class Parameters:
    """Parameters of a study, by the names of their config keys.

    Attributes
    ----------
    n_scans : of each run.
    shape, voxel_size : of the measured grid, x, y, z; voxels and mm.
    repetition_time : s.
    noise : standard deviation, percent of the local signal; `ar1` its lag-1 autocorrelation.
    drift : percent, at most.
    motion : standard deviation at the end of a run, mm and degrees.
    activation : highest response to faces, percent per unit regressor.
    """

    n_scans: int
    shape: list[int]
    voxel_size: list[float]
    repetition_time: float
    seed: int
    noise: float
    ar1: float
    drift: float
    motion: float
    activation: float

    def content(self) -> dict[str, Any]:
        """As a sidecar has them."""
        return camel(dataclasses.asdict(self))

    def check(self) -> None:
        """Refuse what cannot be simulated, by the name of its config key.

        Raises
        ------
        InputError : a value out of range, or a run too short for events of each condition.
        """

        def require(name: str, right: bool, expected: str) -> None:
            if not right:
                raise InputError(
                    f"config key study.simulated.{name}",
                    f"{getattr(self, name)} cannot be simulated",
                    expected=expected,
                    remedy="change this value",
                )

        require("repetition_time", self.repetition_time > 0, "seconds, above 0")
        fewest = fewest_scans(FEWEST_EVENTS, self.repetition_time)
        require("n_scans", self.n_scans >= fewest, f"{fewest} or more, for {FEWEST_EVENTS} events")
        for name, smallest in (("shape", 4), ("voxel_size", 0.1)):
            right = len(getattr(self, name)) == 3 and min(getattr(self, name)) >= smallest
            require(name, right, f"three numbers (x, y, z), each {smallest} or more")
        require("seed", self.seed >= 0, "a whole number, 0 or more")
        require("ar1", 0 <= self.ar1 < 1, "a correlation, 0 or more and below 1")
        for name in ("noise", "drift", "motion", "activation"):
            require(name, getattr(self, name) >= 0, "0 or more")
