"""Pictures of a subject's page for the README, from a study that is finished.

make screenshots
python screenshots.py /data/faces --subject 01
"""

import argparse
import io
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
from chromium import PHONE, WIDE, Browser

LARGEST = 300_000
"""Bytes of one picture."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT, help="where the study's results are")
    parser.add_argument("--subject", default="01")
    parser.add_argument("--to", type=Path, default=ROOT / "resources", help="folder of the pictures")
    options = parser.parse_args()
    page = options.folder / f"results/sub-{options.subject}/report.html"
    if not page.is_file():
        raise SystemExit(f"{page} is not there: run the workflow first")
    with Browser() as browser:
        for name, size in (("wide", WIDE), ("phone", PHONE)):
            print(take(browser, page, options.to / f"report_{name}.png", size))


def take(browser: Browser, page: Path, picture: Path, size: tuple[int, int]) -> str:
    """Write what a window of this size shows first, in so many colours as fit; say how large it is."""
    with browser.open(page, size=size) as shown:
        shot = Image.open(io.BytesIO(shown.screenshot())).convert("RGB")
    for colours in (256, 128, 64, 32):
        written = io.BytesIO()
        shot.quantize(colours, method=Image.Quantize.MAXCOVERAGE).save(written, "PNG", optimize=True)
        if len(written.getvalue()) <= LARGEST:
            picture.write_bytes(written.getvalue())
            return f"{picture}: {shot.width} x {shot.height}, {len(written.getvalue()) / 1000:.0f} kB"
    raise SystemExit(f"{picture} would be larger than {LARGEST / 1000:.0f} kB")


if __name__ == "__main__":
    main()
