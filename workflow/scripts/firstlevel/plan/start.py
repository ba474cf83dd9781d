"""From the config to the plan: what every start of Snakemake does first.

Standard library and PyYAML: a cluster parses the workflow anew in every job.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from firstlevel import names
from firstlevel.plan import checks, clock, isolation, kernels, places, schema, study, trials, unlike
from firstlevel.plan.config import check_config
from firstlevel.plan.config_files import of_yaml
from firstlevel.plan.plan import Plan
from firstlevel.plan.sources import bids
from firstlevel.stage import SCRIPTS, of_the_system

SCHEMA = SCRIPTS.parent / "schemas/config.schema.yaml"
FOLDERS = ("data", "results", "logs", "benchmarks")
"""Path variables, by their names."""
FULL_COLLECTIONS = 1000
"""Python searches all objects for garbage once in so many searches of the younger ones, not once in 10.

Jobs and files of a large study stay to the end; among them there is nothing to find, at an eighth of the time
of planning. Garbage of Snakemake's is found while it is young: no more memory is taken.
"""


def environment(variables: MutableMapping[str, str]) -> str | None:
    """Make the environment of this process, and of all that it starts, that of the project.

    Returns a line to print where packages are from elsewhere.
    """
    line = isolation.isolate(variables)
    kernels.choose(variables)
    gc.set_threshold(*gc.get_threshold()[:2], FULL_COLLECTIONS)
    return line


def plan(
    config: dict[str, Any],
    folders: Mapping[str, str],
    config_files: Sequence[Path | str] = (),
    *,
    is_main: bool = True,
) -> Plan:
    """Check a config against its schema, its files and its study, fill in its defaults, and plan.

    Parameters
    ----------
    config : as it was read; defaults are filled in, in place.
    folders : paths of data, results, logs and benchmarks (:data:`FOLDERS`).
    config_files : from which the config was read.
    is_main : whether this is the start itself. The process of a job checks less.

    Raises
    ------
    InputError : a mistake of the user's.
    """
    try:
        return _plan(config, folders, config_files, is_main=is_main)
    except OSError as error:
        raise of_the_system(error) or error from None


def _plan(
    config: dict[str, Any], folders: Mapping[str, str], config_files: Sequence[Path | str], *, is_main: bool
) -> Plan:
    if is_main:
        schema.check_keys(config_files)
    check_config(config, read_schema())
    runs, left_out = study.run_table(config, folders["data"])
    # the start asks, and no job does again
    if is_main or config["study"]["unlike_runs"] == "leave_out":
        runs, others = unlike.settle(config, runs)
        left_out = [*left_out, *others]
    if is_main:
        checks.check_contrasts(config, runs)
        trials.check(config, runs)
        made = {name: places.located(folders[name], name) for name in FOLDERS[1:]}
        places.check_folder(made["results"], sorted({run.subject for run in runs}))
        for run in study.made(config, runs):
            places.check_made(Path(run.bold[0]))
        places.check_apart(made, [*config_files, *study.inputs(config, runs)])
    found_study = study.Study.of(runs, left_out, bids.session_of(config))
    return Plan(config, found_study, Path(folders["results"]), Path(folders["logs"]))


@functools.cache
def read_schema() -> Mapping[str, Any]:
    """JSON schema of the config."""
    schema_of_config: Mapping[str, Any] = of_yaml(SCHEMA.read_text(encoding="utf-8"))
    return schema_of_config


def set_clock_back(folders: Mapping[str, str]) -> str | None:
    """Reset times of our files that are in the future, before jobs start; return a line to print."""
    results, data = Path(folders["results"]), Path(folders["data"])
    ours = [results, data / "simulated", data / "spm_multimodal"]
    signs = [names.below(results, names.RUNS), Path(".snakemake/metadata")]
    if n_files := clock.set_back(ours, signs):
        return f"The clock has gone back: {n_files} files had times in the future, which are set back to now."
    return None
