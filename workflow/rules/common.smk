# The plan, made once, and how rules ask it: by the labels in the wildcards.
import os
import sys
import tomllib
from functools import partial
from operator import attrgetter
from pathlib import Path

ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
for name, module in [*sys.modules.items()]:  # of another clone that is a module beside this one
    if name.partition(".")[0] == "firstlevel" and not module.__file__.startswith(f"{SCRIPTS}/"):
        del sys.modules[name]
sys.path.insert(0, str(SCRIPTS))

from firstlevel import names
from firstlevel.digest import code_digest
from firstlevel.plan import resources, start
from firstlevel.stage import InputError


class WrongInput(WorkflowError):
    """A user's mistake: its message says all, so Snakemake finds no lines of the rules to show below it."""

    __traceback__ = None


def without_traceback(function, *arguments, **options):
    """Result of a function; a user's mistake ends the start with its message alone."""
    try:
        return function(*arguments, **options)
    except InputError as error:
        raise WrongInput(str(error)) from None


include: "terminal.smk"


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FOLDERS = {name: workflow.pathvars.apply(f"<{name}>") for name in start.FOLDERS}
FOLDERS |= {
    name: f"{workflow.modifier.modify_path(FOLDERS[name])}" for name in start.FOLDERS[1:]
}  # a module's prefix
say(start.environment(os.environ))
PLAN = without_traceback(start.plan, config, FOLDERS, workflow.configfiles, is_main=workflow.is_main_process)
STUDY, MODEL, INPUTS = PLAN.study, PLAN.model, PLAN.inputs


wildcard_constraints:
    subject=names.LABEL,
    run=names.LABELLED,
    unit=names.LABELLED,
    contrast=names.any_of(MODEL.contrasts),


def asking(known, wildcard, question):
    """Input or parameter function: an attribute, or a function, of what a wildcard names."""
    ask = question if callable(question) else attrgetter(question)

    def answer(wildcards):
        if (label := wildcards[wildcard]) not in known:
            raise WorkflowError(f"{label} is no run or subject of this study")
        return without_traceback(ask, known[label])

    return answer


of_run = partial(asking, STUDY.by_label, "run")  # of the run of a job, such as its volumes
of_unit = partial(asking, STUDY.units, "unit")  # of the runs of a subject that are combined
of_contrast = partial(asking, MODEL.contrasts, "contrast")


def of_subject(*patterns):
    """Files of a subject: of each unit, and of each of its runs or contrasts where the pattern names one."""
    return asking(STUDY.of_subject, "subject", lambda units: PLAN.targets.of(units, *patterns))


def as_they_are(options):
    """Parameters of the user's, in whose text Snakemake would look for {wildcards} otherwise."""
    return {name: lambda wildcards, value=value: value for name, value in options.items()}


def over(pattern):
    """One file of every run, or of every contrast, of a unit, as the pattern names one or the other."""
    return of_unit(lambda unit: PLAN.targets.of([unit], pattern))


def unit_of_run(pattern):
    """A file of the unit to which the run of a job belongs."""
    return of_run(lambda run: pattern.format(**STUDY.unit_of[run.label].wildcards))


def needs(fixed, per_gb):
    """Resource that grows with the volumes of a job's runs, and with every new attempt."""

    def amount(wildcards, attempt):
        return PLAN.sizes.needed(PLAN.runs_of(wildcards), fixed, per_gb, attempt)

    return amount


def with_tables(fixed, **per_mb):
    """Memory that grows with the tables of a run, by their columns in the run table."""

    def amount(wildcards, attempt):
        return resources.of_tables(*PLAN.runs_of(wildcards), fixed, attempt, **per_mb)

    return amount


def shown(path, kind):
    """Figure that Snakemake's own report shows, with the caption of its name."""
    return report(
        path,
        caption=f"../report/{Path(path).stem.rpartition('_')[2]}.rst",
        category="Contrasts" if "{contrast}" in path else "Runs",
        subcategory="sub-{subject}",
        labels=lambda wildcards: PLAN.labels(wildcards) | {"kind": kind},
    )
