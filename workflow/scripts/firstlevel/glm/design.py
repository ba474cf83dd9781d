"""The design matrix of one run: conditions, regressors of no interest, drift.

Columns, their names and their order are those of nilearn's ``make_first_level_design_matrix``; the responses
are sampled by :mod:`firstlevel.glm.sampling`. Arrays only, numpy only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from firstlevel.arrays import FloatArray
from firstlevel.glm import regressors
from firstlevel.glm.fir import fir
from firstlevel.glm.sampling import Basis, Events, orthogonalised, steps
from firstlevel.glm.selection import select

if TYPE_CHECKING:
    from firstlevel.io.event_table import Event
    from firstlevel.io.modulators import Modulators


@dataclass(frozen=True)
class DesignOptions:
    """How conditions become regressors.

    Attributes
    ----------
    hrf_model : haemodynamic response, such as "spm + derivative", or "fir".
    drift_model : "cosine", "polynomial", or "none" (None).
    high_pass : Hz, cut-off of the cosine drift.
    min_onset : s from the first scan; events before it are left out.
    oversampling : bins per repetition time of the samplings nilearn and spm.
    drift_order : order of the polynomial drift.
    fir_delays : after onset, one regressor of an FIR model each.
    fir_unit : of the delays, "s" or "scans".
    sampling : "nilearn", "exact" or "spm".
    derivative_step, undershoot_ratio : of the response; None is that of the sampling.
    """

    hrf_model: str
    drift_model: Literal["cosine", "polynomial", "none"] | None
    high_pass: float
    min_onset: float
    oversampling: int
    drift_order: int = 1
    fir_delays: Sequence[float] = ()
    fir_unit: Literal["s", "scans"] = "s"
    sampling: Literal["nilearn", "exact", "spm"] = "nilearn"
    derivative_step: float | None = None
    undershoot_ratio: float | None = None

    @property
    def basis(self) -> Basis:
        """The response with its derivatives; not of an FIR model."""
        return Basis.of_model(
            self.hrf_model,
            self.sampling,
            self.oversampling,
            self.min_onset,
            self.derivative_step,
            self.undershoot_ratio,
        )

    def fir_seconds(self, times: FloatArray) -> FloatArray:
        """Delays of an FIR model in s, (d,), for scans at `times`."""
        step = steps(times)[0] if self.fir_unit == "scans" else 1.0
        return np.asarray(self.fir_delays, dtype=np.float64) * step


def frame_times(n_scans: int, repetition_time: float, slice_time_ref: float) -> FloatArray:
    """Time of each scan in seconds, (n,), at the fraction `slice_time_ref` of the repetition time."""
    return repetition_time * (np.arange(n_scans, dtype=np.float64) + slice_time_ref)


def design_matrix(
    times: FloatArray,
    events: Sequence[Event],
    options: DesignOptions,
    confounds: FloatArray | None = None,
    confound_names: Sequence[str] = (),
    modulators: Modulators | None = None,
) -> tuple[list[str], FloatArray]:
    """Names of the regressors, and their values at `times` (s, increasing), (n, p).

    Conditions come first, by name, each before its modulators, then confounds (n, c), drift and constant.
    Events with a modulation are that high, all others 1; a condition of which no event counts has columns of
    zeros.
    """
    names: list[str] = []
    parts: list[FloatArray] = []
    for condition, its_events in select(events, times, options.min_onset, modulators).events.items():
        names += of_condition(condition, options)
        parts.append(responses(its_events, times, options))
    if confounds is not None:
        names += confound_names
        parts.append(confounds)
    parts.append(drift(times, options))
    names += [f"drift_{k}" for k in range(1, parts[-1].shape[1])]
    return [*names, "constant"], np.hstack(parts)


def of_condition(condition: str, options: DesignOptions) -> list[str]:
    """Names of the regressors that are made of the events of a condition."""
    return [
        *regressors.of_condition(condition, options.hrf_model, options.fir_delays),
        *regressors.of_derivatives(condition, options.hrf_model),
    ]


def responses(events: Events, times: FloatArray, options: DesignOptions) -> FloatArray:
    """Regressors of the events of one condition, (n, k)."""
    if options.hrf_model == "fir":
        return fir(events, times, options.fir_seconds(times), steps(times)[0])
    columns: FloatArray = options.basis.regressors(events, times)
    return columns


def drift(times: FloatArray, options: DesignOptions) -> FloatArray:
    """Drift and, last, the constant, (n, k + 1).

    Notes
    -----
    Cosines: the discrete cosine transform DCT-II up to the cut-off, at the times of the scans where these
    are not equally far apart. Polynomials: powers of time, each orthogonal to the lower ones.
    """
    n = len(times)
    constant = np.ones((n, 1))
    if options.drift_model in ("none", None) or n < 2:
        return constant
    if options.drift_model == "polynomial":
        powers = (times / times.max())[:, np.newaxis] ** np.arange(options.drift_order + 1)
        orthogonal = orthogonalised(powers)
        return np.hstack([orthogonal[:, 1:], constant])
    step = (times[-1] - times[0]) / (n - 1)
    order = min(n - 1, int(np.floor(2 * n * options.high_pass * step)))
    places = np.arange(n) if steps(times)[1] else (times - times[0]) / step
    cosines = np.cos(np.outer((np.pi / n) * (places + 0.5), np.arange(1, order + 1)))
    return np.hstack([np.sqrt(2.0 / n) * cosines, constant])


def response_columns(conditions: Sequence[str], options: DesignOptions) -> dict[str, list[str]]:
    """Columns of each condition's response, without those of the HRF's derivatives."""
    return {name: regressors.of_condition(name, options.hrf_model, options.fir_delays) for name in conditions}


def role(column: str, responses: Mapping[str, Sequence[str]], nuisance: Mapping[str, str]) -> str:
    """What a column is for: condition, derivative, confound, motion, censor, drift or constant.

    Parameters
    ----------
    responses : columns of each condition's response.
    nuisance : roles of the regressors of no interest that were added.
    """
    if any(column in names for names in responses.values()):
        return "condition"
    if column in nuisance:
        return nuisance[column]
    if column == "constant":
        return "constant"
    return "drift" if column.startswith("drift_") else "derivative"
