"""A small study of known truth, and the chain of stages in one process, with the rules' parameters.

Two runs of 30 scans (one of 3D pairs, one 4D image), 10 x 11 x 9 voxels, two conditions, confounds, a mask.
"""

import contextlib
import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import yaml

from compute_contrast import compute_contrast
from compute_mask import compute_mask
from compute_mean_image import compute_mean_image
from extract_events import extract_events
from firstlevel import stage
from firstlevel.io import given_fsl
from firstlevel.plan import checks, model, schema, study, unlike
from firstlevel.plan import config as configs
from firstlevel.plan.runs import with_companions
from firstlevel.stage import InputError
from fit_glm import fit_glm
from make_design_matrix import make_design_matrix
from read_headers import read_headers
from resample_run import resample_run

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
SHAPE, N_SCANS, REPETITION_TIME = (10, 11, 9), 30, 2.0
AFFINE = np.array([[-4.0, 0, 0, 18], [0, 4, 0, -20], [0, 0, 4, -16], [0, 0, 0, 1]])
CONFIG = {
    "study": {"source": "table", "table": "runs.tsv", "repetition_time": REPETITION_TIME},
    "mask": "mask.nii",
    "design": {"hrf_model": "spm"},
    "glm": {"noise_model": "ols"},
    "contrasts": {"faces": "faces", "difference": "faces - scrambled"},
    "report": False,
}
ONSETS = {
    1: {"faces": (2.5, 20, 38), "scrambled": (11, 29, 47.5)},
    2: {"faces": (4, 22.5, 40), "scrambled": (13, 31, 48)},
}


def make(folder):
    """Write the study; faces raise the signal of one half of the head by about 3 %."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    head = sum(axis**2 for axis in axes) < 0.9
    nib.Nifti1Image(head.astype(np.uint8), AFFINE).to_filename(folder / "mask.nii")
    for run, onsets in ONSETS.items():
        rows = sorted((onset, name) for name, times in onsets.items() for onset in times)
        lines = ["onset\tduration\ttrial_type", *(f"{onset:g}\t1\t{name}" for onset, name in rows)]
        (folder / f"events{run}.tsv").write_text("\n".join(lines) + "\n")
        walk = rng.standard_normal((N_SCANS, 2)).round(4)
        lines = ["rot_x\trot_y", *("\t".join(map(str, row)) for row in walk)]
        (folder / f"confounds{run}.tsv").write_text("\n".join(lines) + "\n")
        times = REPETITION_TIME * np.arange(N_SCANS)
        response = sum(np.exp(-((times - onset - 5) ** 2) / 8) for onset in onsets["faces"])
        data = 800 * head[..., None] + rng.normal(0, 8, (*SHAPE, N_SCANS)) * head[..., None]
        data += 24 * (head & (axes[0] > 0))[..., None] * response
        if run == 2:
            image = nib.Nifti1Image(data.astype(np.float32), AFFINE)
            image.header.set_zooms((4, 4, 4, REPETITION_TIME))
            image.header.set_xyzt_units("mm", "sec")
            image.to_filename(folder / "run-2.nii")
            continue
        (folder / "run-1").mkdir()
        for scan in range(N_SCANS):
            volume = nib.Nifti1Pair(data[..., scan].astype(np.float32), AFFINE)
            volume.to_filename(folder / f"run-1/f{scan + 1:03d}.img")
    (folder / "runs.tsv").write_text(
        "subject\ttask\trun\tbold\tevents\tconfounds\n"
        "01\tfaces\t1\trun-1/f*.img\tevents1.tsv\tconfounds1.tsv\n"
        "01\tfaces\t2\trun-2.nii\tevents2.tsv\tconfounds2.tsv\n"
    )
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    return folder


def contents(folder):
    """Digest and time of change of every file of the user."""
    return {
        path: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "results" not in path.relative_to(folder).parts
    }


def analyse(folder):
    """Go from the config to the maps of every contrast, in the folder; InputError where something stops it.

    The checks of the start come first, then the jobs, as the rules call them.
    """
    with contextlib.chdir(folder):
        try:
            _analyse()
        except OSError as error:
            raise stage.of_the_system(error) or error from error


def _analyse():
    schema.check_keys(["config.yaml"])
    config = yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8"))
    configs.check_config(config, SCHEMA)
    runs, _ = unlike.settle(config, study.run_table(config, "data")[0])
    checks.check_contrasts(config, runs)
    subject = Path(f"results/sub-{runs[0].subject}")
    subject.mkdir(parents=True)
    names = [subject / "sub-{subject}{session}_task-{task}{run}".format(**run.wildcards) for run in runs]
    for run, name in zip(runs, names, strict=True):
        read_headers(
            bold=list(map(Path, run.bold)),
            reference=list(map(Path, runs[0].first)),
            headers=Path(f"{name}_headers.json"),
            repetition_time=run.repetition_time,
            repetition_time_decides=config["study"]["repetition_time_decides"],
        )
        _events(config, run, name)
    for run, name in zip(runs, names, strict=True):
        resample_run(
            bold=list(map(Path, run.bold)),
            reference=list(map(Path, runs[0].first)),
            headers=Path(f"{name}_headers.json"),
            resampled=Path(f"{name}_bold.nii"),
            sidecar=Path(f"{name}_bold.json"),
            field_of_view=Path(f"{name}_fov.nii.gz"),
            strategy=config["resample"]["strategy"],
            smoothing_fwhm=config["resample"]["smoothing_fwhm"],
        )
        compute_mean_image(bold=[Path(f"{name}_bold.nii")], mean=Path(f"{name}_mean.nii.gz"))
    for run, name in zip(runs, names, strict=True):
        _design(config, run, name)
    mask = subject / "mask.nii.gz"
    compute_mask(
        means=[Path(f"{name}_mean.nii.gz") for name in names],
        mask=mask,
        own_mask=[] if config["mask"] == "epi" else list(map(Path, with_companions(config["mask"]))),
        sidecar=subject / "mask.json",
        fields_of_view=[],
    )
    for name in names:
        fit_glm(
            bold=Path(f"{name}_bold.nii"),
            design=Path(f"{name}_design.tsv"),
            mask=mask,
            sidecar=Path(f"{name}_glm.json"),
            design_json=Path(f"{name}_design.json"),
            noise_model=config["glm"]["noise_model"],
            signal_scaling=config["glm"]["signal_scaling"],
            **{kind: Path(f"{name}_{kind}.nii.gz") for kind in ("beta", "sigma2", "ar1", "rsquared")},
        )
    for label, expression in config["contrasts"].items():
        statistic = "t" if isinstance(expression, str) else "F"
        name = f"{subject}/contrast-{label}_stat-"
        compute_contrast(
            betas=[Path(f"{name}_beta.nii.gz") for name in names],
            sigma2s=[Path(f"{name}_sigma2.nii.gz") for name in names],
            ar1s=[Path(f"{name}_ar1.nii.gz") for name in names],
            designs=[Path(f"{name}_design.tsv") for name in names],
            design_jsons=[Path(f"{name}_design.json") for name in names],
            fits=[Path(f"{name}_glm.json") for name in names],
            mask=mask,
            stat=Path(f"{name}{statistic}_statmap.nii.gz"),
            sidecar=Path(f"{subject}/contrast-{label}_statmap.json"),
            rows=checks.rows_of(expression),
            statistic=statistic,
            label=label,
            weights=config["fixed_effects"]["weights"],
            f_test=config["fixed_effects"]["f_test"],
            coverage=config["fixed_effects"]["coverage"],
            n_runs=Path(f"{name}nruns_statmap.nii.gz"),
            **{kind: Path(f"{name}{kind}_statmap.nii.gz") for kind in ("effect", "variance", "p", "z")},
        )


def _events(config, run, name):
    extract_events(
        source=[Path(run.events)] if run.events else [],
        events=Path(f"{name}_events.tsv"),
        headers=Path(f"{name}_headers.json"),
        event_duration=config["study"]["event_duration"],
        onset_unit=run.onset_unit,
        conditions=config["study"]["conditions"],
        rules={"needed": not run.design},
    )


def _design(config, run, name):
    options = (
        "hrf_model",
        "sampling",
        "derivative_step",
        "undershoot_ratio",
        "fir_delays",
        "fir_unit",
        "drift_model",
        "drift_order",
        "high_pass",
        "min_onset",
        "oversampling",
        "confounds_first_row",
        "motion_regressors",
        "censor",
    )
    make_design_matrix(
        events=Path(f"{name}_events.tsv"),
        bold=list(map(Path, run.first)),
        headers=Path(f"{name}_headers.json"),
        design=Path(f"{name}_design.tsv"),
        sidecar=Path(f"{name}_design.json"),
        slice_time_ref=model.slice_time_ref(config),
        confound_columns=config["design"]["confounds"],
        confounds=Path(run.confounds) if model.confounds_key(config) and not run.design else None,
        given=[Path(run.design), *given_fsl.beside(Path(run.design))] if run.design else None,
        given_part=run.design_part,
        **{option: config["design"][option] for option in options},
    )


def maps(folder):
    """Every map of a contrast below the results."""
    return sorted((folder / "results").rglob("contrast-*_statmap.*"))


def refusal(folder):
    """Return the message of what stops the study; AssertionError where nothing does."""
    try:
        analyse(folder)
    except InputError as error:
        return str(error)
    raise AssertionError("nothing stops this study")
