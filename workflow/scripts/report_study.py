"""Show all subjects of a study on one page that leads to theirs."""

from pathlib import Path
from typing import Any

from firstlevel import stage
from firstlevel.reporting import study_page


def report_study(
    *,
    pages: list[Path],
    page: Path,
    entries: list[list[Any]],
    contrasts: list[str],
    left_out: list[list[Any]],
    software: str,
) -> None:
    """Write the page of a study whose subjects are all done.

    `entries` are those of :class:`firstlevel.reporting.study_page.Entry`; `pages` are those of the subjects,
    in the folders of their results below that of `page`; `left_out` are reasons, each with how often and
    examples.
    """
    study_page.write(page, [study_page.Entry(*entry) for entry in entries], contrasts, left_out, software)


if __name__ == "__main__":
    stage.run(report_study, globals().get("snakemake"))
