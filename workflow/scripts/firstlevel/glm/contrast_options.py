"""What is tested over the runs of a subject, and how: the options of one contrast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from firstlevel.glm import estimable
from firstlevel.glm.contrasts import Coverage, RunWeights, Test


@dataclass(frozen=True)
class ContrastOptions:
    """One contrast over runs.

    Attributes
    ----------
    label : its name in the config.
    rows : expressions of regressor names: one of t, one or more of F.
    statistic : "t" or "F".
    weights, coverage : see :func:`firstlevel.glm.contrasts.t_over_runs`.
    f_test : "approximate" or "exact"; only of F.
    """

    label: str
    rows: Sequence[str]
    statistic: Literal["t", "F"]
    weights: RunWeights
    f_test: Literal["approximate", "exact"]
    coverage: Coverage

    @property
    def test(self) -> Test:
        """What :func:`firstlevel.glm.contrasts.over_runs` is asked for."""
        return "t" if self.statistic == "t" else self.f_test

    def check(self) -> None:
        """Refuse rows that follow from others, and weights that the approximate F does not have."""
        estimable.check_rows(self.rows, self.label)
        if self.test == "approximate":
            estimable.check_weights(self.weights, self.label)

    def described(self) -> dict[str, Any]:
        """Return the fields of the sidecar; options that are not the default among them."""
        content: dict[str, Any] = {
            "Contrast": list(self.rows),
            "Label": self.label,
            "Statistic": self.statistic,
        }
        if self.weights != "equal":
            content["RunWeights"] = self.weights
        if self.test == "exact":
            content["FTest"] = self.f_test
        return content
