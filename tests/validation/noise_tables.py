"""Sums over draws, and the tables of docs/validation.md that are made of them."""

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from noise_cells import OF_ONE_TYPE, SIDE_BY_SIDE, TOGETHER, Cell
from noise_tests import LEVELS

NUMBERS = Path(__file__).with_suffix("").with_name("noise_models.tsv")
ALL = "all"
"""In place of a noise: the mean over those of a brain."""
BOUNDS = ((4.5, 5.5), (0.85, 1.15), (0.08, 0.12))
"""Percent at LEVELS between which the mean over noises has to be."""
OF_MIXED = ("mixture", "neighbours")
"""Models whose single noises are shown in a mixed brain."""
OF_TYPE = (4.3, 5.7)
"""Percent at .05 of one noise that has a brain of its own."""
LONG, POWER_LOST = 390, (3.0, 6.0)
"""Points of power that may be lost against the oracle from so many scans on, and with 200."""
IQR_OF_NORMAL = 1.3489795
MARKS = ("<!-- noise models: from here by `make validate-noise` -->", "<!-- noise models: to here -->")
NAMES = {
    "ols": "ols", "ar1": "ar1 (nilearn's)", "ar1_corrected": "ar1_corrected", "ar1_pooled": "ar1_pooled",
    "spm_ar1": "SPM-like AR(1)", "arma11": "AFNI-like ARMA(1,1)", "mixture": "mixture, one prior",
    "neighbours": "mixture, neighbours as prior", "oracle": "oracle",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """Rates of one test of one model in one cell.

    Attributes
    ----------
    rates, errors : percent at LEVELS, and standard errors, the larger of binomial and between draws.
    median, spread : of z, the spread as interquartile range over that of N(0, 1).
    power : percent of true effects found; NaN where there were none.
    seconds : CPU time per draw.
    tails : voxels with p up to each of TAILS.
    """

    group: str
    design: str
    variant: str
    scans: int
    model: str
    test: str
    noise: str
    draws: int
    voxels: int
    rates: tuple[float, ...]
    errors: tuple[float, ...]
    median: float
    spread: float
    power: float
    seconds: float
    tails: tuple[int, ...]


COLUMNS = ("group", "design", "variant", "scans", "model", "test", "noise", "draws", "voxels")
LATER = ("median", "spread", "power", "seconds")
RATES = tuple(f"{kind}_{level:g}" for level in LEVELS for kind in ("p", "se"))


def summarise(cells: Sequence[Cell], found: Sequence[dict], path: Path) -> None:
    """Sum up the draws of every cell, into a table of tab-separated values."""
    of_cell = defaultdict(list)
    for one in found:
        of_cell[one["cell"], one["model"]].append(one)
    with path.open("w", newline="") as out:
        writer = csv.writer(out, delimiter="\t", lineterminator="\n")
        writer.writerow([*COLUMNS, *RATES, *LATER, "tails"])
        for cell in cells:
            for model in cell.models:
                if draws := of_cell[cell.name, model]:
                    writer.writerows(summed(cell, model, draws))


def summed(cell: Cell, model: str, draws: Sequence[dict]) -> Iterator[list[str]]:
    """A row for each test of all noises together, and for t of each noise where that is shown."""
    names = [ALL, *cell.brain] if cell.group == "table" else [ALL]
    for name in names:
        of_name = [[n for n in draw["noises"] if name in (ALL, n["noise"])] for draw in draws]
        voxels = np.array([sum(n["voxels"] for n in of) for of in of_name])
        median, iqr = (np.mean([[n[key] for n in of] for of in of_name]) for key in ("median", "iqr"))
        is_powered = "found" in of_name[0][0]
        power = sum(n["found"] for of in of_name for n in of) / voxels.sum() if is_powered else np.nan
        tails = np.sum([n["tails"] for of in of_name for n in of], axis=0)
        for test in of_name[0][0]["hits"] if name == ALL else ("t",):
            hits = np.array([np.sum([n["hits"][test] for n in of], axis=0) for of in of_name])
            rates, errors = rate(hits, voxels)
            both = [f"{100 * x:.4g}" for pair in zip(rates, errors, strict=True) for x in pair]
            yield [
                *(cell.group, cell.design, cell.variant, str(cell.scans), model, test, name),
                *(str(len(draws)), str(voxels.sum()), *both, f"{median:.4f}", f"{iqr / IQR_OF_NORMAL:.4f}"),
                *(f"{100 * power:.2f}", f"{np.mean([draw['seconds'] for draw in draws]):.3f}"),
                " ".join(map(str, tails)) if (cell.group, name, test) == ("table", ALL, "t") else "",
            ]


def rate(hits: np.ndarray, voxels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of voxels over all draws (levels,), and its standard error."""
    whole = hits.sum(axis=0) / voxels.sum()
    binomial = np.sqrt(np.maximum(whole, 1 / voxels.sum()) / voxels.sum())
    if len(hits) < 2:
        return whole, binomial
    between = np.std(hits / voxels[:, np.newaxis], axis=0, ddof=1) / np.sqrt(len(hits))
    return whole, np.maximum(binomial, between)


def read(path: Path) -> list[Row]:
    """Rows of the table that :func:`summarise` writes."""
    with path.open(newline="") as lines:
        return [
            Row(
                *(line[name] for name in COLUMNS[:3]),
                int(line["scans"]),
                *(line[name] for name in COLUMNS[4:7]),
                *(int(line[name]) for name in COLUMNS[7:]),
                tuple(float(line[name]) for name in RATES[::2]),
                tuple(float(line[name]) for name in RATES[1::2]),
                *(float(line[name]) for name in LATER),
                tuple(map(int, line["tails"].split())),
            )
            for line in csv.DictReader(lines, delimiter="\t")
        ]


def tables(rows: Sequence[Row], facts: dict[str, str]) -> str:
    """The section of docs/validation.md that numbers make."""
    parts = [
        ("### What was asked for, and what was found", demands(rows)),
        ("### False positives, side by side", side_by_side(rows)),
        ("### One noise in a brain", of_types(rows)),
        ("### Runs, censored scans, smoothing, activation, masks", conditions(rows)),
        ("### Noises and repetition times that nobody had seen", unseen(rows)),
        ("### z of null data", z_of(rows)),
        ("### Power", power(rows)),
        ("### Other measurements", "\n".join(f"- {name}: {value}" for name, value in facts.items())),
    ]
    return "\n\n".join(f"{title}\n\n{text}" for title, text in parts if text)


def write_into(page: Path, text: str) -> None:
    """Put the tables between the marks of a page."""
    before, rest = page.read_text().split(MARKS[0])
    page.write_text(f"{before}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{rest.split(MARKS[1])[1]}")


def lined(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table, or nothing where there are no lines."""
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) if lines else ""


def marked(value: float, level: int, bounds: tuple[float, float]) -> str:
    """Percent, bold where it is outside of bounds."""
    text = f"{value:.{(2, 2, 3)[level]}f}"
    return text if bounds[0] <= value <= bounds[1] else f"**{text}**"


def at_levels(row: Row, bounds: Sequence[tuple[float, float]] = BOUNDS) -> str:
    return " / ".join(marked(value, level, bounds[level]) for level, value in enumerate(row.rates))


def chosen(rows: Sequence[Row], **values: object) -> list[Row]:
    """Rows of these values."""
    return [row for row in rows if all(getattr(row, name) == value for name, value in values.items())]


def demands(rows: Sequence[Row]) -> str:
    """Each tolerance for the mixture, with one prior if not said: range over its cells, what misses it."""
    ours = chosen(rows, model="mixture", noise=ALL)
    near = chosen(rows, model="neighbours", noise=ALL)
    lines = []
    for title, of in (
        ("side by side, t", chosen(ours, group="table", test="t")),
        ("side by side, F", chosen(ours, group="table", test="F")),
        ("neighbours as prior, t", chosen(near, group="table", test="t")),
        ("neighbours as prior, F", chosen(near, group="table", test="F")),
        ("two and six runs, t", chosen(ours, group="runs", test="t")),
        ("two and six runs, precision weights", chosen(ours, group="runs", test="t, precision")),
        ("10 % censored scans", chosen(ours, group="censored", test="t")),
        ("smoothed", chosen(ours, group="smoothed", test="t")),
        ("5 % active voxels", chosen(ours, group="active", test="t")),
        ("masks of 100, 1,000, 50,000", chosen(ours, group="mask", test="t")),
        (
            "unseen noises in one brain",
            chosen(ours, group="unseen noise", test="t", variant=TOGETHER),
        ),
        ("unseen repetition times", chosen(ours, group="unseen TR", test="t")),
    ):
        for level, bounds in enumerate(BOUNDS):
            found = [(named(row), row.rates[level], row.errors[level]) for row in of]
            lines.append(demand(f"{title}, {LEVELS[level]:g}", bounds, found))
    single = chosen(ours, group="one type", test="t")
    long_enough = [(named(row), row.rates[0], row.errors[0]) for row in single if row.scans >= 128]
    lines.append(demand("one noise in a brain, n from 128, 0.05", OF_TYPE, long_enough))
    strange = [row for row in chosen(ours, group="unseen noise", test="t") if row.variant != TOGETHER]
    found = [(named(row), row.rates[0], row.errors[0]) for row in strange]
    lines.append(demand("one unseen noise in a brain, 0.05", OF_TYPE, found))
    lines.extend(demands_of_power(rows))
    header = ["demand", "bounds (%)", "cells", "range (%)", "largest SE", "misses"]
    return lined(header, [line for line in lines if line])


def named(row: Row) -> str:
    return ", ".join(part for part in (row.design, row.variant) if part)


def demand(title: str, bounds: tuple[float, float], found: Sequence[tuple[str, float, float]]) -> list[str]:
    """A line of the table of demands; empty without cells."""
    if not found:
        return []
    values = [value for _, value, _ in found]
    misses = [
        f"{name}: {value:.3g}" + (f" ± {error:.2g}" if error else "")
        for name, value, error in found
        if not bounds[0] <= value <= bounds[1]
    ]
    told = f"**{len(misses)}**: {'; '.join(misses)}" if misses else "none"
    asked = f"{bounds[0]:g} to {bounds[1]:g}" if np.isfinite(bounds[0]) else f"at most {bounds[1]:g}"
    largest = max(error for _, _, error in found)
    ends = f"{min(values):.3g} to {max(values):.3g}"
    return [title, asked, str(len(found)), ends, f"{largest:.2g}" if largest else "", told]


def demands_of_power(rows: Sequence[Row]) -> Iterator[list[str]]:
    """Points lost against the oracle, with one prior and with that of neighbours."""
    ours = chosen(rows, group="table", test="t", noise=ALL)
    for model, how in (("mixture", "one prior"), ("neighbours", "neighbours as prior")):
        lost = {
            row.design: (row.scans, oracle.power - row.power)
            for row in chosen(ours, model=model)
            for oracle in chosen(ours, model="oracle", design=row.design)
        }
        for title, allowed, counts in (
            (f"n from {LONG}", POWER_LOST[0], lambda scans: scans >= LONG),
            ("n = 200", POWER_LOST[1], lambda scans: scans == 200),
        ):
            found = [(design, points, 0.0) for design, (scans, points) in lost.items() if counts(scans)]
            yield demand(f"power lost against the oracle, {how}, {title}", (-np.inf, allowed), found)


def side_by_side(rows: Sequence[Row]) -> str:
    """Percent at .05 / .01 / .001 of every model in every cell of the table, mean over noises."""
    ours = chosen(rows, group="table", test="t", noise=ALL)
    models = [model for model in SIDE_BY_SIDE if chosen(ours, model=model)]
    lines = [
        [design, *(of_first(chosen(ours, design=design, model=model), at_levels) for model in models)]
        for design in dict.fromkeys(row.design for row in ours)
    ]
    return lined(["design, scans", *(NAMES[model] for model in models)], lines)


def of_first(rows: Sequence[Row], text: Callable[[Row], str]) -> str:
    return text(rows[0]) if rows else "not run"


def of_types(rows: Sequence[Row]) -> str:
    """Smallest and largest percent at .05 over noises, in brains of one noise and in mixed brains."""
    lines = []
    single, mixed = (chosen(rows, group=group, test="t") for group in ("one type", "table"))
    for design in dict.fromkeys(row.design for row in single):
        line = [design]
        for model in OF_ONE_TYPE:
            line.append(spanned(chosen(single, design=design, model=model)))
        for model in OF_MIXED:
            of_mixed = chosen(mixed, design=design, model=model)
            line.append(spanned([row for row in of_mixed if row.noise != ALL]))
        lines.append(line)
    header = [
        "design, scans",
        *(f"{NAMES[model]}, alone" for model in OF_ONE_TYPE),
        *(f"{NAMES[model]}, seven in a brain" for model in OF_MIXED),
    ]
    return lined(header, lines)


def spanned(rows: Sequence[Row]) -> str:
    """Lowest and highest percent at .05, with the names of their noises."""
    if not rows:
        return "not run"
    by_rate = sorted(rows, key=lambda row: row.rates[0])
    ends = [
        f"{marked(row.rates[0], 0, OF_TYPE)} ({row.variant or row.noise})"
        for row in (by_rate[0], by_rate[-1])
    ]
    return " to ".join(ends)


def conditions(rows: Sequence[Row]) -> str:
    """Percent at .05 / .01 / .001 under each condition, by test."""
    groups = ("runs", "censored", "smoothed", "active", "mask")
    ours = [row for row in chosen(rows, noise=ALL) if row.group in groups]
    return by_models(ours, ["condition", "design, scans", "test"], lambda row: f"{row.group}: {row.variant}")


def unseen(rows: Sequence[Row]) -> str:
    ours = [row for row in chosen(rows, noise=ALL, test="t") if row.group in ("unseen noise", "unseen TR")]
    return by_models(ours, ["noise", "design, scans", "test"], lambda row: row.variant or "seven in a brain")


def by_models(rows: Sequence[Row], header: list[str], first: Callable[[Row], str]) -> str:
    """A line per cell and test, a column per model."""
    models = [model for model in SIDE_BY_SIDE if chosen(rows, model=model)]
    lines: dict[tuple[str, str, str], dict[str, str]] = defaultdict(dict)
    for row in rows:
        lines[first(row), row.design, row.test][row.model] = at_levels(row)
    return lined(
        [*header, *(NAMES[model] for model in models)],
        [[*key, *(of.get(model, "") for model in models)] for key, of in lines.items()],
    )


def z_of(rows: Sequence[Row]) -> str:
    """Spread of z in the middle, and how many times too often it is far out, over the cells of the table."""
    ours = chosen(rows, group="table", test="t", noise=ALL)
    lines = []
    for model in SIDE_BY_SIDE:
        if of := chosen(ours, model=model):
            spreads, medians = ([getattr(row, name) for row in of] for name in ("spread", "median"))
            tails = np.sum([row.tails for row in of], axis=0) / sum(row.voxels for row in of)
            ratios = [f"{tails[4 * k] * 10**k:.2f}" for k in range(1, 6)]
            middle = f"{min(spreads):.3f} to {max(spreads):.3f}"
            lines.append([NAMES[model], f"{max(map(abs, medians)):.3f}", middle, *ratios])
    header = ["model", "largest median", "spread (quartiles)"]
    return lined([*header, *(f"p ≤ 1e-{k}, times too often" for k in range(1, 6))], lines)


def power(rows: Sequence[Row]) -> str:
    """Percent of true effects found at p < .001."""
    ours = chosen(rows, group="table", test="t", noise=ALL)
    models = [model for model in SIDE_BY_SIDE if chosen(ours, model=model)]
    lines = [
        [
            design,
            *(of_first(chosen(ours, design=design, model=m), lambda r: f"{r.power:.1f}") for m in models),
        ]
        for design in dict.fromkeys(row.design for row in ours)
    ]
    return lined(["design, scans", *(NAMES[model] for model in models)], lines)


def plain(text: str) -> str:
    """Without marks of a miss."""
    return re.sub(r"\*\*", "", text)
