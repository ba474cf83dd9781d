"""When volumes begin and at which moment of them the model is sampled, against runs of known truth."""

import itertools
import json
import logging
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.special import gammainc
from with_headers import make_design_matrix, resample_run, write_run_events

from firstlevel.glm import timing
from firstlevel.io import cells, event_table, header_time, repetition, table_writer
from firstlevel.io.sidecars import read_json
from firstlevel.stage import InputError

BOLD = Path("bold.nii.gz")
EXACT = 1e-12
"""Seconds; sums and products of a few numbers of double precision."""


def said(**fields):
    """Fields of one sidecar."""
    return {name: repetition.Field(value, Path("bold.json")) for name, value in fields.items()}


def moments(reference="auto", n_scans=5, header=None, configured=None, decides=False, **fields):
    volumes = repetition.volume_times(BOLD, n_scans, header, said(**fields), configured, decides)
    return timing.scan_times(volumes, said(**fields), reference)


def sidecars(folder, *contents):
    paths = [folder / f"{n}.json" for n in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_text(json.dumps(content))
    return paths


def test_nearest_sidecar_says_each_field(tmp_path):
    """Of each field the last file that has it counts; what says nothing hides nothing."""
    raw = {"RepetitionTime": 3, "SliceTiming": [0, 1, 2], "TaskName": "faces", "StartTime": 9}
    derived = {"RepetitionTime": 2.5, "SliceTiming": None, "DelayTime": "n/a", "StartTime": 1.25}
    fields = repetition.read_fields(sidecars(tmp_path, raw, derived, {"AcquisitionDuration": []}))
    assert {name: field.value for name, field in fields.items()} == {
        "RepetitionTime": 2.5, "SliceTiming": [0, 1, 2], "StartTime": 1.25,
    }  # fmt: skip
    assert fields["SliceTiming"].file == tmp_path / "0.json"
    assert repetition.read_fields([]) == {}


def test_header_sidecar_and_study_must_agree_within_a_millisecond():
    """One is enough, the first of study, sidecar and header counts, and a difference names both."""
    assert moments(header=2.0).repetition_time == 2.0
    assert moments(RepetitionTime=2.0005, header=2.0).repetition_time == 2.0005
    assert moments(configured=2.0004, header=2.0).repetition_time == 2.0004
    assert moments(configured=1.7).repetition_time == 1.7
    with pytest.raises(InputError, match=r"the header says a repetition time of 2 s, but the sidecar 2\.5 s"):
        moments(RepetitionTime=2.5, header=2.0)
    with pytest.raises(InputError, match="header says a repetition time of 2 s, but the study 2000 s"):
        moments(configured=2000, header=2.0)
    with pytest.raises(
        InputError, match=r"sidecar says .* 2 s, but the study 3 s[^$]*repetition_time_decides: true"
    ):
        moments(configured=3, RepetitionTime=2.0)
    with pytest.raises(InputError, match="neither the header nor the study gives the repetition time"):
        moments()
    with pytest.raises(InputError, match="the header says a repetition time of 2000 s"):
        moments(header=2000.0)


def test_what_is_named_decides_and_says_what_it_overrules():
    """One of two by its name, a number by repetition_time_decides; wrong fields elsewhere do not matter."""
    by_header = moments(configured="header", header=2.0, RepetitionTime="abc")
    assert by_header.repetition_time == 2.0
    assert by_header.warnings == (
        "the repetition time is the header's 2 s (study.repetition_time), not the sidecar's 'abc' s",
    )
    by_sidecar = moments(configured="sidecar", header=2.0, RepetitionTime=2.5)
    assert by_sidecar.repetition_time == 2.5
    assert "not the header's 2 s" in by_sidecar.warnings[0]
    for who in ("header", "sidecar"):
        with pytest.raises(InputError, match=f"the {who} does not give the repetition time"):
            moments(configured=who)
    by_study = moments(configured=3, decides=True, header=1.0, VolumeTiming=[0, 1, 2, 4, 5])
    np.testing.assert_array_equal(by_study.volumes.starts, [0, 3, 6, 9, 12])
    assert by_study.warnings == (
        "the repetition time is the study's 3 s (study.repetition_time_decides), "
        "not the header's 1 s nor VolumeTiming of the sidecar",
    )
    assert moments(configured=2, decides=True, header=2.0, RepetitionTime=2).warnings == ()


SPARSE = {"RepetitionTime": 10.0, "SliceTiming": [1.75, 0, 0.5, 1.25, 0.25, 1, 0.75, 1.5]}
WHOLE = {"RepetitionTime": 2.0, "AcquisitionDuration": 11.3}
"""Five volumes take 10 s; converters write how long the whole run took."""


@pytest.mark.parametrize(
    ("reference", "fields", "start_time", "acquisition"),
    [
        ("auto", {"RepetitionTime": 3.0, "StartTime": 1.5}, 1.5, 3.0),
        ("auto", {"RepetitionTime": 3.0, "StartTime": 0}, 0.0, 3.0),
        ("auto", {"RepetitionTime": 3.0, "StartTime": 1.2, "SliceTimingCorrected": True}, 1.2, 3.0),
        ("auto", {"RepetitionTime": 3.0, "SliceTimingCorrected": True}, 1.5, 3.0),
        ("auto", {"RepetitionTime": 3.0, "SliceTimingCorrected": False}, 1.5, 3.0),
        ("auto", {"RepetitionTime": 3.0, "SliceTiming": [0, 1, 2]}, 1.5, 3.0),
        ("auto", {"RepetitionTime": 3.0, "SliceTiming": [0, 0, 0]}, 1.5, 3.0),
        ("auto", {"RepetitionTime": 10.0, "DelayTime": 8.0}, 1.0, 2.0),
        ("auto", {"RepetitionTime": 10.0, "DelayTime": 0}, 5.0, 10.0),
        ("auto", {"RepetitionTime": 10.0, "AcquisitionDuration": 2}, 1.0, 2.0),
        ("auto", {"RepetitionTime": 10.0, "FrameAcquisitionDuration": 3.0, "DelayTime": 8}, 1.5, 3.0),
        ("auto", SPARSE, 1.0, 2.0),
        ("auto", SPARSE | {"DelayTime": 8}, 1.0, 2.0),
        (0.0, SPARSE, 0.0, 2.0),
        (0.25, SPARSE, 0.5, 2.0),
        (1, SPARSE, 2.0, 2.0),
        (0.5, {"RepetitionTime": 3.0}, 1.5, 3.0),
        ("auto", WHOLE, 1.0, 2.0),
        ("auto", WHOLE | {"DelayTime": 0.5}, 0.75, 1.5),
        ("auto", {"RepetitionTime": 2.0, "AcquisitionDuration": 2.01}, 1.0, 2.0),
    ],
)  # fmt: skip
def test_moment_follows_from_the_sidecar(reference, fields, start_time, acquisition):
    """Seconds after the start of a volume, and how long its slices take, by the definitions of BIDS."""
    scans = moments(reference, **fields)
    period = fields["RepetitionTime"]
    assert scans.start_time == pytest.approx(start_time, abs=EXACT)
    assert scans.acquisition == pytest.approx(acquisition, abs=EXACT)
    np.testing.assert_allclose(scans.times, period * np.arange(5) + start_time, rtol=0, atol=EXACT)
    assert scans.end == pytest.approx(4 * period + acquisition, abs=EXACT)
    assert scans.warnings == ()


def test_pause_after_the_slices_is_one_in_which_a_slice_would_have_its_place():
    """Multiband times are shared and rounded; without a pause the acquisition is the repetition time."""
    bands = [0.0, 0.0875, 0.175, 0.2625, 0.35, 0.4375, 0.525, 0.6125, 0.7] * 8
    assert moments(RepetitionTime=0.8, SliceTiming=bands).acquisition == 0.8
    assert moments(RepetitionTime=0.9, SliceTiming=bands).acquisition == pytest.approx(0.7875, abs=EXACT)
    rounded = [round(time + noise, 4) for time, noise in zip(bands, itertools.cycle((0, 2e-4)))]
    # rounding moves the first and the last slice by 0.2 ms at most
    assert moments(RepetitionTime=0.9, SliceTiming=rounded).acquisition == pytest.approx(0.7875, abs=5e-4)


def test_source_is_a_sentence_that_says_where_the_moment_is_from():
    """Each way to the moment has its own words, which the sidecar and the methods repeat."""
    assert moments(RepetitionTime=3, StartTime=1.5).source == "StartTime of the sidecar"
    assert "SliceTimingCorrected is true" in moments(RepetitionTime=3, SliceTimingCorrected=True).source
    assert "no StartTime is given" in moments(RepetitionTime=3).source
    assert moments(0.5, RepetitionTime=10, DelayTime=8).source == (
        "slice_time_ref: 0.5 of the acquisition of 2 s (the repetition time less DelayTime)"
    )
    assert moments(0.5, configured=3).source == "slice_time_ref: 0.5 of the 3 s between two volumes"
    assert moments(0, configured=3).source == "slice_time_ref: 0"
    assert "AcquisitionDuration, 11.3 s, is that of the whole run" in moments(**WHOLE).source


@pytest.mark.parametrize(
    ("reference", "fields", "told"),
    [
        (0.0, {"StartTime": 1.0}, "puts scans 0 s after the start of each volume, StartTime of the sidecar"),
        (0.48, {"StartTime": 1.0}, "puts scans 0.96 s"),
        (0.495, {"StartTime": 1.0}, ""),
        (0.5, {"StartTime": "abc"}, "StartTime of the sidecar is 'abc', and not used"),
        ("auto", {"StartTime": 2.5}, "StartTime is 2.5 s, outside of the 2 s of a volume"),
        ("auto", {"StartTime": -0.5}, "StartTime is -0.5 s, outside"),
        ("auto", {"DelayTime": 0.2, "SliceTiming": [0, 0.1, 0.2]}, "SliceTiming says 0.3 s, which is not"),
        ("auto", {"DelayTime": 1.2, "SliceTiming": [0, 0.5, 1, 1.5]}, "SliceTiming says 2 s, which is not"),
        ("auto", {"DelayTime": 1.2, "SliceTiming": [0, 500, 1500]}, "SliceTiming is not used"),
        ("auto", {"StartTime": 1.0, "SliceTiming": [0, 500, 1500]}, ""),
        (0.0, {"AcquisitionDuration": -1}, ""),
    ],
)  # fmt: skip
def test_contradictions_are_told_and_what_is_not_needed_stops_nothing(reference, fields, told):
    """A number of the config wins; what differs from it by more than 1 % of the repetition time is said."""
    warnings = moments(reference, RepetitionTime=2.0, **fields).warnings
    assert len(warnings) == bool(told)
    assert all(told in warning for warning in warnings)


@pytest.mark.parametrize(
    ("reference", "fields", "message"),
    [
        ("auto", {"StartTime": "abc"}, "StartTime is 'abc'"),
        ("auto", {"StartTime": True}, "StartTime is True"),
        ("auto", {"StartTime": float("nan")}, "StartTime is nan"),
        ("auto", {"StartTime": 1500}, "StartTime is 1500"),
        ("auto", {"StartTime": [1]}, "StartTime is .1."),
        (0.5, {"DelayTime": 3.0}, "DelayTime is 3.0[^$]*0 or more and less than the 3 between volumes"),
        ("auto", {"DelayTime": 8000}, "DelayTime is 8000"),
        ("auto", {"DelayTime": -0.1}, "DelayTime is -0.1"),
        ("auto", {"DelayTime": "1"}, "DelayTime is '1'"),
        ("auto", {"AcquisitionDuration": -2}, "AcquisitionDuration is -2"),
        ("auto", {"AcquisitionDuration": 0}, "AcquisitionDuration is 0"),
        ("auto", {"AcquisitionDuration": 4}, "AcquisitionDuration is 4"),
        ("auto", {"AcquisitionDuration": 2000}, "AcquisitionDuration is 2000"),
        ("auto", {"FrameAcquisitionDuration": 15}, "FrameAcquisitionDuration is 15"),
        ("auto", {"SliceTiming": [0, 1000, 2000]}, "SliceTiming goes from 0 to 2000"),
        (0.5, {"SliceTiming": [-1, 0, 1]}, "SliceTiming goes from -1 to 1"),
        ("auto", {"SliceTiming": [0, "1"]}, "SliceTiming is"),
        ("auto", {"SliceTiming": 1.5}, "SliceTiming is 1.5"),
        ("auto", {"RepetitionTime": -1}, "RepetitionTime is -1"),
        ("auto", {"RepetitionTime": "two"}, "RepetitionTime is 'two'"),
        ("auto", {"RepetitionTime": 2000}, "RepetitionTime is 2000"),
        ("auto", {"VolumeTiming": [0, 3, 6, 9]}, "VolumeTiming has 4 times, and the run 5 volumes"),
        ("auto", {"VolumeTiming": [0, 3, 3, 9, 12]}, "does not increase: 3 s is followed by 3 s"),
        ("auto", {"VolumeTiming": [0, 3, 2, 9, 12]}, "does not increase: 3 s is followed by 2 s"),
        ("auto", {"VolumeTiming": [0, 3, float("inf"), 9, 12]}, "VolumeTiming is"),
        ("auto", {"VolumeTiming": [0, 3, "6", 9, 12]}, "VolumeTiming is"),
        ("auto", {"VolumeTiming": 3}, "VolumeTiming is 3"),
        ("auto", {"VolumeTiming": [0, 3000, 6000, 9000, 12000]}, "volumes 3000 s apart"),
    ],
)  # fmt: skip
def test_wrong_field_is_refused_by_name_where_it_is_needed(reference, fields, message):
    """The file, the field with its value, what was expected, and what to do."""
    with pytest.raises(InputError, match=message) as error:
        moments(reference, **{"RepetitionTime": 3.0} | fields)
    assert str(error.value).startswith("bold.json: ")


def test_volume_timing_gives_the_times_of_volumes():
    """The median step is the repetition time, the end is that of the last acquisition."""
    given = [0.5, 2.5, 4.5, 12.5, 14.5]
    scans = moments(VolumeTiming=given, FrameAcquisitionDuration=1.6)
    np.testing.assert_allclose(scans.times, np.add(given, 0.8), rtol=0, atol=EXACT)
    assert (scans.repetition_time, scans.equal, scans.end) == (2.0, False, 16.1)
    assert moments(VolumeTiming=given).start_time == 1.0  # the shortest step is room for the acquisition
    assert moments(VolumeTiming=[0, 1.5, 4, 6.5, 9]).start_time == 0.75
    slices = moments(VolumeTiming=given, SliceTiming=[0, 0.3, 0.6])
    assert slices.acquisition == pytest.approx(0.9, abs=EXACT)
    late = moments(VolumeTiming=given, StartTime=0.7, FrameAcquisitionDuration=1.6)
    np.testing.assert_allclose(late.times, np.add(given, 0.7), rtol=0, atol=EXACT)
    assert "DelayTime is not used" in moments(VolumeTiming=given, DelayTime=8).warnings[0]


def test_volume_timing_of_equal_steps_is_a_repetition_time():
    """Rounded times are equal steps; a step that is 2 % longer is none."""
    even = [0, 0.719, 1.44, 2.161, 2.88]
    assert moments(VolumeTiming=even).equal
    np.testing.assert_allclose(
        moments(0.5, VolumeTiming=[0, 2, 4, 6, 8]).times,
        moments(0.5, RepetitionTime=2.0).times, rtol=0, atol=EXACT,
    )  # fmt: skip
    assert moments(VolumeTiming=[0, 10, 20, 30, 40], DelayTime=8).start_time == 1.0
    assert not moments(VolumeTiming=[0, 2, 4.04, 6.04, 8.04]).equal


def test_volume_timing_counts_before_other_times_and_says_so():
    """Header and RepetitionTime are told, a number of the config is not passed over in silence."""
    given = [0, 2, 4, 10, 12]
    scans = moments(VolumeTiming=given, RepetitionTime=2.4, header=1.0)
    assert scans.repetition_time == 2.0
    assert scans.warnings == (
        "volumes are at the times of VolumeTiming, 2 s apart in the median, "
        "not at the header's repetition time of 1 s nor RepetitionTime of 2.4 s",
    )
    assert moments(VolumeTiming=given, RepetitionTime=2.0, header=2.0, configured=2.0).warnings == ()
    with pytest.raises(InputError, match=r"2 s apart, the study says a repetition time of 2\.5 s"):
        moments(VolumeTiming=given, configured=2.5)
    assert moments(VolumeTiming=given, configured="sidecar", header=1.0).volumes.starts[3] == 10
    by_header = moments(VolumeTiming=given, configured="header", header=1.0)
    np.testing.assert_array_equal(by_header.volumes.starts, np.arange(5))
    assert "not VolumeTiming of the sidecar" in by_header.warnings[0]


def test_event_belongs_to_the_volume_during_which_it_begins():
    """Equal or unequal steps; before the first volume and after the end there is none."""
    scans = moments(VolumeTiming=[0, 2, 4, 10, 12], FrameAcquisitionDuration=2)
    onsets = [-0.1, 0, 1.9, 2, 9.9, 10, 13.9, 14.0, 99]
    assert [scans.scan_of(onset) for onset in onsets] == [-1, 0, 0, 1, 2, 3, 4, 5, 5]


# The stages, on runs whose response is known.

EFFECT, BASE = 4.0, 100.0
RECOVERED = 0.05
"""Share of the effect, for the bins in which a response is sampled: 0.02 s at TR 10 s."""
MISSED = 0.15
"""Share that each wrong moment misses by at least, so that the right one is not met by chance."""
DESIGN = {
    "repetition_time": None, "hrf_model": "spm", "drift_model": "cosine", "high_pass": 0.005,
    "min_onset": -24, "oversampling": 500, "columns": [],
}  # fmt: skip


def response(times, events, name):
    """SPM's double gamma with nilearn's undershoot and unit area, integrated over each event exactly.

    The integral of a gamma density of shape a and scale 1 is the regularised incomplete gamma function.
    """

    def area(seconds):
        seconds = np.maximum(seconds, 0)
        return (gammainc(6, seconds) - 0.167 * gammainc(16, seconds)) / (1 - 0.167)

    own = [(onset, duration) for onset, duration, trial_type in events if trial_type == name]
    return sum(area(times - onset) - area(times - onset - duration) for onset, duration in own)


def make_run(folder, times, events, zoom, **effects):
    """Write events and an image whose volumes show the response at `times`; return the course of a voxel."""
    course = BASE + sum(effect * response(times, events, name) for name, effect in effects.items())
    heights = np.linspace(0.5, 1.5, 27).reshape(3, 3, 3, 1)
    image = nib.Nifti1Image((heights * course).astype(np.float32), np.eye(4))
    image.header.set_zooms((1, 1, 1, zoom))
    image.header.set_xyzt_units("mm", "sec")
    image.to_filename(folder / "bold.nii.gz")
    table_writer.write_table(folder / "events.tsv", ("onset", "duration", "trial_type"), events)
    return course


def fitted(folder, course, **options):
    """Design of the run as its stage makes it, and the least squares estimates of its conditions."""
    make_design_matrix(
        source=[folder / "events.tsv"], bold=[folder / "bold.nii.gz"], design=folder / "design.tsv",
        sidecar=folder / "design.json", **DESIGN | options,
    )  # fmt: skip
    names, rows = cells.read_columns(folder / "design.tsv")
    estimates = np.linalg.lstsq(np.array(rows), course, rcond=None)[0]
    return dict(zip(names, estimates, strict=True)), read_json(folder / "design.json")


def resampled(folder, **options):
    given = {"repetition_time": None, "strategy": "direct", "smoothing_fwhm": None} | options
    resample_run(
        bold=[folder / "bold.nii.gz"], reference=[folder / "bold.nii.gz"], resampled=folder / "resampled.nii",
        sidecar=folder / "resampled.json", field_of_view=folder / "fov.nii.gz", **given,
    )  # fmt: skip
    return read_json(folder / "resampled.json")["RepetitionTime"]


def events_every(seconds, n, rng, names=("faces",)):
    return [(round(5 + seconds * k + rng.uniform(0, 4), 2), 2.0, names[k % len(names)]) for k in range(n)]


def test_start_time_of_a_derivative_is_where_its_model_is_sampled(tmp_path, caplog):
    """Slices corrected to the middle of TR 3 s: 4 with StartTime, not with the start of a scan."""
    events = events_every(12, 9, np.random.default_rng(3))
    course = make_run(tmp_path, 3.0 * np.arange(40) + 1.5, events, 3.0, faces=EFFECT)
    paths = sidecars(
        tmp_path,
        {"RepetitionTime": 3.0, "SliceTiming": [0, 1, 2]},
        {"RepetitionTime": 3.0, "SliceTimingCorrected": True, "StartTime": 1.5},
    )
    caplog.set_level(logging.INFO)
    betas, sidecar = fitted(tmp_path, course, slice_time_ref="auto", sidecars=paths)
    assert betas["faces"] == pytest.approx(EFFECT, rel=RECOVERED)
    assert "scans are sampled 1.5 s after a volume begins (StartTime of the sidecar)" in caplog.text
    assert sidecar["SliceTimeReference"] == 0.5
    assert sidecar["StartTime"] == 1.5
    assert sidecar["SliceTimeSource"] == "StartTime of the sidecar"
    assert sidecar["EqualSteps"] is True
    assert sidecar["FrameTimes"][:2] == [1.5, 4.5]
    assert "AcquisitionDuration" not in sidecar
    assert "Warnings" not in sidecar
    betas, sidecar = fitted(tmp_path, course, slice_time_ref=0.0, sidecars=paths)
    assert abs(betas["faces"] - EFFECT) > MISSED * EFFECT
    assert "StartTime of the sidecar 1.5 s" in sidecar["Warnings"][0]
    assert sidecar["Warnings"][0] in caplog.text


@pytest.mark.parametrize(
    "fields",
    [
        {"RepetitionTime": 10.0, "DelayTime": 8.0},
        {"RepetitionTime": 10.0, "FrameAcquisitionDuration": 2.0},
        {"RepetitionTime": 10.0, "SliceTiming": [0, 0.5, 1.0, 1.5]},
        {"VolumeTiming": [10.0 * k for k in range(60)], "AcquisitionDuration": 2.0},
    ],
)
@pytest.mark.parametrize("reference", ["auto", 0.5])
def test_sparse_sampling_is_modelled_within_the_acquisition(tmp_path, fields, reference):
    """TR 10 s, slices in the first 2 s: a difference of 3, which the middle of the repetition time misses."""
    onsets = [
        (10.0 * k + (2.5, 4.0, 5.5, 7.0)[k % 4], 2.0, "ab"[(k // 2) % 2]) for k in range(1, 58) if k % 5
    ]
    course = make_run(tmp_path, 10.0 * np.arange(60) + 1.0, onsets, 10.0, a=8.0, b=5.0)
    paths = sidecars(tmp_path, fields)
    betas, sidecar = fitted(tmp_path, course, slice_time_ref=reference, sidecars=paths)
    assert betas["a"] - betas["b"] == pytest.approx(3.0, rel=RECOVERED)
    assert sidecar["AcquisitionDuration"] == 2.0
    betas, _ = fitted(tmp_path, course, slice_time_ref=reference, repetition_time=10.0)
    assert abs(betas["a"] - betas["b"] - 3.0) > MISSED * 3


def clusters(folder):
    """A run of clusters of three volumes 2 s apart, with pauses of 6 to 9 s; the header knows nothing."""
    rng = np.random.default_rng(4)
    steps = [step for _ in range(20) for step in (2, 2, round(rng.uniform(6, 9), 1))]
    starts, events = np.cumsum([0, *steps])[:60], events_every(14, 15, rng)
    course = make_run(folder, starts + 0.8, events, 1.0, faces=EFFECT)
    fields = {"VolumeTiming": starts.tolist(), "FrameAcquisitionDuration": 1.6}
    return starts, events, course, sidecars(folder, fields)


@pytest.mark.parametrize("drift_model", ["none", "cosine"])
def test_design_of_volumes_at_unequal_times_finds_the_effect(tmp_path, drift_model):
    """The columns of the design are the response where the volumes are."""
    *_, course, paths = clusters(tmp_path)
    betas, _ = fitted(tmp_path, course, slice_time_ref="auto", sidecars=paths, drift_model=drift_model)
    assert betas["faces"] == pytest.approx(EFFECT, rel=RECOVERED)


def test_volumes_at_unequal_times_are_modelled_where_they_are(tmp_path, caplog):
    """Clusters of volumes with pauses: the effect at the times of the sidecar, no word on late events."""
    starts, events, course, paths = clusters(tmp_path)
    assert 2.0 * 60 < events[-1][0] < starts[-1]  # late only if volumes were 2 s apart
    _, sidecar = fitted(tmp_path, course, slice_time_ref="auto", sidecars=paths, drift_model="none")
    regressor = response(np.array(sidecar["FrameTimes"]), events, "faces")
    design = np.column_stack([regressor, np.ones(60)])
    effect = np.linalg.lstsq(design, course, rcond=None)[0][0]
    assert effect == pytest.approx(EFFECT, abs=EXACT * BASE)
    np.testing.assert_allclose(sidecar["FrameTimes"], starts + 0.8, rtol=0, atol=EXACT)
    assert sidecar["EqualSteps"] is False
    assert sidecar["RepetitionTime"] == 2.0
    assert "after the end of the run" not in caplog.text
    assert len(sidecar["Warnings"]) == 1  # the header's repetition time of 1 s
    assert resampled(tmp_path, sidecars=paths) == 2.0
    assert header_time.read(tmp_path / "resampled.nii") == 2.0


def test_event_after_the_last_acquisition_is_late(tmp_path, caplog):
    """The end is that of the last volume's slices, at unequal times, too."""
    starts = [0.0, 2.0, 4.0, 12.0, 14.0, 16.0, 24.0, 26.0]
    course = make_run(
        tmp_path, np.array(starts), [(3.0, 1.0, "a"), (27.9, 1.0, "a"), (28.0, 1.0, "a")], 2.0, a=1
    )
    fitted(
        tmp_path, course, slice_time_ref="auto", drift_model="none",
        sidecars=sidecars(tmp_path, {"VolumeTiming": starts}),
    )  # fmt: skip
    assert "onset 28 s is after the end of the run (28 s)" in caplog.text
    assert "27.9" not in caplog.text


def test_censored_scans_lose_the_events_that_begin_in_them(tmp_path):
    """At unequal times the scan of an event is not its onset over the repetition time."""
    starts = [0.0, 2.0, 4.0, *(20.0 + 2.0 * k for k in range(17))]
    events = [(4.5, 1.0, "a"), (21.0, 1.0, "a"), (22.5, 1.0, "a")]
    course = make_run(tmp_path, np.array(starts), events, 2.0, a=1)
    rows = [[int(scan == 3)] for scan in range(20)]  # the scan at 20 s
    table_writer.write_table(tmp_path / "confounds.tsv", ["bad"], rows)
    _, sidecar = fitted(
        tmp_path, course, slice_time_ref="auto", drift_model="none", confounds=tmp_path / "confounds.tsv",
        censor={"fd_threshold": None, "source": "affines", "column": "bad"},
        sidecars=sidecars(tmp_path, {"VolumeTiming": starts}),
    )  # fmt: skip
    assert sidecar["CensoringLoss"]["a"]["EventsInCensoredScans"] == 1


@pytest.mark.parametrize("of_bids", [False, True])
def test_number_that_decides_holds_in_every_stage(tmp_path, caplog, of_bids):
    """The header says 1 s for 2.5 s, as a tool that reset it: refused, until the config decides."""
    rng = np.random.default_rng(5)
    events = events_every(13, 8, rng)
    course = make_run(tmp_path, 2.5 * np.arange(48), events, 1.0, faces=EFFECT)
    given = {
        "repetition_time": 2.5,
        "sidecars": sidecars(tmp_path, {"RepetitionTime": 1.0}) if of_bids else [],
    }
    for stage in (
        lambda **options: fitted(tmp_path, course, slice_time_ref=0.0, **options),
        lambda **options: resampled(tmp_path, **options),
    ):
        with pytest.raises(InputError, match="set study.repetition_time_decides: true"):
            stage(**given)
    given["repetition_time_decides"] = True
    betas, sidecar = fitted(tmp_path, course, slice_time_ref=0.0, **given)
    assert betas["faces"] == pytest.approx(EFFECT, rel=RECOVERED)
    assert sidecar["RepetitionTime"] == 2.5
    assert "the repetition time is the study's 2.5 s" in sidecar["Warnings"][0]
    caplog.clear()
    assert resampled(tmp_path, **given) == 2.5
    assert "the repetition time is the study's 2.5 s" in caplog.text
    (tmp_path / "scans.tsv").write_text("onset\tduration\ttrial_type\n4\t2\tfaces\n")
    write_run_events(
        source=[tmp_path / "scans.tsv"], events=tmp_path / "seconds.tsv", repetition_time=2.5,
        onset_unit="scans",
    )  # fmt: skip
    assert event_table.read_events(tmp_path / "seconds.tsv") == [event_table.Event(10.0, 5.0, "faces")]
