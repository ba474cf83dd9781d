"""SPM's .mat beside an image: what it holds, who lists it, and what is something else."""

import nibabel as nib
import numpy as np
import pytest
import scipy.io
import yaml
from checked_configs import CONTRASTS, SCHEMA

from firstlevel.io import spm_affines
from firstlevel.io.grids import Grid
from firstlevel.io.series import Series
from firstlevel.plan import checks, study
from firstlevel.plan import config as configs
from firstlevel.plan.runs import with_companions
from firstlevel.plan.sources import bids
from firstlevel.stage import InputError

AFFINE = np.array([[-3.0, 0.1, 0, 90], [0, 3, 0.2, -126], [0, -0.2, 3.75, -72], [0, 0, 0, 1]])
N_SCANS = 6


def spm_matrices(affines):
    """As SPM holds them: from voxels counted from 1, (4, 4, n)."""
    return np.stack(
        [affine @ [[1, 0, 0, -1], [0, 1, 0, -1], [0, 0, 1, -1], [0, 0, 0, 1]] for affine in affines], -1
    )


def moved(n=N_SCANS):
    affines = [AFFINE.copy() for _ in range(n)]
    for scan, affine in enumerate(affines):
        affine[:3, 3] += scan * np.array([0.5, -0.2, 0.1])
    return affines


@pytest.fixture
def run(tmp_path):
    """A 4D image and its .mat."""
    path = tmp_path / "run.nii"
    data = np.random.default_rng(0).random((5, 4, 3, N_SCANS)).astype(np.float32)
    nib.Nifti1Image(data, AFFINE).to_filename(path)
    scipy.io.savemat(tmp_path / "run.mat", {"mat": spm_matrices(moved())})
    return path


@pytest.mark.parametrize("name", ["run.nii", "run.nii.gz", "run.img"])
def test_file_of_the_same_name_is_beside(tmp_path, name):
    """Whatever the image is packed in; a folder of that name, as mcflirt writes, is no file."""
    image = tmp_path / name
    assert spm_affines.beside(image) is None
    (tmp_path / "run.mat").mkdir()
    assert spm_affines.beside(image) is None
    (tmp_path / "run.mat").rmdir()
    (tmp_path / "run.mat").write_bytes(b"")
    assert spm_affines.beside(image) == tmp_path / "run.mat"


@pytest.mark.parametrize("version", ["4", "5"])
def test_first_voxel_lies_where_spm_puts_its_voxel_1_1_1(tmp_path, version):
    """SPM's place of voxel (i, j, k) is ours of (i - 1, j - 1, k - 1)."""
    matrices = spm_matrices(moved())
    stored = matrices if version == "5" else matrices[..., 0]  # version 4 has no third axis
    scipy.io.savemat(tmp_path / "run.mat", {"mat": stored}, format=version)
    affines = spm_affines.read(tmp_path / "run.mat")
    assert affines.shape == (N_SCANS if version == "5" else 1, 4, 4)
    for k, affine in enumerate(affines):
        for voxel in ((1, 1, 1), (3, 2, 5)):
            spm = matrices[..., k] @ [*voxel, 1]
            ours = affine @ [*(np.array(voxel) - 1), 1]
            np.testing.assert_allclose(ours, spm, rtol=1e-12, atol=1e-12)


OTHER = {
    "conditions": {"names": np.array(["a"], object), "onsets": np.array([1.0]), "durations": np.array([0.0])},
    "nothing": {},
    "a matrix of another shape": {"mat": np.ones((6, 3))},
    "a row": {"mat": np.ones(4)},
    "a text": {"mat": "none"},
    "complex": {"mat": np.ones((4, 4)) * 1j},
}


@pytest.mark.parametrize("name", OTHER)
def test_mat_file_of_something_else_is_passed_over(tmp_path, name):
    """Conditions of the same name as the run are usual."""
    scipy.io.savemat(tmp_path / "run.mat", OTHER[name])
    assert spm_affines.read(tmp_path / "run.mat") is None


def test_matrix_of_fsl_is_passed_over(tmp_path, caplog):
    """FLIRT writes text."""
    caplog.set_level("INFO")
    (tmp_path / "run.mat").write_text("1 0 0 0.5\n0 1 0 0\n0 0 1 0\n0 0 0 1\n")
    assert spm_affines.read(tmp_path / "run.mat") is None
    assert "is a text file" in caplog.text


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 200, b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\0" * 600]
)
def test_mat_file_that_cannot_be_read_stops(run, content):
    """It may hold affines: to pass over it could be wrong, and the message says what else to do."""
    run.with_suffix(".mat").write_bytes(content)
    with pytest.raises(InputError, match=r"run\.mat: cannot be read") as stop:
        Series.of([run]).grids()
    assert "save it with -v7" in str(stop.value)


def test_damaged_mat_file_stops(run):
    """Cut off in its middle."""
    path = run.with_suffix(".mat")
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(InputError, match=r"run\.mat: cannot be read"):
        Series.of([run]).grids()


def test_each_volume_has_its_own_affine(run):
    """And the image that stands for the run has that of its first volume."""
    grids = Series.of([run, run.with_suffix(".mat")]).grids()
    assert Series.of([run, run.with_suffix(".mat")]).files == (run,)
    for grid, affine in zip(grids, moved(), strict=True):
        np.testing.assert_allclose(grid.affine, affine, rtol=1e-12, atol=1e-12)
        assert grid.source == run.with_suffix(".mat")
    shifted = [affine + np.eye(4)[:, [3, 3, 3, 3]] * 0 for affine in moved()]
    shifted[0][0, 3] += 7
    scipy.io.savemat(run.with_suffix(".mat"), {"mat": spm_matrices(shifted)})
    np.testing.assert_allclose(Grid.of(run).affine, shifted[0], rtol=1e-12, atol=1e-12)


def test_matrix_of_zeros_leaves_a_volume_to_the_header(run):
    """As SPM writes where only some volumes were reoriented."""
    matrices = spm_matrices(moved())
    matrices[..., 2] = 0
    scipy.io.savemat(run.with_suffix(".mat"), {"mat": matrices})
    grids = Series.of([run]).grids()
    np.testing.assert_allclose(grids[2].affine, nib.load(run).affine, rtol=0, atol=0)
    np.testing.assert_allclose(grids[3].affine, moved()[3], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n", [1, N_SCANS - 1, N_SCANS + 1])
def test_affines_of_another_number_of_volumes_stop(run, n):
    """Volumes were cut off or put in after SPM wrote them: which affine is whose is not known."""
    scipy.io.savemat(run.with_suffix(".mat"), {"mat": spm_matrices(moved(n))})
    with pytest.raises(InputError, match=rf"run\.mat: holds the affines of {n} volumes, and run.nii has 6"):
        Series.of([run]).grids()


@pytest.mark.parametrize("bad", ["singular", "nan", "far"])
def test_affine_that_is_no_place_stops_with_its_volume(run, bad):
    """The .mat is named, and the volume in it."""
    affines = moved()
    flat, far = np.diag([1.0, 1, 0, 1]), affines[3] @ np.diag([1e6, 1, 1, 1])
    affines[3] = {"singular": flat, "nan": affines[3] * np.nan, "far": far}[bad]
    scipy.io.savemat(run.with_suffix(".mat"), {"mat": spm_matrices(affines)})
    with pytest.raises(InputError, match=r"run\.mat: its affine .*\(volume 4\)"):
        Series.of([run]).grids()


def test_3d_image_takes_its_mat_as_in_spm(tmp_path):
    """SPM's own reader takes it before the header's, whatever the number of volumes."""
    for scan, affine in enumerate(moved(3)):
        nib.Nifti1Image(np.zeros((5, 4, 3), np.int16), AFFINE).to_filename(tmp_path / f"v{scan}.nii")
        scipy.io.savemat(tmp_path / f"v{scan}.mat", {"mat": spm_matrices([affine])[..., 0]})
    series = Series.of([tmp_path])
    assert series.n_scans == 3
    for grid, affine in zip(series.grids(), moved(3), strict=True):
        np.testing.assert_allclose(grid.affine, affine, rtol=1e-12, atol=1e-12)


def test_analyze_image_is_left_to_nibabel(tmp_path):
    """Which reads the .mat of this format itself."""
    image = nib.Spm99AnalyzeImage(np.zeros((5, 4, 3), np.int16), AFFINE)
    image.to_filename(tmp_path / "v.img")
    assert (tmp_path / "v.mat").is_file()
    np.testing.assert_allclose(Grid.of(tmp_path / "v.img").affine, AFFINE, rtol=0, atol=1e-6)


def rows(folder, bold):
    (folder / "e.tsv").write_text("onset\tduration\ttrial_type\n1\t1\tfaces\n")
    (folder / "runs.tsv").write_text(f"subject\ttask\tbold\tevents\n01\ta\t{bold}\te.tsv\n")
    config = yaml.safe_load(
        CONTRASTS + f"study: {{source: table, table: '{folder}/runs.tsv', repetition_time: 2}}\n"
        "confounds: {motion: 6}\n"
    )
    configs.check_config(config, SCHEMA)
    return config, study.run_table(config, "data")[0]


def test_run_lists_what_lies_beside_its_images(tmp_path):
    """A change of the .mat is a change of the run; it is no image."""
    for scan in range(3):
        for suffix in ("img", "hdr"):
            (tmp_path / f"f{scan}.{suffix}").touch()
    (tmp_path / "f0.mat").touch()
    (tmp_path / "f2.mat").touch()
    _, (run,) = rows(tmp_path, "f*")
    names = [path.rpartition("/")[2] for path in run.bold]
    assert names == ["f0.img", "f0.hdr", "f0.mat", "f1.img", "f1.hdr", "f2.img", "f2.hdr", "f2.mat"]
    assert [path.rpartition("/")[2] for path in run.images] == ["f0.img", "f1.img", "f2.img"]
    assert [path.rpartition("/")[2] for path in run.first] == ["f0.img", "f0.hdr", "f0.mat"]


def test_motion_of_one_image_is_known_where_spm_has_written_it(run):
    """Regressors of motion are allowed; with a .mat of something else, or none, they are not."""
    config, runs = rows(run.parent, "run.nii")
    assert [path.rpartition("/")[2] for path in runs[0].bold] == ["run.nii", "run.mat"]
    checks.check_contrasts(config, runs)
    scipy.io.savemat(run.with_suffix(".mat"), OTHER["conditions"])
    with pytest.raises(InputError, match=r"run\.nii\), whose header has one affine"):
        checks.check_contrasts(config, runs)
    run.with_suffix(".mat").unlink()
    config, runs = rows(run.parent, "run.nii")
    with pytest.raises(InputError, match="has one affine for all volumes"):
        checks.check_contrasts(config, runs)


def test_pair_of_files_is_one_image_without_motion(tmp_path):
    """An .img with its .hdr is no run of two volumes."""
    nib.Nifti1Pair(np.zeros((5, 4, 3, 6), np.int16), AFFINE).to_filename(tmp_path / "run.img")
    config, runs = rows(tmp_path, "run.img")
    with pytest.raises(InputError, match="has one affine for all volumes"):
        checks.check_contrasts(config, runs)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_bids_study_lists_it_too(tmp_path, suffix):
    """That of the image, not that of another one."""
    func = tmp_path / "sub-01/func"
    func.mkdir(parents=True)
    for name in (f"sub-01_task-a_bold{suffix}", "sub-01_task-a_bold.mat", "sub-01_task-b_bold.mat"):
        (func / name).touch()
    (func / "sub-01_task-a_events.tsv").write_text("onset\tduration\ttrial_type\n1\t1\tfaces\n")
    config = yaml.safe_load(CONTRASTS + f"study: {{source: bids, bids: {{path: '{tmp_path}', task: a}}}}")
    configs.check_config(config, SCHEMA)
    (run,), _ = bids.find_runs(config)
    assert [path.rpartition("/")[2] for path in run.bold] == [
        f"sub-01_task-a_bold{suffix}",
        "sub-01_task-a_bold.mat",
    ]
    assert run.images == run.bold[:1]


@pytest.mark.parametrize("name", ["mask.nii", "mask.img"])
def test_mask_is_listed_with_what_lies_beside_it(tmp_path, name):
    """Its header, its affines, and nothing that is not there."""
    own = str(tmp_path / name)
    header = [str(tmp_path / "mask.hdr")] * name.endswith(".img")
    assert with_companions(own) == [own, *header]
    (tmp_path / "mask.mat").touch()
    assert with_companions(own) == [own, *header, str(tmp_path / "mask.mat")]
