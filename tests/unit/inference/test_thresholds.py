"""What of a z map holds up: thresholds, bounds on true discoveries, tables of peaks, and their pictures."""

import gc
import itertools
import re
import sys
import warnings
from html.parser import HTMLParser

import matplotlib.image
import nibabel as nib
import numpy as np
import pytest
from blob_maps import OBLIQUE, PLAIN, SHAPE, distance, texts_of
from checked_configs import SCHEMA
from scipy import ndimage, stats
from statsmodels.stats.multitest import multipletests
from studies import SMALL, merged

from firstlevel.inference import thresholds as inference
from firstlevel.inference.findings import CLUSTER_COLUMNS
from firstlevel.inference.of_map import compute_inference
from firstlevel.io import tables
from firstlevel.plan import config as configs
from firstlevel.plotting import cuts, figures, histogram
from firstlevel.plotting.viewer import POLICY
from firstlevel.quality import z_spread
from firstlevel.reporting import viewer_data
from firstlevel.stage import InputError
from plot_contrast import plot_contrast

ALPHA = 0.05
FLIPPED = np.diag([-3.0, 3.0, 4.0, 1.0]) + np.pad([[90.0], [-126.0], [-72.0]], ((0, 1), (3, 0)))
MALICE = '<script>alert(1)</script> "it\'s" 😀 $a_1$ \\g<1> </title></h1> &amp; '.ljust(200, "x")
CONFIG = {
    "p": 0.001,
    "alpha": ALPHA,
    "two_sided": True,
    "cluster_threshold": 0,
    "connectivity": 6,
    "true_discovery_threshold": [2.5, 3.5, 5.0],
    "min_distance": 8.0,
}


@pytest.fixture(scope="module", autouse=True)
def _quick_nilearn():
    """Leave what the imports made out of the garbage that nilearn collects at every read of an image."""
    import nilearn.glm
    import nilearn.plotting
    import nilearn.reporting  # noqa: F401

    gc.freeze()
    yield
    gc.unfreeze()


def smooth_noise(seed, shape, sigma=1.0):
    """Gaussian noise of unit variance, positively correlated between neighbours."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma, mode="wrap")
    one = np.zeros(shape)
    one[0, 0, 0] = 1
    return noise / np.sqrt((ndimage.gaussian_filter(one, sigma, mode="wrap") ** 2).sum())


def example(shape=(16, 18, 14)):
    """Noise with activation of both signs, single precision as stored; a mask; what lies outside is huge."""
    z = smooth_noise(1, shape)
    z[3:7, 3:7, 3:7] += 5.0
    z[10:13, 10:13, 8:11] -= 6.0
    z[5, 12, 6] += 7.0
    z[12, 3, 3] = 3.6  # passes uncorrected, and not Bonferroni's threshold
    inside = np.zeros(shape, dtype=bool)
    inside[1:-1, 1:-1, 1:-1] = True
    return np.where(inside, z, 50.0).astype(np.float32).astype(np.float64), inside


@pytest.fixture
def study(tmp_path):
    """Write a z map and a mask; give the arguments of compute_inference."""

    def write(z, inside, affine=FLIPPED, signed=True):
        paths = {name: tmp_path / f"{name}.nii.gz" for name in ("z", "mask")}
        nib.Nifti1Image(z.astype(np.float32), affine).to_filename(paths["z"])
        nib.Nifti1Image(inside.astype(np.uint8), affine).to_filename(paths["mask"])
        maps = {name: tmp_path / f"{name}_map.nii.gz" for name in ("uncorrected", "fdr", "bonferroni", "tdp")}
        made = {"thresholds": tmp_path / "inference.tsv", "clusters": tmp_path / "clusters.tsv"}
        return paths | maps | made | CONFIG | {"signed": signed}

    return write


def rows_of(path):
    return [row.values for row in tables.read_rows(path)]


@pytest.mark.parametrize("two_sided", [True, False])
@pytest.mark.parametrize(("method", "name"), [("fdr", "fdr_bh"), ("bonferroni", "bonferroni")])
def test_the_same_voxels_pass_as_in_statsmodels(two_sided, method, name):
    """Benjamini-Hochberg and Bonferroni over the voxels of the mask, the last voxel included."""
    z, inside = example()
    p = 2 * stats.norm.sf(np.abs(z[inside])) if two_sided else stats.norm.sf(z[inside])
    expected = np.zeros(z.shape, dtype=bool)
    expected[inside] = multipletests(p, ALPHA, method=name)[0]
    passed, _ = inference.thresholded(z, inside, method, ALPHA, two_sided)
    np.testing.assert_array_equal(passed != 0, expected)
    np.testing.assert_array_equal(passed[expected], z[expected])
    assert expected.sum() > 30


def test_the_uncorrected_threshold_is_that_of_the_normal_distribution():
    """One-sided it is the quantile at p, two-sided at p/2."""
    z, inside = example()
    for two_sided, expected in ((True, stats.norm.isf(0.0005)), (False, stats.norm.isf(0.001))):
        passed, threshold = inference.thresholded(z, inside, "uncorrected", 0.001, two_sided)
        assert threshold == pytest.approx(expected, rel=1e-12, abs=0)
        strength = np.abs(z) if two_sided else z
        np.testing.assert_array_equal(passed != 0, inside & (strength > expected))


def test_clusters_below_the_extent_are_left_out():
    """Voxels that share faces with too few others go, those of another sign do not count."""
    z, inside = example()
    whole, _ = inference.thresholded(z, inside, "uncorrected", 0.001, True)
    large, _ = inference.thresholded(z, inside, "uncorrected", 0.001, True, cluster_threshold=10)
    expected = np.zeros_like(whole)
    for sign in (1, -1):
        labels, _ = ndimage.label(sign * whole > 0)
        sizes = np.bincount(labels.ravel())
        expected += np.where((labels > 0) & (sizes[labels] >= 10), whole, 0)
    np.testing.assert_array_equal(large, expected)
    assert 0 < np.count_nonzero(large) < np.count_nonzero(whole)
    assert inference.n_clusters(large) < inference.n_clusters(whole)


def closed_testing(p, chosen, alpha):
    """Number of true discoveries among the chosen by its definition: Simes tests of all subsets, closed."""
    n = len(p)
    subsets = [s for k in range(1, n + 1) for s in itertools.combinations(range(n), k)]
    kept = [
        set(s) for s in subsets if np.all(np.sort(p[list(s)]) > alpha * np.arange(1, len(s) + 1) / len(s))
    ]
    return len(chosen) - max((len(chosen & s) for s in kept), default=0)


@pytest.mark.parametrize("seed", range(12))
def test_the_hommel_value_is_that_of_its_definition(seed):
    """The largest set that its Simes test keeps, of all sets; ties, zeros and all small p among them."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 10))
    p = np.round(rng.uniform(0, rng.choice([0.02, 0.2, 1.0]), n), 2 if seed % 2 else 17)
    p[: seed % 3] = 0.0
    kept = [
        size
        for size in range(1, n + 1)
        for s in itertools.combinations(range(n), size)
        if np.all(size * np.sort(p[list(s)]) > ALPHA * np.arange(1, size + 1))
    ]
    assert inference.hommel_value(p, ALPHA) == max(kept, default=0)


def test_zeros_among_many_p_values_do_not_round_the_hommel_value_away():
    """Of n p values of which k are 0 and the rest 1, n - k are kept: alpha over a slope is rounded."""
    for n in range(1, 400):
        for k in {0, 1, n // 3, n - 1, n}:
            assert inference.hommel_value(np.repeat([0.0, 1.0], [k, n - k]), ALPHA) == n - k


def test_thresholds_bounds_and_counts_are_nilearns():
    """Of random maps of both signs, at several levels: the same numbers, nearly to the last bit."""
    from nilearn.glm import cluster_level_inference, threshold_stats_img

    for seed in range(12):
        z = smooth_noise(seed, (9, 10, 11), 0.8) * 1.3
        z[2:5, 2:6, 3:7] += seed / 2
        inside = np.ones(z.shape, dtype=bool)
        inside[[0, -1]] = False
        zmap, mask = nib.Nifti1Image(z, np.eye(4)), nib.Nifti1Image(inside.astype(np.uint8), np.eye(4))
        for method, control in (("uncorrected", "fpr"), ("fdr", "fdr"), ("bonferroni", "bonferroni")):
            for two_sided, extent in itertools.product((True, False), (0, 4)):
                passed, bound = inference.thresholded(z, inside, method, 0.05, two_sided, extent)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    expected, of_nilearn = threshold_stats_img(
                        zmap, mask, 0.05, height_control=control, cluster_threshold=extent,
                        two_sided=two_sided,
                    )  # fmt: skip
                assert bound == of_nilearn or bound == pytest.approx(of_nilearn, rel=1e-14, abs=0)
                np.testing.assert_array_equal(passed, expected.get_fdata())
        expected = cluster_level_inference(zmap, mask, threshold=[1.5, 2.5], alpha=0.05).get_fdata()
        share = inference.true_discovery_proportion(z, inside, [2.5, 1.5], 0.05, False)
        np.testing.assert_allclose(share, expected, rtol=0, atol=1e-12)


def test_the_least_z_that_passes_passes_however_large_it_is():
    """FDR's threshold lies below it by the next number where 1e-12 is none."""
    for least in (4.0, 37.5, 1e5, 1e30):
        z = np.array([least, least, 2 * least, 0.1, 0.2]).reshape(5, 1, 1)
        passed, bound = inference.thresholded(z, z > 0, "fdr", ALPHA, True)
        assert passed.ravel().tolist() == [least, least, 2 * least, 0, 0]
        assert 0 < bound < least


@pytest.mark.parametrize("seed", range(12))
def test_bounds_are_those_of_closed_testing(seed):
    """The bound of a cluster equals that of all Simes tests of all sets of voxels."""
    z = np.random.default_rng(seed).normal(size=(1, 1, 9)) + np.array([3, 3, 3, 3, 0, 0, 2, 2, 0])
    inside = np.ones(z.shape, dtype=bool)
    share = inference.true_discovery_proportion(z, inside, [1.0], ALPHA, False)
    labels, n_labels = ndimage.label(z > 1.0)
    for label in range(1, n_labels + 1):
        chosen = set(np.flatnonzero(labels.ravel() == label).tolist())
        expected = closed_testing(stats.norm.sf(z.ravel()), chosen, ALPHA)
        assert share[labels == label] * len(chosen) == pytest.approx(expected, rel=0, abs=1e-9)
    assert np.all(share[labels == 0] == 0)


def test_bounds_of_both_signs_are_each_at_half_the_level():
    """Two-sided, the negative clusters have the bounds of the map turned over."""
    z, inside = example()
    both = inference.true_discovery_proportion(z, inside, [2.5, 4.0], ALPHA, True)
    for sign in (1, -1):
        one = inference.true_discovery_proportion(sign * z, inside, [2.5, 4.0], ALPHA / 2, False)
        there = inside & (sign * z > 2.5)
        np.testing.assert_array_equal(both[there], one[there])
        assert one[there].max() > 0.5


def test_no_bound_is_more_than_there_is():
    """Where p is 0, or every voxel of the mask is active, no voxel is counted that is not there."""
    z = np.zeros((6, 6, 6))
    z[2, 2, 1:6] = 50.0
    z[3, 2, 1:4] = 1.6
    inside = np.ones(z.shape, dtype=bool)
    share = inference.true_discovery_proportion(z, inside, [1.5], ALPHA, False)
    assert share.max() == pytest.approx(5 / 8, rel=1e-9, abs=0)
    assert inference.true_discovery_proportion(z + 5, inside, [1.5], ALPHA, False).max() == 1.0


@pytest.mark.parametrize("height", [0.0, 3.5])
def test_bounds_hold_in_simulated_truth(height):
    """In 95 % of 200 draws or more, no cluster of either sign has fewer active voxels than its bound says."""
    shape = (10, 10, 10)
    inside = np.ones(shape, dtype=bool)
    truth = np.zeros(shape)
    truth[2:6, 2:6, 2:6], truth[7:9, 6:9, 6:9] = height, -height
    held = certain = 0
    for seed in range(200):
        z = smooth_noise(seed, shape, 0.7) + truth
        wrong = False
        share = inference.true_discovery_proportion(z, inside, [1.7], ALPHA, True)
        for sign in (1, -1):
            labels, n_labels = ndimage.label(sign * z > 1.7)
            numbers = np.arange(1, n_labels + 1)
            bounds = ndimage.sum_labels(share, labels, numbers)
            active = ndimage.sum_labels(sign * truth > 0, labels, numbers)
            wrong |= bool(np.any(bounds > active + 1e-6))
            certain += float(np.sum(bounds))
        held += not wrong
    print(f"height {height}: bounds hold in {held / 200:.1%} of draws, {certain / 200:.1f} voxels certain")
    assert held >= 190
    assert (certain / 200 > 20) == bool(height)


def nilearns_peaks(passed, affine, distance, monkeypatch):
    """Peaks of the positive clusters from nilearn's table of the whole volume: mm, z, and name.

    nilearn's table holds a peak that is near to a stronger one wherever it is far from the next: its last
    step is made right, by its own definition. Equal peaks come in the order of the array, not of a sort.
    """
    from nilearn.reporting import get_clusters_table

    module = sys.modules[get_clusters_table.__module__]

    def apart(xyz, ijk, values, least):
        kept = []
        for i in range(len(xyz)):
            if all(np.sqrt(((xyz[i] - xyz[j]) ** 2).sum()) > least for j in kept):
                kept.append(i)
        return ijk[kept], values[kept]

    def in_order(ijk, values, affine):
        order = sorted(range(len(values)), key=lambda place: -values[place])
        return nib.affines.apply_affine(affine, ijk[order]), ijk[order], values[order]

    monkeypatch.setattr(module, "_pare_subpeaks", apart)
    monkeypatch.setattr(module, "_sort_subpeaks", in_order)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = get_clusters_table(nib.Nifti1Image(passed, affine), 0.0, min_distance=distance)
    return table[["X", "Y", "Z", "Peak Stat"]].to_numpy(dtype=float), table["Cluster ID"].astype(str).tolist()


@pytest.mark.parametrize("affine", [FLIPPED, OBLIQUE, PLAIN], ids=["flipped", "oblique", "plain"])
def test_the_table_is_nilearns_and_peaks_are_values_of_the_map(affine, monkeypatch):
    """Places, order and values as from the whole volume at once, for each sign; z is that of the voxel."""
    z, inside = example()
    passed = np.where(inside & (np.abs(z) > 2.6), z, 0)
    found = inference.peaks(passed, affine, distance=6.0)
    of_signs = [
        nilearns_peaks(np.maximum(sign * passed, 0), affine, 6.0, monkeypatch)[0] * [1, 1, 1, sign]
        for sign in (1, -1)
    ]
    np.testing.assert_allclose(
        [[*peak.mm, peak.z] for peak in found], np.concatenate(of_signs), rtol=0, atol=1e-9
    )
    for peak in found:
        voxel = np.rint(nib.affines.apply_affine(np.linalg.inv(affine), peak.mm)).astype(int)
        assert z[tuple(voxel)] == peak.z
    sizes = sorted(peak.n_voxels for peak in found if peak.n_voxels is not None)
    counted = [np.bincount(ndimage.label(sign * passed > 0)[0].ravel())[1:] for sign in (1, -1)]
    assert sizes == sorted(np.concatenate(counted).tolist())
    numbers = [peak.cluster_id for peak in found if peak.n_voxels is not None]
    assert numbers == [str(n) for n in range(1, len(numbers) + 1)]
    assert any(peak.cluster_id.endswith("a") for peak in found)


@pytest.mark.parametrize("step", [0.0, 0.5, 1.0, 8.0])
def test_peaks_are_nilearns_with_ties_and_plateaus(step, monkeypatch):
    """Values rounded to steps, to one value at last; nilearn itself cannot where every voxel passes."""
    n_peaks = 0
    for seed in range(15):
        z = smooth_noise(seed, (12, 11, 10), 1 + seed % 2) * 4
        if step:
            z = np.ceil(z / step) * step
        passed = np.where(z > 1.0, z, 0.0)
        found = inference.peaks(passed, PLAIN, distance=7.0)
        expected, names = nilearns_peaks(passed, PLAIN, 7.0, monkeypatch)
        # clusters that are equally strong have their numbers from nilearn's sort, and from their place here
        rows = [(*np.round([*peak.mm, peak.z], 6), peak.cluster_id.lstrip("0123456789")) for peak in found]
        of_nilearn = [
            (*np.round(row, 6), name.lstrip("0123456789")) for row, name in zip(expected, names, strict=True)
        ]
        assert sorted(rows) == sorted(of_nilearn)
        n_peaks += len(found)
    assert n_peaks > 50


def test_no_peak_of_a_cluster_is_nearer_to_another_than_was_asked_for():
    """A weak maximum close to the strongest stays out, though the second is far from it."""
    z = np.zeros((40, 5, 5))
    z[1:39, 2, 2] = 3.1
    z[[5, 9, 30], 2, 2] = 9.0, 7.0, 8.0
    found = inference.peaks(z, np.eye(4), distance=8.0)
    places = [peak.voxel[0] for peak in found]
    assert places[:2] == [5, 30]
    assert 9 not in places
    assert all(abs(i - j) > 8 for i, j in itertools.combinations(places, 2))


def neighbours_graph(there, connectivity):
    """Return the cluster of each voxel from a graph of all pairs of voxels within reach of one another."""
    from scipy.sparse.csgraph import connected_components

    voxels = np.argwhere(there)
    steps = np.abs(voxels[:, np.newaxis] - voxels)
    near = (steps.max(axis=-1) <= 1) & (steps.sum(axis=-1) <= {6: 1, 18: 2, 26: 3}[connectivity])
    n_labels, labels = connected_components(near, directed=False)
    whole = np.zeros(there.shape, dtype=int)
    whole[tuple(voxels.T)] = labels + 1
    return whole, n_labels


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_clusters_are_joined_as_asked_for_wherever_they_are_formed(connectivity):
    """Extent, number, bounds and peaks: voxels that share faces, edges or corners are in one cluster."""
    z = smooth_noise(5, (8, 9, 10), 0.6) * 1.5
    inside = np.ones(z.shape, dtype=bool)
    passed, _ = inference.thresholded(z, inside, "uncorrected", 0.1, True)
    large, _ = inference.thresholded(z, inside, "uncorrected", 0.1, True, 4, connectivity)
    share = inference.true_discovery_proportion(z, inside, [1.2], 0.3, False, connectivity)
    expected, total, sizes = np.zeros_like(z), 0, []
    for sign in (1, -1):
        labels, n_labels = neighbours_graph(sign * passed > 0, connectivity)
        of_label = np.bincount(labels.ravel())
        of_label[0] = 0
        expected += np.where(of_label[labels] >= 4, passed, 0)
        total += n_labels
        sizes += of_label[1:].tolist()
    np.testing.assert_array_equal(large, expected)
    assert inference.n_clusters(passed, connectivity) == total
    found = inference.peaks(passed, PLAIN, connectivity=connectivity)
    assert sorted(p.n_voxels for p in found if p.n_voxels is not None) == sorted(sizes)
    labels, n_labels = neighbours_graph(z > 1.2, connectivity)
    assert all(len(set(share[labels == label].tolist())) == 1 for label in range(1, n_labels + 1))
    assert share.max() > 0
    fewer = {6: 18, 18: 26, 26: 26}[connectivity]
    assert inference.n_clusters(passed, fewer) < total or fewer == connectivity


def test_two_voxels_are_one_cluster_by_what_they_share():
    """A face is shared for all, an edge for 18, a corner for 26; then the bounds are of the pair."""
    for place, joined in (((2, 1, 1), 6), ((2, 2, 1), 18), ((2, 2, 2), 26)):
        z = np.full((4, 4, 4), 0.01)
        z[1, 1, 1], z[place] = 6.0, 3.0
        inside = np.ones(z.shape, dtype=bool)
        for connectivity in (6, 18, 26):
            one = connectivity >= joined
            passed, _ = inference.thresholded(z, inside, "uncorrected", 0.01, False, 2, connectivity)
            assert np.count_nonzero(passed) == (2 if one else 0)
            passed, _ = inference.thresholded(z, inside, "uncorrected", 0.01, False, 0, connectivity)
            assert inference.n_clusters(passed, connectivity) == (1 if one else 2)
            assert len(inference.peaks(passed, np.eye(4), connectivity=connectivity)) == (1 if one else 2)
            share = inference.true_discovery_proportion(z, inside, [2.0], ALPHA, False, connectivity)
            assert (share[1, 1, 1], share[place]) == ((0.5, 0.5) if one else (1.0, 0.0))


def test_equally_strong_clusters_come_in_the_order_of_the_array():
    """Peaks of several clusters may be equal: their order does not depend on a sort."""
    z = np.zeros((30, 30, 4))
    places = [(i, j, 1) for i in range(1, 30, 3) for j in range(1, 30, 3)]
    for place in places:
        z[place] = 37.0
    found = inference.peaks(z, FLIPPED)
    assert [peak.voxel for peak in found] == places


def test_tables_and_maps_agree(study):
    """What the tables count is in the maps; a peak passes where the map shows it."""
    z, inside = example()
    arguments = study(z, inside)
    compute_inference(**arguments)
    levels = {row["method"]: row for row in rows_of(arguments["thresholds"])}
    maps = {
        name: nib.load(arguments[name]).get_fdata() for name in ("uncorrected", "fdr", "bonferroni", "tdp")
    }
    for name, row in levels.items():
        assert int(row["n_voxels"]) == np.count_nonzero(maps[name]) > 0
        assert np.abs(maps[name][maps[name] != 0]).min() > float(row["z_threshold"])
        assert row["two_sided"] == "true"
        assert float(row["level"]) == (0.001 if name == "uncorrected" else ALPHA)
    rows = rows_of(arguments["clusters"])
    assert tuple(rows[0]) == CLUSTER_COLUMNS
    clusters = [row for row in rows if row["n_voxels"] != "n/a"]
    assert len(clusters) == int(levels["uncorrected"]["n_clusters"])
    assert sum(int(row["n_voxels"]) for row in clusters) == int(levels["uncorrected"]["n_voxels"])
    for row in rows:
        mm = [float(row[axis]) for axis in "xyz"]
        voxel = tuple(np.rint(nib.affines.apply_affine(np.linalg.inv(FLIPPED), mm)).astype(int))
        assert np.float32(row["peak_z"]) == np.float32(z[voxel])
        for name in ("fdr", "bonferroni"):
            assert (row[name] == "true") == (maps[name][voxel] != 0)
    assert {row["bonferroni"] for row in rows} == {"true", "false"}
    for row in clusters:
        assert float(row["size_mm3"]) == int(row["n_voxels"]) * 36
        share = int(row["true_discoveries"]) / int(row["n_voxels"])
        assert float(row["true_discovery_proportion"]) == pytest.approx(share, rel=0, abs=1e-4)
    assert {row["true_discoveries"] for row in rows if row not in clusters} == {"n/a"}
    assert int(clusters[0]["true_discoveries"]) > 40
    assert 0.5 < maps["tdp"].max() <= 1


@pytest.mark.parametrize("z_value", [0.0, 1.0])
def test_where_nothing_passes_the_files_say_so(study, z_value):
    """No finite FDR threshold, none of Bonferroni of no test, empty maps, a table that is a header."""
    _, inside = example()
    arguments = study(np.where(inside, z_value, 0.0), inside)
    compute_inference(**arguments)
    rows = rows_of(arguments["thresholds"])
    assert [row["z_threshold"] == "n/a" for row in rows] == [False, True, z_value == 0]
    assert {(row["n_voxels"], row["n_clusters"]) for row in rows} == {("0", "0")}
    assert {row["n_tests"] for row in rows} == {str(inside.sum() if z_value else 0)}
    for name in ("uncorrected", "fdr", "bonferroni", "tdp"):
        assert not nib.load(arguments[name]).get_fdata().any()
    assert arguments["clusters"].read_text() == "\t".join(CLUSTER_COLUMNS) + "\n"


def everything(shape):
    """Give a map of which every voxel passes everything, by different amounts, and a mask of all."""
    return 12 + np.random.default_rng(4).normal(size=shape), np.ones(shape, dtype=bool)


@pytest.mark.parametrize("shape", [(6, 7, 8), (6, 7, 1), (1, 7, 8), (1, 1, 1), (2, 1, 1)])
@pytest.mark.parametrize("value", ["different", "alike", "negative"])
@pytest.mark.parametrize("connectivity", [6, 26])
def test_every_voxel_of_an_image_may_pass(study, shape, value, connectivity):
    """One cluster from rim to rim, all of it active, with its peak: also of one slice, and of one voxel."""
    z, inside = everything(shape)
    z = {"different": z, "alike": np.full(shape, 12.0), "negative": -z}[value].astype(np.float32)
    arguments = study(z, inside) | {"connectivity": connectivity, "min_distance": 1e3, "cluster_threshold": 1}
    compute_inference(**arguments)
    for row in rows_of(arguments["thresholds"]):
        assert (row["n_voxels"], row["n_tests"], row["n_clusters"]) == (str(z.size), str(z.size), "1")
        assert row["connectivity"] == str(connectivity)
    (row,) = rows_of(arguments["clusters"])
    assert int(row["n_voxels"]) == int(row["true_discoveries"]) == z.size
    assert np.float32(row["peak_z"]) == z.ravel()[np.abs(z).argmax()]
    assert np.all(nib.load(arguments["tdp"]).get_fdata() == 1)


def test_a_cluster_may_touch_every_rim_and_leave_holes():
    """The box of a cluster as large as the volume, voxels of another cluster in it."""
    z = np.full((7, 7, 7), 0.1)
    z[3], z[:, 3], z[..., 3] = 5.0, 5.0, 5.0
    z[3, 3, 6] = 8.0
    z[0, 0, 0] = 6.0
    found = inference.peaks(np.where(z > 3, z, 0), np.eye(4), distance=100.0)
    assert [(peak.voxel, peak.n_voxels) for peak in found] == [((3, 3, 6), 127), ((0, 0, 0), 1)]


def test_a_mask_without_a_voxel_is_refused(study):
    """The message names the file, and what to do."""
    z, inside = example()
    arguments = study(z, np.zeros_like(inside))
    with pytest.raises(InputError, match=r"mask\.nii\.gz: holds no voxel\n  expected: .*\n  to do: "):
        compute_inference(**arguments)


@pytest.mark.parametrize("missing", [0.0, np.nan])
def test_a_voxel_without_data_is_no_test(study, caplog, missing):
    """Numbers are those of a mask without it; the table counts the tests, and the log what is none."""
    z, inside = example()
    empty = inside & (np.indices(z.shape)[1] >= 14)
    assert 0 < empty.sum() < inside.sum()
    arguments = study(np.where(empty, missing, z), inside)
    written = ("uncorrected", "fdr", "bonferroni", "tdp", "thresholds", "clusters")
    compute_inference(**arguments)
    assert f"{empty.sum()} of the {inside.sum()} voxels of the mask have no data" in caplog.text
    found = {name: arguments[name].read_bytes() for name in written}
    rows = rows_of(arguments["thresholds"])
    assert {row["n_tests"] for row in rows} == {str(inside.sum() - empty.sum())}
    expected = stats.norm.isf(ALPHA / 2 / (inside.sum() - empty.sum()))
    assert float(rows[2]["z_threshold"]) == pytest.approx(expected, rel=1e-12, abs=0)
    caplog.clear()
    compute_inference(**study(np.where(empty, missing, z), inside & ~empty))
    assert "no data" not in caplog.text
    assert {name: arguments[name].read_bytes() for name in written} == found


def test_infinite_z_passes_and_is_listed(study):
    """No map of ours holds it; of another's it is the largest number of a map."""
    z, inside = example()
    z[5, 12, 6], z[11, 11, 9] = np.inf, -np.inf
    arguments = study(z, inside)
    compute_inference(**arguments)
    values = [float(row["peak_z"]) for row in rows_of(arguments["clusters"])]
    assert max(values) == -min(values) == np.finfo(np.float32).max


@pytest.mark.parametrize(("connectivity", "sizes"), [(6, ["1", "1"]), (26, ["2"])])
def test_tables_and_maps_are_of_one_kind_of_cluster(study, connectivity, sizes):
    """Of two voxels that share a corner, one is certainly active: half of the cluster, or all of it."""
    z = np.full((6, 6, 6), 0.01)
    z[1, 1, 1], z[2, 2, 2] = 6.0, 3.5
    arguments = study(z, np.ones(z.shape, dtype=bool)) | {"connectivity": connectivity, "min_distance": 10.0}
    compute_inference(**arguments)
    rows = rows_of(arguments["clusters"])
    assert [row["n_voxels"] for row in rows] == sizes
    assert [row["true_discoveries"] for row in rows] == ["1", "0"][: len(rows)]
    assert float(rows[0]["true_discovery_proportion"]) == 1 / int(sizes[0])
    assert rows_of(arguments["thresholds"])[0]["n_clusters"] == str(len(sizes))


@pytest.mark.parametrize("wrong", [8, "26", 6.5, True, None])
def test_another_connectivity_is_refused_by_the_schema(wrong):
    """The values are 6, 18 and 26, numbers; the default is nilearn's."""
    config = merged(SMALL, {})
    configs.check_config(config, SCHEMA)
    assert config["inference"]["connectivity"] == 6
    with pytest.raises(InputError, match="inference.connectivity"):
        configs.check_config(merged(SMALL, {"inference": {"connectivity": wrong}}), SCHEMA)


def test_another_connectivity_is_in_the_table_the_log_and_the_label(drawing, shown, caplog):
    """Whoever reads a number of clusters is told how they were joined."""
    caplog.set_level("INFO")
    arguments = drawing(connectivity=26, cluster_threshold=5)
    assert {row["connectivity"] for row in rows_of(arguments["table"])} == {"26"}
    assert "clusters joined at 26 neighbours" in caplog.text
    plot_contrast(**arguments)
    assert "clusters of 5 voxels or more joined at corners" in texts_of(shown["uncorrected"])


def test_an_f_contrast_is_tested_on_one_side(study):
    """Negative z says that there is less than noise: nowhere, whatever the config says of t contrasts."""
    z, inside = example()
    arguments = study(z, inside, signed=False)
    compute_inference(**arguments)
    assert {row["two_sided"] for row in rows_of(arguments["thresholds"])} == {"false"}
    assert all(float(row["peak_z"]) > 0 for row in rows_of(arguments["clusters"]))
    for name in ("uncorrected", "fdr", "bonferroni"):
        assert nib.load(arguments[name]).get_fdata().min() == 0
    assert not nib.load(arguments["tdp"]).get_fdata()[inside & (z < 0)].any()


def test_table_has_the_effect_with_its_interval_at_each_peak(study, tmp_path):
    """The values of effect and margin in the voxel of the peak; none where no effect is given (F)."""
    z, inside = example()
    arguments = study(z, inside)
    effects = np.random.default_rng(8).normal(size=z.shape).astype(np.float32)
    nib.Nifti1Image(effects, FLIPPED).to_filename(tmp_path / "effect.nii.gz")
    margins = np.random.default_rng(9).uniform(0.1, 1, z.shape)
    compute_inference(**arguments, effect=tmp_path / "effect.nii.gz", margin=margins.T[inside.T])
    rows = rows_of(arguments["clusters"])
    assert len(rows) > 5
    for row in rows:
        mm = [float(row[axis]) for axis in "xyz"]
        voxel = tuple(np.rint(nib.affines.apply_affine(np.linalg.inv(FLIPPED), mm)).astype(int))
        assert np.float32(row["effect"]) == effects[voxel]
        ends = [float(row["effect_low"]), float(row["effect_high"])]
        expected = [effects[voxel] - margins[voxel], effects[voxel] + margins[voxel]]
        np.testing.assert_allclose(ends, expected, rtol=1e-6)
    compute_inference(**arguments)
    assert {row["effect"] for row in rows_of(arguments["clusters"])} == {"n/a"}


def test_each_run_is_drawn_as_the_contrast_is(drawing, tmp_path, monkeypatch):
    """Same cuts, colours and threshold: a run like the whole has its picture; one that is NaN says why."""
    arguments, figure = drawing(title="whole"), tmp_path / "runs.png"
    missing, whole = tmp_path / "missing.nii.gz", nib.load(arguments["z"])
    inside = nib.load(arguments["mask"]).get_fdata() > 0
    nib.Nifti1Image(np.where(inside, np.nan, 0).astype(np.float32), whole.affine).to_filename(missing)
    drawn, save = [], figures.save_column
    monkeypatch.setattr(figures, "save_column", lambda rows, path: save(drawn.extend(rows) or drawn, path))
    maps = {"of_runs": [arguments["z"], missing], "runs": ["run 1", "run 2"]}
    plot_contrast(**arguments | maps | {"threshold": 4.0}, runs_figure=figure)
    assert "whole: run 1" in texts_of(drawn[0])
    assert "whole: run 2" in texts_of(drawn[1])
    assert "this run cannot estimate the contrast" in texts_of(drawn[1])
    both, alone = (
        matplotlib.image.imread(path)[..., :3].astype(float) for path in (figure, arguments["zmap_figure"])
    )
    assert both.shape == (2 * len(alone), *alone.shape[1:])
    below_title = len(alone) // 4
    first = both[below_title : len(alone)]
    assert np.abs(first - alone[below_title:]).max() < 0.03  # of 256 colours each, chosen for both or for one
    second = both[len(alone) + below_title :, : alone.shape[1] // 2]  # without the bar
    assert np.ptp(second, axis=-1).max() < 0.03  # grey


def test_inference_is_the_same_twice(study, caplog):
    """Same map, same bytes; the log says what was found."""
    z, inside = example()
    z[8, 8, 8] = np.nan  # no test can be made of it
    arguments = study(z, inside)
    written = ("uncorrected", "fdr", "bonferroni", "tdp", "thresholds", "clusters")
    caplog.set_level("INFO")
    compute_inference(**arguments)
    first = [arguments[name].read_bytes() for name in written]
    compute_inference(**arguments)
    assert [arguments[name].read_bytes() for name in written] == first
    n_voxels = rows_of(arguments["thresholds"])[1]["n_voxels"]
    assert f"of {inside.sum() - 1} voxels, two-sided: " in caplog.text
    assert f"{n_voxels} voxels in " in caplog.text


@pytest.fixture
def drawing(study, tmp_path):
    """Give the arguments of plot_contrast for a ball of a brain with a blob in it."""

    def write(affine=PLAIN, height=8.0, signed=True, title="sub-01: faces - scrambled", **changes):
        brain = distance(affine, (2.0, -15.0, 10.0)) < 60.0
        noise = np.random.default_rng(3).normal(size=SHAPE)
        blob = height * np.exp(-(distance(affine, np.array([28.0, -35.0, 25.0])) ** 2) / 288)
        computed = study(np.where(brain, 0.5 * noise + blob, 0), brain, affine, signed) | changes
        compute_inference(**computed)
        background = tmp_path / "mean.nii.gz"
        mean = np.where(brain, 800 + 100 * noise, 5).astype(np.float32)
        nib.Nifti1Image(mean, affine).to_filename(background)
        inputs = {name: computed[name] for name in ("z", "mask", "uncorrected", "fdr", "bonferroni", "tdp")}
        return inputs | {
            "background": [background],
            "table": computed["thresholds"],
            "zmap_figure": tmp_path / "zmap.png",
            **{
                f"{method}_figure": tmp_path / f"{method}.png"
                for method in ("uncorrected", "fdr", "bonferroni", "tdp")
            },
            "histogram_figure": tmp_path / "histogram.png",
            "viewer_page": tmp_path / "viewer.html",
            "of_runs": [],
            "runs": [],
            "key": "sub-01_contrast-a",
            "title": title,
            "shown": "uncorrected",
            "threshold": None,
            "display_mode": "z",
            "cut_coords": 3,
            "signed": signed,
        }

    return write


class Page(HTMLParser):
    """What a page would request, and the text of its headings and scripts."""

    def __init__(self, page):
        super().__init__()
        self.requested, self.text, self.open = [], {}, []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag in ("iframe", "frame", "object", "embed", "base", "form"):
            self.requested.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "action", "poster", "data", "background", "xlink:href"):
                if not (value or "").startswith(("data:", "#")):
                    self.requested.append(f"{tag} {value}")
            elif name == "style":
                self._styles(value)

    def handle_endtag(self, tag):
        if tag in self.open:
            del self.open[len(self.open) - 1 - self.open[::-1].index(tag) :]

    def handle_data(self, data):
        tag = self.open[-1] if self.open else ""
        self.text.setdefault(tag, []).append(data)
        if tag == "style":
            self._styles(data)

    def _styles(self, style):
        self.requested += re.findall(r"@import|url\((?!\s*['\"]?data:)[^)]*", style or "")


@pytest.mark.parametrize(
    "asking",
    [
        "<script src='https://a.org/x.js'></script>",
        "<link href=//a.org/x.css>",
        "<iframe srcdoc=''></iframe>",
        "<img src='pictures/brain.png'>",
        "<style>p{background:url(https://a.org/x.png)}</style>",
        "<p style='background:url(x.png)'>",
        "<style>@import 'x.css'</style>",
    ],
)
def test_the_check_finds_what_a_page_would_request(asking):
    """Every way to ask another address for something is found."""
    assert Page(f"<html><body>{asking}</body></html>").requested


@pytest.mark.parametrize("affine", [PLAIN, OBLIQUE], ids=["plain", "oblique"])
def test_the_viewer_stands_alone(drawing, affine):
    """One page that would request nothing and may not, that starts at the peak, of less than 700 kB."""
    arguments = drawing(affine)
    plot_contrast(**arguments)
    text = arguments["viewer_page"].read_text()
    page = Page(text)
    assert page.requested == []
    assert f'http-equiv="Content-Security-Policy" content="{POLICY}"' in text
    assert text.index("charset") < text.index("<title>") < text.index("<script>")
    assert len(text) < 700_000
    (told,) = viewer_data.merged([text])["contrasts"]
    np.testing.assert_allclose(told["point"], [28.0, -35.0, 25.0], rtol=0, atol=6.0)  # a voxel


def test_pictures_and_viewer_are_the_same_twice(drawing):
    """Byte for byte, with content and of a sensible size."""
    arguments = drawing()
    written = ("zmap_figure", "uncorrected_figure", "tdp_figure", "histogram_figure", "viewer_page")
    plot_contrast(**arguments)
    first = [arguments[name].read_bytes() for name in written]
    plot_contrast(**arguments)
    assert [arguments[name].read_bytes() for name in written] == first
    assert first[0] == first[1]
    for name in written[1:4]:
        pixels = matplotlib.image.imread(arguments[name])
        assert 400 < pixels.shape[0] < 2600
        assert 1000 < pixels.shape[1] < 2600
        assert pixels[..., :3].std() > 0.05


@pytest.fixture
def shown(monkeypatch):
    """Give the figures that the stage would have saved, by the names of their files."""
    kept = {}
    monkeypatch.setattr(figures, "save", lambda figure, path: kept.setdefault(path.stem, figure))
    monkeypatch.setattr(figures, "copy", lambda path, to: kept.setdefault(to.stem, kept[path.stem]))
    return kept


def test_a_title_is_text_wherever_it_stands(drawing, shown):
    """Markup, quotes, emoji and 200 characters: shown as they are, within the figure, and never run."""
    arguments = drawing(title=MALICE)
    plot_contrast(**arguments)
    page = Page(arguments["viewer_page"].read_text())
    assert page.text["title"] == page.text["h1"] == [MALICE]
    code = [script for script in page.text["script"] if not script.startswith("{")]
    assert code
    assert not any("alert" in script for script in code)
    words = MALICE.replace(" ", "")
    for name, drawn in (
        ("fdr", texts_of(shown["fdr"])),
        ("histogram", shown["histogram"].axes[0].get_title("left")),
    ):
        assert words in re.sub(r"\s", "", drawn), name
    for figure in shown.values():
        figure.canvas.draw()
        box = figure.get_tightbbox()
        assert (
            max(text.get_window_extent().x1 for text in figure.texts or figure.axes[0].texts)
            <= box.x1 * figure.dpi
        )


def test_each_picture_says_its_threshold_and_how_many_voxels_pass(drawing, shown):
    """Labels are the numbers of the table; less is coloured from one method to the next."""
    arguments = drawing()
    plot_contrast(**arguments)
    coloured = []
    for row in rows_of(arguments["table"]):
        drawn = shown[row["method"]]
        bound = float(row["z_threshold"])
        assert f"|z| > {bound:.2f} · {int(row['n_voxels']):,} voxels" in texts_of(drawn)
        (pixels,) = (
            artist.pixels for axes in drawn.axes for artist in axes.artists if isinstance(artist, cuts.Pixels)
        )
        coloured.append(np.count_nonzero(np.ptp(pixels[..., :3].astype(int), axis=2) > 60))
        (bar,) = (axes for axes in drawn.axes if axes.get_title() == "z")
        assert bound == pytest.approx(min(tick for tick in bar.get_yticks() if tick > 0), rel=1e-6)
    assert coloured[0] >= coloured[1] >= coloured[2] > 0
    assert "95 % confidence" in texts_of(shown["tdp"])


@pytest.mark.parametrize(("height", "ends"), [(8.0, (1, 1)), (-8.0, (-1, -1)), (None, (-1, 1))])
def test_bar_has_the_signs_that_are_there(drawing, shown, height, ends):
    """From the threshold to the peak where one sign alone passes, and of both signs where both do."""
    arguments = drawing(height=height or 8.0)
    if height is None:
        image = nib.load(arguments["uncorrected"])
        values = image.get_fdata(dtype=np.float32)
        values[10, 10, 10] = -6.0
        nib.Nifti1Image(values, image.affine).to_filename(arguments["uncorrected"])
    plot_contrast(**arguments)
    (bar,) = (axes for axes in shown["uncorrected"].axes if axes.get_title() == "z")
    peak = np.abs(nib.load(arguments["z"]).get_fdata()).max()
    lowest = min(float(row["z_threshold"]) for row in rows_of(arguments["table"]))
    expected = {(1, 1): (lowest, peak), (-1, -1): (-peak, -lowest), (-1, 1): (-peak, peak)}[ends]
    np.testing.assert_allclose(bar.get_ylim(), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("method", ["uncorrected", "fdr", "bonferroni", "tdp"])
def test_the_z_map_is_of_the_threshold_that_the_study_chose(drawing, method):
    """The same bytes as the picture of this method; a threshold of one's own comes before it."""
    arguments = drawing()
    plot_contrast(**arguments | {"shown": method})
    assert arguments["zmap_figure"].read_bytes() == arguments[f"{method}_figure"].read_bytes()
    plot_contrast(**arguments | {"shown": method, "threshold": 4.0})
    assert arguments["zmap_figure"].read_bytes() != arguments[f"{method}_figure"].read_bytes()
    limits = dict(viewer_data.merged([arguments["viewer_page"].read_text()])["contrasts"][0]["limits"])
    assert limits.pop("chosen") == 4.0
    assert list(limits) == ["uncorrected", "fdr", "bonferroni"]


@pytest.mark.parametrize("signed", [True, False])
def test_maps_where_nothing_passes_are_drawn(drawing, shown, signed):
    """Pictures say that nothing passes; the viewer shows the mean image alone."""
    arguments = drawing(height=0.0, signed=signed)
    plot_contrast(**arguments)
    assert "no voxel passes" in texts_of(shown["fdr"])
    assert "none is certain" in texts_of(shown["tdp"])
    assert " · 0 voxels" in texts_of(shown["uncorrected"])
    assert Page(arguments["viewer_page"].read_text()).requested == []


@pytest.mark.parametrize("wrong", ["FDR", "", None, 0.05, ["fdr"]])
def test_another_shown_threshold_is_refused_by_the_schema(wrong):
    """One of the four methods, by its name; the default is the one that the table of peaks is of."""
    config = merged(SMALL, {})
    configs.check_config(config, SCHEMA)
    assert config["inference"]["shown"] == "uncorrected"
    with pytest.raises(InputError, match="inference.shown"):
        configs.check_config(merged(SMALL, {"inference": {"shown": wrong}}), SCHEMA)


def test_the_histogram_tells_of_the_voxels_that_were_tested(drawing, shown):
    """Its numbers are those of the verdict on the contrast: one function, and the same voxels."""
    arguments = drawing()
    image = nib.load(arguments["z"])
    z, inside = image.get_fdata(), nib.load(arguments["mask"]).get_fdata() > 0
    z[inside & (np.indices(z.shape)[2] < 8)] = 0.0
    z[20, 20, 12] = np.nan
    nib.Nifti1Image(z.astype(np.float32), image.affine).to_filename(arguments["z"])
    plot_contrast(**arguments)
    there = z[inside & (z != 0) & np.isfinite(z)]
    assert there.size < 0.9 * inside.sum()
    width = stats.median_abs_deviation(there, scale="normal")
    said = f"{there.size:,} voxels · median {np.median(there):.2f}, robust standard deviation {width:.2f}"
    (written,) = shown["histogram"].axes[0].texts
    beyond = np.count_nonzero(np.abs(there) > histogram.WIDEST)
    assert written.get_text() == f"{said} · {beyond} beyond the axis".replace("-", "\N{MINUS SIGN}")
    assert z_spread.centre_and_width(z[inside]) == pytest.approx((np.median(there), width), rel=1e-6, abs=0)
    marked = {abs(line.get_xdata()[0]) for line in shown["histogram"].axes[0].lines[1:]}
    assert marked == {float(row["z_threshold"]) for row in rows_of(arguments["table"])}
    assert shown["histogram"].axes[0].get_yscale() == "log"
    heights, edges, _ = shown["histogram"].axes[0].patches[0].get_data()
    assert heights @ np.diff(edges) == pytest.approx(1 - beyond / there.size, rel=1e-12, abs=0)


def test_a_map_of_no_test_is_drawn(drawing, shown):
    """Zeros in all of the mask: no numbers are made of them."""
    arguments = drawing()
    image = nib.load(arguments["z"])
    nib.Nifti1Image(np.zeros(image.shape, np.float32), image.affine).to_filename(arguments["z"])
    maps = {name: arguments[name] for name in ("z", "mask", "uncorrected", "fdr", "bonferroni", "tdp")}
    computed = {"thresholds": arguments["table"], "clusters": arguments["table"].with_name("peaks.tsv")}
    compute_inference(**maps, **computed, **CONFIG, signed=True)
    plot_contrast(**arguments)
    assert shown["histogram"].axes[0].texts[0].get_text() == "no voxel was tested"
    assert all("no voxel passes" in texts_of(shown[method]) for method in ("fdr", "bonferroni"))
