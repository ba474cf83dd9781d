# What the terminal shows, where this is no module of another workflow: progress in place of Snakemake's own lines.
import sys

import psutil
from firstlevel.plan import terminal
from snakemake.logging import logger as engine_logger


def say(*lines):
    """Print for the user, once, not in every job."""
    if workflow.is_main_process:
        if PROGRESS:
            PROGRESS.clear()
        print(*filter(None, lines), sep="\n", end="\n" * any(lines), file=sys.stderr)


SHOWN = workflow.output_settings
PROGRESS = terminal.attached(
    engine_logger,
    started=psutil.Process().create_time(),
    is_wanted=workflow.is_main_process
    and workflow.modifier.is_main_snakefile()
    and not (SHOWN.verbose or SHOWN.dryrun or SHOWN.printshellcmds or SHOWN.debug_dag),
)
