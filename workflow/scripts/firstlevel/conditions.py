"""SPM's multiple conditions: a ``.mat`` file of names, onsets and durations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.io import loadmat

from firstlevel.stage import InputError


@dataclass(frozen=True)
class Condition:
    """One of SPM's multiple conditions: in scans; durations is None where the file has none."""

    name: str
    onsets: list[float]
    durations: list[float] | None


def read_spm_conditions(path: Path) -> list[Condition]:
    """SPM's multiple conditions (``names``, ``onsets`` and perhaps ``durations``) as a file holds them.

    Raises
    ------
    InputError : no MATLAB file, a missing variable, not as many onsets as names, values not finite.
    """
    expected = "SPM's multiple conditions: names, onsets and perhaps durations, in scans"
    remedy = "save the conditions from SPM again, or give an events table"
    try:
        content = loadmat(path, squeeze_me=True)
        names = [str(name) for name in np.atleast_1d(content["names"])]
        onsets = _cells(content["onsets"], len(names))
        durations = (
            _cells(content["durations"], len(names)) if "durations" in content else [None] * len(names)
        )
        conditions = []
        for name, begin, length in zip(names, onsets, durations, strict=True):
            lengths = None if length is None else np.broadcast_to(length, begin.shape).tolist()
            conditions.append(Condition(name, begin.tolist(), lengths))
    except KeyError as error:
        raise InputError(
            path, f"lacks the variable {error.args[0]}", expected=expected, remedy=remedy
        ) from None
    except Exception as error:  # whatever a damaged file makes of the reader
        raise InputError(path, f"cannot be read ({error})", expected=expected, remedy=remedy) from error
    for condition in conditions:
        if not np.all(np.isfinite([*condition.onsets, *(condition.durations or [])])):
            raise InputError(
                path,
                f"condition {condition.name!r} has an onset or duration that is no finite number",
                expected=expected,
                remedy=remedy,
            )
    return conditions


def _cells(value: object, n_cells: int) -> list[npt.NDArray[np.float64]]:
    """Cells of a MATLAB cell array, each as a vector; one number stands for all."""
    array = np.asarray(value)
    whole = array.dtype != object and (array.ndim == 0 or n_cells == 1)
    cells = [array] * n_cells if whole else list(np.atleast_1d(array))
    return [np.atleast_1d(np.asarray(cell, dtype=np.float64)).ravel() for cell in cells]
