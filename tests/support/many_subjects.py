"""Results of many subjects as the page of a study reads them, made up: no images, a few small files each."""

import json

import numpy as np

from firstlevel import names
from firstlevel.io import table_writer
from firstlevel.reporting.study_page import Entry

CONTRASTS = ("facesMinusScrambled", "scrambledMinusFaces", "effectsOfInterest")
LIMITS = {"Tsnr": 30.0, "Missing": 0.05, "ZNarrow": 0.8, "ZWide": 1.5, "ZCentre": 1.0}
CHECKS = ("run", "contrast", "measure", "value", "limit", "verdict", "sentence")


def make(results, n_subjects, contrasts=CONTRASTS):
    """Write the files below the folder; the entries of the page. The second subject's motion is not known."""
    rng, entries = np.random.default_rng(0), []
    for number in range(n_subjects):
        subject = f"{number + 1:04d}"
        labels = {"subject": subject, "unit": f"sub-{subject}_task-faces"}
        runs = [f"{labels['unit']}_run-{run}" for run in (1, 2)]

        def path(pattern, labels=labels, **more):
            made = names.below(results, pattern, **labels, **more)
            made.parent.mkdir(parents=True, exist_ok=True)
            return made

        path(names.PAGE).write_text("")
        for run in runs:
            displacement = None if number == 1 else float(rng.gamma(4, 0.04))
            measured = {"FramewiseDisplacement": {"Mean": displacement}, "MedianTsnr": rng.normal(70, 15)}
            path(names.MEASURES, run=run).write_text(json.dumps(measured))
        lost = rng.beta(1, 60, len(contrasts))
        checks = [
            ["n/a", label, "missing", share, 0.05, "check" if share > 0.05 else "pass", "A sentence."]
            for label, share in zip(contrasts, lost, strict=True)
        ]
        if number == 1:
            checks.append([runs[0], "n/a", "displacement", "n/a", 5.0, "n/a", "A sentence."])
        table_writer.write_table(path(names.QUALITY), CHECKS, checks)
        judged = {
            label: {"Median": rng.normal(0, 0.3), "Width": rng.normal(1.1, 0.15)} for label in contrasts
        }
        content = {"Runs": {run: {} for run in runs}, "Contrasts": judged, "Limits": LIMITS}
        path(names.QUALITY_JSON).write_text(json.dumps(content))
        for label in contrasts:
            peaks = [["1", float(rng.normal(7, 1)), 30]]
            table_writer.write_table(
                path(names.CLUSTERS, contrast=label), ("cluster_id", "peak_z", "n_voxels"), peaks
            )
            rows = [["uncorrected", 300], ["fdr", int(rng.integers(0, 2000))]]
            table_writer.write_table(path(names.THRESHOLDS, contrast=label), ("method", "n_voxels"), rows)
        entries.append(Entry(subject, "faces", labels["unit"], len(runs)))
    return entries
