"""Collinearity and efficiency of a design, as the sidecar of quality has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from firstlevel.glm import expressions
from firstlevel.glm import fit as glm
from firstlevel.glm.estimable import vectors
from firstlevel.io.designs import Design
from firstlevel.quality.collinearity import (
    condition_of_interest,
    efficiency,
    largest_correlation,
    variance_inflation,
)

INFLATED = ("condition", "derivative", "confound", "motion", "given")
"""Roles of the columns that have a variance inflation factor: not drift, constant and censored scans."""


def of_design(design: Design, estimable: Mapping[str, Any], contrasts: Mapping[str, Any]) -> dict[str, Any]:
    """Collinearity of one design, and its efficiency for each contrast; None of none, or of infinity.

    Of interest are the conditions, and of a given design the columns that one of `contrasts` names.

    Parameters
    ----------
    estimable, contrasts : expressions of the contrasts that the run can estimate, and of all, by label.
    """
    columns, matrix = design.names, design.matrix
    roles = dict(zip(columns, design.roles, strict=True))
    named = {
        name
        for expression in contrasts.values()
        for name in expressions.names([expression] if isinstance(expression, str) else expression)
    }
    of_interest = [
        k
        for k, name in enumerate(columns)
        if roles[name] == "condition" or (roles[name] == "given" and name in named)
    ]
    pair = largest_correlation(matrix, of_interest)
    inflation = {
        name: variance_inflation(matrix, k) for k, name in enumerate(columns) if roles[name] in INFLATED
    }
    worst = max((columns[k] for k in of_interest), key=inflation.__getitem__, default=None)
    model = glm.Design.of(matrix)
    covariance = model.covariance(0.0)
    efficiencies = {
        label: efficiency(
            covariance, vectors([expression] if isinstance(expression, str) else expression, columns)
        )
        for label, expression in estimable.items()
    }
    return {
        "LargestCorrelation": pair and {"Value": pair[0], "Regressors": [columns[pair[1]], columns[pair[2]]]},
        "LargestVarianceInflation": worst and {"Value": _finite(inflation[worst]), "Regressor": worst},
        "VarianceInflation": {name: _finite(value) for name, value in inflation.items()},
        "ConditionNumber": _finite(model.factors.condition_number),
        "ConditionNumberOfInterest": _finite(condition_of_interest(matrix, of_interest)),
        "Efficiency": {label: efficiencies.get(label) for label in contrasts},
    }


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None
