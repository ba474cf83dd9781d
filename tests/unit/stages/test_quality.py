"""Stages of quality: each sentence is triggered by a study made for it, and silent on a clean one."""

import json
import shutil
from pathlib import Path

import json_keys
import matplotlib.image
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from quality_run import AFFINE, LIMITS, SHAPE, N, Run, make_run, write_design
from scipy.spatial.transform import Rotation
from scipy.stats import median_abs_deviation
from statsmodels.stats.diagnostic import acorr_ljungbox
from statsmodels.tsa.stattools import acf
from studies import SMALL, Study

from firstlevel.image import motion
from firstlevel.io import confounds as fmriprep
from firstlevel.io import designs, image_writer, images, masked, sidecars
from firstlevel.io.grids import Grid
from firstlevel.plan import targets
from firstlevel.quality import contrast_verdicts, run_measures, verdicts, volumes
from firstlevel.quality.whitening import ByCoefficient
from firstlevel.stage import InputError
from plot_run import plot_run

SINGLE_PRECISION = 1e-4


@pytest.fixture(scope="module")
def clean_run(tmp_path_factory):
    """White noise, measured. Tests copy it."""
    run = make_run(tmp_path_factory.mktemp("clean") / "run")
    run.measure()
    return run


@pytest.fixture
def run(clean_run, tmp_path):
    """A copy of the clean run, to be spoilt."""
    return Run(Path(shutil.copytree(clean_run.folder, tmp_path / "run")))


def series_of(run, name="bold.nii"):
    """Series of the mask's voxels, (n, v), in double precision."""
    return masked.read_masked(run.file(name), masked.read_mask(run.file("mask.nii.gz")))


def test_clean_run_is_fine_in_every_measure(run):
    """White noise, little motion and a good design: fifteen measures, no word of warning."""
    table = run.judge()
    assert set(table["verdict"]) == {"pass"}
    assert list(table["measure"]) == [
        "displacement", "framewise_displacement", "dvars", "outside", "zeros", "tsnr", "autocorrelation",
        "ljung_box", "correlation", "vif", "condition_number", "estimable", "z_width", "z_centre", "missing",
    ]  # fmt: skip
    assert not table["sentence"].str.contains("look at").any()
    assert table["sentence"].str.endswith(".").all()
    assert table["sentence"].is_unique


def test_rows_per_volume_are_what_they_say(run):
    """Framewise displacement, global signal and DVARS, each from its definition."""
    table = pd.read_csv(run.file("ts.tsv"), sep="\t")
    moved = json.loads(run.file("bold.json").read_text())
    parameters = np.hstack([moved["Translation"], moved["Rotation"]])
    steps = np.abs(np.diff(parameters, axis=0)) * [1, 1, 1, *[50 * np.pi / 180] * 3]
    np.testing.assert_allclose(table["framewise_displacement"][1:], steps.sum(axis=1), rtol=1e-9)
    np.testing.assert_allclose(motion.framewise_displacement(parameters)[1:], steps.sum(axis=1), rtol=1e-9)
    y = series_of(run)
    np.testing.assert_allclose(table["global_signal"], y.mean(axis=1), rtol=1e-9)
    change = np.sqrt((np.diff(y, axis=0) ** 2).mean(axis=1))
    np.testing.assert_allclose(table["dvars"][1:], 100 * change / y.mean(), rtol=1e-9)
    assert table[["framewise_displacement", "dvars"]].iloc[0].isna().all()
    assert table["displacement"][0] == 0
    assert abs(table["rotation"][0]) < 1e-9
    assert len(table) == N


@pytest.mark.parametrize("scaling", ["voxel", "grand_mean", "none"])
@pytest.mark.parametrize("model", ["ols", "ar1"])
def test_residuals_are_those_of_the_fit(run, model, scaling):
    """Whiteness of residuals made here from the data, the design and the saved maps, by statsmodels."""
    run.model, run.scaling = model, scaling
    found = run.measure()
    y, design = series_of(run), pd.read_csv(run.file("design.tsv"), sep="\t").to_numpy()
    varies = np.ptp(y, axis=0) > 0
    assert found["ConstantVoxels"] == np.sum(~varies) == 1
    rho = series_of(run, "ar1.nii.gz")
    expected = {"Before": y - design @ np.linalg.lstsq(design, y)[0]}
    expected["After"] = np.empty_like(y)
    for voxel in np.flatnonzero(varies):
        white, target = (np.vstack([a[:1], a[1:] - rho[voxel] * a[:-1]]) for a in (design, y[:, [voxel]]))
        expected["After"][:, voxel] = (target - white @ np.linalg.lstsq(white, target)[0])[:, 0]
    assert ("After" in found["Residuals"]) == found["Residuals"]["Whitened"] == (model != "ols")
    for part in ("Before", "After") if model != "ols" else ("Before",):
        series = expected[part][:, varies].T
        lag1 = [acf(each, nlags=1)[1] for each in series]
        rejected = [acorr_ljungbox(each, lags=[10])["lb_pvalue"].item() < 0.05 for each in series[:150]]
        assert found["Residuals"][part]["MedianAutocorrelation"] == pytest.approx(np.median(lag1), abs=1e-5)
        assert found["Residuals"][part]["MeanAutocorrelation"] == pytest.approx(np.mean(lag1), abs=1e-5)
        assert abs(found["Residuals"][part]["Rejected"] - np.mean(rejected)) < 0.06
        counts = np.histogram(lag1, found["Residuals"]["HistogramEdges"])[0]
        assert np.abs(np.array(found["Residuals"][part]["Histogram"]) - counts).sum() <= 4
    explained = series_of(run, "rsquared.nii.gz")[varies]
    assert found["RSquared"]["Q95"] == pytest.approx(np.quantile(explained, 0.95))


def test_whitened_coloured_noise_is_fine_and_unwhitened_is_not(tmp_path):
    """AR(1) noise of 0.4 modelled as white: both tests of the residuals say so; with AR(1) neither does."""
    shown = {}
    for rho, model in ((0.0, "ols"), (0.4, "ols"), (0.4, "ar1"), (0.4, "ar1_corrected")):
        made = make_run(tmp_path / f"{rho}_{model}", rho, model)
        found = made.measure()["Residuals"]
        part = found["After" if model != "ols" else "Before"]
        shown[rho, model] = made.to_check()
        print(rho, model, {key: part[key] for key in ("MedianAutocorrelation", "Rejected", "OfWhiteNoise")})
    coloured = shown.pop((0.4, "ols"))
    assert coloured == {"autocorrelation", "ljung_box"}
    assert set().union(*shown.values()) == set()


def test_noise_of_a_tenth_of_the_signal_is_seen(tmp_path):
    """A tSNR of about 10, and nothing else is wrong."""
    made = make_run(tmp_path / "noisy", noise=10.0)
    assert made.measure()["MedianTsnr"] == pytest.approx(10, rel=0.05)
    assert made.to_check() == {"tsnr"}
    assert images.load(made.file("tsnr.nii.gz")).get_fdata().max() < 20


def test_a_far_move_and_restless_volumes_are_seen(run):
    """8 mm once is a displacement; 1 mm forth and back is framewise displacement."""
    wobble = np.zeros((N, 3))
    wobble[N // 2 :, 1] = 8.0
    run.edit("bold.json", Translation=wobble.tolist(), Rotation=np.zeros((N, 3)).tolist())
    assert run.measure()["Displacement"]["Largest"] == pytest.approx(8.0)
    assert run.to_check() == {"displacement"}
    run.edit("bold.json", Translation=[[0.0, 0.0, scan % 2] for scan in range(N)])
    run.measure()
    assert run.to_check() == {"framewise_displacement"}
    table = run.judge().set_index("measure")
    assert table.loc["framewise_displacement", "sentence"].startswith(f"{N - 1} of {N} volumes moved")
    assert float(table.loc["framewise_displacement", "value"]) == pytest.approx((N - 1) / N)


def test_one_affine_for_all_volumes_leaves_motion_unknown(run):
    """Nothing is claimed of a 4D image: n/a in the tables, and the sentence says why."""
    run.edit("bold.json", Translation=[[1.0, 0, 0]] * N, Rotation=[[0.0, 0, 0]] * N)
    assert run.measure()["Displacement"] == {"Largest": None, "Mean": None}
    table = run.judge().set_index("measure")
    for measure in ("displacement", "framewise_displacement"):
        assert table.loc[measure, "value"] == "n/a"
        assert "share one affine" in table.loc[measure, "sentence"]
        assert table.loc[measure, "verdict"] == "n/a"
    assert set(table["verdict"]) == {"pass", "n/a"}
    counts = json.loads(run.file("quality.json").read_text())["Verdicts"]
    assert counts == {"Pass": len(table) - 2, "Check": 0, "Unknown": 2}


def write_confounds(path, names=fmriprep.PARAMETERS[0], displacement=None, scale=1.0, n=N):
    """Write a table as fMRIPrep does, a walk in mm and radians and framewise displacement; what it holds."""
    rng = np.random.default_rng(11)
    values = scale * rng.normal(0, [0.05] * 3 + [0.001] * 3, (n, 6)).cumsum(axis=0)
    frame = pd.DataFrame(values, columns=list(names))
    steps = np.abs(np.diff(values, axis=0)) @ [1, 1, 1, 50, 50, 50]
    if displacement:
        frame[displacement] = [np.nan, *steps]
    frame.to_csv(path, sep="\t", index=False, na_rep="n/a")
    return values, steps


@pytest.mark.parametrize(
    ("names", "displacement"),
    [
        (fmriprep.PARAMETERS[0], "framewise_displacement"),
        (fmriprep.PARAMETERS[0], None),
        (fmriprep.PARAMETERS[1], "FramewiseDisplacement"),
    ],
)
def test_motion_is_of_the_table_where_all_volumes_share_one_affine(run, names, displacement):
    """FMRIPrep's columns, old and new: each voxel of the mask followed about the mask's centre, by scipy."""
    run.edit("bold.json", Translation=[[1.0, 0, 0]] * N, Rotation=[[0.0, 0, 0]] * N)
    values, steps = write_confounds(run.file("c.tsv"), names, displacement)
    found = run.measure(confounds=run.file("c.tsv"))
    table = pd.read_csv(run.file("ts.tsv"), sep="\t")
    np.testing.assert_allclose(table["framewise_displacement"][1:], steps, rtol=1e-9, atol=0)
    assert np.isnan(table["framewise_displacement"][0])
    voxels = np.argwhere(masked.read_mask(run.file("mask.nii.gz")))
    points = nib.affines.apply_affine(AFFINE, voxels - voxels.mean(axis=0)) - AFFINE[:3, 3]
    turns = Rotation.from_euler("XYZ", values[:, 3:] * [-1, 1, -1])  # SPM's signs
    scanned = np.array([turn.inv().apply(points - t) for turn, t in zip(turns, values[:, :3], strict=True)])
    expected = np.linalg.norm(scanned - scanned[0], axis=2).max(axis=1)
    np.testing.assert_allclose(table["displacement"], expected, rtol=1e-6, atol=1e-9)
    angles = [(turn * turns[0].inv()).magnitude() * 180 / np.pi for turn in turns]
    np.testing.assert_allclose(table["rotation"], angles, rtol=1e-6, atol=1e-9)
    assert found["MotionSource"] == "confounds"
    assert "its table of confounds (rotations in radians)" in found["MotionFrom"]
    judged = run.judge().set_index("measure")
    assert judged.loc["displacement", "verdict"] == "pass"
    assert "by the table of confounds" in judged.loc["framewise_displacement", "sentence"]
    plot(run)


def test_affines_count_before_the_table(run):
    """Where the affines tell of motion the table is not read."""
    expected = run.measure()["Displacement"]
    write_confounds(run.file("c.tsv"), scale=30.0)
    found = run.measure(confounds=run.file("c.tsv"))
    assert found["Displacement"] == expected
    assert found["MotionSource"] == "affines"


def test_framewise_displacement_alone_leaves_the_rest_unknown(run):
    """One verdict on motion, the other n/a; restless volumes are seen."""
    run.edit("bold.json", Translation=[[1.0, 0, 0]] * N, Rotation=[[0.0, 0, 0]] * N)
    run.file("c.tsv").write_text("framewise_displacement\n" + "n/a\n" + "0.9\n" * (N - 1))
    assert run.measure(confounds=run.file("c.tsv"))["Displacement"]["Largest"] is None
    judged = run.judge().set_index("measure")
    assert (judged.loc["displacement", "verdict"], judged.loc["displacement", "value"]) == ("n/a", "n/a")
    assert judged.loc["framewise_displacement", "verdict"] == "check"


@pytest.mark.parametrize(
    "content",
    ["csf\n" + "1\n" * N, "trans_x\n1\n", "", "framewise_displacement\n" + "x\n" * N],
    ids=["no motion", "length", "empty", "no number"],
)
def test_a_table_that_tells_nothing_of_motion_stops_no_quality(run, content, caplog):
    """Its other use, if any, is checked where it is used: here motion is n/a, and the log says why."""
    run.edit("bold.json", Translation=[[1.0, 0, 0]] * N, Rotation=[[0.0, 0, 0]] * N)
    run.file("c.tsv").write_text(content)
    found = run.measure(confounds=run.file("c.tsv"))
    assert found["MotionSource"] == "unknown"
    assert "its table of confounds" in found["MotionFrom"]
    judged = run.judge().set_index("measure")
    assert judged.loc["framewise_displacement", "verdict"] == "n/a"
    assert set(judged["verdict"]) == {"pass", "n/a"}


def brighten(run, scan, factor):
    image = nib.load(run.file("bold.nii"))
    data = np.asarray(image.dataobj).copy()
    data[..., scan] *= factor
    image_writer.write_image(run.file("bold.nii"), data, AFFINE)


@pytest.mark.parametrize("noise", [0.5, 1.0, 3.0, 9.0])
def test_a_volume_that_is_too_bright_is_seen(tmp_path, noise):
    """10 % too bright, under noise of up to 9 %: it and the one after it, by number."""
    made = make_run(tmp_path / "bright", noise=noise)
    brighten(made, 70, 1.1)
    made.measure()
    judged = made.judge().set_index("measure")
    assert judged.loc["dvars", "verdict"] == "check"
    assert "2 volumes (70, 71; the first is 0) changed far more" in judged.loc["dvars", "sentence"]
    assert json.loads(made.file("quality.json").read_text())["Runs"]["r"]["DvarsSpikes"] == [70, 71]


def test_spike_of_a_censored_volume_is_taken_care_of(tmp_path):
    """Neither it nor the volume after it counts."""
    made = make_run(tmp_path / "censored", censored=(70,))
    brighten(made, 70, 1.5)
    made.measure()
    judged = made.judge().set_index("measure").loc["dvars"]
    assert judged["verdict"] == "pass"
    assert judged["sentence"].startswith(
        "No volume, but for censored ones (1) and those right after them, changed"
    )


def test_voxels_outside_of_the_field_of_view_are_seen(run):
    """One of six slices of the brain that some volume does not cover."""
    covered = np.ones(SHAPE, np.uint8)
    covered[:, :, 6:] = 0
    image_writer.write_image(run.file("fov.nii.gz"), covered, AFFINE)
    assert run.measure()["OutsideFieldOfView"] == pytest.approx(1 / 6)
    assert run.to_check() == {"outside"}


def test_collinear_regressors_are_seen(run):
    """Two conditions nearly equal; then equal, which no number can hold."""
    design = pd.read_csv(run.file("design.tsv"), sep="\t")
    design["b"] = design["a"] + 0.01 * design["a"].std() * np.random.default_rng(1).normal(size=N)
    write_design(run, design)
    assert run.to_check() == {"correlation", "vif", "condition_number"}
    design["b"] = design["a"]
    write_design(run, design)
    table = run.judge().set_index("measure")
    assert set(table.index[table["verdict"] == "check"]) == {"correlation", "vif", "condition_number"}
    assert table.loc["vif", "value"] == table.loc["condition_number", "value"] == "inf"
    design["b"] = 0.0
    write_design(run, design)
    assert run.to_check() == {"vif", "condition_number"}


def test_collinear_confounds_are_told_but_not_held_against_the_design(run):
    """Motion that nearly follows from itself costs the conditions nothing; what fully does is surplus."""
    design = pd.read_csv(run.file("design.tsv"), sep="\t")
    drift = np.random.default_rng(2).normal(size=(2, N))
    design.insert(2, "motion_x", drift[0])
    design.insert(3, "motion_y", drift[0] + 1e-3 * drift[1])
    write_design(run, design)
    assert run.to_check() == set()
    of_run = json.loads(run.file("quality.json").read_text())["Runs"]["r"]
    assert of_run["ConditionNumber"] > 1000 > 30 > of_run["ConditionNumberOfInterest"] > 1
    factors = of_run["VarianceInflation"]
    assert factors["motion_x"] > 1e5
    assert list(factors) == ["a", "b", "motion_x", "motion_y"]
    design["motion_y"] = design["motion_x"]
    write_design(run, design)
    assert run.to_check() == {"condition_number"}


def test_a_run_that_cannot_estimate_a_contrast_is_seen(run):
    """A condition that is missing in the run, with the reason of the list of contrasts."""
    left_out = {"Fit": "r_glm.json", "Reason": "no regressor 'b'"}
    run.edit("contrast.json", Runs=[], RunsLeftOut=[left_out])
    assert run.to_check() == {"estimable"}
    sentence = run.judge().set_index("measure").loc["estimable", "sentence"]
    assert "no regressor 'b'" in sentence
    of_run = json.loads(run.file("quality.json").read_text())["Runs"]["r"]
    assert of_run["Efficiency"] == {"ab": None}
    assert of_run["EstimableContrasts"] == []


@pytest.mark.parametrize(("factor", "word"), [(2.0, "wider"), (0.5, "narrower")])
def test_a_wrong_width_of_z_is_seen(run, factor, word):
    """Twice or half the normal distribution."""
    inside = masked.read_mask(run.file("mask.nii.gz"))
    z = factor * masked.read_masked(run.file("z.nii.gz"), inside)
    image_writer.write_masked(run.file("z.nii.gz"), z, inside, AFFINE)
    assert run.to_check() == {"z_width"}
    assert word in run.judge().set_index("measure").loc["z_width", "sentence"]
    found = json.loads(run.file("quality.json").read_text())["Contrasts"]["ab"]["Width"]
    assert found == pytest.approx(median_abs_deviation(z, scale="normal"), rel=1e-5)


def test_every_limit_is_a_limit(run):
    """Made strict one at a time, each limit of the config turns its measure, and no other."""
    strict = {
        "displacement": (0.01, "displacement"), "fd_threshold": (1e-6, "framewise_displacement"),
        "tsnr": (1e4, "tsnr"), "correlation": (0.01, "correlation"), "vif": (1.0, "vif"),
        "condition_number": (1.0, "condition_number"), "autocorrelation": (1e-9, "autocorrelation"),
        "z_narrow": (1.4, "z_width"), "z_wide": (0.5, "z_width"), "dvars": (0.01, "dvars"),
        "z_centre": (1e-6, "z_centre"),
    }  # fmt: skip
    for name, (limit, measure) in strict.items():
        table = run.judge(**{name: limit})
        assert set(table["measure"][table["verdict"] == "check"]) == {measure}, name
    assert strict.keys() | {
        "fd_share", "outside", "zeros", "ljung_box", "efficiency", "missing",
    } == LIMITS.keys()  # fmt: skip


def test_censored_scans_do_not_count(tmp_path):
    """A spike in censored scans: signal to noise and residuals are those of the other scans."""
    made = make_run(tmp_path / "censored", model="ar1", censored=(20, 21, 90))
    plain = made.measure()
    image = nib.load(made.file("bold.nii"))
    data = np.asarray(image.dataobj)
    data[..., [20, 21, 90]] += 500 * (data[..., [20, 21, 90]] > 0)
    image_writer.write_image(made.file("bold.nii"), data, AFFINE)
    spiked = made.measure()
    assert spiked["CensoredVolumes"] == 3
    assert spiked["MedianTsnr"] == pytest.approx(plain["MedianTsnr"], rel=1e-6)
    for part in ("Before", "After"):
        for key in ("MedianAutocorrelation", "Rejected"):
            assert spiked["Residuals"][part][key] == pytest.approx(plain["Residuals"][part][key], abs=0.002)
    assert spiked["Dvars"]["Largest"] > 10 * plain["Dvars"]["Largest"]
    assert made.to_check() == set()


def test_a_mask_of_voxels_that_never_change_is_told_without_a_warning(run):
    """Nothing is known of them: null in the sidecar, and the verdict says where to look."""
    n_voxels = int(masked.read_mask(run.file("mask.nii.gz")).sum())
    design = designs.read(run.file("design.tsv"), run.file("design.json"))
    nothing = np.zeros(n_voxels)
    constant = run_measures.Fitted(  # a fit has none of them: it stops
        sampled=np.arange(n_voxels), series=np.full((N, n_voxels), 700, np.float32),
        beta=np.zeros((len(design.names), n_voxels)), whitening=ByCoefficient(nothing, 0.0),
        has=nothing > 0, rsquared=nothing, tsnr=nothing,
        has_zero=nothing > 0, signal=np.full(N, 700.0), change=np.zeros(N), noise_model="ols", factor="voxel",
    )  # fmt: skip
    still = motion.of_run({"Translation": [[1.0, 0, 0]] * N, "Rotation": [[0.0, 0, 0]] * N}, None)
    inside, grid = masked.read_mask(run.file("mask.nii.gz")), Grid.of(run.file("mask.nii.gz"))
    of_volumes, found = run_measures.of_run(
        design, constant, still, [0] * N, inside, grid, *2 * [np.ones(n_voxels, bool)], lags=10
    )
    assert found["MedianTsnr"] is None
    assert found["Residuals"]["Before"]["Rejected"] is None
    volumes.write(run.file("ts.tsv"), of_volumes)
    sidecars.write_json(run.file("q.json"), found)
    for name in ("z", "tsnr", "rsquared", "task"):
        image_writer.write_image(run.file(f"{name}.nii.gz"), np.zeros(SHAPE, np.float32), AFFINE)
    assert run.to_check() == {"tsnr", "autocorrelation", "ljung_box", "z_width"}
    plot(run)


def test_a_design_of_another_length_stops(run):
    """The design of another run is the user's error."""
    write_design(run, pd.read_csv(run.file("design.tsv"), sep="\t").iloc[:-3])
    with pytest.raises(InputError, match="rows for a run of"):
        run.measure()


def plot(run, **options):
    """Draw the eight figures of a run, and give their names."""
    run.file("events.tsv").write_text("onset\tduration\ttrial_type\n4\t1\ta\n15\t1\tb\n")
    outputs = {f"{name}_figure": run.file(f"{name}.png") for name in targets.OF_RUN}
    plot_run(
        events=run.file("events.tsv"), design=run.file("design.tsv"), design_json=run.file("design.json"),
        series=run.file("series.npy"), bold_json=run.file("bold.json"), mask=run.file("mask.nii.gz"),
        timeseries=run.file("ts.tsv"), measures=run.file("q.json"), tsnr=run.file("tsnr.nii.gz"),
        rsquared=run.file("rsquared.nii.gz"), task_rsquared=run.file("task.nii.gz"),
        title="sub-01, run 1", **outputs, **options,
    )  # fmt: skip
    return list(outputs.values())


def test_figure_of_learnt_noise_has_content_and_is_the_same_twice(tmp_path):
    """Only where it is asked for; spectra and a map, byte for byte reproducible."""
    run = make_run(tmp_path / "run", rho=0.4, model="mixture")
    run.measure()
    files = {"ar1": run.file("ar1.nii.gz"), "processes": run.file("processes.tsv")}
    plot(run)
    assert not run.file("noise.png").exists()
    plot(run, **files, noise_figure=run.file("noise.png"))
    before = run.file("noise.png").read_bytes()
    pixels = matplotlib.image.imread(run.file("noise.png"))[..., :3]
    assert pixels.std() > 0.05
    assert 600 < pixels.shape[0] < 2400
    coloured = pixels.max(axis=-1) - pixels.min(axis=-1) > 0.3
    lower = coloured[pixels.shape[0] // 2 :].mean()
    assert lower > 0.1  # the brain of the map
    plot(run, **files, noise_figure=run.file("noise.png"))
    assert run.file("noise.png").read_bytes() == before


def test_figures_have_content_and_are_the_same_twice(run):
    """Eight pictures of sensible size, byte for byte reproducible."""
    figures = plot(run)
    before = [path.read_bytes() for path in figures]
    for path in figures:
        height, width, _ = matplotlib.image.imread(path).shape
        assert 400 < width < 2400
        assert 200 < height < 2400
        assert matplotlib.image.imread(path)[..., :3].std() > 0.05, path
    assert [path.read_bytes() for path in plot(run)] == before


def test_rules_make_the_files_of_a_study(small_study, tmp_path):
    """Asked for by name, all three stages run on a finished study; another limit judges again and no more."""
    study = Study(Path(shutil.copytree(small_study.folder, tmp_path / "study", symlinks=True)), SMALL)
    start = "sub-01/figures/sub-01_task-faces_run-1"
    asked = ["results/node-subject/sub-01/sub-01_task-faces_quality.tsv", f"results/{start}_carpet.png"]
    study.snakemake(*asked)
    table = pd.read_csv(study.result("quality.tsv"), sep="\t", keep_default_na=False)
    assert list(table["run"].unique()) == ["sub-01_task-faces_run-1", "sub-01_task-faces_run-2", "n/a"]
    assert list(table["contrast"].unique()) == ["n/a", *SMALL["contrasts"]]
    assert study.planned(*asked, changes={"quality": {"tsnr": 50}}) == {"judge_quality": 1}
    odd, n_files = json_keys.odd_keys(study.folder / "results")
    assert odd == []
    assert n_files > 10


def test_odd_keys_of_json_are_found():
    """At any depth, in lists, and beside labels, which may be anything."""
    content = {
        "Name": [{"name": 1, "Unit": {"peak_z": 2}}],
        "Responses": {"go/no-go": {"Peak": 1, "event duration": 2}},
        "Modulators": {"bet": [{"column": 1}], "go": {"gain_x": {"Centre": "run", "how": 1}}},
        "Weights": [{"a_b": 1}],
    }
    assert list(json_keys.odd_in(content)) == [
        "Name.name", "Name.Unit.peak_z", "Responses.go/no-go.event duration", "Modulators.bet.column",
        "Modulators.go.gain_x.how",
    ]  # fmt: skip


def test_run_that_hardly_knows_a_contrast_is_named():
    """Below a fifth of the median efficiency of the other runs, a run that stays in is to check."""
    efficiencies = {"r1": {"a": 10.0, "b": None}, "r2": {"a": 12.0, "b": 3.0}, "r3": {"a": 1.0, "b": None}}
    judged = {
        (verdict.run, verdict.contrast): verdict
        for verdict in contrast_verdicts.of_efficiencies(efficiencies, 0.2)
    }
    assert set(judged) == {("r1", "a"), ("r2", "a"), ("r3", "a")}  # b: no other run to compare with
    assert [judged[run, "a"].verdict for run in ("r1", "r2", "r3")] == ["pass", "pass", "check"]
    assert judged["r3", "a"].value == pytest.approx(1.0 / 11.0)
    assert "equal weights" in judged["r3", "a"].sentence


@pytest.mark.parametrize(
    ("by_runs", "coverage", "verdict", "words"),
    [
        ({"0": 0, "1": 0, "2": 500}, "any", "pass", "Every voxel of the mask is in every run"),
        (
            {"0": 1, "1": 4, "2": 495},
            "any",
            "pass",
            "5 of 500 voxels of the mask are not in every run (1 in 0, 4 in 1",
        ),
        ({"0": 0, "1": 100, "2": 400}, "any", "check", "combined over the runs that have them"),
        ({"0": 100, "1": 0, "2": 400}, "all", "check", "not tested"),
    ],
)
def test_voxels_that_some_run_lacks_are_counted(by_runs, coverage, verdict, words):
    """The sentence says how many, and what became of them."""
    found = contrast_verdicts.of_coverage("c", by_runs, coverage, 0.05)
    assert found.verdict == verdict
    assert words in found.sentence


def hollow(run, n_scans, n_voxels):
    """Put 0 into so many scans of so many voxels of the brain, from its beginning on."""
    inside = masked.read_mask(run.file("mask.nii.gz"))
    values = masked.read_masked(run.file("bold.nii"), inside)
    values[:n_scans, 10 : 10 + n_voxels] = 0
    image_writer.write_masked(run.file("bold.nii"), values.astype(np.float32), inside, AFFINE)


@pytest.mark.parametrize(("n_scans", "share"), [(1, 0.02), (N // 2, 0.02), (N, 0.02), (N // 2, 0.005)])
def test_voxels_that_are_0_in_some_volumes_are_seen(run, n_scans, share):
    """In one volume, in half of them or in all; a hundredth of the brain is the limit."""
    n_voxels = int(masked.read_mask(run.file("mask.nii.gz")).sum())
    hollow(run, n_scans, round(share * n_voxels))
    assert run.measure()["FilledWithZeros"] == pytest.approx(share)
    judged = run.judge().set_index("measure").loc["zeros"]
    assert judged["verdict"] == ("check" if share > 0.01 else "pass")
    assert judged["sentence"].startswith(f"{100 * share:g} % of the brain's voxels are analysed although")


def test_voxels_that_some_volume_does_not_cover_count_where_they_are_analysed(run):
    """Left out of the fit they are outside and hold no zeros; fitted, they are both."""
    covered = np.ones(SHAPE, np.uint8)
    covered[:, :, 6:] = 0
    image_writer.write_image(run.file("fov.nii.gz"), covered, AFFINE)
    found = run.measure()
    assert (found["OutsideFieldOfView"], found["FilledWithZeros"]) == (pytest.approx(1 / 6), 0.0)
    found = run.measure(analyse_all=True)
    assert found["OutsideFieldOfView"] == pytest.approx(1 / 6)
    assert found["FilledWithZeros"] == pytest.approx(1 / 6)


@pytest.mark.parametrize("model", ["ols", "ar1", "arma11", "mixture"])
def test_voxels_that_are_left_out_of_the_fit_change_no_measure_of_it(run, model):
    """TSNR, R2 and whiteness of half a mask are those with that half as the mask; maps are 0 outside."""
    run.model = model
    inside = masked.read_mask(run.file("mask.nii.gz"))
    values = masked.read_masked(run.file("bold.nii"), inside)
    covered = np.ones(SHAPE, np.uint8)
    covered[:, :, 4:] = 0
    there = masked.read_mask(run.file("mask.nii.gz")).T[inside.T] & (covered > 0).T[inside.T]
    values[N // 2 :, ~there] = 0  # where the head has moved out of the field of view
    image_writer.write_masked(run.file("bold.nii"), values, inside, AFFINE)
    image_writer.write_image(run.file("fov.nii.gz"), covered, AFFINE)
    found = run.measure()
    for name in ("beta", "sigma2", "ar1", "rsquared", "task", "tsnr"):
        assert not masked.read_masked(run.file(f"{name}.nii.gz"), inside)[..., ~there].any()
    image_writer.write_image(run.file("mask.nii.gz"), (inside & (covered > 0)).astype(np.uint8), AFFINE)
    alone = run.measure()
    for name in ("MedianTsnr", "RSquared", "ConstantVoxels"):
        assert found[name] == alone[name], name
    for part in ("Before", "After") if model != "ols" else ("Before",):
        assert found["Residuals"][part] == alone["Residuals"][part], part


def test_zeros_of_data_about_a_mean_of_0_are_values(run):
    """Whole numbers about 0 hold many zeros, and all of them are data."""
    inside = masked.read_mask(run.file("mask.nii.gz"))
    values = np.random.default_rng(3).integers(-3, 4, (N, int(inside.sum()))).astype(np.float32)
    image_writer.write_masked(run.file("bold.nii"), values, inside, AFFINE)
    run.scaling = "none"
    assert run.measure()["FilledWithZeros"] == 0.0


def test_tsnr_after_smoothing_is_told_and_not_judged(run):
    """The limit holds for data before smoothing, which are not measured: neither fine nor wrong."""
    run.edit("bold.json", SmoothingFwhm=6.0)
    assert run.measure()["SmoothingFwhm"] == 6.0
    judged = run.judge(tsnr=1e4).set_index("measure").loc["tsnr"]
    assert judged["verdict"] == "n/a"
    assert float(judged["value"]) == pytest.approx(100, rel=0.1)
    assert "after smoothing with 6 mm" in judged["sentence"]


@pytest.mark.parametrize("shift", [1.22, -1.22, 0.8])
def test_a_shift_of_z_is_seen(run, shift):
    """Beyond 1 in either direction, with what it may be; below, as a task against rest has it, it passes."""
    inside = masked.read_mask(run.file("mask.nii.gz"))
    z = masked.read_masked(run.file("z.nii.gz"), inside)
    z = z - np.median(z) + shift
    image_writer.write_masked(run.file("z.nii.gz"), z, inside, AFFINE)
    assert run.to_check() == ({"z_centre"} if abs(shift) > 1 else set())
    judged = run.judge().set_index("measure").loc["z_centre"]
    assert float(judged["value"]) == pytest.approx(shift, rel=1e-5)
    assert f"{'below' if shift < 0 else 'above'} {shift:.2f}" in judged["sentence"]
    assert ("most of the brain responds" in judged["sentence"]) == (abs(shift) > 1)


@pytest.mark.parametrize("value", [0.3004, 0.29996, 0.3, 0.4, 0.30000000001, 1e9, -0.3])
@pytest.mark.parametrize("style", ["g", "f"])
def test_rounding_leaves_a_value_on_its_side_of_the_limit(value, style):
    """In as few digits as that takes: no value reads as the limit that it is beyond."""
    text = verdicts.told(value, 0.3, style=style)
    assert (float(text) > 0.3, float(text) < 0.3) == (value > 0.3, value < 0.3)
    assert verdicts.told(0.3579, 0.3, style=style) == "0.36"
    assert verdicts.percent(0.05004, 0.05) == "5.004 %"
