"""Times of the volumes of a run, from the config, the header of a 4D image, or the sidecars of a BIDS study.

Knows no image and no design. Source: BIDS specification 1.10, timing parameters of task imaging data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from firstlevel.arrays import FloatArray
from firstlevel.io.run_headers import RunHeaders
from firstlevel.io.sidecars import read_json
from firstlevel.stage import InputError

RepetitionTime = float | Literal["header", "sidecar"] | None
"""Seconds, who is to say them, or None where header, sidecars and study must agree."""
FIELDS = (
    "RepetitionTime",
    "VolumeTiming",
    "StartTime",
    "SliceTimingCorrected",
    "SliceTiming",
    "DelayTime",
    "FrameAcquisitionDuration",
    "AcquisitionDuration",
)
NOT_SAID: tuple[Any, ...] = (None, "", "n/a", [])
"""Values of a field that say nothing: what is said farther away holds."""
SAME_TIME = 1e-3
"""Repetition times, and times of slices, that differ by no more seconds are the same."""
LONGEST_TIME = 100.0
"""s; a longer repetition time is taken for one in milliseconds, as by the schema."""
SAME_SHARE = 0.01
"""Share of a repetition time up to which steps are equal, and times agree."""


class Field(NamedTuple):
    """Value of a field, and the sidecar that it is from."""

    value: Any
    file: Path


Fields = Mapping[str, Field]


@dataclass(frozen=True)
class VolumeTimes:
    """When the volumes of a run begin.

    Attributes
    ----------
    starts : (n,), s, from the first volume on, or as VolumeTiming gives them.
    repetition_time : s between two volumes; the median where steps differ.
    equal : whether all steps are the median within 1 %.
    warnings : sentences on what was decided against another source.
    source : who says so: study, header, sidecar or VolumeTiming.
    """

    starts: FloatArray
    repetition_time: float
    equal: bool
    warnings: tuple[str, ...]
    source: str

    @classmethod
    def of_headers(cls, headers: RunHeaders) -> VolumeTimes:
        """Return them as ``read_headers`` has resolved them."""
        return cls(
            headers.starts,
            headers.repetition_time,
            headers.equal_steps,
            headers.warnings,
            headers.repetition_time_source,
        )

    @property
    def room(self) -> float:
        """Seconds that the acquisition of a volume can take at most."""
        return self.repetition_time if self.equal else float(np.diff(self.starts).min())


def read_fields(sidecars: Iterable[Path]) -> dict[str, Field]:
    """Timing fields of a run's sidecars by name; the nearest sidecar, which comes last, takes precedence."""
    fields: dict[str, Field] = {}
    for path in sidecars:
        content = read_json(path)
        fields |= {name: Field(content[name], path) for name in FIELDS if content.get(name) not in NOT_SAID}
    return fields


def fields_of(headers: RunHeaders, sidecars: Sequence[Path]) -> dict[str, Field]:
    """Timing fields that ``read_headers`` has found in the run's sidecars, which messages name."""
    return {name: Field(value, sidecars[at]) for name, (value, at) in headers.fields.items()}


def volume_times(
    bold: Path,
    n_scans: int,
    header: float | None,
    fields: Fields,
    configured: RepetitionTime = None,
    decides: bool = False,
) -> VolumeTimes:
    """Return when volumes begin, as configured, as the header of a 4D image and as its sidecars say.

    All that say a repetition time must agree within 1 ms; the name of one of them as `configured` lets it
    decide, and so does `decides` for a number. VolumeTiming counts before a header and RepetitionTime.

    Raises
    ------
    InputError : nothing gives the time, two differ, the one that counts is no time, or VolumeTiming has
        another length than the run or does not increase.
    """
    number = float(configured) if isinstance(configured, int | float) else None
    if (number is not None and decides) or configured == "header":
        who, seconds = ("the study", number) if configured != "header" else ("the header", header)
        return _even(bold, n_scans, who, seconds, _overruled(who, seconds, header, fields))
    if "VolumeTiming" in fields:
        return _by_volume_timing(bold, n_scans, header, fields, number)
    of_sidecar = _repetition_time(fields) if "RepetitionTime" in fields else None
    if configured == "sidecar":
        warnings = _overruled("the sidecar", of_sidecar, header, {})
        return _even(bold, n_scans, "the sidecar", of_sidecar, warnings)
    time_of = {"the study": number, "the sidecar": of_sidecar, "the header": header}
    times = [(who, time) for who, time in time_of.items() if time is not None]
    if not times:
        return _even(bold, n_scans, "", None, ())
    (first, seconds), *others = times
    for who, other in others:
        if not _same(other, seconds):
            raise InputError(
                bold,
                f"{who} says a repetition time of {other:g} s, but {first} {seconds:g} s",
                expected="the same time in both, in seconds",
                remedy="correct one, or choose the right one with study.repetition_time: header or sidecar"
                if first == "the sidecar"
                else f"correct study.repetition_time (or the run table), or {who}; where the study is right, "
                "set study.repetition_time_decides: true",
            )
    return _even(bold, n_scans, first, seconds, ())


def _even(
    bold: Path, n_scans: int, who: str, seconds: float | None, warnings: tuple[str, ...]
) -> VolumeTimes:
    """Volumes one repetition time apart."""
    if seconds is None:
        raise InputError(
            bold,
            f"{who} does not give the repetition time"
            if who
            else "neither the header nor the study gives the repetition time",
            expected="seconds between two scans",
            remedy="set study.repetition_time in the config, or the column repetition_time of the run table",
        )
    if seconds > LONGEST_TIME:
        raise InputError(
            bold,
            f"{who} says a repetition time of {seconds:g} s",
            expected=f"seconds, at most {LONGEST_TIME:g}",
            remedy="if these are milliseconds, correct them, or choose the source with study.repetition_time",
        )
    starts = seconds * np.arange(n_scans, dtype=np.float64)
    return VolumeTimes(starts, seconds, True, warnings, who.removeprefix("the "))


def _overruled(who: str, seconds: float | None, header: float | None, fields: Fields) -> tuple[str, ...]:
    """Warnings about sources that differ from the one that was chosen."""
    if seconds is None:
        return ()
    others = []
    if who != "the header" and header is not None and not _same(header, seconds):
        others.append(f"the header's {header:g} s")
    if "VolumeTiming" in fields:
        others.append("VolumeTiming of the sidecar")
    elif "RepetitionTime" in fields:
        other = fields["RepetitionTime"].value
        if not (is_number(other) and _same(other, seconds)):
            others.append(f"the sidecar's {other!r:.40} s")
    if not others:
        return ()
    decided = "study.repetition_time_decides" if who == "the study" else "study.repetition_time"
    return (f"the repetition time is {who}'s {seconds:g} s ({decided}), not {' nor '.join(others)}",)


def _by_volume_timing(
    bold: Path, n_scans: int, header: float | None, fields: Fields, configured: float | None
) -> VolumeTimes:
    """Volumes at the times that VolumeTiming gives."""
    given, file = fields["VolumeTiming"]
    if not is_list_of_numbers(given):
        remedy = "correct it, or set study.repetition_time: header"
        raise wrong("VolumeTiming", fields, "one finite number of seconds per volume", remedy)
    if len(given) != n_scans:
        raise InputError(
            file,
            f"VolumeTiming has {len(given)} times, and the run {n_scans} volumes ({bold.name})",
            expected="one time per volume",
            remedy="correct it, or restore the volumes; study.repetition_time: header leaves it out",
        )
    starts = np.array(given, dtype=np.float64)
    steps = np.diff(starts)
    if not (steps > 0).all():
        number = int(np.argmax(steps <= 0))
        raise InputError(
            file,
            f"VolumeTiming does not increase: {starts[number]:g} s is followed by {starts[number + 1]:g} s",
            expected="the times of the volumes in order",
            remedy="correct it",
        )
    seconds = float(np.median(steps))
    if seconds > LONGEST_TIME:
        raise InputError(
            file,
            f"VolumeTiming has volumes {seconds:g} s apart",
            expected=f"seconds, at most {LONGEST_TIME:g} apart",
            remedy="if these are milliseconds, divide them by 1000",
        )
    if configured is not None and not _same(configured, seconds):
        raise InputError(
            file,
            f"VolumeTiming has volumes {seconds:g} s apart, the study says a repetition time of "
            f"{configured:g} s",
            expected="the same time in both, in seconds",
            remedy="leave study.repetition_time out; where it is right, set "
            "study.repetition_time_decides: true",
        )
    equal = bool((abs(steps - seconds) <= SAME_SHARE * seconds).all())
    others = []
    if header is not None and not _same(header, seconds):
        others.append(f"the header's repetition time of {header:g} s")
    if "RepetitionTime" in fields:
        other = fields["RepetitionTime"].value
        if not (is_number(other) and _same(other, seconds)):
            others.append(f"RepetitionTime of {other!r:.40} s")
    warnings = []
    if others:
        apart = f"{seconds:g} s apart{'' if equal else ' in the median'}"
        warnings.append(f"volumes are at the times of VolumeTiming, {apart}, not at {' nor '.join(others)}")
    return VolumeTimes(starts, seconds, equal, tuple(warnings), "VolumeTiming")


def _repetition_time(fields: Fields) -> float:
    seconds = fields["RepetitionTime"].value
    if not (is_number(seconds) and 0 < seconds <= LONGEST_TIME):
        expected = f"a number of seconds, above 0 and at most {LONGEST_TIME:g}"
        raise wrong("RepetitionTime", fields, expected, "correct it, or set study.repetition_time: header")
    return float(seconds)


def wrong(
    name: str, fields: Fields, expected: str, remedy: str = "correct it (in seconds), or take it out"
) -> InputError:
    """Make the error for a field with a wrong value."""
    value, file = fields[name]
    shown = f"is {value!r:.40}"
    if name == "SliceTiming" and is_list_of_numbers(value):
        shown = f"goes from {min(value):g} to {max(value):g}"
    return InputError(file, f"{name} {shown}", expected=expected, remedy=remedy)


def _same(one: float, other: float) -> bool:
    return abs(one - other) <= SAME_TIME


def is_number(value: Any) -> bool:
    """Whether a value of a sidecar is a finite number, which truth values are not."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return bool(np.isfinite(float(value)))
    except OverflowError:  # JSON holds integers of any size
        return False


def is_list_of_numbers(value: Any) -> bool:
    """Whether a value of a sidecar is a list of finite numbers, one at least."""
    return isinstance(value, list) and bool(value) and all(map(is_number, value))
