"""Show all subjects of a study on one page that leads to theirs."""

from pathlib import Path

from firstlevel import stage, study_page


def report_study(
    *,
    pages: list[Path],
    page: Path,
    entries: list[list[str]],
    contrasts: list[str],
    left_out: list[list[str]],
    software: str,
) -> None:
    """Write the page of a study whose subjects are all done.

    `entries` are subject, task and number of runs; `pages` are those of the subjects, in the folders of
    their results below that of `page`.
    """
    rows = [study_page.Entry(subject, task, int(n_runs)) for subject, task, n_runs in entries]
    reasons = [(path, reason) for path, reason in left_out]
    study_page.write(page, rows, contrasts, reasons, software)


if __name__ == "__main__":
    stage.run(report_study, globals().get("snakemake"))
