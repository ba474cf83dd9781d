"""AFNI's X-matrix: rows of numbers below the attributes of a NIML header. Standard library.

Source: ``3dDeconvolve -help``, -x1D (ColumnLabels, ColumnGroups, GoodList, NRowFull, RunStart).
"""

from __future__ import annotations

import html
import math
import re
from pathlib import Path

from firstlevel.io import given, tables
from firstlevel.io.given import CENSOR, CONSTANT, DRIFT, GIVEN, Given, Part, place
from firstlevel.stage import InputError

MOST_SCANS = 1_000_000


def read(path: Path, text: str, part: Part, *, names_only: bool) -> Given:
    """One run of AFNI's X-matrix, with the censored scans restored.

    Columns of the baseline of other runs, 0 throughout this one, are left out.
    """
    header_lines = re.findall(r"""^#\s*(\w+)\s*=\s*(["'])(.*?)\2""", text, re.MULTILINE)
    attributes = {name: html.unescape(value) for name, _, value in header_lines}
    labels = [label.strip() for label in attributes["ColumnLabels"].strip(" ;").split(";")]
    try:
        starts = _listed(attributes.get("RunStart", "0")) or [0]
        good_scans = _listed(attributes["GoodList"]) if "GoodList" in attributes else None
        groups = _groups(attributes.get("ColumnGroups", ""), len(labels))
        n_full = int(attributes["NRowFull"]) if "NRowFull" in attributes else None
        if n_full is not None and n_full * len(labels) > tables.MOST_CELLS:
            raise ValueError(f"NRowFull is {n_full}")
    except ValueError as error:
        raise InputError(
            path,
            f"its header cannot be read ({error})",
            expected="the attributes that 3dDeconvolve writes",
            remedy="write it again",
        ) from None
    run = place(path, part, len(starts))
    other = re.compile(rf"Run#(?!{run + 1}(?!\d))\d+")
    if names_only:
        names = [label for label in labels if not other.match(label)]
        return Given("AFNI X-matrix", names, [], {}, [])
    lines = [
        (number, line.split())
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if wrong := next((number for number, cells in lines if len(cells) != len(labels)), None):
        raise InputError(
            path,
            f"does not have {len(labels)} values, one for each of its ColumnLabels",
            expected="AFNI's X-matrix, as 3dDeconvolve writes it",
            remedy="write it again",
            row=wrong,
        )
    n_full = len(lines) if n_full is None else n_full
    good = list(range(n_full)) if good_scans is None else good_scans
    in_order = good == sorted(set(good)) and starts == sorted(set(starts))
    if not in_order or len(good) != len(lines) or max(*good, *starts) >= n_full:
        raise InputError(
            path,
            f"has {len(lines)} rows, but its header lists {len(good)} of {n_full} scans",
            expected="as many rows as GoodList has scans",
            remedy="take 3dDeconvolve's X.nocensor.xmat.1D, which has every scan",
        )
    begin, end = starts[run], [*starts, n_full][run + 1]
    cells_of = dict(zip(good, lines, strict=True))
    rows, censored = [], []
    for scan in range(begin, end):
        if scan in cells_of:
            number, cells = cells_of[scan]
            rows.append([given.number(path, number, *pair) for pair in zip(labels, cells, strict=True)])
        else:
            rows.append([0.0] * len(labels))
            censored.append(scan - begin)
    kept = [
        k
        for k, label in enumerate(labels)
        if any(row[k] for row in rows) or (groups[k] > 0 and not other.match(label))
    ]
    spikes = [f"censor_{scan}" for scan in censored]
    rows = [
        [*(row[k] for k in kept), *(float(scan == one) for one in censored)] for scan, row in enumerate(rows)
    ]
    role_of_group = {-1: DRIFT, 0: "confound", math.inf: GIVEN}
    roles = {labels[k]: role_of_group.get(groups[k], "condition") for k in kept} | dict.fromkeys(
        spikes, CENSOR
    )
    roles |= {
        labels[k]: CONSTANT
        for place_of, k in enumerate(kept)
        if len({row[place_of] for scan, row in enumerate(rows) if scan not in censored} - {0.0}) == 1
        and all(row[place_of] for scan, row in enumerate(rows) if scan not in censored)
    }
    notes = []
    if len(starts) > 1:
        notes.append(f"rows {begin} to {end - 1} are run {run + 1} of {len(starts)}")
    if len(kept) < len(labels):
        notes.append(f"{len(labels) - len(kept)} columns, 0 at every scan of the run, are left out")
    if censored:
        told = ", ".join(map(str, censored))
        notes.append(f"scans that 3dDeconvolve censored are restored, with one regressor each: {told}")
    return Given("AFNI X-matrix", [*(labels[k] for k in kept), *spikes], rows, roles, notes)


def _groups(text: str, n_columns: int) -> list[float]:
    """Group of each column of AFNI's ``6@-1,2@1,6@0``: -1 drift, 0 other baseline, infinite if unknown."""
    groups: list[float] = []
    for one in filter(None, text.split(",")):
        count, at, group = one.strip().rpartition("@")
        times = int(count) if at else 1
        if len(groups) + times > n_columns:
            break
        groups += [float(group)] * times
    else:
        return groups if len(groups) == n_columns else [math.inf] * n_columns
    return [math.inf] * n_columns


def _listed(text: str) -> list[int]:
    """Numbers of AFNI's ``0..9,12,20..30(2)``."""
    numbers: list[int] = []
    for first, last, step in re.findall(r"(\d+)(?:\.\.(\d+))?(?:\((\d+)\))?", text):
        scans = range(int(first), int(last or first) + 1, int(step or 1))
        if len(numbers) + len(scans) > MOST_SCANS:
            raise ValueError(f"a list of more than {MOST_SCANS} scans")
        numbers += scans
    return numbers
