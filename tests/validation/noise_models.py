"""Noise models side by side on noise of known covariance: false positives, power, z, run time.

    make validate-noise                              # all cells; resumes where it was interrupted
    python noise_models.py --quick                   # a look at the side-by-side table, in two minutes
    python noise_models.py --cells '^table' --draws 5
    python noise_models.py --forget mixture          # drops what it found, after its code has changed
    python noise_models.py --tables                  # tables and figure of the committed numbers

Every draw has a design and noise of its own, by a seed of its own. What is found is appended to
.benchmark/noise_models.jsonl, draw by draw. With --page, sums over draws go to
tests/validation/noise_models.tsv, from which the tables of docs/validation.md are made. One thread.
"""

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tests/support"), str(ROOT / "workflow/scripts")]
import noise_facts
import noise_figure
import noise_tables
import noise_tests
from noise_cells import Cell, cells, simulate

QUICK_DRAWS = 2
Key = tuple[str, str, int]
"""Cell, model, draw."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", default="", help="pattern of the names of cells")
    parser.add_argument("--models", default="", help="only these, with commas between")
    parser.add_argument("--draws", type=int, help="of each cell, in place of the cell's number")
    parser.add_argument("--quick", action="store_true", help="two draws of each cell of the table")
    parser.add_argument("--forget", default="", help="model whose numbers are dropped first")
    parser.add_argument("--facts", action="store_true", help="measure run times and real data, too")
    parser.add_argument("--tables", action="store_true", help="compute nothing")
    parser.add_argument("--found", type=Path, default=ROOT / ".benchmark/noise_models.jsonl")
    parser.add_argument("--numbers", type=Path, help="sums over draws; with --page those of the repository")
    parser.add_argument("--picture", type=Path, default=ROOT / ".benchmark/noise_models.png")
    parser.add_argument("--page", type=Path, help="write the tables into this page, between its marks")
    options = parser.parse_args()
    if options.quick:
        options.cells, options.draws = "^table", QUICK_DRAWS
        options.found, options.numbers = (
            ROOT / ".benchmark" / name for name in ("noise_quick.jsonl", "noise_quick.tsv")
        )
    if options.numbers is None:
        is_of_page = options.page or options.tables
        options.numbers = noise_tables.NUMBERS if is_of_page else ROOT / ".benchmark/noise_models.tsv"
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    if not options.tables:
        options.found.parent.mkdir(parents=True, exist_ok=True)
        if options.forget:
            forget(options.found, options.forget)
        wanted = [cell for cell in cells() if re.search(options.cells, cell.name)]
        run(wanted, options)
        noise_tables.summarise(list(cells()), read(options.found), options.numbers)
    if options.facts:
        noise_facts.measure()
    text = noise_tables.tables(noise_tables.read(options.numbers), noise_facts.read())
    print(text)
    if options.page:
        noise_tables.write_into(options.page, text)
    noise_figure.draw(noise_tables.read(options.numbers), options.picture)
    print(f"picture: {options.picture}", file=sys.stderr)


def run(wanted: list[Cell], options: argparse.Namespace) -> None:
    """Draw what is not there yet, a line of JSON for each model."""
    models = set(options.models.split(",")) if options.models else set(noise_tests.MODELS)
    there = {(found["cell"], found["model"], found["draw"]) for found in read(options.found)}
    start = time.perf_counter()
    with options.found.open("a") as out:
        for cell in wanted:
            for draw in range(options.draws or cell.draws):
                asked = [model for model in cell.models if model in models and draw < cell.draws_of(model)]
                missing = [model for model in asked if (cell.name, model, draw) not in there]
                for found in drawn(cell, draw, missing):
                    out.write(json.dumps(found) + "\n")
                out.flush()
            print(f"  {time.perf_counter() - start:5.0f} s: {cell.name}", file=sys.stderr, flush=True)


def drawn(cell: Cell, draw: int, models: list[str]) -> list[dict]:
    """What the models find in one draw."""
    if not models:
        return []
    study = simulate(cell, draw)
    error = noise_tests.known(cell, study)[1] if cell.group == "table" else None
    return [
        {"cell": cell.name, "model": model, "draw": draw, **noise_tests.judged(cell, study, model, error)}
        for model in models
    ]


def read(path: Path) -> list[dict]:
    """What was found so far; a last line that was cut off does not count."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def forget(path: Path, model: str) -> None:
    """Drop one model's lines."""
    kept = [found for found in read(path) if found["model"] != model]
    path.write_text("".join(json.dumps(found) + "\n" for found in kept))


if __name__ == "__main__":
    main()
