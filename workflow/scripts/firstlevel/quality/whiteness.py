"""How white residuals are. Arrays only.

n scans, p regressors, v voxels. Scans that are censored are no part of any sum over time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from firstlevel.arrays import BoolArray, FloatArray
from firstlevel.glm import dependence
from firstlevel.glm.stream import NO_VARIANCE

CHUNK = 512
"""Voxels whose series a processor's cache holds while lag after lag is summed up."""
LEVEL = 0.05
"""Of the Ljung-Box test."""
N_SIMULATED = 2000
"""Series of white noise that tell what a design does to it: a share of 5 % is then known to 0.5 %."""
EDGES = np.linspace(-1.0, 1.0, 101)
"""Bins of the histograms of lag-1 autocorrelation."""


@dataclass(frozen=True)
class Whiteness:
    """How white series are.

    Attributes
    ----------
    lag1 : (v,), autocorrelation at lag 1; NaN of all where no two successive scans are kept.
    p : (v,), of the Ljung-Box test that all lags are 0; NaN of all where no two scans of any lag are kept.
        Both NaN where nothing varies.
    """

    lag1: FloatArray
    p: FloatArray


def measure_whiteness(
    series: FloatArray, kept: BoolArray, n_lags: int, scale: FloatArray | None = None
) -> Whiteness:
    """Autocorrelation at lag 1, and the Ljung-Box test over lags 1 to `n_lags`, of series (n, v).

    Parameters
    ----------
    kept : (n,), False for censored scans, which enter no product.
    scale : (v,), sums of squares of the data; smaller by far, the series are rounding and tell nothing.

    Notes
    -----
    r_k = sum(e_t e_{t-k}) / sum(e_t^2) and Q = n (n + 2) sum(r_k^2 / (n - k)), chi-squared with as many
    degrees of freedom as lags (Ljung and Box 1978, Biometrika 65:297-303): none is taken for a fitted AR(1)
    coefficient. With scans missing, n is the number of scans and n - k that of the pairs that are there
    (Stoffer and Toloi 1992, Stat Probab Lett 13:391-396). Lags without a pair are no part of the test.
    """
    n_lags = min(n_lags, len(series) - 1)
    there = kept.astype(np.float64)
    n_kept = int(kept.sum())
    lag1, statistic = np.full((2, series.shape[1]), np.nan)
    n_pairs = [float(there[lag:] @ there[:-lag]) for lag in range(1, n_lags + 1)]
    n_tested = np.count_nonzero(n_pairs)
    for start in range(0, series.shape[1], CHUNK):
        chunk = slice(start, start + CHUNK)
        e = series[:, chunk] - series[kept, chunk].mean(axis=0)
        e[~kept] = 0.0
        squares = np.einsum("tv,tv->v", e, e)
        varies = squares > (0 if scale is None else NO_VARIANCE * scale[chunk])
        share = np.divide(1.0, squares, out=np.full_like(squares, np.nan), where=varies)
        total = np.zeros_like(squares)
        for lag, pairs in enumerate(n_pairs, start=1):
            if pairs == 0:
                continue
            r = np.einsum("tv,tv->v", e[lag:], e[:-lag]) * share
            total += r**2 / pairs
            if lag == 1:
                lag1[chunk] = r * (n_kept / pairs) * (len(e) - 1) / len(e)
        if n_tested:
            statistic[chunk] = n_kept * (n_kept + 2) * np.where(varies, total, np.nan)
    return Whiteness(lag1, special.chdtrc(n_tested, statistic))


def white_noise_through(
    designs: Sequence[tuple[FloatArray, float]], kept: BoolArray, n_lags: int
) -> Whiteness:
    """Whiteness of residuals of white noise after a fit of `designs`, whitened ones (n, p): the reference.

    A design with p columns leaves n - p degrees of freedom, so that residuals of the whitest noise are
    slightly correlated; drift takes slow noise out and makes the rest negatively so. Of several designs each
    has its share of the series.
    """
    noise = np.random.default_rng(0).standard_normal((len(kept), N_SIMULATED))
    ends = np.rint(N_SIMULATED * np.cumsum([share for _, share in designs])).astype(int).tolist()
    for (design, _), start, end in zip(designs, [0, *ends], ends, strict=False):
        basis, part = dependence.factorise(design).basis, noise[:, start:end]
        noise[:, start:end] = part - basis @ (basis.T @ part)
    return measure_whiteness(noise, kept, n_lags)


def summary(measured: Whiteness) -> dict[str, float | None]:
    """Median and mean lag-1 autocorrelation, and the share that the test rejects; None where not known."""
    lag1, p = (values[np.isfinite(values)] for values in (measured.lag1, measured.p))
    return {
        "MedianAutocorrelation": float(np.median(lag1)) if lag1.size else None,
        "MeanAutocorrelation": float(lag1.mean()) if lag1.size else None,
        "Rejected": float((p < LEVEL).mean()) if p.size else None,
    }


def histogram(measured: Whiteness) -> list[int]:
    """Voxels in each bin of EDGES by their lag-1 autocorrelation."""
    counts: list[int] = np.histogram(measured.lag1[np.isfinite(measured.lag1)], EDGES)[0].tolist()
    return counts
