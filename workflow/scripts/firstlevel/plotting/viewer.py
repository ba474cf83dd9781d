"""Interactive viewer of a z map: one HTML page that loads nothing from elsewhere, and forbids itself to."""

from __future__ import annotations

import html
import re
import warnings

import numpy as np
from nibabel.spatialimages import SpatialImage as Image

from firstlevel.plotting import overlay, sections

MOST_VOXELS = 200_000
"""Of the viewer's grid; a noisy image has about 1.5 bytes for each in the page."""
POLICY = "default-src 'none'; img-src data:; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
STYLE = (
    "body{background:#000;color:#ddd;font:16px/1.4 sans-serif;margin:1em}"
    "h1{color:#fff;font-size:1.25em;font-weight:normal;margin:0;overflow-wrap:anywhere}p{margin:.2em 0 1em}"
    ".hidden{display:none}"
)


def page(zmap: Image, mean: Image, title: str, threshold: float, signed: bool) -> str:
    """Page with nilearn's viewer, of images on a plain grid: |z| (not `signed`: z) above the threshold."""
    from nilearn.plotting import view_img

    point = sections.through_activation(zmap, threshold, "ortho", 1)
    top = max(float(np.abs(sections.finite(zmap)).max()), 1.25 * threshold) or 1.0
    zmap, mean = sections.isotropic(zmap, mean, MOST_VOXELS)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*hreshold")  # nothing or everything is above it
        warnings.filterwarnings("ignore", message="empty mask")
        view = view_img(
            zmap,
            bg_img=mean,
            cut_coords=point,
            threshold=float(threshold),
            cmap=overlay.colours(threshold, top, signed),
            symmetric_cmap=signed,
            vmin=None if signed else 0.0,
            vmax=top,
            black_bg=True,
            dim=0.5,
            resampling_interpolation="nearest",
            width_view=900,
        )
    bound = f"{'|z|' if signed else 'z'} > {float(threshold)}, uncorrected · click or drag to move the cuts"
    return _with_heading(_alone_and_the_same(view.get_standalone()), title, bound)


def _alone_and_the_same(document: str) -> str:
    """Take out what nilearn 0.14 puts in: an icon of its web site, and random names of elements."""
    document = re.sub(r"<link\s[^>]*>", "", document)  # the blank keeps the scripts, which ask for /<link/
    if named := re.search(r'id="div_viewer-([0-9a-f]{32})"', document):
        document = document.replace(f"-{named[1]}", "")
    return document


def _with_heading(document: str, title: str, caption: str) -> str:
    """Put title and caption, as text, into a page that may only use what it holds."""
    name = html.escape(title)
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{name}</title><style>{STYLE}</style>"
    )
    body = f"<h1>{name}</h1><p>{html.escape(caption)}</p>"
    document, n_heads = re.subn(r"<title>.*?</title>", lambda _: head, document, count=1, flags=re.DOTALL)
    document, n_bodies = re.subn(r"<body[^>]*>", lambda tag: tag[0] + body, document, count=1)
    if not n_heads or not n_bodies:
        raise ValueError("the page of nilearn's viewer has no title or no body to put a heading into")
    return document
