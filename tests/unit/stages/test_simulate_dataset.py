"""The simulated study: same seed, same bytes; motion that resampling undoes; responses that a fit finds."""

import filecmp
import functools
import json
import logging
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.glm.first_level import make_first_level_design_matrix
from scipy.io import loadmat
from scipy.ndimage import affine_transform

import simulate_dataset as stage_module
from firstlevel.io import sidecars
from firstlevel.simulation.head import REGIONS
from firstlevel.simulation.movement import rigid
from firstlevel.stage import InputError
from simulate_dataset import simulate_dataset

SMALL = {
    "n_scans": 24,
    "shape": [16, 20, 10],
    "voxel_size": [11.0, 10.0, 14.0],
    "repetition_time": 2.0,
    "seed": 7,
    "noise": 1.0,
    "ar1": 0.3,
    "drift": 1.0,
    "motion": 0.8,
    "activation": 5.0,
}
FINER = SMALL | {
    "n_scans": 80,
    "shape": [36, 44, 24],
    "voxel_size": [4.5, 4.5, 5.0],
    "noise": 0.3,
    "activation": 8.0,
}
ALIGNED = 0.5  # of the difference before; noise and interpolation remain
RECOVERED = 0.1  # of the mean response in a region: noise and interpolation with voxels of 5 mm leave less


def study(root: Path) -> dict[str, Path]:
    subject = root / "sub001"
    return {
        "session1": subject / "fMRI/Session1",
        "session2": subject / "fMRI/Session2",
        "trials1": subject / "fMRI/trials_ses1.mat",
        "trials2": subject / "fMRI/trials_ses2.mat",
        "structural": subject / "sMRI/smri.img",
        "truth_faces": root / "truth_faces.nii.gz",
        "truth_scrambled": root / "truth_scrambled.nii.gz",
        "truth": root / "truth.json",
    }


def simulate(root: Path, **parameters: object) -> SimpleNamespace:
    simulate_dataset(**study(root), **parameters)
    return SimpleNamespace(root=root, **study(root))


def volumes(session: Path) -> list[nib.Nifti1Pair]:
    return [nib.load(path) for path in sorted(session.glob("fMETHODS-000[56]-*-01.img"))]


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def onsets(trials: Path) -> list[np.ndarray]:
    """Read as nilearn's `fetch_spm_multimodal_fmri` reads them."""
    timing = loadmat(trials, squeeze_me=True, struct_as_record=False)
    return [timing["onsets"][k].ravel() for k in range(2)]


def on_grid(image: nib.Nifti1Pair, affine: np.ndarray) -> np.ndarray:
    """Cubic interpolation of one volume on another grid of the same shape."""
    mapping = np.linalg.inv(image.affine) @ affine
    return affine_transform(image.get_fdata()[..., 0], mapping[:3, :3], mapping[:3, 3], order=3)


@pytest.fixture(scope="module", autouse=True)
def templates_read_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage_module, "templates", functools.cache(stage_module.templates))
        yield


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("small"), **SMALL)


@pytest.fixture(scope="module")
def finer(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("finer"), **FINER)


@pytest.fixture(scope="module")
def aligned(finer):
    """Both runs of the finer study on the grid of the first volume, (2, n, x, y, z)."""
    affine = volumes(finer.session1)[0].affine
    runs = [volumes(finer.session1), volumes(finer.session2)]
    return np.array([[on_grid(image, affine) for image in run] for run in runs], dtype=np.float32)


def test_the_same_seed_gives_the_same_bytes(small, tmp_path):
    """Two simulations with one seed agree in every file, byte by byte."""
    again = simulate(tmp_path, **SMALL)
    names = files(small.root)
    assert len(names) == 2 * 2 * SMALL["n_scans"] + 2 + 2 + 3
    assert files(again.root) == names
    assert filecmp.cmpfiles(small.root, again.root, names, shallow=False) == (names, [], [])


def test_another_seed_gives_other_volumes_and_trials(small, tmp_path):
    """The seed reaches noise, motion and events, and leaves the first grids and the truth maps."""
    other = simulate(tmp_path, **SMALL | {"seed": 8})
    names = files(small.root)
    same, _, errors = filecmp.cmpfiles(small.root, other.root, names, shallow=False)
    anatomy = ["sub001/sMRI/smri.hdr", "sub001/sMRI/smri.img"]
    starts = [f"sub001/fMRI/Session{run}/fMETHODS-000{run + 4}-00001-01.hdr" for run in (1, 2)]
    assert same == [*starts, *anatomy, "truth_faces.nii.gz", "truth_scrambled.nii.gz"]
    assert not errors


def test_volumes_are_stored_as_spm_stores_them(small):
    """A volume is a pair of files of big-endian 16-bit integers with one slope, near 850 in the brain."""
    for number, session in ((5, small.session1), (6, small.session2)):
        names = [path.name for path in sorted(session.glob("*.img"))]
        assert names == [f"fMETHODS-000{number}-{scan:05d}-01.img" for scan in range(1, SMALL["n_scans"] + 1)]
        for image in volumes(session):
            assert image.header.endianness == ">"
            assert image.get_data_dtype() == np.dtype(">i2")
            assert image.shape == (*SMALL["shape"], 1)
            assert (image.dataobj.slope, image.dataobj.inter) == (0.125, 0)
            assert Path(image.get_filename()).stat().st_size == 2 * np.prod(SMALL["shape"])
            signal = image.get_fdata()
            assert signal.min() >= 0
            assert 750 < np.median(signal[signal > 500]) < 950


def test_each_header_holds_its_own_affine_twice(small):
    """Sform and qform agree, differ between volumes, and are oblique with the voxel size asked for."""
    affines = []
    for image in volumes(small.session1) + volumes(small.session2):
        sform, qform = image.get_sform(coded=True), image.get_qform(coded=True)
        assert (sform[1], qform[1]) == (2, 2)
        np.testing.assert_allclose(sform[0], qform[0], rtol=0, atol=1e-4)
        np.testing.assert_allclose(nib.affines.voxel_sizes(sform[0]), SMALL["voxel_size"], rtol=1e-6, atol=0)
        assert np.count_nonzero(np.abs(sform[0][:3, :3]) > 0.01) == 9
        affines.append(sform[0].tobytes())
    assert len(set(affines)) == 2 * SMALL["n_scans"]


def test_onsets_are_in_scans_and_within_the_run(finer):
    """Both conditions have equally many events some three scans apart, the last early enough to be seen."""
    for trials in (finer.trials1, finer.trials2):
        content = loadmat(trials)
        assert [str(name[0]) for name in content["names"][0]] == ["faces", "scrambled"]
        faces, scrambled = onsets(trials)
        assert abs(len(faces) - len(scrambled)) <= 1
        assert np.all(np.diff(faces) > 0)
        together = np.sort(np.concatenate([faces, scrambled]))
        assert together[0] > 0
        assert together[-1] < FINER["n_scans"] - 8
        np.testing.assert_allclose(np.diff(together).mean(), 3, rtol=0, atol=0.1)
    assert not np.array_equal(onsets(finer.trials1)[0], onsets(finer.trials2)[0])


def test_resampling_by_the_headers_aligns_the_brain(finer, aligned):
    """The data moved as the headers say: on one grid, volumes differ far less from the first."""
    inside = aligned[0, 0] > 400
    for run, session in enumerate((finer.session1, finer.session2)):
        raw = np.array([image.get_fdata()[..., 0] for image in volumes(session)])
        interior = inside & np.all(aligned[run] > 0, axis=0)
        late = slice(40, None)
        reference = aligned[0, 0][interior]
        before = np.sqrt(np.mean((raw[late][:, interior] - reference) ** 2))
        after = np.sqrt(np.mean((aligned[run][late][:, interior] - reference) ** 2))
        assert after < ALIGNED * before


def test_headers_invert_the_motion_of_the_truth(small):
    """Every affine is the scanner's, moved back by the parameters in the JSON file."""
    truth = json.loads(small.truth.read_text())
    scanner = volumes(small.session1)[0].affine
    for run, session in ((1, small.session1), (2, small.session2)):
        for image, parameters in zip(volumes(session), truth["Motion"][f"run-{run}"], strict=True):
            moved = rigid(np.array(parameters)) @ image.affine
            np.testing.assert_allclose(moved, scanner, rtol=0, atol=1e-4)
    assert truth["Parameters"] == sidecars.camel(SMALL)
    assert truth["Regions"][0]["PeakPercent"] == {"faces": 5.0, "scrambled": 1.25}


def test_a_fit_finds_the_true_responses(finer, aligned):
    """Betas of ordinary least squares in percent signal change equal the truth maps in every region."""
    betas = []
    for run, trials in enumerate((finer.trials1, finer.trials2)):
        rows = [
            {"trial_type": name, "onset": FINER["repetition_time"] * scan, "duration": 1.0}
            for name, scans in zip(("faces", "scrambled"), onsets(trials), strict=True)
            for scan in scans
        ]
        frame_times = np.arange(FINER["n_scans"]) * FINER["repetition_time"]
        design = make_first_level_design_matrix(frame_times, pd.DataFrame(rows), hrf_model="spm")
        bold = aligned[run].reshape(FINER["n_scans"], -1)
        mean = np.maximum(bold.mean(axis=0), 1)
        fitted = np.linalg.pinv(design.to_numpy()) @ (100 * (bold / mean - 1))
        betas.append([fitted[design.columns.get_loc(name)] for name in ("faces", "scrambled")])
    estimate = np.mean(betas, axis=0)
    images = [nib.load(finer.truth_faces), nib.load(finer.truth_scrambled)]
    truth = [image.get_fdata() for image in images]
    grid = nib.affines.apply_affine(images[0].affine, np.moveaxis(np.indices(truth[0].shape), 0, -1))
    for region in REGIONS:
        near = np.linalg.norm(grid - region.centre, axis=-1) < region.fwhm / 2
        chosen = near & (truth[0] > 0.3 * FINER["activation"] * region.peaks[0])
        assert chosen.sum() > 5
        for condition in range(2):
            expected = truth[condition][chosen].mean()
            found = estimate[condition][chosen.ravel()].mean()
            margin = RECOVERED * truth[0][chosen].mean()
            np.testing.assert_allclose(found, expected, rtol=0, atol=margin, err_msg=region.name)
    silent = (truth[0] == 0) & (aligned[0, 0] > 700)
    assert np.abs(np.median(estimate[:, silent.ravel()])) < 0.1


def test_truth_maps_lie_on_the_first_grid(small):
    """The maps share the first volume's grid, are single precision and peak near the amplitudes asked for."""
    for path, peak in ((small.truth_faces, 5.0), (small.truth_scrambled, 4.0)):
        image = nib.load(path)
        assert image.get_data_dtype() == np.float32
        assert image.shape == tuple(SMALL["shape"])
        np.testing.assert_allclose(image.affine, volumes(small.session1)[0].affine, rtol=1e-6, atol=1e-6)
        assert 0.4 * peak < image.get_fdata().max() <= peak * 1.001


def test_a_still_head_leaves_one_affine(tmp_path):
    """Where motion is 0, all volumes of both runs lie on one grid."""
    still = simulate(tmp_path, **SMALL | {"motion": 0.0})
    affines = {image.affine.tobytes() for image in volumes(still.session1) + volumes(still.session2)}
    assert len(affines) == 1


def test_progress_is_logged_every_tenth(tmp_path, caplog):
    """Ten lines per run say how far the simulation is."""
    caplog.set_level(logging.INFO)
    simulate(tmp_path, **SMALL)
    lines = [record.message for record in caplog.records if "volumes" in record.message]
    assert len(lines) == 20
    assert lines[9] == "run 1: 24 of 24 volumes"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_scans", 10),
        ("shape", [16, 20]),
        ("shape", [16, 20, 1]),
        ("voxel_size", [3.0, 3.0, 0.0]),
        ("repetition_time", 0.0),
        ("seed", -1),
        ("noise", -0.5),
        ("ar1", 1.0),
        ("motion", -1.0),
    ],
)
def test_what_cannot_be_simulated_is_refused_by_its_key(tmp_path, name, value):
    """A wrong parameter stops the stage with the name of its config key, before anything is written."""
    with pytest.raises(InputError, match=rf"config key study\.simulated\.{name}:"):
        simulate(tmp_path, **SMALL | {name: value})
    assert list(tmp_path.iterdir()) == []
