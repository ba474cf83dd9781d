"""Images of a single slice, from the runs to the pages."""

import nibabel as nib
import numpy as np
import pytest
from studies import Study

pytestmark = pytest.mark.slow
SHAPE, N_SCANS, SECONDS = (40, 20, 1), 52, 2.0
ONSETS = {"faces": (4, 27, 52, 77), "scrambled": (16, 40, 66, 90)}
EFFECT = 3.0
"""Percent signal change that faces bring about in one half of the head."""
ESTIMATED = 0.15
"""Of the mean over half a head of 170 voxels, over two runs: noise leaves a third of it."""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two runs of one slice, the response on the half where x is above 0; with figures and pages."""
    from nilearn.glm.first_level import compute_regressor

    folder = tmp_path_factory.mktemp("thin")
    x, y = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE[:2]), indexing="ij")
    head = (x**2 + y**2 < 0.6)[..., None]
    events = np.array([(onset, 2.0, 1.0) for onset in ONSETS["faces"]]).T
    response = compute_regressor(events, "spm", SECONDS * np.arange(N_SCANS))[0][:, 0]
    lines = sorted((onset, name) for name, onsets in ONSETS.items() for onset in onsets)
    table = "onset\tduration\ttrial_type\n" + "".join(f"{onset}\t2\t{name}\n" for onset, name in lines)
    (folder / "events.tsv").write_text(table)
    for run in (1, 2):
        rng = np.random.default_rng(run)
        data = rng.normal(20, 1, (*SHAPE, N_SCANS)) + head[..., None] * rng.normal(800, 8, (*SHAPE, N_SCANS))
        data += 8 * EFFECT * (head & (x > 0)[..., None])[..., None] * response
        image = nib.Nifti1Image(data.astype(np.float32), np.diag([-3.0, 3.0, 5.0, 1.0]))
        image.header.set_zooms((3, 3, 5, SECONDS))
        image.header.set_xyzt_units("mm", "sec")
        image.to_filename(folder / f"bold{run}.nii")
    rows = "".join(f"01\tfaces\t{run}\tbold{run}.nii\tevents.tsv\n" for run in (1, 2))
    (folder / "runs.tsv").write_text("subject\ttask\trun\tbold\tevents\n" + rows)
    config = {
        "study": {"source": "table", "table": "runs.tsv"},
        "design": {"hrf_model": "spm"},
        "contrasts": {"faces": "faces - scrambled", "any": ["faces", "scrambled"]},
    }
    study = Study(folder, config)
    study.snakemake()
    return study, head, head & (x > 0)[..., None]


def test_single_slice_has_its_mask_and_its_effect(study):
    """The EPI mask is the head, and the effect is there, and there alone."""
    study, head, active = study
    mask = nib.load(study.result("desc-brain_mask.nii.gz")).get_fdata() > 0
    assert (mask ^ head).sum() < 0.02 * head.sum()
    effect = nib.load(study.result("contrast-faces_stat-effect_statmap.nii.gz")).get_fdata()
    assert abs(effect[active & mask].mean() - EFFECT) < ESTIMATED
    assert abs(effect[~active & mask].mean()) < ESTIMATED


def test_single_slice_has_every_figure_and_page(study):
    """Nothing that draws cuts or tables needs a third axis."""
    study, *_ = study
    names = {path.name for path in (study.results / "figures").iterdir()}
    for run in (1, 2):
        for kind in ("events", "design", "motion", "carpet", "tsnr", "rsquared", "correlation", "residuals"):
            assert f"sub-01_task-faces_run-{run}_{kind}.png" in names
    for label in ("faces", "any"):
        for kind in ("zmap.png", "desc-fdr_zmap.png", "zhistogram.png", "viewer.html"):
            assert f"sub-01_task-faces_contrast-{label}_{kind}" in names
    assert (study.results / "report.html").stat().st_size > 10_000
