"""Regressors of no interest: confounds from a table or by fMRIPrep's strategies, motion, censored scans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from firstlevel.arrays import FloatArray
from firstlevel.glm import regressors
from firstlevel.glm.censoring import censored_scans, displacement_of, spikes
from firstlevel.glm.confound_regressors import fmriprep_confounds, read_confounds
from firstlevel.glm.motion_terms import motion_regressors, read_motion


@dataclass(frozen=True)
class NuisanceOptions:
    """What is asked for, as the config's confounds have it.

    Attributes
    ----------
    columns, first_row : see :func:`read_confounds`.
    fmriprep : options of nilearn's ``load_confounds``; an empty or missing strategy is none.
    motion : number of regressors of motion: 0, 6 or 24.
    censor : see :func:`censored_scans`.
    """

    columns: Sequence[str] = ()
    first_row: Literal["error", "zero", "second"] = "error"
    fmriprep: Mapping[str, Any] = field(default_factory=dict)
    motion: int = 0
    censor: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Nuisance:
    """Regressors of no interest of a run of n scans.

    Attributes
    ----------
    names, values : k columns, (n, k); values is None where there are none.
    roles : by name, confound, motion or censor.
    censored : scans with a regressor of their own, counted from 0, in order.
    may_censor : whether anything was asked for that can censor a scan.
    displacement_from : where the framewise displacement that censors is from; nothing where none does.
    """

    names: list[str]
    values: FloatArray | None
    roles: dict[str, str]
    censored: list[int]
    may_censor: bool
    displacement_from: str = ""


def collect(
    image: Path, table: Path | None, headers: Path | None, n_scans: int, options: NuisanceOptions
) -> Nuisance:
    """Gather the regressors of no interest of one run, in the order confounds, motion, censored scans.

    Parameters
    ----------
    image, table, headers : the preprocessed image, its confounds table and the headers of the run.
    """
    fmriprep, censor = options.fmriprep, options.censor
    groups: list[tuple[str, list[str], FloatArray]] = []
    censored: set[int] = set()
    if table and options.columns:
        groups.append(("confound", *read_confounds(table, options.columns, n_scans, options.first_row)))
    if table and fmriprep.get("strategy"):
        names, values, marked = fmriprep_confounds(image, table, fmriprep, n_scans)
        groups.append(("confound", names, values))
        censored.update(marked)
    if headers and options.motion:
        values = motion_regressors(read_motion(headers, n_scans), options.motion)
        groups.append(("motion", regressors.of_motion(options.motion), values))
    displacement, displacement_source = None, ""
    if (limit := censor.get("fd_threshold")) is not None:
        displacement, displacement_source = displacement_of(censor["source"], table, headers, n_scans)
    if censor.get("column") is not None or limit is not None:
        censored.update(censored_scans(censor, table, displacement, n_scans))
    if censored:
        groups.append(("censor", *spikes(sorted(censored), n_scans)))
    return Nuisance(
        names=[name for _, names, _ in groups for name in names],
        values=np.hstack([values for _, _, values in groups]) if groups else None,
        roles={name: role for role, names, _ in groups for name in names},
        censored=sorted(censored),
        may_censor=displacement is not None
        or censor.get("column") is not None
        or bool(fmriprep.get("strategy")),
        displacement_from=displacement_source,
    )
