"""A run that is read where it lies: the files of one that is copied, and what stops it."""

import functools
import hashlib

import nibabel as nib
import numpy as np
import pytest
from stage_calls import BASE, moved
from with_headers import headers_of

from firstlevel import stage
from firstlevel.image import background
from firstlevel.io import compressed, image_writer, sidecars, table_writer
from firstlevel.io.series import Series
from firstlevel.io.sidecars import read_json
from firstlevel.stage import InputError
from fit_glm import fit_glm
from read_headers import read_headers
from read_run import read_run
from resample_run import resample_run

SHAPE, N_SCANS = (6, 5, 4), 7


@pytest.fixture
def data():
    made = np.random.default_rng(0).integers(600, 900, (*SHAPE, N_SCANS)).astype(np.float32)
    made[0, :, :2] = np.nan  # background
    return made


def one_file(folder, data, name="b.nii.gz"):
    nib.Nifti1Image(data, BASE).to_filename(folder / name)
    return [folder / name]


def many_files(folder, data):
    for scan in range(N_SCANS):
        nib.Nifti1Pair(data[..., scan], BASE).to_filename(folder / f"v{scan}.img")
    return sorted(path for path in folder.iterdir() if path.name.startswith("v"))


def scaled(folder, data):
    image = nib.Nifti1Image(np.nan_to_num(data).astype(np.int16), BASE)
    image.header.set_slope_inter(0.5, 10)
    image.to_filename(folder / "s.nii.gz")
    return [folder / "s.nii.gz"]


@pytest.mark.parametrize("written", [one_file, many_files, scaled])
def test_what_is_read_is_what_a_copied_run_gives(tmp_path, data, written):
    """Mean image and field of view in the same bytes; what moved and digests in the sidecar; all volumes."""
    bold = written(tmp_path, data)
    ours, theirs = ({name: tmp_path / f"{who}_{name}" for name in ("mean.nii.gz", "fov.nii.gz", "said.json")}
                    for who in ("ours", "theirs"))  # fmt: skip
    timing = {"repetition_time": 2.0, "field_of_view": ours["fov.nii.gz"]}
    headers = headers_of(tmp_path / "h.json", bold, **timing)
    read_run(
        bold=bold, reference=bold, headers=headers, mean=ours["mean.nii.gz"], sidecar=ours["said.json"],
        field_of_view=ours["fov.nii.gz"],
    )  # fmt: skip
    resample_run(
        bold=bold, reference=bold, headers=headers, resampled=tmp_path / "r.nii", strategy="sequential",
        smoothing_fwhm=None, mean=theirs["mean.nii.gz"], sidecar=theirs["said.json"],
        field_of_view=theirs["fov.nii.gz"],
    )  # fmt: skip
    for name in ("mean.nii.gz", "fov.nii.gz"):
        assert ours[name].read_bytes() == theirs[name].read_bytes()
    said = read_json(ours["said.json"])
    expected = [hashlib.sha256(path.read_bytes()).hexdigest() for path in Series.of(bold).files]
    assert [one["Sha256"] for one in said["Inputs"] if one["Sha256"] in expected] == expected
    assert said == {
        name: value for name, value in read_json(theirs["said.json"]).items() if name != "Reference"
    } | {"Strategy": "none"}
    assert said["VolumesCopied"] == N_SCANS
    copied = np.asarray(nib.load(tmp_path / "r.nii").dataobj)
    for scan, volume in enumerate(background.filled(Series.of(bold))):
        np.testing.assert_array_equal(volume.T, copied[..., scan])


def arguments_of_fit(folder, bold):
    """A fit with all that a workflow asks for, of the mask's 40 voxels, into a folder of its own."""
    design = np.column_stack([np.arange(N_SCANS) % 2, np.ones(N_SCANS)]).astype(float)
    table_writer.write_table(folder.parent / "design.tsv", ["faces", "constant"], design.tolist())
    roles = {"faces": "condition", "constant": "constant"}
    columns = [{"Name": name, "Role": role} for name, role in roles.items()]
    times = (2.0 * np.arange(N_SCANS)).tolist()
    sidecars.write_json(folder.parent / "design.json", {"Columns": columns, "FrameTimes": times})
    image_writer.write_image(folder.parent / "mask.nii.gz", np.ones(SHAPE, np.uint8), BASE)
    maps = ("beta", "sigma2", "ar1", "rsquared", "tsnr")
    others = {"series": "s.npy", "timeseries": "t.tsv", "measures": "m.json", "sidecar": "fit.json"}
    return {
        **{name: folder / f"{name}.nii.gz" for name in maps},
        **{name: folder / file for name, file in others.items()},
        "bold": bold,
        "design": folder.parent / "design.tsv",
        "design_json": folder.parent / "design.json",
        "mask": folder.parent / "mask.nii.gz",
        "coverage": folder.parent / "fov.nii.gz",
        "noise_model": "ar1",
        "signal_scaling": "voxel",
        "lags": 2,
    }


@pytest.mark.parametrize("written", [one_file, many_files, scaled])
def test_a_fit_that_reads_the_run_gives_the_files_of_both(tmp_path, data, written, monkeypatch):
    """Mean, sidecar and all that a fit writes, in the same bytes as two readings give."""
    bold = written(tmp_path, data)
    fov = tmp_path / "fov.nii.gz"
    headers = headers_of(tmp_path / "h.json", bold, repetition_time=2.0, field_of_view=fov)
    twice, once = tmp_path / "twice", tmp_path / "once"
    of_run = {name: {"mean": folder / "mean.nii.gz"} for name, folder in (("twice", twice), ("once", once))}
    for folder in (twice, once):
        folder.mkdir()
    read_run(
        bold=bold, reference=bold, headers=headers, sidecar=twice / "said.json", field_of_view=fov,
        **of_run["twice"],
    )  # fmt: skip
    fit_glm(**arguments_of_fit(twice, bold), bold_json=twice / "said.json")
    n_read, volumes = [], Series.volumes
    monkeypatch.setattr(Series, "volumes", lambda *given: n_read.append(1) or volumes(*given))
    fit_glm(
        **arguments_of_fit(once, bold), bold_json=once / "said.json", reference=bold, headers=headers,
        **of_run["once"],
    )  # fmt: skip
    assert len(n_read) == 1
    names = sorted(path.name for path in twice.iterdir())
    assert names == sorted(path.name for path in once.iterdir())
    assert len(names) == 11
    for name in names:
        assert (once / name).read_bytes() == (twice / name).read_bytes(), name


def test_a_fit_that_reads_the_run_stops_where_reading_alone_does(tmp_path, data):
    """At a voxel that is not finite, in the mask or not; at a volume of one value; and nothing is written."""
    fov, folder = tmp_path / "fov.nii.gz", tmp_path / "fit"
    folder.mkdir()
    for scan, value, said in ((5, np.nan, "volume 6 has 1 NaN"), (4, np.inf, "volume 5 has 1 infinite")):
        wrong = data.copy()
        wrong[3, 3, 3, scan] = value
        bold = one_file(tmp_path, wrong)
        headers = headers_of(tmp_path / "h.json", bold, repetition_time=2.0, field_of_view=fov)
        arguments = arguments_of_fit(folder, bold)
        outside = np.ones(SHAPE, np.uint8)
        outside[3, 3, 3] = 0
        image_writer.write_image(arguments["mask"], outside, BASE)
        options = {"reference": bold, "headers": headers, "mean": folder / "mean.nii.gz"}
        with pytest.raises(InputError, match=said):
            fit_glm(**arguments, **options, bold_json=folder / "said.json")
    assert not list(folder.iterdir())


def test_no_other_run_is_read_for_its_grid(tmp_path, data, monkeypatch):
    """Of the reference the header is: its gigabyte is neither unpacked nor digested."""
    bold, first = one_file(tmp_path, data), one_file(tmp_path, data, "first.nii.gz")
    fov = tmp_path / "fov.nii.gz"
    headers = headers_of(tmp_path / "h.json", bold, first, repetition_time=2.0, field_of_view=fov)
    opened, digested = [], []
    volumes, sha256 = Series.volumes, stage.sha256
    monkeypatch.setattr(
        Series, "volumes", lambda self, *given: opened.append(self.files[0]) or volumes(self, *given)
    )
    monkeypatch.setattr(stage, "sha256", lambda path: digested.append(path) or sha256(path))
    written = {"mean": tmp_path / "m.nii.gz", "sidecar": tmp_path / "s.json"}
    read_run(bold=bold, reference=first, headers=headers, field_of_view=fov, **written)
    assert opened == bold
    assert not digested  # its own digest is from reading it


def test_volumes_that_cannot_be_right_stop(tmp_path, data):
    """The same checks as those of a run that is copied: NaN that comes and goes, a checksum."""
    data[3, 3, 3, 5] = np.nan
    bold = one_file(tmp_path, data)
    outputs = {
        "mean": tmp_path / "m.nii",
        "sidecar": tmp_path / "s.json",
        "field_of_view": tmp_path / "f.nii",
    }
    timing = {"repetition_time": 2.0, "field_of_view": outputs["field_of_view"]}
    headers = headers_of(tmp_path / "h.json", bold, **timing)
    with pytest.raises(InputError, match="volume 6 has 1 NaN voxels"):
        read_run(bold=bold, reference=bold, headers=headers, **outputs)
    whole = (tmp_path / "b.nii.gz").read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(whole[:-8] + b"\0\0\0\0" + whole[-4:])
    data[3, 3, 3, 5] = 700
    with pytest.raises(InputError, match="holds 1 voxels that are NaN|cannot be read"):
        read_run(bold=bold, reference=bold, headers=headers, **outputs)
    assert not (tmp_path / "m.nii").exists()


@pytest.mark.parametrize("change", ["reference", "volume", "shape"])
def test_another_grid_stops_with_both_affines_and_the_strategy(tmp_path, data, change):
    """A run half a voxel from the reference, a volume that has moved, a slice less; the rest goes on."""
    data = np.nan_to_num(data)
    bold, place = many_files(tmp_path, data), tmp_path / "first.nii"
    shift = moved(BASE, 0.0, (1.5, 0, 0))
    nib.Nifti1Image(data[..., 0], shift if change == "reference" else BASE).to_filename(place)
    if change == "volume":
        nib.Nifti1Pair(data[..., 4], shift).to_filename(tmp_path / "v4.img")
    if change == "shape":
        nib.Nifti1Image(data[:, :, :3, 0], BASE).to_filename(place)
    options = {"reference": [place], "headers": tmp_path / "h.json", "repetition_time": 2.0}
    with pytest.raises(InputError, match="is on another grid than") as stop:
        read_headers(bold=bold, is_one_grid=True, **options)
    text = str(stop.value)
    assert ("v4.img: volume 5 " if change == "volume" else "v0.img: volume 1 ") in text
    assert text.count("affine [") == 2
    assert "set resample.strategy: direct" in text
    read_headers(bold=bold, **options)


def test_grid_within_a_hundredth_of_a_voxel_is_the_same(tmp_path, data):
    """As where runs are copied: headers round."""
    bold = one_file(tmp_path, np.nan_to_num(data))
    near = BASE.copy()
    near[0, 3] += 0.009 * abs(BASE[0, 0])
    nib.Nifti1Image(np.nan_to_num(data[..., 0]), near).to_filename(tmp_path / "first.nii")
    read_headers(
        bold=bold, reference=[tmp_path / "first.nii"], headers=tmp_path / "h.json", repetition_time=2.0,
        is_one_grid=True,
    )  # fmt: skip


@pytest.mark.parametrize("by_isal", [False, True])
def test_compressed_data_are_read_to_their_checksum(tmp_path, data, monkeypatch, by_isal):
    """Both ways to unpack give the volumes of the plain file, and see damage behind the last one."""
    if by_isal:
        pytest.importorskip("isal")
    monkeypatch.setattr(compressed, "opened", functools.partial(compressed.opened, by_isal=by_isal))
    data = np.tile(np.nan_to_num(data), (4, 4, 4, 1))
    bold = one_file(tmp_path, data)
    one_file(tmp_path, data, "plain.nii")
    whole, read = bold[0].read_bytes(), []
    for path in (bold[0], tmp_path / "plain.nii"):
        read.append(np.array(list(Series.of([path]).volumes())))
    np.testing.assert_array_equal(*read)
    middle = len(whole) // 2
    for damaged in (
        whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:],
        whole[:-9],
        whole[:middle],
        whole[:middle] + b"\xff" * 20 + whole[middle + 20 :],
        whole[:12] + b"\xff" * 20 + whole[32:],
        b"no gzip" + whole,
    ):
        bold[0].write_bytes(damaged)
        with pytest.raises(InputError, match="cannot be read"):
            list(Series(tuple(bold), N_SCANS).volumes())
    bold[0].write_bytes(whole + whole[:0] + b"\0" * 100)  # padding
    np.testing.assert_array_equal(list(Series.of(bold).volumes()), read[1])
