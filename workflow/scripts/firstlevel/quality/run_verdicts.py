"""Verdicts on a run, its fit and its design: each measure against its limit, in a plain sentence.

Standard library, no files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from firstlevel.glm import noise
from firstlevel.quality.verdicts import (
    CHECK,
    NOTHING,
    PASS,
    UNKNOWN,
    Limits,
    Verdict,
    judged,
    percent,
    told,
    word_of,
)

SHOWN_SPIKES = 5
UNKNOWN_MOTION = "unknown"


def of_run(
    run: str, measured: Mapping[str, Any], n_above: int | None, design: Mapping[str, Any], limits: Limits
) -> list[Verdict]:
    """Verdicts on one run.

    Parameters
    ----------
    run : beginning of the names of the run's files.
    measured : what ``fit_glm`` has measured.
    n_above : volumes of a framewise displacement above its limit, None where it is not known.
    design : DvarsSpikes (volumes), LargestDvarsScore (None where it is not known), LargestCorrelation
        (Value and two Regressors, or None), LargestVarianceInflation (Value and Regressor, or None) and
        ConditionNumber, ConditionNumberOfInterest; a Value of None stands for inf.
    limits : the config's section quality.
    """
    residuals = measured["Residuals"]
    return [
        _displacement(run, measured, limits["displacement"]),
        _framewise(run, n_above, measured, limits),
        _dvars(run, design, measured, limits["dvars"]),
        _outside(run, measured["OutsideFieldOfView"], limits["outside"]),
        _zeros(run, measured["FilledWithZeros"], limits["zeros"]),
        _tsnr(run, measured["MedianTsnr"], measured["SmoothingFwhm"], limits["tsnr"]),
        _autocorrelation(run, residuals, limits["autocorrelation"]),
        _ljung_box(run, residuals, limits["ljung_box"]),
        _correlation(run, design["LargestCorrelation"], limits["correlation"]),
        _variance_inflation(run, design["LargestVarianceInflation"], limits["vif"]),
        _condition(run, design, limits["condition_number"]),
    ]


def _nothing_varies(run: str, measure: str, limit: float) -> Verdict:
    sentence = "No voxel of the mask changes over time: look at the run and at the mask."
    return Verdict(run, NOTHING, measure, NOTHING, limit, CHECK, sentence)


def _displacement(run: str, measured: Mapping[str, Any], limit: float) -> Verdict:
    largest = measured["Displacement"]["Largest"]
    if largest is None:
        return Verdict(run, NOTHING, "displacement", NOTHING, limit, UNKNOWN, _unknown(measured, "moved"))
    passes, shown = largest <= limit, told(largest, limit)
    where = _by_table(measured)
    sentence = (
        f"No part of the brain moved more than {shown} mm from where it was in the first volume{where}."
    )
    if not passes:
        sentence = (
            f"Some part of the brain moved {shown} mm from where it was in the first volume{where}, "
            f"more than {limit:g} mm: look at the motion and at the first and last volumes."
        )
    return Verdict(run, NOTHING, "displacement", largest, limit, word_of(passes), sentence)


def _framewise(run: str, n_above: int | None, measured: Mapping[str, Any], limits: Limits) -> Verdict:
    threshold, limit = limits["fd_threshold"], limits["fd_share"]
    if n_above is None:
        sentence = _unknown(measured, "moved from volume to volume")
        return Verdict(run, NOTHING, "framewise_displacement", NOTHING, limit, UNKNOWN, sentence)
    n_volumes = measured["NumberOfVolumes"]
    share = n_above / n_volumes
    fact = f"{n_above} of {n_volumes} volumes moved more than {threshold:g} mm against the one before"
    fact += _by_table(measured)
    advice = f", more than {percent(limit)}: look at the motion, consider censoring."
    return judged(run, NOTHING, "framewise_displacement", share, limit, fact, advice, passes=share <= limit)


def _unknown(measured: Mapping[str, Any], what: str) -> str:
    """Why a measure of motion is not known; a table may hold one measure and not the other."""
    if measured["MotionSource"] == UNKNOWN_MOTION:
        return f"{measured['MotionFrom']}: how the head {what} is not known."
    return f"The table of confounds does not tell how the head {what} ({measured['MotionFrom']})."


def _by_table(measured: Mapping[str, Any]) -> str:
    return " (by the table of confounds)" if measured["MotionSource"] == "confounds" else ""


def _dvars(run: str, of_dvars: Mapping[str, Any], measured: Mapping[str, Any], limit: float) -> Verdict:
    spikes, score = of_dvars["DvarsSpikes"], of_dvars["LargestDvarsScore"]
    if score is None:
        sentence = (
            "The change from volume to volume is not known: the run is too short, or its mean is not above 0."
        )
        return Verdict(run, NOTHING, "dvars", NOTHING, limit, UNKNOWN, sentence)
    shown = told(score, limit)
    usual = f"the median of {measured['Dvars']['Median']:.2g} %"
    if not spikes:
        n_censored = measured["CensoredVolumes"]
        but = f", but for censored ones ({n_censored}) and those right after them," if n_censored else ""
        sentence = (
            f"No volume{but} changed more than {shown} robust standard deviations above {usual} (DVARS)."
        )
        return Verdict(run, NOTHING, "dvars", score, limit, PASS, sentence)
    named = ", ".join(map(str, spikes[:SHOWN_SPIKES])) + (", ..." if len(spikes) > SHOWN_SPIKES else "")
    counted = f"{len(spikes)} volume{'' if len(spikes) == 1 else 's'} ({named}; the first is 0)"
    sentence = (
        f"{counted} changed far more than the others: DVARS up to {shown} robust standard deviations "
        f"above {usual}, more than {limit:g}: look at the "
        "carpet, and consider censoring."
    )
    return Verdict(run, NOTHING, "dvars", score, limit, CHECK, sentence)


def _outside(run: str, share: float, limit: float) -> Verdict:
    fact = f"{percent(share, limit)} of the brain's voxels lie outside of the field of view of some volume"
    advice = f", more than {percent(limit)}: look at the mask there, and at resample.field_of_view: masked."
    return judged(run, NOTHING, "outside", share, limit, fact, advice, passes=share <= limit)


def _zeros(run: str, share: float, limit: float) -> Verdict:
    fact = (
        f"{percent(share, limit)} of the brain's voxels are analysed although they hold no data in some "
        "volume (0, or outside of its field of view)"
    )
    advice = (
        f", more than {percent(limit)}: steps to zero look like a response there; look at the map of "
        "R2, and at resample.field_of_view: masked or a tighter mask."
    )
    return judged(run, NOTHING, "zeros", share, limit, fact, advice, passes=share <= limit)


def _tsnr(run: str, median: float | None, smoothing: float | None, limit: float) -> Verdict:
    if median is None:
        return _nothing_varies(run, "tsnr", limit)
    fact = (
        f"The signal is {told(median, limit, 0, 'f')} times its noise in half of the brain's voxels or more"
    )
    if smoothing is not None:
        sentence = (
            f"{fact}, after smoothing with {smoothing:g} mm; the limit of {limit:g} holds before smoothing, "
            "which was not measured."
        )
        return Verdict(run, NOTHING, "tsnr", median, limit, UNKNOWN, sentence)
    advice = f", less than {limit:g} times: look at the tSNR map for artefacts and dropout."
    return judged(run, NOTHING, "tsnr", median, limit, fact, advice, passes=median >= limit)


def _modelled(residuals: Mapping[str, Any]) -> tuple[Mapping[str, Any], str, str]:
    """Residuals that are tested, their name in a sentence, and what to do if they are not white."""
    better = noise.MODELS[residuals["NoiseModel"]].if_not_white
    if residuals["Whitened"]:
        return residuals["After"], "whitened residuals", better
    return residuals["Before"], "residuals (not whitened)", better


def _autocorrelation(run: str, residuals: Mapping[str, Any], limit: float) -> Verdict:
    whiteness, name, remedy = _modelled(residuals)
    median, clean = whiteness["MedianAutocorrelation"], whiteness["OfWhiteNoise"]["MedianAutocorrelation"]
    if clean is None:
        sentence = f"No two successive volumes are both kept: how the {name} of these correlate is not known."
        return Verdict(run, NOTHING, "autocorrelation", NOTHING, limit, UNKNOWN, sentence)
    if median is None:
        return _nothing_varies(run, "autocorrelation", limit)
    excess = median - clean
    fact = (
        f"The {name} of successive volumes correlate by {median:.2f} (median over voxels); "
        f"white noise would give {clean:.2f} under this design, a difference of "
        f"{told(abs(excess), limit, style='f')}"
    )
    advice = f", more than {limit:g}: p values are too {'small' if excess > 0 else 'large'}, {remedy}."
    return judged(run, NOTHING, "autocorrelation", excess, limit, fact, advice, passes=abs(excess) <= limit)


def _ljung_box(run: str, residuals: Mapping[str, Any], limit: float) -> Verdict:
    whiteness, name, remedy = _modelled(residuals)
    share, clean = whiteness["Rejected"], whiteness["OfWhiteNoise"]["Rejected"]
    if clean is None:
        sentence = (
            f"No two volumes within {residuals['Lags']} of each other are both kept: whether the {name} "
            "correlate is not known."
        )
        return Verdict(run, NOTHING, "ljung_box", NOTHING, limit, UNKNOWN, sentence)
    if share is None:
        return _nothing_varies(run, "ljung_box", limit)
    fact = (
        f"A test over {residuals['Lags']} lags finds correlation in the {name} of {percent(share)} of the "
        f"voxels; in white noise it would find it in {percent(clean)} under this design"
    )
    advice = f", and {percent(limit)} more are tolerated: look at the residuals, {remedy}."
    return judged(
        run, NOTHING, "ljung_box", share - clean, limit, fact, advice, passes=share - clean <= limit
    )


def _correlation(run: str, pair: Mapping[str, Any] | None, limit: float) -> Verdict:
    if pair is None:
        sentence = "There is one regressor of interest or none, so that no two can correlate."
        return Verdict(run, NOTHING, "correlation", NOTHING, limit, UNKNOWN, sentence)
    value, (first, second) = pair["Value"], pair["Regressors"]
    shown = _beside(value, limit)
    fact = f"The regressors {first} and {second} correlate by {shown}, the most of all pairs of interest"
    advice = f" and beyond {limit:g}: the data hardly tell them apart, look at the events."
    return judged(run, NOTHING, "correlation", value, limit, fact, advice, passes=abs(value) <= limit)


def _beside(value: float, limit: float) -> str:
    """Signed value whose size is held against the limit."""
    return ("-" if value < 0 else "") + told(abs(value), limit, style="f")


def _variance_inflation(run: str, worst: Mapping[str, Any] | None, limit: float) -> Verdict:
    if worst is None:
        sentence = "There is no regressor of interest."
        return Verdict(run, NOTHING, "vif", NOTHING, limit, UNKNOWN, sentence)
    value, name = worst["Value"], worst["Regressor"]
    if value is None:
        sentence = (
            f"The regressor {name} follows from the others and cannot be estimated: look at the design."
        )
        return Verdict(run, NOTHING, "vif", "inf", limit, CHECK, sentence)
    shown = told(value, limit)
    fact = f"The other regressors multiply the variance of the effect of {name} by {shown}, the most of all"
    advice = f" and by more than {limit:g}: look at the correlations in the design."
    return judged(run, NOTHING, "vif", value, limit, fact, advice, passes=value <= limit)


def _condition(run: str, design: Mapping[str, Any], limit: float) -> Verdict:
    """Judge the condition number of interest; confounds may be nearly collinear at no cost."""
    of_all, value = design["ConditionNumber"], design["ConditionNumberOfInterest"]
    if of_all is None or value is None:
        sentence = (
            "The design's columns depend on each other: look at the dependent columns that its sidecar names."
        )
        return Verdict(run, NOTHING, "condition_number", "inf", limit, CHECK, sentence)
    fact = (
        f"The condition number of the design is {told(value, limit, 3)}, with regressors of no interest made "
        f"orthogonal to each other, which changes no effect ({of_all:.3g} without)"
    )
    advice = f", above {limit:g}: some columns nearly follow from others, look at the design."
    return judged(run, NOTHING, "condition_number", value, limit, fact, advice, passes=value <= limit)
