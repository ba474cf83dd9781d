"""Headers of a run, read once: against nibabel, closed forms of motion, and the grids that images have."""

import json

import nibabel as nib
import numpy as np
import pytest
from scipy.io import savemat
from with_headers import headers_of

from firstlevel.image import passes
from firstlevel.io import repetition, run_headers
from firstlevel.io.series import Series
from firstlevel.stage import InputError

AFFINE = np.array([[-3.0, 0.1, 0, 90], [0, 3, 0.2, -126], [0, -0.2, 3.75, -72], [0, 0, 0, 1]])
SHAPE, N_SCANS = (5, 4, 3), 4
SIXTH_DIGIT = 5e-7
"""Motion is written to six digits."""


def one_image(path, seconds=2.0, affine=AFFINE):
    image = nib.Nifti1Image(np.zeros((*SHAPE, N_SCANS), np.int16), affine)
    image.header.set_zooms((*image.header.get_zooms()[:3], seconds))
    image.header.set_xyzt_units("mm", "sec")
    image.to_filename(path)
    return [path]


def turned(degrees, *shift):
    """Movement in mm: a turn about z, then a shift."""
    angle = np.radians(degrees)
    move = np.eye(4)
    move[:2, :2] = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    move[:3, 3] = shift
    return move


def many_images(folder, moves):
    folder.mkdir()
    for scan, move in enumerate(moves):
        nib.Nifti1Image(np.zeros(SHAPE, np.float32), move @ AFFINE).to_filename(folder / f"v{scan}.nii")
    return sorted(folder.iterdir())


def test_one_image_has_one_affine_and_the_time_of_its_header(tmp_path):
    """No motion is known, and the file says so in one row."""
    path = headers_of(tmp_path / "h.json", one_image(tmp_path / "b.nii", 2.5))
    known, content = run_headers.read(path), json.loads(path.read_text())
    assert (known.n_scans, known.shape, known.repetition_time) == (N_SCANS, SHAPE, 2.5)
    assert (content["RepetitionTimeSource"], content["DataType"]) == ("header", "int16")
    assert (content["NumberOfFiles"], content["Bytes"]) == (1, (tmp_path / "b.nii").stat().st_size)
    np.testing.assert_array_equal(known.affines, [nib.load(tmp_path / "b.nii").affine])
    assert content["Translation"] == content["Rotation"] == [[0, 0, 0]]
    assert known.motion == {key: [[0.0] * 3] * N_SCANS for key in ("Translation", "Rotation")}
    np.testing.assert_array_equal(known.starts, 2.5 * np.arange(N_SCANS))


def test_affines_come_back_to_the_last_bit_and_motion_is_that_of_the_moves(tmp_path):
    """Volumes that turn about z by known angles and shift by known mm, against the subject's first volume."""
    moves = [turned(0.3 * scan, 0.1 * scan, 0, -0.7 * scan) for scan in range(N_SCANS)]
    files = many_images(tmp_path / "run", moves)
    known = run_headers.read(headers_of(tmp_path / "h.json", files, repetition_time=2.0))
    for affine, file in zip(known.affines, files, strict=True):
        np.testing.assert_array_equal(affine, nib.load(file).affine)
    expected = [(0.1 * scan, 0, -0.7 * scan) for scan in range(N_SCANS)]
    np.testing.assert_allclose(known.translation, expected, rtol=0, atol=1e-4)  # float32 in the headers
    np.testing.assert_allclose(known.rotation[:, 2], 0.3 * np.arange(N_SCANS), rtol=0, atol=1e-4)
    assert (known.translation == known.translation.round(6)).all()


def test_motion_is_against_the_reference(tmp_path):
    """A run that lies still 4 mm from the subject's first volume has that displacement in every scan."""
    first = many_images(tmp_path / "first", [np.eye(4)] * 2)
    run = one_image(tmp_path / "b.nii", affine=turned(0, 0, 4.0, 0) @ AFFINE)
    known = run_headers.read(headers_of(tmp_path / "h.json", run, first))
    np.testing.assert_allclose(known.translation, [[0, 4, 0]] * N_SCANS, rtol=0, atol=SIXTH_DIGIT)


def test_mat_of_spm_counts_and_is_named(tmp_path):
    """Resampling takes from the file the grids that the images have, with where they are from."""
    run = one_image(tmp_path / "b.nii")
    from_one = np.eye(4)
    from_one[:3, 3] = -1
    moves = [turned(0.1 * scan, 0, 0, scan) @ AFFINE @ from_one for scan in range(N_SCANS)]
    savemat(tmp_path / "b.mat", {"mat": np.stack(moves, axis=2)})
    path = headers_of(tmp_path / "h.json", run)
    series = Series.of(run)
    taken = passes.of_headers(run_headers.read(path), series, path)
    for ours, own in zip(taken, series.grids(), strict=True):
        assert (ours.shape, ours.source) == (own.shape, own.source) == (SHAPE, tmp_path / "b.mat")
        np.testing.assert_array_equal(ours.affine, own.affine)


def test_grids_of_3d_images_some_of_which_have_a_mat(tmp_path):
    """Each has its own source, also where all lie at one place."""
    files = many_images(tmp_path / "run", [np.eye(4)] * 3)
    from_one = np.eye(4)
    from_one[:3, 3] = -1
    savemat(files[1].with_suffix(".mat"), {"mat": nib.load(files[1]).affine @ from_one})
    path = headers_of(tmp_path / "h.json", files, repetition_time=2.0)
    series = Series.of(files)
    taken = passes.of_headers(run_headers.read(path), series, path)
    assert [grid.source for grid in taken] == [grid.source for grid in series.grids()]
    assert [bool(grid.source) for grid in taken] == [False, True, False]


def test_headers_of_another_run_are_refused(tmp_path):
    """A file that was left from before a volume came is no file of this run."""
    files = many_images(tmp_path / "run", [np.eye(4)] * 3)
    path = headers_of(tmp_path / "h.json", files, repetition_time=2.0)
    with pytest.raises(InputError, match="lists 3 volumes, and the run has 2"):
        passes.of_headers(run_headers.read(path), Series.of(files[:2]), path)


def test_fields_of_the_sidecars_keep_value_and_file(tmp_path):
    """The nearest counts; messages of later stages name it."""
    far, near = tmp_path / "far.json", tmp_path / "near.json"
    far.write_text('{"RepetitionTime": 2.0, "SliceTiming": [0, 0.1]}')
    near.write_text('{"SliceTiming": "wrong", "StartTime": 0.123456789012345678}')
    path = headers_of(tmp_path / "h.json", one_image(tmp_path / "b.nii"), sidecars=[far, near])
    fields = repetition.fields_of(run_headers.read(path), [far, near])
    assert fields == repetition.read_fields([far, near])
    assert fields["SliceTiming"] == ("wrong", near)


def test_times_of_volume_timing_are_resolved_once(tmp_path):
    """Unequal steps come back as they were decided, with what was overruled."""
    sidecar = tmp_path / "s.json"
    sidecar.write_text('{"VolumeTiming": [0, 2, 5, 7.1]}')
    path = headers_of(tmp_path / "h.json", one_image(tmp_path / "b.nii", 1.0), sidecars=[sidecar])
    times = repetition.VolumeTimes.of_headers(run_headers.read(path))
    expected = repetition.volume_times(
        tmp_path / "b.nii", N_SCANS, 1.0, repetition.read_fields([sidecar]), None
    )
    np.testing.assert_array_equal(times.starts, expected.starts)
    assert times.source == expected.source == "VolumeTiming"
    assert (times.repetition_time, times.equal) == (expected.repetition_time, expected.equal)
    assert times.repetition_time == pytest.approx(2.1)
    assert times.warnings == expected.warnings
    assert len(times.warnings) == 1


@pytest.mark.parametrize(
    ("options", "source"),
    [
        ({"repetition_time": 2.0}, "study"),
        ({"repetition_time": 3.0, "repetition_time_decides": True}, "study"),
        ({"repetition_time": "header"}, "header"),
        ({}, "header"),
    ],
)
def test_repetition_time_says_where_it_is_from(tmp_path, options, source):
    """The study's counts where it agrees with the header."""
    known = run_headers.read(headers_of(tmp_path / "h.json", one_image(tmp_path / "b.nii"), **options))
    assert known.repetition_time_source == source
    assert known.repetition_time == (options.get("repetition_time", 2.0) if source == "study" else 2.0)


def test_no_volume_is_read(tmp_path):
    """An image whose data are cut short has headers all the same: resampling tells of it."""
    [path] = one_image(tmp_path / "b.nii.gz")
    noise = np.random.default_rng(0).integers(0, 999, (40, 40, 20, 6)).astype(np.int16)
    nib.Nifti1Image(noise, AFFINE).to_filename(path)
    path.write_bytes(path.read_bytes()[:50_000])
    assert run_headers.read(headers_of(tmp_path / "h.json", [path], repetition_time=2.0)).n_scans == 6


def test_no_path_is_in_the_file(tmp_path):
    """Results are the same wherever the data lie; sidecars that BIDS does not name have a digest alone."""
    sidecar = tmp_path / "sub-01_task-rest_bold.json"
    (tmp_path / "person.json").write_text("{}")
    sidecar.write_text('{"RepetitionTime": 2.0}')
    run = one_image(tmp_path / "b.nii")
    path = headers_of(tmp_path / "h.json", run, sidecars=[tmp_path / "person.json", sidecar])
    content = json.loads(path.read_text())
    assert str(tmp_path) not in path.read_text()
    assert [entry.get("Name") for entry in content["Sidecars"]] == [None, sidecar.name]
