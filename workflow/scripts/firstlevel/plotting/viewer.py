"""Interactive viewer of a z map: one HTML page that loads nothing from the network, and forbids it.

Its two scripts, brainsprite and the jQuery that this needs, are those that nilearn's own viewer is made of;
nilearn itself, whose import would take longer than all pictures of a contrast, is not loaded.
"""

from __future__ import annotations

import base64
import html
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import SpatialImage
from PIL import Image

from firstlevel import third_party
from firstlevel.plotting import cuts, overlay, sections
from firstlevel.plotting.drawing import Colormap, Normalize, ScalarMappable
from firstlevel.plotting.sampling import finite

MOST_VOXELS = 200_000
"""Of the viewer's grid; a noisy image has about 1.5 bytes for each in the page."""
POLICY = "default-src 'none'; img-src data:; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
STYLE = (
    "body{background:#000;color:#ddd;font:16px/1.4 sans-serif;margin:1em}"
    "h1{color:#fff;font-size:1.25em;font-weight:normal;margin:0;overflow-wrap:anywhere}p{margin:.2em 0 1em}"
    ".hidden{display:none}"
)
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1><p>{caption}</p>
<div id="div_viewer">
<canvas id="3Dviewer">
<img id="spriteImg" class="hidden" alt="background" src="data:image/png;base64,{background}">
<img id="colorMap" class="hidden" alt="colours of z" src="data:image/png;base64,{colours}">
<img id="overlayImg" class="hidden" alt="z" src="data:image/png;base64,{z}">
</canvas>
</div>
<script>{jquery}</script>
<script>{brainsprite}</script>
<script>$(window).on("load", function () {{ var brain = brainsprite({params}); }});</script>
</body>
</html>
"""
PLACES = ("plotting/data/js", "_assets/js")
"""Where nilearn 0.13 and 0.14 keep the scripts."""
SCRIPTS = {"jquery": "jquery.min.js", "brainsprite": "brainsprite.min.js"}


def page(zmap: SpatialImage, mean: SpatialImage, title: str, threshold: float, signed: bool) -> str:
    """Page with the viewer, of images on a plain grid: |z| (not `signed`: z) above the threshold."""
    point = sections.through_activation(zmap, threshold, "ortho", 1)
    top = max(float(np.abs(finite(zmap)).max()), 1.25 * threshold) or 1.0
    colours, ends = overlay.colours(threshold, top, signed), (-top if signed else 0.0, top)
    zmap, mean = sections.isotropic(zmap, mean, MOST_VOXELS)
    z = sprite(np.ma.masked_inside(finite(zmap), -threshold, threshold))
    behind, grey = sprite(finite(mean)), cuts.background(mean)
    shades = np.linspace(*ends, 256).reshape(1, -1)
    bound = f"{'|z|' if signed else 'z'} > {float(threshold)}, uncorrected · click or drag to move the cuts"
    scripts = next(filter(Path.is_dir, (third_party.folder_of("nilearn") / place for place in PLACES)))
    return PAGE.format(
        policy=POLICY,
        style=STYLE,
        title=html.escape(title),
        caption=html.escape(bound),
        background=_png(behind, grey.colours, grey.ends, "L"),
        colours=_png(shades, colours, ends, "RGB"),
        z=_png(z, colours, ends, "RGBA"),
        params=json.dumps(_parameters(zmap, point, ends)),
        **{name: (scripts / file).read_text(encoding="utf-8") for name, file in SCRIPTS.items()},
    )


def sprite(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Sagittal slices (nx, ny, nz) side by side in rows, each with z up; the last row is filled up.

    The picture is (rows nz, columns ny), with about as many rows as columns; masked stays masked.
    """
    nx, ny, nz = values.shape
    n_rows = math.ceil(math.sqrt(nx))
    n_columns = math.ceil(nx / n_rows)
    padded = np.ma.zeros((n_rows * n_columns, nz, ny), np.float32)
    padded[:nx] = values[:, :, ::-1].transpose(0, 2, 1)
    tiles = padded.reshape(n_rows, n_columns, nz, ny).transpose(0, 2, 1, 3)
    return tiles.reshape(n_rows * nz, n_columns * ny)


def _png(values: npt.NDArray[Any], colours: Colormap | str, ends: tuple[float, float], mode: str) -> str:
    """Picture of values, as text; what is masked is transparent."""
    shades = ScalarMappable(Normalize(*ends), colours).to_rgba(values, bytes=True)
    written = io.BytesIO()
    Image.fromarray(shades).convert(mode).save(written, format="png")
    return base64.b64encode(written.getvalue()).decode()


def _parameters(zmap: SpatialImage, point: sections.Cuts, ends: tuple[float, float]) -> dict[str, Any]:
    """Parameters of brainsprite: the grid, the first cuts, colours.

    It draws slices that are counted from 0, and tells where they are as if they were counted from 1: the
    affine takes that back.
    """
    shape = dict(zip("XYZ", zmap.shape, strict=True))
    place = np.floor(np.linalg.inv(zmap.affine) @ [*point, 1.0] + 0.5).astype(int)
    from_one = np.eye(4)
    from_one[:3, 3] = -1.0
    return {
        "canvas": "3Dviewer",
        "sprite": "spriteImg",
        "nbSlice": shape,
        "overlay": {"sprite": "overlayImg", "nbSlice": shape, "opacity": 1},
        "colorBackground": "#000000",
        "colorFont": "#FFFFFF",
        "crosshair": True,
        "affine": (zmap.affine @ from_one).tolist(),
        "flagCoordinates": True,
        "title": None,
        "flagValue": False,
        "numSlice": dict(zip("XYZ", place[:3].tolist(), strict=True)),
        "radiological": False,
        "showLR": True,
        "colorMap": {"img": "colorMap", "min": ends[0], "max": ends[1]},
    }
