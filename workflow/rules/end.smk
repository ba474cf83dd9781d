# How a run begins and ends, here and in a workflow that has this one as a module: times of files, tables, last lines.
import atexit
import contextlib

ENDED = []


def begin():
    """What must hold before the first job."""
    say(start.set_clock_back(FOLDERS))
    if (
        workflow.local_exec
    ):  # each start of jobs leaves a timer that wakes the scheduler every second until the end
        workflow.scheduler.job_rate_limiter = None
    if not names.below(PLAN.results, names.RUNS).exists():  # known to be ours, even if a kill follows
        PLAN.record(ended_well=False)


def end(*, ended_well):
    """Write the status of every run, and say how the run ended, once."""
    if not ENDED:
        ENDED.append(True)
        lines, states = PLAN.record(ended_well=ended_well)
        say(lines)
        if not ended_well and "report" in PLAN.outputs:
            PLAN.report_failures(states, SOFTWARE)
        say(*last_lines())


def own_jobs(jobs):
    """Those of this workflow's rules; an importer has others beside them."""
    return [job for job in jobs if job.rule.module_globals is globals()]


def last_lines():
    """What was reused, how long the run took, and where the report is."""
    if not PROGRESS:
        return []
    planned = own_jobs(workflow.dag.jobs)
    needed = own_jobs(workflow.dag.needrun_jobs(exclude_finished=False))
    page = names.below(PLAN.results, names.STUDY_PAGE)
    is_about_it = any(f"{page}" in job.output for job in planned) and page.exists()
    return PROGRESS.closing(
        page=page if is_about_it else None,
        n_needed=len(needed),
        n_done=sum(map(workflow.dag.finished, needed)),
        n_reused=len(planned) - len(needed),
        logs=workflow.logger_manager.get_logfile(),
        folder=FOLDERS["logs"],
    )


def end_as_module(folder):
    """Record what a workflow made that has this one as a module, and whose handlers Snakemake calls alone."""
    if workflow.dag is None or workflow.scheduler is None or workflow.dryrun:
        return
    needed = own_jobs(workflow.dag.needrun_jobs(exclude_finished=False))
    if needed:
        with contextlib.chdir(folder):
            end(ended_well=all(map(workflow.dag.finished, needed)))


if workflow.is_main_process and not workflow.modifier.is_main_snakefile():
    atexit.register(end_as_module, os.getcwd())
if PROGRESS:
    PROGRESS.if_nothing_is_to_be_done = last_lines
