"""Whiteness of the residuals of a run, beside what white noise shows after the same design."""

from __future__ import annotations

from typing import Any

import numpy as np

from firstlevel.arrays import BoolArray, FloatArray
from firstlevel.glm import noise
from firstlevel.quality.sampled import Residuals
from firstlevel.quality.whiteness import EDGES, LEVEL, histogram, summary, white_noise_through


def described(
    found: Residuals,
    design: FloatArray,
    rho: FloatArray,
    kept: BoolArray,
    lags: int,
    noise_model: str,
) -> dict[str, Any]:
    """Whiteness before and after whitening, each beside what white noise shows after the same design.

    `rho` is that of all voxels, whose median stands for the design's.
    """
    whitened = noise.MODELS[noise_model].whitens
    content: dict[str, Any] = {"NoiseModel": noise_model, "Whitened": whitened, "Lags": lags}
    content["Level"], content["SampledVoxels"] = LEVEL, found.before.lag1.size
    content["HistogramEdges"] = EDGES.round(6).tolist()
    typical = float(np.median(rho)) if rho.size else 0.0
    parts = {"Before": (found.before, 0.0), **({"After": (found.after, typical)} if whitened else {})}
    for name, (series, coefficient) in parts.items():
        clean = summary(white_noise_through(design, coefficient, kept, lags))
        content[name] = {
            **summary(series),
            "OfWhiteNoise": clean,
            "Histogram": histogram(series),
        }
    return content
