# What the rules share: the checked config, the run table, names of files, digests of code.
import contextlib
import functools
import gc
import math
import os
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from firstlevel.io import events, given_fsl, headers, onsets, tables
from firstlevel.plan import checks, clock, isolation, kernels, model, places, preprocessed, provenance
from firstlevel.plan import config as configs
from firstlevel.plan import runs, schema, study, summary, unlike
from firstlevel.stage import InputError, code_digest, of_the_system


class WrongInput(WorkflowError):
    """A user's mistake: its message says all, so Snakemake finds no lines of the rules to show below it."""

    __traceback__ = None


def stop_on_input_error(check, *arguments):
    """Result of a check; a user's mistake ends the start with its message and no traceback."""
    try:
        return check(*arguments)
    except InputError as error:
        raise WrongInput(str(error)) from None
    except OSError as error:
        raise WrongInput(str(of_the_system(error) or error)) from None


def runs_of_study():
    """Rows of the run table and what is left out, from a config that holds against its schema."""
    if workflow.is_main_process:
        schema.check_keys(workflow.configfiles)
    keys = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    configs.check_config(config, keys)
    runs, left_out = study.run_table(config, workflow.pathvars.apply("<data>"))
    # the plan asks and no job does again; a job has the runs of the plan
    if workflow.is_main_process or config["study"]["unlike_runs"] == "leave_out":
        runs, others = unlike.settle(config, runs)
        left_out = [*left_out, *others]
    if workflow.is_main_process:
        checks.check_contrasts(config, runs)
        folders = {
            name: places.located(workflow.pathvars.apply(f"<{name}>"), name)
            for name in ("results", "logs", "benchmarks")
        }
        places.check_folder(folders["results"], sorted({run.subject for run in runs}))
        for run in study.made(config, runs):
            places.check_made(Path(run.bold[0]))
        places.check_apart(folders, [*workflow.configfiles, *study.inputs(config, runs)])
    return runs, left_out


if (line := isolation.isolate(os.environ)) and workflow.is_main_process:
    print(line, file=sys.stderr)
kernels.choose(os.environ)  # of this process and all that it starts, here or on another node
gc.set_threshold(200_000, 50, 100)  # thousands of jobs are many objects and no garbage
RUNS, LEFT_OUT = stop_on_input_error(runs_of_study)
if workflow.is_main_process and not workflow.dryrun:
    made = ("<results>", "<data>/simulated", "<data>/spm_multimodal")
    folders = [Path(workflow.pathvars.apply(folder)) for folder in made]
    if n_files := clock.set_back(folders, [folders[0] / "runs.tsv", Path(".snakemake/metadata")]):
        print(
            f"The clock has gone back: {n_files} files were from the future and are now set back.",
            file=sys.stderr,
        )
FOLDERS, CONFIG_FILES = provenance.folders(config), provenance.of_config(config)
LEFT_OUT_OF_SUBJECT = {}
for each in LEFT_OUT:
    if each.status == runs.LEFT_OUT and each.subject:
        LEFT_OUT_OF_SUBJECT.setdefault(each.subject, []).append(
            [provenance.left_out(each.path, FOLDERS), provenance.relative(each.reason, FOLDERS)]
        )
T_CONTRASTS = [name for name, expression in config["contrasts"].items() if isinstance(expression, str)]
F_CONTRASTS = [name for name in config["contrasts"] if name not in T_CONTRASTS]

LABEL = "[A-Za-z0-9+]+"
# The wildcards session and run hold their whole part of a name, such as _ses-pre or _dir-LR_run-1, or nothing.
SESSION = model.session_in_names(config)
SUBJECT_LABEL = f"sub-{{subject}}{SESSION}_task-{{task}}"
RUN_LABEL = "sub-{subject}{session}_task-{task}{run}"
SUBJECT = f"sub-{{subject}}/{SUBJECT_LABEL}"
RUN = f"sub-{{subject}}/{RUN_LABEL}"
RUN_ENTITIES = [
    *(entity for entity in runs.OTHERS if any(entity in dict(run.others) for run in RUNS)),
    "run",
]
LABELLED_RUN = f"{LABEL}(?=/.*({'|'.join(f'_{e}-' for e in [*RUN_ENTITIES, *['ses'] * (not SESSION)])}))"
FIGURE = "sub-{subject}/figures"
HAS_SESSIONS = any(run.session for run in RUNS)
RUN_OF_LABELS = {tuple(run.wildcards.values()): run for run in RUNS}
RUNS_OF_SUBJECT, TASKS_OF_SUBJECT = {}, {}
for each in RUNS:
    RUNS_OF_SUBJECT.setdefault((each.subject, each.task), []).append(each)
    TASKS_OF_SUBJECT.setdefault(each.subject, {})[each.task] = None


def any_of(labels):
    """Regular expression that matches exactly these labels."""
    return "|".join(sorted({re.escape(label) for label in labels})) or "(?!)"


wildcard_constraints:
    subject=LABEL,  # not the thousand labels of a large study, which would be tried one by one
    session=f"(_ses-{LABEL})?",
    task=any_of(run.task for run in RUNS),
    run="".join(f"(_{entity}-{LABEL})?" for entity in RUN_ENTITIES),
    contrast=any_of(config["contrasts"]),


def with_labelled_runs():
    """Regular expression of the subjects whose mean image is not that of their one run without a label."""
    labelled = [run for run in RUNS if run.is_labelled_beside(SESSION)]
    return LABEL if len(labelled) == len(RUNS) else any_of(run.subject for run in labelled)


def row(wildcards):
    """Row of the run table that the wildcards name."""
    labels = tuple(wildcards.get(entity, "") for entity in ("subject", "session", "task", "run"))
    return RUN_OF_LABELS.get(labels) or not_in_the_study(RUN_LABEL.format(**wildcards))


def runs_of(wildcards):
    """Runs of a subject and task, in the order of the run table."""
    labels = (wildcards.subject, wildcards.task)
    return RUNS_OF_SUBJECT.get(labels) or not_in_the_study(SUBJECT_LABEL.format(**wildcards))


def not_in_the_study(name):
    """End with the name of what was asked for."""
    raise WorkflowError(f"{name} is no run or subject of this study")


def as_it_is(value):
    """Parameter function for text of the user's, in which Snakemake would look for {wildcards} otherwise."""

    def given(wildcards):
        return value

    return given


def bold(wildcards):
    """Volumes of a run."""
    return row(wildcards).bold


def first_bold(wildcards):
    """First volume of a run."""
    return row(wildcards).first


def reference(wildcards):
    """First volume of the subject's first run, whose grid is the reference."""
    return runs_of(wildcards)[0].first


@functools.cache
def stored_mb(run):
    """MB of a run's volumes, unpacked, as headers say; 0 for those that a rule has yet to make."""
    if header := headers.read(run.images[0]):
        return len(run.images) * header.n_bytes / 1e6
    return 3 * sum(os.path.getsize(file) for file in run.bold if os.path.isfile(file)) / 1e6


@functools.cache
def resampled_mb(run):
    """MB of a run's scans in float32 on the grid of the reference; where headers do not tell, twice the stored."""
    first = RUNS_OF_SUBJECT[run.subject, run.task][0]
    own, target = headers.read(run.images[0]), headers.read(first.images[0])
    if not (own and target):  # images that a rule makes, or of a form that the plan does not read
        return 2 * stored_mb(run)
    n_scans = len(run.images) * own.n_values // math.prod(own.shape)
    return 4 * n_scans * math.prod(target.shape) / 1e6


def held_mb(run):
    """MB of a run that a stage may hold, as stored or resampled."""
    return max(stored_mb(run), resampled_mb(run))


def written_mb(wildcards):
    """MB on the disk that a resampled run takes."""
    return round(100 + resampled_mb(row(wildcards)))


def needs(fixed, per_gb):
    """Resource that grows with the volumes of a job's runs, and with every new attempt."""

    def amount(wildcards, attempt):
        runs = [row(wildcards)] if "run" in wildcards.keys() else runs_of(wildcards)
        return round(attempt * (fixed + per_gb * sum(map(held_mb, runs)) / 1000))

    return amount


def with_tables(fixed, **per_mb):
    """Memory that grows with the tables of a run, by their columns in the run table, and with every new attempt."""

    def amount(wildcards, attempt):
        files = {name: getattr(row(wildcards), name) for name in per_mb}
        grown = [
            per_mb[name] * os.path.getsize(file)
            for name, file in files.items()
            if file and os.path.isfile(file)
        ]
        return round(attempt * (fixed + sum(grown) / 1e6))

    return amount


def of_run(attribute):
    """Parameter function for one column of the run table."""

    def value(wildcards):
        return getattr(row(wildcards), attribute)

    return value


def events_of_run(wildcards):
    """Files that hold the events of a run: one, or one per condition; none where the model needs none."""
    return [str(file) for file in stop_on_input_error(events.files, row(wildcards).events)]


def headers_of_onsets(wildcards):
    """Headers of a run whose onsets are in scans, which the repetition time makes seconds."""
    sources = [Path(file) for file in events_of_run(wildcards)]
    in_scans = onsets.are_in_scans(sources, row(wildcards).onset_unit)
    return f"<results>/{RUN}_headers.json".format(**wildcards) if in_scans else []


def event_rules(wildcards):
    """What of a run's events counts; a run with a design of its own needs none."""
    rules = config["study"]["events"]
    return rules | {"needed": False} if row(wildcards).design else rules


def given_design(wildcards):
    """Ready-made design of a run, with what is read beside it; none where it is made from events."""
    path = row(wildcards).design
    return [path, *map(str, given_fsl.beside(Path(path)))] if path else []


@functools.cache
def t1w(run):
    """The T1w in the space of a run, where the study has one."""
    return preprocessed.t1w_of(config, run)


def background(wildcards):
    """What the maps of a subject are drawn over."""
    asked = config["figures"]["background"]
    if asked not in ("auto", "mean", "T1w"):
        return asked
    found = t1w(runs_of(wildcards)[0]) if asked != "mean" else None
    if asked == "T1w" and not found:
        name = SUBJECT_LABEL.format(**wildcards)
        raise WrongInput(
            f"config key figures.background is T1w, and {name} has no desc-preproc_T1w in the space of its runs; "
            "auto takes the mean image there"
        )
    return found or f"<results>/{SUBJECT}_desc-mean_boldref.nii.gz".format(**wildcards)


def confounds(wildcards):
    """Confounds table of a run, where the model asks for columns of it."""
    return model.confounds_of(config, row(wildcards))


def motion_table(wildcards):
    """Confounds table of a run, which tells of motion where the affines do not; none where it is not there."""
    path = row(wildcards).confounds
    return [path] if path and os.path.isfile(path) else []


def confounds_json(wildcards):
    """What fMRIPrep says of its confounds, which its strategies read."""
    if not config["design"]["fmriprep_confounds"]["strategy"] or row(wildcards).design:
        return []
    path = Path(row(wildcards).confounds).with_suffix(".json")
    return [path] if path.is_file() else []


def over_runs(pattern):
    """Input function for one file of every run of a subject."""

    def files(wildcards):
        return [pattern.format(**run.wildcards) for run in runs_of(wildcards)]

    return files


def own_mask(wildcards):
    """The user's mask, or those of the runs, where there are any."""
    if config["mask"] == "epi":
        return []
    if config["mask"] == "derivatives":
        return [run.mask for run in runs_of(wildcards)]
    return runs.with_companions(config["mask"])


def field_of_view(wildcards):
    """What every volume of a run covers, where the analysis keeps to it."""
    masked = config["resample"]["field_of_view"] == "masked"
    return f"<results>/{RUN}_desc-fov_mask.nii.gz".format(**wildcards) if masked else []


def fields_of_view(wildcards):
    """The same of each run of a subject."""
    return [file for run in runs_of(wildcards) if (file := field_of_view(run.wildcards))]


def contrast_rows(wildcards):
    """Expressions of a contrast, one per row."""
    return checks.rows_of(config["contrasts"][wildcards.contrast])


def statistic(wildcards):
    """A contrast of one expression is t, a list of them F."""
    return "t" if wildcards.contrast in T_CONTRASTS else "F"


def is_signed(wildcards):
    """Whether a contrast has a direction."""
    return statistic(wildcards) == "t"


def title(wildcards):
    """Who and what a figure shows."""
    labels = {
        "session": wildcards.get("session", SESSION).removeprefix("_ses-"),
        "task": wildcards.get("task", ""),
    }
    labels |= runs.entities_in(wildcards.get("run", ""))
    return ", ".join([f"sub-{wildcards.subject}", *(f"{e} {label}" for e, label in labels.items() if label)])


def contrast_title(wildcards):
    """Who, and which contrast."""
    names = ", ".join(contrast_rows(wildcards))
    return f"{title(wildcards)}: {names if is_signed(wildcards) else f'any of {names} (F)'}"


def columns(kind):
    """Columns of a figure in Snakemake's own report: whose it is, of which run or contrast, and its kind."""

    def labels(wildcards):
        of = {entity: wildcards.get(entity) for entity in ("subject", "session", "task", "run", "contrast")}
        if not HAS_SESSIONS:
            del of["session"]
        if of["run"] is not None:
            of["run"] = runs.run_label(runs.entities_in(of["run"])) or ""
        if of.get("session") is not None:
            of["session"] = of["session"].removeprefix("_ses-")
        cells = {entity: of[entity] or "n/a" for entity in of if of[entity] is not None}
        return cells | {"kind": kind}

    return labels


def shown(path, kind):
    """Figure that Snakemake's own report shows, with the caption of its name."""
    return report(
        path,
        caption=f"../report/{Path(path).stem.rpartition('_')[2]}.rst",
        category="Contrasts" if "{contrast}" in path else "Runs",
        subcategory="sub-{subject}",
        labels=columns(kind),
    )


def kept(path):
    """The resampled runs are temporary where the config does not keep them."""
    return path if config["resample"]["keep"] else temp(path)


def subjects():
    """One set of labels per subject and task."""
    return [{"subject": subject, "task": task} for subject, task in RUNS_OF_SUBJECT]


def z_maps(labels):
    """The z map of every contrast of a subject, below the results."""
    pattern = f"{SUBJECT}_contrast-{{contrast}}_stat-z_statmap.nii.gz"
    return [pattern.format(**labels, contrast=name) for name in config["contrasts"]]


def run_maps(wildcards):
    """Where the config asks for them: the z map of each labelled run, for the contrasts that its events allow."""
    if not config["fixed_effects"]["per_run"]:
        return []
    pattern = f"<results>/{RUN}_contrast-{{contrast}}_stat-z_statmap.nii.gz"
    labelled = [run for run in RUNS if run.is_labelled_beside(SESSION)]
    return [pattern.format(**run.wildcards, contrast=name) for run in labelled for name in testable(run)]


def testable(run):
    """Contrasts that the events of a run allow; none where the events are wrong, as their own job will tell."""
    try:
        return checks.contrasts_of(config, run)
    except InputError:
        return []


def of_contrasts(pattern):
    """Input function for one file of every contrast of a subject."""

    def files(wildcards):
        return [
            pattern.format(subject=wildcards.subject, task=wildcards.task, contrast=name)
            for name in config["contrasts"]
        ]

    return files


def of_every_map(pattern):
    """One string per subject and t contrast, subject by subject."""
    return [pattern.format(**labels, contrast=name) for labels in subjects() for name in T_CONTRASTS]


RUN_FIGURES = ["events", "design", "motion"]
CONTRAST_FIGURES = ["zmap"]
IS_REPORTED = config["report"] and config["figures"]["draw"]
if IS_REPORTED:
    RUN_FIGURES += ["carpet", "tsnr", "rsquared", "correlation", "residuals"]
    CONTRAST_FIGURES += ["thresholds", "zhistogram"]


def figures():
    """Every figure of every subject, where the config wants them."""
    if not config["figures"]["draw"]:
        return []
    per_contrast = f"<results>/{FIGURE}/{SUBJECT_LABEL}_contrast-{{contrast}}_{{kind}}.png"
    per_run = f"<results>/{FIGURE}/{RUN_LABEL}_{{kind}}.png"
    return [
        *(
            per_contrast.format(**labels, contrast=name, kind=kind)
            for labels in subjects()
            for name in config["contrasts"]
            for kind in CONTRAST_FIGURES
        ),
        *(per_run.format(**run.wildcards, kind=kind) for run in RUNS for kind in RUN_FIGURES),
    ]


def reports():
    """The page of the study and those of the subjects, where the config wants them.

    All of them, since Snakemake makes no missing file that only a finished one needs: the page of a study
    in which something failed is there before those of its subjects.
    """
    pages = [f"<results>/sub-{subject}/report.html" for subject in TASKS_OF_SUBJECT]
    return [*pages, "<results>/report.html"] if IS_REPORTED else []


def of_subject(*patterns):
    """Input function for files of a subject: of each task, and run or contrast where the pattern names one."""

    def files(wildcards):
        return [
            f"<results>/{pattern}".format(**labels)
            for task in tasks_of(wildcards)
            for pattern in patterns
            for labels in labels_in(pattern, wildcards.subject, task)
        ]

    return files


def labels_in(pattern, subject, task):
    """Labels that a pattern stands for in one task of a subject."""
    if "{run}" in pattern:
        return [run.wildcards for run in RUNS_OF_SUBJECT[subject, task]]
    contrasts = config["contrasts"] if "{contrast}" in pattern else [""]
    return [{"subject": subject, "task": task, "contrast": name} for name in contrasts]


def tasks_of(wildcards):
    """Tasks of a subject."""
    return TASKS_OF_SUBJECT.get(wildcards.subject) or not_in_the_study(f"sub-{wildcards.subject}")


def shown_tasks(wildcards):
    """What the page of a subject shows of each task: its runs by name, its contrasts with their titles."""
    return {
        task: {
            "runs": [RUN_LABEL.format(**run.wildcards) for run in RUNS_OF_SUBJECT[wildcards.subject, task]],
            "start": SUBJECT_LABEL.format(subject=wildcards.subject, task=task),
            "titles": {name: ", ".join(checks.rows_of(rows)) for name, rows in config["contrasts"].items()},
            "over_t1w": config["figures"]["background"] in ("auto", "T1w")
            and t1w(RUNS_OF_SUBJECT[wildcards.subject, task][0]) is not None,
        }
        for task in tasks_of(wildcards)
    }


def left_out_of_subject(wildcards):
    """What of a subject made no run, and why."""
    return LEFT_OUT_OF_SUBJECT.get(wildcards.subject, [])


def maps_below(folder):
    """The maps that each subject and task should have."""
    return {tuple(labels.values()): [folder / name for name in z_maps(labels)] for labels in subjects()}


def summarise(tell=True):
    """Write what became of every run, and say it in a few lines; return the rows."""
    folder, logs = (Path(workflow.pathvars.apply(f"<{name}>")) for name in ("results", "logs"))
    maps = maps_below(folder)
    session = SESSION.removeprefix("_ses-")
    rows = summary.rows(RUNS, LEFT_OUT, maps, logs, config["contrasts"], session, FOLDERS, CONFIG_FILES)
    lines = summary.write(folder / "runs.tsv", rows, LEFT_OUT)
    if tell:
        print(lines, file=sys.stderr)
    sidecars = {run.name: folder / f"{RUN}_desc-resampled_bold.json".format(**run.wildcards) for run in RUNS}
    tables.write_table(
        folder / provenance.NAME,
        provenance.COLUMNS,
        provenance.rows(RUNS, sidecars, FOLDERS, CONFIG_FILES, LEFT_OUT),
    )
    return rows


def report_failures(table):
    """Write the page of a study in which something failed, from what is there.

    It gets the oldest of times, so that report_study makes it anew when the rest is done.
    """
    from firstlevel.reporting import study_page

    page = Path(workflow.pathvars.apply("<results>/report.html"))
    entries = [entry._replace(session=SESSION) for entry in study_page.entries(table)]
    study_page.write(page, entries, list(config["contrasts"]), reasons_left_out(), SOFTWARE)
    os.utime(page, (0, 0))


def reasons_left_out():
    """Reasons to leave something out, each with how often and the first examples."""
    return [
        [
            provenance.relative(reason, FOLDERS),
            len(group),
            [Path(provenance.left_out(one.path, FOLDERS)).name for one in group[: summary.N_EXAMPLES]],
        ]
        for reason, group in runs.grouped(LEFT_OUT)
    ]


if workflow.is_main_process:
    results = Path(workflow.pathvars.apply("<results>"))
    print(summary.plan(RUNS, LEFT_OUT, maps_below(results), config["study"]), file=sys.stderr)
    for line in summary.replaced(results / "runs.tsv", RUNS, LEFT_OUT, FOLDERS):
        print(line, file=sys.stderr)


onstart:
    if not (
        results / "runs.tsv"
    ).exists():  # known to be ours from the first job on, even if a kill follows
        summarise(tell=False)


onsuccess:
    summarise()


onerror:
    states = summarise()
    if IS_REPORTED:
        report_failures(states)
