"""The design matrix of one run, as nilearn makes it, and what is to be known of its columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

    from firstlevel.tables import Event

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DesignOptions:
    """How conditions become regressors; nilearn's names.

    Attributes
    ----------
    hrf_model : haemodynamic response, such as "spm + derivative".
    drift_model : "cosine", or None for none.
    high_pass : Hz, cut-off of the cosine drift.
    min_onset : s, events before it are ignored.
    oversampling : samples per repetition time in the convolution.
    """

    hrf_model: str
    drift_model: str | None
    high_pass: float
    min_onset: float
    oversampling: int


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
    """Return the design, one row per scan at `times` (s) and one column per regressor."""
    import pandas as pd
    from nilearn.glm.first_level import make_first_level_design_matrix

    table = pd.DataFrame(
        {
            "onset": [event.onset for event in events],
            "duration": [event.duration for event in events],
            "trial_type": [event.trial_type for event in events],
        }
    )
    matrix: pd.DataFrame = make_first_level_design_matrix(
        times,
        table,
        hrf_model=options.hrf_model,
        drift_model=options.drift_model,
        high_pass=options.high_pass,
        add_regs=confounds,
        add_reg_names=list(confound_names) or None,
        min_onset=options.min_onset,
        oversampling=options.oversampling,
    )
    return matrix


def role(column: str, conditions: Sequence[str], confounds: Sequence[str]) -> str:
    """What a column is for: condition, derivative, confound, drift or constant."""
    if column in conditions:
        return "condition"
    if column in confounds:
        return "confound"
    if column == "constant":
        return "constant"
    return "drift" if column.startswith("drift_") else "derivative"
