"""FSL's ``design.mat``, a VEST file, with the titles of ``design.fsf`` beside it. Standard library."""

from __future__ import annotations

import re
from pathlib import Path

from firstlevel.io import given, tables
from firstlevel.io.given import Given
from firstlevel.stage import InputError

MOST_COLUMNS = 100_000


def beside(path: Path) -> list[Path]:
    """FSL's setup beside a design, with the titles of the columns of ``design.mat``."""
    setup = path.with_suffix(".fsf")
    return [setup] if path.suffix == ".mat" and setup.is_file() else []


def read(path: Path, text: str, *, names_only: bool) -> Given:
    """FSL's design.mat; its columns are ev1, ev2 ..., or have the titles that design.fsf gives them."""
    head, _, body = text.partition("/Matrix")
    counts = dict(re.findall(r"^[^\S\n]*/(NumWaves|NumPoints)[^\S\n]+(\d{1,9})(?!\d)", head, re.MULTILINE))
    if len(counts) < 2:
        raise InputError(
            path,
            "lacks /NumWaves or /NumPoints",
            expected="FSL's design.mat",
            remedy="write it again with feat_model or Text2Vest",
        )
    n_columns, n_rows = int(counts["NumWaves"]), int(counts["NumPoints"])
    if n_columns > MOST_COLUMNS:
        raise InputError(
            path,
            f"says that it has {n_columns} columns",
            expected=f"at most {MOST_COLUMNS}",
            remedy="correct /NumWaves, or write it again with feat_model or Text2Vest",
        )
    names, roles, notes = _titles(path, n_columns)
    notes.append("it holds no drift: FSL takes that out of the images, and none is added here")
    own = Given("FSL design.mat", names, [], roles, notes)
    if names_only:
        return own
    before = head.count("\n") + 1
    lines = [(before + k, line.split()) for k, line in enumerate(body.split("\n")) if line.strip()]
    if len(lines) != n_rows or any(len(cells) != n_columns for _, cells in lines):
        wrong = next((number for number, cells in lines if len(cells) != n_columns), None)
        raise InputError(
            path,
            f"has {len(lines)} rows below /Matrix" if wrong is None else f"does not have {n_columns} values",
            expected=f"{n_rows} rows of {n_columns} values, as its header says",
            remedy="the file is cut off or was edited: write it again",
            row=wrong,
        )
    rows = [
        [given.number(path, number, *pair) for pair in zip(names, cells, strict=True)]
        for number, cells in lines
    ]
    return own._replace(rows=rows)


def _titles(path: Path, n_columns: int) -> tuple[list[str], dict[str, str], list[str]]:
    """Names of FSL's columns, roles and notes; titles only if they match all columns."""
    numbered = [f"ev{k}" for k in range(1, n_columns + 1)]
    if not (setups := beside(path)):
        return numbered, {}, ["its columns are ev1, ev2 and so on: there is no design.fsf beside it"]
    settings = {}
    for line in tables.read_text(setups[0]).split("\n"):
        if match := re.match(r"set fmri\((\w+)\)\s", line := line.strip()):
            value = line[match.end() :].strip()
            settings[match[1]] = value.removeprefix('"').removesuffix('"')
    n_titles = int(settings["evs_orig"]) if re.fullmatch(r"\d{1,6}", settings.get("evs_orig", "")) else 0
    n_titles = n_titles if n_titles <= n_columns else 0
    names: list[str] = []
    roles: dict[str, str] = {}
    for k in range(1, n_titles + 1):
        title = settings.get(f"evtitle{k}", "").strip()
        names += [title, f"{title}_derivative"] if settings.get(f"deriv_yn{k}") == "1" else [title]
        if settings.get(f"convolve{k}", "0") != "0":  # what is not convolved may be anything
            roles |= {title: "condition", f"{title}_derivative": "derivative"}
    n_more = n_columns - len(names)
    adds = any(settings.get(key, "0") not in ("", "0") for key in ("confoundevs", "motionevs"))
    if (
        not n_titles
        or not all(names)
        or settings.get("evs_real") != str(len(names))
        or n_more < 0
        or (n_more and not adds)
    ):
        told = "the titles of the .fsf are not one for each of its {n_columns} columns"
        return numbered, {}, [f"its columns are ev1, ev2 and so on: {told}"]
    added = [f"confound_{k}" for k in range(1, n_more + 1)]
    return [*names, *added], roles | dict.fromkeys(added, "confound"), ["names are from the .fsf beside it"]
