"""The page of a study of many subjects, from files made up here: what it holds, its size, its time."""

import json
import re
import time

import many_subjects
import numpy as np
import pytest

from firstlevel import names
from firstlevel.reporting import pages, study_measures, study_page

MOST_BYTES, MOST_SECONDS = 2_000_000, 15.0
"""Of the page of 1,000 subjects: what a mail takes, and four times what a slow machine needed."""


def written(folder, n_subjects, **how):
    entries = many_subjects.make(folder, n_subjects, **how)
    start = time.perf_counter()
    study_page.write(folder / "report.html", entries, many_subjects.CONTRASTS, [], "x 1")
    return (folder / "report.html").read_text(), time.perf_counter() - start


def drawn(page):
    """What the script of a page draws."""
    return json.loads(re.search(r"^const drawn = (.*);$", page, re.MULTILINE)[1])


def test_page_of_a_thousand_subjects_is_small_and_soon_made(tmp_path):
    """Every subject has its row with a link, and its value in every strip."""
    page, seconds = written(tmp_path, 1000)
    assert len(page.encode()) < MOST_BYTES
    assert seconds < MOST_SECONDS
    assert page.count('<tr><td><a href="sub-') == 1000
    strips = drawn(page)["strips"]
    assert len(strips) == 3 + 3 * len(many_subjects.CONTRASTS)
    assert {len(strip["values"]) for strip in strips} == {1000}


def test_measures_of_a_page_are_those_of_the_files(tmp_path):
    """The worst of a subject's runs or contrasts, by the files; what is not known has no value and no 0."""
    page, _ = written(tmp_path, 4)
    found = drawn(page)
    assert found["units"][2] == ["0003", "sub-0003_task-faces", "faces"]
    of_unit = {strip["name"]: strip for strip in found["strips"] if not strip["contrast"]}
    for number, (subject, unit, _) in enumerate(found["units"]):
        of_runs = [
            json.loads(path.read_text())
            for path in sorted(tmp_path.rglob(f"{unit}_run-*_desc-quality*.json"))
        ]
        assert len(of_runs) == 2
        moved = [run["FramewiseDisplacement"]["Mean"] for run in of_runs]
        value = of_unit["framewise displacement"]["values"][number]
        assert value == (None if None in moved else pytest.approx(max(moved), rel=1e-3))
        lowest = min(run["MedianTsnr"] for run in of_runs)
        assert of_unit["tSNR"]["values"][number] == pytest.approx(lowest, rel=1e-3)
        judged = json.loads(names.below(tmp_path, names.QUALITY_JSON, subject=subject, unit=unit).read_text())
        for label, content in judged["Contrasts"].items():
            of_contrast = {strip["name"]: strip for strip in found["strips"] if strip["contrast"] == label}
            assert of_contrast["width of z"]["values"][number] == pytest.approx(content["Width"], rel=1e-3)
            assert of_contrast["centre of z"]["values"][number] == pytest.approx(content["Median"], rel=1e-3)
    checks = pages.cells(names.below(tmp_path, names.QUALITY, subject="0001", unit="sub-0001_task-faces"))
    lost = 100 * max(float(check["value"]) for check in checks if check["measure"] == "missing")
    assert of_unit["voxels lost"]["values"][0] == pytest.approx(lost, rel=1e-3)
    assert of_unit["voxels lost"]["limits"] == [None, 5.0]
    second = page[page.index(">sub-0002<") : page.index(">sub-0003<")]
    assert "<td>1</td><td>n/a</td>" in second  # one measure is not known, and the displacement is not


def test_few_subjects_have_no_strips(tmp_path):
    """Two points beside each other tell nothing that the table does not."""
    page, _ = written(tmp_path, 2)
    assert 'id="of-units"' not in page
    page, _ = written(tmp_path, 3)
    assert 'id="of-units"' in page


def test_what_is_drawn_has_few_digits_and_keeps_what_is_not_known():
    assert study_measures.few_digits(np.pi) == 3.142
    assert study_measures.few_digits(None) is None
