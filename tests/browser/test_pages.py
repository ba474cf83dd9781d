"""The pages of a finished study in a real browser: they work on a desk, on a phone and on paper."""

import checks
import pytest
from auditory_study import auditory
from chromium import PHONE, WIDE
from studies import ALL_OUTPUTS, SMALL, Study, merged

SUBJECT_PAGE, STUDY_PAGE = "results/sub-01/report.html", "results/report.html"
HOSTILE = (
    "<script>document.title = 'changed'</script><img src=x onerror=alert(1)> & \"'` ${x} {{ 7 * 7 }} 😀 "
)
LOOKS = [{"dark": False}, {"dark": True}, {"media": "print"}]


@pytest.fixture(scope="module", params=["simulated", "real"])
def study(request, tmp_path_factory):
    """A study with its pages: the small one, and the auditory one where its volumes are."""
    if request.param == "simulated":
        return request.getfixturevalue("small_study")
    real_data = request.getfixturevalue("real_data")
    model = {"resample": {"strategy": "direct"}, "design": {"hrf_model": "spm"}, "outputs": ALL_OUTPUTS}
    made = auditory(tmp_path_factory.mktemp("pages"), real_data, model)
    made.snakemake(STUDY_PAGE)
    return made


@pytest.mark.parametrize("name", [SUBJECT_PAGE, STUDY_PAGE])
@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_page_is_whole_on_every_screen(browser, study, name, size):
    """All images decode, all links lead somewhere, nothing is asked for outside, and all text can be read."""
    with browser.open(study.folder / name, size=size) as page:
        checks.unfold(page)
        assert checks.images(page) == []
        assert checks.links(page, study.folder / "results") == []
        for look in LOOKS:
            page.look(**look)
            assert checks.contrasts(page) == [], look
            assert look.get("media") == "print" or checks.overflow(page) == [], look
        assert checks.network_and_errors(page) == []


@pytest.mark.parametrize("name", [SUBJECT_PAGE, STUDY_PAGE])
def test_tables_of_page_sort(browser, study, name):
    """Each button in a header brings the rows into the order that it says."""
    with browser.open(study.folder / name) as page:
        checks.unfold(page)
        assert page.evaluate("document.querySelectorAll('table.sortable th button').length") > 0
        assert checks.sorting(page) == []
        assert checks.network_and_errors(page) == []


def test_each_viewer_of_a_subject_reacts_to_a_click(browser, study):
    """There is one for each contrast, and all of them show another place where they are clicked."""
    with browser.open(study.folder / SUBJECT_PAGE) as page:
        checks.unfold(page)
        viewers = checks.viewers(page)
        assert len(viewers) == len(study.config["contrasts"])
        for viewer in viewers:
            assert checks.viewer(page, viewer) == []
        assert checks.network_and_errors(page) == []


def test_hostile_trial_type_is_text_wherever_it_shows(browser, tmp_path):
    """Markup, quotes, an emoji and 200 letters in a trial type: the page has them as text, and works."""
    name = HOSTILE + 200 * "x"
    changes = {
        "study": {"conditions": {"faces": ["faces"], name: ["scrambled"]}, "simulated": {"n_scans": 30}},
        "outputs": ALL_OUTPUTS,
    }
    study = Study(tmp_path, merged(SMALL, changes))
    study.config["contrasts"] = {"odd": f"faces - {name!r}"}
    study.snakemake()
    with browser.open(study.folder / SUBJECT_PAGE, size=PHONE) as page:
        checks.unfold(page)
        assert page.evaluate("document.title") == "sub-01: first-level report"
        assert page.evaluate("document.body.innerText").count(HOSTILE.strip()) > 1
        assert "49" not in page.evaluate("document.querySelector('article code').innerText")
        for wrong in (checks.images(page), checks.overflow(page), checks.network_and_errors(page)):
            assert wrong == []
        (viewer,) = checks.viewers(page)
        assert checks.viewer(page, viewer) == []
