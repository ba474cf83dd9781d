"""Runs of a subject that should not be combined without being asked for: other grids or repetition times.

Judged from the header of each run's first image, before any job. Positions that differ as a head's do between
runs are what resampling is for, and are alike. Standard library.
"""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstlevel.io import headers, spm_affines
from firstlevel.io.headers import Header, Vector
from firstlevel.io.sidecars import read_json
from firstlevel.plan.runs import LeftOut, Run, nothing_missing
from firstlevel.stage import InputError

KEY = "config key study.unlike_runs"
SAME_SIZE = 0.01
"""Share by which voxel sizes may differ: headers round to single precision, writers to three digits."""
SAME_TIME, SAME_SHARE_OF_TIME = 1e-3, 1e-3
"""By how much repetition times of runs may differ: s, as header and sidecar may, or a share."""
LONGEST_TIME = 100.0
"""s; a longer repetition time is in milliseconds, which the run's own stage tells."""
FARTHEST = 0.5
"""Share of the field of view by which one run's centre may lie from another's: half is in both then."""
MOST_ZOOM = 10.0
"""Factor between voxels of two runs beyond which a unit is wrong, as the stage says that resamples them."""
OUTSIDE = 1e6
"""mm, how far from the origin no voxel of a head is: there, the affine is wrong."""
LEAST_COSINE = 0.5
"""Of two axes that run the same way, in one direction or the other."""
N_READERS, AT_A_TIME = 8, 32
"""Threads that read headers, since on a network disk each waits for its file, and files that one takes."""
ORDERS = tuple(itertools.permutations(range(3)))
"""In which axes of one image may be those of another, the same one first."""
N_SHOWN = 3


def settle(config: Mapping[str, Any], runs: Sequence[Run]) -> tuple[list[Run], list[LeftOut]]:
    """Runs that may be combined with the others of their subject and task, and those left out.

    Parameters
    ----------
    config : checked; ``study.unlike_runs`` says what becomes of runs that are unlike.

    Raises
    ------
    InputError : where it is ``ask`` and some are, with the runs by what they are.
    """
    decided = config["study"]["unlike_runs"]
    if decided == "combine" or config["study"]["source"] not in ("table", "bids"):
        return list(runs), []  # the studies that come by name have one grid
    of_subject: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        of_subject[run.subject, run.task].append(run)
    several = [group for group in of_subject.values() if len(group) > 1]
    paths = [run.images[0] for group in several for run in group]
    header_of = _headers(paths)
    unlike = {}
    for group in several:
        if _is_one(group, header_of):
            continue
        kinds = _kinds(group, [header_of[run.images[0]] for run in group])
        if len(kinds) > 1:
            unlike[group[0].subject, group[0].task] = kinds
    if unlike and decided == "ask":
        raise _asked(unlike)
    left_out: list[LeftOut] = []
    gone: set[int] = set()
    for kinds in unlike.values():
        most, *others = sorted(kinds, key=lambda kind: -len(kind.runs))
        gone |= {id(run) for kind in others for run in kind.runs}
        reason = "is unlike the runs of its subject that are analysed"
        left_out += [
            LeftOut(
                run.bold[0],
                f"{reason} ({kind.told(kinds, place=False)}; they: {most.told([])}); "
                "study.unlike_runs is leave_out",
                *(run.subject, run.session, run.task, run.within_session),
            )
            for kind in others
            for run in kind.runs
        ]
    if config["study"]["on_missing"] == "error":
        nothing_missing(left_out)
    return [run for run in runs if id(run) not in gone], left_out


def _headers(paths: Sequence[str]) -> dict[str, Header | None]:
    """Header of each image: 20 us each of a local disk, so threads get many at a time."""
    parts = [paths[start : start + AT_A_TIME] for start in range(0, len(paths), AT_A_TIME)]
    with ThreadPoolExecutor(N_READERS) as readers:
        read = itertools.chain.from_iterable(readers.map(lambda part: [*map(headers.read, part)], parts))
        return dict(zip(paths, read, strict=True))


def _is_one(group: Sequence[Run], header_of: Mapping[str, Header | None]) -> bool:
    """Whether runs have identical headers with a repetition time, as preprocessed runs mostly have."""
    first = header_of[group[0].images[0]]
    return (
        first is not None
        and first.time is not None
        and all(run.repetition_time in (None, "header") for run in group)
        and all(header_of[run.images[0]] is first for run in group)
    )


@dataclass
class Kind:
    """Runs that are alike, the header of the first, and the repetition time (s) that they share."""

    runs: list[Run]
    header: Header
    time: float | None
    has_moved: bool

    def takes(self, header: Header, time: float | None, *, has_moved: bool) -> bool:
        """Whether a run is of this kind; what is not known differs from nothing."""
        if self.time is not None and time is not None:
            apart = max(SAME_TIME, SAME_SHARE_OF_TIME * self.time) + 1e-9  # 2.001 - 2 is 0.00099999999999989
            if abs(self.time - time) > apart:
                return False
        if self.header is header or _is_wrong(self.header, header):
            return True
        return same_grid(self.header, header, anywhere=self.has_moved or has_moved)

    def told(self, kinds: Iterable[Kind], *, place: bool = True) -> str:
        """Description of the runs, with their position if nothing else distinguishes them from another kind.

        `place` is whether that is said in mm, which differ from subject to subject.
        """
        time = "" if self.time is None else f", repetition time {self.time:g} s"
        others = [kind for kind in kinds if kind is not self]
        same = any(other.header.told == self.header.told and other.time == self.time for other in others)
        where = ""
        if same and self.header.centre:
            mm = ", ".join(f"{value:.0f}" for value in self.header.centre)
            where = f", centred at ({mm}) mm" if place else ", of another region"
        return f"{self.header.told}{where}{time}"


def _is_wrong(one: Header, other: Header) -> bool:
    """Whether a header is wrong, which the run's own stage says with the remedy."""
    places = [value for header in (one, other) for value in header.centre or ()]
    sizes = zip(sorted(one.zooms), sorted(other.zooms), strict=True)
    return max(map(abs, places), default=0.0) >= OUTSIDE or any(
        max(a / b, b / a) > MOST_ZOOM for a, b in sizes
    )


def same_grid(one: Header, other: Header, *, anywhere: bool = False) -> bool:
    """Whether two images have voxels of one size, as many of them, and about the same region.

    Axes may run the other way or stand in another order: only what is covered counts.

    Parameters
    ----------
    anywhere : whether the headers do not tell where the images lie.
    """
    if anywhere or not (one.axes and other.axes and one.centre and other.centre):
        return _same_size(one, other, (0, 1, 2))
    if not any(_same_size(one, other, order) and _aligned(one.axes, other.axes, order) for order in ORDERS):
        return False
    apart = [b - a for a, b in zip(one.centre, other.centre, strict=True)]
    return all(
        abs(_dot(axis, apart)) <= FARTHEST * size * zoom
        for axis, size, zoom in zip(one.axes, one.shape, one.zooms, strict=True)
    )


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


def _aligned(axes: Sequence[Vector], others: Sequence[Vector], order: Sequence[int]) -> bool:
    return all(abs(_dot(axis, others[k])) >= LEAST_COSINE for axis, k in zip(axes, order, strict=True))


def _same_size(one: Header, other: Header, order: Sequence[int]) -> bool:
    """Whether number and size of voxels agree along axes of two images, of the second in this order."""
    return all(
        one.shape[axis] == other.shape[k]
        and abs(one.zooms[axis] - other.zooms[k]) <= SAME_SIZE * one.zooms[axis]
        for axis, k in enumerate(order)
    )


def _kinds(runs: Sequence[Run], headers: Sequence[Header | None]) -> list[Kind]:
    """Groups of like runs of a subject, in their order; without runs that cannot be read."""
    kinds: list[Kind] = []
    for run, header, time in zip(runs, headers, _times(runs, headers), strict=True):
        if header is None:
            continue
        has_moved = any(file.endswith(spm_affines.SUFFIX) for file in run.first)
        kind = next((one for one in kinds if one.takes(header, time, has_moved=has_moved)), None)
        if kind is None:
            kinds.append(Kind([run], header, time, has_moved))
        else:
            kind.runs.append(run)
            kind.time = time if kind.time is None else kind.time
    return kinds


def _times(runs: Sequence[Run], headers: Sequence[Header | None]) -> list[float | None]:
    """Repetition time of each run, s, by the source that counts; None where it is not known.

    Header and sidecar must agree, as each run's own stage sees to. So sidecars, of which a study has tens of
    thousands, are read only where they alone say it, or where headers differ and VolumeTiming may count.
    """
    times = [
        float(run.repetition_time)
        if isinstance(run.repetition_time, int | float)
        else _plausible(header.time)
        if header and run.repetition_time != "sidecar"
        else None
        for run, header in zip(runs, headers, strict=True)
    ]
    if len(set(times)) == 1 and times[0] is not None:
        return times
    return [
        time
        if isinstance(run.repetition_time, int | float) or run.repetition_time == "header"
        else _said(run.sidecars) or time
        for run, time in zip(runs, times, strict=True)
    ]


def _plausible(seconds: Any) -> float | None:
    """A repetition time, s; None if implausible, which the run's own stage reports."""
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    return float(seconds) if is_number and 0 < seconds <= LONGEST_TIME else None


def _said(sidecars: Sequence[str]) -> float | None:
    """Repetition time of the sidecars, of which the nearest comes last; VolumeTiming takes precedence."""
    fields: dict[str, Any] = {}
    for sidecar in sidecars:
        fields |= _timing(sidecar)
    starts = fields.get("VolumeTiming")
    if (
        isinstance(starts, list)
        and len(starts) > 1
        and all(isinstance(start, int | float) for start in starts)
    ):
        import statistics  # here, for few studies have such a list

        return _plausible(statistics.median(b - a for a, b in itertools.pairwise(starts)))
    return _plausible(fields.get("RepetitionTime"))


@functools.lru_cache(maxsize=1024)
def _timing(sidecar: str) -> dict[str, Any]:
    """Fields of one sidecar; nothing of one that cannot be read."""
    try:
        sidecar_fields = read_json(Path(sidecar))
    except (InputError, OSError):
        return {}
    fields = {name: sidecar_fields.get(name) for name in ("RepetitionTime", "VolumeTiming")}
    return {name: value for name, value in fields.items() if value not in (None, "", "n/a", [])}


def _asked(unlike: Mapping[tuple[str, str], Sequence[Kind]]) -> InputError:
    """Make the error that lists unlike runs, of the first subjects by name."""
    told = []
    for (subject, task), kinds in list(unlike.items())[:N_SHOWN]:
        groups = [f"{_named(kind.runs)}: {kind.told(kinds)}" for kind in kinds]
        told.append(f"sub-{subject}, task {task} ({'; '.join(groups)})")
    more = f"; and {len(unlike) - N_SHOWN} more subjects" if len(unlike) > N_SHOWN else ""
    return InputError(
        KEY,
        f"is ask, and runs that would be combined differ: {'; '.join(told)}{more}",
        expected="runs of a subject and task with the same voxels, region and repetition time",
        remedy="correct a header that is wrong, choose with study.bids.sessions, entities or exclude (or in "
        "the run table), or set leave_out, which keeps the runs that are like most others, or combine, which "
        "takes all, on the first run's grid",
    )


def _named(runs: Sequence[Run]) -> str:
    """Labels of runs within their subject."""
    names = [
        ", ".join(
            f"{entity} {label}" for entity, label in run.entities.items() if entity not in ("subject", "task")
        )
        for run in runs
    ]
    shown = [name or Path(run.images[0]).name for name, run in zip(names, runs, strict=True)]
    return " and ".join(shown[:N_SHOWN]) + (f" and {len(runs) - N_SHOWN} more" if len(runs) > N_SHOWN else "")
