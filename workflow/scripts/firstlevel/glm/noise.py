"""Models of the noise by name: how each is estimated, and what the methods text says of it.

Most are one AR(1) coefficient per voxel, which follows from sums over time. Others are learnt, as mixtures of
processes, from the series of a sample of voxels. To add one of either kind: a function and an entry of
MODELS, its name in the schema of the config, a sentence in config/README.md. No name is asked for elsewhere:
files, figures and texts follow from the entry. Arrays only; symbols as in :mod:`firstlevel.glm.sums`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from firstlevel.arrays import BoolArray, FloatArray
from firstlevel.glm.mixture import Mixture
from firstlevel.glm.mixture_learning import learn
from firstlevel.glm.sums import Sums

AR1_STEP = 0.01
"""AR(1) coefficients are truncated toward zero to this step, as nilearn's ``run_glm`` does."""
RHOS = np.arange(-99, 100) / 100
"""Values of a corrected AR(1) coefficient. Its standard error, sqrt((1 - rho^2) / n), is far above a step."""


@dataclass(frozen=True)
class Run:
    """What a model knows of a whole run before it sees a block of voxels.

    Attributes
    ----------
    n_scans : number of scans.
    expected : :func:`expected_autocorrelation` of the design, where the model asks for it.
    pooled : mean over the mask of the residuals' lag-1 autocorrelation, where the model asks for it.
    """

    n_scans: int
    expected: FloatArray | None = None
    pooled: float | None = None


@dataclass(frozen=True)
class NoiseModel:
    """One way to estimate the noise of each voxel.

    Attributes
    ----------
    sentence : what the noise is called in the methods text; `cites` what it refers to there.
    if_not_white : what a verdict says where whitened residuals are not white.
    coefficients : AR(1) coefficients, (v,), of the sums of a block of voxels; None where noise is learnt.
    learn : of the series (n, s) of a sample of voxels and the basis of the design, (n, r), the processes that
        their noise is of. The fit then keeps the series of all voxels, and saves the processes and the
        posterior of each voxel over them.
    is_arma : whether each voxel has the two coefficients of :mod:`firstlevel.glm.arma`, searched for in its
        series, which are kept; the fit saves them.
    whitens : whether the data are whitened, which needs scans at equal steps.
    needs_expected, is_pooled : what of :class:`Run` it needs; a pooled model reads the data twice.
    """

    sentence: str
    cites: tuple[str, ...] = ()
    if_not_white: str = "consider glm.noise_model: mixture"
    coefficients: Callable[[Sums, Run], FloatArray] | None = None
    learn: Callable[[FloatArray, FloatArray], Mixture] | None = None
    is_arma: bool = False
    whitens: bool = True
    needs_expected: bool = False
    is_pooled: bool = False

    @property
    def needs_series(self) -> bool:
        """Whether a fit needs the series of each voxel, beside sums over time."""
        return self.coefficients is None

    @property
    def is_learnt(self) -> bool:
        """Whether the noise of a voxel is one of the processes of its run, with files of their own."""
        return self.learn is not None


def prepare(name: str, basis: FloatArray, autocorrelation: Callable[[], float] | None = None) -> Run:
    """What the model of this name needs of a run, computed once.

    Parameters
    ----------
    basis : (n, r), of the design.
    autocorrelation : gives the mean over the mask of :func:`observed_autocorrelation`, which costs a
        reading of the data.
    """
    model = MODELS[name]
    if model.is_pooled and autocorrelation is None:
        raise ValueError(f"{name} needs the autocorrelation of the whole mask")
    return Run(
        n_scans=len(basis),
        expected=expected_autocorrelation(basis) if model.needs_expected else None,
        pooled=autocorrelation() if model.is_pooled and autocorrelation else None,
    )


def _white(sums: Sums, run: Run) -> FloatArray:
    return np.zeros_like(sums.squares)


def _as_nilearn(sums: Sums, run: Run) -> FloatArray:
    return ar1_coefficients(run.n_scans, sums)


def _corrected(sums: Sums, run: Run) -> FloatArray:
    assert run.expected is not None
    return corrected_ar1_coefficients(observed_autocorrelation(sums), sums.squares > 0, run.expected)


def _pooled(sums: Sums, run: Run) -> FloatArray:
    assert run.expected is not None
    assert run.pooled is not None
    observed = np.full_like(sums.squares, run.pooled)
    return corrected_ar1_coefficients(observed, sums.squares > 0, run.expected)


def ar1_coefficients(n_scans: int, sums: Sums) -> FloatArray:
    """Lag-1 autocorrelation of the OLS residuals of each voxel, truncated toward zero to 0.01.

    (v,), dimensionless. 0 where there is no residual variance.

    Notes
    -----
    Yule-Walker of order 1, (sum e_t e_{t-1} / (n - 1)) / (sum e_t^2 / n), the estimator of nilearn's
    ``run_glm`` after Worsley et al. 2002, NeuroImage 15:1-15.
    """
    variance, covariance = sums.squares / n_scans, sums.products / (n_scans - 1)
    rho = np.zeros_like(variance)
    np.divide(covariance, variance, out=rho, where=variance > 0)
    steps = round(1 / AR1_STEP)
    truncated: FloatArray = np.trunc(rho * steps) / steps
    return truncated


def expected_autocorrelation(basis: FloatArray) -> FloatArray:
    """Lag-1 autocorrelation that the OLS residuals of AR(1) noise have on average, one for each of RHOS.

    Lower than rho: the fit takes slow noise for drift and responses. `basis` is the design's, (n, r).

    Notes
    -----
    Residuals e = R y, R = I - QQ' with an orthonormal basis Q of the design, have E[e'e] = tr(R V) and
    E[sum e_t e_{t-1}] = tr(R D R V), with D = (L + L') / 2 of the lag L and V_st = rho^|s-t|: the equations
    of Worsley et al. 2002, NeuroImage 15:1-15, with V whole rather than to its first lag. A trace with V is a
    sum over diagonals. As R D R = D - QH' - HQ' with H = DQ - Q (Q'DQ) / 2, these are correlations of
    columns, by FFT: no (n, n) matrix is made.
    """
    n_scans = len(basis)
    neighbours = np.zeros_like(basis)
    neighbours[:-1] += basis[1:] / 2
    neighbours[1:] += basis[:-1] / 2
    other = neighbours - basis @ (basis.T @ neighbours) / 2
    squares = -_lagged_sums(basis, basis)
    products = -_lagged_sums(basis, other) - _lagged_sums(other, basis)
    squares[0] += n_scans
    products[1] += (n_scans - 1) / 2
    powers = RHOS[:, None] ** np.arange(n_scans)
    powers[:, 1:] *= 2  # either side of the diagonal
    expected: FloatArray = (powers @ products) / (powers @ squares)
    return expected


def observed_autocorrelation(sums: Sums) -> FloatArray:
    """Lag-1 autocorrelation of the residuals of each voxel, (v,); 0 where there is no residual variance."""
    observed = np.zeros_like(sums.squares)
    np.divide(sums.products, sums.squares, out=observed, where=sums.squares > 0)
    return observed


def corrected_ar1_coefficients(observed: FloatArray, varies: BoolArray, expected: FloatArray) -> FloatArray:
    """AR(1) coefficient of the noise whose residuals have, on average, the autocorrelation `observed`, (v,).

    `expected` is :func:`expected_autocorrelation` of the design. Rounded to the nearest of RHOS, 0 where
    nothing `varies`.
    """
    middle = len(RHOS) // 2
    falls = np.flatnonzero(np.diff(expected) <= 0)  # a design of very few degrees of freedom, far from 0
    low = max(falls[falls < middle] + 1, default=0)
    high = min(falls[falls >= middle], default=len(RHOS) - 1)
    branch = slice(low, high + 1)
    rho = np.interp(observed, expected[branch], RHOS[branch])
    rounded: FloatArray = np.where(varies, np.round(rho * 100) / 100, 0.0)
    return rounded


def _lagged_sums(a: FloatArray, b: FloatArray) -> FloatArray:
    """Sum of a_t b_{t+k} over time and columns, for each lag k from 0 to n - 1."""
    n_scans = len(a)
    spectrum = np.sum(
        np.conj(np.fft.rfft(a, 2 * n_scans, axis=0)) * np.fft.rfft(b, 2 * n_scans, axis=0), axis=1
    )
    sums: FloatArray = np.fft.irfft(spectrum, 2 * n_scans)[:n_scans]
    return sums


BEYOND_AR1 = "an AR(1) model does not hold there: consider glm.noise_model: mixture"
MODELS = {
    "ols": NoiseModel("white noise (ordinary least squares)", coefficients=_white, whitens=False),
    "ar1": NoiseModel(
        "AR(1) noise, its coefficient estimated per voxel from the residuals and truncated to 0.01",
        cites=("ar1",),
        coefficients=_as_nilearn,
    ),
    "ar1_corrected": NoiseModel(
        "AR(1) noise, its coefficient estimated per voxel and corrected for the design",
        cites=("ar1",),
        if_not_white=BEYOND_AR1,
        coefficients=_corrected,
        needs_expected=True,
    ),
    "ar1_pooled": NoiseModel(
        "AR(1) noise, with one coefficient for all voxels, from the mean autocorrelation of their residuals, "
        "corrected for the design",
        cites=("ar1",),
        if_not_white=BEYOND_AR1,
        coefficients=_pooled,
        needs_expected=True,
        is_pooled=True,
    ),
    "arma11": NoiseModel(
        "ARMA(1,1) noise, its two coefficients chosen per voxel by restricted maximum likelihood on the grid "
        "of AFNI's 3dREMLfit",
        cites=("afni", "reml"),
        if_not_white="an ARMA(1,1) model does not hold there",
        is_arma=True,
    ),
    "mixture": NoiseModel(
        "noise that is one of a few autoregressive processes at each voxel, which with their shares were "
        "learnt from a sample of the run's voxels by restricted maximum likelihood; estimates and tests are "
        "averaged over the posterior of the voxel",
        cites=("reml",),
        if_not_white="the noise there is none of the processes that were found in the run",
        learn=learn,
    ),
}
"""By the names of the config key glm.noise_model."""
