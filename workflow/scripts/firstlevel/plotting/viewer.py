"""Interactive viewer of a z map: one HTML page that loads nothing from the network, and forbids it.

The page holds the map itself, on its own grid and in hundredths, and a background: its script cuts both. What
it names at a place is therefore a value of the map. The page of a subject takes the data out of the pages of
its contrasts and shows them in one viewer.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import SpatialImage as Image

from firstlevel.arrays import Float32Array
from firstlevel.plotting.sampling import finite, sampled
from firstlevel.stage import SCRIPTS
from firstlevel.viewer_marks import END, START

MOST_BEHIND = 120_000
"""Voxels of the background."""
MOST_VOXELS = 400_000
"""Voxels of the map, about 1.6 bytes each in the page; of more, the strongest of each block stands for it."""
GREYS = 64
"""Shades of the background: the eye tells no more apart behind colours, and files are half as large."""
PER_Z = 100
"""Steps of z in a unit."""
LARGEST = 327.0
"""z beyond this is shown as this."""
POLICY = "default-src 'none'; img-src data:; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
STYLE = (
    "body{background:#000;color:#ddd;font:16px/1.4 sans-serif;margin:1em;max-width:70rem}"
    "h1{color:#fff;font-size:1.25em;font-weight:normal;margin:0;overflow-wrap:anywhere}p{margin:.2em 0 1em}"
)
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1><p>click or drag to move the cuts, or use the arrow keys</p>
<div class="viewer" id="viewer"></div>
{start}{data}{end}
<script>{script}
const maps = JSON.parse(document.getElementById("maps").textContent);
new Viewer(document.getElementById("viewer"), maps).show();</script>
</body>
</html>
"""
TEMPLATES = SCRIPTS.parent / "report"


def page(data: Mapping[str, Any]) -> str:
    """Page with the viewer of :func:`data_of` a contrast."""
    [contrast] = data["contrasts"]
    return PAGE.format(
        policy=POLICY,
        style=STYLE + (TEMPLATES / "viewer.css").read_text(encoding="utf-8"),
        title=html.escape(contrast["title"]),
        start=START,
        data=json.dumps(data, sort_keys=True).replace("<", "\\u003c"),
        end=END,
        script=(TEMPLATES / "viewer.js").read_text(encoding="utf-8"),
    )


def data_of(
    source: Image,
    behind: Image,
    inside: npt.NDArray[np.bool_],
    key: str,
    title: str,
    limits: Mapping[str, float],
    start: float,
    signed: bool,
) -> dict[str, Any]:
    """What the viewer's script draws.

    Parameters
    ----------
    source : z, on its own grid.
    behind : the background, on a plain grid.
    inside : the mask, (nx, ny, nz).
    key : that tells the contrast from others of the subject.
    limits : thresholds of z by their names.
    start : the threshold that is shown first.
    """
    z, mask, affine, factor = _blocks(finite(source), inside, np.asarray(source.affine, dtype=float))
    if not signed:
        z = np.maximum(z, 0)
    steps = np.rint(np.clip(z[mask], -LARGEST, LARGEST) * PER_Z).astype("<i2")
    planes = steps.view(np.uint8).reshape(-1, 2).T  # low bytes, then high ones, which are alike
    packed, back = _packed(np.packbits(mask)), _background(behind)
    mask_name, background_name = _digest(packed), _digest(back["grey"])
    peak = np.array(np.unravel_index(np.abs(np.where(mask, z, 0)).argmax(), z.shape))
    return {
        "masks": {mask_name: packed},
        "backgrounds": {background_name: back},
        "contrasts": [
            {
                "key": key,
                "title": title,
                "signed": signed,
                "start": start,
                "limits": [list(limit) for limit in limits.items()],
                "top": max(float(np.abs(z[mask]).max(initial=0.0)), 1.25 * start) or 1.0,
                "shape": list(z.shape),
                "affine": affine[:3].tolist(),
                "factor": factor,
                "point": (affine[:3, :3] @ peak + affine[:3, 3]).tolist(),
                "mask": mask_name,
                "background": background_name,
                "z": _packed(planes),
            }
        ],
    }


def _blocks(
    z: Float32Array, mask: npt.NDArray[np.bool_], affine: npt.NDArray[np.float64]
) -> tuple[Float32Array, npt.NDArray[np.bool_], npt.NDArray[np.float64], list[int]]:
    """Map of few enough voxels: of each block of equal voxels along all axes the strongest z.

    Returns
    -------
    z and the mask (mx, my, mz), their affine, and voxels of a block along each axis.
    """
    n = 1
    while np.count_nonzero(mask) / n**3 > MOST_VOXELS:
        n += 1
    if n == 1:
        return z, mask, affine, [1, 1, 1]
    shape = [-(-size // n) for size in z.shape]
    padding = [(0, n * blocks - size) for blocks, size in zip(shape, z.shape, strict=True)]
    order, blocks_of = (0, 2, 4, 1, 3, 5), (shape[0], n, shape[1], n, shape[2], n)
    values = np.pad(np.where(mask, z, np.float32(0)), padding).reshape(blocks_of).transpose(order)
    covered = np.pad(mask, padding).reshape(blocks_of).max(axis=(1, 3, 5))
    values = values.reshape(*shape, n**3)
    strongest = np.abs(values).argmax(axis=-1)[..., None]
    onto = np.diag([n, n, n, 1.0])
    onto[:3, 3] = (n - 1) / 2
    found = np.take_along_axis(values, strongest, axis=-1)[..., 0]
    return found, covered, affine @ onto, [n, n, n]


def _background(behind: Image) -> dict[str, Any]:
    """Background on a grid of cubes of about `MOST_BEHIND` at most, in shades of grey."""
    sides = np.diag(behind.affine)[:3]
    extent = sides * behind.shape
    side = max(float(sides.min()), float(np.prod(extent) / MOST_BEHIND) ** (1 / 3))
    shape = tuple(int(n) for n in np.ceil(extent / side - 1e-6))
    onto = np.diag([side, side, side, 1.0])
    onto[:3, 3] = behind.affine[:3, 3] - sides / 2 + side / 2
    values = finite(sampled(behind, onto, shape, linear=True))
    low, high = float(values.min()), float(values.max())
    share = (values - low) / ((high - low) or 1.0)
    grey = (np.rint(share * (GREYS - 1)) * (255 // (GREYS - 1))).astype(np.uint8)
    return {"shape": list(shape), "first": onto[:3, 3].tolist(), "side": side, "grey": _packed(grey)}


def _packed(values: npt.NDArray[Any]) -> str:
    """Bytes of an array in C order, compressed, as text."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(values).tobytes(), 6)).decode()


def _digest(text: str) -> str:
    """Name of what is equal."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
