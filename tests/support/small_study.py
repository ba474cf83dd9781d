"""A small study of known truth, and the chain of stages in one process, by the plan that the rules use.

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
from firstlevel import names, stage
from firstlevel.glm.design import DesignOptions
from firstlevel.glm.nuisance import NuisanceOptions
from firstlevel.glm.run_events import EventOptions
from firstlevel.plan import start
from firstlevel.stage import InputError
from fit_glm import fit_glm
from make_design_matrix import make_design_matrix
from read_headers import read_headers
from read_run import read_run
from resample_run import resample_run

FOLDERS = {name: name for name in start.FOLDERS}
SHAPE, N_SCANS, REPETITION_TIME = (10, 11, 9), 30, 2.0
AFFINE = np.array([[-4.0, 0, 0, 18], [0, 4, 0, -20], [0, 0, 4, -16], [0, 0, 0, 1]])
CONFIG = {
    "study": {"source": "table", "table": "runs.tsv", "repetition_time": REPETITION_TIME},
    "mask": "mask.nii",
    "design": {"hrf_model": "spm"},
    "glm": {"noise_model": "ols"},
    "contrasts": {"faces": "faces", "difference": "faces - scrambled"},
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

    The plan of the start comes first, then the jobs in the order of the rules.
    """
    with contextlib.chdir(folder):
        try:
            _analyse()
        except OSError as error:
            raise stage.of_the_system(error) or error from error


def _analyse():
    config = yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8"))
    plan = start.plan(config, FOLDERS, ["config.yaml"])
    for unit in plan.study.units.values():
        for stages in (_bring_to_one_grid, _make_design):
            for run in unit.runs:
                stages(plan, run)
        _fit(plan, unit)
        for contrast in plan.model.contrasts.values():
            _test(plan, unit, contrast)


def result(pattern, **labels):
    """Path of a result, in the working directory."""
    return names.below(Path(FOLDERS["results"]), pattern, **labels)


def _paths(files):
    """Inputs as Snakemake gives them: paths below the results stand for their patterns."""
    return [Path(str(file).replace(names.RESULTS, FOLDERS["results"])) for file in files]


def _one(files):
    return next(iter(_paths(files)), None)


def _bring_to_one_grid(plan, run):
    labels, model, inputs = run.wildcards, plan.model, plan.inputs
    headers = result(names.HEADERS, **labels)
    read_headers(
        bold=_paths(run.bold),
        reference=_paths(inputs.reference(run)),
        sidecars=_paths(run.sidecars),
        headers=headers,
        field_of_view=None if model.resamples else result(names.FIELD_OF_VIEW, **labels),
        **model.headers,
        repetition_time=run.repetition_time,
    )
    read = {
        "bold": _paths(run.bold),
        "reference": _paths(inputs.reference(run)),
        "headers": headers,
        "sidecar": result(names.RESAMPLED_JSON, **labels),
        "field_of_view": result(names.FIELD_OF_VIEW, **labels),
        "mean": result(names.MEAN_OF_RUN, **labels),
    }
    if model.resamples:
        resample_run(**read, resampled=result(names.RESAMPLED, **labels), **model.resampling)
    elif not model.reads_once:
        read_run(**read)


def _make_design(plan, run):
    labels, inputs = run.wildcards, plan.inputs
    node = plan.model.run
    make_design_matrix(
        source=_paths(inputs.events(run)),
        headers=result(names.HEADERS, **labels),
        bold=_paths(run.first),
        confounds=_one(inputs.confounds(run)),
        confounds_json=_one(inputs.confounds_json(run)),
        sidecars=_paths(run.sidecars),
        given=_paths(inputs.given_design(run)) or None,
        events=result(names.EVENTS, **labels),
        events_json=result(names.EVENTS_JSON, **labels),
        design=result(names.DESIGN, **labels),
        sidecar=result(names.DESIGN_JSON, **labels),
        of_events=EventOptions(**inputs.event_options(run)),
        of_responses=DesignOptions(**node.design),
        of_no_interest=NuisanceOptions(**node.confounds),
        slice_time_ref=node.slice_time_ref,
        given_part=run.design_part,
    )


def _over_runs(unit, **patterns):
    return {
        name: [result(pattern, **run.wildcards) for run in unit.runs] for name, pattern in patterns.items()
    }


def _fit(plan, unit):
    mask = result(names.MASK, **unit.wildcards)
    compute_mask(
        **_over_runs(unit, means=names.MEAN_OF_RUN, fields_of_view=names.FIELD_OF_VIEW),
        own_mask=_paths(plan.inputs.own_mask(unit)),
        is_masked=plan.model.is_masked,
        mask=mask,
        sidecar=result(names.MASK_JSON, **unit.wildcards),
        coverage=plan.model.subject.coverage,
    )
    files = {
        "bold_json": names.RESAMPLED_JSON,
        "design": names.DESIGN,
        "design_json": names.DESIGN_JSON,
        "beta": names.BETA,
        "sigma2": names.SIGMA2,
        "ar1": names.AR1,
        "rsquared": names.RSQUARED,
        "task_rsquared": names.TASK_RSQUARED,
        "tsnr": names.TSNR,
        "series": names.SERIES,
        "timeseries": names.TIMESERIES,
        "measures": names.MEASURES,
        "sidecar": names.FIT_JSON,
        "coverage": names.FIELD_OF_VIEW,
        **plan.of_one_reading(headers=names.HEADERS, mean=names.MEAN_OF_RUN),
    }
    for run in unit.runs:
        fit_glm(
            **{name: result(pattern, **run.wildcards) for name, pattern in files.items()},
            bold=_paths(plan.inputs.bold(run)),
            reference=_paths(plan.inputs.reference(run)),
            mask=mask,
            field_of_view=_one(plan.inputs.field_of_view(run)),
            noise_model=plan.model.run.noise_model,
            signal_scaling=plan.model.run.signal_scaling,
            lags=plan.lags,
            confounds=_one(plan.inputs.motion_table(run)),
        )


def _test(plan, unit, contrast):
    labels = {**unit.wildcards, "contrast": contrast.label}
    compute_contrast(
        **_over_runs(
            unit,
            betas=names.BETA,
            sigma2s=names.SIGMA2,
            ar1s=names.AR1,
            designs=names.DESIGN,
            design_jsons=names.DESIGN_JSON,
            fits=names.FIT_JSON,
        ),
        mask=result(names.MASK, **unit.wildcards),
        **{name: result(pattern, **labels) for name, pattern in names.maps_of(contrast.statistic).items()},
        rows=list(contrast.rows),
        statistic=contrast.statistic,
        label=contrast.label,
        weights=plan.model.subject.weights,
        f_test=plan.model.subject.f_test,
        coverage=plan.model.subject.coverage,
    )


def maps(folder):
    """Every map of a contrast below the results."""
    return sorted((folder / "results").rglob("*_contrast-*_statmap.*"))


def refusal(folder):
    """Return the message of what stops the study; AssertionError where nothing does."""
    try:
        analyse(folder)
    except InputError as error:
        return str(error)
    raise AssertionError("nothing stops this study")
