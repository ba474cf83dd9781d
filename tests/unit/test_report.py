"""The pages: what they say of the methods, and that text from the study stays text."""

import re
from html.parser import HTMLParser

import pytest
import yaml
from conftest import ROOT, SMALL, merged

from firstlevel import config as configs
from firstlevel import methods, pages, study_page

SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
RUNS = [methods.Run(128, 2.0, 0, 0, 0), methods.Run(120, 2.0, 0, 0, 0)]
MALICIOUS = "<script>alert('x')</script> & \"quotes\" \N{GRINNING FACE} " + 200 * "x"


def told(changes=None, runs=RUNS):
    """Methods section of a small study with some keys changed, as one text."""
    config = merged(SMALL, changes or {})
    configs.check_config(config, SCHEMA)
    return " ".join(sentence.text for sentence in methods.sentences(config, runs, {"numpy": "2.4.6"}))


CHOICES = {
    "resample": {"strategy": ["direct"], "smoothing_fwhm": [6.0], "field_of_view": ["masked"]},
    "design": {
        "hrf_model": SCHEMA["properties"]["design"]["properties"]["hrf_model"]["enum"],
        "drift_model": SCHEMA["properties"]["design"]["properties"]["drift_model"]["enum"],
        "high_pass": [0.02],
        "sampling": ["exact", "spm"],
        "oversampling": [16],
        "derivative_step": [1.0],
        "undershoot_ratio": [0.2],
    },
    "glm": {"noise_model": ["ar1_corrected", "ols"], "signal_scaling": ["grand_mean", "none"]},
    "fixed_effects": {"weights": ["precision"], "f_test": ["exact"]},
    "inference": {
        "p": [0.01],
        "alpha": [0.1],
        "two_sided": [False],
        "cluster_extent": [10],
        "connectivity": [18, 26],
    },
}
DEFAULTS = {"design": {"hrf_model": "spm + derivative", "drift_model": "cosine"}}
EDITS = [
    (section, key, value)
    for section, keys in CHOICES.items()
    for key, values in keys.items()
    for value in values
    if DEFAULTS.get(section, {}).get(key) != value
]


@pytest.mark.parametrize(("section", "key", "value"), EDITS)
def test_methods_tell_of_every_choice(section, key, value):
    """A config that differs from the default in one choice of the model reads differently."""
    changes = {section: {key: value}}
    if value == "precision":
        changes[section]["f_test"] = "exact"
    assert told(changes) != told()


def test_methods_say_what_the_model_was():
    """The default model in words that a paper can take over."""
    text = told()
    assert "2 runs of 120 to 128 volumes (repetition time 2 s)" in text
    assert "SPM's canonical haemodynamic response with its time derivative" in text
    assert "cosines below 0.01 Hz" in text
    assert "truncated to 0.01" in text
    assert "p < 0.001 uncorrected" in text
    assert "the regressors were sampled at the start of each volume." in text
    motion = told(runs=[methods.Run(128, 2.0, 24, 3, 5)])
    assert "24 motion regressors" in motion
    assert "3 confounds" in motion
    assert "5 volumes per run were censored" in motion


def test_methods_say_what_modulated_events():
    """Column, condition, how it was centred, events without a value over runs; a model without events."""
    one = {"name": "bet_gain", "condition": "bet", "column": "gain", "centre": "run", "orthogonalised": False,
           "mean": 2.0, "missing": 1}  # fmt: skip
    text = told(runs=[run._replace(modulators=[one]) for run in RUNS])
    assert "gain, less its mean over the events of the run, modulated bet (2 events without a value" in text
    orthogonal = one | {"orthogonalised": True, "missing": 0}
    assert "gain, made orthogonal to the events" in told(runs=[RUNS[0]._replace(modulators=[orthogonal])])
    plain = one | {"centre": "none", "missing": 0}
    assert "gain, as it stands, modulated bet." in told(runs=[RUNS[0]._replace(modulators=[plain])])
    old = plain | {"name": "bet", "column": "modulation"}
    assert "each event of bet was as high as its value of modulation" in told(
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


def test_citations_are_numbered_in_order_and_every_one_is_listed():
    """Numbers begin at 1, grow by first use, and lead to a reference with its address."""
    config = merged(SMALL, {})
    configs.check_config(config, SCHEMA)
    text = methods.sentences(
        config, RUNS, {"snakemake": "9", "nilearn": "0.13.1", "numpy": "2", "scipy": "1"}
    )
    numbers = [number for _, found in methods.cited(text) for number in found]
    listed = methods.reference_list(text)
    assert list(dict.fromkeys(numbers)) == list(range(1, len(listed) + 1))
    assert len(set(listed)) == len(listed) >= 6
    for reference in methods.REFERENCES.values():
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
    entries = [study_page.Entry("01", "faces", 2, "failed", MALICIOUS)]
    page = tmp_path / "report.html"
    study_page.write(page, entries, ["c"], [("a <b>reason</b>", 1, [MALICIOUS])], "x 1")
    found = Text(page.read_text())
    assert found.text.count(MALICIOUS) == 2
    assert "a <b>reason</b>" in found.text
    assert sum(tag == "script" for tag, _ in found.tags) == 1
    assert not any(tag == "b" for tag, _ in found.tags)


def test_page_of_a_study_with_failures_tells_what_failed(tmp_path):
    """A failed subject has its message and no link; blocked runs count as runs of their subject."""
    table = [
        (
            "01",
            "n/a",
            "faces",
            "1",
            "a.nii",
            "e.tsv",
            "blocked",
            "another run of this subject failed: truncated",
        ),
        ("01", "n/a", "faces", "2", "b.nii", "e.tsv", "failed", "b.nii: truncated"),
        ("02", "n/a", "faces", "1", "c.nii", "e.tsv", "unfinished", "2 of 3 maps are missing"),
        ("n/a", "n/a", "n/a", "n/a", "d.nii", "n/a", "left out", "has no events table"),
    ]
    entries = study_page.entries(table)
    assert entries == [
        study_page.Entry("01", "faces", 2, "failed", "b.nii: truncated"),
        study_page.Entry("02", "faces", 1, "unfinished", "2 of 3 maps are missing"),
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
