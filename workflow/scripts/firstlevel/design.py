"""The design matrix of one run, as nilearn makes it, and what is to be known of its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from firstlevel import regressors

if TYPE_CHECKING:
    import pandas as pd

    from firstlevel.tables import Event

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DesignOptions:
    """How conditions become regressors; nilearn's names.

    Attributes
    ----------
    hrf_model : haemodynamic response, such as "spm + derivative", or "fir".
    drift_model : "cosine", "polynomial", or None for none.
    high_pass : Hz, cut-off of the cosine drift.
    min_onset : s, events before it are ignored.
    oversampling : samples per repetition time in the convolution.
    drift_order : order of the polynomial drift.
    fir_delays : scans after onset, one regressor of an FIR model each.
    """

    hrf_model: str
    drift_model: str | None
    high_pass: float
    min_onset: float
    oversampling: int
    drift_order: int = 1
    fir_delays: Sequence[int] = ()


def frame_times(n_scans: int, repetition_time: float, slice_time_ref: float) -> FloatArray:
    """Time of each scan in seconds, (n,), at the fraction `slice_time_ref` of the repetition time."""
    return repetition_time * (np.arange(n_scans, dtype=np.float64) + slice_time_ref)


def design_matrix(
    times: FloatArray,
    events: Sequence[Event],
    options: DesignOptions,
    confounds: FloatArray | None = None,
    confound_names: Sequence[str] = (),
) -> pd.DataFrame:
    """Return the design, one row per scan at `times` (s) and one column per regressor.

    Events with a modulation are that high (nilearn's column modulation), all others 1.
    """
    import pandas as pd
    from nilearn.glm.first_level import make_first_level_design_matrix

    table = pd.DataFrame(
        {
            "onset": [event.onset for event in events],
            "duration": [event.duration for event in events],
            "trial_type": [event.trial_type for event in events],
        }
    )
    if any(event.modulation is not None for event in events):
        table["modulation"] = [1.0 if event.modulation is None else event.modulation for event in events]
    matrix: pd.DataFrame = make_first_level_design_matrix(
        times,
        table,
        hrf_model=options.hrf_model,
        drift_model=options.drift_model,
        high_pass=options.high_pass,
        drift_order=options.drift_order,
        fir_delays=list(options.fir_delays) or None,
        add_regs=confounds,
        add_reg_names=list(confound_names) or None,
        min_onset=options.min_onset,
        oversampling=options.oversampling,
    )
    return matrix


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
