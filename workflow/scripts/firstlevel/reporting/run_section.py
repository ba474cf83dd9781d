"""What the page of a subject shows of one run: model, quality and provenance."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

from firstlevel import names
from firstlevel.glm.noise import MODELS
from firstlevel.reporting import labels, trials_section
from firstlevel.reporting.pages import Picture
from firstlevel.reporting.run_facts import Run
from firstlevel.reporting.subject_files import SubjectFiles

OF_MODEL = {
    "design": "Design matrix: one row per volume, one column per regressor.",
    "events": "Events of each condition over time.",
}
"""Captions of the figures of the model."""
OF_QUALITY = {
    "motion": "Head motion, by the volumes' affines or, where all share one, by the table of confounds.",
    "carpet": "Carpet plot: signal of voxels over time, below framewise displacement and DVARS.",
    "residuals": "Autocorrelation of the residuals from one volume to the next, before and after whitening.",
    "correlation": "Correlation of the regressors: effects of highly correlated ones are poorly separated.",
    "tsnr": "Temporal signal-to-noise ratio: mean over standard deviation in time.",
    "rsquared": "Variance in time that the model explains; below, the task, of what the rest leaves.",
}
"""Captions of the figures of the quality."""
OF_LEARNT_NOISE = {
    "noise": "Noise processes that the fit found: their spectra, by their shares of the voxels, and how each "
    "voxel's noise correlates from one volume to the next.",
}
"""Caption of the figure of noise that was learnt."""


def of_run(files: SubjectFiles, run: str) -> dict[str, Any]:
    """Values of the run of this label; `facts` are for the methods text of its unit."""
    resampled = files.sidecar(names.RESAMPLED_JSON, run=run)
    design = files.sidecar(names.DESIGN_JSON, run=run)
    fit = files.sidecar(names.FIT_JSON, run=run)
    is_learnt = MODELS[fit["NoiseModel"]].is_learnt
    roles = Counter(column["Role"] for column in design["Columns"])
    lines_of_digests = "".join(f"{file['Sha256']}\n" for file in resampled["Inputs"])
    return {
        "label": labels.called(run).capitalize(),
        "n_scans": fit["NumberOfVolumes"],
        "repetition_time": f"{design['RepetitionTime']:g}",
        "n_columns": len(fit["Columns"]),
        "columns": fit["Columns"],
        "roles": ", ".join(f"{count} {role}" for role, count in roles.items()),
        "dof": fit["DegreesOfFreedom"],
        "n_voxels": f"{fit['NumberOfVoxels']:,}",
        "warnings": design.get("Warnings", []),
        "trials": trials_section.of_run(files, run),
        "facts": Run.of(resampled, design, fit),
        "model": _pictures(files, run, OF_MODEL),
        "quality": _pictures(files, run, OF_QUALITY | (OF_LEARNT_NOISE if is_learnt else {})),
        "inputs": resampled["Inputs"],
        "inputs_digest": hashlib.sha256(lines_of_digests.encode()).hexdigest(),
        "files": fit["Inputs"],
        "sidecar": names.last(names.RESAMPLED_JSON, run=run),
    }


def _pictures(files: SubjectFiles, run: str, captions: Mapping[str, str]) -> list[Picture]:
    return [
        files.picture(names.run_figure(kind), f"{caption} {run}", caption, run=run)
        for kind, caption in captions.items()
    ]
