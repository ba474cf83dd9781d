"""Show all subjects of a study on one page that leads to theirs."""

from pathlib import Path
from typing import Any

from firstlevel import stage
from firstlevel.reporting import study_page


def report_study(
    *,
    pages: list[Path],
    page: Path,
    entries: list[list[str]],
    contrasts: list[str],
    left_out: list[list[Any]],
    software: str,
) -> None:
    """Write the page of a study whose subjects are all done.

    `entries` are subject, task, number of runs, and the session as it stands in names; `pages` are those of
    the subjects, in the folders of their results below that of `page`; `left_out` are reasons, each with how
    often and examples.
    """
    rows = [
        study_page.Entry(subject, task, int(n_runs), session=session)
        for subject, task, n_runs, session in entries
    ]
    study_page.write(page, rows, contrasts, left_out, software)


if __name__ == "__main__":
    stage.run(report_study, globals().get("snakemake"))
