"""SPM's multiple conditions: a ``.mat`` file of names, onsets, durations and modulators."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.io import loadmat

from firstlevel.io import contents
from firstlevel.stage import InputError

KNOWN = ("names", "onsets", "durations", "pmod", "tmod", "orth")
TIME = "time"
"""Name of the modulator that tmod asks for, as in SPM."""
HIGHEST = 20
"""Power of a modulator, up to which each has a regressor; SPM offers 6."""


@dataclass(frozen=True)
class Condition:
    """One of SPM's multiple conditions: in scans; durations is None where the file has none.

    Attributes
    ----------
    modulators : values by name, one per event: of each parameter and of its powers (``rt``, ``rt_2``).
    orthogonalise : whether SPM makes each orthogonal to the condition and the modulators before it.
    """

    name: str
    onsets: list[float]
    durations: list[float] | None
    modulators: dict[str, list[float]] = field(default_factory=dict)
    orthogonalise: bool = True


def read_spm_conditions(path: Path) -> list[Condition]:
    """SPM's multiple conditions (``names``, ``onsets``, perhaps more) as a file holds them.

    ``tmod`` is modulation by the onsets, in their own unit; ``pmod`` by parameters; both with their powers up
    to the order that the file says. ``orth`` is true where it does not say.

    Raises
    ------
    InputError : no MATLAB file, a missing variable, one that is not understood, not as many onsets as names,
        values not finite.
    """
    expected = "SPM's multiple conditions: names, onsets and perhaps durations, pmod, tmod, orth"
    remedy = "save the conditions from SPM again (save -v7), or give an events table"
    try:
        contents.check_matlab(path, contents.MOST_OF_MATLAB)
        content = loadmat(path, squeeze_me=True)
        names = [str(name).strip() for name in np.atleast_1d(content["names"])]
        onsets = _cells(content["onsets"], len(names))
        durations = (
            _cells(content["durations"], len(names)) if "durations" in content else [None] * len(names)
        )
        pairs = []
        for name, begin, length in zip(names, onsets, durations, strict=True):
            lengths = None if length is None else np.broadcast_to(length, begin.shape).tolist()
            pairs.append((name, begin.tolist(), lengths))
    except InputError:
        raise
    except KeyError as error:
        raise InputError(
            path, f"lacks the variable {error.args[0]}", expected=expected, remedy=remedy
        ) from None
    except Exception as error:  # whatever a damaged file makes of the reader
        raise InputError(path, f"cannot be read ({error})", expected=expected, remedy=remedy) from error
    if unread := [name for name in content if not name.startswith("__") and name not in KNOWN]:
        logging.info("%s: ignored, as in SPM: %s", path, ", ".join(unread))
    if doubled := [name for name, count in Counter(names).items() if count > 1]:
        raise InputError(
            path,
            f"has the condition {doubled[0]!r} twice",
            expected="a different name for each condition",
            remedy=remedy,
        )
    conditions = [
        Condition(name, begin, lengths, *_modulation(path, content, k, len(names), name, begin))
        for k, (name, begin, lengths) in enumerate(pairs)
    ]
    for condition in conditions:
        if not np.all(np.isfinite([*condition.onsets, *(condition.durations or [])])):
            raise InputError(
                path,
                f"condition {condition.name!r} has an onset or duration that is not a finite number",
                expected=expected,
                remedy=remedy,
            )
    return conditions


def _modulation(
    path: Path, content: dict[str, Any], k: int, n_names: int, name: str, onsets: list[float]
) -> tuple[dict[str, list[float]], bool]:
    """Modulators of the condition at place `k`, and whether they are orthogonalised."""

    def wrong(field: str, problem: str) -> InputError:
        return InputError(
            path,
            f"{field} of condition {name!r} {problem}",
            expected="pmod with name, param (one value per onset) and poly; tmod an order; orth 0 or 1",
            remedy="save the conditions from SPM again, or give an events table and design.modulators",
        )

    def of_this(variable: str, default: float) -> float:
        """Number of this condition in a cell array or a vector."""
        if variable not in content:
            return default
        every = np.atleast_1d(content[variable])
        own = np.asarray(every[k]) if k < len(every) else np.zeros(0)
        try:
            own = own.astype(np.float64).ravel()
        except (TypeError, ValueError):
            raise wrong(variable, "is not a number") from None
        if own.size > 1 or not np.isfinite(own).all() or (every.size > n_names):
            raise wrong(variable, "is not a single number")
        return float(own[0]) if own.size else default

    order, orthogonal = of_this("tmod", 0.0), of_this("orth", 1.0)
    if not 0 <= order <= HIGHEST or not order.is_integer():
        raise wrong("tmod", f"is {order:g}")
    if orthogonal not in (0.0, 1.0):
        raise wrong("orth", f"is {orthogonal:g}")
    values_of: dict[str, list[float]] = {}
    parameters = [(TIME, np.asarray(onsets), int(order))] if order else []
    for label, values, power in parameters + _parameters(content, k, n_names, wrong):
        if values.shape != (len(onsets),) or not np.isfinite(values).all():
            raise wrong(f"pmod {label!r}", f"has {values.size} values, not a finite one for each onset")
        for exponent in range(1, power + 1):
            own = label if exponent == 1 else f"{label}_{exponent}"
            if own in values_of:
                raise wrong(f"pmod {label!r}", "stands twice")
            values_of[own] = (values**exponent).tolist()
    return values_of, bool(orthogonal)


def _parameters(
    content: dict[str, Any], k: int, n_names: int, wrong: Callable[[str, str], InputError]
) -> list[tuple[str, npt.NDArray[np.float64], int]]:
    """Name, values and order of each parameter of ``pmod`` at place `k`."""
    if "pmod" not in content or not np.size(content["pmod"]):
        return []
    every = np.atleast_1d(content["pmod"])
    if every.dtype.names is None or every.size > n_names:
        raise wrong("pmod", "is not a structure with one element per condition")
    if unknown := [field for field in every.dtype.names if field not in ("name", "param", "poly")]:
        raise wrong(f"pmod.{unknown[0]}", "is not understood")
    if missing := [field for field in ("name", "param") if field not in every.dtype.names]:
        raise wrong(f"pmod.{missing[0]}", "is missing")
    if k >= every.size or not np.size(every[k]["name"]):
        return []
    labels = [str(label).strip() for label in np.atleast_1d(every[k]["name"])]
    try:
        values = _cells(every[k]["param"], len(labels))
        orders = [np.ones(1)] * len(labels)
        if "poly" in every.dtype.names and np.size(every[k]["poly"]):
            orders = _cells(every[k]["poly"], len(labels))
    except (TypeError, ValueError) as error:
        raise wrong("pmod", f"cannot be read ({error})") from None
    if not len(labels) == len(values) == len(orders):
        raise wrong("pmod", f"has {len(labels)} names, {len(values)} params and {len(orders)} polys")
    for label, order in zip(labels, orders, strict=True):
        if order.size != 1 or not 1 <= order[0] <= HIGHEST or not float(order[0]).is_integer():
            raise wrong(f"pmod {label!r}", f"has a poly that is not an order from 1 to {HIGHEST}")
    return [(label, one, int(order[0])) for label, one, order in zip(labels, values, orders, strict=True)]


def _cells(value: object, n_cells: int) -> list[npt.NDArray[np.float64]]:
    """Cells of a MATLAB cell array, each as a vector; one number stands for all."""
    array = np.asarray(value)
    is_one_value = array.dtype != object and (array.ndim == 0 or n_cells == 1)
    cells = [array] * n_cells if is_one_value else list(np.atleast_1d(array))
    return [np.atleast_1d(np.asarray(cell, dtype=np.float64)).ravel() for cell in cells]
