"""The page of a study of many subjects in a real browser: nothing is cut off, and every point leads on."""

import checks
import many_subjects
import pytest
from chromium import PHONE, WIDE

from firstlevel.reporting import study_page

LAPTOP = (1400, 900)
MANY = 1000
CLIPPED = """[...document.querySelectorAll("#subjects .scroll, #subjects td, #subjects th")]
  .filter(each => each.scrollWidth > each.clientWidth + 1)
  .map(each => each.textContent.trim().slice(0, 40))"""
SECOND = "document.querySelectorAll('#of-units .strip')[1]"


@pytest.fixture(scope="module")
def page_of(tmp_path_factory):
    """Page of so many subjects."""

    def make(n_subjects, contrasts=many_subjects.CONTRASTS):
        folder = tmp_path_factory.mktemp("many")
        entries = many_subjects.make(folder, n_subjects, contrasts)
        study_page.write(folder / "report.html", entries, contrasts, [("no events", 2, ["a.nii"])], "x 1")
        return folder / "report.html"

    return make


@pytest.mark.parametrize("n_contrasts", [1, 3, 12])
def test_table_is_not_cut_off(browser, page_of, n_contrasts):
    """On a desk and on a phone, for any number of contrasts: all of it is seen without scrolling aside."""
    page = page_of(30, tuple(f"aLongNameOfContrast{number}" for number in range(n_contrasts)))
    for size in (LAPTOP, WIDE, PHONE):
        with browser.open(page, size=size) as shown:
            assert shown.evaluate(CLIPPED) == []
            assert checks.overflow(shown) == []
            for dark in (False, True):
                shown.look(dark=dark)
                assert checks.contrasts(shown) == []


def test_strips_of_a_thousand_subjects(browser, page_of):
    """A point for each that is known, within the picture, with its label and its link; contrasts change."""
    with browser.open(page_of(MANY), size=LAPTOP) as page:
        assert checks.network_and_errors(page) == []
        counts = page.evaluate(
            "[...document.querySelectorAll('.strip')].map(each => each.querySelectorAll('a circle').length)"
        )
        assert counts == [MANY - 1] + 5 * [MANY]
        outside = page.evaluate("""[...document.querySelectorAll('.strip circle')].filter(each => {
          const box = each.closest('svg').viewBox.baseVal;
          const [x, y, r] = ['cx', 'cy', 'r'].map(key => +each.getAttribute(key));
          return !(x - r >= 0 && x + r <= box.width && y - r >= 0 && y + r <= box.height);
        }).length""")
        assert outside == 0
        label = page.evaluate(f"{SECOND}.querySelector('a title').textContent")
        subject = label[len("sub-") : label.index(",")]
        assert (
            page.evaluate(f"{SECOND}.querySelector('a').getAttribute('href')") == f"sub-{subject}/report.html"
        )
        before = page.evaluate("document.querySelector('#of-contrast').innerHTML")
        page.evaluate("""(() => { const choice = document.querySelector('#contrast');
          choice.selectedIndex = 1; choice.dispatchEvent(new Event('change')); })()""")
        assert page.evaluate("document.querySelector('#of-contrast').innerHTML") != before
        # maps are put in when they are asked for
        assert page.evaluate("document.images.length") == 0
        page.evaluate("document.querySelector('details.maps').open = true")
        page.rest()
        assert page.evaluate("document.images.length") == MANY


def test_tables_of_many_subjects_sort(browser, page_of):
    """Values that are not known among them."""
    with browser.open(page_of(30)) as page:
        assert checks.sorting(page) == []
