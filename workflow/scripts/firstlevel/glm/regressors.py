"""Names of regressors, as designs bear them and contrasts use them. Standard library."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

DRIFT = re.compile(r"drift_\d+")
MOTION = ("motion_x", "motion_y", "motion_z", "motion_pitch", "motion_roll", "motion_yaw")
"""Translations in mm, rotations in degrees."""
MOTION_TERMS = {6: ("",), 24: ("", "_power2", "_derivative1", "_derivative1_power2")}


def of_condition(condition: str, hrf_model: str, fir_delays: Sequence[float]) -> list[str]:
    """Regressors of the response itself: one, or of an FIR model one per delay, named by the number given."""
    if hrf_model != "fir":
        return [condition]
    return [f"{condition}_delay_{delay:.12g}" for delay in fir_delays]


def of_modulator(condition: str, modulator: str) -> str:
    """Name of a modulator of a condition, which then has regressors as a condition has."""
    return f"{condition}_{modulator}"


def of_derivatives(condition: str, hrf_model: str) -> list[str]:
    """Regressors of the derivatives that the HRF model has; nilearn's names."""
    suffixes = {"derivative": "_derivative", "dispersion": "_dispersion"}
    return [f"{condition}{suffix}" for word, suffix in suffixes.items() if word in hrf_model]


def of_motion(count: int) -> list[str]:
    """Names of 0, 6 or 24 motion regressors, in the order of their columns."""
    return [f"{name}{term}" for term in MOTION_TERMS.get(count, ()) for name in MOTION]


def is_reserved(name: str) -> bool:
    """Whether the model itself has, or may have, a regressor of this name."""
    return name == "constant" or DRIFT.fullmatch(name) is not None


def is_pattern(name: str) -> bool:
    """Whether a name may stand for several columns."""
    return bool(set(name) & set("*?["))


def matching(name: str, columns: Iterable[str]) -> set[str]:
    """Columns of that very name, or, where there is none, those that match it as a shell pattern."""
    present, name = set(columns), unicodedata.normalize("NFC", name)
    return {name} & present or {column for column in present if fnmatchcase(column, name)}
