"""The page of a subject, from small saved files: what it says of its runs, contrasts and checks."""

import json
import struct

import nibabel as nib
import numpy as np
import pytest
from scipy import stats

from firstlevel import names
from firstlevel.io import table_writer
from firstlevel.plan import targets
from firstlevel.plotting import viewer
from firstlevel.reporting import peaks, trials_section, viewer_data
from firstlevel.reporting.contrast_section import of_contrast
from firstlevel.reporting.run_section import OF_LEARNT_NOISE, OF_MODEL, OF_QUALITY, of_run
from firstlevel.reporting.subject_files import SubjectFiles

RUN, UNIT = "sub-01_ses-pre_task-faces_run-2", "sub-01_task-faces"
LABELS = {"subject": "01", "unit": UNIT, "contrast": "difference"}
PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 30, 20)
"""What is read of a picture: its size."""


@pytest.fixture
def write(tmp_path):
    """Write a file by the pattern of its name, and give all that were written so far."""
    written = []

    def one(pattern, content, **labels):
        path = tmp_path / names.last(pattern, **labels)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, list):
            columns = list(content[0])
            table_writer.write_table(path, columns, [[row[key] for key in columns] for row in content])
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        written.append(path)
        return SubjectFiles.of(written)

    return one


def shown_contrast(write, clusters=(), shown="fdr", **changes):
    """Values of a contrast whose sidecar has these changes."""
    response = {"faces": {"EventDuration": 1.0, "Peak": 0.2088}}
    sidecar = {
        "Contrast": ["faces - scrambled"],
        "DegreesOfFreedom": 236,
        "EffectUnit": "percent of each voxel's mean (times Peak: at the peak)",
        "Statistic": "t",
        "Runs": [{"Responses": response}, {"Responses": response}],
        "VoxelsByNumberOfRuns": {"0": 0, "1": 0, "2": 50000},
    } | changes
    columns = (
        "cluster_id", "x", "y", "z", "peak_z", "effect", "effect_low", "effect_high", "n_voxels", "size_mm3",
        "fdr", "bonferroni", "true_discoveries", "true_discovery_proportion",
    )  # fmt: skip
    peaks = [dict(zip(columns, row, strict=True)) for row in clusters] or [dict.fromkeys(columns, "n/a")]
    write(names.CLUSTERS, peaks, **LABELS)
    write(names.THRESHOLDS, [{"method": "fdr", "z_threshold": 3.499647, "two_sided": "true"}], **LABELS)
    for kind in targets.OF_CONTRAST:
        files = write(names.contrast_figure(kind), PNG, **LABELS)
    return of_contrast(files, LABELS, sidecar, "faces against scrambled", shown, 10)


def test_contrast_tells_its_test_unit_and_thresholds(write):
    """In the words of the page; where every voxel is of all runs, nothing is said of coverage."""
    shown = shown_contrast(write)
    assert shown["test"] == "t(236), 2 runs"
    assert shown["unit"] == (
        "Effects are in percent of each voxel's mean; at the peak, 0.209 times that for one event of faces "
        "(1 s)."
    )
    assert (shown["coverage"], shown["peak"], shown["clusters"]) == ("", None, [])
    assert [(row["name"], row["z_threshold"]) for row in shown["thresholds"]] == [("FDR", "3.5")]
    first = shown["pictures"][0]["picture"]
    assert (first.width, first.height) == (30, 20)
    assert first.alt == "z map of faces against scrambled, FDR"
    files = dict(shown["files"])
    assert files["table of all peaks"] == f"../node-subject/sub-01/{UNIT}_contrast-difference_clusters.tsv"
    assert files["t map"] == f"../node-subject/sub-01/{UNIT}_contrast-difference_stat-t_statmap.nii.gz"


@pytest.mark.parametrize(
    ("shown", "first"),
    [("fdr", "FDR"), ("tdp", "true discoveries"), ("bonferroni", "Bonferroni"), (None, "chosen threshold")],
)
def test_chosen_threshold_comes_first_and_the_others_follow(write, shown, first):
    """Each method once; a threshold of the study's own before them."""
    names_shown = [one["name"] for one in shown_contrast(write, shown=shown)["pictures"]]
    assert names_shown[0] == first
    assert set(names_shown) - {"chosen threshold"} == {"uncorrected", "FDR", "Bonferroni", "true discoveries"}
    assert len(names_shown) == len(set(names_shown)) == (5 if shown is None else 4)


def test_f_contrast_of_one_run_without_responses(write):
    """Two degrees of freedom, one run, and a unit without a peak."""
    shown = shown_contrast(write, DegreesOfFreedom=[2, 118], Runs=[{"Responses": {}}])
    assert shown["test"] == "F(2, 118), 1 run"
    assert shown["unit"] == "Effects are in percent of each voxel's mean."


def test_voxels_of_fewer_runs_are_counted(write):
    """How many of how many, by the number of runs that have them."""
    counts = {"0": 10, "1": 1490, "2": 48500}
    assert shown_contrast(write, VoxelsByNumberOfRuns=counts)["coverage"] == (
        "1,500 of 50,000 voxels are not in every run: 10 from 0 runs, 1,490 from 1 run."
    )


def test_clusters_are_numbered_by_their_peak_with_further_peaks_below(write):
    """Those of one voxel come last, by themselves; the largest absolute z is in the text of the figure."""
    shown = shown_contrast(
        write,
        clusters=[
            (1, 3.36, -81.154, -41.752, 4.6, 0.41237, 0.24, 0.59, 70, 2520.0, "true", "true", 27, 0.381),
            ("1a", 5.0, -80.0, -40.0, 4.1, 0.3, 0.1, 0.5, "n/a", "n/a", "true", "false", "n/a", "n/a"),
            (2, 0.3, -0.4, 1.0, 3.5, 0.2, 0.1, 0.3, 2, 72.0, "false", "false", 0, 0.0),
            (3, -20.364, 50.606, 15.532, -5.128, -0.6, -0.8, -0.4, 1, 36.0, "false", "false", 1, "n/a"),
            (4, 9.0, 9.0, 9.0, -4.9, -0.0512, -0.0716, -0.0309, 12, 432.0, "false", "false", 0, 0.0),
        ],
    )
    found = [(row["number"], row["shown_z"], row["share"]) for row in shown["clusters"]]
    assert found == [("1", "\u22124.90", "0%"), ("2", "4.60", "38%"), ("2a", "4.10", ""), ("3", "3.50", "0%")]
    assert [(row["number"], row["cluster_id"], row["voxels"]) for row in shown["singles"]] == [
        ("4", "3", "1")
    ]
    assert (shown["n_clusters"], shown["n_larger"], shown["n_single"]) == (4, 3, 1)
    assert [row["shown_effect"] for row in shown["clusters"][:2]] == [
        "\u22120.051 [\u22120.072, \u22120.031]", "0.41 [0.24, 0.59]",
    ]  # fmt: skip
    assert [row["survives"] for row in shown["clusters"][:3]] == ["", "FDR, Bonferroni", "FDR"]
    assert shown["clusters"][1]["place"] == "3, \u221281, \u221242"
    assert shown["clusters"][3]["place"] == "0, 0, 1"
    alt = shown["pictures"][0]["picture"].alt
    assert alt.endswith("; peak z \u22125.13 at (\u221220, 51, 16) mm")


@pytest.mark.parametrize("z", [0.5, 3.09, -4.2, 8.3117, 30.0])
def test_p_of_a_peak_is_that_of_the_normal_distribution(z):
    """Of both tails or of the upper one."""
    assert peaks.p_of(z, two_sided=True) == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-10)
    assert peaks.p_of(z, two_sided=False) == pytest.approx(stats.norm.sf(z), rel=1e-10)


def test_data_of_viewers_are_one_where_masks_and_backgrounds_are_equal():
    """Each contrast is kept, in order; what they share stands once."""
    affine, rng = np.diag([3.0, 3.0, 3.0, 1.0]), np.random.default_rng(0)
    inside = np.ones((6, 7, 8), bool)
    mean = nib.Nifti1Image(rng.uniform(size=inside.shape).astype(np.float32), affine)
    texts = []
    for key in ("b", "a"):
        z = nib.Nifti1Image(rng.normal(size=inside.shape).astype(np.float32), affine)
        texts.append(
            viewer.page(viewer.data_of(z, mean, inside, key, "</script> & <b>", {}, 3.0, signed=True))
        )
    whole = viewer_data.merged(texts)
    assert [one["key"] for one in whole["contrasts"]] == ["b", "a"]
    assert {one["title"] for one in whole["contrasts"]} == {"</script> & <b>"}
    assert (len(whole["masks"]), len(whole["backgrounds"])) == (1, 1)


def test_degrees_of_freedom_that_differ_by_voxel_are_told_with_their_range(write):
    """Of noise that is learnt: their median, and from where to where."""
    of_voxels = {"Median": 186.34, "Range": [150.2, 188.0]}
    shown = shown_contrast(write, DegreesOfFreedom=186.34, DegreesOfFreedomOfVoxels=of_voxels)
    assert shown["test"] == "t(186.3) in the median (150 to 188 degrees of freedom), 2 runs"
    shown = shown_contrast(write, DegreesOfFreedom=[2, 186.34], DegreesOfFreedomOfVoxels=of_voxels)
    assert shown["test"] == "F(2, 186.3) in the median (150 to 188 degrees of freedom), 2 runs"


@pytest.mark.parametrize("noise_model", ["ar1", "mixture"])
def test_run_tells_its_size_its_regressors_and_its_inputs(write, noise_model):
    """From its three sidecars, with a digest over the list of all inputs."""
    roles = {"faces": "condition", "scrambled": "condition", "cosine00": "confound", "constant": "constant"}
    columns = [{"Name": name, "Role": role} for name, role in roles.items()]
    write(names.RESAMPLED_JSON, {"Inputs": [{"Sha256": "aa"}, {"Sha256": "bb"}]}, run=RUN)
    write(names.DESIGN_JSON, {"Columns": columns, "RepetitionTime": 2.5, "EqualSteps": True}, run=RUN)
    fit = {"Columns": list(roles), "NumberOfVolumes": 120, "NumberOfVoxels": 49875, "DegreesOfFreedom": 116}
    write(names.FIT_JSON, fit | {"Inputs": [], "NoiseModel": noise_model}, run=RUN)
    of_noise = OF_LEARNT_NOISE if noise_model == "mixture" else {}
    for kind in (*OF_MODEL, *OF_QUALITY, *of_noise):
        files = write(names.run_figure(kind), PNG, run=RUN)
    shown = of_run(files, RUN)
    assert shown["label"] == "Session pre, run 2"
    assert (shown["n_scans"], shown["n_columns"], shown["dof"]) == (120, 4, 116)
    assert (shown["n_voxels"], shown["repetition_time"]) == ("49,875", "2.5")
    assert shown["roles"] == "2 condition, 1 confound, 1 constant"
    # printf 'aa\nbb\n' | sha256sum
    assert shown["inputs_digest"] == "329d670e59ead1543a2d36865895972560bc434204c5f4a0c8219005dd312719"
    assert (shown["facts"].n_cosines, shown["facts"].has_events, shown["facts"].n_drift) == (1, True, 0)
    assert len(shown["model"] + shown["quality"]) == len(OF_MODEL) + len(OF_QUALITY) + len(of_noise)


TRIALS = {
    "Model": "lss",
    "ModelDescription": "least squares separate: a model per trial",
    "NumberOfTrials": 21,
    "EstimableTrials": 19,
    "Conditions": {
        "faces": {"Trials": 20, "Estimable": 19, "VarianceInflation": {"Median": 1.234, "Largest": 2.0}},
        "<i>one</i>": {"Trials": 1, "Estimable": 0},
    },
}


def test_run_tells_its_single_trials(write):
    """How many of which condition, their collinearity, where the maps are; nothing where there are none."""
    assert trials_section.of_run(write(names.FIT_JSON, {}, run=RUN), RUN) is None
    shown = trials_section.of_run(write(names.TRIALS_JSON, TRIALS, run=RUN), RUN)
    assert (shown["model"], shown["n_missing"]) == ("LSS", 2)
    keys = ("n_trials", "n_estimable", "median", "largest")
    rows = [[row[key] for key in keys] for row in shown["conditions"]]
    assert rows == [[20, 19, "1.23", "2.00"], [1, 0, "n/a", "n/a"]]
    addresses = [address for _, address in shown["files"]]
    assert addresses[0] == f"../node-run/sub-01/{RUN}_stat-beta_desc-trials_statmap.nii.gz"
    assert addresses[2] == f"../node-run/sub-01/{RUN}_desc-trials_statmap.tsv"
