"""Which runs can estimate a contrast, by the names and ranks of their designs, and why others cannot."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from firstlevel import texts
from firstlevel.arrays import FloatArray
from firstlevel.glm import dependence, expressions
from firstlevel.glm import fit as glm
from firstlevel.io.designs import Design
from firstlevel.stage import InputError


@dataclass(frozen=True)
class RunDesign:
    """Design of one run as saved, and as the fit factorises it."""

    saved: Design
    model: glm.Design

    @classmethod
    def of(cls, saved: Design) -> RunDesign:
        """Factorise a saved design."""
        return cls(saved, glm.Design.of(saved.matrix))

    def vectors(self, rows: Sequence[str]) -> FloatArray:
        """Contrast as (q, p), in the order of the columns."""
        return vectors(rows, self.saved.names)

    def absent(self, rows: Sequence[str]) -> list[str]:
        """Regressors that the contrast names and the run has not."""
        return [name for name in expressions.names(rows) if name not in self.saved.names]


def vectors(rows: Sequence[str], names: Sequence[str]) -> FloatArray:
    """Rows of a contrast as (q, p), in the order of the p names."""
    return np.asarray([expressions.vector(expressions.parse(row), names) for row in rows])


def check_rows(rows: Sequence[str], label: str) -> None:
    """No row follows from the others: it would be tested twice."""
    if np.linalg.matrix_rank(vectors(rows, expressions.names(rows))) < len(rows):
        raise InputError(
            f"config key contrasts.{label}",
            "one of its rows is a linear combination of the others",
            expected="linearly independent rows",
            remedy="drop the row that repeats",
        )


def check_weights(weights: str, label: str) -> None:
    """The approximate F takes all runs alike."""
    if weights == "precision":
        raise InputError(
            f"config key contrasts.{label}",
            "the approximate F test cannot use precision weights",
            expected="the exact F test, or equal weights",
            remedy="set fixed_effects.f_test: exact",
        )


def check_delays(designs: Sequence[RunDesign], rows: Sequence[str], label: str) -> None:
    """A delay of an FIR model is the same time after onset in every run."""
    named = [name for name in expressions.names(rows) if "_delay_" in name]
    seconds = {design.saved.fir_delays for design in designs}
    if named and len(seconds) > 1:
        raise InputError(
            f"config key contrasts.{label}",
            f"{named[0]} is a different time after onset in runs of different repetition time "
            f"({' and '.join(str(list(of)) for of in sorted(seconds))} s)",
            expected="the same delay in seconds in all runs",
            remedy="set design.fir_unit: s, with design.fir_delays in seconds",
        )


def why_not(design: RunDesign, rows: Sequence[str]) -> str:
    """What keeps a run from estimating the contrast; nothing where it can."""
    if absent := design.absent(rows):
        return f"no regressor {', '.join(map(repr, absent))}"
    weights, names = design.vectors(rows), design.saved.names
    if design.model.factors.is_estimable(weights):
        return ""
    named = set(np.flatnonzero(weights.any(axis=0)).tolist())
    empty = design.saved.empty
    if why := [f"{name}: {empty[name]}" for k, name in enumerate(names) if k in named and name in empty]:
        return f"empty regressors ({'; '.join(why)})"
    sources = design.model.factors.dependent_columns()
    # where the contrast lies across a dependence, all are told
    concerned = {k: of for k, of in sources.items() if named & {k, *of}} or sources
    return f"dependent regressors: {dependence.described(concerned, names)}"


def left_out(
    designs: Sequence[RunDesign], fits: Sequence[str], reasons: Sequence[str], label: str
) -> dict[str, Any]:
    """Runs that cannot estimate the contrast, by the names of their fits, with reasons; the log tells."""
    runs_left_out = []
    for design, fit, reason in zip(designs, fits, reasons, strict=True):
        if reason:
            runs_left_out.append({"Fit": fit, "Reason": reason})
            logging.warning("%s is left out of the contrast %s: %s", design.saved.path, label, reason)
    return {"RunsLeftOut": runs_left_out} if runs_left_out else {}


def in_no_run(
    designs: Sequence[RunDesign], reasons: Sequence[str], rows: Sequence[str], label: str
) -> InputError:
    """Say of each run why it cannot estimate the contrast."""
    columns = list(dict.fromkeys(name for design in designs for name in design.saved.names))
    near = [
        texts.suggestion(name, columns)
        for name in dict.fromkeys(name for design in designs for name in design.absent(rows))
        if name not in columns
    ]
    by_run = "; ".join(
        f"{design.saved.path}: {reason}" for design, reason in zip(designs, reasons, strict=True)
    )
    return InputError(
        f"config key contrasts.{label}",
        f"no run can estimate {', '.join(rows)} ({by_run})",
        expected=f"a contrast that is estimable in at least one run; regressors: {', '.join(columns)}",
        remedy=f"{''.join(near)}correct the contrast or the events; see the figures of the designs",
    )
