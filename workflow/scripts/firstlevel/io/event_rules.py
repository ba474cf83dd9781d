"""Which rows of a run's files are events, of which condition: study.events, .conditions, design.modulators.

Standard library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from firstlevel.io.modulators import Modulator, Modulators
from firstlevel.stage import InputError
from firstlevel.texts import composed


@dataclass(frozen=True)
class Rules:
    """Rules for which rows of a run's files are events, and of which condition.

    Attributes
    ----------
    column : columns whose values, joined with `separator`, name the trial type.
    where : by column, the values of which a row must have one.
    repeated : how duplicated rows count: error, once or twice.
    needed : whether a run without events is an error.
    conditions : the trial types of each condition; None takes each as one.
    modulators : of each condition.
    condition : the trial type of every row, in place of the columns; None where they name it.
    """

    column: tuple[str, ...] = ("trial_type",)
    separator: str = "_"
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    repeated: str = "error"
    needed: bool = True
    conditions: Mapping[str, Sequence[str]] | None = None
    modulators: Modulators = field(default_factory=dict)
    condition: str | None = None

    @property
    def naming(self) -> tuple[str, ...]:
        """Columns that name the trial type of a row; none if all rows have the same."""
        return self.column if self.condition is None else ()

    @classmethod
    def of(
        cls,
        events: Mapping[str, Any] | None = None,
        conditions: Mapping[str, Sequence[str]] | None = None,
        modulators: Mapping[str, Any] | None = None,
    ) -> Rules:
        """Rules of study.events, study.conditions and design.modulators, as a config has them.

        Raises
        ------
        InputError : both a condition of every row, and columns that name it.
        """
        events = events or {}
        column = events.get("column", "trial_type")
        condition = events.get("condition")
        if condition is not None and column not in ("trial_type", ["trial_type"]):
            raise InputError(
                "config key study.events.condition",
                f"is {condition!r}, and study.events.column is set, too",
                expected="one condition for all rows, or columns that name it",
                remedy="leave one of the two out",
            )
        merged = None
        if conditions is not None:
            merged = {composed(name): [composed(one) for one in own] for name, own in conditions.items()}
        return cls(
            column=tuple(composed(name) for name in ([column] if isinstance(column, str) else column)),
            separator=events.get("separator", "_"),
            where={
                composed(name): [_plain(one) for one in (wanted if isinstance(wanted, list) else [wanted])]
                for name, wanted in (events.get("where") or {}).items()
            },
            repeated=events.get("repeated", "error"),
            needed=events.get("needed", True),
            conditions=merged,
            modulators={
                composed(condition): _modulators(own) for condition, own in (modulators or {}).items()
            },
            condition=None if condition is None else composed(condition),
        )


def _modulators(own: Any) -> dict[str, Modulator]:
    """Modulators of a condition as a config has them: a list of columns, or columns with options."""
    if not isinstance(own, Mapping):
        return {composed(column): Modulator(composed(column)) for column in own}
    return {
        composed(column): Modulator(composed(column), **(options or {})) for column, options in own.items()
    }


def _plain(value: object) -> str:
    return composed(str(value))
