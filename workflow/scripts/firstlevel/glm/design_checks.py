"""What of a run's events, modulators and names makes no design, or a doubtful one."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from firstlevel.arrays import FloatArray
from firstlevel.glm import regressors
from firstlevel.glm.design import DesignOptions
from firstlevel.glm.sampling import steps
from firstlevel.io.event_table import Event
from firstlevel.io.modulators import Modulators
from firstlevel.stage import InputError

MILLISECONDS = 10
"""Half of the onsets beyond so many lengths of the run are in another unit: no run breaks off so early."""
SCANS = 1.5
"""Whole onsets that leave the last third of a run empty, and fit its scans in number, may be in scans."""
COARSEST = 8.0
"""s, bins beyond which sums over them are no response: its main part takes 12 s."""


def drift_twice(confounds: Sequence[str], drift_model: str | None) -> list[str]:
    """Sentence on confounds that are fMRIPrep's cosines, where the drift model has them, too."""
    cosines = [name for name in confounds if re.fullmatch(r"cosine_?\d+", name)]
    if not cosines or drift_model != "cosine":
        return []
    sentence = (
        f"drift is modelled twice: the confounds hold {len(cosines)} cosines ({cosines[0]} and so on), and "
        "design.drift_model is cosine: set it to none, or leave these confounds out"
    )
    logging.warning(sentence)
    return [sentence]


def check_bins(options: DesignOptions, times: FloatArray) -> None:
    """Bins show the shape of the response; `times` are those of the scans (s)."""
    step = steps(times)[0]
    width = step / options.oversampling
    if width > COARSEST and options.sampling != "exact" and options.hrf_model != "fir":
        raise InputError(
            "config key design.oversampling",
            f"is {options.oversampling}, which makes bins of {width:g} s (scans are {step:g} s apart)",
            expected=f"bins of at most {COARSEST:g} s, as the response lasts 32 s",
            remedy="raise it, or set design.sampling: exact",
        )


def check_modulators(path: Path, events: Sequence[Event], modulators: Modulators) -> None:
    """No modulator of a condition has the name of another one, or of a condition."""
    conditions = {event.trial_type for event in events}
    names = [
        regressors.of_modulator(condition, name)
        for condition, own in modulators.items()
        for name in own
        if condition in conditions
    ]
    check_names(path, [*conditions, *names])


def check_names(path: Path, names: list[str]) -> None:
    """Each regressor has a name of its own."""
    if taken := [name for name in names if regressors.is_reserved(name)]:
        raise InputError(
            f"design {path.name}",
            f"a condition or confound is named {taken[0]!r}, as a regressor of the model is",
            expected="names other than constant, drift_1, drift_2 ...",
            remedy="rename it in the events or in the table of confounds",
        )
    if doubled := [name for name, count in Counter(names).items() if count > 1]:
        raise InputError(
            f"design {path.name}",
            f"two regressors have the name {doubled[0]!r}",
            expected="a different name for each condition, modulator, confound and motion regressor",
            remedy="rename the condition, or take the confound once",
        )


def check_scans(path: Path, values: FloatArray, n_censored: int) -> None:
    """A design (n, p) has more scans than regressors."""
    n_scans, n_regressors = values.shape
    if n_scans <= n_regressors:
        raise InputError(
            path,
            f"{n_scans} scans, {n_censored} of them censored, for {n_regressors} regressors",
            expected="more scans than regressors",
            remedy="take fewer confounds, a shorter FIR model or a milder threshold of confounds.censor",
        )


def check_onsets(path: Path, events: Sequence[Event], n_scans: int, end: float, source: Path) -> list[str]:
    """Warnings about onsets that the run of `n_scans`, which ends at `end` (s), makes doubtful.

    Events after its end have no response in it: all of them, or most of them far beyond, are an error. That
    names the user's `source`: `path`, whose rows these are, goes with the job that stops.
    """
    if not events:
        return []
    onsets = sorted(event.onset for event in events)
    middle = onsets[(len(events) - 1) // 2]
    if middle > MILLISECONDS * end and onsets[0] < end:
        raise InputError(
            source,
            f"its onsets look like milliseconds: most are {middle:g} or more, and the run ends at {end:g} s",
            expected="onsets in seconds from the first scan",
            remedy="divide onsets and durations by 1000",
        )
    warnings = []
    ends_at = onsets[-1] + max(event.duration for event in events)
    are_whole = len(onsets) > 2 and all(onset.is_integer() for onset in onsets)
    if are_whole and 0 < ends_at < n_scans and SCANS * ends_at < end:
        warnings.append(
            "onsets may be in scans: all are whole numbers, and the last event ends at "
            f"{ends_at:g}, in a run of {n_scans} scans and {end:g} s (if so, set onset_unit in the run table)"
        )
        logging.warning("%s: %s", path, warnings[0])
    beyond = [row for row, event in enumerate(events, start=2) if event.onset >= end]
    if len(beyond) == len(events):
        raise InputError(
            source,
            f"every event begins after the end of the run ({end:g} s)",
            expected="onsets in seconds from the first scan",
            remedy="check that onsets are not in milliseconds or scans, and that the events are this run's",
        )
    for row in beyond:
        onset = events[row - 2].onset
        warnings.append(f"onset {onset:g} s is after the end of the run ({end:g} s)")
        logging.warning("%s, row %d: %s", path, row, warnings[-1])
    return warnings
