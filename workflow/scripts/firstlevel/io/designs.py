"""The design of a run as ``make_design_matrix`` writes it: the table of regressors and its sidecar."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from firstlevel.arrays import BoolArray, FloatArray
from firstlevel.io import cells, sidecars, table_writer

NO_INTEREST = ("confound", "motion", "censor", "drift", "constant")
"""Roles of the columns that no contrast is about."""


@dataclass(frozen=True)
class Design:
    """Design of a run of n scans and p regressors.

    Attributes
    ----------
    path : of the table.
    names : of the p regressors.
    matrix : (n, p), one row per scan.
    content : what the sidecar says; nothing where only the table was read.
    """

    path: Path
    names: list[str]
    matrix: FloatArray
    content: Mapping[str, Any]

    @property
    def roles(self) -> list[str]:
        """Role of each column: condition, derivative, confound, motion, censor, drift, constant, given."""
        by_name = {column["Name"]: column["Role"] for column in self.content["Columns"]}
        return [by_name[name] for name in self.names]

    @property
    def kinds(self) -> list[str]:
        """Role of each column, where modulators are told from their conditions."""
        modulators = {one["Name"] for one in self.content.get("Modulators", [])}
        roles = zip(self.names, self.roles, strict=True)
        return ["modulator" if name in modulators else role for name, role in roles]

    def columns(self, *roles: str) -> list[int]:
        """Places of the columns that have one of these roles."""
        return [k for k, role in enumerate(self.roles) if role in roles]

    @property
    def kept(self) -> BoolArray:
        """Whether each scan is kept in the fit, (n,): False for censored scans."""
        return np.asarray(~self.matrix[:, self.columns("censor")].any(axis=1), dtype=bool)

    @property
    def frame_times(self) -> FloatArray:
        """Moment of each scan, (n,), s."""
        return np.asarray(self.content["FrameTimes"], dtype=np.float64)

    @property
    def repetition_time(self) -> float | None:
        """Seconds between two scans, the median where steps differ."""
        return self.content.get("RepetitionTime")

    @property
    def has_equal_steps(self) -> bool:
        """Whether scans are equally spaced in time."""
        return bool(self.content.get("EqualSteps", True))

    @property
    def is_given(self) -> bool:
        """Whether it was given ready-made."""
        return "DesignSource" in self.content

    @property
    def empty(self) -> dict[str, str]:
        """Reason why a regressor is 0 at every scan, by name."""
        return {entry["Name"]: entry["Reason"] for entry in self.content.get("EmptyRegressors", [])}

    @property
    def responses(self) -> dict[str, Any]:
        """Duration of an event and peak of its response, by condition."""
        return dict(self.content.get("Responses", {}))

    @property
    def modulated_by(self) -> dict[str, str]:
        """Column of the events behind each modulator's regressor, by the name of the regressor."""
        modulators = self.content.get("Modulators", [])
        return {one["Name"]: one["Column"] for one in modulators if one["Name"] != one["Condition"]}

    @property
    def fir_delays(self) -> tuple[float, ...]:
        """Delays of an FIR model, s after onset; none for other models."""
        return tuple(self.content.get("FirDelaysSeconds", ()))

    def write(self, sidecar: Path) -> None:
        """Write the table to its path, one row per scan, and what the sidecar says."""
        table_writer.write_table(self.path, self.names, self.matrix.tolist())
        sidecars.write_json(sidecar, self.content)
        logging.info("%d scans, %d regressors, rank %d", *self.matrix.shape, self.content["Rank"])


def read(path: Path, sidecar: Path | None = None) -> Design:
    """Read the table, and the sidecar where it is needed."""
    names, values = cells.read_columns(path)
    content = {} if sidecar is None else sidecars.read_json(sidecar)
    return Design(path, names, np.asarray(values, dtype=np.float64), content)
