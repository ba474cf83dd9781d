"""The checks of pages find what is wrong: pages made for that, in a real browser."""

import html as markup
import http.server
import io
import threading

import checks
import nibabel as nib
import numpy as np
import pytest
from chromium import PHONE, WIDE, Browser, without_network
from PIL import Image

from firstlevel.plotting import viewer

PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAP///wAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw=="
SORT = """
for (const button of document.querySelectorAll("th button")) button.onclick = () => {
  const th = button.parentElement, body = th.closest("table").tBodies[0];
  const up = th.ariaSort !== "ascending", value = row => Number(row.cells[th.cellIndex].textContent);
  th.ariaSort = up ? "ascending" : "descending";
  body.append(...[...body.rows].sort((a, b) => (up ? 1 : -1) * (value(a) - value(b))));
};"""
TABLE = """<table class="sortable"><thead><tr><th>name<th><button>z</button></thead><tbody>
<tr><td>a<td>3.5<tr><td>b<td>-10<tr><td>c<td>12</tbody></table>"""
GOOD = f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Good</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<h1 id="top">Good</h1><p>Text <a href="#top">up</a>, <a href="other.html#there">on</a>,
<a href="https://doi.org/10.1/x">source</a></p><img alt="a pixel" src="{PIXEL}">
<details><summary>more</summary><p style="height: 30000px">far down</p>
<img loading="lazy" alt="another" src="far.png"></details>
{TABLE}<script>{SORT}</script>"""


def written(folder, html):
    folder.joinpath("other.html").write_text("<p id=there>")
    Image.new("L", (1, 1)).save(folder / "far.png")
    folder.joinpath("page.html").write_text(html)
    return folder / "page.html"


def everything(page, root):
    """All that the checks say of a page."""
    checks.unfold(page)
    return [
        *checks.images(page),
        *checks.links(page, root),
        *checks.overflow(page),
        *checks.contrasts(page),
        *checks.sorting(page),
        *checks.network_and_errors(page),
    ]


@pytest.mark.parametrize(("size", "dark"), [(WIDE, False), (PHONE, True)])
def test_nothing_is_said_of_a_page_without_fault(browser, tmp_path, size, dark):
    """A page that holds all that is asked for passes, wide and light, and dark on a phone."""
    with browser.open(written(tmp_path, GOOD), size=size, dark=dark) as page:
        assert everything(page, tmp_path) == []


FAULTS = {
    "outside script": (
        '<script src="https://example.org/x.js"></script>',
        "asks for https://example.org/x.js",
    ),
    "fetch": ("<script>fetch('http://127.0.0.1:9/data')</script>", "asks for http://127.0.0.1:9/data"),
    "socket": ("<script>new WebSocket('ws://127.0.0.1:9/')</script>", "asks for ws://127.0.0.1:9/"),
    "style": ("<style>@import 'https://example.org/a.css';</style>", "asks for https://example.org/a.css"),
    "missing file": ('<script src="missing.js"></script>', "missing.js: net::ERR_FILE_NOT_FOUND"),
    "in a frame": ("<iframe srcdoc='<script src=https://example.org/y.js></script>'></iframe>", "org/y.js"),
    "console": ("<script>console.error('no', 3)</script>", "error: no 3"),
    "uncaught": ("<script>setTimeout(() => { throw new Error('late') })</script>", "Error: late"),
    "promise": ("<script>Promise.reject(new Error('nobody'))</script>", "Error: nobody"),
    "image": (
        '<img alt="x" src="data:image/png;base64,AAAA">',
        "data:image/png;base64,AAAA: does not decode",
    ),
    "lazy image": (
        '<p style="height: 30000px"></p><img loading="lazy" alt="x" src="data:image/png;base64,BBBB">',
        "data:image/png;base64,BBBB: does not decode",
    ),
    "folded image": (
        '<details><summary>s</summary><img loading="lazy" alt="x" src="no.png"></details>',
        "no.png: does not decode",
    ),
    "image in a frame": (
        """<iframe srcdoc='<img alt="x" src="data:image/png;base64,CCCC">'></iframe>""",
        "data:image/png;base64,CCCC: does not decode",
    ),
    "image in a late frame in a fold": (
        "<details><summary>s</summary><iframe loading=lazy srcdoc='<img src=late.png>'></iframe></details>",
        "late.png: does not decode",
    ),
    "alt": (f'<img alt=" " src="{PIXEL}">', "no alt"),
    "link": ('<a href="nothing.html">x</a>', '<a href="nothing.html">'),
    "id": ('<a href="#nothing">x</a>', '<a href="#nothing">'),
    "id elsewhere": ('<a href="other.html#nothing">x</a>', '<a href="other.html#nothing">'),
    "absolute": ('<a href="/">x</a>', '<a href="/">'),
    "above": ('<a href="../..">x</a>', '<a href="../..">'),
    "another site": ('<a href="https://example.org/">x</a>', '<a href="https://example.org/">'),
    "hint": ('<link rel="preconnect" href="https://github.com/">', '<link href="https://github.com/">'),
    "folded grey": (
        '<details><summary>s</summary><p style="color: #888; background: #fff">folded</p></details>',
        "'folded': ",
    ),
    "grey": ('<p style="color: #777; background: #fff">x</p>', "contrast 4.48"),
    "faded": ('<p style="color: #000; background: #fff; opacity: 0.3">faded</p>', "'faded': "),
    "black": ('<p style="color: #000">in the dark</p>', "'in the dark': "),
    "wide": ('<p style="width: 1300px">far out</p>', "p far out"),
}


def test_each_fault_is_found(browser, tmp_path):
    """Every fault that is put into a page that is good otherwise is named."""
    html = GOOD + "".join(fault for fault, _ in FAULTS.values())
    with browser.open(written(tmp_path, html), dark=True) as page:
        found = everything(page, tmp_path)
    missed = [name for name, (_, said) in FAULTS.items() if not any(said in line for line in found)]
    assert missed == [], found


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("th.ariaSort = up", "th.lang = up", "aria-sort says [None, None]"),
        ("Number(", "String(", "is not ascending"),
        ("body.append(", "body.replaceChildren(", "rows change"),
        ("button.onclick", "button.never", "is not None"),
    ],
)
def test_table_that_does_not_sort_is_found(browser, tmp_path, good, bad, said):
    """A header that keeps its direction to itself, orders numbers as text, loses rows or does nothing."""
    script = SORT.replace(good, bad).replace(
        "[...body.rows]", "[body.rows[0]]" if "replace" in bad else "[...body.rows]"
    )
    if bad == "String(":
        script = script.replace("value(a) - value(b)", "value(a) < value(b) ? -1 : 1")
    with browser.open(written(tmp_path, GOOD.replace(SORT, script))) as page:
        assert said in " ".join(checks.sorting(page))


def test_page_that_forgets_the_phone_is_found(browser, tmp_path):
    """Without the viewport in its head, a page is laid out for a desk and shrunk."""
    html = GOOD.replace("width=device-width", "")
    with browser.open(written(tmp_path, html), size=PHONE) as page:
        assert "laid out for 980 px" in checks.overflow(page)[0]


@pytest.mark.parametrize(
    ("cuts", "reached"),
    [
        ({"names": False, "interfaces": False}, True),
        ({"names": True, "interfaces": False}, False),
        ({"names": False, "interfaces": True}, False),
    ],
)
def test_each_cut_keeps_a_page_from_a_server_that_is_there(browser, tmp_path, cuts, reached):
    """A page fetches from this machine: the server hears of it without a cut, and of nothing with either."""
    if cuts["interfaces"] and not without_network():
        pytest.skip("this machine allows no network namespace (unshare --net)")
    heard = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            heard.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/here"
        page = written(tmp_path, f"<p>x</p><script>fetch('{address}', {{mode: 'no-cors'}})</script>")
        with Browser(**cuts) as own, own.open(page) as opened:
            found = checks.network_and_errors(opened)
        server.shutdown()
    assert heard == (["/here"] if reached else [])
    assert f"asks for {address}" in found
    assert any(line.startswith(f"does not get {address}") for line in found)


def volumes():
    """A z map and its background, of noise."""
    rng = np.random.default_rng(0)
    affine = np.diag([7.0, 7.0, 8.0, 1.0])
    return [nib.Nifti1Image(rng.normal(size=(26, 30, 16)) * 3, affine) for _ in range(2)]


def nilearn_viewer():
    """What nilearn makes of a z map: a viewer that holds all it needs."""
    from nilearn.plotting import view_img

    z, background = volumes()
    return view_img(z, bg_img=background, threshold=3).get_standalone()


def own_viewer():
    """What the workflow makes of it, with a script of its own."""
    z, background = volumes()
    inside = np.ones(z.shape, bool)
    return viewer.page(viewer.data_of(z, background, inside, "key", "faces", {}, 3.0, signed=True))


@pytest.mark.parametrize("how", ["srcdoc", "src"])
@pytest.mark.parametrize("made", [nilearn_viewer, own_viewer], ids=["nilearn", "own"])
def test_click_moves_the_viewer_in_a_frame(browser, tmp_path, made, how):
    """A viewer, folded and late, works in a frame; the same without its script does not."""
    whole = made()
    dead = (
        whole.replace('addEventListener("click"', 'addEventListener("never"')
        .replace("mousedown", "no")
        .replace("pointerdown", "no")
    )
    assert dead != whole
    for html, said in ((whole, []), (dead, ["the viewer does not react to a click"])):
        (tmp_path / "viewer.html").write_text(html)
        inside = {"src": "viewer.html", "srcdoc": markup.escape(html)}[how]
        frame = f'<iframe width="600" height="300" loading="lazy" {how}="{inside}"></iframe>'
        folded = f"<details><summary>viewer</summary>{frame}</details>"
        with browser.open(written(tmp_path, GOOD + folded)) as page:
            checks.unfold(page)
            (shown,) = checks.viewers(page)
            assert checks.viewer(page, shown) == said
            assert checks.images(page) == []
            assert checks.network_and_errors(page) == []


def test_pictures_show_size_and_colour_scheme(browser, tmp_path):
    """Screenshots have the size asked for, dark is dark, and what is printed is a PDF in light colours."""
    html = GOOD.replace(
        "</title>", "</title><style>@media print { body { background: rgb(0, 0, 255) } }</style>"
    )
    with browser.open(written(tmp_path, html), size=PHONE) as page:
        corners = {}
        for name, how in {"light": {}, "dark": {"dark": True}, "print": {"media": "print"}}.items():
            page.look(**how)
            with Image.open(io.BytesIO(page.screenshot())) as picture:
                assert picture.size == PHONE
                corners[name] = picture.convert("RGB").getpixel((385, 5))
        assert page.pdf().startswith(b"%PDF")
    assert corners["light"] == (255, 255, 255)
    assert max(corners["dark"]) < 40
    assert corners["print"] == (0, 0, 255)
