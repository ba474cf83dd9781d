"""Runs of other grids or repetition times become one fixed effect only where the study says so."""

import gzip
import json

import nibabel as nib
import numpy as np
import pytest
from checked_configs import SCHEMA

from firstlevel.io import header_time, headers
from firstlevel.plan import config as configs
from firstlevel.plan import study, unlike
from firstlevel.plan.runs import LEFT_OUT, grouped
from firstlevel.stage import InputError

EVENTS = "onset\tduration\ttrial_type\n0\t1\tfaces\n"
SHAPE = (12, 14, 8)
MM = 1e-4
"""mm: headers hold single precision, of which an ulp of 100 mm is 8e-6."""


def affine_of(zooms=(3.0, 3.0, 4.0), shape=SHAPE, centre=(0.0, 10.0, 20.0), turned=None):
    affine = np.eye(4)
    affine[:3, :3] = np.diag(zooms) if turned is None else turned @ np.diag(zooms)
    affine[:3, 3] = centre - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def turn(degrees, axis=0):
    """Rotation about an axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.roll(np.array([[1, 0, 0], [0, c, -s], [0, s, c]]), axis, (0, 1))


def image_of(shape=SHAPE, affine=None, seconds=2.0, unit="sec", kind=nib.Nifti1Image, n_scans=3):
    image = kind(np.zeros((*shape, n_scans), np.int16), affine_of(shape=shape) if affine is None else affine)
    image.header["pixdim"][4] = seconds
    image.header.set_xyzt_units("mm", unit)
    return image


def checked(of_study, **options):
    config = {"study": of_study | options, "contrasts": {"a": "faces"}}
    configs.check_config(config, SCHEMA)
    return config


def by_table(folder, runs, **options):
    """Config of a table study of one subject with these images."""
    rows = "subject\ttask\trun\tbold\tevents\n"
    folder.mkdir(exist_ok=True)
    (folder / "events.tsv").write_text(EVENTS)
    for number, image in enumerate(runs, start=1):
        image.to_filename(folder / f"run-{number}.nii")
        rows += f"01\tfaces\t{number}\trun-{number}.nii\tevents.tsv\n"
    (folder / "runs.tsv").write_text(rows)
    return checked({"source": "table", "table": str(folder / "runs.tsv")}, **options)


def by_bids(folder, runs, subject="01", **options):
    """Config of a BIDS study with these images."""
    func = folder / f"sub-{subject}/func"
    func.mkdir(parents=True)
    (folder / "task-faces_events.tsv").write_text(EVENTS)
    for number, image in enumerate(runs, start=1):
        image.to_filename(func / f"sub-{subject}_task-faces_run-{number}_bold.nii.gz")
    return checked({"source": "bids", "bids": {"path": str(folder), "task": "faces"}}, **options)


def planned(config):
    """Runs and what is left out, as the rules have them."""
    runs, left_out = study.run_table(config, "data")
    runs, others = unlike.settle(config, runs)
    return runs, [*left_out, *others]


FORMS = pytest.mark.parametrize("layout", [by_table, by_bids])
RAS = affine_of()
LAS = affine_of(zooms=(-3.0, 3.0, 4.0))
ALIKE = {
    "the same": [image_of(), image_of()],
    "moved, as a head is": [image_of(), image_of(affine=affine_of(centre=(4, 3, 29), turned=turn(12)))],
    "float noise": [image_of(), image_of(affine=affine_of(zooms=(3.0001, 2.9999, 4.01)), seconds=2.0005)],
    "LAS and RAS": [image_of(affine=RAS), image_of(affine=LAS)],
    "transposed axes": [
        image_of(),
        image_of((8, 12, 14), affine_of((4, 3, 3), (8, 12, 14), turned=np.eye(3)[:, [2, 0, 1]])),
    ],
    "NIfTI-1 and NIfTI-2": [image_of(), image_of(kind=nib.Nifti2Image)],
    "milliseconds and seconds": [image_of(), image_of(seconds=2000, unit="msec")],
    "other lengths": [image_of(), image_of(n_scans=5)],
    "an affine in metres": [image_of(), image_of(affine=affine_of((3e-3, 3e-3, 4e-3)))],
    "an affine out of any scanner": [image_of(), image_of(affine=affine_of(centre=(1e30, 0, 0)))],
    "45 degrees apart": [image_of(), image_of(affine=affine_of(turned=turn(45, 2)))],
}
UNLIKE = {
    "slab and whole brain": ([image_of(), image_of((12, 14, 3))], "12 x 14 x 3 voxels"),
    "3 mm and 2 mm": (
        [image_of(), image_of((18, 21, 16), affine_of((2, 2, 2), (18, 21, 16)))],
        "18 x 21 x 16 voxels of 2 x 2 x 2 mm",
    ),
    "one matrix, other voxels": ([image_of(), image_of(affine=affine_of((2.8, 2.8, 4)))], "2.8 x 2.8 x 4 mm"),
    "repetition times": ([image_of(), image_of(seconds=1.0)], "repetition time 1 s"),
    "slabs of other regions": (
        [image_of((12, 14, 3)), image_of((12, 14, 3), affine_of(shape=(12, 14, 3), centre=(0, 10, 60)))],
        "centred at (0, 10, 60) mm",
    ),
    "slabs across each other": (
        [
            image_of((14, 14, 3), affine_of((3, 3, 3), (14, 14, 3))),
            image_of((14, 14, 3), affine_of((3, 3, 3), (14, 14, 3), turned=turn(90))),
        ],
        "centred at",
    ),
}


@FORMS
@pytest.mark.parametrize("name", ALIKE)
def test_runs_that_are_alike_are_taken(tmp_path, layout, name):
    """What differs from run to run in any study is no reason to ask."""
    config = layout(tmp_path / "study", ALIKE[name])
    runs, left_out = planned(config)
    assert len(runs) == 2
    assert not left_out


@FORMS
@pytest.mark.parametrize("name", UNLIKE)
def test_unlike_runs_stop_the_plan_by_name(tmp_path, layout, name):
    """Each is named with what it is, and so are the ways out."""
    config = layout(tmp_path / "study", UNLIKE[name][0])
    with pytest.raises(InputError, match=r"study.unlike_runs: is ask.*sub-01, task faces") as stopped:
        planned(config)
    said = str(stopped.value)
    assert "(run 1: " in said
    assert "; run 2: " in said
    assert UNLIKE[name][1] in said
    for remedy in ("study.bids.sessions, entities or exclude", "leave_out", "combine"):
        assert remedy in said


@FORMS
def test_the_study_says_what_becomes_of_unlike_runs(tmp_path, layout):
    """All, by combine; by leave_out what most runs are like, the first where it is a tie."""
    runs = [image_of((12, 14, 3)), image_of(), image_of()]
    kept, left_out = planned(layout(tmp_path / "a", runs, unlike_runs="combine"))
    assert [run.run for run in kept] == ["1", "2", "3"]
    assert not left_out
    config = layout(tmp_path / "b", runs, unlike_runs="leave_out")
    kept, [one] = planned(config)
    assert [run.run for run in kept] == ["2", "3"]
    assert (one.subject, one.task, one.run, one.status) == ("01", "faces", "1", LEFT_OUT)
    assert "12 x 14 x 3 voxels of 3 x 3 x 4 mm, repetition time 2 s; they: 12 x 14 x 8" in one.reason
    kept, _ = planned(layout(tmp_path / "c", runs[:2], unlike_runs="leave_out"))
    assert [run.run for run in kept] == ["1"]
    config["study"]["on_missing"] = "error"
    with pytest.raises(InputError, match="on_missing"):
        planned(config)


def test_subjects_may_differ_from_each_other(tmp_path):
    """Only runs of one subject and task become one fixed effect."""
    by_bids(tmp_path / "study", [image_of(), image_of()])
    config = by_bids(tmp_path / "study", [image_of((12, 14, 3), seconds=1.0)] * 2, subject="02")
    assert len(planned(config)[0]) == 4


def test_images_that_cannot_be_read_are_left_to_their_own_stage(tmp_path):
    """An empty or damaged image, and an affine or a time that is none, are told by the job of the run."""
    config = by_bids(tmp_path / "study", [image_of(), image_of(), image_of(), image_of(), image_of()])
    func = tmp_path / "study/sub-01/func"
    name = "sub-01_task-faces_run-{}_bold.nii.gz".format
    (func / name(1)).write_bytes(b"")
    (func / name(2)).write_bytes(b"no image at all")
    (func / name(3)).write_bytes(gzip.compress(b"\0" * 400))
    (func / name(4)).write_bytes((func / name(4)).read_bytes()[:60])
    damaged = image_of(seconds=5000.0)
    damaged.to_filename(func / name(5))
    assert len(planned(config)[0]) == 5


@pytest.mark.parametrize(
    ("said", "decides", "is_alike"),
    [
        ([{"RepetitionTime": 2.0}, {"RepetitionTime": 2.0}], None, True),
        ([{"RepetitionTime": 2.0}, {"RepetitionTime": 1.0}], None, False),
        ([{"VolumeTiming": [0, 2, 4]}, {"VolumeTiming": [0, 1, 2]}], None, False),
        ([{"RepetitionTime": 2.0}, {"RepetitionTime": 1.0}], "sidecar", False),
        ([{"RepetitionTime": 2.0}, {"RepetitionTime": 1.0}], 2.0, True),
        ([{"RepetitionTime": "two"}, {"RepetitionTime": 1.0}], None, True),
        ([{}, {"RepetitionTime": 1.0}], None, True),
    ],
)
def test_repetition_times_are_those_that_the_study_uses(tmp_path, said, decides, is_alike):
    """Sidecars where the header says none, a number that the config gives; what is not known is no reason."""
    unknown = {"seconds": 2.0, "unit": "unknown"}
    config = by_bids(tmp_path / "study", [image_of(**unknown), image_of(**unknown)], repetition_time=decides)
    for number, fields in enumerate(said, start=1):
        sidecar = tmp_path / f"study/sub-01/func/sub-01_task-faces_run-{number}_bold.json"
        sidecar.write_text(json.dumps(fields))
    if is_alike:
        assert len(planned(config)[0]) == 2
        return
    with pytest.raises(InputError, match="repetition time 1 s"):
        planned(config)


def test_volume_timing_counts_before_headers_that_differ(tmp_path):
    """Where it gives both runs the same times, what headers say of them is no reason to ask."""
    config = by_bids(tmp_path / "study", [image_of(), image_of(seconds=1.0)])
    (tmp_path / "study/task-faces_bold.json").write_text('{"VolumeTiming": [0, 2, 4]}')
    assert len(planned(config)[0]) == 2
    config["study"]["repetition_time"] = "header"
    with pytest.raises(InputError, match="repetition time 1 s"):
        planned(config)


def test_three_subjects_are_named_and_the_others_counted(tmp_path):
    for subject in ("01", "02", "03", "04", "05"):
        config = by_bids(tmp_path / "study", UNLIKE["repetition times"][0], subject=subject)
    with pytest.raises(InputError, match=r"sub-03, task.*; and 2 more subjects") as stopped:
        planned(config)
    assert "sub-04" not in str(stopped.value)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".img"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("code", ["sform", "qform", "none"])
def test_headers_are_read_as_nibabel_reads_them(tmp_path, suffix, order, kind, code):
    """Shape, zooms, axes, centre and repetition time of every form of a header."""
    if suffix == ".img":
        kind = nib.Nifti1Pair if kind is nib.Nifti1Image else nib.Nifti2Pair
    affine = affine_of((-3, 2, 4), turned=turn(20) @ turn(-30, 1) @ turn(140, 2))
    header = (kind.header_class)(endianness=order)
    image = kind(np.zeros((*SHAPE, 3), np.int16), affine, header)
    image.header["pixdim"][4] = 1500
    image.header.set_xyzt_units("mm", "msec")
    image.set_sform(affine, code=2 if code == "sform" else 0)
    image.set_qform(affine if code != "sform" else np.eye(4), code=0 if code == "none" else 1)
    path = tmp_path / f"run{suffix}"
    image.to_filename(path)
    found, expected = headers.read(str(path)), nib.load(path)
    assert found.shape == SHAPE
    assert (found.n_values, found.n_bytes) == (4032, 4032 * expected.dataobj.dtype.itemsize)
    np.testing.assert_allclose(found.time, header_time.read(path), rtol=1e-6, atol=0)
    if code == "none":
        assert found.axes is None
        np.testing.assert_allclose(found.zooms, expected.header.get_zooms()[:3], rtol=1e-6, atol=0)
        return
    directions = expected.affine[:3, :3]
    np.testing.assert_allclose(found.zooms, np.linalg.norm(directions, axis=0), rtol=1e-6, atol=0)
    np.testing.assert_allclose(np.transpose(found.axes) * found.zooms, directions, rtol=0, atol=MM)
    centre = nib.affines.apply_affine(expected.affine, (np.array(SHAPE) - 1) / 2)
    np.testing.assert_allclose(found.centre, centre, rtol=0, atol=MM)


@pytest.mark.parametrize("shape", [(12, 14, 8), (12, 14, 8, 1, 5), (12, 14, 8, 5, 1), (12, 14, 8, 1)])
def test_the_time_axis_is_that_of_the_stages(tmp_path, shape):
    """An axis of length one beside it does not count, and an image of one volume has no repetition time."""
    image = nib.Nifti1Image(np.zeros(shape, np.int16), affine_of())
    image.header["pixdim"][4:6] = (1.0, 2.5) if len(shape) == 5 and shape[3] == 1 else (2.5, 1.0)
    image.header.set_xyzt_units("mm", "sec")
    path = tmp_path / "run.nii.gz"
    image.to_filename(path)
    assert headers.read(str(path)).time == header_time.read(path)


def test_a_header_behind_a_long_name_is_read(tmp_path):
    """A compressed file may begin with anything: here with an empty member before the image."""
    path = tmp_path / "run.nii.gz"
    image_of().to_filename(path)
    path.write_bytes(gzip.compress(b"") + path.read_bytes())
    assert headers.read(str(path)).shape == SHAPE


def test_affines_beside_an_image_leave_its_place_open(tmp_path):
    """SPM's .mat moves volumes from where the header has them: only matrix and voxels are compared."""
    moved = image_of((12, 14, 3), affine_of(shape=(12, 14, 3), centre=(0, 10, 60)))
    config = by_table(tmp_path / "study", [image_of((12, 14, 3)), moved])
    with pytest.raises(InputError, match="centred"):
        planned(config)
    (tmp_path / "study/run-2.mat").write_bytes(b"\0" * 200)
    assert len(planned(config)[0]) == 2


def test_another_word_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"study.unlike_runs: 'skip' is not valid|'skip' is not one of"):
        by_table(tmp_path / "study", [image_of()], unlike_runs="skip")


def test_unlike_runs_of_many_subjects_are_left_out_for_one_reason(tmp_path):
    """Where they lie differs from head to head, and is not said in mm in the table of reasons."""
    slab = (12, 14, 3)
    for number, subject in enumerate(("01", "02", "03")):
        lower, upper = ((0, 10 + number, z) for z in (20 + number, 60 - number))
        runs = [image_of(slab, affine_of(shape=slab, centre=centre)) for centre in (lower, lower, upper)]
        config = by_bids(tmp_path / "study", runs, subject=subject, unlike_runs="leave_out")
    _, left_out = planned(config)
    [(reason, group)] = grouped(left_out)
    assert len(group) == 3
    assert "of another region" in reason
