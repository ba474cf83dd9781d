"""Numbers that tell how good a run, its fit and its design are. Knows arrays only: no files, no config.

n scans, p regressors, v voxels. Scans that are censored are no part of any sum over time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from firstlevel.glm import dependence

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

CHUNK = 512
"""Voxels whose series a processor's cache holds while lag after lag is summed up."""
LEVEL = 0.05
"""Of the Ljung-Box test."""
N_SIMULATED = 2000
"""Series of white noise that tell what a design does to it: a share of 5 % is then known to 0.5 %."""
NO_VARIANCE = 1e-12
"""Share of a sum of squares below which residuals are rounding: betas are stored in single precision."""
LEAST_OF_MEDIAN, LEAST_DEVIATION = 0.03, 0.1
"""Of the DVARS' median, and percent: the deviation that DVARS are held against is not smaller."""
EDGES = np.linspace(-1.0, 1.0, 101)
"""Bins of the histograms of lag-1 autocorrelation."""


def rigid_motion(translation: FloatArray, rotation: FloatArray) -> FloatArray:
    """Movements (n, 4, 4) in mm space with these parameters, mm and degrees, both (n, 3).

    The inverse of :func:`firstlevel.image.motion.rigid_parameters`: rotations about x, y and z (SPM's signs),
    then the translation.
    """
    a, b, c = np.radians(rotation).T
    one, zero = np.ones_like(a), np.zeros_like(a)

    def matrix(*rows: tuple[FloatArray, ...]) -> FloatArray:
        return np.moveaxis(np.array(rows), 2, 0)

    about_x = matrix((one, zero, zero), (zero, np.cos(a), np.sin(a)), (zero, -np.sin(a), np.cos(a)))
    about_y = matrix((np.cos(b), zero, np.sin(b)), (zero, one, zero), (-np.sin(b), zero, np.cos(b)))
    about_z = matrix((np.cos(c), np.sin(c), zero), (-np.sin(c), np.cos(c), zero), (zero, zero, one))
    moves = np.tile(np.eye(4), (len(translation), 1, 1))
    moves[:, :3, :3] = about_x @ about_y @ about_z
    moves[:, :3, 3] = translation
    return moves


def outermost(mask: BoolArray) -> npt.NDArray[np.int64]:
    """Voxels (k, 3) of a mask that are first or last along x, along y and along z: its hull is among them."""
    ends = mask.copy()
    for axis in range(3):
        first = np.cumsum(mask, axis=axis) == 1
        last = np.flip(np.cumsum(np.flip(mask, axis), axis=axis), axis) == 1
        ends &= first | last
    return np.argwhere(ends)


def displacements(moves: FloatArray, points: FloatArray) -> FloatArray:
    """Largest displacement of any point against the first volume, (n,), mm.

    Parameters
    ----------
    moves : (n, 4, 4), :func:`rigid_motion` of each volume against the space of the points.
    points : (k, 3), mm. A displacement is convex in the point: those on the hull of a brain stand for all.

    Notes
    -----
    A volume's affine takes the tissue to its place x in the common space, so x was scanned at M^-1 x.
    """
    inverse = np.linalg.inv(moves)
    relative = inverse - inverse[0]
    largest = np.empty(len(moves))
    for scan, matrix in enumerate(relative):
        moved = points @ matrix[:3, :3].T + matrix[:3, 3]
        largest[scan] = np.sqrt(np.einsum("ki,ki->k", moved, moved).max())
    return largest


def rotation_angles(moves: FloatArray) -> FloatArray:
    """Angle (degrees) of the rotation of each volume against the first, about whatever axis, (n,).

    |R - 1| = 2 sqrt(2) sin(angle / 2) in the Frobenius norm, which is exact for small angles too.
    """
    relative = moves[:, :3, :3] @ moves[0, :3, :3].T
    size = np.linalg.norm(relative - np.eye(3), axis=(1, 2)) / (2 * np.sqrt(2))
    angles: FloatArray = np.degrees(2 * np.arcsin(np.clip(size, 0, 1)))
    return angles


def unit_columns(design: FloatArray) -> FloatArray:
    """Columns of a design divided by their lengths; a column of zeros stays one."""
    scaled: FloatArray = design / dependence.column_lengths(design)
    return scaled


def tsnr(data: FloatArray, basis: FloatArray, kept: BoolArray) -> FloatArray:
    """Mean over time over standard deviation, without the share that `basis` explains, (v,).

    `data` is (n, v), `basis` (n, k) an orthonormal basis of drift, constant and censored scans. The deviation
    has n - k degrees of freedom. 0 where nothing varies.
    """
    rest = data - basis @ (basis.T @ data)
    squares = np.einsum("tv,tv->v", rest, rest)
    deviation = np.sqrt(squares / max(len(data) - basis.shape[1], 1))
    mean = data[kept].mean(axis=0)
    varies = squares > NO_VARIANCE * np.einsum("tv,tv->v", data, data)
    ratio: FloatArray = np.zeros_like(mean)
    np.divide(mean, deviation, out=ratio, where=varies)
    return ratio


@dataclass(frozen=True)
class Whiteness:
    """How white series are.

    Attributes
    ----------
    lag1 : (v,), autocorrelation at lag 1.
    p : (v,), of the Ljung-Box test that all lags are 0. Both NaN where nothing varies.
    """

    lag1: FloatArray
    p: FloatArray

    @property
    def known(self) -> BoolArray:
        """Voxels that vary."""
        return np.isfinite(self.lag1)


def whiteness(series: FloatArray, kept: BoolArray, n_lags: int, scale: FloatArray | None = None) -> Whiteness:
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
    (Stoffer and Toloi 1992, Stat Probab Lett 13:391-396).
    """
    n_lags = min(n_lags, len(series) - 1)
    there = kept.astype(np.float64)
    n_kept = int(kept.sum())
    lag1, statistic = np.full((2, series.shape[1]), np.nan)
    for start in range(0, series.shape[1], CHUNK):
        chunk = slice(start, start + CHUNK)
        e = series[:, chunk] - series[kept, chunk].mean(axis=0)
        e[~kept] = 0.0
        squares = np.einsum("tv,tv->v", e, e)
        known = squares > (0 if scale is None else NO_VARIANCE * scale[chunk])
        share = np.divide(1.0, squares, out=np.full_like(squares, np.nan), where=known)
        total = np.zeros_like(squares)
        for lag in range(1, n_lags + 1):
            pairs = float(there[lag:] @ there[:-lag])
            if pairs == 0:
                continue
            r = np.einsum("tv,tv->v", e[lag:], e[:-lag]) * share
            total += r**2 / pairs
            if lag == 1:
                lag1[chunk] = r * (n_kept / pairs) * (len(e) - 1) / len(e)
        statistic[chunk] = n_kept * (n_kept + 2) * np.where(known, total, np.nan)
    return Whiteness(lag1, special.chdtrc(n_lags, statistic))


def whitened(series: FloatArray, rho: FloatArray) -> FloatArray:
    """AR(1) whitening with one coefficient per column, y_t - rho y_{t-1}; the first sample as it is."""
    white = series.copy()
    white[1:] -= rho * series[:-1]
    return white


def white_noise_through(design: FloatArray, rho: float, kept: BoolArray, n_lags: int) -> Whiteness:
    """What is found in white noise once a design, whitened with `rho`, is fitted to it: the clean level.

    A design with p columns leaves n - p degrees of freedom, so that residuals of the whitest noise are
    slightly correlated; drift takes slow noise out and makes the rest negatively so.
    """
    basis = dependence.factorise(whitened(design, np.full(design.shape[1], rho))).basis
    noise = np.random.default_rng(0).standard_normal((len(design), N_SIMULATED))
    return whiteness(noise - basis @ (basis.T @ noise), kept, n_lags)


def summary(found: Whiteness) -> dict[str, float | None]:
    """Median and mean lag-1 autocorrelation, and the share that the test rejects; None of no voxel."""
    lag1, p = found.lag1[found.known], found.p[found.known]
    if not lag1.size:
        return {"MedianAutocorrelation": None, "MeanAutocorrelation": None, "Rejected": None}
    return {
        "MedianAutocorrelation": float(np.median(lag1)),
        "MeanAutocorrelation": float(lag1.mean()),
        "Rejected": float((p < LEVEL).mean()),
    }


def histogram(found: Whiteness) -> list[int]:
    """Voxels in each bin of EDGES by their lag-1 autocorrelation."""
    counts: list[int] = np.histogram(found.lag1[found.known], EDGES)[0].tolist()
    return counts


def largest_correlation(design: FloatArray, columns: list[int]) -> tuple[float, int, int] | None:
    """Correlation of largest absolute value between two of the columns, and which they are; None of fewer.

    A column that does not vary correlates with none.
    """
    if len(columns) < 2:
        return None
    centred = unit_columns(design[:, columns] - design[:, columns].mean(axis=0))
    correlation = centred.T @ centred
    i, j = np.triu_indices(len(columns), 1)
    k = int(np.abs(correlation[i, j]).argmax())
    return float(correlation[i[k], j[k]]), columns[int(i[k])], columns[int(j[k])]


def variance_inflation(design: FloatArray, column: int) -> float:
    """By how much the other columns inflate the variance of a column's beta; infinite where they make it up.

    Notes
    -----
    1 / (1 - R^2) of the column on all others, R^2 about the mean; the others hold a constant (Mumford et al.
    2015, PLoS ONE 10:e0126255, on what it says of fMRI designs). The mean of a column costs it nothing.
    """
    others = dependence.factorise(np.delete(design, column, axis=1)).basis
    x = design[:, column]
    centred = x - x.mean()
    rest = x - others @ (others.T @ x)
    unexplained, total = float(rest @ rest), float(centred @ centred)
    # rounding leaves 1e-30; 1e-12 is a correlation of 0.999999999999 with the others
    return total / unexplained if unexplained > 1e-12 * float(x @ x) else float("inf")


def efficiency(covariance: FloatArray, weights: FloatArray) -> float:
    """1 / trace(C (X'X)^-1 C') of a contrast, `weights` (q, p), in squared units of the noise over the beta.

    `covariance` is (X'X)^-1, (p, p) (Dale 1999, Hum Brain Mapp 8:109-114).
    """
    return float(1.0 / np.trace(weights @ covariance @ weights.T))


def centre_and_width(z: FloatArray) -> tuple[float, float] | None:
    """Median and robust standard deviation of z, 1.4826 times the median absolute deviation.

    0 and 1 of noise alone. Voxels that were not tested, with z of 0 or no number, do not count; None of no
    voxel.
    """
    tested = z[(z != 0) & ~np.isnan(z)]
    if not tested.size:
        return None
    median = float(np.median(tested))
    return median, float(np.median(np.abs(tested - median)) / special.ndtri(0.75))


def condition_of_interest(design: FloatArray, of_interest: Sequence[int]) -> float:
    """Condition number of a design (n, p), its columns of no interest made orthogonal to each other.

    The betas of interest and their variances are the same for any columns that span it: 24 parameters of
    motion and their like may nearly follow from each other, at no cost. Columns are of unit length.
    """
    others = np.delete(design, list(of_interest), axis=1)
    basis = dependence.factorise(others).basis
    return dependence.factorise(np.hstack([design[:, list(of_interest)], basis])).condition_number


def dvars_scores(dvars: FloatArray, kept: BoolArray) -> tuple[float | None, float | None, FloatArray]:
    """Median of a run's DVARS, its robust deviation, and how many of these each volume lies above the median.

    Parameters
    ----------
    dvars : (n,), percent of the mean; NaN where there is none, as for the first volume.
    kept : (n,), volumes that are not censored. A volume that is, or that follows one that is, does not count.

    Returns
    -------
    Median and deviation (percent), None where nothing is known; the scores (n,), NaN of what does not count.

    Notes
    -----
    The deviation is 1.4826 times the median absolute deviation, and at least 3 % of the median and 0.1 %:
    the DVARS of many voxels of independent noise hardly varies, and any change of the signal would stand out.
    A volume that is 10 % too bright raises the DVARS of two from sqrt(2) s to sqrt(2 s^2 + 100), s the noise
    in percent: with s = 10, by 22 %, or 7 such deviations.
    """
    counts = kept & np.append(True, kept[:-1]) & np.isfinite(dvars)
    if not counts.any():
        return None, None, np.full(len(dvars), np.nan)
    median = float(np.median(dvars[counts]))
    spread = float(np.median(np.abs(dvars[counts] - median)) / special.ndtri(0.75))
    deviation = max(spread, LEAST_OF_MEDIAN * median, LEAST_DEVIATION)
    return median, deviation, np.where(counts, (dvars - median) / deviation, np.nan)
