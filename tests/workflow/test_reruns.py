"""What a change reruns: exactly what depends on it, and nothing else."""

import re
import shutil
import subprocess
import sys

import forks
import pytest
import yaml
from studies import Study

PAGES = {"report_subject": 1, "report_study": 1}
OF_RUNS = {"plot_run": 2} | PAGES
FIGURES = {"plot_contrast": 3} | PAGES
OF_ONE_CONTRAST = {"plot_contrast": 1}
JUDGED = {"judge_quality": 1} | PAGES
MODEL = {"describe_dataset": 1}  # which writes model.json
LISTED = {"list_maps": 1} | JUDGED
CONTRASTS = {"compute_contrast": 2, "compute_contrast_f": 1} | FIGURES | LISTED
FIT = {"fit_glm": 2} | OF_RUNS | CONTRASTS
MASK = {"compute_mask": 1} | FIT
RESAMPLING = {"resample_run": 2} | MASK
DESIGN = {"make_design_matrix": 2} | FIT
HEADERS = {"read_headers": 2} | DESIGN | RESAMPLING  # of SPM's conditions, whose onsets are in scans
EVERYTHING = {"simulate_dataset": 1} | HEADERS

FIR = {
    "facesMinusScrambled": "faces_delay_2 - scrambled_delay_2",
    "scrambledMinusFaces": "scrambled_delay_2 - faces_delay_2",
    "effectsOfInterest": ["faces_delay_2", "scrambled_delay_2"],
}

CONFIG_EDITS = {
    "nothing": ({}, {}),
    "a new t contrast": (
        {"contrasts": {"faces": "faces"}},
        {"compute_contrast": 1} | OF_ONE_CONTRAST | LISTED | MODEL,
    ),
    "a changed t contrast": (
        {"contrasts": {"facesMinusScrambled": "faces - 0.5 * scrambled"}},
        {"compute_contrast": 1} | OF_ONE_CONTRAST | LISTED | MODEL,
    ),
    "a changed F contrast": (
        {"contrasts": {"effectsOfInterest": ["faces", "scrambled", "faces_derivative"]}},
        {"compute_contrast_f": 1} | OF_ONE_CONTRAST | JUDGED | MODEL,
    ),
    "precision weights": ({"fixed_effects": {"weights": "precision", "f_test": "exact"}}, CONTRASTS | MODEL),
    "F test": (
        {"fixed_effects": {"f_test": "exact"}},
        {"compute_contrast_f": 1} | OF_ONE_CONTRAST | JUDGED | MODEL,
    ),
    "maps per run": (
        {"fixed_effects": {"per_run": True}},
        {"compute_run_contrast": 4, "compute_run_contrast_f": 2} | FIGURES | MODEL,
    ),
    "threshold": ({"figures": {"threshold": 4.0}}, FIGURES),
    "level of inference": ({"inference": {"alpha": 0.01}}, CONTRASTS | MODEL),
    "lags of a test of the residuals": (
        {"quality": {"lags": 8}},
        FIT,
    ),
    "limit of quality": ({"quality": {"vif": 10.0}}, JUDGED),
    "shown threshold": ({"inference": {"shown": "fdr"}}, FIGURES),
    "no report": ({"outputs": ["maps", "figures"]}, {}),
    "display mode": ({"figures": {"display_mode": "ortho"}}, FIGURES),
    "noise model": ({"glm": {"noise_model": "ols"}}, FIT | MODEL),
    "corrected noise model": ({"glm": {"noise_model": "ar1_corrected"}}, FIT | MODEL),
    "ARMA noise": ({"glm": {"noise_model": "arma11"}}, FIT | MODEL),
    "noise that is learnt": ({"glm": {"noise_model": "mixture"}}, FIT | MODEL),
    "grand mean": ({"glm": {"signal_scaling": "grand_mean"}}, FIT | MODEL),
    "signal scaling": ({"glm": {"signal_scaling": "none"}}, FIT | MODEL),
    "high_pass": ({"design": {"high_pass": 0.02}}, DESIGN | MODEL),
    "slice_time_ref": ({"design": {"slice_time_ref": "middle"}}, DESIGN | MODEL),
    "the same slice_time_ref in another word": ({"design": {"slice_time_ref": 0.0}}, PAGES),
    "whose repetition time": ({"study": {"repetition_time_decides": True}}, HEADERS),
    "hrf_model": ({"design": {"hrf_model": "glover + derivative"}}, DESIGN | MODEL),
    "FIR": ({"design": {"hrf_model": "fir", "fir_delays": [2, 3]}, "contrasts": FIR}, DESIGN | MODEL),
    "polynomial drift": ({"design": {"drift_model": "polynomial", "drift_order": 2}}, DESIGN | MODEL),
    "motion regressors": ({"confounds": {"motion": 6}}, DESIGN | MODEL),
    "censoring": ({"confounds": {"censor": {"fd_threshold": 0.5}}}, DESIGN | MODEL),
    "first row of confounds": ({"confounds": {"first_row": "zero"}}, DESIGN | MODEL),
    "conditions": (
        {"study": {"conditions": {"faces": ["faces"], "scrambled": ["scrambled"]}}},
        DESIGN | MODEL,
    ),
    "event duration": ({"study": {"event_duration": 2.0}}, DESIGN | MODEL),
    "strategy": ({"resample": {"strategy": "direct"}}, RESAMPLING | MODEL),
    "smoothing": ({"resample": {"smoothing_fwhm": 6.0}}, RESAMPLING | MODEL),
    "field of view": ({"resample": {"field_of_view": "masked"}}, MASK | MODEL),
    "seed": ({"study": {"simulated": {"seed": 2}}}, EVERYTHING),
}

CODE_EDITS = {
    "fit_glm.py": FIT,
    "compute_contrast.py": CONTRASTS,
    "judge_quality.py": JUDGED,
    "plot_contrast.py": FIGURES,
    "plot_run.py": OF_RUNS,
    "firstlevel/glm/contrasts.py": CONTRASTS,
    "firstlevel/image/alike.py": HEADERS,
    "firstlevel/image/interpolation.py": RESAMPLING,
    "firstlevel/glm/fit.py": FIT,
    "firstlevel/glm/learnt.py": FIT,
    "firstlevel/glm/learnt_contrasts.py": CONTRASTS,
    "firstlevel/io/scratch.py": FIT,
    "firstlevel/plotting/noise.py": OF_RUNS,
    "firstlevel/glm/design.py": DESIGN,
    "firstlevel/glm/dependence.py": DESIGN,
    "firstlevel/image/motion.py": DESIGN,
    "firstlevel/image/rigid.py": HEADERS,
    "firstlevel/image/splines.py": RESAMPLING,
    "firstlevel/glm/nuisance.py": DESIGN,
    "firstlevel/glm/timing.py": DESIGN,
    "firstlevel/io/repetition.py": HEADERS,
    "firstlevel/plotting/sections.py": OF_RUNS | FIGURES,
    "firstlevel/plotting/viewer.py": FIGURES,
    "firstlevel/plotting/carpet.py": OF_RUNS,
    "firstlevel/io/masked.py": MASK,
    "firstlevel/io/sidecars.py": EVERYTHING | MODEL,
    "firstlevel/io/table_writer.py": DESIGN,
    "firstlevel/io/tables.py": DESIGN,
    "firstlevel/io/derivative.py": {"describe_dataset": 1, "list_maps": 1} | PAGES,
    "firstlevel/quality/run_verdicts.py": JUDGED,
    "firstlevel/quality/verdicts.py": JUDGED,
    "firstlevel/quality/whiteness.py": FIT,
    "firstlevel/reporting/methods.py": PAGES,
    "firstlevel/reporting/study_page.py": PAGES,
    "firstlevel/plan/study.py": {},
    "firstlevel/plan/runs.py": {},
    "firstlevel/plan/config.py": {},
}

REMOVED = {
    "run-1_stat-beta_statmap.nii.gz": ({}, {"fit_glm": 1}),
    "run-2_design.tsv": ({}, {"make_design_matrix": 1}),
    "desc-brain_mask.nii.gz": ({}, {"compute_mask": 1}),
    "contrast-effectsOfInterest_stat-z_statmap.nii.gz": (
        {"compute_contrast_f": 1} | OF_ONE_CONTRAST | JUDGED,
        {"compute_contrast_f": 1},
    ),
}
"""Jobs for the whole study, which needs an intermediate file no more, and for the file itself."""


@pytest.fixture(scope="module")
def study(tmp_path_factory, small_study):
    """The finished small study, with a copy of the workflow that a test may edit."""
    root = tmp_path_factory.mktemp("reruns")
    ignored = shutil.ignore_patterns(".*", "results", "data", "logs", "benchmarks", "tests", "__pycache__")
    workflow = shutil.copytree(small_study.root, root / "workflow", ignore=ignored, symlinks=True)
    folder = shutil.copytree(small_study.folder, root / "study", symlinks=True)
    return Study(folder, small_study.config, workflow)


@pytest.mark.parametrize("key", ["contrasts", "desing"])
def test_fork_says_what_a_process_of_its_own_says(study, key):
    """Plans of the tests are those of the command line: the same jobs, files, errors and exit code."""
    config = study.folder / "config.yaml"
    config.write_text(yaml.safe_dump(study.config | {key: {"faces": "faces"}}))
    arguments = ["--dry-run", "--cores", "2", "--snakefile", str(study.root / "Snakefile")]
    arguments += ["--directory", str(study.folder), "--configfile", str(config)]
    command = [sys.executable, "-m", "snakemake", *arguments]
    own = subprocess.run(command, cwd=study.root, capture_output=True, text=True, check=False)
    forked = forks.snakemake(arguments, study.root)
    assert (forked.returncode, forked.stderr) == (own.returncode, own.stderr)
    tables = [done.stdout.partition("Job stats:")[2].partition("total")[0] for done in (forked, own)]
    files = [sorted(re.findall(r"^    output: .*", done.stdout, re.MULTILINE)) for done in (forked, own)]
    assert (tables[0], files[0]) == (tables[1], files[1])
    assert (forked.returncode == 0) == ("compute_contrast" in tables[0]) == (key == "contrasts")


@pytest.mark.parametrize("name", CONFIG_EDITS)
def test_config_edit_reruns_what_depends_on_the_key(study, name):
    """Each key of the config plans the stages that it concerns and what follows from them."""
    changes, expected = CONFIG_EDITS[name]
    assert study.planned(changes=changes) == expected


@pytest.mark.parametrize("name", CODE_EDITS)
def test_code_edit_reruns_the_stages_that_import_it(study, name):
    """An edit of a module reruns the stages that import it; undone, it reruns nothing."""
    path = study.root / "workflow/scripts" / name
    before = path.read_bytes()
    try:
        path.write_bytes(before + b"\n# edited\n")
        assert study.planned() == CODE_EDITS[name]
    finally:
        path.write_bytes(before)


def test_touched_code_and_touched_config_rerun_nothing(study):
    """Only content counts: new time stamps on every file of the workflow plan no job."""
    for path in study.root.rglob("*"):
        if path.is_file():
            path.touch()
    assert study.planned() == {}


@pytest.mark.parametrize("name", REMOVED)
def test_removed_file_is_made_again_with_what_needs_it(study, name):
    """A removed file is made again where something needs it, by its own stage."""
    path, aside = study.result(name), study.folder / "aside"
    path.rename(aside)
    try:
        assert (study.planned(), study.planned(str(path.relative_to(study.folder)))) == REMOVED[name]
    finally:
        aside.rename(path)


def test_one_target_builds_one_file(study):
    """A file can be asked for by its name alone."""
    target = study.result("contrast-facesMinusScrambled_stat-z_statmap.nii.gz")
    before = target.read_bytes()
    target.unlink()
    name = str(target.relative_to(study.folder))
    assert study.planned(name) == {"compute_contrast": 1}
    study.snakemake(name)
    assert target.read_bytes() == before
