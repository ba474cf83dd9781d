"""The design of one session of SPM.mat: its rows and columns of xX.X, and its high-pass filter as columns.

SPM filters data and design alike, y and X times I - X0 X0', before it fits them. Betas are then those of a
design that holds X0 as regressors (Frisch and Waugh 1933), which is how the filter is taken here. Whitening
(xX.W) and scaling (xGX) of SPM's are left to the noise model and the scaling of the config.

Source: SPM12, spm_fMRI_design.m (Sess, xX), spm_filter.m (xX.K), spm_get_bf.m (xBF.name).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat

from firstlevel.arrays import FloatArray
from firstlevel.io import contents
from firstlevel.io.given import CONSTANT, DRIFT, Given, Part, place
from firstlevel.stage import InputError

BASIS = {
    "hrf": ("",),
    "hrf (with time derivative)": ("", "_derivative"),
    "hrf (with time and dispersion derivatives)": ("", "_derivative", "_dispersion"),
}
"""What the functions of a basis are called; those of others keep SPM's ``*bf(2)``."""


def read(path: Path, part: Part) -> Given:
    """Design of a session, names without ``Sn(1)`` and ``*bf(1)``.

    Raises
    ------
    InputError : MATLAB 7.3, no SPM structure, a session that is not there, values not finite.
    """
    expected = "SPM.mat of a first level, with xX.X, xX.name and Sess"
    remedy = "specify the model in SPM again, or write its design as a table"
    with contents.opened(path) as file:
        start = file.read(128)
    if start.startswith((b"MATLAB 7.3", b"\x89HDF")):
        raise InputError(
            path,
            "is of MATLAB 7.3 (HDF5), which is not read",
            expected=expected,
            remedy="in MATLAB: load SPM.mat; save('SPM.mat', 'SPM', '-v7')",
        )
    contents.check_matlab(path, contents.MOST_OF_DESIGN)
    try:
        spm = loadmat(path, variable_names=["SPM"], squeeze_me=True, struct_as_record=False)["SPM"]
        names = [str(name).strip() for name in np.atleast_1d(spm.xX.name)]
        design = np.asarray(_dense(spm.xX.X), dtype=np.float64)
        design = design.reshape(-1, 1) if design.ndim == 1 else design  # one column lost an axis
        sessions = np.atleast_1d(spm.Sess)
        constants = _indices(getattr(spm.xX, "iB", ()))
        k = place(path, part, len(sessions))
        scans, own = _indices(sessions[k].row), _indices(sessions[k].col)
        own = [*own, *(c for c in constants if c not in own and design[scans, c].any())]
        if len(names) != design.shape[1] or not own or not scans:
            raise ValueError(f"{len(names)} names for a design of {design.shape}")
        values = design[np.ix_(scans, own)]
        cosines, cut_off = _high_pass(spm.xX, scans)
    except InputError:
        raise
    except KeyError:
        raise InputError(path, "holds no variable SPM", expected=expected, remedy=remedy) from None
    except Exception as error:  # whatever a damaged or foreign file makes of the reader
        raise InputError(path, f"cannot be read ({error})", expected=expected, remedy=remedy) from error
    if not np.isfinite(values).all():
        name = names[own[int(np.flatnonzero(~np.isfinite(values).all(axis=0))[0])]]
        raise InputError(path, f"{name} is not finite at every scan", expected=expected, remedy=remedy)
    plain, roles = _plain([names[c] for c in own], str(getattr(getattr(spm, "xBF", None), "name", "")))
    roles |= {name: CONSTANT for name, c in zip(plain, own, strict=True) if c in constants}
    drift = [f"drift_{n}" for n in range(1, cosines.shape[1] + 1)]
    notes = [f"session {k + 1} of {len(sessions)}"] if len(sessions) > 1 else []
    if drift:
        told = f"SPM's high-pass filter{cut_off} is in the model as {len(drift)} cosines, drift_1 and so on"
        notes.append(told)
    else:
        notes.append("it has no high-pass filter, and none is added")
    return Given(
        "SPM.mat",
        [*plain, *drift],
        np.hstack([values, cosines]).tolist(),
        roles | dict.fromkeys(drift, DRIFT),
        notes,
    )


def _plain(names: list[str], basis: str) -> tuple[list[str], dict[str, str]]:
    """Names without session and basis function, if they stay unique, and their roles."""
    suffixes = BASIS.get(basis, ())
    plain_names, roles = [], {}
    several = any(re.search(r"\*bf\((?!1\))\d+\)$", name) for name in names)
    for name in names:
        short = re.sub(r"^Sn\(\d+\) ", "", name)
        if of := re.fullmatch(r"(.+)\*bf\((\d+)\)", short):
            number = int(of[2])
            if number <= len(suffixes):
                short = of[1] + suffixes[number - 1]
            elif not several:
                short = of[1]
            roles[short] = "condition" if number == 1 or number > len(suffixes) else "derivative"
        plain_names.append(short)
    if len(set(plain_names)) < len(plain_names):
        return names, {}
    return plain_names, roles


def _high_pass(design: Any, scans: list[int]) -> tuple[FloatArray, str]:
    """Columns of the high-pass filter of a session, (n, k), and its cut-off in words; none without one."""
    none = np.empty((len(scans), 0))
    filters = getattr(design, "K", None)
    if filters is None or not all(hasattr(one, "row") for one in np.atleast_1d(filters)):
        if filters is not None and np.size(filters) > 1:
            raise ValueError("xX.K is a matrix, a filter that is not understood")
        return none, ""
    for one in np.atleast_1d(filters):
        if _indices(one.row) == scans:
            cut_off = float(np.asarray(getattr(one, "HParam", np.inf), dtype=np.float64).ravel()[0])
            columns = np.asarray(getattr(one, "X0", none), dtype=np.float64)
            columns = columns.reshape(len(scans), -1) if columns.size else none
            if not columns.size and np.isfinite(cut_off) and hasattr(one, "RT"):
                columns = _cosines(len(scans), float(one.RT), cut_off)
            return columns, f" ({cut_off:g} s)" if np.isfinite(cut_off) else ""
    raise ValueError("xX.K has no filter for the rows of the session")


def _cosines(n_scans: int, repetition_time: float, cut_off: float) -> FloatArray:
    """SPM's discrete cosine set without the constant, as spm_filter makes it."""
    order = int(2 * n_scans * repetition_time / cut_off + 1)
    if order > n_scans + 1:
        raise ValueError(f"a filter of {order - 1} cosines for {n_scans} scans")
    angles = np.pi * np.outer(2 * np.arange(n_scans) + 1, np.arange(1, order)) / (2 * n_scans)
    columns: FloatArray = np.sqrt(2 / n_scans) * np.cos(angles)
    return columns


def _dense(matrix: Any) -> Any:
    return matrix.toarray() if hasattr(matrix, "toarray") else matrix


def _indices(value: Any) -> list[int]:
    """MATLAB's indices, from 1, as those of Python."""
    return [int(one) - 1 for one in np.asarray(value, dtype=np.float64).ravel()]
