# What the rules share: the checked config, the run table, names of files, digests of code.
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from firstlevel import config as configs
from firstlevel import study
from firstlevel.stage import InputError, code_digest


def stop_on_input_error(check, *arguments):
    """Result of a check; a user's mistake ends the start with its message and no traceback."""
    try:
        return check(*arguments)
    except InputError as error:
        raise WorkflowError(str(error)) from None


def runs_of_study():
    """Rows of the run table, from a config that holds against its schema."""
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    configs.check_config(config, schema)
    runs = study.run_table(config, "<data>")
    if workflow.is_main_process:
        configs.check_contrasts(config, runs)
    return runs


RUNS = stop_on_input_error(runs_of_study)
T_CONTRASTS = [name for name, expression in config["contrasts"].items() if isinstance(expression, str)]
F_CONTRASTS = [name for name in config["contrasts"] if name not in T_CONTRASTS]

ENTITY_PREFIX = {"session": "ses", "task": "task", "run": "run"}
SUBJECT_LABEL = "sub-{subject}_task-{task}"
RUN_LABEL = "_".join(
    ["sub-{subject}", *(f"{ENTITY_PREFIX[e]}-{{{e}}}" for e in RUNS[0].entities if e != "subject")]
)
SUBJECT = f"sub-{{subject}}/{SUBJECT_LABEL}"
RUN = f"sub-{{subject}}/{RUN_LABEL}"
FIGURE = "sub-{subject}/figures"


def any_of(labels):
    """Regular expression that matches exactly these labels."""
    return "|".join(sorted({re.escape(label) for label in labels})) or "(?!)"


wildcard_constraints:
    subject=any_of(run.subject for run in RUNS),
    session=any_of(run.session or "" for run in RUNS),
    task=any_of(run.task for run in RUNS),
    run=any_of(run.run or "" for run in RUNS),
    contrast=any_of(config["contrasts"]),


def row(wildcards):
    """Row of the run table that the wildcards name."""
    return next(run for run in RUNS if all(run.entities[e] == wildcards.get(e) for e in run.entities))


def runs_of(wildcards):
    """Runs of a subject and task, in the order of the run table."""
    return [run for run in RUNS if (run.subject, run.task) == (wildcards.subject, wildcards.task)]


def bold(wildcards):
    """Volumes of a run."""
    return row(wildcards).bold


def first_image(run):
    """The first file of a run, of a pair with its header."""
    return run.bold[: 2 if run.bold[0].endswith(".img") else 1]


def first_bold(wildcards):
    """First volume of a run."""
    return first_image(row(wildcards))


def n_scans(wildcards):
    """Number of 3D images of a run; None leaves it to the header of a 4D image, or to the folder."""
    images = [file for file in row(wildcards).bold if not file.endswith(".hdr")]
    return len(images) if len(images) > 1 else None


def reference(wildcards):
    """First volume of the subject's first run, whose grid is the reference."""
    return first_image(runs_of(wildcards)[0])


def of_run(attribute):
    """Parameter function for one column of the run table."""

    def value(wildcards):
        return getattr(row(wildcards), attribute)

    return value


def confounds(wildcards):
    """Confounds table of a run, where the model asks for columns of it."""
    return [row(wildcards).confounds] if config["design"]["confounds"] else []


def over_runs(pattern):
    """Input function for one file of every run of a subject."""

    def files(wildcards):
        return [pattern.format(**run.entities) for run in runs_of(wildcards)]

    return files


def own_mask(wildcards):
    """The user's mask, where there is one."""
    if config["mask"] == "epi":
        return []
    header = Path(config["mask"]).with_suffix(".hdr")
    return [config["mask"], *([header] if config["mask"].endswith(".img") else [])]


def contrast_rows(wildcards):
    """Expressions of a contrast, one per row."""
    return configs.rows_of(config["contrasts"][wildcards.contrast])


def statistic(wildcards):
    """A contrast of one expression is t, a list of them F."""
    return "t" if wildcards.contrast in T_CONTRASTS else "F"


def is_signed(wildcards):
    """Whether a contrast has a direction."""
    return statistic(wildcards) == "t"


def title(wildcards):
    """Who and what a figure shows."""
    parts = [f"{entity} {wildcards.get(entity)}" for entity in ENTITY_PREFIX if wildcards.get(entity)]
    return ", ".join([f"sub-{wildcards.subject}", *parts])


def contrast_title(wildcards):
    """Who, and which contrast."""
    names = ", ".join(contrast_rows(wildcards))
    return f"{title(wildcards)}: {names if is_signed(wildcards) else f'any of {names} (F)'}"


def kept(path):
    """The resampled runs are temporary where the config does not keep them."""
    return path if config["resample"]["keep"] else temp(path)


def subjects():
    """One set of labels per subject and task."""
    return list(
        {(run.subject, run.task): {"subject": run.subject, "task": run.task} for run in RUNS}.values()
    )


def z_maps():
    """The z map of every contrast of every subject."""
    pattern = f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-z_statmap.nii.gz"
    return [pattern.format(**labels, contrast=name) for labels in subjects() for name in config["contrasts"]]


def figures():
    """Every figure of every subject."""
    per_contrast = f"<results>/{FIGURE}/{SUBJECT_LABEL}_contrast-{{contrast}}_zmap.png"
    per_run = f"<results>/{FIGURE}/{RUN_LABEL}_{{kind}}.png"
    return [
        *(
            per_contrast.format(**labels, contrast=name)
            for labels in subjects()
            for name in config["contrasts"]
        ),
        *(
            per_run.format(**run.entities, kind=kind)
            for run in RUNS
            for kind in ("events", "design", "motion")
        ),
    ]
