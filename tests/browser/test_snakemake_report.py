"""Snakemake's own report of a finished study: made and opened without network, with every figure."""

import json
import re
import subprocess
import zipfile

import checks
import pytest
from chromium import without_network
from studies import ROOT

NAME = re.compile(
    r"sub-01_task-faces_(?:contrast-(?P<contrast>\w+?)|run-(?P<run>\d))_"
    r"(?:desc-(?P<method>[a-z]+)_)?(?P<kind>[a-z]+)\.\w+"
)
SAYS = {
    "zmap": "z of the fixed effects",
    "design": "design matrix",
    "events": "condition",
    "motion": "head motion",
    "zhistogram": "standard normal",
    "viewer": "interactive viewer",
    "carpet": "signal of voxels over time",
    "tsnr": "signal-to-noise",
    "rsquared": "the model explains",
    "correlation": "correlation of the regressors",
    "residuals": "autocorrelation",
}
METHODS = {
    "uncorrected": "uncorrected",
    "fdr": "FDR",
    "bonferroni": "Bonferroni",
    "tdp": "true discoveries",
}
LABELS = {"zmap": "z map", "zhistogram": "z histogram", "tsnr": "tSNR", "rsquared": "R\N{SUPERSCRIPT TWO}"}


@pytest.fixture(scope="module")
def report(small_study, tmp_path_factory):
    """Folder of the report, made where there is no network and no package but those of `make run`."""
    made = tmp_path_factory.mktemp("report")
    command = small_study.command("--report", str(made / "report.zip"), under=without_network())
    command[command.index("-m")] = str(ROOT / "tests/support/run_lock.py")
    subprocess.run(command, cwd=made, check=True, capture_output=True)
    zipfile.ZipFile(made / "report.zip").extractall(made)
    return made / "report"


def variable(report, name):
    """What the page of the report knows under this name."""
    page = (report / "report.html").read_text()
    return json.loads(
        re.search(rf'<script id="{name}">\s*var {name} = (.*?);\s*</script>', page, re.DOTALL)[1]
    )


def test_report_of_snakemake_has_every_figure_with_its_caption(small_study, report):
    """Each figure is there once, below contrasts or runs, with its columns, caption and bytes."""
    results, categories = variable(report, "results"), variable(report, "categories")
    figures = sorted(small_study.results.glob("figures/*"))
    paths = [str(figure.relative_to(small_study.folder)) for figure in figures]
    assert sorted(results) == [path for path in paths if NAME.fullmatch(path.rpartition("/")[2])]
    assert len(results) == 3 * 7 + 2 * 8
    for path, shown in results.items():
        of = NAME.fullmatch(shown["name"])
        kind = METHODS[of["method"]] if of["method"] else LABELS.get(of["kind"], of["kind"])
        about = {"contrast": of["contrast"]} if of["contrast"] else {"run": of["run"]}
        assert shown["labels"] == {"subject": "01", "task": "faces", **about, "kind": kind}
        assert path in categories["Contrasts" if of["contrast"] else "Runs"]["sub-01"]
        assert SAYS[of["kind"]] in shown["caption"]
        assert ">sub-01" in shown["caption"]
        assert (
            "system-message" not in shown["caption"]
        )  # what docutils writes of a caption that it cannot read
        assert (report / shown["data_uri"]).read_bytes() == (small_study.folder / path).read_bytes()
    assert {len(files) for category in categories.values() for files in category.values()} == {3 * 7, 2 * 8}


def test_report_of_snakemake_opens_without_network(browser, report):
    """The page asks for nothing outside, and a click shows the figures of the runs, with their columns."""
    with browser.open(report / "report.html") as page:
        page.click("[...document.querySelectorAll('li')].find(item => item.textContent.trim() === 'Runs')")
        page.rest()
        assert page.evaluate("document.body.innerText").upper().count("MOTION") == 1
        assert "KIND" in page.evaluate("document.body.innerText").upper()
        assert checks.network_and_errors(page) == []
