"""Names of files: every one that is made below the results is made and read here. Standard library.

A name begins with a label: that of a run (``sub-01_ses-pre_task-faces_run-1_space-MNI152NLin2009cAsym``) or
that of a unit of analysis, the runs of a subject and task that are combined (``sub-01_task-faces_...``).
Both are the same where a study has one run per subject; so their files lie in different folders, the nodes.
``{subject}``, ``{run}``, ``{unit}`` and ``{contrast}`` are the wildcards of the rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

LABEL = "[A-Za-z0-9+]+"
"""Regular expression of the value of an entity."""
OTHERS = ("acq", "ce", "rec", "dir")
"""Entities that may tell runs apart beside run, in the order of file names, where they stand before it."""
OF_IMAGE = ("space", "cohort", "res", "den")
"""Entities that say on which grid or surface an image lies."""
ENTITIES = ("sub", "ses", "task", *OTHERS, "run", *OF_IMAGE)
"""Entities of a label, in the order of file names."""
LABELLED = rf"sub-{LABEL}(_(?:{'|'.join(ENTITIES[1:])})-{LABEL})*"
"""Regular expression of the label of a run or a unit."""

RESULTS = "<results>"
"""Their folder, as Snakemake's path variable calls it."""
NODE_RUN, NODE_SUBJECT = "node-run", "node-subject"
"""Folders of what each level of the model makes."""
NODES = (NODE_RUN, NODE_SUBJECT)
_RUN = RESULTS + "/sub-{subject}/{run}"
_RUN_NODE = f"{RESULTS}/{NODE_RUN}/sub-{{subject}}/{{run}}"
_UNIT_NODE = f"{RESULTS}/{NODE_SUBJECT}/sub-{{subject}}/{{unit}}"

# Of a run, whatever the model.
HEADERS = _RUN + "_headers.json"
EVENTS, EVENTS_JSON = _RUN + "_events.tsv", _RUN + "_events.json"
RESAMPLED, RESAMPLED_JSON = _RUN + "_desc-resampled_bold.nii", _RUN + "_desc-resampled_bold.json"
FIELD_OF_VIEW = _RUN + "_desc-fov_mask.nii.gz"
MEAN_OF_RUN = _RUN + "_desc-mean_boldref.nii.gz"

# Of a run and the model.
DESIGN, DESIGN_JSON = _RUN_NODE + "_design.tsv", _RUN_NODE + "_design.json"
BETA = _RUN_NODE + "_stat-beta_statmap.nii.gz"
SIGMA2 = _RUN_NODE + "_stat-sigma2_statmap.nii.gz"
AR1 = _RUN_NODE + "_stat-ar1_statmap.nii.gz"
POSTERIOR = _RUN_NODE + "_stat-posterior_statmap.nii.gz"
ARMA = _RUN_NODE + "_stat-arma_statmap.nii.gz"
PROCESSES = _RUN_NODE + "_desc-noise_processes.tsv"
RSQUARED = _RUN_NODE + "_stat-rsquared_statmap.nii.gz"
TASK_RSQUARED = _RUN_NODE + "_stat-taskrsquared_statmap.nii.gz"
FIT_JSON = _RUN_NODE + "_glm.json"
SERIES = _RUN_NODE + "_desc-sample_timeseries.npy"
TSNR = _RUN_NODE + "_stat-tsnr_statmap.nii.gz"
TIMESERIES = _RUN_NODE + "_desc-quality_timeseries.tsv"
MEASURES = _RUN_NODE + "_desc-quality_timeseries.json"
_TRIALS = "_desc-trials_statmap"
TRIAL_BETA = f"{_RUN_NODE}_stat-beta{_TRIALS}.nii.gz"
TRIAL_T = f"{_RUN_NODE}_stat-t{_TRIALS}.nii.gz"
TRIALS, TRIALS_JSON = f"{_RUN_NODE}{_TRIALS}.tsv", f"{_RUN_NODE}{_TRIALS}.json"

# Of the runs of a subject that are combined.
MASK, MASK_JSON = _UNIT_NODE + "_desc-brain_mask.nii.gz", _UNIT_NODE + "_desc-brain_mask.json"
CONTRASTS = _UNIT_NODE + "_contrasts.tsv"
QUALITY, QUALITY_JSON = _UNIT_NODE + "_quality.tsv", _UNIT_NODE + "_quality.json"

# Of a contrast over them.
_CONTRAST = _UNIT_NODE + "_contrast-{contrast}"
CONTRAST_JSON = _CONTRAST + "_statmap.json"
UNCORRECTED = _CONTRAST + "_stat-z_desc-uncorrected_statmap.nii.gz"
FDR = _CONTRAST + "_stat-z_desc-fdr_statmap.nii.gz"
BONFERRONI = _CONTRAST + "_stat-z_desc-bonferroni_statmap.nii.gz"
TRUE_DISCOVERIES = _CONTRAST + "_stat-tdp_statmap.nii.gz"
THRESHOLDS, CLUSTERS = _CONTRAST + "_inference.tsv", _CONTRAST + "_clusters.tsv"
SURVIVING = {
    "uncorrected": UNCORRECTED,
    "fdr": FDR,
    "bonferroni": BONFERRONI,
    "tdp": TRUE_DISCOVERIES,
    "thresholds": THRESHOLDS,
    "clusters": CLUSTERS,
}
"""What of a contrast holds up, by what compute_contrast calls it."""

# Of a subject and of the study.
PAGE = RESULTS + "/sub-{subject}/report.html"
STUDY_PAGE = RESULTS + "/report.html"
MAPS, RUNS, SOURCES = RESULTS + "/maps.tsv", RESULTS + "/runs.tsv", RESULTS + "/sourcedata.tsv"
DESCRIPTION, MODEL = RESULTS + "/dataset_description.json", RESULTS + "/model.json"
BIDSIGNORE = RESULTS + "/.bidsignore"


def any_of(labels: Iterable[str]) -> str:
    """Regular expression that matches exactly these labels, and nothing where there are none."""
    return "|".join(labels) or "(?!)"


def map_of(statistic: str) -> str:
    """Pattern of a map of a contrast: effect, variance, t, F, p, z or nruns."""
    return f"{_CONTRAST}_stat-{statistic}_statmap.nii.gz"


def maps_of(statistic: str, node: str = NODE_SUBJECT) -> dict[str, str]:
    """Patterns of all maps of a t or F contrast with their sidecar, by what compute_contrast calls them."""
    kinds = {"effect": "effect", "variance": "variance", "stat": statistic, "p": "p", "z": "z"}
    files = {name: map_of(kind) for name, kind in kinds.items()}
    files |= {"n_runs": map_of("nruns"), "sidecar": CONTRAST_JSON}
    return {name: of_run(file) for name, file in files.items()} if node == NODE_RUN else files


def of_run(pattern: str) -> str:
    """Pattern of the same file of one run's own contrast."""
    return pattern.replace(NODE_SUBJECT, NODE_RUN).replace("{unit}", "{run}")


def run_figure(kind: str) -> str:
    """Pattern of a figure of a run."""
    return f"{RESULTS}/sub-{{subject}}/figures/{{run}}_{kind}.png"


def contrast_figure(kind: str, suffix: str = ".png") -> str:
    """Pattern of a figure of a contrast."""
    return f"{RESULTS}/sub-{{subject}}/figures/{{unit}}_contrast-{{contrast}}_{kind}{suffix}"


EACH_RUN = contrast_figure("desc-runs_zmap")
"""Figure of a contrast in each of its runs, where these have maps."""


def below(folder: Path, pattern: str, **labels: str) -> Path:
    """Path of a result below the folder of the results."""
    return folder / pattern.removeprefix(f"{RESULTS}/").format(**labels)


def last(pattern: str, **labels: str) -> str:
    """Name of a result without its folders."""
    return pattern.rpartition("/")[2].format(**labels)


def entities_in(name: str) -> dict[str, str]:
    """Entities of a file name: sub-01_task-faces_bold.nii.gz gives sub and task."""
    return dict(part.split("-", 1) for part in name.partition(".")[0].split("_") if "-" in part)


def entities_of_image(path: str) -> dict[str, str]:
    """Entities that say on which grid an image lies, as its own name has them where it is one of BIDS."""
    name = Path(path).name
    if not name.startswith("sub-"):
        return {}
    there = entities_in(name)
    return {key: there[key] for key in OF_IMAGE if re.fullmatch(LABEL, there.get(key, ""))}


def labelled(entities: Mapping[str, str | None]) -> str:
    """Label of a run or unit from its entities (``sub``, ``ses``, ...); without those that have no value."""
    return "_".join(f"{entity}-{entities[entity]}" for entity in ENTITIES if entities.get(entity) is not None)


def within_session(entities: Mapping[str, str]) -> str | None:
    """What tells a run apart within its session: 1, or dir-LR_run-1 where other entities do, too."""
    others = [f"{entity}-{entities[entity]}" for entity in OTHERS if entity in entities]
    if not others:
        return entities.get("run")
    return "_".join([*others, *([f"run-{entities['run']}"] if "run" in entities else [])])
