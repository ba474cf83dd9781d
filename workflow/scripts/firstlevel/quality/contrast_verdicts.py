"""Verdicts on contrasts: whether a run can estimate one, efficiency, coverage, width of z. No files."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from firstlevel.quality.used_runs import ContrastInRun
from firstlevel.quality.verdicts import (
    CHECK,
    NOTHING,
    UNKNOWN,
    Limits,
    Verdict,
    judged,
    percent,
    told,
    word_of,
)


def of_contrast_in_run(in_run: ContrastInRun) -> Verdict:
    """Verdict on whether a run can estimate a contrast."""
    run, contrast, estimable, _, reason = in_run
    sentence = (
        "The design of the run can estimate the contrast."
        if estimable
        else f"The run is left out of the contrast ({reason}): look at its events and its design."
    )
    return Verdict(run, contrast, "estimable", str(estimable).lower(), NOTHING, word_of(estimable), sentence)


def of_efficiency(run: str, contrast: str, share: float, limit: float) -> Verdict:
    """Verdict on a run's efficiency for a contrast, as a share of the median of the other runs'."""
    fact = f"The run's efficiency for the contrast is {told(share, limit)} times the median of the other runs"
    advice = (
        f", below {limit:g}: with equal weights its noise dominates the mean over runs; look at its "
        "events, and consider leaving the run out or fixed_effects.weights: precision."
    )
    return judged(run, contrast, "efficiency", share, limit, fact, advice, passes=share >= limit)


def of_efficiencies(efficiencies: Mapping[str, Mapping[str, float | None]], limit: float) -> list[Verdict]:
    """Hold each run's efficiency for a contrast against the median of the other runs, if there are any.

    `efficiencies` are by run and contrast, None where the run cannot estimate it.
    """
    judged = []
    for run, by_contrast in efficiencies.items():
        for contrast, own in by_contrast.items():
            others = [
                value
                for other, values in efficiencies.items()
                if other != run and (value := values[contrast])
            ]
            if own is not None and others:
                judged.append(of_efficiency(run, contrast, own / float(np.median(others)), limit))
    return judged


def of_coverage(contrast: str, by_runs: Mapping[str, int], coverage: str, limit: float) -> Verdict:
    """Verdict on the voxels of the mask that some run lacks, of those by their number of runs."""
    total, everywhere = sum(by_runs.values()), by_runs[str(max(map(int, by_runs)))]
    share = (total - everywhere) / total if total else 1.0
    if share == 0:
        fact = "Every voxel of the mask is in every run of the contrast"
    else:
        what = "combined over the runs that have them" if coverage == "any" else "not tested"
        counts = ", ".join(f"{count:,} in {n}" for n, count in by_runs.items() if count)
        fact = (
            f"{total - everywhere:,} of {total:,} voxels of the mask are not in every run ({counts}): {what}"
        )
    advice = f"; more than {percent(limit)}: look at the field of view of each run."
    return judged(NOTHING, contrast, "missing", share, limit, fact, advice, passes=share <= limit)


def of_centre(contrast: str, centre_and_width: tuple[float, float] | None, limit: float) -> Verdict:
    """Verdict on the centre of a contrast's z, None where no voxel was tested."""
    if centre_and_width is None:
        sentence = "No voxel of the mask was tested."
        return Verdict(NOTHING, contrast, "z_centre", NOTHING, limit, UNKNOWN, sentence)
    centre = centre_and_width[0]
    text = ("-" if centre < 0 else "") + told(abs(centre), limit, style="f")
    fact = f"Half of the z values are {'below' if centre < 0 else 'above'} {text}; noise alone has 0"
    advice = (
        f", and up to {limit:g} is tolerated: either most of the brain responds, as it may to a task "
        "against rest, or something that changes over the whole brain (motion, breathing, the global signal, "
        "a bright volume) is taken for a response: look at the z map, at motion and at DVARS."
    )
    return judged(NOTHING, contrast, "z_centre", centre, limit, fact, advice, passes=abs(centre) <= limit)


def of_contrast(contrast: str, centre_and_width: tuple[float, float] | None, limits: Limits) -> Verdict:
    """Verdict on the centre and width of a contrast's z, None where no voxel was tested."""
    low, high = limits["z_narrow"], limits["z_wide"]
    limit = f"{low:g} to {high:g}"
    if centre_and_width is None:
        sentence = "No voxel of the mask was tested: look at the run and at the mask."
        return Verdict(NOTHING, contrast, "z_width", NOTHING, limit, CHECK, sentence)
    median, width = centre_and_width
    shown = told(width, low if width <= low else high, style="f")
    sentence = f"Most z values spread like a normal distribution of width {shown} about {median:.2f}"
    if width > high:
        sentence += (
            f", wider than {high:g}; noise alone has 1: either much of the brain responds, or the model "
            "underestimates the noise: look at the residuals and at motion."
        )
    elif width < low:
        sentence += (
            f", narrower than {low:g}; noise alone has 1: the model overestimates the noise: look at the "
            "design and at the residuals."
        )
    else:
        sentence += "; noise alone has 1."
    return Verdict(NOTHING, contrast, "z_width", width, limit, word_of(low <= width <= high), sentence)
