"""At which moment of each volume the model of a run is sampled.

BIDS sidecars tell it by StartTime, or how long the acquisition of a volume takes; else the config does.

Sources: BIDS specification 1.10, timing parameters of task imaging data; fMRIPrep, which writes as StartTime
the moment that it corrects slices to, and infers the acquisition from SliceTiming as it is done here.
"""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from firstlevel.arrays import FloatArray
from firstlevel.io.repetition import (
    LONGEST_TIME,
    SAME_SHARE,
    SAME_TIME,
    Fields,
    VolumeTimes,
    is_list_of_numbers,
    is_number,
    wrong,
)
from firstlevel.stage import InputError

SliceTimeReference = float | Literal["auto"]
"""Fraction of the acquisition of a volume, or auto for what the sidecars say."""
MIDDLE = 0.5
WHOLE_RUN = (0.9, 1.5)
"""AcquisitionDuration that is the whole run's, as converters write it, in lengths of the run: volumes may
have been left out, reference scans added."""
OTHER_SLICES = 0.1
"""Share of the time between volumes by which the acquisition may differ from what its slices take."""


@dataclass(frozen=True)
class Acquisition:
    """How long the slices of a volume take.

    Attributes
    ----------
    seconds : at most the time between two volumes.
    source : the field that says so; empty where it is all of this time.
    notes : what else is to be said of it.
    warnings : sentences on fields that contradict it.
    """

    seconds: float
    source: str = ""
    notes: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def named(self) -> str:
        """The length with its origin, as a part of a sentence."""
        notes = f" ({self.notes})" if self.notes else ""
        if self.source:
            return f"acquisition of {self.seconds:g} s ({self.source})" + notes
        return f"{self.seconds:g} s between two volumes" + notes


@dataclass(frozen=True)
class ScanTimes:
    """When the model of a run is sampled.

    Attributes
    ----------
    times : (n,), s, one moment of each volume.
    volumes : when the volumes begin.
    start_time : s from the beginning of a volume to its moment, as StartTime of BIDS.
    slice_time_ref : the moment as a fraction: of the acquisition, or as StartTime over the repetition time.
    acquisition : s that the slices of a volume take.
    source : where the moment is from.
    warnings : sentences on what contradicts it, those on the volumes included.
    """

    times: FloatArray
    volumes: VolumeTimes
    start_time: float
    slice_time_ref: float
    acquisition: float
    source: str
    warnings: tuple[str, ...]

    @property
    def repetition_time(self) -> float:
        """Seconds between two volumes; the median where steps differ."""
        return self.volumes.repetition_time

    @property
    def equal(self) -> bool:
        """Whether all steps between volumes are the same within 1 %."""
        return self.volumes.equal

    @property
    def end(self) -> float:
        """When the acquisition of the last volume ends, s."""
        return float(self.volumes.starts[-1]) + self.acquisition

    def scan_of(self, onset: float) -> int:
        """Return the volume that an event at `onset` (s) begins in, -1 before the first, n after the end."""
        if onset >= self.end:
            return len(self.times)
        return int(np.searchsorted(self.volumes.starts, onset, side="right")) - 1

    def tell(self, bold: Path) -> None:
        """Log what was decided for a run, and what contradicts it."""
        moment = f"scans are sampled {self.start_time:g} s after a volume begins ({self.source})"
        logging.info("%s: %s", bold, moment)
        for warning in self.warnings:
            logging.warning("%s: %s", bold, warning)

    def described(self) -> dict[str, Any]:
        """Return the fields of a design's sidecar."""
        content: dict[str, Any] = {
            "FrameTimes": self.times.tolist(),
            "RepetitionTime": self.repetition_time,
            "EqualSteps": self.equal,
            "StartTime": self.start_time,
            "SliceTimeReference": self.slice_time_ref,
            "SliceTimeSource": self.source,
        }
        if self.acquisition != self.repetition_time:
            content["AcquisitionDuration"] = self.acquisition
        return content


def scan_times(volumes: VolumeTimes, fields: Fields, slice_time_ref: SliceTimeReference) -> ScanTimes:
    """Return the moments at which the model of a run is sampled.

    A number as `slice_time_ref` is the fraction of the acquisition; auto is StartTime where a sidecar has it,
    and the middle of the acquisition where none has: slices are then taken over the whole of it, and the
    middle halves the largest error.

    Raises
    ------
    InputError : a field that the moment follows from is no such time.
    """
    period = volumes.repetition_time
    by_field = slice_time_ref == "auto" and "StartTime" in fields
    try:
        acquisition = _acquisition(volumes, fields)
    except InputError:
        if not by_field and slice_time_ref != 0:
            raise
        acquisition = Acquisition(volumes.room)  # only the end of the run follows from it
    warnings: list[str] = []
    if by_field:
        start, source = _start_time(fields, period), "StartTime of the sidecar"
        reference = start / period
        if not -SAME_TIME <= start <= period + SAME_TIME:
            warnings.append(f"StartTime is {start:g} s, outside of the {period:g} s of a volume")
    else:
        reference = MIDDLE if slice_time_ref == "auto" else float(slice_time_ref)
        start, warnings = reference * acquisition.seconds, list(acquisition.warnings)
        if slice_time_ref == "auto":
            source = f"the middle of the {acquisition.named}, {_why_the_middle(fields)}"
        else:
            source = f"slice_time_ref: {reference:g}"
            if reference or acquisition.source:
                source += f" of the {acquisition.named}"
            warnings += _contradicted(start, fields, period)
    return ScanTimes(
        times=volumes.starts + start,
        volumes=volumes,
        start_time=start,
        slice_time_ref=reference,
        acquisition=acquisition.seconds,
        source=source,
        warnings=(*volumes.warnings, *warnings),
    )


def _why_the_middle(fields: Fields) -> str:
    corrected = fields.get("SliceTimingCorrected")
    if corrected is not None and corrected.value is True:
        return "to which older fMRIPrep corrects: SliceTimingCorrected is true, and no StartTime is given"
    return "since slices are taken over the whole of it, and no StartTime is given"


def _start_time(fields: Fields, period: float) -> float:
    start = fields["StartTime"].value
    # what is far from its volume in seconds, and within it in milliseconds, is in milliseconds
    if not is_number(start) or (abs(start) > LONGEST_TIME and abs(start) / 1000 <= period):
        expected = f"seconds from the beginning of a volume, with {period:g} s to the next one"
        raise wrong("StartTime", fields, expected, "correct it, or set design.slice_time_ref to a number")
    return float(start)


def _contradicted(start: float, fields: Fields, period: float) -> list[str]:
    """Sentence on a StartTime that is not the moment that the config asks for."""
    if "StartTime" not in fields:
        return []
    said = fields["StartTime"].value
    if not is_number(said):
        return [f"StartTime of the sidecar is {said!r:.40}, and not used"]
    if abs(said - start) <= SAME_SHARE * period:
        return []
    return [
        f"design.slice_time_ref puts scans {start:g} s after the start of each volume, StartTime of the "
        f"sidecar {said:g} s: slice_time_ref: auto takes the sidecar's"
    ]


def _acquisition(volumes: VolumeTimes, fields: Fields) -> Acquisition:
    """How long the slices of a volume take: as the first of four fields says, else up to the next volume."""
    room, notes, warnings = volumes.room, "", []
    found: Acquisition | None = None
    for name in ("FrameAcquisitionDuration", "AcquisitionDuration"):
        if name not in fields or found:
            continue
        said = fields[name].value
        if is_number(said) and 0 < said <= (1 + SAME_SHARE) * room:
            found = Acquisition(min(float(said), room), name)
        elif name == "AcquisitionDuration" and is_number(said) and _is_of_the_run(said, volumes):
            notes = f"AcquisitionDuration, {said:g} s, is that of the whole run"
        else:
            raise wrong(name, fields, f"seconds that a volume takes, above 0 and at most {room:g}")
    if "DelayTime" in fields and not found:
        said = fields["DelayTime"].value
        if not volumes.equal:
            warnings.append("DelayTime is not used: VolumeTiming has unequal steps")
        elif is_number(said) and 0 <= said < room:
            found = Acquisition(room - said, "the repetition time less DelayTime")
        else:
            raise wrong("DelayTime", fields, f"seconds, 0 or more and less than the {room:g} between volumes")
    if found is None:
        found = (_by_slices(fields, room) if "SliceTiming" in fields else None) or Acquisition(room)
    elif "SliceTiming" in fields:
        warnings += _other_slices(found, fields, room)
    return dataclasses.replace(found, notes=notes, warnings=tuple(warnings))


def _by_slices(fields: Fields, room: float) -> Acquisition | None:
    """From the first slice to the end of the last, where a pause follows; else up to the next volume.

    None where all slices are taken at once, which says nothing.
    """
    times, slack = fields["SliceTiming"].value, SAME_SHARE * room
    if not (is_list_of_numbers(times) and min(times) >= -slack and max(times) <= room + slack):
        raise wrong("SliceTiming", fields, f"seconds from 0 to the {room:g} between two volumes")
    steps = np.diff(np.unique(np.array(times, dtype=np.float64)))
    steps = steps[steps > SAME_TIME]
    if not len(steps):
        return None
    step = float(np.median(steps))
    taken = max(times) - min(times) + step
    pause = room - taken >= step - SAME_TIME  # one in which another slice would have its place
    return Acquisition(float(taken), "SliceTiming") if pause else Acquisition(room)


def _other_slices(found: Acquisition, fields: Fields, room: float) -> list[str]:
    """Sentence on a SliceTiming that does not fit the acquisition that another field gives."""
    try:
        by_slices = _by_slices(fields, room)
    except InputError:
        return ["SliceTiming is not used: its times are not between two volumes"]
    if by_slices is None or abs(by_slices.seconds - found.seconds) <= OTHER_SLICES * room:
        return []
    return [f"SliceTiming says {by_slices.seconds:g} s, which is not the {found.named}"]


def _is_of_the_run(seconds: float, volumes: VolumeTimes) -> bool:
    """Whether a duration that is longer than a volume's is that of the whole run."""
    run = len(volumes.starts) * volumes.repetition_time
    return WHOLE_RUN[0] * run <= seconds <= WHOLE_RUN[1] * run
