"""List which runs of a subject went into which contrast, and why others did not."""

from pathlib import Path

from firstlevel import names, stage
from firstlevel.io import table_writer
from firstlevel.io.sidecars import read_json

COLUMNS = ("run", "contrast", "estimable", "used", "reason")


def list_contrasts(*, sidecars: list[Path], table: Path, runs: list[str]) -> None:
    """Write one row per contrast and run, from the sidecars of the contrasts.

    Every run that can estimate a contrast is used for it. `runs` are the labels of the runs.
    """
    rows = []
    for path in sidecars:
        content = read_json(path)
        used = {run["Fit"] for run in content["Runs"]}
        reasons = {run["Fit"]: run["Reason"] for run in content.get("RunsLeftOut", [])}
        for run in runs:
            fit = names.last(names.FIT_JSON, run=run)
            estimable = fit not in reasons
            rows.append(
                (
                    run,
                    content["Label"],
                    str(estimable).lower(),
                    str(fit in used).lower(),
                    reasons.get(fit, "n/a"),
                )
            )
    table_writer.write_table(table, COLUMNS, rows)


if __name__ == "__main__":
    stage.run(list_contrasts, globals().get("snakemake"))
