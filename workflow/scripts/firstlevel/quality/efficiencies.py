"""Efficiency of the runs of a subject for a contrast, each beside the others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from firstlevel.quality import contrast_verdicts, verdicts


def of_efficiencies(
    efficiencies: Mapping[str, Mapping[str, float | None]], limit: float
) -> list[verdicts.Verdict]:
    """Hold each run's efficiency for a contrast against the median of the other runs, if there are any."""
    judged = []
    for run, of_run in efficiencies.items():
        for label, own in of_run.items():
            others = [value for other, of in efficiencies.items() if other != run and (value := of[label])]
            if own is not None and others:
                share = own / float(np.median(others))
                judged.append(contrast_verdicts.of_efficiency(run, label, share, limit))
    return judged
