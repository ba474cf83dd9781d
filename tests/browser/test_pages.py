"""The pages of a finished study in a real browser: they work on a desk, on a phone and on paper."""

import re

import checks
import nibabel as nib
import numpy as np
import pytest
from auditory_study import auditory
from chromium import PHONE, WIDE
from studies import ALL_OUTPUTS, SMALL, Study, merged

SUBJECT_PAGE, STUDY_PAGE = "results/sub-01/report.html", "results/report.html"
HOSTILE = (
    "<script>document.title = 'changed'</script><img src=x onerror=alert(1)> & \"'` ${x} {{ 7 * 7 }} 😀 "
)
MM, Z = 0.051, 0.0051  # the viewer tells tenths of mm and hundredths of z
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


TOLD = re.compile(r"\(([^)]*)\) mm · (?:z = (\S+)|outside of the mask)")


def told(page):
    """Place in mm that the viewer of a page tells, and z there; None outside of the mask."""
    found = TOLD.match(
        page.evaluate("document.querySelector('.viewer output').textContent").replace("\u2212", "-")
    )
    return np.array(found[1].split(", "), float), float(found[2]) if found[2] else None


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_viewer_tells_the_map_at_a_peak_and_wherever_it_is_clicked(browser, study, size):
    """A row of the table moves it there, a click elsewhere; the value is that of the map of the contrast."""
    with browser.open(study.folder / SUBJECT_PAGE, size=size) as page:
        checks.unfold(page)
        maps = sorted(study.results.parent.glob("node-subject/*/*_stat-z_statmap.nii.gz"))
        assert (
            len(maps)
            == len(study.config["contrasts"])
            == page.evaluate("viewer.data.contrasts.length", own=True)
        )
        for path in maps:
            image, key = nib.load(path), path.name.removesuffix("_stat-z_statmap.nii.gz")
            with_mask = nib.load(next(path.parent.glob("*_desc-brain_mask.nii.gz"))).get_fdata() > 0
            row = f"document.getElementById({key!r}).querySelector('tbody button.go')"
            if page.evaluate(f"!{row}"):
                continue
            expected = page.evaluate(f"{row}.dataset.mm").split()
            page.click(row)
            page.rest()
            place, z = told(page)
            np.testing.assert_allclose(place, np.array(expected, float), rtol=0, atol=MM)
            assert page.evaluate(f"document.getElementById({key!r}).contains(viewer.root)", own=True)
            for at in [None, (0.45, 0.55), (0.55, 0.6), (0.4, 0.35)]:
                if at:
                    page.click("document.querySelectorAll('.viewer canvas')[2]", at=at)
                    place, z = told(page)
                exact = np.array(page.evaluate("viewer.point", own=True))
                np.testing.assert_allclose(place, exact, rtol=0, atol=MM)
                voxel = tuple(
                    np.rint(nib.affines.apply_affine(np.linalg.inv(image.affine), exact)).astype(int)
                )
                if z is None:
                    assert not with_mask[voxel]
                    continue
                value = image.get_fdata()[voxel]
                is_signed = page.evaluate("viewer.z.signed", own=True)
                assert z == pytest.approx(value if is_signed else max(value, 0), abs=Z)
        assert checks.network_and_errors(page) == []


def test_viewer_fits_its_place_and_colours_what_passes(browser, study):
    """Nothing of it is cut off, also on a phone; no pixel is coloured above the largest z, some below."""
    coloured = """(() => [...viewer.root.querySelectorAll("canvas")].reduce((sum, canvas) => {
      const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      let n = 0;
      for (let i = 0; i < data.length; i += 4) n += Math.abs(data[i] - data[i + 2]) > 60;
      return sum + n;
    }, 0))()"""
    move = """(value => {
      const range = viewer.part("threshold");
      range.value = value;
      range.dispatchEvent(new Event("input"));
    })"""
    for size in (WIDE, PHONE):
        with browser.open(study.folder / SUBJECT_PAGE, size=size) as page:
            page.rest()
            assert page.evaluate("document.querySelectorAll('.viewer canvas').length") == 3
            assert page.evaluate(
                "[...document.querySelectorAll('.viewer *')].every("
                "each => each.getBoundingClientRect().right <= innerWidth)"
            )
            page.evaluate(f"{move}(2)", own=True)
            some = page.evaluate(coloured, own=True)
            page.evaluate(f"{move}(viewer.z.top)", own=True)
            assert some > 0 == page.evaluate(coloured, own=True)
            assert "z" in page.evaluate("document.querySelector('.viewer .bar').innerText")


def test_each_threshold_is_a_click_away_in_the_same_place(browser, study):
    """One picture of a contrast is seen at a time, and its button is pressed."""
    with browser.open(study.folder / SUBJECT_PAGE) as page:
        for number in (2, 1, 3, 0):
            page.click(f"document.querySelectorAll('article .tabs')[0].children[{number}]")
            seen = page.evaluate(
                "[...document.querySelector('article').querySelectorAll(':scope > figure.shown')]"
                ".map(figure => figure.checkVisibility())"
            )
            assert seen == [k == number for k in range(4)]
            pressed = page.evaluate(
                "[...document.querySelectorAll('article .tabs')[0].querySelectorAll('button:not(.go)')]"
                ".map(button => button.ariaPressed)"
            )
            assert pressed == [str(k == number).lower() for k in range(4)]


def test_each_run_is_a_click_away_and_all_are_on_paper(browser, small_study):
    """The section of quality shows the pictures of one run at a time."""
    shown = "[...document.querySelectorAll('#quality article')].map(one => one.checkVisibility())"
    with browser.open(small_study.folder / SUBJECT_PAGE) as page:
        assert page.evaluate(shown) == [True, False]
        page.click("document.querySelectorAll('#quality .runs button')[1]")
        assert page.evaluate(shown) == [False, True]
        page.look(media="print")
        assert page.evaluate(shown) == [True, True]


def test_reference_opens_where_it_is_cited(browser, small_study):
    """The list of references is folded until one is asked for."""
    with browser.open(small_study.folder / SUBJECT_PAGE) as page:
        cited = (
            "document.getElementById(document.querySelector('#methods a').hash.slice(1)).checkVisibility()"
        )
        assert not page.evaluate(cited)
        page.click("document.querySelector('#methods a')")
        assert page.evaluate(cited)


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
        assert checks.viewer(page) == []
