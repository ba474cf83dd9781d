"""What must hold for a page that people open: each check lists what is wrong with it."""

import re
from urllib.parse import unquote, urlsplit

TO_READ = ("https://doi.org/", "https://github.com/")
"""Addresses that a page may name for its reader; nothing of them is ever fetched."""
CONTRAST, CONTRAST_OF_LARGE = 4.5, 3.0
"""Lowest contrast of text and of large text. Source: WCAG 2.2, success criterion 1.4.3 (AA)."""

UNFOLD = """(() => {
  for (const details of document.querySelectorAll("details")) details.open = true;
  for (const late of document.querySelectorAll("[loading=lazy]")) late.loading = "eager";
})()"""

IMAGES = """(async () => {
  const wrong = [];
  for (const image of document.images) {
    const name = (image.getAttribute("src") ?? image.id ?? "").slice(0, 60) || "an image without src";
    const late = new Promise((_, fail) => setTimeout(fail, 5000));
    const decoded = await Promise.race([image.decode(), late]).then(() => true, () => false);
    if (!decoded || !image.complete || !image.naturalWidth) wrong.push(`${name}: does not decode`);
    if (image.checkVisibility() && !image.alt.trim()) wrong.push(`${name}: no alt`);
  }
  return wrong;
})()"""

LINKS = """[...document.querySelectorAll("[href]")].map(element => {
  const href = element.getAttribute("href");
  const id = decodeURIComponent(href.slice(1));
  return [element.localName, href, href[0] === "#" && (href === "#" || !!document.getElementById(id))];
})"""

OVERFLOW = """(width => {
  const wide = document.scrollingElement.scrollWidth, laidOut = document.documentElement.clientWidth;
  if (wide <= width && laidOut === width) return [];
  const scrolls = element => element
    && (getComputedStyle(element).overflowX !== "visible" || scrolls(element.parentElement));
  const out = [...document.body.querySelectorAll("*")].filter(
    element => element.getBoundingClientRect().right > width + 0.5 && !scrolls(element.parentElement));
  const names = out.slice(0, 5).map(each => `${each.localName} ${each.textContent.trim().slice(0, 40)}`);
  return [`${wide} px wide on ${width} px, laid out for ${laidOut} px: ${names.join("; ")}`];
})"""

CONTRASTS = """(() => {
  const pen = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = colour => {  // any CSS colour, as 0 to 1
    pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data].map(value => value / 255);
  };
  const over = ([r, g, b, a], under) => [r, g, b].map((value, i) => a * value + (1 - a) * under[i]);
  const light = colour => colour
    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
  const sheet = document.body.appendChild(document.createElement("i"));
  sheet.style.backgroundColor = "Canvas";  // what lies below everything, in the page's colour scheme
  const canvas = rgba(getComputedStyle(sheet).backgroundColor).slice(0, 3);
  sheet.remove();
  const behind = element => element
    ? over(rgba(getComputedStyle(element).backgroundColor), behind(element.parentElement)) : canvas;
  const faded = element => element ? getComputedStyle(element).opacity * faded(element.parentElement) : 1;
  const found = new Map();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement, text = texts.currentNode.data.trim();
    const seen = element.checkVisibility({visibilityProperty: true}) && !element.closest("svg, canvas");
    if (!text || !seen) continue;
    const style = getComputedStyle(element), under = behind(element), size = parseFloat(style.fontSize);
    const colour = rgba(style.color); colour[3] *= faded(element);
    const [dark, bright] = [light(over(colour, under)), light(under)].sort((a, b) => a - b);
    const ratio = (bright + 0.05) / (dark + 0.05);
    const large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
    const colours = `${style.color} on ${under.map(value => Math.round(255 * value))}`;
    found.set([colours, ratio, large].join(), [text.slice(0, 40), colours, ratio, large]);
  }
  return [...found.values()];
})()"""

COLUMN = """((number, column) => {
  const table = document.querySelectorAll("table.sortable")[number];
  return [...table.tBodies[0].rows].map(({cells: {[column]: cell}, textContent}) =>
    [cell.dataset.sort ?? cell.dataset.value ?? cell.textContent.trim(), textContent]);
})"""

BUTTONS = """[...document.querySelectorAll("table.sortable")].flatMap((table, i) =>
  [...table.querySelectorAll("th")].flatMap((th, j) =>
    th.querySelector("button") ? [[i, j, th.cellIndex, th.textContent.trim()]] : []))"""

SEEN = """(() => [document.querySelector("canvas").toDataURL(), document.body.innerText])()"""


def unfold(page):
    """Open what is folded and load what waits to be scrolled to, in the page and its frames."""
    done = []
    while new := [frame for frame in page.frames() if frame not in done]:  # what was folded may hold frames
        for frame in new:
            page.evaluate(UNFOLD, frame)
        done += new
        page.rest()


def network_and_errors(page):
    """What the page asked for outside, what did not arrive, and errors of its scripts."""
    return [
        *(f"asks for {url[:200]}" for url in page.outside),
        *(f"does not get {failure}" for failure in page.failed),
        *(f"error: {error}" for error in page.errors),
    ]


def images(page):
    """Images that do not decode, in frames, too, and images that are seen and have no text instead."""
    return [found for frame in page.frames() for found in page.evaluate(IMAGES, frame)]


def links(page, root):
    """Links that lead nowhere, to somewhere else than below `root`, or to another place than TO_READ."""
    wrong = []
    for name, href, is_here in page.evaluate(LINKS):
        if href.startswith("#"):
            found = is_here
        elif urlsplit(href).scheme:
            found = href.startswith("data:") if name == "link" else name == "a" and href.startswith(TO_READ)
        else:
            path, fragment = unquote(urlsplit(href).path), unquote(urlsplit(href).fragment)
            file = (page.file.parent / path).resolve()
            found = not path.startswith("/") and file.is_relative_to(root.resolve()) and file.exists()
            if found and fragment:
                found = (
                    re.search(rf"""\bid=["']?{re.escape(fragment)}["'\s>]""", file.read_text()) is not None
                )
        if not found:
            wrong.append(f'<{name} href="{href[:200]}"> leads nowhere that it may')
    return wrong


def overflow(page):
    """What is wider than the window."""
    return page.evaluate(f"{OVERFLOW}({page.size[0]})")


def contrasts(page):
    """Text that is hard to read against what is behind it (colours; pictures behind text are not seen)."""
    found = page.evaluate(CONTRASTS)
    assert found, f"{page.file} has no text"
    return [
        f"{text!r}: {colours} has contrast {ratio:.2f}"
        for text, colours, ratio, large in found
        if ratio < (CONTRAST_OF_LARGE if large else CONTRAST)
    ]


def number(text):
    """Number that a cell shows, or None."""
    plain = text.replace("\u2212", "-").replace(",", "").rstrip("% ")
    try:
        return float(plain)
    except ValueError:
        return None


def is_sorted(cells, direction):
    """Whether cells are in order; those without a value (n/a, empty) may stand at either end."""
    cells = [cell for cell in cells if cell.lower() not in ("", "n/a")]
    numbers = [number(cell) for cell in cells]
    plain = [cell.casefold() for cell in cells]
    orders = [plain, [natural(cell) for cell in plain]] if None in numbers else [numbers]
    return any(order == sorted(order, reverse=direction == "descending") for order in orders)


def natural(text):
    """Text to be ordered as people do: 2 before 10a."""
    return [(part.isdigit(), int(part) if part.isdigit() else part) for part in re.split(r"(\d+)", text)]


def sorting(page):
    """Click every header button twice: what does not sort, loses rows, or does not say its direction."""
    wrong = []
    for table, heading, column, title in page.evaluate(BUTTONS):
        th = f"document.querySelectorAll('table.sortable')[{table}].querySelectorAll('th')[{heading}]"
        before = page.evaluate(f"{COLUMN}({table}, {column})")
        directions = []
        for _ in range(2):
            page.click(f"{th}.querySelector('button')")
            after = page.evaluate(f"{COLUMN}({table}, {column})")
            directions.append(page.evaluate(f"{th}.getAttribute('aria-sort')"))
            if sorted(after) != sorted(before):
                wrong.append(f"{title}: rows change")
            elif not is_sorted([cell for cell, _ in after], directions[-1]):
                wrong.append(f"{title}: {[cell for cell, _ in after][:6]} is not {directions[-1]}")
        if sorted(map(str, directions)) != ["ascending", "descending"]:
            wrong.append(f"{title}: aria-sort says {directions}")
    return wrong


def viewers(page):
    """Frames of the page that have a canvas."""
    return [
        frame for frame in page.frames()[1:] if page.evaluate("!!document.querySelector('canvas')", frame)
    ]


def viewer(page, frame=None):
    """Whether a viewer, in the page or a frame of it, draws or tells another place after clicks into it."""
    before = page.evaluate(SEEN, frame)
    page.rest()
    if page.evaluate(SEEN, frame) != before:
        return ["the viewer changes on its own"]
    for at in ((0.12, 0.4), (0.2, 0.6)):
        page.click("document.querySelector('canvas')", frame, at=at)
        if page.evaluate(SEEN, frame) != before:
            return []
    return ["the viewer does not react to a click"]
