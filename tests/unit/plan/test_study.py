"""Checks of the config and the rows of the run table."""

import os
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import scipy.io
from checked_configs import CONTRASTS, SCHEMA, checked, keys
from studies import ROOT

from firstlevel import texts
from firstlevel.glm import noise
from firstlevel.plan import checks, model, schema, study
from firstlevel.plan.sources import table
from firstlevel.stage import InputError

SIMULATED = "study: {source: simulated}\n"
MINIMAL = CONTRASTS + SIMULATED
MINIMAL_FACES = CONTRASTS + "study: {source: simulated, repetition_time: 2.0}\n"
BIDS = CONTRASTS + "study: {source: bids, bids: {path: raw, derivatives: prep, task: a}}\n"
TABLE = "study: {source: table, table: runs.tsv}\n"


def test_keys_left_out_take_the_schema_defaults():
    """A config of one contrast is a whole config, and two configs do not share their defaults."""
    config, other = checked(MINIMAL), checked(MINIMAL)
    assert config["design"]["high_pass"] == 0.01
    assert config["study"]["simulated"]["shape"] == [64, 64, 32]
    config["confounds"]["columns"].append("x")
    assert other["confounds"]["columns"] == []
    assert checked(MINIMAL)["confounds"]["columns"] == []


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "config").glob("*.yaml")))
def test_shipped_configs_hold_and_their_runs_exist(name):
    """Each config in the repository passes its own checks; presets are the models of a study."""
    text = (ROOT / "config" / name).read_text()
    config = checked(text if "\nstudy:" in text else MINIMAL_FACES + text)
    runs = study.run_table(config, "data")[0]
    checks.check_contrasts(config, runs)
    assert [run.run for run in runs] == ["1", "2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "design: {high_pas: 0.01}", r"unknown key design.high_pas \(did you mean 'high_pass'\?"),
        (MINIMAL + "desing: {}", r"unknown key desing \(did you mean 'design'\? known here: study,"),
        (MINIMAL + "design: {high_pass: fast}", "design.high_pass: 'fast' is not of type 'number' .Hz"),
        (MINIMAL + "design: {high_pass: -1}", "design.high_pass: -1 is less than or equal to"),
        (MINIMAL + "figures: {display_mode: w}", "figures.display_mode: 'w' is not one of"),
        (MINIMAL + "glm: ar1", "glm: 'ar1' is not of type 'object'"),
        (SIMULATED, "'contrasts' is a required property"),
        (CONTRASTS, "study: 'source' is a required property"),
        (SIMULATED + "contrasts: {}", "contrasts: {} should be non-empty"),
        (
            SIMULATED + "contrasts: {a-b: faces}",
            "contrasts: 'a-b' is not valid .labels are made of letters and digits",
        ),
        (SIMULATED + 'contrasts: {"a\\n": faces}', "is not valid"),
        (SIMULATED + "contrasts: {1: faces}", "YAML reads the key 1 as a int"),
        (MINIMAL + "figures: {threshold: .inf}", "figures.threshold: is inf"),
        (
            CONTRASTS + "study: {source: simulated, repetition_time: 2000}",
            "2000 is not valid .Seconds .not milliseconds.",
        ),
        (MINIMAL + "study: {source: simulated, repetition_time_decides: 2}", "is not of type 'boolean'"),
        (MINIMAL + "design: {slice_time_ref: 1.5}", "slice_time_ref: 1.5 is not valid .Moment of a volume"),
        (MINIMAL + "design: {slice_time_ref: start}", "slice_time_ref: 'start' is not valid"),
        (MINIMAL + "mask: no.nii", "key mask .*no.nii.: there is no such file"),
        (SIMULATED + "contrasts: {a: 3}", "contrasts.a: 3 is not valid .an expression such as"),
        (SIMULATED + "contrasts: {a: faces **}", "contrasts.a: 'faces \\*\\*' is not a weighted sum"),
        (CONTRASTS + "study: {source: table}", "study.table: is not set"),
        ("- a\n- b", "config: is not a mapping"),
        (MINIMAL + "design: {fir_delays: [1, 1]}", "design.fir_delays: .* has non-unique elements"),
        (MINIMAL + "design: {fir_delays: [-1]}", "design.fir_delays.0: -1 is less than the minimum of 0"),
        (
            MINIMAL + "design: {fir_delays: [1, 1.5], fir_unit: scans}",
            "fir_delays.* has 1.5, though .* is scans",
        ),
        (MINIMAL + "resample: {strategy: twice}", "resample.strategy: 'twice' is not one of"),
        (MINIMAL + "design: {fir_unit: ms}", "design.fir_unit: 'ms' is not one of"),
        (MINIMAL + "design: {sampling: SPM}", "design.sampling: 'SPM' is not one of"),
        (MINIMAL + "design: {derivative_step: 0}", "design.derivative_step: 0 is less than or equal to"),
        (MINIMAL + "design: {undershoot_ratio: 6}", "design.undershoot_ratio: 6 is greater than or equal to"),
        (MINIMAL + "confounds: {motion: 12}", "confounds.motion: 12 is not one of"),
        (MINIMAL + "confounds: {censor: {fd: 0.5}}", "unknown key confounds.censor.fd"),
        (MINIMAL + "outputs: [mapz]", "outputs.0: 'mapz' is not one of"),
        (MINIMAL + "outputs: []", r"outputs: \[\] should be non-empty"),
        (MINIMAL + "outputs: maps", r"outputs: 'maps' is not of type 'array': .* such as \[maps\]"),
        (MINIMAL + "confounds: [csf]", "it is a section, with the keys columns, first_row"),
        (MINIMAL + "resample: {strategy: nearest}", "resample.strategy: 'nearest' is not one of"),
        (
            CONTRASTS + "study: {source: simulated, conditions: {a: [faces], b: [faces]}}",
            "study.conditions.b: 'faces' is already in 'a'",
        ),
        (
            MINIMAL + "confounds: {fmriprep: {strategy: [motion]}}",
            "confounds.fmriprep.strategy: needs images and confounds of fMRIPrep",
        ),
        (BIDS + "confounds: {fmriprep: {strategy: [compcor]}}", "compcor without high_pass"),
        (
            BIDS + "confounds: {fmriprep: {strategy: [high_pass]}}",
            "design.drift_model: is cosine, and the strategy high_pass",
        ),
    ],
)
def test_wrong_configs_name_the_key(text, message):
    """A typo or a wrong value names the key, what was expected, and the nearest known name."""
    with pytest.raises(InputError, match=message):
        checked(text)


@pytest.mark.parametrize(
    ("keys", "meant"),
    [
        ("smoothing: 6", "resample.smoothing_fwhm"),
        ("fwhm: 6", "resample.smoothing_fwhm"),
        ("resample: {fwhm: 6}", "resample.smoothing_fwhm"),
        ("glm: {smoothing_fwhm: 6}", "resample.smoothing_fwhm"),
        ("threshold: 3", "one of inference.p, figures.threshold"),
        ("hrf_model: spm", "design.hrf_model"),
        ("glm: {hrf_model: spm}", "design.hrf_model"),
        ("high_pass: 0.01", "design.high_pass"),
        ("design: {high-pass: 0.01}", "design.high_pass"),
        ("tr: 2", "study.repetition_time"),
        ("repetition_time: 2", "study.repetition_time"),
        ("RepetitionTime: 2", "study.repetition_time"),
        ("columns: [csf]", "confounds.columns"),
        ("confounds: {trans_x: true}", r"confounds.columns: \[trans_x\]"),
        ("motion: 6", "one of confounds.fmriprep.motion, confounds.motion"),
        ("confounds: {n_compcor: 5}", "confounds.fmriprep.n_compcor"),
        ("design: {noise_model: ar1}", "glm.noise_model"),
        ("subjects: ['01']", "study.bids.subjects"),
        ("study: {source: simulated, space: MNI}", "study.bids.space"),
        ("bids: {}", "study.bids"),
        ("n_scans: 3", "study.simulated.n_scans"),
        ("hihg_pass: 1", "design.high_pass"),
    ],
)
def test_key_at_a_wrong_level_is_told_where_it_belongs(keys, meant):
    """By its name, by a part of it, by what others call it, or spelled nearly so."""
    with pytest.raises(InputError, match=rf"unknown key \S+ \(did you mean {meant}\? known here: "):
        checked(CONTRASTS + keys if keys.startswith("study") else MINIMAL + keys)


def test_key_that_is_like_no_other_gets_no_hint():
    """A wrong hint costs more than none."""
    with pytest.raises(InputError, match=r"unknown key xyzzy \(known here: study"):
        checked(MINIMAL + "xyzzy: 1")


@pytest.mark.parametrize(
    ("of_bids", "message"),
    [
        (
            "task: a, subjects: [01, 02]",
            "subjects.0: 1 is .* number; put labels .* in quotes, such as '01'",
        ),
        ("task: a, subjects: [01, '02']", "subjects.0: 1 is .* in quotes, such as '01'$"),
        ("task: a, subjects: 01", r"subjects: 1 is .*: a list goes in brackets, such as \['1'\]"),
        ("task: a, subjects: '01'", r"subjects: '01' is .*: a list goes in brackets, such as \['01'\]"),
        ("task: a, sessions: [2020-01-01]", "sessions.0: .* YAML reads it as a date; put it in quotes"),
        (
            "task: no",
            "task: False is .* YAML reads yes, no, on .* put the word in quotes",
        ),
        ("task: 1", "task: 1 is .* put labels and names in quotes"),
        ("task: a, exclude: [03]", "exclude.0: 3 is not valid .a subject's label in quotes"),
    ],
)
def test_labels_that_yaml_reads_otherwise_are_to_be_put_in_quotes(of_bids, message):
    """Numbers, dates and words of truth."""
    with pytest.raises(InputError, match=re.compile(message, re.MULTILINE)):
        checked(f"{CONTRASTS}study: {{source: bids, bids: {{path: b, {of_bids}}}}}\n")


def test_every_error_of_a_config_is_told_at_once():
    """Two typos need one correction round, not two."""
    with pytest.raises(InputError, match="high_pas.*modle"):
        checked(MINIMAL + "design: {high_pas: 1}\nglm: {modle: ols}")


@pytest.mark.parametrize(
    ("asked", "of_bids", "of_others"),
    [("auto", "auto", 0.0), ("middle", "auto", "auto"), (0.3, 0.3, 0.3), (0, 0, 0)],
)
def test_moment_of_a_volume_is_asked_of_sidecars_where_there_are_any(asked, of_bids, of_others):
    """Auto keeps nilearn's start of a scan where no sidecar can tell; a number is a number everywhere."""
    design = f"design: {{slice_time_ref: {asked}}}"
    assert model.slice_time_ref(checked(BIDS + design)) == of_bids
    assert model.slice_time_ref(checked(MINIMAL_FACES + design)) == of_others


def test_default_moment_is_auto():
    """A study without sidecars keeps the numbers of nilearn's example."""
    assert model.slice_time_ref(checked(MINIMAL)) == 0.0
    assert model.slice_time_ref(checked(BIDS)) == "auto"


@pytest.fixture
def folder(tmp_path):
    """Two runs: 3D pairs and a 4D file, with their events."""
    (tmp_path / "run-1").mkdir()
    for number in (2, 1, 10):
        nib.Nifti1Pair(np.zeros((3, 3, 3), np.int16), np.eye(4)).to_filename(
            tmp_path / f"run-1/f{number:03d}.img"
        )
    nib.Nifti1Image(np.zeros((3, 3, 3, 5), np.int16), np.eye(4)).to_filename(tmp_path / "run-2.nii")
    for run in (1, 2):
        (tmp_path / f"e{run}.tsv").write_text("onset\tduration\ttrial_type\n1\t1\tlistening\n")
    return tmp_path


GOOD = [
    {"subject": "01", "task": "a", "run": "1", "bold": "run-1/f*.img", "events": "e1.tsv"},
    {
        "subject": "01",
        "task": "a",
        "run": "2",
        "bold": "run-2.nii",
        "events": "e2.tsv",
        "repetition_time": "1.5",
    },
]


def rows(folder, *changes):
    """Run table of GOOD with changed values, one dictionary of changes per row."""
    table = [row | change for row, change in zip(GOOD, (*changes, {}, {}), strict=False)]
    columns = list(dict.fromkeys(column for row in table for column in row))
    lines = ["\t".join(columns), *("\t".join(row.get(column, "n/a") for column in columns) for row in table)]
    (folder / "runs.tsv").write_text("\n".join(lines) + "\n")
    config = checked(CONTRASTS + f"study: {{source: table, table: '{folder}/runs.tsv', repetition_time: 7}}")
    return study.run_table(config, "data")[0]


def test_table_rows_are_runs_with_paths_beside_the_table(folder):
    """Globs open in name order, headers stand beside their images, times come from the row or the study."""
    first, second = rows(folder)
    names = [Path(file).relative_to(folder).as_posix() for file in first.bold]
    assert names == [f"run-1/f{n}.{s}" for n in ("001", "002", "010") for s in ("img", "hdr")]
    assert second.bold == (str(folder / "run-2.nii"),)
    assert (first.repetition_time, second.repetition_time) == (7, 1.5)
    assert first.entities == {"subject": "01", "task": "a", "run": "1"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([{"bold": "run-3/f*.img"}], "row 2: no image matches"),
        ([{}, {"events": "e3.tsv"}], "row 3: there is no file .*e3.tsv"),
        ([{}, {"run": "1"}], "row 3: subject 01, task a, run 1 is already in row 2"),
        ([{"subject": "sub-01"}], "row 2: subject is 'sub-01'"),
        ([{"task": "n/a"}], "row 2: task is 'n/a'"),
        ([{}, {"repetition_time": "2,0"}], "row 3: repetition_time is '2,0'"),
        ([{}, {"repetition_time": "0"}], "row 3: repetition_time is '0'"),
        ([{"onset_unit": "ms"}], "row 2: onset_unit is 'ms'"),
        ([{"bold_file": "x"}], "unknown column 'bold_file'"),
        ([{"bold": "run-1/*{1}*"}], "no image matches"),
        ([{"events": "e{1}.tsv"}], r"has \{1\} in its name, which Snakemake would replace"),
        ([{"events": "<results>/e.tsv"}], "has <results> in its name, which Snakemake would replace"),
    ],
)
def test_wrong_rows_name_the_row(folder, changes, message):
    """Every mistake in a run table is found before a job starts, with its row."""
    with pytest.raises(InputError, match=message):
        rows(folder, *changes)


def test_repetition_time_that_decides_must_be_a_number_somewhere(folder):
    """One row with a number is enough; null and the name of a source leave nothing that could decide."""
    rows(folder)
    start = CONTRASTS + f"study: {{source: table, table: '{folder}/runs.tsv', repetition_time_decides: true"
    assert len(study.run_table(checked(start + "}"), "data")[0]) == 2
    rows(folder, {}, {"repetition_time": "n/a"})
    assert len(study.run_table(checked(start + ", repetition_time: 2}"), "data")[0]) == 2
    for said in ("", ", repetition_time: header"):
        with pytest.raises(InputError, match="repetition_time_decides: is true, but the study gives"):
            study.run_table(checked(start + said + "}"), "data")


def test_unknown_regressor_lists_the_known_ones_and_the_nearest(folder):
    """A contrast's typo is answered with the study's own conditions."""
    runs = rows(folder)
    config = checked(TABLE + "contrasts: {a: listenign - listening_derivative}")
    with pytest.raises(
        InputError, match=r"contrasts.a: no run of the study has a regressor 'listenign'"
    ) as error:
        checks.check_contrasts(config, runs)
    assert "one of: listening, listening_derivative" in str(error.value)
    assert "did you mean 'listening'?" in str(error.value)


def test_derivatives_are_regressors_only_where_the_hrf_has_them(folder):
    """What can be named follows from the HRF model."""
    runs = rows(folder)
    checks.check_contrasts(checked(TABLE + "contrasts: {a: listening_derivative, b: drift_1}"), runs)
    with pytest.raises(InputError, match="listening_derivative"):
        checks.check_contrasts(
            checked(TABLE + "contrasts: {a: listening_derivative}\ndesign: {hrf_model: spm}"), runs
        )


def test_confounds_need_a_table(folder):
    """Columns of confounds without a table of them stop before any job."""
    with pytest.raises(InputError, match="confounds.columns"):
        checks.check_contrasts(checked(MINIMAL + "confounds: {columns: [rot_x]}"), rows(folder))


def test_unpacked_spm_data_are_used_as_they_are(tmp_path):
    """study.spm_multimodal.path may be the folder of fMRI/ or the one above sub001/."""
    trunk = tmp_path / "sub001"
    for run in (1, 2):
        session = trunk / f"fMRI/Session{run}"
        session.mkdir(parents=True)
        for volume in (1, 2):
            for suffix in ("img", "hdr"):
                (session / f"fMETHODS-000{run + 4}-{volume:05d}-01.{suffix}").touch()
    for path in (tmp_path, trunk):
        text = (
            f"study: {{source: spm_multimodal, repetition_time: 2, spm_multimodal: {{path: '{path}'}}}}\n"
            + CONTRASTS
        )
        runs = study.run_table(checked(text), "data")[0]
        assert [len(run.bold) for run in runs] == [4, 4]
        assert runs[1].events == str(trunk / "fMRI/trials_ses2.mat")
    with pytest.raises(InputError, match="does not hold the unpacked"):
        study.run_table(checked(text.replace(str(path), str(tmp_path / "elsewhere"))), "data")


def test_condition_that_one_run_lacks_is_no_mistake(folder):
    """A regressor of some run is enough; per run, only the contrasts of its own regressors are asked for."""
    (folder / "e2.tsv").write_text("onset\tduration\ttrial_type\n1\t1\trest\n")
    runs = rows(folder)
    config = checked(
        TABLE + "contrasts: {a: listening, b: [listening - rest], c: rest_derivative, d: drift_1}"
    )
    checks.check_contrasts(config, runs)
    assert [checks.contrasts_of(config, run) for run in runs] == [["a", "d"], ["c", "d"]]


def test_precision_weights_need_the_exact_f():
    """A combination that would be ignored stops; without F contrasts there is none."""
    weights = SIMULATED + "fixed_effects: {weights: precision%s}\n"
    checked(weights % "" + "contrasts: {a: faces}")
    checked(weights % ", f_test: exact" + "contrasts: {a: [faces]}")
    with pytest.raises(InputError, match=r"fixed_effects.f_test: is approximate.*\(a\)"):
        checked(weights % "" + "contrasts: {a: [faces]}")
    checked(weights % "" + "contrasts: {a: [faces]}\nglm: {noise_model: mixture}")  # whose F is always exact


def test_noise_models_are_those_of_the_registry():
    """The config takes each of them, and no other."""
    [allowed] = [part["enum"] for key, part in keys(SCHEMA) if key == "glm.noise_model"]
    assert sorted(allowed) == sorted(noise.MODELS)
    with pytest.raises(InputError, match="glm.noise_model"):
        checked(MINIMAL + "glm: {noise_model: mixed}")


@pytest.mark.parametrize("name", noise.MODELS)
def test_only_noise_that_is_learnt_has_files_of_its_own(name):
    """And then F is exact, whatever is asked for."""
    of = model.Model.of(checked(MINIMAL + f"glm: {{noise_model: {name}}}"))
    assert of.run.learns_noise == (name == "mixture")
    assert of.subject.f_test == ("exact" if name == "mixture" else "approximate")


def test_conditions_of_one_s_own_mat_file_are_its_names(folder):
    """A .mat file in a table study has names of its own."""
    onsets = np.empty(2, object)
    onsets[:] = [np.array([1.0]), np.array([2.0])]
    for run in (1, 2):
        scipy.io.savemat(
            folder / f"e{run}.mat", {"names": np.array(["left", "right"], object), "onsets": onsets}
        )
    runs = rows(folder, {"events": "e1.mat"}, {"events": "e2.mat"})
    checks.check_contrasts(checked(TABLE + "contrasts: {a: left - right}"), runs)
    with pytest.raises(InputError, match="has a regressor 'faces'"):
        checks.check_contrasts(checked(TABLE + "contrasts: {a: faces}"), runs)


def test_brackets_in_a_folder_are_no_pattern(tmp_path, folder):
    """Only the value in the table is a pattern: study[12] does not match study1."""
    for name in ("study1", "study[12]"):
        shutil.copytree(folder / "run-1", tmp_path / "both" / name / "run-1")
    (tmp_path / "both/study[12]/run-1/f010.img").unlink()
    files = table.files("run-1/f*.img", tmp_path / "both/study[12]", "table")
    assert [Path(file).parts[-3] for file in files] == ["study[12]"] * 4


def test_names_without_leading_zeros_are_an_error(tmp_path):
    """f10 before f2 would put volumes out of time."""
    for number in (1, 2, 10):
        (tmp_path / f"f{number}.nii").touch()
    with pytest.raises(InputError, match="not in the order of their numbers: f10.nii comes second"):
        table.files("f*.nii", tmp_path, "table")


def test_image_without_its_header_is_named(folder):
    """A pair that lost its .hdr stops before any job."""
    (folder / "run-1/f002.hdr").unlink()
    with pytest.raises(InputError, match=r"row 2: .*f002.img has no header"):
        rows(folder)


def test_numbers_from_the_command_line_are_numbers():
    """--config 'figures={threshold: 4.0}' hands over text; what should be text stays text."""
    config = checked(
        MINIMAL + "figures: {threshold: '4.0', cut_coords: ['0', '10']}\nresample: {smoothing_fwhm: 'null'}"
    )
    assert config["figures"]["threshold"] == 4.0
    assert config["figures"]["cut_coords"] == [0, 10]
    assert config["resample"]["smoothing_fwhm"] is None
    assert checked(MINIMAL + "figures: {cut_coords: 3.0}")["figures"]["cut_coords"] == 3


def test_names_of_fir_motion_and_confounds_by_pattern_are_regressors(folder):
    """What a contrast may name follows from the model: delays, motion, columns that a pattern chooses."""
    for run in (1, 2):
        (folder / f"c{run}.tsv").write_text("trans_x\ttrans_y\trot_x\n0\t0\t0\n")
    runs = rows(folder, {"confounds": "c1.tsv"}, {"confounds": "c2.tsv", "bold": "run-1/f*.img"})
    model = "design: {hrf_model: fir, fir_delays: [1, 3]}\nconfounds: {columns: ['trans_*'], motion: 24}\n"
    good = "{a: listening_delay_1 + listening_delay_3, b: trans_y, c: motion_yaw_derivative1_power2}"
    checks.check_contrasts(checked(f"{TABLE}{model}contrasts: {good}"), runs)
    for name in ("listening", "listening_delay_0", "rot_x", "motion_yaw_cubed"):
        with pytest.raises(InputError, match=f"no run of the study has a regressor '{name}'"):
            checks.check_contrasts(checked(f"{TABLE}{model}contrasts: {{a: {name}}}"), runs)


def test_conditions_by_name_are_the_regressors_and_their_trial_types_exist(folder):
    """A merged condition can be tested, its trial types no longer; one that no run has is named."""
    (folder / "e2.tsv").write_text("onset\tduration\ttrial_type\n1\t1\thearing\n2\t1\trest\n")
    runs = rows(folder)
    merged = TABLE[:-2] + ", conditions: {sound: [listening, hearing]}}\n"
    checks.check_contrasts(checked(merged + "contrasts: {a: sound_derivative}"), runs)
    with pytest.raises(InputError, match="no run of the study has a regressor 'listening'"):
        checks.check_contrasts(checked(merged + "contrasts: {a: listening}"), runs)
    alone = merged.replace("[listening, hearing]", "[listening]")
    config = checked(alone + "contrasts: {a: sound}")
    checks.check_contrasts(config, runs)
    assert [checks.contrasts_of(config, run) for run in runs] == [["a"], []]
    wrong = merged.replace("hearing", "hering") + "contrasts: {a: sound}"
    with pytest.raises(InputError, match="conditions.sound: no run has the trial type 'hering'") as error:
        checks.check_contrasts(checked(wrong), runs)
    assert "did you mean 'hearing'?" in str(error.value)


@pytest.mark.parametrize(
    ("extra", "key"),
    [
        ("{censor: {column: bad}}", "confounds.censor.column"),
        ("{censor: {fd_threshold: 0.5, source: framewise_displacement}}", "confounds.censor.source"),
    ],
)
def test_censoring_by_a_column_needs_a_table(folder, extra, key):
    """Censoring by affines needs none; by a column it stops before any job, and names the key."""
    runs = rows(folder, {}, {"bold": "run-1/f*.img"})
    with pytest.raises(InputError, match=f"config key {key}: .* has no table of confounds"):
        checks.check_contrasts(checked(f"{TABLE}contrasts: {{a: listening}}\nconfounds: {extra}"), runs)
    by_affines = "confounds: {censor: {fd_threshold: 0.5}}"
    config = checked(f"{TABLE}contrasts: {{a: listening}}\n{by_affines}")
    checks.check_contrasts(config, runs)
    assert model.needs_motion(config)
    assert not model.needs_motion(checked(MINIMAL))


def tables_of(folder, *headers):
    """Run table of GOOD with tables of confounds of these columns."""
    for number, header in enumerate(headers, 1):
        (folder / f"c{number}.tsv").write_text(
            "\t".join(header) + "\n" + "\t".join("1" for _ in header) + "\n"
        )
    return rows(folder, *({"confounds": f"c{number}.tsv"} for number in range(1, len(headers) + 1)))


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (
            "{columns: [trans_x, csv]}",
            r"c1.tsv: has no column 'csv'.*confounds.columns.*2 of 2 runs(.|\n)*'csf'",
        ),
        ("{columns: ['tran_*']}", r"has no column 'tran_\*'.*2 of 2 runs lack it"),
        (
            "{columns: [a_comp]}",
            r"c2.tsv: has no column 'a_comp'.*1 of 2 runs lack it: subject 01, task a, run 2",
        ),
        ("{censor: {column: bad}}", "has no column 'bad'.*confounds.censor.column"),
        ("{censor: {fd_threshold: 1, source: fd}}", "has no column 'fd'.*confounds.censor.source"),
        ("{censor: {fd_threshold: 1}}", "c2.tsv: has no motion columns, and"),
    ],
)
def test_typos_in_names_of_confounds_are_told_before_any_job(folder, extra, words):
    """Run by run, with the table, the key, how many runs lack it, and what is near."""
    runs = tables_of(folder, ["trans_x", "csf", "a_comp"], ["trans_x", "csf"])
    with pytest.raises(InputError, match=words):
        checks.check_contrasts(checked(f"{TABLE}contrasts: {{a: listening}}\nconfounds: {extra}"), runs)


def test_pattern_that_matches_in_some_runs_is_no_mistake(folder):
    """Outliers of run 1 are regressors of it, which a contrast may name; run 2 has none."""
    runs = tables_of(folder, ["trans_x", "motion_outlier00"], ["trans_x", "framewise_displacement"])
    config = checked(
        f"{TABLE}contrasts: {{a: listening, b: motion_outlier00}}\n"
        "confounds: {columns: ['*outlier*'], censor: {fd_threshold: 0.5}}"
    )
    checks.check_contrasts(config, runs)
    assert [model.needs_motion(config, run) for run in runs] == [True, False]
    assert [model.confounds_of(config, run) for run in runs] == [[run.confounds] for run in runs]


def test_columns_of_a_table_without_a_header_go_by_number(folder):
    """A name says what is there instead."""
    runs = tables_of(folder, ["0.1", "0.2"])
    config = checked(f"{TABLE}contrasts: {{a: column_2}}\nconfounds: {{columns: ['*']}}")
    checks.check_contrasts(config, runs[:1])
    config = checked(f"{TABLE}contrasts: {{a: listening}}\nconfounds: {{columns: [trans_x]}}")
    with pytest.raises(
        InputError, match="no header, so that its columns go by number(.|\n)*column_1, column_2"
    ):
        checks.check_contrasts(config, runs[:1])


def test_motion_from_affines_needs_an_affine_per_volume(folder):
    """A 4D image has one affine: asked for at the start, not after hours of resampling."""
    runs = rows(folder)
    for extra in ("{motion: 6}", "{censor: {fd_threshold: 0.5}}"):
        with pytest.raises(InputError, match=r"run 2 is one image .*run-2\.nii.*one affine for all volumes"):
            checks.check_contrasts(checked(f"{TABLE}contrasts: {{a: listening}}\nconfounds: {extra}"), runs)


def test_unit_of_onsets_comes_from_the_row(folder):
    """Scans where the row says so; a row without it leaves the unit to the kind of file."""
    assert [run.onset_unit for run in rows(folder, {"onset_unit": "scans"})] == ["scans", None]


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("study: {source: simulated, events: {column: []}}", "study.events.column"),
        ("study: {source: simulated, events: {colunm: x}}", "study.events.colunm"),
        ("study: {source: simulated, events: {where: {a: [true]}}}", "study.events.where.a"),
        ("study: {source: simulated, events: {where: {a: []}}}", "study.events.where.a"),
        ("study: {source: simulated, events: {repeated: thrice}}", "study.events.repeated"),
        ("study: {source: simulated, events: {needed: perhaps}}", "study.events.needed"),
        ("study: {source: simulated, events: {separator: 1}}", "study.events.separator"),
        ("study: {source: simulated, events: {condition: [a]}}", "study.events.condition"),
        ("study: {source: simulated, events: {condition: ''}}", "study.events.condition"),
        ("study: {source: simulated}\ndesign: {modulators: {a: rt}}", "design.modulators.a"),
        (
            "study: {source: simulated}\ndesign: {modulators: {a: {rt: {centre: mean}}}}",
            "design.modulators.a",
        ),
        ("study: {source: simulated}\ndesign: {modulators: {a: {rt: {center: run}}}}", "design.modulators.a"),
    ],
)
def test_wrong_events_and_modulators_of_a_config_are_told(more, key):
    """A value or key that the schema does not know is named."""
    with pytest.raises(InputError, match=key):
        checked(more + "\ncontrasts: {a: faces}")


def test_modulators_are_regressors_that_contrasts_know(folder):
    """At the plan, with the derivatives of the condition; a condition that no run has is named."""
    for run in (1, 2):
        (folder / f"e{run}.tsv").write_text("onset\tduration\ttrial_type\trt\n1\t1\tlistening\t0.5\n")
    design = (
        "contrasts: {a: listening_rt}\ndesign: {hrf_model: spm + derivative, modulators: {listening: [rt]}}\n"
    )
    config, runs = checked(TABLE + design), rows(folder)
    checks.check_contrasts(config, runs)
    assert checks.regressors_of(config, runs[0])[:4] == [
        "listening", "listening_derivative", "listening_rt", "listening_rt_derivative",
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"design\.modulators\.listning: no run has events"):
        checks.check_contrasts(checked(TABLE + design.replace("{listening:", "{listning:")), runs)


def test_events_may_be_a_folder_a_pattern_or_not_needed(folder):
    """FSL's files of one condition; n/a where study.events.needed is false, and only there."""
    (folder / "ev").mkdir()
    (folder / "ev/listening.txt").write_text("1 1 1\n")
    for events in ("ev", "ev/*.txt"):
        runs = rows(folder, {"events": events})
        config = checked(TABLE + "contrasts: {a: listening}")
        assert checks.regressors_of(config, runs[0])[0] == "listening"
    with pytest.raises(InputError, match=r"(?s)has no events.*study\.events\.needed"):
        rows(folder, {"events": "n/a"})
    with pytest.raises(InputError, match="holds no events file"):
        checks.regressors_of(config, rows(folder, {"events": "ev/*.ev"})[0])
    table = folder / "runs.tsv"
    table.write_text("subject\ttask\tbold\tevents\n01\ta\trun-2.nii\tn/a\n")
    more = f"study: {{source: table, table: {table}, repetition_time: 2.0, events: {{needed: false}}}}\n"
    config = checked(more + "contrasts: {a: constant}")
    [run], _ = study.run_table(config, "data")
    assert run.events == ""
    assert checks.regressors_of(config, run) == ["constant"]


def test_run_whose_events_are_a_header_alone_is_left_out(folder):
    """With the reason; it is a run where the model needs no events; alone, it stops the study."""
    (folder / "e2.tsv").write_text("onset\tduration\ttrial_type\n")
    table = folder / "runs.tsv"
    rows(folder)
    text = (
        f"study: {{source: table, table: {table}, repetition_time: 2.0NEEDED}}\ncontrasts: {{a: listening}}\n"
    )
    runs, left_out = study.run_table(checked(text.replace("NEEDED", "")), "data")
    assert [run.run for run in runs] == ["1"]
    assert [(one.path, one.reason.partition("(")[0]) for one in left_out] == [
        (str(folder / "run-2.nii"), "has no events: its table of events has only a header ")
    ]
    needs_none = checked(text.replace("NEEDED", ", events: {needed: false}"))
    assert [len(found) for found in study.run_table(needs_none, "data")] == [2, 0]
    (folder / "e1.tsv").write_text("onset\tduration\ttrial_type\n")
    with pytest.raises(InputError, match="has a header but no events, as in all 2 runs"):
        study.run_table(checked(text.replace("NEEDED", "")), "data")


def bomb(n_levels):
    """Lines of YAML in which each names the one before nine times."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, n_levels)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (bomb(40), "expand to more than 100000 values"),
        ("contrasts: &c [faces, *c]\n", "row 1: an alias refers to itself"),
        ("study: &s {bids: {x: *s}}\n", "row 1: an alias refers to itself"),
        ("a: 1\nb: {c: 1,\n c: 2}\n", "row 3: has the key 'c' twice, first in row 2"),
    ],
)
def test_aliases_that_do_not_end_stop_at_once(tmp_path, text, message):
    """Nine to the power of forty values are counted, not made."""
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        schema.check_keys([tmp_path / "config.yaml"])


def test_config_may_use_aliases_and_come_through_a_pipe(tmp_path):
    """What is rare and valid: one alias used twice, tabs of JSON, a pipe that Snakemake has read."""
    (tmp_path / "config.yaml").write_text("a: &a {x: 1}\nb: *a\nc: *a\n")
    (tmp_path / "tabs.json").write_text('{\n\t"a": 1\n}\n')
    os.mkfifo(tmp_path / "pipe")
    schema.check_keys([tmp_path / name for name in ("config.yaml", "tabs.json", "pipe")])


@pytest.mark.parametrize("name", ["~", "~nobody_of_this_name", "~root", "./~", "~{}"])
def test_name_that_begins_with_a_tilde_is_no_home(tmp_path, monkeypatch, name):
    """But where it is one: ~ alone, before a slash, and of a user who is known."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/nowhere")
    if name in ("~", "~root"):
        assert not texts.at_home(f"{name}/x").startswith("~")
        return
    folder = tmp_path / f"{name} %s #1"
    folder.mkdir()
    (folder / "run.nii").write_bytes(b"")
    assert table.files(f"{name} %s #1/run.nii", Path(), "runs.tsv") == (str(folder / "run.nii"),)
