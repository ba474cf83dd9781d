"""The list of maps, and the second level that README makes of it."""

import re

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from studies import ROOT

from list_maps import list_maps

SNIPPET = re.search(
    r"^```python\n(import pandas.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
).group(1)
SUBJECTS = ["01", "02", "03", "04", "05", "06", "07"]
CONTRASTS = {"facesMinusScrambled": 2.0, "scrambledMinusFaces": -2.0}
Z_TOLERANCE = 1e-3  # of the maps in single precision, against tails in double


@pytest.fixture
def listed(tmp_path):
    """Effects of two contrasts, which differ in more than sign, and their list; gives the effects."""
    rng = np.random.default_rng(0)
    given = {name: [] for name in ("effects", "variances", "masks", "sidecars", "subjects", "contrasts")}
    effects = {name: [] for name in CONTRASTS}
    inside = np.ones((6, 7, 5))
    inside[0] = 0
    for subject in SUBJECTS:
        for name, mean in CONTRASTS.items():
            effect = rng.normal(mean, 1.0, (6, 7, 5)).astype(np.float32)
            effects[name].append(effect)
            for kind, data in (("effects", effect), ("variances", effect**2), ("masks", inside)):
                path = tmp_path / f"sub-{subject}_{name}_{kind}.nii.gz"
                nib.Nifti1Image(data.astype(np.float32), np.diag([3.0, 3.0, 4.0, 1.0])).to_filename(path)
                given[kind].append(path)
            sidecar = tmp_path / f"sub-{subject}_{name}.json"
            sidecar.write_text('{"Runs": ["run-1", "run-2"], "RunsLeftOut": []}')
            given["sidecars"].append(sidecar)
            given["subjects"].append(subject)
            given["contrasts"].append(name)
    list_maps(**given, tasks=["faces"] * len(given["subjects"]), table=tmp_path / "maps.tsv")
    return effects


def test_list_has_a_row_per_subject_and_contrast(listed, tmp_path):
    """Labels keep their zeros; paths are relative to the table."""
    maps = pd.read_csv(tmp_path / "maps.tsv", sep="\t", dtype=str)
    assert list(maps["subject_label"]) == [subject for subject in SUBJECTS for _ in CONTRASTS]
    assert list(maps["map_name"]) == list(CONTRASTS) * len(SUBJECTS)
    assert set(maps["n_runs"]) == {"2"}
    assert all((tmp_path / path).is_file() for path in maps["effects_map_path"])


def test_second_level_of_the_readme_is_the_t_test_of_one_contrast(listed, tmp_path, monkeypatch):
    """As it stands in README, with more than one contrast in the list: the z of scipy's t test."""
    monkeypatch.chdir(tmp_path)
    exec(compile(SNIPPET, "README.md", "exec"), {})
    effects = np.array(listed["facesMinusScrambled"], dtype=np.float64)
    t = stats.ttest_1samp(effects, 0, axis=0).statistic
    expected = stats.norm.isf(stats.t.sf(t, len(SUBJECTS) - 1))
    group = nib.load("group.nii.gz").get_fdata()
    assert not group[0].any()  # outside of the masks
    np.testing.assert_allclose(group[1:], expected[1:], rtol=0, atol=Z_TOLERANCE)
