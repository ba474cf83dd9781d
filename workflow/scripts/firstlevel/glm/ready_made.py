"""A design that is given ready-made, as the design of a run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from firstlevel import texts
from firstlevel.glm import dependence, emptiness, explanation
from firstlevel.io import given_designs, repetition
from firstlevel.io.designs import Design
from firstlevel.io.given import CENSOR, Part
from firstlevel.stage import InputError

OTHER_STEP = 0.01
"""Share of the repetition time by which the index of a given design may differ in its steps."""


def taken(path: Path, part: Part, volumes: repetition.VolumeTimes, design: Path) -> Design:
    """Return a ready-made design, with a constant where its columns span none.

    Parameters
    ----------
    path, part : see :func:`firstlevel.io.given_designs.read`.
    design : file that it is to be written to, which the log names.

    Raises
    ------
    InputError : another length than the run, a column constant that is none, no degrees of freedom.
    """
    own, n_scans, seconds = given_designs.read(path, part), len(volumes.starts), volumes.repetition_time
    if len(own.rows) != n_scans:
        raise InputError(
            path,
            f"has {len(own.rows)} rows for a run of {n_scans} scans",
            expected="one row per scan",
            remedy="take the design of this run, without rows of volumes that were removed from the images",
        )
    names, values = own.names, np.array(own.rows, dtype=np.float64)
    notes, warnings = list(own.notes), list(volumes.warnings)
    named = texts.public(path, "the given design")
    if own.step not in (None, 1) and abs(own.step - seconds) > OTHER_STEP * seconds:
        told = f"its index counts in steps of {own.step:g}, the repetition time of the run is {seconds:g} s"
        warnings.append(f"{named} may be of another run: {told}")
    steps_of_first = np.diff(values[:, 0])
    if any(len(steps_of_first) and np.allclose(steps_of_first, one, rtol=1e-6) for one in (1.0, seconds)):
        told = "grows like an index, and is taken as a regressor: an index has no name in the header"
        warnings.append(f"{names[0]}, the first column of {named}, {told}")
    baseline = np.ones((n_scans, 1))
    spanned = np.hstack([values, baseline])
    if dependence.factorise(spanned).rank > dependence.factorise(values).rank:
        if "constant" in names:
            raise InputError(
                path,
                "its column 'constant' is not constant",
                expected="the same value at every scan",
                remedy="correct or rename it",
            )
        names, values = [*names, "constant"], spanned
        notes.append("its columns do not span a constant: one is added, as the images have a mean")
    roles = [
        given_designs.role(name, column, own.roles)
        for name, column in zip(names, values.T.tolist(), strict=True)
    ]
    content: dict[str, Any] = {
        "DesignSource": named,
        "DesignForm": own.form,
        "DesignNotes": notes,
        "Columns": [{"Name": name, "Role": role} for name, role in zip(names, roles, strict=True)],
        "BetaUnit": f"{explanation.ONE_UNIT} for one unit of the column.",
        "FrameTimes": volumes.starts.tolist(),
        "RepetitionTime": seconds,
        "EqualSteps": volumes.equal,
        **explanation.of_rank(design, names, values),
    }
    if content["Rank"] >= n_scans:
        raise InputError(
            path,
            f"{n_scans} scans for {len(names)} regressors of rank {content['Rank']}",
            expected="more scans than independent regressors",
            remedy="take some regressors out",
        )
    if warnings:
        content["Warnings"] = warnings
    if censored := [int(np.flatnonzero(values[:, k])[0]) for k, role in enumerate(roles) if role == CENSOR]:
        content["CensoredScans"] = sorted(censored)
    if empty := [name for name, column in zip(names, values.T, strict=True) if not column.any()]:
        why = emptiness.Empty(None, "it is 0 at every scan")
        content["EmptyRegressors"] = explanation.of_empty(dict.fromkeys(empty, why))
    logging.info("%s is used unchanged: events and the keys of design are ignored", path)
    for note in notes:
        logging.info("%s: %s", path, note)
    for warning in warnings:
        logging.warning("%s", warning)
    return Design(design, names, values, content)
