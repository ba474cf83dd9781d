"""The pages: what they say of the methods, and that text from the study stays text."""

import json
import re
import typing
from html.parser import HTMLParser

import pytest
from checked_configs import SCHEMA, keys
from studies import SMALL, merged

import report_subject
from firstlevel import stage
from firstlevel.plan import config as configs
from firstlevel.plan import preprocessed
from firstlevel.plan.model import Model
from firstlevel.reporting import labels, methods, pages, references, run_facts, study_page

RUNS = [run_facts.Run(128, 2.0, 0, 0, 0), run_facts.Run(120, 2.0, 0, 0, 0)]
MALICIOUS = "<script>alert('x')</script> & \"quotes\" \N{GRINNING FACE} " + 200 * "x"


def told(changes=None, runs=RUNS, preprocessed_by=None):
    """Methods section of a small study with some keys changed, as one text."""
    config = merged(SMALL, changes or {})
    configs.check_config(config, SCHEMA)
    return " ".join(
        sentence.text
        for sentence in methods.sentences(
            Model.of(config).content(), runs, {"numpy": "2.4.6"}, preprocessed_by
        )
    )


OTHERS = {
    "resample.smoothing_fwhm": [6.0, 8.0],
    "design.high_pass": [0.02],
    "design.oversampling": [16],
    "design.derivative_step": [1.0],
    "design.undershoot_ratio": [0.2],
    "inference.p": [0.01],
    "inference.alpha": [0.1],
    "inference.cluster_threshold": [10],
}
"""Values beside the default of keys that take any number."""
SECTIONS = ("resample", "design", "confounds", "glm", "fixed_effects", "inference")
UNSAID = {
    "resample.keep": "changes no number",
    "design.fir_unit": "counts for hrf_model fir alone",
    "confounds.motion": "stands in the design, which the runs tell of",
    "confounds.first_row": "counts for confounds alone",
    "fixed_effects.per_run": "changes no number",
    "inference.shown": "changes no number",
}
"""Choices of the model that its methods need not name."""
CHOICES = {
    key: OTHERS.get(key, [value for value in part.get("enum", [True, False]) if value is not None])
    for key, part in keys(SCHEMA)
    if key.partition(".")[0] in SECTIONS
    and key.count(".") == 1
    and key not in UNSAID
    and (key in OTHERS or "enum" in part or part.get("type") == "boolean")
}


@pytest.mark.parametrize("key", CHOICES)
def test_methods_tell_of_every_choice(key):
    """Configs that differ in one choice of the model read differently, whatever two values it has."""
    section, _, name = key.partition(".")
    values = CHOICES[key] if key not in OTHERS else [None, *CHOICES[key]]
    said = {}
    for value in values:
        changes = {section: {} if value is None and key in OTHERS else {name: value}}
        if value == "precision":
            changes[section]["f_test"] = "exact"
        said[value] = told(changes)
    assert len(set(said.values())) == len(values)


def test_methods_say_what_the_model_was():
    """The default model in words that a paper can take over."""
    text = told()
    assert "2 runs of 120 to 128 volumes (repetition time 2 s)" in text
    assert "SPM's canonical haemodynamic response with its time derivative" in text
    assert "cosines below 0.01 Hz" in text
    assert "truncated to 0.01" in text
    assert "p < 0.001 uncorrected" in text
    assert "the regressors were sampled at the start of each volume." in text
    motion = told(runs=[run_facts.Run(128, 2.0, 24, 3, 5)])
    assert "24 motion regressors" in motion
    assert "3 confounds" in motion
    assert "5 volumes were censored" in motion


def test_methods_say_what_modulated_events():
    """Column, condition, how it was centred, events without a value over runs; a model without events."""
    one = {"Name": "bet_gain", "Condition": "bet", "Column": "gain", "Centre": "run", "Orthogonalised": False,
           "Mean": 2.0, "Missing": 1}  # fmt: skip
    text = told(runs=[run._replace(modulators=[one]) for run in RUNS])
    assert "gain, less its mean over the events of the run, modulated bet (2 events without a value" in text
    orthogonal = one | {"Orthogonalised": True, "Missing": 0}
    assert "gain, orthogonalised against the condition" in told(
        runs=[RUNS[0]._replace(modulators=[orthogonal])]
    )
    plain = one | {"Centre": "none", "Missing": 0}
    assert "gain, as it stands, modulated bet." in told(runs=[RUNS[0]._replace(modulators=[plain])])
    both = [one | {"Name": f"bet_{column}", "Column": column, "Missing": 0} for column in ("gain", "loss")]
    text = told(runs=[RUNS[0]._replace(modulators=both)])
    assert "modulation: gain and loss, each less its mean over the events of the run, modulated bet." in text
    old = plain | {"Name": "bet", "Column": "modulation"}
    assert "the height of each event of bet was its value of modulation" in told(
        runs=[RUNS[0]._replace(modulators=[old])]
    )
    assert "modulat" not in told()
    without = told(runs=[run._replace(has_events=False) for run in RUNS])
    assert "No events were modelled. Slow drifts" in without
    assert "Events were convolved" not in without


def test_methods_say_when_scans_were_taken():
    """The moment in seconds with its source, both once where runs agree; unequal steps are no single time."""
    fmriprep = [run._replace(start_time=1.5, start_source="StartTime of the sidecar") for run in RUNS]
    assert "sampled 1.5 s after the start of each volume (StartTime of the sidecar)." in told(runs=fmriprep)
    other = RUNS[0]._replace(start_time=1.0, start_source="slice_time_ref: 0.5", equal_steps=False)
    text = told(runs=[fmriprep[0], other])
    assert "sampled 1 to 1.5 s after the start" in text
    assert "(StartTime of the sidecar; slice_time_ref: 0.5)." in text
    assert "(repetition time 2 s in the median, in unequal steps)" in text


FMRIPREP = {
    "study": {"source": "bids", "bids": {"path": ".", "derivatives": "prep", "task": "faces", "space": "MNI"}}
}


def of_fmriprep(strategy=(), design=None, runs=RUNS, confounds=None, made=("fMRIPrep 23.1.3",), **options):
    """Methods section of an analysis of fMRIPrep's images."""
    chosen = {"fmriprep": {"strategy": list(strategy), **options}} | (confounds or {})
    return told(FMRIPREP | {"design": design or {}, "confounds": chosen}, runs, made)


def test_methods_name_what_preprocessed_the_images_and_their_space():
    """Name and version; where the dataset does not tell, that is said; raw images are not preprocessed."""
    assert "Images were preprocessed with fMRIPrep 23.1.3 and analysed in the space MNI." in of_fmriprep()
    assert "Images had been preprocessed and analysed in the space MNI." in of_fmriprep(made=())
    assert "preprocessed" not in told()


def test_images_of_a_pipeline_without_a_name_are_preprocessed_all_the_same():
    """A stage takes an empty list for what the study does not have only where None is among its types."""
    hints = typing.get_type_hints(report_subject.report_subject)
    assert stage._convert([], hints["preprocessed_by"]) == []


def test_methods_of_one_run_count_nothing_per_run():
    """Nothing is "per run" where there is one, and the T1w is told where maps are drawn over it."""
    text = of_fmriprep(["motion"], {}, [RUNS[0]._replace(n_confounds=24, n_censored=3)])
    assert "24 confounds were added" in text
    assert "3 volumes were censored" in text
    assert "T1w" not in text
    config = merged(SMALL, {})
    configs.check_config(config, SCHEMA)
    said = [one.text for one in methods.sentences(Model.of(config).content(), RUNS, {}, over_t1w=True)]
    assert "Maps are drawn over the preprocessed T1w image of the subject in the same space." in said


@pytest.mark.parametrize("drift_model", ["cosine", "polynomial", "none"])
@pytest.mark.parametrize("n_cosines", [0, 4])
@pytest.mark.parametrize("n_drift", [0, 3])
def test_methods_tell_of_every_drift_that_is_in_the_design(drift_model, n_cosines, n_drift):
    """Cosines of the confounds are drift, whatever the drift model; a model without a regressor is none."""
    n_drift *= drift_model != "none"
    runs = [run._replace(n_confounds=n_cosines, n_cosines=n_cosines, n_drift=n_drift) for run in RUNS]
    text = of_fmriprep(design={"drift_model": drift_model}, runs=runs)
    assert ("4 cosines of the table of confounds" in text) == bool(n_cosines)
    assert ("Slow drifts were modelled by" in text) == bool(n_cosines or n_drift)
    assert ("Drifts were not modelled" in text) == (not (n_cosines or n_drift))
    assert ("cosines below 0.01 Hz." in text or "cosines below 0.01 Hz and" in text) == (
        drift_model == "cosine" and bool(n_drift)
    )
    assert "confounds per run were added" not in text


@pytest.mark.parametrize(
    ("strategy", "options", "words"),
    [
        (["motion"], {}, "24 of motion"),
        (["motion"], {"motion": "basic"}, "6 of motion"),
        (["motion", "wm_csf"], {"wm_csf": "full"}, "24 of motion, 8 of white matter and CSF"),
        (["global_signal"], {"global_signal": "power2"}, "2 of the global signal"),
        (["high_pass", "compcor"], {"n_compcor": 5}, "CompCor (anat, combined; up to 5 components per mask)"),
        (["high_pass", "compcor"], {}, "CompCor (anat, combined; all components)"),
    ],
)
def test_methods_tell_of_the_strategy_and_its_numbers(strategy, options, words):
    """How many regressors of which kind, and by whom they were chosen; drift is told apart."""
    runs = [run._replace(n_confounds=30, n_cosines=4 * ("high_pass" in strategy)) for run in RUNS]
    text = of_fmriprep(strategy, {"drift_model": "none"}, runs, **options)
    number = 26 if "high_pass" in strategy else 30
    assert (
        f"{number} confounds per run were added (fMRIPrep's, selected as by nilearn's load_confounds: "
        in text
    )
    assert words in text
    both = of_fmriprep(strategy, {"drift_model": "none"}, runs, {"columns": ["csf", "a_comp*"]}, **options)
    assert "columns of the table of confounds: csf, a_comp*; fMRIPrep's" in both


@pytest.mark.parametrize("limit", [None, 0.4])
@pytest.mark.parametrize("column", [None, "bad"])
@pytest.mark.parametrize("strategy", [[], ["motion"], ["motion", "scrub"]])
@pytest.mark.parametrize("n_censored", [0, 5])
def test_methods_tell_of_every_limit_of_censoring(limit, column, strategy, n_censored):
    """Each that was applied, with its numbers and what it rests on, and none that was not."""
    censor = {"censor": {"fd_threshold": limit, "column": column}}
    source = "framewise_displacement of c.tsv" if limit else ""
    runs = [run._replace(n_censored=n_censored, displacement_from=source) for run in RUNS]
    text = of_fmriprep(strategy, None, runs, censor, fd_threshold=0.3, std_dvars_threshold=2.0, scrub=4)
    by_limit, by_scrub = (
        "above 0.4 mm by the table of confounds",
        "above 0.3 mm or standardised DVARS above 2 by",
    )
    assert (by_limit in text) == bool(limit)
    assert ("marked in the column bad" in text) == bool(column)
    assert (by_scrub in text) == ("scrub" in strategy)
    assert ("fewer than 4 volumes between" in text) == ("scrub" in strategy)
    assert ("non-steady-state" in text) == bool(strategy)
    anything = bool(limit or column or strategy)
    assert ("No volume met the criteria for censoring" in text) == (anything and not n_censored)
    assert ("5 volumes per run were censored, one regressor each" in text) == bool(n_censored)
    if limit:
        runs = [run._replace(displacement_from="the affines") for run in runs]
        assert "above 0.4 mm by the volumes' affines" in of_fmriprep(strategy, None, runs, censor)


def test_methods_say_that_nothing_was_resampled_where_nothing_was():
    """All volumes copied, or some not."""
    copied = [run._replace(n_copied=run.n_scans) for run in RUNS]
    assert "All volumes share one grid and were not resampled." in told(runs=copied)
    text = told(runs=[copied[0], copied[1]._replace(n_copied=3)])
    assert "were resampled with cubic B-splines" in text
    assert "not resampled" not in text


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (
            {"GeneratedBy": [{"Name": "fMRIPrep", "Version": "23.1.3"}, {"Name": "x"}]},
            ["fMRIPrep 23.1.3", "x"],
        ),
        ({"PipelineDescription": {"Name": "fMRIPrep", "Version": "1.4.1"}}, ["fMRIPrep 1.4.1"]),
        ({"GeneratedBy": "fMRIPrep"}, []),
        ({"Name": "fMRIPrep"}, []),
        ([], []),
        (None, []),
    ],
)
def test_what_made_a_dataset_is_what_its_description_says(tmp_path, content, names):
    """New form and old one; what is damaged or not there tells nothing, and stops nothing."""
    if content is not None:
        (tmp_path / "dataset_description.json").write_text(json.dumps(content))
    assert preprocessed.generated_by(tmp_path) == names


@pytest.mark.parametrize("name", ["cosine00", "cosine_00", "Cosine01"])
def test_cosines_of_confounds_are_known_by_name(name):
    """New and old names; a confound of another name is none."""
    assert run_facts.is_cosine(name)
    assert not run_facts.is_cosine(f"a_{name}")


def test_citations_are_numbered_in_order_and_every_one_is_listed():
    """Numbers begin at 1, grow by first use, and lead to a reference with its address."""
    config = merged(SMALL, {})
    configs.check_config(config, SCHEMA)
    text = methods.sentences(
        Model.of(config).content(), RUNS, {"snakemake": "9", "nilearn": "0.13.1", "numpy": "2", "scipy": "1"}
    )
    numbers = [number for _, found in references.cited(text) for number in found]
    listed = references.reference_list(text)
    assert list(dict.fromkeys(numbers)) == list(range(1, len(listed) + 1))
    assert len(set(listed)) == len(listed) >= 6
    for reference in references.REFERENCES.values():
        assert re.search(r" https://doi\.org/10\.\d{4,9}/\S+\Z", reference)


class Text(HTMLParser):
    """Tags and text of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self.inside = [], "", []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.inside.append(tag)

    def handle_endtag(self, tag):
        self.inside.pop()

    def handle_data(self, data):
        if self.inside[-1:] != ["script"]:
            self.text += data


def test_text_of_a_study_stays_text_on_its_page(tmp_path):
    """Labels, messages and paths with markup show as they are, and make no element."""
    entries = [study_page.Entry("01", "faces", "sub-01_task-faces", 2, "failed", MALICIOUS)]
    page = tmp_path / "report.html"
    study_page.write(page, entries, ["c"], [("a <b>reason</b>", 1, [MALICIOUS])], "x 1")
    found = Text(page.read_text())
    assert found.text.count(MALICIOUS) == 2
    assert "a <b>reason</b>" in found.text
    assert sum(tag == "script" for tag, _ in found.tags) == 2  # of every page, and of this one
    assert not any(tag == "b" for tag, _ in found.tags)


def test_page_of_a_study_with_failures_tells_what_failed(tmp_path):
    """A failed subject has its message and no link."""
    entries = [
        study_page.Entry("01", "faces", "sub-01_task-faces", 2, "failed", "b.nii: truncated"),
        study_page.Entry("02", "faces", "sub-02_task-faces", 1, "unfinished", "2 of 3 maps are missing"),
    ]
    page = tmp_path / "report.html"
    study_page.write(page, entries, ["c"], [("has no events table", 1, ["d.nii"])], "x 1")
    found = Text(page.read_text())
    assert not any(tag == "a" for tag, _ in found.tags)
    for words in ("sub-01, task faces: b.nii: truncated", "1 failed", "1 unfinished", "has no events table"):
        assert words in found.text


@pytest.mark.parametrize(("text", "short"), [("0.123456", "0.123"), ("1234.56", "1235"), ("n/a", "n/a")])
def test_numbers_of_tables_are_shown_in_few_digits(text, short):
    assert pages.rounded(text) == short


@pytest.mark.parametrize(
    ("run", "contrast", "name"),
    [
        ("sub-01_ses-pre_task-faces_dir-LR_run-2_space-MNI", "n/a", "session pre, dir LR, run 2"),
        ("sub-01_task-faces_run-2", "difference", "run 2, difference"),
        ("sub-01_task-faces", "n/a", "run"),
        ("n/a", "difference", "difference"),
        ("n/a", "n/a", "subject"),
    ],
)
def test_rows_of_tables_are_called_by_what_tells_them_apart(run, contrast, name):
    """A run by its entities without subject, task and grid; what is of no run by its contrast."""
    assert labels.called(run, contrast) == name


def test_every_reference_ends_with_its_address():
    """Text and address make up the whole; text without an address stays as it is."""
    for reference in references.REFERENCES.values():
        text, address = references.with_address(reference)
        assert text + address == reference
        assert address.startswith("https://doi.org/10.")
    assert references.with_address("A book.") == ("A book.", "")


@pytest.mark.parametrize(
    ("noise_model", "said"),
    [
        ("mixture", "with the noise that the fit of the run found."),
        ("arma11", "with the noise that the fit of the run found."),
        ("ar1", "with AR(1) noise, its coefficient estimated per voxel"),
    ],
)
def test_methods_say_whose_noise_that_of_single_trials_is(noise_model, said):
    """Their own where their model estimates it, else that of the run's fit."""
    asked = {"glm": {"noise_model": noise_model}, "design": {"single_trials": {"model": "lss"}}}
    config = merged(SMALL, asked)
    configs.check_config(config, SCHEMA)
    told = " ".join(sentence.text for sentence in methods.sentences(Model.of(config).content(), RUNS, {}))
    assert said in told.partition("single trial")[2]


@pytest.mark.parametrize(
    ("asked", "said", "cited"),
    [
        (
            {"model": "lss", "conditions": ["faces"]},
            "single trial of faces was estimated in a model of its own with one regressor for all",
            ["Mumford", "Turner"],
        ),
        ({"model": "lsa"}, "each single trial was estimated with a regressor for each trial", ["Rissman"]),
    ],
)
def test_methods_say_how_single_trials_were_told_apart(asked, said, cited):
    """With the papers; nothing where there are none."""
    config = merged(SMALL, {"design": {"single_trials": asked}})
    configs.check_config(config, SCHEMA)
    text = methods.sentences(Model.of(config).content(), RUNS, {})
    assert said in " ".join(sentence.text for sentence in text)
    listed = " ".join(references.reference_list(text))
    assert all(name in listed for name in cited)
    assert "single trial" not in told()
